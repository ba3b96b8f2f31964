//! `fold`: definitions and a change set to the next definitions. Pure.
//!
//! It never judges time: seqs come from the log's clock, which is not known before the append,
//! and what was accepted once must fold for ever. Who deletes rows decides when seven days are
//! over (`Definitions::due`).
//!
//! # Invariants
//!
//! * Names are unique per tenant among what is not dropped, whatever its kind; ids are never
//!   reused. Versions of a view share its name: at most one is live and one is being built.
//! * A stream lives and dies with its dead letters; those of a view, and its late rows, are there
//!   while a version of it is computed.
//! * Columns only go forward: see `columns`. Keys and what a view computes never change.
//! * A view reads what its own application declares: see `settle`.
//! * Revisions of an application count up by one; each is kept with its objects as they were.

mod columns;
mod settle;
mod spec;
mod streams;
mod tables;
mod views;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use mainstem_kernel::{Seq, StreamId, StreamName};

use crate::{
    change::{Change, ChangeSet},
    definition::{AppDef, Stage},
    definitions::{Definitions, REVISIONS_MAX, Revision},
    errors::FoldError,
    object::{Kind, Object},
};

/// The definitions after a change set that took effect at `seq`. Costs a scan of the objects of
/// all applications if the set has a `SetApp`, of all views if there are any, else only the
/// objects that it names.
///
/// # Errors
/// `FoldError` names the first change that does not fit.
pub fn fold(
    definitions: Definitions,
    changes: &ChangeSet,
    seq: Seq,
) -> Result<Definitions, FoldError> {
    let mut folding = Folding::through(definitions, changes, seq)?;
    folding.check_reads()?;
    folding.remember();
    Ok(folding.end())
}

/// The definitions after the first changes of a set that is not complete yet, with the ids that
/// they will have: for planning the views that come next. It never asks whether the views that are
/// there still have what they read.
///
/// # Errors
/// As `fold`.
pub fn preview(
    definitions: Definitions,
    changes: &ChangeSet,
    seq: Seq,
) -> Result<Definitions, FoldError> {
    Ok(Folding::through(definitions, changes, seq)?.end())
}

struct Folding<'a> {
    definitions: Definitions,
    changes: &'a ChangeSet,
    seq: Seq,
    /// Objects that this set names, with the name under which they were found before, if any.
    /// Names are compared at the end, so that two objects can swap theirs.
    touched: BTreeMap<StreamId, Option<StreamName>>,
}

impl<'a> Folding<'a> {
    /// After all changes, and what follows from them.
    fn through(
        definitions: Definitions,
        changes: &'a ChangeSet,
        seq: Seq,
    ) -> Result<Self, FoldError> {
        let mut folding = Self {
            definitions,
            changes,
            seq,
            touched: BTreeMap::new(),
        };
        for change in &changes.changes {
            folding.change(change)?;
        }
        folding.settle_beside()?;
        folding.rename()?;
        Ok(folding)
    }

    fn change(&mut self, change: &Change) -> Result<(), FoldError> {
        match change {
            Change::SetApp(app) => self.set_app(app),
            Change::CreateStream(spec) => self.create_stream(spec),
            Change::AlterStream { id, spec } => self.alter_stream(*id, spec),
            Change::DropStream { id } => self.drop_stream(*id),
            Change::RestoreStream { id } => self.restore_stream(*id),
            Change::CreateTable(spec) => self.create_table(spec),
            Change::AlterTable { id, spec } => self.alter_table(*id, spec),
            Change::DropTable { id } => self.drop_table(*id),
            Change::RestoreTable { id } => self.restore_table(*id),
            Change::CreateView(spec) => self.create_view(spec),
            Change::AlterView { id, spec } => self.alter_view(*id, spec),
            Change::SwapView { id } => self.swap_view(*id),
            Change::DropView { id } => self.drop_view(*id),
            Change::RestoreView { id } => self.restore_view(*id),
            Change::ForgetStream { id } => self.forget(*id, Kind::Stream),
            Change::ForgetTable { id } => self.forget(*id, Kind::Table),
            Change::ForgetView { id } => self.forget(*id, Kind::View),
            Change::DropApp => self.drop_app(),
        }
    }

    fn set_app(&mut self, app: &AppDef) -> Result<(), FoldError> {
        if (app.tenant, &app.name) != (self.changes.tenant, &self.changes.app) {
            return Err(FoldError::UnknownApp {
                app: app.name.clone(),
            });
        }
        let key = (app.tenant, app.name.clone());
        let before = self
            .definitions
            .apps
            .get(&key)
            .map_or(0, |app| app.revision);
        let expected = before.saturating_add(1);
        if app.revision != expected {
            let (app, found) = (app.name.clone(), app.revision);
            return Err(FoldError::Revision {
                app,
                expected,
                found,
            });
        }
        self.definitions.apps.insert(key, Arc::new(app.clone()));
        Ok(())
    }

    fn drop_app(&mut self) -> Result<(), FoldError> {
        let (tenant, app) = (self.changes.tenant, &self.changes.app);
        let streams = self.definitions.streams_of(tenant, app).map(Object::Stream);
        let tables = self.definitions.tables_of(tenant, app).map(Object::Table);
        let views = self.definitions.views_of(tenant, app).map(Object::View);
        if let Some(left) = streams.chain(tables).chain(views).next() {
            return Err(FoldError::AppInUse {
                app: app.clone(),
                object: left.label(),
            });
        }
        let key = (tenant, app.clone());
        self.definitions.revisions.remove(&key);
        match self.definitions.apps.remove(&key) {
            Some(_) => Ok(()),
            None => Err(FoldError::UnknownApp { app: key.1 }),
        }
    }

    /// What was dropped or replaced goes for good.
    fn forget(&mut self, id: StreamId, kind: Kind) -> Result<(), FoldError> {
        let object = self.owned(id, kind)?;
        let is_replaced = match object {
            Object::View(def) => matches!(def.stage, Stage::Replaced { .. }),
            Object::Stream(_) | Object::Table(_) => false,
        };
        if object.dropped().is_none() && !is_replaced {
            return Err(FoldError::NotDropped {
                object: object.label(),
            });
        }
        self.touched.entry(id).or_insert(None);
        self.definitions.streams.remove(&id);
        self.definitions.tables.remove(&id);
        self.definitions.views.remove(&id);
        Ok(())
    }

    fn next_id(&mut self) -> StreamId {
        let id = self.definitions.next_stream;
        self.definitions.next_stream = StreamId(id.0.saturating_add(1));
        id
    }

    /// An object of this application, dropped or not.
    fn owned(&self, id: StreamId, kind: Kind) -> Result<Object<'_>, FoldError> {
        let found = self.definitions.by_id(id);
        let is_it =
            |object: &Object<'_>| object.kind() == kind && object.tenant() == self.changes.tenant;
        let object = found.filter(is_it).ok_or(FoldError::Unknown { kind, id })?;
        if *object.app() != self.changes.app {
            let (object, app) = (object.label(), object.app().clone());
            return Err(FoldError::Foreign { object, app });
        }
        Ok(object)
    }

    /// Remembers under which name an object was found before this set.
    fn touch(&mut self, id: StreamId) {
        let found = self
            .definitions
            .by_id(id)
            .map(|object| object.name().clone());
        let names = &self.definitions.names;
        let tenant = self.changes.tenant;
        self.touched.entry(id).or_insert_with(|| {
            found.filter(|name| names.get(&(tenant, name.clone())) == Some(&id))
        });
    }

    /// Keeps the application as this set leaves it, if the set made a revision of it.
    fn remember(&mut self) {
        let is_new = self
            .changes
            .changes
            .iter()
            .any(|c| matches!(c, Change::SetApp(_)));
        let key = (self.changes.tenant, self.changes.app.clone());
        let Some(app) = self.definitions.apps.get(&key).filter(|_| is_new) else {
            return;
        };
        let (tenant, name) = (key.0, &key.1);
        let mut views = BTreeMap::new();
        for def in self.definitions.views_of(tenant, name) {
            let newest = views.entry(&def.spec.name).or_insert(def);
            if def.stage == Stage::Building {
                *newest = def;
            }
        }
        let mut views: Vec<_> = views.into_values().map(Arc::clone).collect();
        views.sort_by_key(|def| def.id);
        let revision = Arc::new(Revision {
            app: Arc::clone(app),
            streams: self.definitions.streams_of(tenant, name).cloned().collect(),
            tables: self.definitions.tables_of(tenant, name).cloned().collect(),
            views,
        });
        let revisions = self.definitions.revisions.entry(key).or_default();
        revisions.push(revision);
        // The newest counts besides.
        let over = revisions
            .len()
            .saturating_sub(REVISIONS_MAX.saturating_add(1));
        revisions.drain(..over);
    }

    fn end(mut self) -> Definitions {
        let is_care = |change: &Change| {
            matches!(
                change,
                Change::SwapView { .. }
                    | Change::ForgetStream { .. }
                    | Change::ForgetTable { .. }
                    | Change::ForgetView { .. }
            )
        };
        if !self.changes.changes.iter().all(is_care) {
            self.definitions.declared = self.seq;
        }
        self.definitions.seq = self.seq;
        self.definitions
    }
}
