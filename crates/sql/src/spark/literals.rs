//! Constants in Spark SQL.

use datafusion::{
    arrow::datatypes::{Decimal128Type, DecimalType, IntervalMonthDayNano},
    common::ScalarValue,
};

use super::{Spelled, Unspelled, types};

/// A constant.
pub(super) fn literal(value: &ScalarValue) -> Spelled {
    if value.is_null() {
        return match value {
            ScalarValue::Null => Ok("NULL".to_owned()),
            value => Ok(format!("CAST(NULL AS {})", types::of(&value.data_type())?)),
        };
    }
    Ok(match value {
        ScalarValue::Boolean(Some(value)) => value.to_string(),
        ScalarValue::Int16(Some(value)) => format!("CAST({value} AS SMALLINT)"),
        ScalarValue::Int32(Some(value)) => value.to_string(),
        ScalarValue::Int64(Some(value)) => format!("{value}L"),
        ScalarValue::UInt64(Some(value)) if i64::try_from(*value).is_ok() => format!("{value}L"),
        ScalarValue::Float32(Some(value)) => {
            format!("CAST({} AS FLOAT)", double(f64::from(*value)))
        }
        ScalarValue::Float64(Some(value)) => double(*value),
        ScalarValue::Decimal128(Some(unscaled), precision, scale) => {
            let digits = Decimal128Type::format_decimal(*unscaled, *precision, *scale);
            format!("CAST('{digits}' AS {})", types::of(&value.data_type())?)
        }
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)) => quoted(text),
        ScalarValue::Binary(Some(bytes))
        | ScalarValue::LargeBinary(Some(bytes))
        | ScalarValue::BinaryView(Some(bytes)) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            format!("X'{digits}'")
        }
        ScalarValue::Date32(Some(days)) => format!("date_from_unix_date({days})"),
        ScalarValue::TimestampMicrosecond(Some(micros), Some(_)) => {
            format!("timestamp_micros({micros}L)")
        }
        ScalarValue::IntervalMonthDayNano(Some(span)) => interval(*span)?,
        ScalarValue::Dictionary(_, value) => literal(value)?,
        value => {
            let ty = value.data_type().to_string();
            return Err(Unspelled::Type { ty });
        }
    })
}

/// A text between single quotes. Spark reads a backslash as the start of an escape.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    out.push('\'');
    for letter in text.chars() {
        match letter {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            letter => out.push(letter),
        }
    }
    out.push('\'');
    out
}

fn double(value: f64) -> String {
    if value.is_nan() {
        return "double('NaN')".to_owned();
    }
    if value.is_infinite() {
        let sign = if value.is_sign_negative() { "-" } else { "" };
        return format!("double('{sign}Infinity')");
    }
    // Shortest digits that are this number, in a form that both read.
    format!("{value:e}D")
}

/// Months, or days and shorter in whole microseconds: Spark keeps the two apart.
fn interval(span: IntervalMonthDayNano) -> Spelled {
    let unspelled = || Unspelled::Type {
        ty: "INTERVAL of months and days".to_owned(),
    };
    if span.months != 0 {
        return match (span.days, span.nanoseconds) {
            (0, 0) => Ok(format!("INTERVAL '{}' MONTH", span.months)),
            _ => Err(unspelled()),
        };
    }
    let days = i64::from(span.days).checked_mul(crate::view::DAY_US);
    let micros = days.and_then(|days| days.checked_add(span.nanoseconds / 1_000));
    match micros {
        Some(micros) if span.nanoseconds % 1_000 == 0 => {
            let sign = if micros < 0 { "-" } else { "" };
            let (seconds, rest) = (
                micros.unsigned_abs() / 1_000_000,
                micros.unsigned_abs() % 1_000_000,
            );
            Ok(format!("INTERVAL '{sign}{seconds}.{rest:06}' SECOND"))
        }
        _ => Err(unspelled()),
    }
}
