//! Arithmetic of NUMERIC in Spark SQL.
//!
//! Both follow Hive's rules for the digits of a result up to 38; beyond, Spark gives up digits behind
//! the point and we do not, so that is refused. A quotient of ours has four digits more than the
//! dividend and is cut off; Spark's is rounded. What would be cut off is subtracted first, so that
//! the division comes out even.
//!
//! Source: arrow-rs `decimal_op` in arrow-arith/src/numeric.rs; Spark's `DecimalPrecision` and
//! `DecimalType.adjustPrecisionScale`.

use datafusion::logical_expr::Operator;

use super::{Spelled, Unspelled};

/// Digits that a NUMERIC has at most.
const DIGITS_MAX: u32 = 38;
/// Digits that a quotient has behind the point beyond its dividend's.
const QUOTIENT_DIGITS: u32 = 4;

/// A value of type NUMERIC.
#[derive(Clone, Debug)]
pub(super) struct Decimal {
    pub(super) text: String,
    pub(super) precision: u32,
    pub(super) scale: u32,
}

impl Decimal {
    pub(super) fn new(text: String, precision: u8, scale: i8) -> Self {
        Self {
            text,
            precision: u32::from(precision),
            scale: u32::try_from(scale).unwrap_or_default(),
        }
    }

    const fn whole(&self) -> u32 {
        self.precision.saturating_sub(self.scale)
    }
}

/// An operator between two.
///
/// # Errors
/// When the result could have more than 38 digits.
pub(super) fn arithmetic(op: Operator, left: &Decimal, right: &Decimal) -> Spelled {
    let scale = left.scale.max(right.scale);
    let digits = match op {
        Operator::Plus | Operator::Minus => scale + left.whole().max(right.whole()) + 1,
        Operator::Multiply => left.precision + right.precision + 1,
        Operator::Modulo => scale + left.whole().min(right.whole()),
        _ => return quotient(left, right),
    };
    fits(digits)?;
    Ok(format!("({} {op} {})", left.text, right.text))
}

fn fits(digits: u32) -> Result<(), Unspelled> {
    match digits <= DIGITS_MAX {
        true => Ok(()),
        false => Err(Unspelled::Digits { digits }),
    }
}

/// The quotient, cut off.
pub(super) fn quotient(left: &Decimal, right: &Decimal) -> Spelled {
    let scale = left.scale + QUOTIENT_DIGITS;
    let wide = left.precision + QUOTIENT_DIGITS + right.scale;
    // What Spark needs for each step without giving up digits.
    fits(wide + 1)?;
    fits(right.precision + scale + 2)?;
    let dividend = format!(
        "CAST({} AS DECIMAL({wide},{}))",
        left.text,
        scale + right.scale
    );
    let unit = format!("CAST('1e-{scale}' AS DECIMAL({},{scale}))", scale + 1);
    let rest = format!("{dividend} % ({} * {unit})", right.text);
    let precision = wide.min(DIGITS_MAX);
    Ok(format!(
        "CAST(({dividend} - ({rest})) / {} AS DECIMAL({precision},{scale}))",
        right.text
    ))
}
