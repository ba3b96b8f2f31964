//! Random rows for all declared streams and tables.

use std::{collections::BTreeMap, sync::Arc};

use datafusion::{
    arrow::{
        array::{
            ArrayRef, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int32Array,
            Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
        },
        compute::{concat_batches, take_record_batch},
        datatypes::{DataType, Field, Schema, SchemaRef},
    },
    common::ScalarValue,
};
use mainstem_catalog::{Definitions, StreamDef, TableDef};
use mainstem_kernel::StreamId;

use super::super::super::changes_name;
use crate::engine::StreamColumns;

/// What an operator reads of an input.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    /// The rows of a stream, or those that a table has at the end.
    pub(super) batch: RecordBatch,
    /// Their seqs.
    pub(super) seqs: Vec<i64>,
    /// The changes of a table, `_deleted` and `_seq` last; its key; its ttl in seqs.
    pub(super) changes: Option<(RecordBatch, Vec<String>, Option<i64>)>,
}

/// Random rows.
#[derive(Debug, Default)]
pub(super) struct Data {
    pub(super) inputs: BTreeMap<StreamId, Rows>,
    /// As a plain question names them.
    pub(super) tables: BTreeMap<String, RecordBatch>,
}

const START_US: i64 = 1_774_600_000_000_000; // 2026-03-27, two days before clocks change
const DAY_MS: i64 = 86_400_000;

impl Data {
    pub(super) fn random(
        defs: &Definitions,
        rows: usize,
        below: &mut impl FnMut(usize) -> usize,
    ) -> Self {
        let mut data = Self::default();
        for def in defs
            .streams
            .values()
            .filter(|def| def.dead_letters.is_some())
        {
            data.stream(def, rows, below);
        }
        for def in defs.tables.values() {
            data.table(def, rows / 2, below);
        }
        data
    }

    fn stream(
        &mut self,
        def: &Arc<StreamDef>,
        rows: usize,
        below: &mut impl FnMut(usize) -> usize,
    ) {
        let schema = StreamColumns::new(def).schema;
        let seqs = seqs(rows, below);
        let batch = batch(&schema, &seqs, below);
        self.tables.insert(def.spec.name.to_string(), batch.clone());
        let rows = Rows {
            batch,
            seqs,
            changes: None,
        };
        self.inputs.insert(def.id, rows);
    }

    fn table(&mut self, def: &Arc<TableDef>, rows: usize, below: &mut impl FnMut(usize) -> usize) {
        let columns = def.spec.columns.0.iter();
        let mut fields: Vec<Field> = columns
            .map(|column| column.ty.field(column.name.as_str(), column.nullable))
            .collect();
        let shown = Arc::new(Schema::new(fields.clone()));
        fields.push(Field::new("_deleted", DataType::Boolean, false));
        fields.push(Field::new("_seq", DataType::Int64, false));
        fields.push(Field::new("_offset", DataType::Int64, false));
        let seqs = seqs(rows, below);
        let changes = batch(&Arc::new(Schema::new(fields)), &seqs, below);
        let key: Vec<String> = def.spec.key.iter().map(ToString::to_string).collect();
        let ttl = def
            .spec
            .ttl
            .map(|ttl| i64::try_from(ttl.as_millis()).unwrap() << 16);
        // The last change of each key that is no deletion.
        let last: Vec<u64> = (0..changes.num_rows())
            .filter(|row| {
                let later = (row + 1..changes.num_rows())
                    .any(|later| key_of(&changes, &key, later) == key_of(&changes, &key, *row));
                !later && !is_deleted(&changes, *row)
            })
            .map(|row| u64::try_from(row).unwrap())
            .collect();
        let indices = datafusion::arrow::array::UInt64Array::from(last);
        let current = take_record_batch(&changes, &indices).unwrap();
        let current = current
            .project(&(0..shown.fields().len()).collect::<Vec<_>>())
            .unwrap();
        let current = concat_batches(
            &shown,
            [&RecordBatch::try_new(Arc::clone(&shown), current.columns().to_vec()).unwrap()],
        )
        .unwrap();
        let name = def.spec.name.as_str();
        self.tables.insert(name.to_owned(), current.clone());
        self.tables.insert(changes_name(name), changes.clone());
        let rows = Rows {
            seqs: vec![0; current.num_rows()],
            batch: current,
            changes: Some((changes, key, ttl)),
        };
        self.inputs.insert(def.id, rows);
    }
}

/// The key of a row.
pub(super) fn key_of(batch: &RecordBatch, key: &[String], row: usize) -> Vec<ScalarValue> {
    let columns = key.iter().map(|name| batch.column_by_name(name).unwrap());
    columns
        .map(|column| ScalarValue::try_from_array(column, row).unwrap())
        .collect()
}

pub(super) fn is_deleted(changes: &RecordBatch, row: usize) -> bool {
    let column = changes.column_by_name("_deleted").unwrap();
    ScalarValue::try_from_array(column, row).unwrap() == ScalarValue::Boolean(Some(true))
}

/// Seqs that increase, some equal to the one before, spread over half a year.
fn seqs(rows: usize, below: &mut impl FnMut(usize) -> usize) -> Vec<i64> {
    let mut millis = i64::try_from(below(1_000)).unwrap();
    let mut seqs: Vec<i64> = Vec::with_capacity(rows);
    for _ in 0..rows {
        if below(6) != 0 {
            millis += 1 + i64::try_from(below(3)).unwrap() * DAY_MS;
        }
        seqs.push(millis << 16);
    }
    seqs
}

fn batch(schema: &SchemaRef, seqs: &[i64], below: &mut impl FnMut(usize) -> usize) -> RecordBatch {
    let columns = schema
        .fields()
        .iter()
        .map(|field| column(field, seqs, below));
    let columns: Vec<ArrayRef> = columns.collect();
    RecordBatch::try_new(Arc::clone(schema), columns).unwrap()
}

fn column(field: &Field, seqs: &[i64], below: &mut impl FnMut(usize) -> usize) -> ArrayRef {
    let rows = seqs.len();
    let name = field.name().as_str();
    let is_time = matches!(field.data_type(), DataType::Timestamp(..));
    let is_key = ["vehicle_id", "site", "article", "_deleted", "country"].contains(&name);
    let mut draw = |most: usize| -> Option<i64> {
        let value = i64::try_from(below(most)).unwrap();
        (is_time || is_key || below(6) != 0).then_some(value)
    };
    match (name, field.data_type()) {
        ("_seq", _) => Arc::new(Int64Array::from(seqs.to_vec())),
        ("_offset", _) => Arc::new(Int64Array::from_iter_values(
            0..i64::try_from(rows).unwrap(),
        )),
        ("_partition", _) => Arc::new(Int32Array::from(vec![0; rows])),
        ("j", _) => {
            let texts = (0..rows).map(|_| draw(3).map(|n| format!("{{\"a\": \"x{n}\"}}")));
            Arc::new(texts.collect::<StringArray>())
        }
        (_, DataType::Utf8) if name != "_extra" => {
            let texts = (0..rows).map(|_| draw(4).map(|n| format!("c{n}")));
            Arc::new(texts.collect::<StringArray>())
        }
        (_, DataType::Int32) => {
            let numbers =
                (0..rows).map(|_| draw(60).map(|n| i32::try_from(n % 9 * n / 3 - 4).unwrap()));
            match name {
                "site" => Arc::new(Int32Array::from_iter(
                    (0..rows).map(|_| draw(3).map(|n| i32::try_from(n + 5).unwrap())),
                )),
                _ => Arc::new(numbers.collect::<Int32Array>()),
            }
        }
        (_, DataType::Int64) => {
            let most = if name == "article" { 4 } else { 9 };
            Arc::new((0..rows).map(|_| draw(most)).collect::<Int64Array>())
        }
        (_, DataType::Float64) => {
            let numbers =
                (0..rows).map(|_| draw(400).map(|n| f64::from(i32::try_from(n).unwrap()) / 2.0));
            Arc::new(numbers.collect::<Float64Array>())
        }
        (_, DataType::Float32) => {
            let numbers = (0..rows).map(|_| draw(40).map(|n| f32::from(i16::try_from(n).unwrap())));
            Arc::new(numbers.collect::<Float32Array>())
        }
        (_, DataType::Decimal128(precision, scale)) => {
            let numbers = (0..rows).map(|_| draw(90_000).map(i128::from));
            let array = numbers.collect::<Decimal128Array>();
            Arc::new(array.with_precision_and_scale(*precision, *scale).unwrap())
        }
        (_, DataType::Boolean) => Arc::new(
            (0..rows)
                .map(|_| draw(4).map(|n| n == 0))
                .collect::<BooleanArray>(),
        ),
        (_, DataType::Timestamp(..)) => {
            let times = (0..rows).map(|_| draw(4 * 86_400).map(|n| START_US + n * 1_000_000));
            Arc::new(
                times
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            )
        }
        (_, ty) => new_null_array(ty, rows),
    }
}
