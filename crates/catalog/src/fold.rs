//! `fold`: definitions and a change set to the next definitions. Pure.
//!
//! It never judges time: seqs come from the log's clock, which is not known before the append,
//! and what was accepted once must fold for ever. Who deletes rows decides when seven days are
//! over (`Definitions::due`).
//!
//! # Invariants
//!
//! * Names are unique per tenant among what is not dropped; ids are never reused.
//! * A stream lives and dies with its dead letters.
//! * Columns only go forward: see `columns`.
//! * Revisions of an application count up by one; each is kept with its streams as they were.

mod columns;
mod spec;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use mainstem_kernel::{SchemaVersion, Seq, StreamId, StreamName};

use crate::{
    change::{Change, ChangeSet},
    definition::{AppDef, SchemaEntry, StreamDef, StreamSpec},
    definitions::{Definitions, REVISIONS_MAX, Revision},
    errors::FoldError,
    letters::dead_letters_spec,
};

/// The definitions after a change set that took effect at `seq`. Costs a scan of the streams of
/// all applications if the set has a `SetApp`, else only the streams that it names.
///
/// # Errors
/// `FoldError` names the first change that does not fit.
pub fn fold(
    definitions: Definitions,
    changes: &ChangeSet,
    seq: Seq,
) -> Result<Definitions, FoldError> {
    let mut folding = Folding {
        definitions,
        changes,
        seq,
        touched: BTreeMap::new(),
    };
    for change in &changes.changes {
        folding.change(change)?;
    }
    folding.rename()?;
    folding.remember();
    folding.definitions.seq = seq;
    Ok(folding.definitions)
}

struct Folding<'a> {
    definitions: Definitions,
    changes: &'a ChangeSet,
    seq: Seq,
    /// Streams that this set names, with the name under which they were found before, if any.
    /// Names are compared at the end, so that two streams can swap theirs.
    touched: BTreeMap<StreamId, Option<StreamName>>,
}

impl Folding<'_> {
    fn change(&mut self, change: &Change) -> Result<(), FoldError> {
        match change {
            Change::SetApp(app) => self.set_app(app),
            Change::CreateStream(spec) => self.create(spec),
            Change::AlterStream { id, spec } => self.alter(*id, spec),
            Change::DropStream { id } => self.drop_stream(*id),
            Change::RestoreStream { id } => self.restore(*id),
            Change::ForgetStream { id } => self.forget(*id),
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

    fn create(&mut self, spec: &StreamSpec) -> Result<(), FoldError> {
        let spec = columns::first(spec);
        spec::check(&spec)?;
        let letters = self.letters_of(&spec)?;
        let id = self.next_id();
        let letters_id = self.next_id();
        self.insert_new(id, spec, Some(letters_id));
        self.insert_new(letters_id, letters, None);
        Ok(())
    }

    fn letters_of(&self, spec: &StreamSpec) -> Result<StreamSpec, FoldError> {
        dead_letters_spec(spec).map_err(|source| FoldError::NameTooLong {
            stream: spec.name.clone(),
            source,
        })
    }

    fn next_id(&mut self) -> StreamId {
        let id = self.definitions.next_stream;
        self.definitions.next_stream = StreamId(id.0.saturating_add(1));
        id
    }

    fn insert_new(&mut self, id: StreamId, spec: StreamSpec, dead_letters: Option<StreamId>) {
        let def = StreamDef {
            id,
            tenant: self.changes.tenant,
            app: self.changes.app.clone(),
            schemas: vec![SchemaEntry {
                version: SchemaVersion(1),
                columns: spec.columns.clone(),
            }],
            spec,
            dead_letters,
            created: self.seq,
            dropped: None,
        };
        self.put(def);
    }

    fn alter(&mut self, id: StreamId, spec: &StreamSpec) -> Result<(), FoldError> {
        let (mut def, letters) = self.pair(id)?;
        if def.dropped.is_some() {
            return Err(FoldError::Dropped {
                stream: def.spec.name,
            });
        }
        let spec = columns::next(&def, spec)?;
        spec::check(&spec)?;
        spec::check_partitions(&def.spec, &spec)?;
        if spec.columns != def.spec.columns {
            let version = SchemaVersion(def.schema_version().0.saturating_add(1));
            def.schemas.push(SchemaEntry {
                version,
                columns: spec.columns.clone(),
            });
        }
        if let Some(mut letters) = letters {
            letters.spec = self.letters_of(&spec)?;
            self.put(letters);
        }
        def.spec = spec;
        self.put(def);
        Ok(())
    }

    fn drop_stream(&mut self, id: StreamId) -> Result<(), FoldError> {
        let (def, letters) = self.pair(id)?;
        if def.dropped.is_some() {
            return Err(FoldError::Dropped {
                stream: def.spec.name,
            });
        }
        for mut def in [Some(def), letters].into_iter().flatten() {
            def.dropped = Some(self.seq);
            self.put(def);
        }
        Ok(())
    }

    fn restore(&mut self, id: StreamId) -> Result<(), FoldError> {
        let (def, letters) = self.pair(id)?;
        if def.dropped.is_none() {
            return Err(FoldError::NotDropped {
                stream: def.spec.name,
            });
        }
        // Without its dead letters a stream could not take a row that does not fit.
        let letters = letters.ok_or(FoldError::UnknownStream { id })?;
        for mut def in [def, letters] {
            def.dropped = None;
            self.put(def);
        }
        Ok(())
    }

    fn forget(&mut self, id: StreamId) -> Result<(), FoldError> {
        let def = self.owned(id)?;
        if def.dropped.is_none() {
            return Err(FoldError::NotDropped {
                stream: def.spec.name.clone(),
            });
        }
        self.touched.entry(id).or_insert(None);
        self.definitions.streams.remove(&id);
        Ok(())
    }

    fn drop_app(&mut self) -> Result<(), FoldError> {
        let (tenant, app) = (self.changes.tenant, &self.changes.app);
        if let Some(left) = self.definitions.streams_of(tenant, app).next() {
            return Err(FoldError::AppInUse {
                app: app.clone(),
                stream: left.spec.name.clone(),
            });
        }
        let key = (tenant, app.clone());
        self.definitions.revisions.remove(&key);
        match self.definitions.apps.remove(&key) {
            Some(_) => Ok(()),
            None => Err(FoldError::UnknownApp { app: key.1 }),
        }
    }

    /// A stream of this application, dropped or not.
    fn owned(&self, id: StreamId) -> Result<&Arc<StreamDef>, FoldError> {
        let def = self
            .definitions
            .streams
            .get(&id)
            .ok_or(FoldError::UnknownStream { id })?;
        if def.tenant != self.changes.tenant {
            return Err(FoldError::UnknownStream { id });
        }
        if def.app != self.changes.app {
            let (stream, app) = (def.spec.name.clone(), def.app.clone());
            return Err(FoldError::Foreign { stream, app });
        }
        Ok(def)
    }

    /// A stream of this application and its dead letters, unless these are forgotten.
    fn pair(&self, id: StreamId) -> Result<(StreamDef, Option<StreamDef>), FoldError> {
        let def = self.owned(id)?;
        let Some(letters) = def.dead_letters else {
            return Err(FoldError::DeadLetters {
                stream: def.spec.name.clone(),
            });
        };
        let letters = self
            .definitions
            .streams
            .get(&letters)
            .map(|def| def.as_ref().clone());
        Ok((def.as_ref().clone(), letters))
    }

    /// Puts a stream, and remembers under which name it was found before this set.
    fn put(&mut self, def: StreamDef) {
        let id = def.id;
        let before = self.definitions.streams.insert(id, Arc::new(def));
        self.touched.entry(id).or_insert_with(|| {
            before
                .filter(|def| def.dropped.is_none())
                .map(|def| def.spec.name.clone())
        });
    }

    /// Finds all streams that were touched under their new names.
    fn rename(&mut self) -> Result<(), FoldError> {
        let tenant = self.changes.tenant;
        let definitions = &mut self.definitions;
        for name in self.touched.values().flatten() {
            definitions.names.remove(&(tenant, name.clone()));
        }
        for id in self.touched.keys() {
            let Some(def) = definitions
                .streams
                .get(id)
                .filter(|def| def.dropped.is_none())
            else {
                continue;
            };
            let name = def.spec.name.clone();
            let other = definitions.names.insert((tenant, name.clone()), *id);
            if let Some(other) = other {
                let app = definitions
                    .streams
                    .get(&other)
                    .map_or(&def.app, |def| &def.app)
                    .clone();
                return Err(FoldError::NameTaken { name, app });
            }
        }
        Ok(())
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
        let streams = self
            .definitions
            .streams_of(key.0, &key.1)
            .cloned()
            .collect();
        let revision = Arc::new(Revision {
            app: Arc::clone(app),
            streams,
        });
        let revisions = self.definitions.revisions.entry(key).or_default();
        revisions.push(revision);
        // The newest counts besides.
        let over = revisions
            .len()
            .saturating_sub(REVISIONS_MAX.saturating_add(1));
        revisions.drain(..over);
    }
}
