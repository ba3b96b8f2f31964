//! What stands against verifying a view, by name.

use mainstem_kernel::{Code, Problem, StreamId};

use super::super::{super::relation::Known, Against};
use crate::declare::{Told, mistake};

/// Rows of several streams that take turns, and do not come straight from them.
pub(crate) fn without_places(against: Against<'_>) -> Problem {
    unverified(against)
        .detail(
            "Rows of several streams take turns in event time in it, and nothing carries the order of the log \
             up to its OVER (…).",
        )
        .hint(OWN)
}

/// A LEFT JOIN that the plan has not.
pub(in super::super) fn unpaired(against: Against<'_>) -> Problem {
    unverified(against)
        .detail("Nothing tells which rows of its LEFT JOIN of streams still wait.")
        .hint(OWN)
}

/// A LEFT JOIN whose sides no condition can name.
pub(in super::super) fn without_names(against: Against<'_>) -> Problem {
    unverified(against)
        .detail("A side of its LEFT JOIN has no name, so nothing tells which rows still wait.")
        .hint("give both sides a name: FROM a LEFT JOIN (SELECT …) b ON …")
}

/// Event time that nobody knows.
pub(super) fn unknown(against: Against<'_>, id: StreamId) -> Problem {
    let name = against.defs.by_id(id).map(|object| object.name().clone());
    let name = name.map_or_else(|| "what it reads".to_owned(), |name| format!("\"{name}\""));
    unverified(against)
        .detail(format!(
            "It waits for the event time of {name}, which has none."
        ))
        .hint(OWN)
}

const OWN: &str = "ask the view and a question of your own for the rows that you doubt";

/// Rows that may be late, of which nobody knows when they came.
pub(super) fn refused(against: Against<'_>, known: &Known) -> Problem {
    unverified(against)
        .detail(format!(
            "It judges {}, whose rows do not say when what they are made of arrived: which of them came \
             too late, or first, is not known any more.",
            known.label()
        ))
        .hint(format!("VERIFY VIEW {} verifies what it reads", known.name))
}

fn unverified(against: Against<'_>) -> Problem {
    let start = mainstem_kernel::Place {
        file: against.file.to_owned(),
        line: 1,
        column: 1,
    };
    let message = format!("view \"{}\" cannot be verified", against.own);
    mistake(Code::View014, start, message)
}
