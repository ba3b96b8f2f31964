//! Groups, and what is computed of them.

use datafusion::{
    arrow::datatypes::{DataType, Field},
    common::{DFSchema, ScalarValue},
    logical_expr::{
        Aggregate, Expr,
        expr::{AggregateFunction, AggregateFunctionParams},
    },
};

use super::{
    errors::{refused, unspelled},
    exprs::physical,
    level::{Levels, Text, listed, name},
};
use crate::{
    error::QueryError,
    spark::{Note, Scope, field_type},
    view::{Call, Function},
};

/// Aggregates that are called alike: their name, Spark's, and whether the last digits may differ.
const ALIKE: [(&str, &str, bool); 10] = [
    ("bool_and", "bool_and", false),
    ("bool_or", "bool_or", false),
    ("bit_and", "bit_and", false),
    ("bit_or", "bit_or", false),
    ("bit_xor", "bit_xor", false),
    ("stddev", "stddev_samp", true),
    ("stddev_pop", "stddev_pop", true),
    ("var", "var_samp", true),
    ("var_pop", "var_pop", true),
    ("median", "median", true),
];

/// What an aggregate function is called with.
pub(super) struct Called<'a> {
    pub(super) name: &'a str,
    pub(super) args: &'a [Expr],
    pub(super) distinct: bool,
    pub(super) filter: Option<&'a Expr>,
    /// The column of the result.
    pub(super) field: &'a Field,
}

impl Levels<'_> {
    pub(super) fn groups(&mut self, aggregate: &Aggregate) -> Text {
        let input = self.node(&aggregate.input)?;
        let over = aggregate.input.schema();
        if aggregate
            .group_expr
            .iter()
            .any(|expr| matches!(expr, Expr::GroupingSet(_)))
        {
            return Err(refused("GROUP BY of several sets"));
        }
        let keys = self.exprs(&aggregate.group_expr, over)?;
        let fields = aggregate.schema.fields().iter().skip(keys.len());
        let mut columns = keys.clone();
        for (expr, field) in aggregate.aggr_expr.iter().zip(fields) {
            columns.push(self.of_group(unaliased(expr), field, over)?);
        }
        let by = match keys.is_empty() {
            true => String::new(),
            false => format!(" GROUP BY {}", keys.join(", ")),
        };
        Ok(format!("SELECT {} FROM ({input}){by}", listed(&columns)))
    }

    fn of_group(&mut self, expr: &Expr, field: &Field, over: &DFSchema) -> Text {
        let Expr::AggregateFunction(AggregateFunction { func, params }) = expr else {
            return Err(refused(&format!("{expr}")));
        };
        let AggregateFunctionParams {
            args,
            distinct,
            filter,
            order_by,
            ..
        } = params;
        if !order_by.is_empty() {
            return Err(refused(&format!(
                "aggregate function \"{}\" with ORDER BY",
                func.name()
            )));
        }
        let called = Called {
            name: func.name(),
            args,
            distinct: *distinct,
            filter: filter.as_deref(),
            field,
        };
        self.called(&called, over)
    }

    /// An aggregate function.
    pub(super) fn called(&mut self, called: &Called<'_>, over: &DFSchema) -> Text {
        let function = match (called.name, called.distinct) {
            ("count", false) => Function::Count,
            ("min", _) => Function::Min,
            ("max", _) => Function::Max,
            ("sum", _) => Function::Sum,
            ("avg", false) => Function::Avg,
            ("min_by", false) => Function::MinBy,
            ("max_by", false) => Function::MaxBy,
            ("histogram", false) => Function::Histogram,
            ("count", true) => return self.distinct(called, over),
            _ => return self.alike(called, over),
        };
        // count(*) is count(1) by now.
        let counts_rows = function == Function::Count && called.args.iter().all(is_some);
        let args = match counts_rows {
            true => Vec::new(),
            false => {
                let args = called.args.iter().map(|arg| physical(arg, over));
                args.collect::<Result<_, _>>()?
            }
        };
        let filter = called
            .filter
            .map(|filter| physical(filter, over))
            .transpose()?;
        let call = Call {
            function,
            args,
            filter,
            ty: called.field.data_type().clone(),
            distinct_max: None,
        };
        let columns: Vec<String> = (0..over.fields().len()).map(name).collect();
        let scope = Scope {
            columns: &columns,
            schema: over.as_arrow(),
        };
        let text = self.speller.aggregate(&call, scope);
        let text = text.map_err(|what| unspelled(&what))?;
        Ok(match (function, called.distinct) {
            (Function::Sum, true) => text.replacen("sum(", "sum(DISTINCT ", 1),
            _ => text,
        })
    }

    /// How many different values there are. Those of rows that do not count are NULL.
    fn distinct(&mut self, called: &Called<'_>, over: &DFSchema) -> Text {
        let ([_], false) = (called.args, called.field.data_type().is_nested()) else {
            return Err(refused("count(DISTINCT …) of several values"));
        };
        let args = self.taken(called, over)?;
        Ok(format!("count(DISTINCT {})", args.join(", ")))
    }

    fn alike(&mut self, called: &Called<'_>, over: &DFSchema) -> Text {
        let refuse = || refused(&format!("aggregate function \"{}\"", called.name));
        let found = ALIKE.iter().find(|(name, ..)| *name == called.name);
        let (Some((name, spark, rounds)), false) = (found, called.distinct) else {
            return Err(refuse());
        };
        if *name == "median" && *called.field.data_type() != DataType::Float64 {
            return Err(refuse());
        }
        if *rounds {
            self.speller.notes.insert(Note::Rounds);
        }
        let args = self.taken(called, over)?;
        let over = self.speller.window();
        let text = format!("{spark}({}){over}", args.join(", "));
        let ty = field_type(called.field).map_err(|what| unspelled(&what))?;
        Ok(format!("CAST({text} AS {ty})"))
    }

    /// The arguments, NULL for rows that do not count.
    fn taken(&mut self, called: &Called<'_>, over: &DFSchema) -> Result<Vec<String>, QueryError> {
        let args = self.exprs(called.args, over)?;
        let Some(filter) = called.filter else {
            return Ok(args);
        };
        let filter = self.expr(filter, over)?;
        let taken = args
            .iter()
            .map(|arg| format!("CASE WHEN {filter} THEN {arg} END"));
        Ok(taken.collect())
    }
}

fn is_some(arg: &Expr) -> bool {
    matches!(arg, Expr::Literal(value, _) if !ScalarValue::is_null(value))
}

/// The expression without the name that it is given.
pub(super) fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        expr => expr,
    }
}
