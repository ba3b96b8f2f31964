//! What happens to tables.

use std::sync::Arc;

use mainstem_kernel::{SchemaVersion, StreamId};

use super::{
    Folding,
    columns::{self, Before},
    spec,
};
use crate::{
    definition::{SchemaEntry, TableDef, TableSpec},
    errors::FoldError,
    object::{Kind, Label, Object},
};

impl Folding<'_> {
    pub(super) fn create_table(&mut self, spec: &TableSpec) -> Result<(), FoldError> {
        let spec = TableSpec {
            columns: columns::first(&spec.columns),
            ..spec.clone()
        };
        spec::check_table(&spec)?;
        let def = TableDef {
            id: self.next_id(),
            tenant: self.changes.tenant,
            app: self.changes.app.clone(),
            schemas: vec![SchemaEntry {
                version: SchemaVersion(1),
                columns: spec.columns.clone(),
            }],
            spec,
            created: self.seq,
            dropped: None,
        };
        self.put_table(def);
        Ok(())
    }

    pub(super) fn alter_table(&mut self, id: StreamId, spec: &TableSpec) -> Result<(), FoldError> {
        let mut def = self.own_table(id)?;
        let object = label(&def);
        if def.dropped.is_some() {
            return Err(FoldError::Dropped { object });
        }
        let before = Before {
            object,
            schemas: &def.schemas,
        };
        let spec = TableSpec {
            columns: before.next(&spec.columns)?,
            ..spec.clone()
        };
        spec::check_table(&spec)?;
        spec::check_key(&def.spec, &spec)?;
        def.schemas = columns::grown(&def.schemas, &spec.columns);
        def.spec = spec;
        self.put_table(def);
        Ok(())
    }

    pub(super) fn drop_table(&mut self, id: StreamId) -> Result<(), FoldError> {
        let mut def = self.own_table(id)?;
        if def.dropped.is_some() {
            return Err(FoldError::Dropped {
                object: label(&def),
            });
        }
        def.dropped = Some(self.seq);
        self.put_table(def);
        Ok(())
    }

    pub(super) fn restore_table(&mut self, id: StreamId) -> Result<(), FoldError> {
        let mut def = self.own_table(id)?;
        if def.dropped.is_none() {
            return Err(FoldError::NotDropped {
                object: label(&def),
            });
        }
        def.dropped = None;
        self.put_table(def);
        Ok(())
    }

    fn own_table(&self, id: StreamId) -> Result<TableDef, FoldError> {
        let kind = Kind::Table;
        match self.owned(id, kind)? {
            Object::Table(def) => Ok(def.as_ref().clone()),
            Object::Stream(_) | Object::View(_) => Err(FoldError::Unknown { kind, id }),
        }
    }

    fn put_table(&mut self, def: TableDef) {
        self.touch(def.id);
        self.definitions.tables.insert(def.id, Arc::new(def));
    }
}

fn label(def: &TableDef) -> Label {
    Label {
        kind: Kind::Table,
        name: def.spec.name.clone(),
    }
}
