//! What follows from a set's changes when all of them are made: the streams beside views, names,
//! and whether every view still has what it reads.

use std::collections::{BTreeMap, BTreeSet};

use mainstem_kernel::{StreamId, StreamName, ids::NameError};

use super::Folding;
use crate::{
    definition::{Stage, ViewDef},
    errors::FoldError,
    letters::{dead_letters_name, late_name},
    object::{Kind, Label, Object},
};

impl Folding<'_> {
    /// Dead letters and late rows of views are there, under its name, while a version is computed;
    /// otherwise they are dropped.
    pub(super) fn settle_beside(&mut self) -> Result<(), FoldError> {
        let views = self
            .touched
            .keys()
            .filter_map(|id| self.definitions.views.get(id));
        let beside: BTreeSet<StreamId> = views
            .flat_map(|def| def.late.into_iter().chain([def.letters]))
            .collect();
        for id in beside {
            let name = self.name_beside(id)?;
            let Some(def) = self.definitions.streams.get(&id) else {
                let kind = Kind::Stream;
                name.map_or(Ok(()), |_| Err(FoldError::Unknown { kind, id }))?;
                continue;
            };
            let mut def = def.as_ref().clone();
            match name {
                Some(name) => {
                    def.spec.name = name;
                    def.dropped = None;
                }
                None => def.dropped = def.dropped.or(Some(self.seq)),
            }
            self.put_stream(def);
        }
        Ok(())
    }

    /// The name of a stream beside a view; none if no version that uses it is computed.
    fn name_beside(&self, id: StreamId) -> Result<Option<StreamName>, FoldError> {
        let mut found: Option<StreamName> = None;
        for def in self
            .definitions
            .views
            .values()
            .filter(|def| def.is_running())
        {
            let name: fn(&StreamName) -> Result<StreamName, NameError> = match def.late {
                Some(late) if late == id => late_name,
                _ if def.letters == id => dead_letters_name,
                _ => continue,
            };
            let name = name(&def.spec.name).map_err(|source| FoldError::NameTooLong {
                object: label(def),
                source,
            })?;
            if found.as_ref().is_some_and(|found| *found != name) {
                return Err(FoldError::Versions { object: label(def) });
            }
            found = Some(name);
        }
        Ok(found)
    }

    /// Finds everything that was touched under its new name.
    pub(super) fn rename(&mut self) -> Result<(), FoldError> {
        self.touch_versions();
        let tenant = self.changes.tenant;
        for name in self.touched.values().flatten() {
            self.definitions.names.remove(&(tenant, name.clone()));
        }
        let mut claims: BTreeMap<StreamName, Vec<StreamId>> = BTreeMap::new();
        for id in self.touched.keys() {
            if let Some(name) = self.claim(*id) {
                claims.entry(name).or_default().push(*id);
            }
        }
        for (name, ids) in claims {
            let key = (tenant, name);
            // Whoever was not touched has its name still.
            if let Some(other) = self.definitions.names.get(&key) {
                return Err(self.taken(key.1, *other));
            }
            let id = self.holder(&ids);
            let id = id.ok_or_else(|| self.taken(key.1.clone(), ids.first().copied()))?;
            self.definitions.names.insert(key, id);
        }
        Ok(())
    }

    /// Versions share a name: if one was touched, the others are asked as well.
    fn touch_versions(&mut self) {
        let definitions = &self.definitions;
        let views = self
            .touched
            .keys()
            .filter_map(|id| definitions.views.get(id));
        let mut names: BTreeSet<StreamName> = views.map(|def| def.spec.name.clone()).collect();
        names.extend(self.touched.values().flatten().cloned());
        let (tenant, app) = (self.changes.tenant, &self.changes.app);
        let versions = definitions.views_of(tenant, app);
        let versions: Vec<StreamId> = versions
            .filter(|def| names.contains(&def.spec.name))
            .map(|def| def.id)
            .collect();
        for id in versions {
            self.touch(id);
        }
    }

    /// The name that an object has from now on, if it has one.
    fn claim(&self, id: StreamId) -> Option<StreamName> {
        let object = self.definitions.by_id(id)?;
        let has_name = match object {
            Object::View(def) => def.is_running(),
            Object::Stream(_) | Object::Table(_) => object.dropped().is_none(),
        };
        has_name.then(|| object.name().clone())
    }

    /// Who has the name that all of these claim: the only one, or of two versions of one view, of
    /// which one is being built, the live one.
    fn holder(&self, ids: &[StreamId]) -> Option<StreamId> {
        let view = |id: &StreamId| self.definitions.views.get(id);
        match ids {
            [only] => Some(*only),
            [one, other] => match (view(one)?.stage, view(other)?.stage) {
                (Stage::Live, Stage::Building) => Some(*one),
                (Stage::Building, Stage::Live) => Some(*other),
                _ => None,
            },
            _ => None,
        }
    }

    fn taken(&self, name: StreamName, id: impl Into<Option<StreamId>>) -> FoldError {
        let object = id.into().and_then(|id| self.definitions.by_id(id));
        let app = object.map_or(&self.changes.app, Object::app).clone();
        FoldError::NameTaken { name, app }
    }

    /// A view that is computed reads what is there: a live one only what is live, one that is
    /// being built nothing that was replaced. A live one that another version is about to replace
    /// may go on without an input that was dropped: it stands still then.
    pub(super) fn check_reads(&self) -> Result<(), FoldError> {
        let (tenant, app) = (self.changes.tenant, &self.changes.app);
        let mut building: BTreeMap<&StreamName, StreamId> = BTreeMap::new();
        for def in self.definitions.views_of(tenant, app) {
            if def.stage == Stage::Building {
                building.insert(&def.spec.name, def.id);
            }
        }
        for def in self.definitions.views_of(tenant, app) {
            let is_leaving = def.stage == Stage::Live && building.contains_key(&def.spec.name);
            for read in &def.spec.reads {
                self.check_read(def, *read, is_leaving)?;
            }
        }
        Ok(())
    }

    fn check_read(&self, def: &ViewDef, id: StreamId, is_leaving: bool) -> Result<(), FoldError> {
        let Some(read) = self.definitions.by_id(id) else {
            let kind = Kind::Stream;
            return if is_leaving {
                Ok(())
            } else {
                Err(FoldError::Unknown { kind, id })
            };
        };
        let state = match read {
            _ if read.dropped().is_some() => (!is_leaving).then_some("is dropped"),
            Object::View(input) => match (input.stage, def.stage) {
                (Stage::Replaced { .. }, _) => Some("is replaced"),
                (Stage::Building, Stage::Live) => Some("is not built yet"),
                _ => None,
            },
            Object::Stream(_) | Object::Table(_) => None,
        };
        let (object, read) = (label(def), read.label());
        state.map_or(Ok(()), |state| {
            Err(FoldError::Reads {
                object,
                read,
                state,
            })
        })
    }
}

fn label(def: &ViewDef) -> Label {
    Label {
        kind: Kind::View,
        name: def.spec.name.clone(),
    }
}
