//! Statements that write: one of them, or several between BEGIN and COMMIT in one request.

use mainstem_kernel::{Code, Place, Problem};

use sqlparser::ast::Statement as Ast;

use super::parsed;
use crate::{
    declare::{Cursor, Statement, Told, mistake},
    error::QueryError,
    write::Written,
};

/// Statements of one transaction.
const STATEMENTS_MAX: usize = 1_000;

/// The statements that are written together; `None` if these do not write.
///
/// # Errors
/// When BEGIN has no COMMIT, or something else stands between them.
pub(super) fn read(found: &[Statement]) -> Result<Option<Vec<Written>>, QueryError> {
    let Some((first, rest)) = found.split_first() else {
        return Ok(None);
    };
    if begins(first) {
        let Some((last, between)) = rest.split_last().filter(|(last, _)| commits(last)) else {
            return Err(apart(place(first), "BEGIN without COMMIT in the same request").into());
        };
        if between.is_empty() {
            return Err(apart(place(last), "nothing stands between BEGIN and COMMIT").into());
        }
        if between.len() > STATEMENTS_MAX {
            let message = format!("a transaction has at most {STATEMENTS_MAX} statements");
            return Err(apart(place(first), &message).into());
        }
        let written = between.iter().map(write_or_read);
        return written.collect::<Result<Vec<_>, _>>().map(Some);
    }
    if !writes(first) {
        return Ok(None);
    }
    match rest.first() {
        Some(second) => Err(apart(place(second), "several statements without BEGIN").into()),
        None => Ok(Some(vec![write(first)?])),
    }
}

/// A statement between BEGIN and COMMIT.
fn write_or_read(statement: &Statement) -> Result<Written, QueryError> {
    let cursor = cursor(statement);
    if !["SELECT", "WITH"]
        .iter()
        .any(|verb| cursor.at_words(&[verb]))
    {
        return write(statement);
    }
    let written = parse(statement)?;
    match &written.ast {
        Ast::Query(query) if !query.locks.is_empty() => Ok(written),
        _ => {
            let message = "a question between BEGIN and COMMIT does not say FOR UPDATE";
            Err(mistake(Code::Sql047, written.place, message)
                .detail("It would show rows as they were before the transaction.")
                .hint("end it with FOR UPDATE, or ask in a request of its own")
                .into())
        }
    }
}

fn write(statement: &Statement) -> Result<Written, QueryError> {
    if !writes(statement) {
        let message =
            "only INSERT, UPDATE, DELETE and SELECT … FOR UPDATE stand between BEGIN and COMMIT";
        return Err(apart(place(statement), message).into());
    }
    parse(statement)
}

fn parse(statement: &Statement) -> Result<Written, QueryError> {
    Ok(Written {
        ast: parsed(statement)?,
        place: place(statement),
        source: None,
    })
}

fn apart(place: Place, message: &str) -> Problem {
    mistake(Code::Sql044, place, message)
        .hint("send BEGIN; INSERT …; UPDATE …; COMMIT; as one body")
}

fn cursor(statement: &Statement) -> Cursor<'_> {
    Cursor::new("", &statement.tokens, statement.end)
}

fn place(statement: &Statement) -> Place {
    cursor(statement).place()
}

fn writes(statement: &Statement) -> bool {
    let verbs = ["INSERT", "UPDATE", "DELETE"];
    verbs.iter().any(|verb| cursor(statement).at_words(&[verb]))
}

fn begins(statement: &Statement) -> bool {
    is_only(statement, &["START"]) || is_only(statement, &["BEGIN"])
}

fn commits(statement: &Statement) -> bool {
    is_only(statement, &["COMMIT"]) || is_only(statement, &["END"])
}

/// Whether a statement is that word, with or without TRANSACTION or WORK.
fn is_only(statement: &Statement, words: &[&str]) -> bool {
    let mut cursor = cursor(statement);
    if !cursor.eat_words(words) {
        return false;
    }
    if !cursor.eat_words(&["TRANSACTION"]) {
        cursor.eat_words(&["WORK"]);
    }
    cursor.is_end()
}
