//! Expressions of views in Spark SQL: what gives the same there, or the name of what does not.
//!
//! It never lowers a whole view (`cluster` does) and never asks Spark: `tests/python/spark_views.py`
//! does, with every function of the function table over random and edge values.
//!
//! Where Spark differs from us, and what is done about it:
//!
//! | what | here | Spark | lowered to |
//! |---|---|---|---|
//! | integers out of range, division by zero | error of the row | error of the query (ANSI) | the same operators; `Note::RowErrors` |
//! | `/` of integers | toward zero, the operands' type | `/` is a double, `div` a BIGINT | `CAST(a div b AS …)` |
//! | `/` of REAL | REAL | DOUBLE | `CAST(… AS FLOAT)`, which rounds to the same |
//! | `/` and avg of NUMERIC | cut off after four more digits | rounded half up | exact division of what is left without the rest |
//! | NUMERIC wider than 38 digits | 38 digits, the scale kept | the scale is given up | refused |
//! | sum and avg of floating point | exact, rounded once | rounded at each addition | as it is; `Note::Rounds` |
//! | -0.0 and 0.0 | two values where compared | one value | as it is, and told here alone |
//! | sine, logarithm, power and the like | the system's library | Java's | as it is; `Note::Rounds` |
//! | DOUBLE to TEXT and to NUMERIC | shortest digits; binary value | Java's digits | refused |
//! | TEXT to a number | blanks are a mistake | blanks are cut off | refused unless checked with a pattern |
//! | ILIKE, regular expressions | Rust's | Java's | refused |
//! | count(DISTINCT) | bounded by `distinct_max` | none in streams | size of a `collect_set`, with the bound |
//! | sum(DISTINCT), avg(DISTINCT) | exact, bounded by `distinct_max` | none in streams | refused |
//! | windows of a time zone | days of its calendar | none | refused |
//! | TIMESTAMPTZ, DATE | µs; proleptic Gregorian | the same | the session's zone is UTC (`SETTINGS`) |

mod calls;
mod casts;
mod decimals;
mod errors;
mod groups;
mod literals;
mod nulls;
mod operators;
mod template;
mod types;
mod worker;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt, sync::Arc};

use datafusion::{
    arrow::datatypes::{DataType, Schema},
    physical_expr::{
        PhysicalExpr, ScalarFunctionExpr,
        expressions::{
            BinaryExpr, CaseExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr,
            LikeExpr, Literal, NegativeExpr, NotExpr, TryCastExpr,
        },
    },
};

pub use errors::Unspelled;
pub use nulls::nullable;
pub(crate) use template::Template;
pub use types::{field_type, spark_type};
pub use worker::{Bound, before_windows, bounds, column, keyed};

/// What a Spark session has to be set to, so that what is spelled means the same.
pub const SETTINGS: [(&str, &str); 9] = [
    ("spark.sql.ansi.enabled", "true"),
    ("spark.sql.session.timeZone", "UTC"),
    ("spark.sql.caseSensitive", "true"),
    ("spark.sql.groupByOrdinal", "false"),
    ("spark.sql.groupByAliases", "false"),
    ("spark.sql.parser.escapedStringLiterals", "false"),
    ("spark.sql.decimalOperations.allowPrecisionLoss", "true"),
    ("spark.sql.legacy.timeParserPolicy", "CORRECTED"),
    // Event time of several streams is the least of theirs.
    ("spark.sql.streaming.multipleWatermarkPolicy", "min"),
];

/// A difference that stays and is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Note {
    /// The last digits of floating point numbers may be others.
    Rounds,
    /// A row that cannot be computed stops the view by name, where one machine sets it aside.
    RowErrors,
    /// Rows that come too late are dropped, where one machine keeps them in `<view>_late`.
    LateRows,
    /// A window closes with the first row behind its end, never because time goes by.
    Idle,
    /// The event time of several streams is that of the slowest, whatever `idle_timeout` says.
    Slowest,
    /// A row without a pair comes with the first rows of both streams behind its time.
    Alone,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rounds => "the last digits of floating point numbers may be others",
            Self::RowErrors => {
                "a row that cannot be computed stops the view, instead of going to its dead letters"
            }
            Self::LateRows => "rows that come too late are dropped, there is no stream of them",
            Self::Idle => {
                "a window closes with the first row behind its end, however long that takes"
            }
            Self::Slowest => {
                "event time is that of the slowest stream, also while it rests, whatever its \
                 idle_timeout is"
            }
            Self::Alone => {
                "a row without a pair comes with the first rows of both streams behind what it \
                 waits for, however long that takes"
            }
        })
    }
}

/// What expressions read: columns by position, as Spark is to call them.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Spark's expression of each column.
    pub columns: &'a [String],
    /// Their types.
    pub schema: &'a Schema,
}

/// Spells expressions, and gathers what has to be told.
#[derive(Debug, Default)]
pub struct Speller {
    /// Differences that stay.
    pub notes: BTreeSet<Note>,
    /// What stands behind aggregates: nothing, or OVER and a window.
    over: String,
}

/// An expression of a plan.
pub type Expr = Arc<dyn PhysicalExpr>;
pub(crate) type Spelled = Result<String, Unspelled>;

impl Speller {
    /// What stands behind aggregates from now on; gives what stood there.
    pub(crate) fn set_window(&mut self, over: String) -> String {
        std::mem::replace(&mut self.over, over)
    }

    /// What stands behind aggregates.
    pub(crate) fn window(&self) -> String {
        self.over.clone()
    }

    /// An expression in Spark SQL, in parentheses where it needs them.
    ///
    /// # Errors
    /// What of it has no spelling.
    pub fn expr(&mut self, expr: &Expr, scope: Scope<'_>) -> Spelled {
        if let Some(column) = expr.downcast_ref::<Column>() {
            let found = scope.columns.get(column.index());
            return found.cloned().ok_or_else(|| unknown(expr));
        }
        if let Some(literal) = expr.downcast_ref::<Literal>() {
            return literals::literal(literal.value());
        }
        if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
            return self.binary(binary, scope);
        }
        if let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>() {
            return self.call(call, scope);
        }
        if let Some(cast) = expr.downcast_ref::<CastExpr>() {
            return self.cast((cast.expr(), cast.cast_type()), scope, casts::Unfit::Fails);
        }
        if let Some(cast) = expr.downcast_ref::<TryCastExpr>() {
            return self.cast((cast.expr(), cast.cast_type()), scope, casts::Unfit::IsNull);
        }
        self.form(expr, scope)
    }

    /// What has a syntax of its own.
    fn form(&mut self, expr: &Expr, scope: Scope<'_>) -> Spelled {
        if let Some(case) = expr.downcast_ref::<CaseExpr>() {
            return self.case(case, scope);
        }
        if let Some(list) = expr.downcast_ref::<InListExpr>() {
            return self.in_list(list, scope);
        }
        if let Some(null) = expr.downcast_ref::<IsNullExpr>() {
            return Ok(format!("({} IS NULL)", self.expr(null.arg(), scope)?));
        }
        if let Some(null) = expr.downcast_ref::<IsNotNullExpr>() {
            return Ok(format!("({} IS NOT NULL)", self.expr(null.arg(), scope)?));
        }
        if let Some(not) = expr.downcast_ref::<NotExpr>() {
            return Ok(format!("(NOT {})", self.expr(not.arg(), scope)?));
        }
        if let Some(negative) = expr.downcast_ref::<NegativeExpr>() {
            return self.negative(negative.arg(), scope);
        }
        if let Some(like) = expr.downcast_ref::<LikeExpr>() {
            return self.like(like, scope);
        }
        Err(unknown(expr))
    }

    fn all<'a>(
        &mut self,
        exprs: impl IntoIterator<Item = &'a Expr>,
        scope: Scope<'_>,
    ) -> Result<Vec<String>, Unspelled> {
        exprs
            .into_iter()
            .map(|expr| self.expr(expr, scope))
            .collect()
    }
}

fn unknown(expr: &Expr) -> Unspelled {
    Unspelled::Expression {
        text: expr.to_string(),
    }
}

/// The type of an expression.
fn type_of(expr: &Expr, scope: Scope<'_>) -> Result<DataType, Unspelled> {
    let ty = expr.data_type(scope.schema);
    ty.map(|ty| types::plain(&ty))
        .map_err(|_unknown| unknown(expr))
}
