//! Runs a case in an empty node in memory, step by step.

use std::{collections::BTreeSet, error::Error};

use bytes::Bytes;
use mainstem_app::Source;
use mainstem_kernel::{Blame, Code, Fault, Problem, Timestamp, fault::chain};
use mainstem_node::{Heard, Rehearsal, RehearsalError};

use super::{
    compare::{self, Difference},
    script::{Action, Asked, Case, RowLines, Step},
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

/// Runs a case.
///
/// # Errors
/// Why the application could not be started at all.
pub(crate) fn play(source: &Source, case: &Case) -> Result<Played, Failure> {
    let rehearsal = Rehearsal::open(source, case.start);
    let mut rehearsal = rehearsal.map_err(|error| Failure::of(&error))?;
    let mut played = Played::default();
    for step in &case.steps {
        if let Err(refused) = perform(&mut rehearsal, step, &mut played) {
            let mut shown = Shown::from(refused);
            shown.position = Some(place(step, shown.position.as_ref()));
            played.findings.push(Finding::Refused(Box::new(shown)));
            break;
        }
    }
    Ok(played)
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

fn perform(rehearsal: &mut Rehearsal, step: &Step, played: &mut Played) -> Result<(), Problem> {
    match &step.action {
        Action::At(time) => {
            let span = time.since(rehearsal.now());
            rehearsal.advance(span).map_err(problem)
        }
        Action::Restart => rehearsal.restart().map_err(problem),
        Action::Write { sql, rejecting } => write(rehearsal, sql, *rejecting),
        Action::Send {
            stream,
            rejecting,
            rows,
        } => send(rehearsal, (stream, *rejecting), rows),
        Action::Expect { asked, rows } => {
            let mut found = found(rehearsal, asked).map_err(problem)?;
            let differences = match asked {
                Asked::Question {
                    is_ordered: true, ..
                } => compare::ordered(&rows.lines, &found),
                _ => compare::unordered(&rows.lines, &found),
            };
            let Some(differences) = differences else {
                return Ok(());
            };
            if !matches!(asked, Asked::Question { is_ordered, .. } if *is_ordered) {
                found.sort();
            }
            played.edits.push(Edit {
                before: rows.before,
                removed: rows.lines.len(),
                rows: found,
            });
            played.findings.push(Finding::Differs {
                line: step.line,
                asked: asked.clone(),
                at: rehearsal.now(),
                differences,
            });
            Ok(())
        }
    }
}

/// Whoever tests is the operator too: without a log of the process, the causes are told here.
#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
fn problem(error: RehearsalError) -> Problem {
    let mut problem = error.problem();
    if let (Blame::Node, Some(source)) = (error.answer().blame, error.source()) {
        problem.detail = Some(format!("Because: {}.", chain(source)));
    }
    problem
}

/// Writes rows, or has that refused.
fn write(rehearsal: &mut Rehearsal, sql: &str, rejecting: Option<Code>) -> Result<(), Problem> {
    let refused = rehearsal.ask(sql).err().map(problem);
    let code = match (rejecting, refused) {
        (None, None) => return Ok(()),
        (None, Some(refused)) => return Err(refused),
        (Some(code), Some(refused)) if refused.code == code => return Ok(()),
        (Some(code), Some(mut refused)) => {
            let detail = refused
                .detail
                .map_or_else(String::new, |detail| format!("{detail} "));
            refused.detail = Some(format!("{detail}The test expects {code}."));
            return Err(refused);
        }
        (Some(code), None) => code,
    };
    Err(Problem {
        code: Code::Cli018,
        message: format!("the statement was carried out, and {code} should have refused it"),
        detail: None,
        hint: Some("if it is right that it was: write, without rejecting".to_owned()),
        position: None,
    })
}

/// Sends rows, of which so many have to be refused.
fn send(
    rehearsal: &mut Rehearsal,
    (stream, rejecting): (&str, u64),
    rows: &RowLines,
) -> Result<(), Problem> {
    let body = Bytes::from(rows.lines.join("\n"));
    let ack = rehearsal.send(stream, body).map_err(problem)?;
    if ack.rejected == rejecting {
        return Ok(());
    }
    let reason = ack.rejects.first().map(|reject| {
        let line = (rows.before as u64)
            .saturating_add(reject.row)
            .saturating_add(1);
        format!(
            "The row in line {line} ({}): {}.",
            reject.code, reject.reason
        )
    });
    let (refused, of) = (ack.rejected, rows.lines.len());
    let should = match rejecting {
        0 => "none".to_owned(),
        count => count.to_string(),
    };
    Err(Problem {
        code: Code::Cli018,
        message: format!(
            "stream \"{stream}\" refused {refused} of {of} rows, and {should} should be"
        ),
        detail: reason,
        hint: Some(format!(
            "correct the rows; or, if they are to be refused: send {stream} rejecting {}",
            ack.rejected
        )),
        position: None,
    })
}

/// The rows that are there.
fn found(rehearsal: &mut Rehearsal, asked: &Asked) -> Result<Vec<String>, RehearsalError> {
    let sql = match asked {
        Asked::Question { sql, .. } => sql.clone(),
        Asked::Object(name) => {
            let Heard { columns, .. } = rehearsal.ask(&format!("SELECT * FROM {name} LIMIT 0"))?;
            let mut known = BTreeSet::new();
            let own = columns.iter().filter(|column| !column.starts_with('_'));
            let own = own.filter(|column| known.insert(*column));
            let own: Vec<String> = own.map(|column| format!("\"{column}\"")).collect();
            format!("SELECT {} FROM {name}", own.join(", "))
        }
    };
    Ok(rehearsal.ask(&sql)?.rows)
}
