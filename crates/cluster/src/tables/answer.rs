//! What became of a statement, on its way back to the door. Pure.
//!
//! # Format
//!
//! The value of a record of answers is one line of JSON (`Head`), and behind its line break the rows
//! that the statement returns, as an Arrow IPC stream, if it returns some. Header
//! `mainstem-statement` says whose answer it is.

use std::{sync::Arc, time::Duration};

use arrow::{
    array::RecordBatch,
    error::ArrowError,
    ipc::{reader::StreamReader, writer::StreamWriter},
};
use mainstem_kernel::{Answer as FaultAnswer, Blame, Fault, Offsets, Place, Problem, Retry};
use mainstem_sql::QueryError;
use mainstem_table::Outcome;
use serde::{Deserialize, Serialize};

use super::errors::Told;

/// Version of the format.
const FORMAT: u8 = 1;

/// What became of a statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// Of each of its statements; and where a reader has to be to see it.
    Written(Vec<Outcome>, Offsets),
    /// Nothing was written.
    Refused(Box<Refusal>),
}

/// Why nothing was written, in words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Refusal {
    code: String,
    blame: char,
    /// Milliseconds, or −1 never, −2 after a while that grows, −3 after a restart.
    retry: i64,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    /// Line and column.
    place: Option<(u32, u32)>,
    /// Compiled as a whole, it says where.
    pub(super) is_unplaced: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    format: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rows: Vec<u64>,
    /// The statement that returns rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    returns: Option<usize>,
    #[serde(default)]
    position: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refusal: Option<Box<Refusal>>,
}

impl Answer {
    /// As a record has it.
    ///
    /// # Errors
    /// When rows have no Arrow bytes, which cannot be.
    pub(super) fn write(&self) -> Result<Vec<u8>, ArrowError> {
        let mut head = Head {
            format: FORMAT,
            rows: Vec::new(),
            returns: None,
            position: String::new(),
            refusal: None,
        };
        let mut returned: Option<&RecordBatch> = None;
        match self {
            Self::Written(outcomes, offsets) => {
                head.rows = outcomes.iter().map(|outcome| outcome.rows).collect();
                head.position = offsets.to_string();
                let returns = outcomes.iter().position(|one| one.returning.is_some());
                head.returns = returns;
                returned = returns
                    .and_then(|at| outcomes.get(at))
                    .and_then(|one| one.returning.as_ref());
            }
            Self::Refused(refusal) => head.refusal = Some(refusal.clone()),
        }
        let head = serde_json::to_vec(&head);
        let mut bytes = head.map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
        bytes.push(b'\n');
        if let Some(rows) = returned {
            let mut writer = StreamWriter::try_new(&mut bytes, rows.schema_ref())?;
            writer.write(rows)?;
            writer.finish()?;
        }
        Ok(bytes)
    }

    /// The answer of a record.
    ///
    /// # Errors
    /// What was expected.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (head, rest) = bytes.split_at(end.ok_or("expected a line")?);
        let head: Head = serde_json::from_slice(head).map_err(|error| error.to_string())?;
        if head.format != FORMAT {
            return Err(format!("expected format {FORMAT}, found {}", head.format));
        }
        if let Some(refusal) = head.refusal {
            return Ok(Self::Refused(refusal));
        }
        let plain = |rows: u64| Outcome {
            rows,
            returning: None,
        };
        let mut outcomes: Vec<Outcome> = head.rows.into_iter().map(plain).collect();
        if let Some(outcome) = head.returns.and_then(|at| outcomes.get_mut(at)) {
            let rows = returned(rest.get(1..).unwrap_or_default());
            outcome.returning = Some(rows.map_err(|error| error.to_string())?);
        }
        let position = head.position.parse::<Offsets>();
        let position = position.map_err(|error| error.to_string())?;
        Ok(Self::Written(outcomes, position))
    }
}

fn returned(bytes: &[u8]) -> Result<RecordBatch, ArrowError> {
    let mut reader = StreamReader::try_new(bytes, None)?;
    let batch = reader.next().transpose()?;
    Ok(batch.unwrap_or_else(|| RecordBatch::new_empty(reader.schema())))
}

impl Refusal {
    /// What an error says.
    pub(super) fn of(error: &dyn Fault) -> Self {
        let answer = error.answer();
        let problem = error.problem();
        Self {
            code: answer.code.as_str().to_owned(),
            blame: match answer.blame {
                Blame::Caller => 'c',
                Blame::Dependency => 'd',
                Blame::Node => 'n',
            },
            retry: match answer.retry {
                Retry::Never => -1,
                Retry::Backoff => -2,
                Retry::AfterRestart => -3,
                Retry::After(wait) => i64::try_from(wait.as_millis()).unwrap_or(i64::MAX),
            },
            message: problem.message,
            detail: problem.detail,
            hint: problem.hint,
            place: problem.position.map(|place| (place.line, place.column)),
            is_unplaced: false,
        }
    }

    /// The error, as it was raised where it was decided.
    ///
    /// # Errors
    /// When its code is of a newer program: its words then.
    pub(super) fn error(self) -> Result<QueryError, String> {
        let code = self.code.parse().map_err(|_unknown| self.message.clone())?;
        let answer = FaultAnswer {
            code,
            blame: match self.blame {
                'c' => Blame::Caller,
                'd' => Blame::Dependency,
                _ => Blame::Node,
            },
            retry: match u64::try_from(self.retry) {
                Ok(millis) => Retry::After(Duration::from_millis(millis)),
                Err(_) if self.retry == -2 => Retry::Backoff,
                Err(_) if self.retry == -3 => Retry::AfterRestart,
                Err(_) => Retry::Never,
            },
        };
        let place = self.place.map(|(line, column)| Place {
            file: String::new(),
            line,
            column,
        });
        let problem = Problem {
            code,
            message: self.message,
            detail: self.detail,
            hint: self.hint,
            position: place,
        };
        Ok(QueryError::Engine(Arc::new(Told { answer, problem })))
    }
}

#[cfg(test)]
mod tests;
