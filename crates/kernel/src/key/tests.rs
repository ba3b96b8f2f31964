use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};

use super::*;

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
fn agrees_with_kafkas_own_test_vectors() {
    // UtilsTest.testMurmur2.
    for (key, hash) in [
        ("21", -973_932_308_i32),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        (
            "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
            -58_897_971,
        ),
        ("abc", 479_470_107),
    ] {
        assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
    }
}

#[test]
fn texts_of_several_columns_are_kept_apart() {
    let first: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("ab"), None]));
    let second: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(7)]));
    let columns: Vec<&dyn Array> = vec![&*first, &*second];
    let found = [0, 1, 2].map(|row| {
        let mut text = Vec::new();
        write_key(&columns, row, &mut text);
        String::from_utf8(text).unwrap()
    });
    assert_eq!(found, ["a\u{1f}1", "ab\u{1f}", "\u{1f}7"]);
}
