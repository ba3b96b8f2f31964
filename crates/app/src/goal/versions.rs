//! Which versions a view has had. Pure.
//!
//! Versions of a view share the stream of their dead letters, whatever they were called.

use std::{collections::BTreeSet, sync::Arc};

use mainstem_catalog::{Stage, ViewDef};
use mainstem_kernel::StreamId;

use super::{Scope, Versions};

impl Scope<'_> {
    /// The versions of the view that is called `now`, and is to be called `name`.
    pub(super) fn versions(&self, now: &str, name: &str) -> Versions {
        let running = |def: &&Arc<ViewDef>| def.spec.name.as_str() == now;
        let letters = self.own_running().find(running).map(|def| def.letters);
        self.versions_of(letters, name)
    }

    /// The versions of the view that one belongs to, if it is still known.
    pub(super) fn versions_beside(&self, id: StreamId, name: &str) -> Versions {
        let def = self.definitions.views.get(&id);
        self.versions_of(def.map(|def| def.letters), name)
    }

    /// Those that share these dead letters; if there are none, those that had this name and are
    /// not another view by now.
    fn versions_of(&self, letters: Option<StreamId>, name: &str) -> Versions {
        let taken: BTreeSet<StreamId> = self.own_running().map(|def| def.letters).collect();
        let mut versions = Versions::default();
        for def in self.definitions.views.values().rev() {
            let is_own = (def.tenant, &def.app) == (self.tenant, self.app);
            let is_version = match letters {
                Some(letters) => def.letters == letters,
                None => def.spec.name.as_str() == name && !taken.contains(&def.letters),
            };
            if !is_own || !is_version {
                continue;
            }
            match def.stage {
                _ if !def.is_running() => {
                    if self.definitions.is_whole_view(def) {
                        versions.kept.push(Arc::clone(def));
                    }
                }
                Stage::Building => versions.building = Some(Arc::clone(def)),
                Stage::Live | Stage::Replaced { .. } => versions.live = Some(Arc::clone(def)),
            }
        }
        versions
    }

    fn own_running(&self) -> impl Iterator<Item = &Arc<ViewDef>> {
        self.definitions.views_of(self.tenant, self.app)
    }
}
