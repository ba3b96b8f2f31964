//! From a wide sum and a count to the answer's type: NUMERIC by division toward zero, as
//! DataFusion's `avg` of NUMERIC does it, or a float.

use std::sync::Arc;

use datafusion::arrow::{
    array::{Decimal128Builder, Float64Builder},
    datatypes::{DECIMAL128_MAX_PRECISION, DataType, i256},
    error::ArrowError,
};

use mainstem_kernel::Code;

use super::{Answers, Unfit};

/// Says that a group's sum does not fit.
pub(crate) const fn out_of_range(at: usize) -> Unfit {
    let reason = "a sum is out of the range of its type";
    Unfit {
        at,
        code: Code::Flow013,
        reason,
    }
}

/// How a sum becomes an answer.
#[derive(Debug)]
pub(crate) enum Means {
    Float {
        /// What a sum is divided by, beside the count: 10 to the power of its scale.
        divisor: f64,
    },
    Decimal {
        ty: DataType,
        /// What a sum is multiplied by, to have the answer's scale.
        factor: i256,
        /// The least that does not fit.
        limit: i256,
    },
}

impl Means {
    /// Of sums with so many digits after the point.
    pub(crate) fn new(ty: &DataType, scale: i8) -> Option<Self> {
        match ty {
            DataType::Float64 => Some(Self::Float {
                divisor: 10_f64.powi(i32::from(scale)),
            }),
            DataType::Decimal128(precision, to) if *precision <= DECIMAL128_MAX_PRECISION => {
                let digits = u32::try_from(i32::from(*to) - i32::from(scale)).ok()?;
                Some(Self::Decimal {
                    ty: ty.clone(),
                    factor: power_of_ten(digits),
                    limit: power_of_ten(u32::from(*precision)),
                })
            }
            _ => None,
        }
    }

    /// The answers; NULL for groups without values.
    pub(crate) fn answers(
        &self,
        parts: impl Iterator<Item = Option<(i256, i64)>>,
    ) -> Result<Answers, ArrowError> {
        match self {
            Self::Float { divisor } => {
                let mut means = Float64Builder::with_capacity(parts.size_hint().0);
                for part in parts {
                    means.append_option(
                        part.map(|(sum, count)| to_float(sum) / divisor / float_of(count)),
                    );
                }
                Ok(Answers {
                    column: Arc::new(means.finish()),
                    unfit: Vec::new(),
                })
            }
            Self::Decimal { ty, factor, limit } => {
                let mut unfit = Vec::new();
                let mut means = Decimal128Builder::new().with_data_type(ty.clone());
                for (at, part) in parts.enumerate() {
                    let mean = part.map(|(sum, count)| {
                        let mean = sum.checked_mul(*factor)?.checked_div(i256::from(count))?;
                        let fits = mean < *limit && mean > limit.wrapping_neg();
                        mean.to_i128().filter(|_| fits)
                    });
                    if mean == Some(None) {
                        unfit.push(out_of_range(at));
                    }
                    means.append_option(mean.flatten());
                }
                Ok(Answers {
                    column: Arc::new(means.finish()),
                    unfit,
                })
            }
        }
    }
}

fn power_of_ten(digits: u32) -> i256 {
    i256::from_i128(10).wrapping_pow(digits)
}

/// The nearest float of a sum: exact to half a unit if it fits 128 bits, which all but sums of
/// billions of 38-digit numbers do.
fn to_float(sum: i256) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a float has 53 bits: that is what was asked for"
    )]
    match sum.to_i128() {
        Some(sum) => sum as f64,
        None => {
            let (low, high) = sum.to_parts();
            high as f64 * 2_f64.powi(128) + low as f64
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(crate) fn float_of(count: i64) -> f64 {
    count as f64
}
