//! RETURNING: expressions over the rows that a statement has written.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{RecordBatch, RecordBatchOptions},
        datatypes::{Field, Schema, SchemaRef},
    },
    common::DFSchema,
};
use sqlparser::ast::{Expr, Ident, SelectItem};

use super::{
    Written,
    exprs::{Planned, Planner},
    target::{Target, unbuilt},
};
use crate::{
    engine::folded,
    error::{QueryError, from_engine},
};

/// What RETURNING gives.
#[derive(Debug)]
pub(super) struct Returning {
    exprs: Vec<Planned>,
    pub(super) schema: SchemaRef,
}

impl Returning {
    /// Plans it; `None` if the statement has none.
    ///
    /// # Errors
    /// When an expression does not plan.
    pub(super) fn of(
        planner: &Planner<'_>,
        (target, over): (&Target, &DFSchema),
        items: Option<&[SelectItem]>,
        written: &Written,
    ) -> Result<Option<Self>, QueryError> {
        let Some(items) = items else { return Ok(None) };
        let mut exprs: Vec<(Expr, Option<String>)> = Vec::new();
        for item in items {
            match item {
                SelectItem::Wildcard(_) => {
                    let names = target.columns.schema.fields().iter();
                    exprs.extend(names.map(|field| {
                        let ident = Ident::with_quote('"', field.name());
                        (Expr::Identifier(ident), Some(field.name().clone()))
                    }));
                }
                SelectItem::UnnamedExpr(expr) => exprs.push((expr.clone(), name_of(expr))),
                SelectItem::ExprWithAlias { expr, alias } => {
                    exprs.push((expr.clone(), Some(folded(alias))));
                }
                _ => return Err(unbuilt("RETURNING of this form", written)),
            }
        }
        let asts: Vec<&Expr> = exprs.iter().map(|(expr, _)| expr).collect();
        let planned = planner.plan(&asts, over, written)?;
        let mut fields = Vec::with_capacity(planned.len());
        for (planned, (expr, name)) in planned.iter().zip(&exprs) {
            let field: Arc<Field> = planned.field(over)?;
            let name = name.clone().unwrap_or_else(|| expr.to_string());
            fields.push(field.as_ref().clone().with_name(name).with_nullable(true));
        }
        Ok(Some(Self {
            exprs: planned,
            schema: Arc::new(Schema::new(fields)),
        }))
    }

    /// What it gives of rows.
    ///
    /// # Errors
    /// When an expression fails on one.
    pub(super) fn rows(&self, rows: &RecordBatch) -> Result<RecordBatch, QueryError> {
        let columns = self.exprs.iter().map(|expr| expr.values(rows));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| from_engine(error.into()))
    }
}

fn name_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(folded(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        _ => None,
    }
}
