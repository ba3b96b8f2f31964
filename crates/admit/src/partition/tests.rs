use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};

use super::*;

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let named = columns
        .into_iter()
        .enumerate()
        .map(|(i, column)| (format!("c{i}"), column));
    RecordBatch::try_from_iter_with_nullable(named.map(|(name, column)| (name, column, true)))
        .unwrap()
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
    let expected = ["foobar", "", "", "21"].map(|key| partition_of(key.as_bytes(), 8));
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
        ["a\u{1f}1", "ab\u{1f}", "\u{1f}7"].map(|key| partition_of(key.as_bytes(), 64))
    );
}
