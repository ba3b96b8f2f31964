//! `Definitions`: everything that is defined at one seq; immutable, shared by pointer.
//!
//! It never changes in place: `fold` makes the next one.

mod due;
mod swap;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mainstem_kernel::{AppName, Seq, StreamId, StreamName, TenantId};

use crate::{
    definition::{AppDef, StreamDef, TableDef, ViewDef},
    object::Object,
};

/// How long the rows of a dropped object are kept, so that it can be brought back.
pub const KEPT_AFTER_DROP: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How long a version of a view is kept after another one took its place.
pub const KEPT_AFTER_REPLACED: Duration = Duration::from_secs(24 * 3_600);

/// Revisions of an application that are kept before the newest one.
pub const REVISIONS_MAX: usize = 10;

/// Everything that is defined at one seq.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definitions {
    /// Seq of the last change that is folded in.
    pub seq: Seq,
    /// Seq of the last change that somebody asked for: swapping in a view that was built and
    /// forgetting what is over are none. What was planned since then still holds.
    pub declared: Seq,
    /// Applications by tenant and name.
    pub apps: BTreeMap<(TenantId, AppName), Arc<AppDef>>,
    /// The newest revision of each application and up to `REVISIONS_MAX` before it, oldest first.
    pub revisions: BTreeMap<(TenantId, AppName), Vec<Arc<Revision>>>,
    /// Streams by id, dropped ones included until their data is gone.
    pub streams: BTreeMap<StreamId, Arc<StreamDef>>,
    /// Tables by id, dropped ones included until their rows are gone.
    pub tables: BTreeMap<StreamId, Arc<TableDef>>,
    /// Versions of views by id, replaced and dropped ones included until they are forgotten.
    pub views: BTreeMap<StreamId, Arc<ViewDef>>,
    /// Ids of what is not dropped, of all kinds, by tenant and name; streams of dead letters and
    /// late rows too. Of a view it is the live version, else the one that is being built.
    pub names: BTreeMap<(TenantId, StreamName), StreamId>,
    /// The next id of any kind.
    pub next_stream: StreamId,
}

/// An application as it was after one of its applies: what a rollback goes back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its files, version and number.
    pub app: Arc<AppDef>,
    /// Its streams as they were defined then, without dead letters, in the order of their ids.
    pub streams: Vec<Arc<StreamDef>>,
    /// Its tables as they were defined then, in the order of their ids.
    pub tables: Vec<Arc<TableDef>>,
    /// Its views as they were declared then, in the order of their ids: of each name the version
    /// that was being built, else the live one.
    pub views: Vec<Arc<ViewDef>>,
}

impl Default for Definitions {
    /// Nothing is defined.
    fn default() -> Self {
        Self {
            seq: Seq::ZERO,
            declared: Seq::ZERO,
            apps: BTreeMap::new(),
            revisions: BTreeMap::new(),
            streams: BTreeMap::new(),
            tables: BTreeMap::new(),
            views: BTreeMap::new(),
            names: BTreeMap::new(),
            next_stream: StreamId::FIRST_USER,
        }
    }
}

impl Definitions {
    /// What that name means, if it is not dropped: of a view the live version, else the one that
    /// is being built.
    #[must_use]
    pub fn object(&self, tenant: TenantId, name: &str) -> Option<Object<'_>> {
        let name = StreamName::new(name).ok()?;
        self.by_id(*self.names.get(&(tenant, name))?)
    }

    /// The object of that id, dropped or not.
    #[must_use]
    pub fn by_id(&self, id: StreamId) -> Option<Object<'_>> {
        let stream = self.streams.get(&id).map(Object::Stream);
        let table = || self.tables.get(&id).map(Object::Table);
        let view = || self.views.get(&id).map(Object::View);
        stream.or_else(table).or_else(view)
    }

    /// The stream of that name, if it is not dropped.
    #[must_use]
    pub fn stream(&self, tenant: TenantId, name: &str) -> Option<&Arc<StreamDef>> {
        match self.object(tenant, name)? {
            Object::Stream(def) => Some(def),
            Object::Table(_) | Object::View(_) => None,
        }
    }

    /// The table of that name, if it is not dropped.
    #[must_use]
    pub fn table(&self, tenant: TenantId, name: &str) -> Option<&Arc<TableDef>> {
        match self.object(tenant, name)? {
            Object::Table(def) => Some(def),
            Object::Stream(_) | Object::View(_) => None,
        }
    }

    /// The view of that name, if it is not dropped: the live version, else the one that is being
    /// built.
    #[must_use]
    pub fn view(&self, tenant: TenantId, name: &str) -> Option<&Arc<ViewDef>> {
        match self.object(tenant, name)? {
            Object::View(def) => Some(def),
            Object::Stream(_) | Object::Table(_) => None,
        }
    }

    /// The application of that name.
    #[must_use]
    pub fn app(&self, tenant: TenantId, name: &str) -> Option<&Arc<AppDef>> {
        self.apps.get(&(tenant, AppName::new(name).ok()?))
    }

    /// The streams of an application that are not dropped, without dead letters and late rows, by
    /// id.
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

    /// The tables of an application that are not dropped, by id.
    pub fn tables_of<'a>(
        &'a self,
        tenant: TenantId,
        app: &'a AppName,
    ) -> impl Iterator<Item = &'a Arc<TableDef>> {
        self.tables
            .values()
            .filter(move |def| def.dropped.is_none() && def.tenant == tenant && def.app == *app)
    }

    /// The versions of an application's views that are being built or live, by id: so each comes
    /// after all that it reads.
    pub fn views_of<'a>(
        &'a self,
        tenant: TenantId,
        app: &'a AppName,
    ) -> impl Iterator<Item = &'a Arc<ViewDef>> {
        self.views
            .values()
            .filter(move |def| def.is_running() && def.tenant == tenant && def.app == *app)
    }

    /// The versions of views, built or live, that read an object.
    pub fn readers(&self, id: StreamId) -> impl Iterator<Item = &Arc<ViewDef>> {
        self.views
            .values()
            .filter(move |def| def.is_running() && def.spec.reads.contains(&id))
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

    /// The table that an application dropped under that name last, while its rows are kept.
    #[must_use]
    pub fn dropped_table(
        &self,
        tenant: TenantId,
        app: &AppName,
        name: &StreamName,
    ) -> Option<&Arc<TableDef>> {
        let is_it = |def: &&Arc<TableDef>| {
            def.dropped.is_some() && (def.tenant, &def.app, &def.spec.name) == (tenant, app, name)
        };
        self.tables
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

    /// Whether a stream holds the dead letters or late rows of a view. No view reads those.
    #[must_use]
    pub fn is_beside_view(&self, id: StreamId) -> bool {
        let mut views = self.views.values();
        views.any(|def| def.letters == id || def.late == Some(id))
    }

    /// Whether the streams of a view's dead letters and late rows are still there, so that it can
    /// be brought back.
    #[must_use]
    pub fn is_whole_view(&self, def: &ViewDef) -> bool {
        let mut beside = def.late.into_iter().chain([def.letters]);
        beside.all(|id| self.streams.contains_key(&id))
    }

    /// The revision of an application before the newest, if it is kept.
    #[must_use]
    pub fn revision_before(&self, tenant: TenantId, app: &AppName) -> Option<&Arc<Revision>> {
        self.revisions
            .get(&(tenant, app.clone()))?
            .iter()
            .nth_back(1)
    }
}
