//! What cannot be asked beyond one machine, in words.

use mainstem_kernel::{Code, Problem};

use crate::{error::QueryError, spark::Unspelled};

/// Refuses a part of a question that Spark would answer otherwise.
#[must_use]
pub fn refuse(what: &str, why: &str) -> QueryError {
    Problem {
        code: Code::Clus100,
        message: format!("{what} cannot be asked beyond one machine"),
        detail: Some(why.to_owned()),
        hint: Some(
            "ask for the rows that it is computed of; docs/reference/functions.md names the \
             functions that Spark has"
                .to_owned(),
        ),
        position: None,
    }
    .into()
}

/// Refuses an operator that is not spelled.
pub(super) fn refused(what: &str) -> QueryError {
    refuse(
        what,
        "It has no spelling in Spark SQL that answers the same.",
    )
}

/// Refuses an expression.
pub(super) fn unspelled(what: &Unspelled) -> QueryError {
    let text = what.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let sentence: String = first.into_iter().chain(letters).chain(['.']).collect();
    refuse("this question", &sentence)
}
