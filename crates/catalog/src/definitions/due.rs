//! What is to be forgotten, by its age. Pure.

use std::{collections::BTreeSet, time::Duration};

use mainstem_kernel::{Seq, StreamId, Timestamp};

use super::{Definitions, KEPT_AFTER_DROP, KEPT_AFTER_REPLACED};
use crate::{
    definition::{Stage, ViewDef},
    object::Object,
};

impl Definitions {
    /// What is over at `now`: objects whose seven days after their drop are over, dead letters and
    /// late rows too; views that another version replaced 24 hours ago; views that were dropped
    /// before they were built. Their rows are to be deleted, and `Object::forget` to be applied for
    /// each. What a running view still reads is not among them.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = Object<'_>> {
        let running = self.views.values().filter(|def| def.is_running());
        let read: BTreeSet<StreamId> = running.flat_map(|def| def.spec.reads.clone()).collect();
        let is_over = move |since: Option<Seq>, kept: Duration| {
            since.is_some_and(|at| now.since(at.arrival()) >= kept)
        };
        let streams = self.streams.values();
        let streams = streams.filter(move |def| is_over(def.dropped, KEPT_AFTER_DROP));
        let tables = self.tables.values();
        let tables = tables.filter(move |def| is_over(def.dropped, KEPT_AFTER_DROP));
        let views = self.views.values().filter(move |def| {
            let (since, kept) = kept(def);
            is_over(since, kept)
        });
        let all = streams.map(Object::Stream).chain(tables.map(Object::Table));
        all.chain(views.map(Object::View))
            .filter(move |object| !read.contains(&object.id()))
    }
}

/// Since when a version is not computed any more, and how long it is kept then.
fn kept(def: &ViewDef) -> (Option<Seq>, Duration) {
    match (def.stage, def.dropped) {
        (Stage::Replaced { at }, _) => (Some(at), KEPT_AFTER_REPLACED),
        (Stage::Live, dropped) => (dropped, KEPT_AFTER_DROP),
        // Nobody ever saw a row of it.
        (Stage::Building, dropped) => (dropped, Duration::ZERO),
    }
}
