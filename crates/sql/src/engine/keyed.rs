//! Rows by key as a table of DataFusion: those of one pointer, found by their key where the
//! question gives it. It never shows a row of another frontier.

mod access;
mod exec;

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    arrow::{
        array::{RecordBatch, RecordBatchOptions, new_null_array},
        datatypes::{Field, Fields, Schema, SchemaRef},
        error::ArrowError,
    },
    catalog::{Session, TableProvider},
    common::{Result, project_schema},
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_plan::ExecutionPlan,
};
use mainstem_catalog::{Kind, Label, TableDef, ViewDef};
use mainstem_kernel::{AppName, ColumnName, Columns, Seq, StreamId};
use mainstem_table::Pointer;

pub(crate) use access::Access;
use exec::KeyedExec;

/// The columns of a table, or of a view whose rows change.
#[derive(Debug)]
pub(crate) struct KeyedColumns {
    pub(crate) id: StreamId,
    pub(crate) label: Label,
    pub(crate) app: AppName,
    pub(crate) created: Seq,
    /// Any of them may be NULL here: rows may be older than the column.
    pub(crate) schema: SchemaRef,
    /// For each column its id: names may differ in what is read.
    pub(crate) ids: Vec<u32>,
    /// Names that `SELECT *` leaves out.
    pub(crate) hidden: Vec<String>,
    /// Places of the key's columns, in the order of the key.
    pub(crate) key: Vec<usize>,
}

impl KeyedColumns {
    pub(crate) fn of_table(def: &TableDef) -> Self {
        let columns = (&def.spec.columns, def.spec.key.as_slice(), &[][..]);
        let label = Label {
            kind: Kind::Table,
            name: def.spec.name.clone(),
        };
        Self::new(def.id, (label, &def.app, def.created), columns)
    }

    pub(crate) fn of_view(def: &ViewDef) -> Self {
        let spec = &def.spec;
        let columns = (&spec.columns, spec.key.as_slice(), spec.hidden.as_slice());
        let label = Label {
            kind: Kind::View,
            name: spec.name.clone(),
        };
        Self::new(def.id, (label, &def.app, def.created), columns)
    }

    fn new(
        id: StreamId,
        (label, app, created): (Label, &AppName, Seq),
        (columns, key, hidden): (&Columns, &[ColumnName], &[ColumnName]),
    ) -> Self {
        let all = &columns.0;
        let fields = all.iter().map(|c| c.ty.field(c.name.as_str(), true));
        let place = |name: &ColumnName| all.iter().position(|column| column.name == *name);
        Self {
            id,
            label,
            app: app.clone(),
            created,
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            ids: all.iter().map(|column| column.id).collect(),
            hidden: hidden.iter().map(|name| name.as_str().to_owned()).collect(),
            key: key.iter().filter_map(place).collect(),
        }
    }

    /// The key's columns, in the order of the key.
    pub(crate) fn key_fields(&self) -> Vec<&Field> {
        let fields = self.key.iter();
        let fields = fields.filter_map(|place| self.schema.fields().get(*place));
        fields.map(AsRef::as_ref).collect()
    }

    /// The projected columns of rows that may have others: columns are the same by id.
    ///
    /// # Errors
    /// When a column has another type.
    pub(crate) fn project(
        &self,
        rows: &RecordBatch,
        known: &Columns,
        projection: &[usize],
    ) -> Result<RecordBatch, ArrowError> {
        let count = rows.num_rows();
        let fields = projection.iter();
        let fields: Fields = fields
            .filter_map(|place| self.schema.fields().get(*place).cloned())
            .collect();
        let columns = projection.iter().zip(&fields).map(|(place, field)| {
            let id = self.ids.get(*place);
            let found = known.0.iter().position(|column| Some(&column.id) == id);
            let found = found.and_then(|place| rows.columns().get(place));
            found.map_or_else(|| new_null_array(field.data_type(), count), Arc::clone)
        });
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let schema = Arc::new(Schema::new(fields.clone()));
        RecordBatch::try_new_with_options(schema, columns.collect(), &options)
    }
}

/// Rows by key at one frontier.
#[derive(Debug)]
pub(crate) struct KeyedTable {
    pub(crate) columns: Arc<KeyedColumns>,
    pub(crate) pointer: Arc<Pointer>,
}

#[async_trait]
impl TableProvider for KeyedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.columns.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// They say where rows are; the filters themselves run above.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = project_schema(&self.columns.schema, projection)?;
        let every = || (0..self.columns.schema.fields().len()).collect();
        let access = Access::of(filters, &self.columns.key_fields())?;
        let projection = projection.cloned().unwrap_or_else(every);
        let read = exec::Read {
            columns: Arc::clone(&self.columns),
            pointer: Arc::clone(&self.pointer),
            access,
            projection,
            limit,
        };
        Ok(Arc::new(KeyedExec::new(read, schema)))
    }
}
