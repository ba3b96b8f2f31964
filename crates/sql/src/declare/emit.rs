//! EMIT …: when the rows of a view come out. Read, and written again.

use std::time::Duration;

use mainstem_catalog::Emit;
use mainstem_kernel::Problem;

use super::{
    cursor::{Cursor, Told},
    interval::interval,
    span,
};

const EVERY_MIN: Duration = Duration::from_millis(1);
const EVERY_MAX: Duration = Duration::from_secs(86_400);
const CORRECTIONS_MIN: Duration = Duration::from_secs(1);
const CORRECTIONS_MAX: Duration = Duration::from_secs(366 * 86_400);

/// Whether the next words begin an EMIT clause.
pub(crate) fn is_next(cursor: &Cursor<'_>) -> bool {
    cursor.at_words(&["EMIT", "ON"]) || cursor.at_words(&["EMIT", "CHANGES"])
}

/// EMIT ON UPDATE [EVERY INTERVAL '…'], EMIT ON WINDOW CLOSE [WITH CORRECTIONS FOR INTERVAL '…'].
///
/// # Errors
/// When the grammar is broken; a span out of bounds goes to `problems`.
pub(crate) fn read(cursor: &mut Cursor<'_>, problems: &mut Vec<Problem>) -> Result<Emit, Problem> {
    if cursor.at_words(&["EMIT", "CHANGES"]) {
        cursor.step();
        return Err(cursor.expected("ON").hint("write EMIT ON UPDATE"));
    }
    cursor.expect_words(&["EMIT", "ON"])?;
    if cursor.eat_words(&["UPDATE"]) {
        let every = match cursor.eat_words(&["EVERY"]) {
            true => Some(interval(cursor)?.between(EVERY_MIN, EVERY_MAX, problems)),
            false => None,
        };
        return end(
            cursor,
            Emit::OnUpdate { every },
            "EVERY INTERVAL '…' or \";\"",
        );
    }
    if cursor.eat_words(&["WINDOW", "CLOSE"]) {
        let corrections = match cursor.eat_words(&["WITH", "CORRECTIONS", "FOR"]) {
            true => {
                let span = interval(cursor)?;
                Some(span.between(CORRECTIONS_MIN, CORRECTIONS_MAX, problems))
            }
            false => None,
        };
        let more = "WITH CORRECTIONS FOR INTERVAL '…' or \";\"";
        return end(cursor, Emit::OnWindowClose { corrections }, more);
    }
    Err(cursor.expected("UPDATE or WINDOW CLOSE"))
}

fn end(cursor: &Cursor<'_>, emit: Emit, expected: &str) -> Result<Emit, Problem> {
    match cursor.is_end() {
        true => Ok(emit),
        false => Err(cursor.expected(expected)),
    }
}

/// The clause; `None` for rows as they come, which have none.
pub(crate) fn write(emit: Emit) -> Option<String> {
    match emit {
        Emit::Append => None,
        Emit::OnUpdate { every: None } => Some("EMIT ON UPDATE".to_owned()),
        Emit::OnUpdate { every: Some(every) } => {
            let every = span::write(every);
            Some(format!("EMIT ON UPDATE EVERY INTERVAL '{every}'"))
        }
        Emit::OnWindowClose { corrections: None } => Some("EMIT ON WINDOW CLOSE".to_owned()),
        Emit::OnWindowClose {
            corrections: Some(span),
        } => {
            let span = span::write(span);
            Some(format!(
                "EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '{span}'"
            ))
        }
    }
}
