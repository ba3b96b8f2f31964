//! What happens to versions of views. Their dead letters and late rows follow: see `settle`.

use std::sync::Arc;

use mainstem_kernel::StreamId;

use super::{Folding, columns, spec};
use crate::{
    definition::{Stage, StreamSpec, ViewDef, ViewSpec},
    errors::FoldError,
    letters::{late_spec, view_letters_spec},
    object::{Kind, Label, Object},
};

impl Folding<'_> {
    pub(super) fn create_view(&mut self, spec: &ViewSpec) -> Result<(), FoldError> {
        let spec = ViewSpec {
            columns: columns::first(&spec.columns),
            ..spec.clone()
        };
        spec::check_view(&spec)?;
        for read in &spec.reads {
            self.check_own(&spec, *read)?;
        }
        let id = self.next_id();
        let (letters, late) = self.beside(&spec)?;
        let def = ViewDef {
            id,
            tenant: self.changes.tenant,
            app: self.changes.app.clone(),
            spec,
            stage: Stage::Building,
            letters,
            late,
            created: self.seq,
            dropped: None,
        };
        self.put_view(def);
        Ok(())
    }

    /// A view reads what its own application declares: whoever changes an input sees the view. It
    /// never reads what stands beside a view, which comes and goes with that view's versions.
    fn check_own(&self, spec: &ViewSpec, id: StreamId) -> Result<(), FoldError> {
        let found = self.definitions.by_id(id).map(Object::kind);
        let read = self.owned(id, found.unwrap_or(Kind::Stream))?;
        if self.definitions.is_beside_view(id) {
            let (object, read) = (label(spec), read.label());
            let state = "stands beside a view";
            return Err(FoldError::Reads {
                object,
                read,
                state,
            });
        }
        Ok(())
    }

    /// The streams of dead letters and late rows: those of the other versions of this name, also
    /// dropped ones, which can come back; new ones if there are none.
    fn beside(&mut self, spec: &ViewSpec) -> Result<(StreamId, Option<StreamId>), FoldError> {
        let too_long = |source| FoldError::NameTooLong {
            object: label(spec),
            source,
        };
        let (tenant, app) = (self.changes.tenant, &self.changes.app);
        let definitions = &self.definitions;
        let own = |def: &&Arc<ViewDef>| (def.tenant, &def.app) == (tenant, app);
        let views = || definitions.views.values().rev().filter(own);
        let is_kept = |id: &StreamId| definitions.streams.contains_key(id);
        // Versions that were renamed took theirs with them.
        let is_elsewhere = |id: StreamId| {
            let mut users = views().filter(|def| def.is_running() && def.letters == id);
            users.any(|def| def.spec.name != spec.name)
        };
        let letters = views()
            .filter(|def| def.spec.name == spec.name)
            .map(|def| def.letters)
            .find(|id| is_kept(id) && !is_elsewhere(*id));
        let late = views()
            .filter(|def| Some(def.letters) == letters)
            .filter_map(|def| def.late)
            .find(is_kept);
        let letters = match letters {
            Some(id) => id,
            None => self.put_beside(view_letters_spec(&spec.name).map_err(too_long)?),
        };
        let late = match late {
            _ if !spec.emit.has_late() => None,
            Some(id) => Some(id),
            None => Some(self.put_beside(late_spec(&spec.name).map_err(too_long)?)),
        };
        Ok((letters, late))
    }

    fn put_beside(&mut self, spec: StreamSpec) -> StreamId {
        let id = self.next_id();
        self.put_new_stream(id, spec, None);
        id
    }

    pub(super) fn alter_view(&mut self, id: StreamId, spec: &ViewSpec) -> Result<(), FoldError> {
        let mut def = self.own_view(id)?;
        let object = label(&def.spec);
        if !def.is_running() {
            return Err(FoldError::Dropped { object });
        }
        if !def.spec.computes_same(spec) {
            return Err(FoldError::Computes { object });
        }
        let spec = ViewSpec {
            columns: def.spec.columns.clone(),
            ..spec.clone()
        };
        spec::check_view(&spec)?;
        def.spec = spec;
        self.put_view(def);
        Ok(())
    }

    pub(super) fn swap_view(&mut self, id: StreamId) -> Result<(), FoldError> {
        let mut def = self.own_view(id)?;
        if def.dropped.is_some() || def.stage != Stage::Building {
            return Err(FoldError::NotBuilding {
                object: label(&def.spec),
            });
        }
        let before = self.definitions.live_beside(&def);
        if let Some(mut before) = before.map(|def| def.as_ref().clone()) {
            before.stage = Stage::Replaced { at: self.seq };
            self.put_view(before);
        }
        def.stage = Stage::Live;
        self.put_view(def);
        Ok(())
    }

    pub(super) fn drop_view(&mut self, id: StreamId) -> Result<(), FoldError> {
        let mut def = self.own_view(id)?;
        if !def.is_running() {
            return Err(FoldError::Dropped {
                object: label(&def.spec),
            });
        }
        def.dropped = Some(self.seq);
        self.put_view(def);
        Ok(())
    }

    pub(super) fn restore_view(&mut self, id: StreamId) -> Result<(), FoldError> {
        let mut def = self.own_view(id)?;
        if def.is_running() {
            return Err(FoldError::NotDropped {
                object: label(&def.spec),
            });
        }
        // Without them a row that fails or comes too late would be lost.
        if !self.definitions.is_whole_view(&def) {
            let kind = Kind::Stream;
            let id = def.letters;
            return Err(FoldError::Unknown { kind, id });
        }
        def.dropped = None;
        def.stage = Stage::Building;
        self.put_view(def);
        Ok(())
    }

    fn own_view(&self, id: StreamId) -> Result<ViewDef, FoldError> {
        let kind = Kind::View;
        match self.owned(id, kind)? {
            Object::View(def) => Ok(def.as_ref().clone()),
            Object::Stream(_) | Object::Table(_) => Err(FoldError::Unknown { kind, id }),
        }
    }

    fn put_view(&mut self, def: ViewDef) {
        self.touch(def.id);
        self.definitions.views.insert(def.id, Arc::new(def));
    }
}

fn label(spec: &ViewSpec) -> Label {
    Label {
        kind: Kind::View,
        name: spec.name.clone(),
    }
}
