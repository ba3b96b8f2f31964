//! Which views that were built can be swapped in together, so that no live view ever reads one
//! that is being built or was replaced. Pure.

use std::{collections::BTreeSet, sync::Arc};

use mainstem_kernel::StreamId;

use super::Definitions;
use crate::definition::{Stage, ViewDef};

impl Definitions {
    /// The live version that a version being built takes the place of.
    #[must_use]
    pub fn live_beside(&self, building: &ViewDef) -> Option<&Arc<ViewDef>> {
        self.views.values().find(|def| {
            let is_same = (def.tenant, &def.app) == (building.tenant, &building.app);
            is_same
                && def.dropped.is_none()
                && def.stage == Stage::Live
                && def.spec.name == building.spec.name
        })
    }

    /// Of the views that have caught up at one frontier, the most that can be swapped in by one
    /// change set, a `SwapView` for each: all that they read is live or among them, and nobody is
    /// left that reads what they replace. Costs a pass over all views for each that must wait.
    #[must_use]
    pub fn swappable(&self, ready: &BTreeSet<StreamId>) -> BTreeSet<StreamId> {
        let is_built = |id: &StreamId| {
            let def = self.views.get(id);
            def.is_some_and(|def| def.dropped.is_none() && def.stage == Stage::Building)
        };
        let mut chosen: BTreeSet<StreamId> = ready.iter().copied().filter(is_built).collect();
        loop {
            let replaced = self.replaced_by(&chosen);
            let must_wait = |id: &&StreamId| {
                let reads_building = self.views.get(id).is_none_or(|def| {
                    def.spec
                        .reads
                        .iter()
                        .any(|read| is_built(read) && !chosen.contains(read))
                });
                let old = self.views.get(id).and_then(|def| self.live_beside(def));
                let is_read = old.is_some_and(|old| {
                    self.readers(old.id)
                        .any(|reader| !replaced.contains(&reader.id))
                });
                reads_building || is_read
            };
            let waiting: Vec<StreamId> = chosen.iter().filter(must_wait).copied().collect();
            if waiting.is_empty() {
                return chosen;
            }
            for id in waiting {
                chosen.remove(&id);
            }
        }
    }

    fn replaced_by(&self, building: &BTreeSet<StreamId>) -> BTreeSet<StreamId> {
        let defs = building.iter().filter_map(|id| self.views.get(id));
        defs.filter_map(|def| self.live_beside(def))
            .map(|def| def.id)
            .collect()
    }
}
