//! The table that a statement writes to: its columns, and how expressions name them.

use std::sync::Arc;

use datafusion::{
    arrow::{array::RecordBatch, datatypes::SchemaRef},
    common::{DFSchema, TableReference},
    logical_expr::Expr,
};
use mainstem_catalog::{Definitions, Object, TableDef};
use mainstem_kernel::{Code, Column, Place, Problem, TenantId};
use mainstem_table::{Target as Rows, WriteError};
use sqlparser::ast::{Expr as Ast, Ident, ObjectName, Spanned, TableFactor, TableWithJoins};

use super::{Written, refused};
use crate::{
    declare::{Told, default_of, mistake, place_of},
    engine::{Access, KeyedColumns, bare, folded, near, unknown},
    error::{QueryError, from_engine},
    nearest::did_you_mean,
};

/// The table that a statement writes to.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) def: Arc<TableDef>,
    pub(super) columns: KeyedColumns,
    /// What its columns are qualified by.
    pub(super) alias: String,
}

impl Target {
    /// The table of a name.
    ///
    /// # Errors
    /// When there is none, or it is no table.
    pub(super) fn of(
        (defs, tenant): (&Definitions, TenantId),
        name: &ObjectName,
        alias: Option<&Ident>,
        written: &Written,
    ) -> Result<Self, QueryError> {
        let Some(ident) = bare(name) else {
            let text = name.to_string();
            return Err(unknown(&text, written.place.clone())
                .detail("Objects are named without a database or schema.")
                .hint_if(near(defs, tenant, &text))
                .into());
        };
        let text = folded(ident);
        let place = place_of("", ident.span.start);
        let Some(object) = defs.object(tenant, &text) else {
            let hint = near(defs, tenant, &text);
            return Err(unknown(&text, place).hint_if(hint).into());
        };
        let Object::Table(def) = object else {
            let message = format!("{} cannot be written to", object.label());
            let hint = match object {
                Object::Stream(_) => {
                    format!("send events with `mainstem load` or POST /v1/streams/{text}/events")
                }
                _ => "it is computed: change what it reads".to_owned(),
            };
            return Err(mistake(Code::Sql038, place, message).hint(hint).into());
        };
        Ok(Self {
            columns: KeyedColumns::of_table(def),
            alias: alias.map_or_else(|| text, folded),
            def: Arc::clone(def),
        })
    }

    /// The table of UPDATE t and DELETE FROM t.
    ///
    /// # Errors
    /// As `of`, and when it is more than a table.
    pub(super) fn of_from(
        defs: (&Definitions, TenantId),
        from: &TableWithJoins,
        written: &Written,
    ) -> Result<Self, QueryError> {
        match &from.relation {
            TableFactor::Table {
                name,
                alias,
                args: None,
                ..
            } if from.joins.is_empty() => {
                let alias = alias.as_ref().map(|alias| &alias.name);
                Self::of(defs, name, alias, written)
            }
            _ => Err(unbuilt("more than one table", written)),
        }
    }

    /// Its columns as expressions name them.
    pub(super) fn schema(&self) -> Result<DFSchema, QueryError> {
        qualified(&self.alias, &self.columns.schema)
    }

    /// The place of a column.
    ///
    /// # Errors
    /// When there is none of that name.
    pub(super) fn column(&self, ident: &Ident) -> Result<usize, QueryError> {
        let name = folded(ident);
        let all = &self.def.spec.columns.0;
        let found = all.iter().position(|column| column.name.as_str() == name);
        found.ok_or_else(|| {
            let place = place_of("", ident.span.start);
            let message = format!("{} has no column \"{name}\"", self.columns.label);
            let names = all.iter().map(|column| column.name.as_str());
            mistake(Code::Sql022, place, message)
                .hint_if(did_you_mean(&name, names))
                .into()
        })
    }

    /// A declared column.
    pub(super) fn declared(&self, place: usize) -> Option<&Column> {
        self.def.spec.columns.0.get(place)
    }

    /// What a column is if a row is inserted without it; `None` for NULL.
    ///
    /// # Errors
    /// Never, in practice: it was read when it was declared.
    pub(super) fn default(&self, column: &Column) -> Result<Option<Ast>, QueryError> {
        let text = self.def.spec.defaults.get(&column.name);
        text.map(|text| default_of(text)).transpose()
    }

    /// Which rows a condition may be true of.
    ///
    /// # Errors
    /// When values do not become columns.
    pub(super) fn rows(&self, condition: Option<&Expr>) -> Result<Rows, QueryError> {
        let filters: Vec<Expr> = condition.into_iter().cloned().collect();
        let access = Access::of(&filters, &self.columns.key_fields()).map_err(from_engine)?;
        let arrays = |values: &[datafusion::common::ScalarValue]| {
            let arrays = values.iter().map(datafusion::common::ScalarValue::to_array);
            arrays.collect::<Result<Vec<_>, _>>().map_err(from_engine)
        };
        Ok(match access {
            Access::Keys(keys) => Rows::Exact(keys),
            Access::Range { prefix, .. } => Rows::Scan(arrays(&prefix)?),
            Access::All => Rows::Scan(Vec::new()),
            Access::Nothing => Rows::Exact(self.no_keys()),
        })
    }

    /// The key's columns without a row.
    pub(super) fn no_keys(&self) -> Vec<datafusion::arrow::array::ArrayRef> {
        let fields = self.columns.key_fields().into_iter();
        fields
            .map(|field| datafusion::arrow::array::new_empty_array(field.data_type()))
            .collect()
    }

    /// Whether rows have the columns that the statement was compiled for.
    ///
    /// # Errors
    /// When the table was changed in between.
    pub(super) fn check(&self, current: &RecordBatch) -> Result<(), WriteError> {
        let schema = current.schema();
        let own = self.columns.schema.fields().iter();
        let is_same = schema.fields().len() == own.len()
            && own.zip(schema.fields()).all(|(own, found)| {
                own.name() == found.name() && own.data_type() == found.data_type()
            });
        match is_same {
            true => Ok(()),
            false => Err(refused(QueryError::NotReady {
                object: self.columns.label.clone(),
            })),
        }
    }

    /// The keys of rows, as the sequencer takes them.
    ///
    /// # Errors
    /// When they are not the table's rows.
    pub(super) fn keys_of(&self, rows: &RecordBatch) -> Result<RecordBatch, WriteError> {
        rows.project(&self.columns.key)
            .map_err(|error| refused(from_engine(error.into())))
    }
}

/// Columns as expressions name them.
pub(super) fn qualified(alias: &str, schema: &SchemaRef) -> Result<DFSchema, QueryError> {
    let name = TableReference::bare(alias.to_owned());
    DFSchema::try_from_qualified_schema(name, schema).map_err(from_engine)
}

/// "… is not built yet", of a statement that writes.
pub(super) fn unbuilt(what: &str, written: &Written) -> QueryError {
    unbuilt_at(what, written.place.clone()).into()
}

/// The same at a place within.
pub(super) fn unbuilt_at(what: &str, place: Place) -> Problem {
    let message = format!("{what} in a statement that writes is not built yet");
    mistake(Code::Sql002, place, message)
}

/// Where an expression begins.
pub(super) fn place_of_expr(expr: &sqlparser::ast::Expr, written: &Written) -> Place {
    place_within(expr, &written.place)
}

/// Where a part of a statement begins; where the statement does if that is not known.
pub(super) fn place_within(part: &impl Spanned, statement: &Place) -> Place {
    let start = part.span().start;
    match start.line {
        0 => statement.clone(),
        _ => place_of("", start),
    }
}
