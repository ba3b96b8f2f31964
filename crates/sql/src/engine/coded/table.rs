//! `CodedTable`: a stream whose rows also hold the numbers of some texts.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
    catalog::{Session, TableProvider},
    common::{Result, project_schema},
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_expr::expressions::{CastExpr, Column},
    physical_plan::{
        ExecutionPlan, PhysicalExpr, empty::EmptyExec, projection::ProjectionExec, union::UnionExec,
    },
};

use super::{
    super::table::{StreamTable, Wanted},
    texts::{NumberOf, Texts},
};

/// A column that is also there as numbers.
#[derive(Clone, Debug)]
pub(super) struct Coded {
    /// Its place among the stream's columns.
    pub(super) column: usize,
    pub(super) texts: Arc<Texts>,
}

/// A stream with numbers of texts behind its own columns.
#[derive(Debug)]
pub(super) struct CodedTable {
    stream: Arc<StreamTable>,
    coded: Vec<Coded>,
    schema: SchemaRef,
}

impl CodedTable {
    pub(super) fn new(stream: Arc<StreamTable>, coded: Vec<Coded>) -> Self {
        let base = stream.schema();
        let mut fields: Vec<FieldRef> = base.fields().iter().cloned().collect();
        for coded in &coded {
            if let Some(field) = base.fields().get(coded.column) {
                let name = number_name(field.name());
                fields.push(Arc::new(Field::new(
                    name,
                    DataType::UInt32,
                    field.is_nullable(),
                )));
            }
        }
        Self {
            stream,
            coded,
            schema: Arc::new(Schema::new(fields)),
        }
    }

    /// The stream's own columns in the first numbers, those with numbers of texts behind.
    fn own(&self) -> usize {
        self.schema.fields().len() - self.coded.len()
    }

    /// The rows of one part of the stream, which has `columns` of it.
    fn of_part(
        &self,
        part: Arc<dyn ExecutionPlan>,
        columns: &[usize],
        wanted: &[usize],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let has = part.schema();
        let mut exprs: Vec<(Arc<dyn PhysicalExpr>, String)> = Vec::with_capacity(wanted.len());
        for &index in wanted {
            let field = self.schema.field(index);
            let coded = index
                .checked_sub(self.own())
                .and_then(|at| self.coded.get(at));
            let column = coded.map_or(index, |coded| coded.column);
            let place = columns
                .iter()
                .position(|&of| of == column)
                .unwrap_or_default();
            let given = has.field(place);
            let mut expr: Arc<dyn PhysicalExpr> = Arc::new(Column::new(given.name(), place));
            if let Some(coded) = coded {
                expr = Arc::new(NumberOf::new(expr, Arc::clone(&coded.texts)));
            } else if given.data_type() != field.data_type() {
                let field = Arc::new(field.clone());
                expr = Arc::new(CastExpr::new_with_target_field(expr, field, None));
            }
            exprs.push((expr, field.name().clone()));
        }
        Ok(Arc::new(ProjectionExec::try_new(exprs, part)?))
    }
}

/// How the names of numbers begin; no column of a user does.
const NUMBER_OF: &str = "_number_of_";

/// The name of a column's numbers.
pub(super) fn number_name(column: &str) -> String {
    format!("{NUMBER_OF}{column}")
}

/// Whether a column holds numbers of texts.
pub(super) fn is_number_name(column: &str) -> bool {
    column.starts_with(NUMBER_OF)
}

#[async_trait]
impl TableProvider for CodedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// The stream is asked about its own columns; of numbers it knows nothing.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let own = self.stream.schema();
        let of = |filter: &&Expr| {
            let columns = filter.column_refs();
            match columns
                .iter()
                .all(|column| own.index_of(&column.name).is_ok())
            {
                true => TableProviderFilterPushDown::Inexact,
                false => TableProviderFilterPushDown::Unsupported,
            }
        };
        Ok(filters.iter().map(of).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let every = || (0..self.schema.fields().len()).collect();
        let wanted: Vec<usize> = projection.cloned().unwrap_or_else(every);
        let own = self.own();
        let (mut columns, mut coded) = (Vec::new(), Vec::new());
        for &index in &wanted {
            let of_text = index.checked_sub(own).and_then(|at| self.coded.get(at));
            let column = of_text.map_or(index, |coded| coded.column);
            if !columns.contains(&column) {
                columns.push(column);
            }
            if let Some(of_text) = of_text {
                of_text.texts.count_in(&session.runtime_env().memory_pool);
                coded.push(of_text.column);
            }
        }
        let of_stream = Wanted {
            projection: Some(&columns),
            filters,
            limit,
            coded: &coded,
        };
        let parts = self.stream.parts(session, &of_stream)?.into_iter();
        let parts = parts
            .map(|part| self.of_part(part, &columns, &wanted))
            .collect::<Result<Vec<_>>>()?;
        if parts.is_empty() {
            let schema = project_schema(&self.schema, Some(&wanted))?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        UnionExec::try_new(parts)
    }
}
