//! What stands against verifying a view, by name.

use mainstem_kernel::{Code, Problem, StreamId, StreamName};

use super::super::{super::relation::Known, Against};
use crate::declare::{Told, mistake};

/// A view of several streams whose rows take turns.
pub(crate) fn of_several_streams(against: Against<'_>) -> Problem {
    unverified(against)
        .detail(
            "Its rows take turns in event time, and those of one time come in the order in which several \
             streams brought them: no question has such an order.",
        )
        .hint(OWN)
}

/// A join of streams on a side of UNION.
pub(in super::super) fn of_a_side(against: Against<'_>) -> Problem {
    unverified(against)
        .detail("It joins streams on a side of UNION, beside rows that are judged otherwise.")
        .hint("make a view of the join, and read it in UNION")
}

/// A LEFT JOIN whose sides no condition can name.
pub(in super::super) fn without_names(against: Against<'_>) -> Problem {
    unverified(against)
        .detail("A side of its LEFT JOIN has no name, so nothing tells which rows still wait.")
        .hint("give both sides a name: FROM a LEFT JOIN (SELECT …) b ON …")
}

/// Event time of several streams, of which one goes on by itself.
pub(super) fn rests(against: Against<'_>, stream: &StreamName) -> Problem {
    unverified(against)
        .detail(format!(
            "It reads several streams, and the event time of \"{stream}\" goes on by itself \
             (idle_timeout): how far it had gone on when rows of the others came is not known any more."
        ))
        .hint(OWN)
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

/// Windows over rows of which nobody knows when they came.
pub(super) fn refused(against: Against<'_>, known: &Known) -> Problem {
    unverified(against)
        .detail(format!(
            "It opens windows over {}, whose rows do not say when what they are made of arrived: \
             which of them came too late is not known any more.",
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
