//! `Definitions`: everything that is defined at one seq; immutable, shared by pointer.
//!
//! It never changes in place: `fold` makes the next one.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mainstem_kernel::{AppName, Seq, StreamId, StreamName, TenantId, Timestamp};

use crate::definition::{AppDef, StreamDef};

/// How long the rows of a dropped stream are kept, so that it can be brought back.
pub const KEPT_AFTER_DROP: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Revisions of an application that are kept before the newest one.
pub const REVISIONS_MAX: usize = 10;

/// Everything that is defined at one seq.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definitions {
    /// Seq of the last change that is folded in.
    pub seq: Seq,
    /// Applications by tenant and name.
    pub apps: BTreeMap<(TenantId, AppName), Arc<AppDef>>,
    /// The newest revision of each application and up to `REVISIONS_MAX` before it, oldest first.
    pub revisions: BTreeMap<(TenantId, AppName), Vec<Arc<Revision>>>,
    /// Streams by id, dropped ones included until their data is gone.
    pub streams: BTreeMap<StreamId, Arc<StreamDef>>,
    /// Ids of the streams that are not dropped, by tenant and name; dead-letter streams too.
    pub names: BTreeMap<(TenantId, StreamName), StreamId>,
    /// The next stream id.
    pub next_stream: StreamId,
}

/// An application as it was after one of its applies: what a rollback goes back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its files, version and number.
    pub app: Arc<AppDef>,
    /// Its streams as they were defined then, without dead letters, in the order of their ids.
    pub streams: Vec<Arc<StreamDef>>,
}

impl Default for Definitions {
    /// Nothing is defined.
    fn default() -> Self {
        Self {
            seq: Seq::ZERO,
            apps: BTreeMap::new(),
            revisions: BTreeMap::new(),
            streams: BTreeMap::new(),
            names: BTreeMap::new(),
            next_stream: StreamId::FIRST_USER,
        }
    }
}

impl Definitions {
    /// The stream of that name, if it is not dropped.
    #[must_use]
    pub fn stream(&self, tenant: TenantId, name: &str) -> Option<&Arc<StreamDef>> {
        let name = StreamName::new(name).ok()?;
        self.streams.get(self.names.get(&(tenant, name))?)
    }

    /// The application of that name.
    #[must_use]
    pub fn app(&self, tenant: TenantId, name: &str) -> Option<&Arc<AppDef>> {
        self.apps.get(&(tenant, AppName::new(name).ok()?))
    }

    /// The streams of an application that are not dropped, without dead letters, by id.
    pub fn streams_of<'a>(
        &'a self,
        tenant: TenantId,
        app: &'a AppName,
    ) -> impl Iterator<Item = &'a Arc<StreamDef>> {
        self.streams.values().filter(move |def| {
            def.dropped.is_none()
                && def.dead_letters.is_some()
                && def.tenant == tenant
                && def.app == *app
        })
    }

    /// The stream that an application dropped under that name last, while its rows are kept.
    #[must_use]
    pub fn dropped(
        &self,
        tenant: TenantId,
        app: &AppName,
        name: &StreamName,
    ) -> Option<&Arc<StreamDef>> {
        let is_it = |def: &&Arc<StreamDef>| {
            def.dropped.is_some()
                && self.is_whole(def)
                && (def.tenant, &def.app, &def.spec.name) == (tenant, app, name)
        };
        self.streams
            .values()
            .filter(is_it)
            .max_by_key(|def| def.dropped)
    }

    /// Whether a stream is no stream of dead letters and still has its own.
    #[must_use]
    pub fn is_whole(&self, def: &StreamDef) -> bool {
        def.dead_letters
            .is_some_and(|letters| self.streams.contains_key(&letters))
    }

    /// The revision of an application before the newest, if it is kept.
    #[must_use]
    pub fn revision_before(&self, tenant: TenantId, app: &AppName) -> Option<&Arc<Revision>> {
        self.revisions
            .get(&(tenant, app.clone()))?
            .iter()
            .nth_back(1)
    }

    /// The dropped streams, dead letters too, whose seven days are over at `now`: their rows are
    /// to be deleted and a `Change::ForgetStream` to be applied for each.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = &Arc<StreamDef>> {
        self.streams.values().filter(move |def| {
            def.dropped
                .is_some_and(|at| now.since(at.arrival()) >= KEPT_AFTER_DROP)
        })
    }
}
