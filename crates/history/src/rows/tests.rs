//! Rows from frames to row groups: order, mapping, cuts.

use std::sync::Arc;

use arrow::{
    array::{AsArray, Int64Array, RecordBatch, new_null_array},
    datatypes::{Int32Type, Int64Type},
};
use mainstem_kernel::{
    Column, ColumnName, ColumnType, Columns, KeyId, Offset, PartitionId, SchemaVersion, Seq,
    StreamId,
};
use mainstem_log::{Entry, Frame};

use super::{RowBuffer, map_version};
use crate::columns::TableColumns;

fn columns(list: &[(u32, &str)]) -> Columns {
    let column = |(id, name): &(u32, &str)| Column {
        id: *id,
        name: ColumnName::new(name).unwrap(),
        ty: ColumnType::BigInt,
        nullable: true,
    };
    Columns(list.iter().map(column).collect())
}

/// A frame whose first column counts from `first`; entries are (partition, first offset, rows).
fn frame(seq: u64, first: i64, columns: &Columns, entries: &[(u16, u64, u32)]) -> Frame {
    let rows: u32 = entries.iter().map(|entry| entry.2).sum();
    let rows = i64::from(rows);
    let schema = columns.body_schema();
    let mut arrays = vec![Arc::new(Int64Array::from_iter_values(first..first + rows)) as _];
    for field in schema.fields().iter().skip(1) {
        arrays.push(new_null_array(
            field.data_type(),
            usize::try_from(rows).unwrap(),
        ));
    }
    let entry = |(partition, first_offset, rows): &(u16, u64, u32)| Entry {
        partition: PartitionId(*partition),
        first_offset: Offset(*first_offset),
        offset_span: *rows,
        rows: *rows,
        stamp: None,
    };
    Frame {
        seq: Seq(seq),
        stream: StreamId(16),
        schema: SchemaVersion(1),
        key: KeyId(0),
        entries: entries.iter().map(entry).collect(),
        batch: RecordBatch::try_new(schema, arrays).unwrap(),
    }
}

#[test]
fn rows_are_sorted_by_partition_and_offset() {
    let old = columns(&[(1, "a")]);
    let new = columns(&[(2, "added"), (1, "renamed")]);
    let table = TableColumns::create(&old).unwrap().evolve(&new).unwrap();
    let mapping = map_version(&old, &table).unwrap();
    let mut buffer = RowBuffer::default();
    buffer
        .push(&frame(7, 0, &old, &[(1, 10, 2), (0, 5, 1)]), &mapping)
        .unwrap();
    buffer
        .push(&frame(8, 100, &old, &[(0, 6, 2), (1, 12, 0)]), &mapping)
        .unwrap();
    assert_eq!((buffer.rows(), buffer.seqs()), (5, (Seq(7), Seq(8))));

    let mut sorted = buffer.take_sorted();
    let batch = sorted.next_batch(&table.file_schema()).unwrap().unwrap();
    assert_eq!(sorted.next_batch(&table.file_schema()).unwrap(), None);
    assert!(buffer.is_empty());
    let long = |name| {
        batch
            .column_by_name(name)
            .unwrap()
            .as_primitive::<Int64Type>()
            .values()
    };
    let partition = batch
        .column_by_name("_partition")
        .unwrap()
        .as_primitive::<Int32Type>();
    assert_eq!(partition.values(), &[0, 0, 0, 1, 1]);
    assert_eq!(long("_offset"), &[5, 6, 7, 10, 11]);
    assert_eq!(long("_seq"), &[7, 8, 8, 7, 7]);
    assert_eq!(long("a"), &[2, 100, 101, 0, 1], "by its physical name");
    assert_eq!(batch.column_by_name("added").unwrap().null_count(), 5);
}

#[test]
fn a_version_with_unknown_columns_has_no_mapping() {
    let table = TableColumns::create(&columns(&[(1, "a")])).unwrap();
    assert_eq!(map_version(&columns(&[(1, "a"), (2, "b")]), &table), None);
}

#[test]
fn entries_that_do_not_cover_the_rows_are_refused() {
    let columns = columns(&[(1, "a")]);
    let table = TableColumns::create(&columns).unwrap();
    let mut wrong = frame(7, 0, &columns, &[(0, 0, 3)]);
    wrong.batch = wrong.batch.slice(0, 2);
    let mapping = map_version(&columns, &table).unwrap();
    assert!(RowBuffer::default().push(&wrong, &mapping).is_err());
}

#[test]
fn long_runs_are_cut_into_batches() {
    let columns = columns(&[(1, "a")]);
    let table = TableColumns::create(&columns).unwrap();
    let mapping = map_version(&columns, &table).unwrap();
    let mut buffer = RowBuffer::default();
    let half = 6_000;
    buffer
        .push(
            &frame(7, 0, &columns, &[(0, 0, half), (1, 0, half)]),
            &mapping,
        )
        .unwrap();
    buffer
        .push(&frame(8, 12_000, &columns, &[(0, 6_000, half)]), &mapping)
        .unwrap();
    let mut sorted = buffer.take_sorted();
    let mut numbers = Vec::new();
    while let Some(batch) = sorted.next_batch(&table.file_schema()).unwrap() {
        assert!(batch.num_rows() <= super::BATCH_ROWS);
        numbers.extend_from_slice(batch.column(0).as_primitive::<Int64Type>().values());
    }
    assert!(
        numbers
            .into_iter()
            .eq((0..6_000).chain(12_000..18_000).chain(6_000..12_000))
    );
}
