//! A view with a column of every type, and three rows of it: usual values and least ones, greatest
//! and odd ones, NULLs.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
        Float64Array, Int16Array, Int32Array, Int64Array, ListArray, StringArray, StructArray,
        TimestampMicrosecondArray,
    },
    datatypes::{DataType, Int32Type},
};
use mainstem_kernel::{ColumnName, ColumnType};

use super::{super::TableSpec, bed::spec};

const HOUR: i64 = 3_600_000_000;
const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";
/// Of 20 digits before the point and 4 behind.
const LARGEST: i128 = 999_999_999_999_999_999_999_999;

fn place() -> ColumnType {
    ColumnType::Row(vec![
        (ColumnName::new("lat").unwrap(), ColumnType::Double),
        (ColumnName::new("name").unwrap(), ColumnType::Text),
    ])
}

/// A column of every type.
pub(super) fn of_every_type() -> TableSpec {
    let numeric = ColumnType::Numeric {
        precision: 38,
        scale: 4,
    };
    let list = ColumnType::Array(Box::new(ColumnType::Integer));
    spec(
        &[
            ("window_start", ColumnType::TimestampTz, false),
            ("device", ColumnType::Uuid, false),
            ("flag", ColumnType::Boolean, true),
            ("small", ColumnType::SmallInt, true),
            ("medium", ColumnType::Integer, true),
            ("large", ColumnType::BigInt, true),
            ("real", ColumnType::Real, true),
            ("double", ColumnType::Double, true),
            ("amount", numeric, true),
            ("text", ColumnType::Text, true),
            ("bytes", ColumnType::Bytea, true),
            ("day", ColumnType::Date, true),
            ("at", ColumnType::TimestampTz, true),
            ("json", ColumnType::Json, true),
            ("list", list, true),
            ("place", place(), true),
        ],
        &["window_start", "device"],
        &["window_start"],
    )
}

/// Its three rows.
pub(super) fn values() -> Vec<ArrayRef> {
    let mut all = numbers();
    all.splice(0..0, keys());
    all.extend(others());
    all
}

fn time(micros: Vec<Option<i64>>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC"))
}

fn texts(texts: [Option<&str>; 3]) -> ArrayRef {
    Arc::new(StringArray::from(texts.to_vec()))
}

fn keys() -> [ArrayRef; 2] {
    [
        time(vec![Some(0), Some(-HOUR), Some(HOUR)]),
        texts([Some(UUID); 3]),
    ]
}

fn numbers() -> Vec<ArrayRef> {
    let amounts = Decimal128Array::from(vec![Some(-LARGEST), Some(LARGEST), None]);
    let reals = vec![Some(f32::MIN), Some(f32::INFINITY), None];
    let doubles = vec![Some(-0.0), Some(f64::MIN_POSITIVE), None];
    vec![
        Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
        Arc::new(Int16Array::from(vec![Some(i16::MIN), Some(i16::MAX), None])),
        Arc::new(Int32Array::from(vec![Some(i32::MIN), Some(i32::MAX), None])),
        Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(i64::MAX), None])),
        Arc::new(Float32Array::from(reals)),
        Arc::new(Float64Array::from(doubles)),
        Arc::new(amounts.with_precision_and_scale(38, 4).unwrap()),
    ]
}

fn others() -> [ArrayRef; 7] {
    let bytes = vec![Some(&b""[..]), Some(&[0, 255][..]), None];
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1), None, Some(-3)]),
        Some(vec![]),
        None,
    ]);
    let DataType::Struct(fields) = place().arrow() else {
        unreachable!("a row is a struct");
    };
    let parts: Vec<ArrayRef> = vec![
        Arc::new(Float64Array::from(vec![Some(52.5), None, None])),
        texts([Some("Zoo \"ä\""), None, None]),
    ];
    let places = StructArray::new(fields, parts, Some(vec![true, true, false].into()));
    [
        texts([Some(""), Some("it's\0ö\u{10ffff}"), None]),
        Arc::new(BinaryArray::from(bytes)),
        Arc::new(Date32Array::from(vec![
            Some(-719_162),
            Some(2_932_896),
            None,
        ])),
        time(vec![Some(-1), Some(253_402_300_799_999_999), None]),
        texts([Some("null"), Some("{\"a\":[1]}"), None]),
        Arc::new(lists),
        Arc::new(places),
    ]
}
