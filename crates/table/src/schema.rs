//! `TableSchema`: what rows by key look like; `catalog` says it of a table or a keyed view.
//! Never judges a definition.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arrow::datatypes::{Schema, SchemaRef};
use mainstem_catalog::{TableDef, ViewDef};
use mainstem_kernel::{ColumnName, Columns, SchemaVersion, StreamId, StreamName};

/// What rows by key look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSchema {
    /// The table or keyed view.
    pub id: StreamId,
    /// For errors.
    pub name: StreamName,
    /// Newest columns, hidden ones included, with their ids.
    pub columns: Columns,
    /// Version of `columns`.
    pub version: SchemaVersion,
    /// All versions of the columns that rows may have, the newest included. Columns are the same
    /// by id; the key's are in each.
    pub versions: BTreeMap<SchemaVersion, Columns>,
    /// Columns of the key, in its order; never empty.
    pub key: Vec<ColumnName>,
    /// How long a row lives after it was written.
    pub ttl: Option<Duration>,
}

impl TableSchema {
    /// What the catalog says of a table.
    #[must_use]
    pub fn of_table(def: &TableDef) -> Self {
        let versions = def.schemas.iter();
        let versions = versions.map(|entry| (entry.version, entry.columns.clone()));
        Self {
            id: def.id,
            name: def.spec.name.clone(),
            columns: def.spec.columns.clone(),
            version: def.schema_version(),
            versions: versions.collect(),
            key: def.spec.key.clone(),
            ttl: def.spec.ttl,
        }
    }

    /// What the catalog says of a view; `None` if its rows have no key, but are a stream.
    #[must_use]
    pub fn of_view(def: &ViewDef) -> Option<Self> {
        let spec = &def.spec;
        let schema = || {
            Self::first(
                def.id,
                spec.name.clone(),
                spec.columns.clone(),
                spec.key.clone(),
            )
        };
        (!spec.emit.is_stream()).then(schema)
    }

    /// A table or view whose columns have had one version.
    #[must_use]
    pub fn first(id: StreamId, name: StreamName, columns: Columns, key: Vec<ColumnName>) -> Self {
        let version = SchemaVersion(1);
        Self {
            id,
            name,
            versions: BTreeMap::from([(version, columns.clone())]),
            columns,
            version,
            key,
            ttl: None,
        }
    }

    /// The columns of rows, as batches have them: those declared and hidden, nothing else.
    #[must_use]
    pub fn row_schema(&self) -> SchemaRef {
        row_schema(&self.columns)
    }
}

/// Columns as batches of rows have them.
pub(crate) fn row_schema(columns: &Columns) -> SchemaRef {
    let fields = columns
        .0
        .iter()
        .map(|column| column.ty.field(column.name.as_str(), column.nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
