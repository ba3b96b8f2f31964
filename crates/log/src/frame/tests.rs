use arrow::{
    array::{BinaryArray, Decimal128Array, StringArray, UInt32Array},
    datatypes::Schema,
};
use mainstem_kernel::types::{OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN};

use super::*;

fn batch(rows: i64) -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("n", DataType::Int64, false),
        Field::new("text", DataType::Utf8, true),
        Field::new("amount", DataType::Decimal128(12, 3), true),
        Field::new("raw", DataType::Binary, true),
    ]);
    let every_third = |n: i64| (n % 3 != 0).then(|| format!("row {n}"));
    RecordBatch::try_new(
        Arc::new(schema),
        vec![
            Arc::new(Int64Array::from_iter_values(0..rows)),
            Arc::new(StringArray::from_iter((0..rows).map(every_third))),
            Arc::new(
                Decimal128Array::from_iter_values((0..rows).map(i128::from))
                    .with_precision_and_scale(12, 3)
                    .unwrap(),
            ),
            Arc::new(BinaryArray::from_iter_values(
                (0..rows).map(i64::to_le_bytes),
            )),
        ],
    )
    .unwrap()
}

fn entry(partition: u16, first_offset: u64, rows: u32) -> Entry {
    Entry {
        partition: PartitionId(partition),
        first_offset: Offset(first_offset),
        offset_span: rows,
        rows,
        stamp: None,
    }
}

fn frame(batch: RecordBatch, entries: &[Entry]) -> Frame {
    Frame {
        seq: Seq(77),
        stream: StreamId(16),
        schema: SchemaVersion(1),
        key: KeyId(0),
        entries: entries.into(),
        batch,
    }
}

#[test]
fn bodies_give_back_every_row() {
    for rows in [0, 1, 2, 9, 4_000] {
        let batch = batch(rows);
        assert_eq!(decode_body(&encode_body(&batch).unwrap()).unwrap(), batch);
    }
    let part = batch(4_000).slice(17, 3);
    let body = encode_body(&part).unwrap();
    assert!(
        body.len() < 1_500,
        "a slice carries its own rows only: {}",
        body.len()
    );
    assert_eq!(decode_body(&body).unwrap(), part);
}

#[test]
fn large_bodies_are_compressed_and_small_ones_are_not_copied() {
    let large = batch(4_000);
    let plain = rows_size(&large).unwrap();
    assert!(encode_body(&large).unwrap().len() < plain * 7 / 10);

    let body = encode_body(&batch(3)).unwrap();
    let decoded = decode_body(&body).unwrap();
    let first = decoded.column(0).to_data().buffers()[0].as_ptr();
    assert!(
        body.as_ptr_range().contains(&first),
        "the first column was copied"
    );
}

#[test]
fn refuses_what_is_no_body() {
    let body = encode_body(&batch(5)).unwrap();
    for cut in [0, 3, 8, body.len() / 3, body.len() - 60] {
        decode_body(&body.slice(..cut)).unwrap_err();
    }
    let keys = UInt32Array::from(vec![0, 0]);
    let values: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let column: ArrayRef = Arc::new(arrow::array::DictionaryArray::try_new(keys, values).unwrap());
    let batch = RecordBatch::try_from_iter([("d", column)]).unwrap();
    let error = encode_body(&batch).unwrap_err().to_string();
    assert!(
        error.contains("column \"d\" is dictionary-encoded"),
        "{error}"
    );
}

#[test]
fn system_columns_come_from_the_entries() {
    let frame = frame(
        batch(5),
        &[entry(3, 100, 2), entry(0, 7, 0), entry(1, 0, 3)],
    );
    let rows = frame.with_system_columns().unwrap();
    assert_eq!(rows.num_columns(), 7);
    let seqs: &Int64Array = rows[SEQ_COLUMN].as_any().downcast_ref().unwrap();
    let partitions: &Int32Array = rows[PARTITION_COLUMN].as_any().downcast_ref().unwrap();
    let offsets: &Int64Array = rows[OFFSET_COLUMN].as_any().downcast_ref().unwrap();
    assert_eq!(seqs.values(), &[77; 5]);
    assert_eq!(partitions.values(), &[3, 3, 1, 1, 1]);
    assert_eq!(offsets.values(), &[100, 101, 0, 1, 2]);

    for entries in [[entry(0, 0, 4)], [entry(0, 0, 6)]] {
        frame_with(&entries).with_system_columns().unwrap_err();
    }
}

fn frame_with(entries: &[Entry]) -> Frame {
    frame(batch(5), entries)
}
