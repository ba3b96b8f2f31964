//! Arrow streams in, rows and dead letters out.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryArray, Decimal128Array, DictionaryArray, Float64Array, Int16Array,
        Int64Array, LargeStringArray, RecordBatch, StringArray, StringViewArray,
        TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
    },
    datatypes::Int32Type,
    ipc::{
        CompressionType,
        writer::{IpcWriteOptions, StreamWriter},
    },
};
use bytes::Bytes;
use mainstem_kernel::{Code, Timestamp};

use crate::{
    AdmitError, Format,
    decode::tests::{decode, show},
    fixture::every_type,
    stages::Stages,
};

fn stream(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    write(columns, IpcWriteOptions::default())
}

fn write(columns: Vec<(&str, ArrayRef)>, options: IpcWriteOptions) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut body = Vec::new();
    let mut writer =
        StreamWriter::try_new_with_options(&mut body, batch.schema_ref(), options).unwrap();
    writer.write(&batch).unwrap();
    writer.write(&batch.slice(0, 0)).unwrap();
    writer.finish().unwrap();
    drop(writer);
    body
}

fn refused(body: Vec<u8>) -> AdmitError {
    let mut stages = Stages::new(&every_type(), Timestamp(i64::MAX));
    stages
        .decode(Format::Arrow, &[Bytes::from(body)], usize::MAX)
        .unwrap_err()
}

fn ids(rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(
        (0..rows).map(|row| row.to_string()),
    ))
}

#[test]
fn columns_are_taken_over_by_name() {
    let body = stream(vec![
        (
            "big",
            Arc::new(UInt64Array::from(vec![Some(7), None])) as ArrayRef,
        ),
        ("note", Arc::new(StringArray::from(vec![Some("x"), None]))),
        ("id", Arc::new(LargeStringArray::from(vec!["a", "b"]))),
        (
            "json",
            Arc::new(StringViewArray::from(vec![Some("{\"x\": 1}"), None])),
        ),
        (
            "at",
            Arc::new(TimestampNanosecondArray::from(vec![1_500, 2_000]).with_timezone("+01:00")),
        ),
        (
            "price",
            Arc::new(
                Decimal128Array::from(vec![255, 1])
                    .with_precision_and_scale(5, 2)
                    .unwrap(),
            ),
        ),
        ("bytes", Arc::new(BinaryArray::from_vec(vec![b"\xff", b""]))),
    ]);
    let decoded = decode(&every_type(), Format::Arrow, &body);
    assert_eq!(decoded.rejects, []);
    assert_eq!(
        show(&decoded.batch),
        [
            r#"id=a big=7 price=2.550 bytes=ff at=1970-01-01T00:00:00.000001Z json={"x": 1} _extra={"note":"x"}"#,
            "id=b price=0.010 bytes= at=1970-01-01T00:00:00.000002Z",
        ]
    );
}

#[test]
fn rows_that_do_not_fit_are_named() {
    let body = stream(vec![
        (
            "id",
            Arc::new(StringArray::from(vec![
                Some("0"),
                None,
                Some("2"),
                Some("3"),
                Some("4"),
                Some("5"),
            ])) as ArrayRef,
        ),
        (
            "small",
            Arc::new(Int64Array::from(vec![1, 1, 40_000, 1, 1, 1])),
        ),
        (
            "uuid",
            Arc::new(StringArray::from(vec![
                None,
                None,
                None,
                Some("x"),
                None,
                None,
            ])),
        ),
        (
            "at",
            Arc::new(TimestampSecondArray::from(vec![
                0,
                0,
                0,
                0,
                i64::MAX / 2,
                4_000_000_000,
            ])),
        ),
    ]);
    let decoded = decode(&every_type(), Format::Arrow, &body);
    assert_eq!(
        show(&decoded.batch),
        ["id=0 small=1 at=1970-01-01T00:00:00Z"]
    );
    let found: Vec<_> = decoded.rejects.iter().map(|r| (r.row, r.code)).collect();
    assert_eq!(
        found,
        [
            (1, Code::Admit022),
            (2, Code::Admit021),
            (3, Code::Admit021),
            (4, Code::Admit021),
            (5, Code::Admit023),
        ]
    );
}

#[test]
fn streams_that_cannot_be_taken_are_named() {
    let double: ArrayRef = Arc::new(Float64Array::from(vec![1.5]));
    let error = refused(stream(vec![("id", ids(1)), ("day", Arc::clone(&double))]));
    assert_eq!(
        error.to_string(),
        "column \"day\" comes as Float64, expected DATE"
    );
    let error = refused(stream(vec![("double", double)]));
    assert_eq!(error.to_string(), "column \"id\" is NOT NULL and missing");

    let wide: ArrayRef = Arc::new(Int16Array::from(vec![7; 10_000]));
    let options = IpcWriteOptions::default()
        .try_with_compression(Some(CompressionType::LZ4_FRAME))
        .unwrap();
    let error = refused(write(vec![("id", ids(10_000)), ("small", wide)], options));
    assert!(
        error.to_string().ends_with("its buffers are compressed"),
        "{error}"
    );
    let words: DictionaryArray<Int32Type> = vec!["a", "b"].into_iter().collect();
    let error = refused(stream(vec![("id", Arc::new(words))]));
    assert!(
        error.to_string().ends_with("it holds dictionaries"),
        "{error}"
    );
    for body in [b"hello".to_vec(), b"ARROW1\0\0\xff\xff\xff\xff".to_vec()] {
        assert!(matches!(refused(body), AdmitError::ArrowBody { .. }));
    }
    let whole = stream(vec![("id", ids(3))]);
    for end in [3, 30, whole.len() - 20] {
        assert!(
            matches!(refused(whole[..end].to_vec()), AdmitError::ArrowBody { .. }),
            "{end}"
        );
    }
}
