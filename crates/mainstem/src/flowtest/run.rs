//! Runs a case step by step, wherever it is played.

use std::collections::BTreeSet;

use bytes::Bytes;
use mainstem_app::Source;
use mainstem_kernel::{Code, Problem, Timestamp};
use mainstem_node::{Heard, Rehearsal};

use super::{
    compare::{self, Difference},
    script::{Action, Asked, Case, RowLines, Step},
    stage::{Refused, Sent, Stage},
    update::Edit,
};
use crate::failure::{Failure, Shown, ShownPlace};

/// How a case went.
#[derive(Debug, Default)]
pub(crate) struct Played {
    /// What is not as expected, in order.
    pub(crate) findings: Vec<Finding>,
    /// What would make it so.
    pub(crate) edits: Vec<Edit>,
    /// What was not asked, by line, and why.
    pub(crate) skipped: Vec<(u32, String)>,
    /// Why nothing was played.
    pub(crate) excuse: Option<String>,
}

/// Something that is not as expected.
#[derive(Debug)]
pub(crate) enum Finding {
    /// Other rows.
    Differs {
        /// Line of the expectation.
        line: u32,
        /// What was asked.
        asked: Asked,
        /// When.
        at: Timestamp,
        /// How.
        differences: Vec<Difference>,
    },
    /// A step was refused; those behind it were not tried.
    Refused(Box<Shown>),
}

impl Finding {
    /// Whether no expectation can be rewritten for it.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

/// Runs a case in an empty node in memory.
///
/// # Errors
/// Why the application could not be started at all.
pub(crate) fn play(source: &Source, case: &Case) -> Result<Played, Failure> {
    let rehearsal = Rehearsal::open(source, case.start);
    let mut rehearsal = rehearsal.map_err(|error| Failure::of(&error))?;
    Ok(play_on(&mut rehearsal, case))
}

/// Runs a case where it is to be played.
pub(crate) fn play_on(stage: &mut dyn Stage, case: &Case) -> Played {
    let mut played = Played {
        excuse: stage.excuses(case),
        ..Played::default()
    };
    if played.excuse.is_some() {
        return played;
    }
    for step in &case.steps {
        if let Err(mut refused) = perform(stage, step, &mut played) {
            refused.position = Some(place(step, refused.position.as_ref()));
            played.findings.push(Finding::Refused(refused));
            break;
        }
    }
    played
}

/// Where in the file a step was refused: in its statement, if that is known, else at its object.
fn place(step: &Step, in_statement: Option<&ShownPlace>) -> ShownPlace {
    let (line, column) = match (&step.action, in_statement) {
        (
            Action::Write { .. }
            | Action::Expect {
                asked: Asked::Question { .. },
                ..
            },
            Some(place),
        ) => match place.line {
            0 | 1 => (
                0,
                step.rest_column
                    .saturating_add(place.column)
                    .saturating_sub(1),
            ),
            line => (line.saturating_sub(1), place.column),
        },
        (Action::At(_) | Action::Restart, _) => (0, step.column),
        _ => (0, step.rest_column),
    };
    ShownPlace {
        file: String::new(),
        line: step.line.saturating_add(line),
        column,
    }
}

fn perform(stage: &mut dyn Stage, step: &Step, played: &mut Played) -> Result<(), Refused> {
    match &step.action {
        Action::At(time) => stage.at(*time),
        Action::Restart => stage.restart(),
        Action::Write { sql, rejecting } => write(stage, sql, *rejecting),
        Action::Send {
            stream,
            rejecting,
            rows,
        } => send(stage, (stream, *rejecting), rows),
        Action::Expect { asked, rows } => match stage.excused(asked) {
            Some(why) => {
                played.skipped.push((step.line, why));
                Ok(())
            }
            None => expect(stage, (step.line, asked, rows), played),
        },
    }
}

/// Compares rows with what is there.
fn expect(
    stage: &mut dyn Stage,
    (line, asked, rows): (u32, &Asked, &RowLines),
    played: &mut Played,
) -> Result<(), Refused> {
    let is_ordered = matches!(asked, Asked::Question { is_ordered, .. } if *is_ordered);
    let (mut found, differences) = loop {
        let found = found(stage, asked)?;
        let differences = match is_ordered {
            true => compare::ordered(&rows.lines, &found),
            false => compare::unordered(&rows.lines, &found),
        };
        if !stage.asks_again(differences.is_none()) {
            break (found, differences);
        }
    };
    let Some(differences) = differences else {
        return Ok(());
    };
    if !is_ordered {
        found.sort();
    }
    played.edits.push(Edit {
        before: rows.before,
        removed: rows.lines.len(),
        rows: found,
    });
    played.findings.push(Finding::Differs {
        line,
        asked: asked.clone(),
        at: stage.now(),
        differences,
    });
    Ok(())
}

/// Writes rows, or has that refused.
fn write(stage: &mut dyn Stage, sql: &str, rejecting: Option<Code>) -> Result<(), Refused> {
    let refused = stage.ask(sql).err();
    let code = match (rejecting, refused) {
        (None, None) => return Ok(()),
        (None, Some(refused)) => return Err(refused),
        (Some(code), Some(refused)) if refused.code == code.as_str() => return Ok(()),
        (Some(code), Some(mut refused)) => {
            let detail = refused
                .detail
                .map_or_else(String::new, |detail| format!("{detail} "));
            refused.detail = Some(format!("{detail}The test expects {code}."));
            return Err(refused);
        }
        (Some(code), None) => code,
    };
    Err(shown(Problem {
        code: Code::Cli018,
        message: format!("the statement was carried out, and {code} should have refused it"),
        detail: None,
        hint: Some("if it is right that it was: write, without rejecting".to_owned()),
        position: None,
    }))
}

/// Sends rows, of which so many have to be refused.
fn send(
    stage: &mut dyn Stage,
    (stream, rejecting): (&str, u64),
    rows: &RowLines,
) -> Result<(), Refused> {
    let body = Bytes::from(rows.lines.join("\n"));
    let Sent { rejected, first } = stage.send(stream, body)?;
    if rejected == rejecting {
        return Ok(());
    }
    let reason = first.map(|(row, code, reason)| {
        let line = (rows.before as u64).saturating_add(row).saturating_add(1);
        format!("The row in line {line} ({code}): {reason}.")
    });
    let of = rows.lines.len();
    let should = match rejecting {
        0 => "none".to_owned(),
        count => count.to_string(),
    };
    Err(shown(Problem {
        code: Code::Cli018,
        message: format!(
            "stream \"{stream}\" refused {rejected} of {of} rows, and {should} should be"
        ),
        detail: reason,
        hint: Some(format!(
            "correct the rows; or, if they are to be refused: send {stream} rejecting {rejected}"
        )),
        position: None,
    }))
}

fn shown(problem: Problem) -> Refused {
    Box::new(Shown::from(problem))
}

/// The rows that are there.
fn found(stage: &mut dyn Stage, asked: &Asked) -> Result<Vec<String>, Refused> {
    let sql = match asked {
        Asked::Question { sql, .. } => sql.clone(),
        Asked::Object(name) => {
            let Heard { columns, .. } = stage.ask(&format!("SELECT * FROM {name} LIMIT 0"))?;
            let mut known = BTreeSet::new();
            let own = columns.iter().filter(|column| !column.starts_with('_'));
            let own = own.filter(|column| known.insert(*column));
            let own: Vec<String> = own.map(|column| format!("\"{column}\"")).collect();
            format!("SELECT {} FROM {name}", own.join(", "))
        }
    };
    Ok(stage.ask(&sql)?.rows)
}
