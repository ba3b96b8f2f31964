//! Values as a column keeps them: of its type, or refused with the value, never another one.

use datafusion::arrow::{
    array::{Array, ArrayRef, AsArray, BinaryArray, StringArray, new_null_array},
    compute::{CastOptions, cast_with_options},
    datatypes::DataType,
    util::display::{ArrayFormatter, FormatOptions},
};
use mainstem_kernel::{Code, Column, ColumnType, Place, Problem};
use std::sync::Arc;

use crate::declare::{Told, mistake};

/// Longest part of a value that a message shows.
const SHOWN_CHARS: usize = 60;

/// Why a value is not one of the column.
#[derive(Debug)]
pub(super) struct Misfit {
    /// Which row.
    pub(super) row: usize,
    /// The value, as text; `None` if it is NULL and must not be.
    pub(super) value: Option<String>,
}

impl Misfit {
    /// Of a row whose value cannot be told.
    pub(super) fn at(row: usize) -> Self {
        Self {
            row,
            value: Some("the value".to_owned()),
        }
    }

    /// The problem, at a place.
    pub(super) fn problem(&self, column: &Column, place: Place) -> Problem {
        let (name, ty) = (&column.name, &column.ty);
        match &self.value {
            None => {
                let message = format!("column \"{name}\" is NOT NULL and would be NULL");
                mistake(Code::Sql041, place, message).hint("give a value")
            }
            Some(value) => {
                let shown: String = value.chars().take(SHOWN_CHARS).collect();
                let message = format!("\"{shown}\" does not fit column \"{name}\", which is {ty}");
                mistake(Code::Sql042, place, message).hint_if(hint(ty))
            }
        }
    }
}

fn hint(ty: &ColumnType) -> Option<String> {
    let hint = match ty {
        ColumnType::SmallInt => "a whole number from -32768 to 32767",
        ColumnType::Integer => "a whole number from -2147483648 to 2147483647",
        ColumnType::BigInt => "a whole number of 64 bits",
        ColumnType::TimestampTz => "such as '2026-01-02T03:04:05Z'",
        ColumnType::Date => "such as '2026-01-02'",
        ColumnType::Uuid => "such as '6f9619ff-8b86-d011-b42d-00cf4fc964ff'",
        ColumnType::Json => "a text that is JSON",
        ColumnType::Bytea => "hexadecimal digits behind \\x, such as '\\x00ff'",
        ColumnType::Boolean => "true or false",
        ColumnType::Numeric { .. } => "a number with at most that many digits",
        ColumnType::Real | ColumnType::Double | ColumnType::Text | ColumnType::Row(_) => {
            return None;
        }
        ColumnType::Array(_) => "such as ARRAY['a', 'b']",
    };
    Some(hint.to_owned())
}

/// Values as the column keeps them.
///
/// # Errors
/// The first value that is none of its.
pub(super) fn column(values: &ArrayRef, column: &Column) -> Result<ArrayRef, Misfit> {
    let fitted = converted(values, &column.ty)?;
    let missing = (!column.nullable).then(|| (0..fitted.len()).find(|row| fitted.is_null(*row)));
    match missing.flatten() {
        Some(row) => Err(Misfit { row, value: None }),
        None => Ok(fitted),
    }
}

fn converted(values: &ArrayRef, ty: &ColumnType) -> Result<ArrayRef, Misfit> {
    let wanted = ty.arrow();
    let is_text = matches!(values.data_type(), DataType::Utf8 | DataType::Utf8View);
    if values.null_count() == values.len() || values.data_type() == &DataType::Null {
        return Ok(new_null_array(&wanted, values.len()));
    }
    match ty {
        // Arrow would make a list of one out of anything.
        ColumnType::Array(_) | ColumnType::Row(_) if !values.data_type().is_nested() => {
            let first = (0..values.len()).find(|row| values.is_valid(*row));
            Err(misfit(values, first.unwrap_or_default()))
        }
        ColumnType::Uuid if is_text => texts(values, uuid),
        ColumnType::Json if is_text => texts(values, json),
        ColumnType::Bytea if is_text => bytes(values),
        ColumnType::Boolean if !is_text && values.data_type() != &DataType::Boolean => {
            Err(misfit(values, 0))
        }
        _ if values.data_type() == &wanted => Ok(Arc::clone(values)),
        _ => cast(values, &wanted),
    }
}

/// Arrow's conversion, with the first value that it gives up.
fn cast(values: &ArrayRef, ty: &DataType) -> Result<ArrayRef, Misfit> {
    let options = CastOptions {
        safe: true,
        ..CastOptions::default()
    };
    let Ok(cast) = cast_with_options(values, ty, &options) else {
        let first = (0..values.len()).find(|row| values.is_valid(*row));
        return Err(misfit(values, first.unwrap_or_default()));
    };
    let lost = (0..values.len()).find(|row| values.is_valid(*row) && cast.is_null(*row));
    match lost {
        Some(row) => Err(misfit(values, row)),
        None => Ok(cast),
    }
}

fn misfit(values: &ArrayRef, row: usize) -> Misfit {
    let options = FormatOptions::default();
    let text = ArrayFormatter::try_new(values.as_ref(), &options)
        .and_then(|formatter| formatter.value(row).try_to_string());
    Misfit {
        row,
        value: Some(text.unwrap_or_else(|_unprintable| "the value".to_owned())),
    }
}

/// Texts that a reader makes canonical, or refuses.
fn texts(values: &ArrayRef, read: fn(&str) -> Option<String>) -> Result<ArrayRef, Misfit> {
    let values = cast(values, &DataType::Utf8)?;
    let list = values.as_string::<i32>();
    let mut read_all = Vec::with_capacity(list.len());
    for (row, text) in list.iter().enumerate() {
        let text = match text {
            Some(text) => Some(read(text).ok_or_else(|| misfit(&values, row))?),
            None => None,
        };
        read_all.push(text);
    }
    Ok(Arc::new(StringArray::from_iter(read_all)))
}

/// A UUID in its canonical form: lower case, with hyphens after 8, 12, 16 and 20 digits.
fn uuid(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let is_hex = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || !matches!(text.len(), 32 | 36) {
        return None;
    }
    let digits = digits.to_ascii_lowercase();
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    let parts: Option<Vec<&str>> = parts
        .iter()
        .map(|(from, to)| digits.get(*from..*to))
        .collect();
    let canonical = parts?.join("-");
    let is_placed = text.len() == 32 || text.eq_ignore_ascii_case(&canonical);
    is_placed.then_some(canonical)
}

fn json(text: &str) -> Option<String> {
    let read = serde_json::from_str::<serde::de::IgnoredAny>(text);
    read.is_ok().then(|| text.to_owned())
}

/// PostgreSQL's hexadecimal form.
fn bytes(values: &ArrayRef) -> Result<ArrayRef, Misfit> {
    let values = cast(values, &DataType::Utf8)?;
    let list = values.as_string::<i32>();
    let mut all = Vec::with_capacity(list.len());
    for (row, text) in list.iter().enumerate() {
        let bytes = match text {
            Some(text) => Some(hexadecimal(text).ok_or_else(|| misfit(&values, row))?),
            None => None,
        };
        all.push(bytes);
    }
    Ok(Arc::new(BinaryArray::from_iter(all)))
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?;
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|p| p.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        })
        .collect()
}
