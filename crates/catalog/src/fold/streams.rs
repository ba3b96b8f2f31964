//! What happens to streams, and to the dead letters beside each.

use std::sync::Arc;

use mainstem_kernel::{SchemaVersion, StreamId};

use super::{
    Folding,
    columns::{self, Before},
    spec,
};
use crate::{
    definition::{SchemaEntry, StreamDef, StreamSpec},
    errors::FoldError,
    letters::dead_letters_spec,
    object::{Kind, Label, Object},
};

impl Folding<'_> {
    pub(super) fn create_stream(&mut self, spec: &StreamSpec) -> Result<(), FoldError> {
        let spec = StreamSpec {
            columns: columns::first(&spec.columns),
            ..spec.clone()
        };
        spec::check(&spec)?;
        let letters = letters_of(&spec)?;
        let id = self.next_id();
        let letters_id = self.next_id();
        self.put_new_stream(id, spec, Some(letters_id));
        self.put_new_stream(letters_id, letters, None);
        Ok(())
    }

    pub(super) fn put_new_stream(
        &mut self,
        id: StreamId,
        spec: StreamSpec,
        dead_letters: Option<StreamId>,
    ) {
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
        self.put_stream(def);
    }

    pub(super) fn alter_stream(
        &mut self,
        id: StreamId,
        spec: &StreamSpec,
    ) -> Result<(), FoldError> {
        let (mut def, letters) = self.pair(id)?;
        let object = label(&def);
        if def.dropped.is_some() {
            return Err(FoldError::Dropped { object });
        }
        let before = Before {
            object,
            schemas: &def.schemas,
        };
        let spec = StreamSpec {
            columns: before.next(&spec.columns)?,
            ..spec.clone()
        };
        spec::check(&spec)?;
        spec::check_partitions(&def.spec, &spec)?;
        def.schemas = columns::grown(&def.schemas, &spec.columns);
        if let Some(mut letters) = letters {
            letters.spec = letters_of(&spec)?;
            self.put_stream(letters);
        }
        def.spec = spec;
        self.put_stream(def);
        Ok(())
    }

    pub(super) fn drop_stream(&mut self, id: StreamId) -> Result<(), FoldError> {
        let (def, letters) = self.pair(id)?;
        if def.dropped.is_some() {
            return Err(FoldError::Dropped {
                object: label(&def),
            });
        }
        for mut def in [Some(def), letters].into_iter().flatten() {
            def.dropped = Some(self.seq);
            self.put_stream(def);
        }
        Ok(())
    }

    pub(super) fn restore_stream(&mut self, id: StreamId) -> Result<(), FoldError> {
        let (def, letters) = self.pair(id)?;
        if def.dropped.is_none() {
            return Err(FoldError::NotDropped {
                object: label(&def),
            });
        }
        // Without its dead letters a stream could not take a row that does not fit.
        let kind = Kind::Stream;
        let letters = letters.ok_or(FoldError::Unknown { kind, id })?;
        for mut def in [def, letters] {
            def.dropped = None;
            self.put_stream(def);
        }
        Ok(())
    }

    /// A stream of this application and its dead letters, unless these are forgotten.
    fn pair(&self, id: StreamId) -> Result<(StreamDef, Option<StreamDef>), FoldError> {
        let kind = Kind::Stream;
        let Object::Stream(def) = self.owned(id, kind)? else {
            return Err(FoldError::Unknown { kind, id });
        };
        let Some(letters) = def.dead_letters else {
            return Err(FoldError::DeadLetters {
                stream: def.spec.name.clone(),
            });
        };
        let letters = self.definitions.streams.get(&letters);
        let letters = letters.map(|def| def.as_ref().clone());
        Ok((def.as_ref().clone(), letters))
    }

    pub(super) fn put_stream(&mut self, def: StreamDef) {
        self.touch(def.id);
        self.definitions.streams.insert(def.id, Arc::new(def));
    }
}

fn letters_of(spec: &StreamSpec) -> Result<StreamSpec, FoldError> {
    dead_letters_spec(spec).map_err(|source| FoldError::NameTooLong {
        object: Label {
            kind: Kind::Stream,
            name: spec.name.clone(),
        },
        source,
    })
}

fn label(def: &StreamDef) -> Label {
    Label {
        kind: Kind::Stream,
        name: def.spec.name.clone(),
    }
}
