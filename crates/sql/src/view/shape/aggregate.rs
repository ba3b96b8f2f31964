//! Groups: what is grouped by, which of it is a window, and what is computed.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::{DataType, SchemaRef},
    common::ScalarValue,
    logical_expr::{
        Aggregate, Expr, LogicalPlan,
        expr::{AggregateFunction, AggregateFunctionParams},
    },
    physical_expr::{PhysicalExpr, expressions::Literal},
};
use mainstem_kernel::{Code, ColumnType, Problem, types::TYPE_METADATA};

use super::{
    super::{
        Node,
        lineage::{self, Origin},
        node::{Call, Function, buckets},
        refuse::unbuilt,
    },
    Shape,
};
use crate::{
    declare::{Told, mistake},
    functions::{SEVERAL_MAX, unfit_bounds},
    sketch::{Moment, Part},
};

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
        if let Some(view) = self.bound.looked_up.first()
            && super::rank::is_numbered(&aggregate.input)
        {
            let what = format!("an aggregate over a lookup of view \"{}\"", view.name);
            return Err(unbuilt(&what, self.place.clone())
                .hint("make a view of what is looked up, and group over that view"));
        }
        if super::rank::is_numbered(&aggregate.input) {
            return Err(unbuilt("an aggregate of numbered rows", self.place.clone())
                .hint("make a view of the numbered rows, and read it in FROM"));
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
    pub(super) fn groupable(
        &self,
        keys: &[Arc<dyn PhysicalExpr>],
        schema: &SchemaRef,
    ) -> Result<(), Problem> {
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

    pub(super) fn call(
        &self,
        expr: &Expr,
        ty: &DataType,
        aggregate: &Aggregate,
    ) -> Result<Call, Problem> {
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
                    order_by,
                    ..
                },
        }) = expr
        else {
            return Err(unbuilt("this aggregate", self.place.clone()));
        };
        let Some(function) = function(func.name(), *distinct) else {
            let name = func.name();
            let what = match distinct {
                true => format!("{name}(DISTINCT …)"),
                false => format!("aggregate function \"{name}\""),
            };
            return Err(unbuilt(&what, self.place.clone()));
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
        let args = match function {
            Function::ApproxPercentile => {
                let descends = order_by.first().is_some_and(|order| !order.asc);
                self.with_part(args, descends)?
            }
            Function::MinBy | Function::MaxBy => self.with_several(args)?,
            Function::Histogram => self.with_buckets(args)?,
            _ => args,
        };
        let filter = filter.as_ref().map(|filter| self.one(filter, over));
        Ok(Call {
            function,
            args,
            filter: filter.transpose()?,
            ty: ty.clone(),
            distinct_max: function.of_different().and(self.distinct_max),
        })
    }

    /// The value, and what the buckets are made of: constants.
    fn with_buckets(
        &self,
        args: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Vec<Arc<dyn PhysicalExpr>>, Problem> {
        match buckets(&args) {
            Some(_) => Ok(args),
            None => Err(
                mistake(Code::Sql024, self.place.clone(), unfit_bounds())
                    .hint("histogram(ms, 0, 1000, 20): counts of less than 0, of 20 ranges of 50, of 1000 and more"),
            ),
        }
    }

    /// The value, what rows are ordered by, and how many rows are kept if it is an array that is told.
    fn with_several(
        &self,
        mut args: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Vec<Arc<dyn PhysicalExpr>>, Problem> {
        let Some(several) = args.get_mut(2) else {
            return Ok(args);
        };
        let number = several.downcast_ref::<Literal>().map(Literal::value);
        let number = number.and_then(|number| number.cast_to(&DataType::Int64).ok());
        match number {
            Some(ScalarValue::Int64(Some(number))) if (1..=SEVERAL_MAX).contains(&number) => {
                *several = Arc::new(Literal::new(ScalarValue::Int64(Some(number))));
                Ok(args)
            }
            _ => {
                let message = format!(
                    "min_by and max_by take a number of rows from 1 to {SEVERAL_MAX} that is a constant"
                );
                Err(mistake(Code::Sql024, self.place.clone(), message)
                    .hint("max_by(x, at, 10): the x of the ten latest rows, the latest first"))
            }
        }
    }

    /// The value, and the part of all values that is to lie below the answer.
    fn with_part(
        &self,
        mut args: Vec<Arc<dyn PhysicalExpr>>,
        descends: bool,
    ) -> Result<Vec<Arc<dyn PhysicalExpr>>, Problem> {
        let part = match args.get(1) {
            // The median's.
            None => Some(0.5),
            Some(part) => match part.downcast_ref::<Literal>().map(Literal::value) {
                Some(ScalarValue::Float64(part)) => *part,
                _ => None,
            },
        };
        let part = part.map(|part| if descends { 1.0 - part } else { part });
        let Some(part) = part.filter(|part| Part::new(*part).is_some()) else {
            let message = "approx_percentile_cont takes a part from 0 to 1 that is a constant";
            return Err(mistake(Code::Sql024, self.place.clone(), message)
                .hint("approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY x)"));
        };
        args.truncate(1);
        args.push(Arc::new(Literal::new(ScalarValue::Float64(Some(part)))));
        Ok(args)
    }
}

/// The function of a name, of different values or of all.
fn function(name: &str, distinct: bool) -> Option<Function> {
    Some(match (name, distinct) {
        ("count", false) => Function::Count,
        ("count", true) => Function::CountDistinct,
        ("sum", false) => Function::Sum,
        ("sum", true) => Function::SumDistinct,
        ("min", _) => Function::Min,
        ("max", _) => Function::Max,
        ("avg", false) => Function::Avg,
        ("avg", true) => Function::AvgDistinct,
        ("var", false) => Function::Moment(Moment::VarSamp),
        ("var_pop", false) => Function::Moment(Moment::VarPop),
        ("stddev", false) => Function::Moment(Moment::StddevSamp),
        ("stddev_pop", false) => Function::Moment(Moment::StddevPop),
        ("bool_and", _) => Function::BoolAnd,
        ("bool_or", _) => Function::BoolOr,
        ("min_by", false) => Function::MinBy,
        ("max_by", false) => Function::MaxBy,
        ("approx_distinct", _) => Function::ApproxDistinct,
        ("approx_percentile_cont" | "approx_median", false) => Function::ApproxPercentile,
        ("histogram", false) => Function::Histogram,
        _ => return None,
    })
}

fn has_aggregate(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Aggregate(_)) || plan.inputs().into_iter().any(has_aggregate)
}
