//! What is to be waited for next. Pure.

use std::collections::BTreeSet;

use mainstem_catalog::{Definitions, Object};
use mainstem_kernel::{Offsets, StreamId};

use crate::progress::QueryProgress;

/// What is to be waited for next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: it is there.
    There,
    /// Row writers, up to these places of the topic of changes.
    Rows(Offsets),
    /// Spark, and that control tells of it.
    Progress,
    /// The definition of something that another node has made.
    Definitions,
}

/// What an object waits for that is read at a position.
pub(super) fn step(
    definitions: &Definitions,
    (id, wanted): (StreamId, &Offsets),
    progress: Option<&QueryProgress>,
) -> Step {
    match definitions.by_id(id) {
        None => Step::Definitions,
        Some(Object::Stream(_)) => Step::There,
        Some(Object::Table(_)) => {
            let wanted = only(wanted, |stream| stream == id);
            match is_empty(&wanted) {
                true => Step::There,
                false => Step::Rows(wanted),
            }
        }
        Some(Object::View(_)) => {
            if wanted
                .iter()
                .any(|(stream, _, _)| stream >= definitions.next_stream)
            {
                return Step::Definitions;
            }
            let below = streams(definitions, id);
            let wanted = only(wanted, |stream| below.contains(&stream));
            if is_empty(&wanted) {
                return Step::There;
            }
            match progress.filter(|progress| progress.reached.covers(&wanted)) {
                Some(progress) => Step::Rows(progress.changes.clone()),
                None => Step::Progress,
            }
        }
    }
}

fn is_empty(places: &Offsets) -> bool {
    places.iter().next().is_none()
}

/// The places of some streams.
fn only(places: &Offsets, is_it: impl Fn(StreamId) -> bool) -> Offsets {
    let mut only = Offsets::default();
    for (stream, partition, next) in places.iter() {
        if is_it(stream) {
            only.reach(stream, partition, next);
        }
    }
    only
}

/// The streams whose rows a view stands for, through other views. Tables that it looks up are none:
/// what an event met there was decided when it came.
fn streams(definitions: &Definitions, view: StreamId) -> BTreeSet<StreamId> {
    let (mut found, mut open) = (BTreeSet::new(), vec![view]);
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        match definitions.by_id(id) {
            Some(Object::View(def)) => open.extend(&def.spec.reads),
            Some(Object::Stream(_)) => {
                found.insert(id);
            }
            Some(Object::Table(_)) | None => {}
        }
    }
    found
}

#[cfg(test)]
mod tests;
