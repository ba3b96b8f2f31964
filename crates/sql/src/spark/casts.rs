//! Conversions in Spark SQL: those that give the same.

use datafusion::arrow::datatypes::{DataType, TimeUnit};

use super::{Expr, Note, Scope, Spelled, Speller, Unspelled, type_of, types};

/// Digits of a NUMERIC that a DOUBLE has for sure.
const EXACT_DIGITS: u8 = 15;

/// What becomes of a value that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    Fails,
    IsNull,
}

/// What a conversion may do.
enum Way {
    /// It never fails.
    Always,
    /// Values may be out of range, in both alike.
    MayFail,
    /// The last digit may be another.
    Rounds,
}

impl Speller {
    pub(super) fn cast(
        &mut self,
        (expr, to): (&Expr, &DataType),
        scope: Scope<'_>,
        unfit: Unfit,
    ) -> Spelled {
        let (from, to) = (type_of(expr, scope)?, types::plain(to));
        let text = self.expr(expr, scope)?;
        if from == to {
            return Ok(text);
        }
        let refused = || Unspelled::Cast {
            from: from.to_string(),
            to: to.to_string(),
        };
        let name = types::of(&to)?;
        match way(&from, &to).ok_or_else(refused)? {
            Way::Always => {}
            Way::Rounds => {
                self.notes.insert(Note::Rounds);
            }
            Way::MayFail if unfit == Unfit::IsNull => {
                return Ok(format!("TRY_CAST({text} AS {name})"));
            }
            Way::MayFail => {
                self.notes.insert(Note::RowErrors);
            }
        }
        Ok(format!("CAST({text} AS {name})"))
    }
}

fn way(from: &DataType, to: &DataType) -> Option<Way> {
    use DataType as D;
    let bits = |ty: &D| match ty {
        D::Int16 => Some(16),
        D::Int32 => Some(32),
        D::Int64 => Some(64),
        _ => None,
    };
    Some(match (from, to) {
        (D::Null, _) => Way::Always,
        (D::Boolean, D::Utf8 | D::Int16 | D::Int32 | D::Int64) => Way::Always,
        (from, to) if bits(from).is_some() && bits(to).is_some() => match bits(from) <= bits(to) {
            true => Way::Always,
            false => Way::MayFail,
        },
        (D::Int16 | D::Int32 | D::Int64 | D::UInt64, D::Float32 | D::Float64 | D::Utf8)
        | (D::UInt64, D::Int64) => Way::Always,
        (D::Int16 | D::Int32 | D::Int64 | D::UInt64, D::Decimal128(precision, scale)) => {
            let whole = i32::from(*precision) - i32::from(*scale);
            let digits = match from {
                D::Int16 => 5,
                D::Int32 => 10,
                _ => 19,
            };
            match whole >= digits {
                true => Way::Always,
                false => Way::MayFail,
            }
        }
        (D::Float32, D::Float64) | (D::Float64, D::Float32) => Way::Always,
        // A DOUBLE tells BIGINT's greatest from the number behind it no more.
        (D::Float32 | D::Float64, D::Int16 | D::Int32) => Way::MayFail,
        (D::Decimal128(..), D::Int16 | D::Int32 | D::Int64) => Way::MayFail,
        (D::Decimal128(precision, _), D::Float64) if *precision <= EXACT_DIGITS => Way::Always,
        (D::Decimal128(..), D::Float64) => Way::Rounds,
        (D::Decimal128(from, from_scale), D::Decimal128(to, to_scale)) => {
            let whole = |precision: u8, scale: i8| i32::from(precision) - i32::from(scale);
            let grows =
                whole(*to, *to_scale) >= whole(*from, *from_scale) && to_scale >= from_scale;
            if grows { Way::Always } else { Way::MayFail }
        }
        (
            D::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, _),
            D::Timestamp(TimeUnit::Microsecond, _),
        ) => Way::MayFail,
        (D::Date32, D::Timestamp(..) | D::Utf8) | (D::Timestamp(..), D::Date32) => Way::Always,
        _ => return None,
    })
}
