use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};

use super::*;

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let named = columns
        .into_iter()
        .enumerate()
        .map(|(i, column)| (format!("c{i}"), column));
    RecordBatch::try_from_iter_with_nullable(named.map(|(name, column)| (name, column, true)))
        .unwrap()
}

/// The canonical texts of the first column.
fn texts(column: ArrayRef) -> Vec<String> {
    (0..column.len())
        .map(|row| {
            let mut text = Vec::new();
            write_canonical(&*column, row, &mut text);
            String::from_utf8(text).unwrap()
        })
        .collect()
}

#[test]
fn values_have_one_text() {
    assert_eq!(
        texts(Arc::new(Int64Array::from(vec![-7, i64::MAX]))),
        ["-7", "9223372036854775807"]
    );
    assert_eq!(
        texts(Arc::new(BooleanArray::from(vec![true, false]))),
        ["true", "false"]
    );
    assert_eq!(
        texts(Arc::new(BinaryArray::from_vec(vec![b"\x00\xff", b""]))),
        ["AP8=", ""]
    );
    assert_eq!(
        texts(Arc::new(Date32Array::from(vec![-1, 19_782]))),
        ["1969-12-31", "2024-02-29"]
    );
    let times = TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC");
    assert_eq!(texts(Arc::new(times)), ["1970-01-01T00:00:00.000001Z"]);
    let numbers = Decimal128Array::from(vec![-5, 2_550])
        .with_precision_and_scale(12, 3)
        .unwrap();
    assert_eq!(texts(Arc::new(numbers)), ["-0.005", "2.550"]);
}

#[test]
fn one_text_column_goes_the_same_way_as_any_other() {
    let names: ArrayRef = Arc::new(StringArray::from(vec![
        Some("foobar"),
        None,
        Some(""),
        Some("21"),
    ]));
    let rows = batch(vec![names]);
    // Kafka's own vectors: foobar → -790332482, 21 → -973932308; the empty key like NULL.
    let expected = ["foobar", "", "", "21"].map(|key| place(key.as_bytes(), 8));
    assert_eq!(partitions(&rows, &[0], 8), expected);
    assert_eq!(
        expected[0],
        u16::try_from((-790_332_482_i32 & 0x7fff_ffff) % 8).unwrap()
    );
}

#[test]
fn texts_of_several_columns_are_kept_apart() {
    let first: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("ab"), None]));
    let second: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(7)]));
    let found = partitions(&batch(vec![first, second]), &[0, 1], 64);
    assert_eq!(
        found,
        ["a\u{1f}1", "ab\u{1f}", "\u{1f}7"].map(|key| place(key.as_bytes(), 64))
    );
}
