//! Expressions over the columns of the level below. A scalar subquery is a column that is spelled as
//! the question in parentheses.

use std::{collections::HashMap, sync::Arc};

use datafusion::{
    arrow::datatypes::Field,
    common::{
        Column, DFSchema, Result as EngineResult,
        tree_node::{Transformed, TransformedResult, TreeNode},
    },
    execution::context::ExecutionProps,
    logical_expr::{Expr, Subquery, physical_planning_context::PhysicalPlanningContext},
    physical_expr::{PhysicalExpr, create_physical_expr},
};

use super::{
    errors::unspelled,
    level::{Levels, Text, name},
};
use crate::{
    error::{QueryError, from_engine},
    spark::Scope,
};

/// What expressions read: columns of the levels below and, behind them, subqueries.
pub(super) struct Over {
    pub(super) columns: Vec<String>,
    schema: DFSchema,
}

impl Over {
    /// The columns of one level.
    pub(super) fn level(schema: &DFSchema) -> Self {
        Self::called(schema, (0..schema.fields().len()).map(name).collect())
    }

    /// Columns that are called otherwise.
    pub(super) fn called(schema: &DFSchema, columns: Vec<String>) -> Self {
        Self {
            columns,
            schema: schema.clone(),
        }
    }
}

impl Levels<'_> {
    pub(super) fn exprs(
        &mut self,
        exprs: &[Expr],
        over: &DFSchema,
    ) -> Result<Vec<String>, QueryError> {
        exprs.iter().map(|expr| self.expr(expr, over)).collect()
    }

    pub(super) fn expr(&mut self, expr: &Expr, over: &DFSchema) -> Text {
        self.expr_over(expr, Over::level(over))
    }

    pub(super) fn expr_over(&mut self, expr: &Expr, over: Over) -> Text {
        let (expr, over) = self.with_subqueries(expr, over)?;
        let physical = physical(&expr, &over.schema)?;
        let scope = Scope {
            columns: &over.columns,
            schema: over.schema.as_arrow(),
        };
        let text = self.speller.expr(&physical, scope);
        text.map_err(|what| unspelled(&what))
    }

    /// The expression with columns in the place of its subqueries.
    fn with_subqueries(&mut self, expr: &Expr, over: Over) -> Result<(Expr, Over), QueryError> {
        let mut found: Vec<Subquery> = Vec::new();
        let replaced = expr.clone().transform_up(|expr| match expr {
            Expr::ScalarSubquery(subquery) => {
                let column = Column::from_name(subquery_name(found.len()));
                found.push(subquery);
                Ok(Transformed::yes(Expr::Column(column)))
            }
            expr => Ok(Transformed::no(expr)),
        });
        let replaced = replaced.data().map_err(from_engine)?;
        if found.is_empty() {
            return Ok((replaced, over));
        }
        let Over {
            mut columns,
            schema,
        } = over;
        let mut fields = Vec::with_capacity(found.len());
        for (number, subquery) in found.iter().enumerate() {
            columns.push(format!("({})", self.node(&subquery.subquery)?));
            let ty = subquery.subquery.schema().field(0).data_type().clone();
            fields.push(Field::new(subquery_name(number), ty, true));
        }
        let added = DFSchema::from_unqualified_fields(fields.into(), HashMap::new());
        let schema = added.and_then(|added| schema.join(&added));
        let schema = schema.map_err(from_engine)?;
        Ok((replaced, Over { columns, schema }))
    }
}

fn subquery_name(number: usize) -> String {
    format!("__subquery {number}")
}

/// An expression as DataFusion would run it.
pub(super) fn physical(expr: &Expr, over: &DFSchema) -> Result<Arc<dyn PhysicalExpr>, QueryError> {
    let made: EngineResult<_> = create_physical_expr(
        expr,
        over,
        &ExecutionProps::new(),
        &PhysicalPlanningContext::default(),
    );
    made.map_err(from_engine)
}
