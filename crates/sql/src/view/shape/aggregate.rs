//! Groups: what is grouped by, which of it is a window, and what is computed.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::{DataType, SchemaRef},
    logical_expr::{
        Aggregate, Expr, LogicalPlan,
        expr::{AggregateFunction, AggregateFunctionParams},
    },
    physical_expr::PhysicalExpr,
};
use mainstem_kernel::{Code, ColumnType, Problem, types::TYPE_METADATA};

use super::{
    super::{
        Node,
        lineage::{self, Origin},
        node::{Call, Function},
        refuse::unbuilt,
    },
    Shape,
};
use crate::declare::{Told, mistake};

impl Shape<'_> {
    pub(super) fn aggregate(
        &self,
        aggregate: &Aggregate,
        schema: SchemaRef,
    ) -> Result<Node, Problem> {
        if has_aggregate(&aggregate.input) {
            return Err(unbuilt("an aggregate of an aggregate", self.place.clone())
                .hint("make a view of the inner one, and read it in FROM"));
        }
        let input = self.node(&aggregate.input)?;
        let over = aggregate.input.schema();
        // What is grouped by twice has one column.
        let mut different: Vec<Expr> = Vec::with_capacity(aggregate.group_expr.len());
        for expr in &aggregate.group_expr {
            if !different.contains(expr) {
                different.push(expr.clone());
            }
        }
        let keys = self.physical(&different, over)?;
        self.groupable(&keys, &schema)?;
        let window = self.window(&input, &keys)?;
        let calls = aggregate
            .aggr_expr
            .iter()
            .zip(schema.fields().iter().skip(keys.len()));
        let calls = calls.map(|(expr, field)| self.call(expr, field.data_type(), aggregate));
        let calls = calls.collect::<Result<_, _>>()?;
        Ok(Node::Aggregate {
            input: Box::new(input),
            keys,
            window,
            calls,
            schema,
        })
    }

    /// Refuses keys whose equal values may look different.
    fn groupable(&self, keys: &[Arc<dyn PhysicalExpr>], schema: &SchemaRef) -> Result<(), Problem> {
        for (_, field) in keys.iter().zip(schema.fields()) {
            let is_json = field
                .metadata()
                .get(TYPE_METADATA)
                .is_some_and(|ty| *ty == ColumnType::Json.to_string());
            let is_key = match field.data_type() {
                DataType::Float16 | DataType::Float32 | DataType::Float64 | DataType::Null => false,
                ty => !ty.is_nested() && !is_json,
            };
            if !is_key {
                let message = format!("rows cannot be grouped by {}", field.name());
                return Err(mistake(Code::View008, self.place.clone(), message)
                    .detail("Equal values of its type do not always have the same text.")
                    .hint("convert it to NUMERIC, BIGINT or TEXT with CAST"));
            }
        }
        Ok(())
    }

    /// Which keys are the bounds of the window.
    fn window(
        &self,
        input: &Node,
        keys: &[Arc<dyn PhysicalExpr>],
    ) -> Result<Option<(usize, usize)>, Problem> {
        let position = |wanted: Origin| {
            keys.iter().position(|key| {
                super::column(key).and_then(|column| lineage::origin(input, column))
                    == Some(wanted.clone())
            })
        };
        match (position(Origin::WindowStart), position(Origin::WindowEnd)) {
            (Some(start), Some(end)) => Ok(Some((start, end))),
            (None, None) => Ok(None),
            _ => Err(mistake(
                Code::View003,
                self.place.clone(),
                "a view groups by one bound of its windows",
            )
            .hint("GROUP BY both window_start and window_end")),
        }
    }

    fn call(&self, expr: &Expr, ty: &DataType, aggregate: &Aggregate) -> Result<Call, Problem> {
        let expr = match expr {
            Expr::Alias(alias) => alias.expr.as_ref(),
            expr => expr,
        };
        let Expr::AggregateFunction(AggregateFunction {
            func,
            params:
                AggregateFunctionParams {
                    args,
                    distinct,
                    filter,
                    ..
                },
        }) = expr
        else {
            return Err(unbuilt("this aggregate", self.place.clone()));
        };
        let function = match (func.name(), distinct) {
            ("count", false) => Function::Count,
            ("count", true) => Function::CountDistinct,
            ("sum", false) => Function::Sum,
            ("min", _) => Function::Min,
            ("max", _) => Function::Max,
            ("avg", false) => Function::Avg,
            (name, _) => {
                let what = format!("aggregate function \"{name}\"");
                return Err(unbuilt(&what, self.place.clone()));
            }
        };
        let over = aggregate.input.schema();
        // count(*) is count(1) by now.
        let counts_rows = function == Function::Count
            && args
                .iter()
                .all(|arg| matches!(arg, Expr::Literal(value, _) if !value.is_null()));
        let args = match counts_rows {
            true => Vec::new(),
            false => self.physical(args, over)?,
        };
        let filter = filter.as_ref().map(|filter| self.one(filter, over));
        Ok(Call {
            function,
            args,
            filter: filter.transpose()?,
            ty: ty.clone(),
            distinct_max: match function {
                Function::CountDistinct => self.distinct_max,
                _ => None,
            },
        })
    }
}

fn has_aggregate(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Aggregate(_)) || plan.inputs().into_iter().any(has_aggregate)
}
