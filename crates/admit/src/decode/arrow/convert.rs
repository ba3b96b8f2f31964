//! Brings an Arrow column into the declared type, without loss: what does not come back the same
//! is a mistake of its row, and a type that is of another kind is a mistake of the request.

use arrow::{
    array::{Array, ArrayData, ArrayRef, AsArray, RecordBatch},
    compute::{CastOptions, cast_with_options, kernels::cmp::distinct},
    datatypes::{DataType, Date32Type, Decimal128Type, TimeUnit, TimestampMicrosecondType},
    error::ArrowError,
};
use mainstem_kernel::{Code, ColumnType, Timestamp};

use crate::{
    AdmitError,
    decode::{column::Column, rows::Rows, time, wrong::Wrong},
};

/// Texts in views may overlap; all together they may be this many times as large as the body.
const VIEW_GROWTH_MAX: usize = 4;

/// Checks that the columns of a batch can be brought into the stream's.
///
/// # Errors
/// When one is of another kind, or one that must be there is missing.
pub(super) fn check(batch: &RecordBatch, rows: &Rows) -> Result<(), AdmitError> {
    for column in rows.columns() {
        match batch.column_by_name(&column.name) {
            Some(array) if is_same_kind(array.data_type(), &column.ty) => {}
            Some(array) => {
                return Err(AdmitError::ArrowColumn {
                    column: column.name.to_string(),
                    found: array.data_type().to_string(),
                    expected: column.ty.to_string(),
                });
            }
            None if column.required => {
                return Err(AdmitError::ArrowMissing {
                    column: column.name.to_string(),
                });
            }
            None => {}
        }
    }
    let buffers: usize = batch
        .columns()
        .iter()
        .map(|a| a.get_buffer_memory_size())
        .sum();
    let views: usize = batch.columns().iter().map(view_size).sum();
    if views > buffers.saturating_mul(VIEW_GROWTH_MAX) {
        let reason = "its texts share so many bytes that they would not fit".to_owned();
        return Err(AdmitError::ArrowBody { reason });
    }
    Ok(())
}

/// Whether a type may hold values of a declared type.
fn is_same_kind(found: &DataType, ty: &ColumnType) -> bool {
    match ty {
        ColumnType::Boolean => *found == DataType::Boolean,
        ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => found.is_integer(),
        ColumnType::Real | ColumnType::Double => found.is_integer() || found.is_floating(),
        ColumnType::Numeric { .. } => found.is_integer() || found.is_decimal(),
        ColumnType::Text | ColumnType::Uuid | ColumnType::Json => {
            matches!(
                found,
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
            )
        }
        ColumnType::Bytea => matches!(
            found,
            DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
                | DataType::FixedSizeBinary(_)
        ),
        ColumnType::Date => matches!(found, DataType::Date32 | DataType::Date64),
        ColumnType::TimestampTz => matches!(found, DataType::Timestamp(..)),
        ColumnType::Array(item) => match found {
            DataType::List(field) => is_same_inside(field.data_type(), item),
            _ => false,
        },
        ColumnType::Row(_) => is_same_inside(found, ty),
    }
}

/// Inside of arrays and rows only the declared types themselves are taken.
fn is_same_inside(found: &DataType, ty: &ColumnType) -> bool {
    match (found, ty) {
        (DataType::List(field), ColumnType::Array(item)) => is_same_inside(field.data_type(), item),
        (DataType::Struct(fields), ColumnType::Row(declared)) => {
            fields.len() == declared.len()
                && fields.iter().zip(declared).all(|(field, (name, ty))| {
                    field.name() == name.as_str() && is_same_inside(field.data_type(), ty)
                })
        }
        // Their texts would have to be looked at.
        (_, ColumnType::Uuid | ColumnType::Json) => false,
        (found, ty) => *found == ty.arrow(),
    }
}

/// Brings one column into its type; `wrongs` gets the rows that do not fit.
///
/// # Errors
/// When Arrow cannot cast the column.
pub(super) fn column(
    array: &ArrayRef,
    column: &Column,
    latest: Option<Timestamp>,
    wrongs: &mut [Option<Box<Wrong>>],
) -> Result<ArrayRef, ArrowError> {
    let target = column.ty.arrow();
    let options = CastOptions {
        safe: true,
        ..CastOptions::default()
    };
    let mut cast = cast_with_options(array, &target, &options)?;
    if matches!(column.ty, ColumnType::Uuid | ColumnType::Json) {
        cast = texts(&cast, column, wrongs)?;
    } else if array.data_type() != &target && !is_lossless(array.data_type(), &column.ty) {
        let back = cast_with_options(&cast, array.data_type(), &options)?;
        let differs = distinct(array, &back)?;
        for (row, wrong) in wrongs.iter_mut().enumerate() {
            if differs.value(row) {
                refuse(wrong, column, "a value that the type does not hold");
            }
        }
    }
    for (row, wrong) in wrongs.iter_mut().enumerate() {
        if column.required && array.is_null(row) && wrong.is_none() {
            *wrong = Some(Wrong::missing(&column.name));
        }
    }
    check_range(&cast, column, latest, wrongs);
    Ok(cast)
}

/// Whether a cast keeps every value that it does not turn into NULL, or may cut it off: a time
/// beyond microseconds.
fn is_lossless(found: &DataType, ty: &ColumnType) -> bool {
    match ty {
        ColumnType::Text | ColumnType::Bytea | ColumnType::Array(_) | ColumnType::Row(_) => true,
        ColumnType::TimestampTz => matches!(
            found,
            DataType::Timestamp(TimeUnit::Nanosecond | TimeUnit::Microsecond, _)
        ),
        _ => false,
    }
}

/// Reads texts that must have a form.
fn texts(
    array: &ArrayRef,
    column: &Column,
    wrongs: &mut [Option<Box<Wrong>>],
) -> Result<ArrayRef, ArrowError> {
    let mut reader = Column::new(&column.name, &column.ty, false);
    let texts = array.as_string::<i32>();
    for (row, (text, wrong)) in texts.iter().zip(wrongs).enumerate() {
        let Some(text) = text else { continue };
        if let Err(error) = reader.cell(text.as_bytes(), row) {
            reader.rollback(row);
            wrong.get_or_insert(error);
        }
    }
    reader.finish(array.len())
}

/// Refuses values that the Arrow type holds and the declared type does not.
fn check_range(
    array: &ArrayRef,
    column: &Column,
    latest: Option<Timestamp>,
    wrongs: &mut [Option<Box<Wrong>>],
) {
    let rows = wrongs
        .iter_mut()
        .enumerate()
        .filter(|(row, _)| array.is_valid(*row));
    match array.data_type() {
        DataType::Timestamp(..) => {
            let values = array.as_primitive::<TimestampMicrosecondType>().values();
            for (row, wrong) in rows {
                let Some(micros) = values.get(row) else {
                    continue;
                };
                if !(time::MICROS_MIN..=time::MICROS_MAX).contains(micros) {
                    wrong.get_or_insert_with(|| time::out_of_range().in_column(&column.name));
                } else if latest.is_some_and(|latest| *micros > latest.0) {
                    wrong.get_or_insert_with(|| ahead(*micros, latest).in_column(&column.name));
                }
            }
        }
        DataType::Date32 => {
            let values = array.as_primitive::<Date32Type>().values();
            let is_kept = |day: &i32| (time::DAYS_MIN..=time::DAYS_MAX).contains(day);
            for (row, wrong) in rows {
                if values.get(row).is_some_and(|day| !is_kept(day)) {
                    wrong.get_or_insert_with(|| time::out_of_range().in_column(&column.name));
                }
            }
        }
        DataType::Decimal128(precision, _) => {
            let limit = 10_u128.pow(u32::from(*precision));
            let values = array.as_primitive::<Decimal128Type>().values();
            for (row, wrong) in rows {
                if values
                    .get(row)
                    .is_some_and(|value| value.unsigned_abs() >= limit)
                {
                    refuse(wrong, column, "a number with more digits");
                }
            }
        }
        _ => {}
    }
}

#[cold]
fn ahead(micros: i64, latest: Option<Timestamp>) -> Box<Wrong> {
    let latest = latest.unwrap_or_default();
    let found = Timestamp(micros);
    Wrong::new(
        Code::Admit023,
        format!("expected an event time up to {latest}, found {found}"),
    )
}

#[cold]
fn refuse(wrong: &mut Option<Box<Wrong>>, column: &Column, found: &str) {
    wrong.get_or_insert_with(|| Wrong::mismatch(&column.ty, found).in_column(&column.name));
}

/// Bytes of the texts of a column of views.
fn view_size(array: &ArrayRef) -> usize {
    let length = |view: &u128| (*view & u128::from(u32::MAX)) as usize;
    match array.data_type() {
        DataType::Utf8View => array.as_string_view().views().iter().map(length).sum(),
        DataType::BinaryView => array.as_binary_view().views().iter().map(length).sum(),
        _ => 0,
    }
}

/// Bytes that a row's value takes, if it is a text or bytes.
pub(super) fn text_size(data: &ArrayData, row: usize) -> usize {
    if !matches!(data.data_type(), DataType::Utf8 | DataType::Binary) {
        return 8;
    }
    let offsets = data
        .buffers()
        .first()
        .map(|b| b.typed_data::<i32>())
        .unwrap_or_default();
    let bound = |row: usize| offsets.get(data.offset() + row).copied().unwrap_or(0);
    usize::try_from(bound(row + 1) - bound(row)).unwrap_or(0)
}
