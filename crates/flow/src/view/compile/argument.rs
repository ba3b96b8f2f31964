//! The argument of an aggregate: one column, whatever the call has. It never computes one.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::Schema,
    common::{ScalarValue, config::ConfigOptions},
    functions::core,
    physical_expr::{ScalarFunctionExpr, expressions::Literal},
};
use mainstem_sql::{
    sketch::{Buckets, Part},
    view::{Call, Function, buckets},
};

use crate::evaluate::Expr;

/// What an aggregate computes with.
#[derive(Debug, Default)]
pub(super) struct Argument {
    /// The column: of two values one of pairs.
    pub(super) arg: Option<Expr>,
    /// Of a percentile.
    pub(super) part: Option<Part>,
    /// Of a histogram.
    pub(super) buckets: Option<Buckets>,
    /// How many rows an array is to be of.
    pub(super) several: Option<usize>,
}

/// The argument of a call.
///
/// # Errors
/// When the call has other arguments than its function.
pub(super) fn argument(call: &Call, input: &Schema) -> Result<Argument, String> {
    let other = || format!("{} has other arguments", call.function.as_str());
    let of = |arg: &Expr| Argument {
        arg: Some(Arc::clone(arg)),
        ..Argument::default()
    };
    Ok(match (call.function, call.args.as_slice()) {
        (Function::MinBy | Function::MaxBy, [value, by, several @ ..]) => {
            let pair = vec![Arc::clone(value), Arc::clone(by)];
            let options = Arc::new(ConfigOptions::default());
            let pair = ScalarFunctionExpr::try_new(core::r#struct(), pair, input, options);
            let pair: Expr = Arc::new(pair.map_err(|error| error.strip_backtrace())?);
            let several = match several {
                [] => None,
                [several] => match constant(several) {
                    Some(ScalarValue::Int64(Some(several))) => {
                        Some(usize::try_from(*several).map_err(|_negative| other())?)
                    }
                    _ => return Err(other()),
                },
                _ => return Err(other()),
            };
            Argument {
                several,
                ..of(&pair)
            }
        }
        (Function::ApproxPercentile, [value, part]) => {
            let part = match constant(part) {
                Some(ScalarValue::Float64(Some(part))) => Part::new(*part),
                _ => None,
            };
            Argument {
                part: Some(part.ok_or_else(other)?),
                ..of(value)
            }
        }
        (Function::Histogram, [value, ..]) => Argument {
            buckets: Some(buckets(&call.args).ok_or_else(other)?),
            ..of(value)
        },
        (_, []) => Argument::default(),
        (_, [arg]) => of(arg),
        _ => return Err(other()),
    })
}

fn constant(expr: &Expr) -> Option<&ScalarValue> {
    expr.downcast_ref::<Literal>().map(Literal::value)
}
