//! Aggregates of views in Spark SQL, as Structured Streaming has them.

use datafusion::arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType};

use super::{Note, Scope, Spelled, Speller, Unspelled, decimals, type_of, types};
use crate::{
    sketch::{Buckets, Moment},
    view::{Call, Function, buckets},
};

impl Speller {
    /// What is computed of the rows of a group. Rows for which the filter is not true have NULL for
    /// their argument, which no aggregate counts.
    ///
    /// # Errors
    /// What of it has no spelling.
    pub fn aggregate(&mut self, call: &Call, scope: Scope<'_>) -> Spelled {
        let filter = call.filter.as_ref().map(|filter| self.expr(filter, scope));
        let filter = filter.transpose()?;
        let taken = |value: String| match &filter {
            Some(filter) => format!("CASE WHEN {filter} THEN {value} END"),
            None => value,
        };
        let over = self.window();
        let Some(arg) = call.args.first() else {
            return Ok(match &filter {
                Some(_) => format!("count({}){over}", taken("1".to_owned())),
                None => format!("count(*){over}"),
            });
        };
        let ty = type_of(arg, scope)?;
        let text = taken(self.expr(arg, scope)?);
        let refused = || Unspelled::Aggregate {
            function: call.function.as_str(),
            ty: ty.to_string(),
        };
        match call.function {
            Function::Count => Ok(format!("count({text}){over}")),
            Function::Min | Function::Max if !ty.is_nested() => {
                Ok(format!("{}({text}){over}", call.function.as_str()))
            }
            Function::CountDistinct => {
                let is_kept = !ty.is_floating() && !ty.is_nested() && ty != DataType::Binary;
                let text = is_kept.then(|| distinct(&text, call.distinct_max));
                text.ok_or_else(refused)
            }
            Function::BoolAnd | Function::BoolOr => {
                Ok(format!("{}({text}){over}", call.function.as_str()))
            }
            Function::Moment(moment) => {
                self.notes.insert(Note::Rounds);
                let name = match moment {
                    Moment::VarSamp => "var_samp",
                    Moment::VarPop => "var_pop",
                    Moment::StddevSamp => "stddev_samp",
                    Moment::StddevPop => "stddev_pop",
                };
                Ok(format!("{name}({text}){over}"))
            }
            Function::MinBy | Function::MaxBy if !ty.is_nested() && call.args.len() == 2 => {
                let by = call.args.get(1).ok_or_else(refused)?;
                let by = (self.expr(by, scope)?, type_of(by, scope)?);
                chosen(call.function, (&text, filter.as_deref()), by)
                    .map(|chosen| chosen + &over)
                    .ok_or_else(refused)
            }
            Function::Histogram => buckets(&call.args)
                .and_then(|buckets| histogram((&text, &over), buckets))
                .ok_or_else(refused),
            Function::Sum => self.sum(&text, (&ty, &call.ty)).ok_or_else(refused),
            Function::Avg => match self.mean(&text, (&ty, &call.ty)) {
                Some(mean) => mean,
                None => Err(refused()),
            },
            // Different values are counted alone there; what is approximate is so in another way.
            Function::SumDistinct
            | Function::AvgDistinct
            | Function::Min
            | Function::Max
            | Function::MinBy
            | Function::MaxBy
            | Function::ApproxDistinct
            | Function::ApproxPercentile => Err(refused()),
        }
    }

    fn sum(&mut self, text: &str, (ty, result): (&DataType, &DataType)) -> Option<String> {
        match (ty, result) {
            (DataType::Int16 | DataType::Int32 | DataType::Int64, DataType::Int64) => {
                self.notes.insert(Note::RowErrors);
            }
            (DataType::Float64, DataType::Float64) => {
                self.notes.insert(Note::Rounds);
            }
            // Both add ten digits to the left, as far as there are so many; a sum that needs more is
            // an error.
            (DataType::Decimal128(precision, scale), DataType::Decimal128(wide, same))
                if scale == same
                    && *wide == precision.saturating_add(10).min(DECIMAL128_MAX_PRECISION) =>
            {
                self.notes.insert(Note::RowErrors);
            }
            _ => return None,
        }
        Some(format!("sum({text}){}", self.window()))
    }

    fn mean(&mut self, text: &str, (ty, result): (&DataType, &DataType)) -> Option<Spelled> {
        let over = self.window();
        Some(match (ty, result) {
            (DataType::Float64, DataType::Float64) => {
                self.notes.insert(Note::Rounds);
                Ok(format!("avg({text}){over}"))
            }
            // Exact until it is divided: Spark's own mean adds doubles.
            (DataType::Int16 | DataType::Int32 | DataType::Int64, DataType::Float64) => {
                let sum = match ty {
                    DataType::Int64 => format!("sum(CAST({text} AS DECIMAL(20,0))){over}"),
                    _ => format!("sum({text}){over}"),
                };
                Ok(format!(
                    "(CAST({sum} AS DOUBLE) / nullif(count({text}){over}, 0L))"
                ))
            }
            (DataType::Decimal128(precision, scale), DataType::Decimal128(wide, more))
                if *wide == precision.saturating_add(4)
                    && *more == scale.saturating_add(4)
                    && *precision <= 28 =>
            {
                let sum = decimals::Decimal::new(
                    format!("sum({text}){over}"),
                    precision.saturating_add(10),
                    *scale,
                );
                let count = format!("CAST(nullif(count({text}){over}, 0L) AS DECIMAL(20,0))");
                let mean = decimals::quotient(&sum, &decimals::Decimal::new(count, 20, 0));
                mean.and_then(|mean| Ok(format!("CAST({mean} AS {})", types::of(result)?)))
            }
            _ => return None,
        })
    }
}

/// The value of the row that comes first or last; of several the least or greatest, NULL being least,
/// as structs are ordered. Rows without order do not count.
fn chosen(
    function: Function,
    (value, filter): (&str, Option<&str>),
    (by, ty): (String, DataType),
) -> Option<String> {
    let name = function.as_str();
    let counts = match filter {
        Some(filter) => format!("{filter} AND {by} IS NOT NULL"),
        None => format!("{by} IS NOT NULL"),
    };
    let order = format!("CASE WHEN {counts} THEN struct({by} AS o, {value} AS v) END");
    (!ty.is_nested()).then(|| format!("{name}({value}, {order})"))
}

/// Counters of a histogram beyond which its text would be too long.
const COUNTERS_MAX: usize = 102;

/// A count per bucket, whose number is computed as it is on one machine. NULL if there is no value.
fn histogram((value, over): (&str, &str), buckets: Buckets) -> Option<String> {
    let counters = buckets.counters();
    if counters > COUNTERS_MAX {
        return None;
    }
    let (low, high) = buckets.bounds();
    let count = counters.saturating_sub(2);
    let part = format!("(({value}) - {low:e}D) / {:e}D", high - low);
    // NaN is greater than any number there, too.
    let number = format!(
        "CASE WHEN {part} < 0D THEN 0L WHEN {part} >= 1D THEN {}L ELSE floor(({part}) * {count}D) + 1L END",
        count.saturating_add(1)
    );
    let counts =
        (0..counters).map(|at| format!("count(CASE WHEN {number} = {at}L THEN 1 END){over}"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    Some(format!(
        "CASE WHEN count({value}){over} > 0L THEN array({counts}) END"
    ))
}

/// How many different values; one more than the bound is an error, as it is on one machine.
fn distinct(text: &str, most: Option<u64>) -> String {
    let set = format!("collect_set({text})");
    let count = format!("CAST(size({set}) AS BIGINT)");
    match most {
        None => count,
        Some(most) => format!(
            "CASE WHEN size({set}) > {most}L THEN \
             CAST(raise_error('a group has more than {most} different values') AS BIGINT) \
             ELSE {count} END"
        ),
    }
}
