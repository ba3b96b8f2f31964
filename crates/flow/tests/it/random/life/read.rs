//! What has happened as plain DataFusion reads it: batches of rows, with what is known of each.

use std::sync::Arc;

use datafusion::arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema, SchemaRef},
    json::ReaderBuilder,
};
use mainstem_kernel::TenantId;
use serde_json::{Value, json};

use super::{Life, STREAMS};
use crate::world::World;

impl Life {
    /// The rows of the streams so far as plain DataFusion reads them: with what is known of each.
    pub(crate) fn streams(&self, world: &World) -> [(&'static str, RecordBatch); 2] {
        let all = [&self.events, &self.visits];
        [0, 1].map(|stream| {
            let name = STREAMS[stream];
            (name, read(world, name, all[stream]))
        })
    }

    /// The rows of the tables as they are now.
    pub(crate) fn tables(&self, now: i64) -> [(&'static str, RecordBatch); 2] {
        let field = |(name, ty): (&str, DataType)| Field::new(name, ty, true);
        let columns = [
            ("shop", DataType::Utf8),
            ("region", DataType::Utf8),
            ("tier", DataType::Int32),
        ];
        let shops = Arc::new(Schema::new(columns.map(field).to_vec()));
        let live = self.shops.iter().filter(|(_, (.., over))| *over > now);
        let live: Vec<Value> = live
            .map(|(shop, (region, tier, _))| json!({"shop": shop, "region": region, "tier": tier}))
            .collect();
        let columns = [
            ("part", DataType::Int32),
            ("since", DataType::Date32),
            ("rate", DataType::Decimal128(9, 4)),
        ];
        let rates = Arc::new(Schema::new(columns.map(field).to_vec()));
        let all: Vec<Value> = self
            .rates
            .iter()
            .map(|((part, since), rate)| json!({"part": part, "since": since, "rate": rate}))
            .collect();
        [
            ("shops", rows(&shops, &live)),
            ("rates", rows(&rates, &all)),
        ]
    }
}

/// Rows of a stream with what is known of each: nothing is found for visits.
fn read(world: &World, stream: &str, all: &[Value]) -> RecordBatch {
    let defs = world.defs();
    let stream = defs.stream(TenantId::ONLY, stream).unwrap();
    let body = stream.spec.columns.body_schema();
    let mut fields: Vec<_> = body.fields().iter().cloned().collect();
    let known = [
        ("_time", DataType::Int64),
        ("_watermark", DataType::Int64),
        ("_watermark0", DataType::Int64),
        ("_watermark1", DataType::Int64),
        ("_limit", DataType::Int64),
        ("_shop", DataType::Boolean),
        ("region", DataType::Utf8),
        ("tier", DataType::Int32),
        ("_rate", DataType::Boolean),
        ("rate", DataType::Decimal128(9, 4)),
    ];
    fields.extend(known.map(|(name, ty)| Arc::new(Field::new(name, ty, true))));
    rows(&Arc::new(Schema::new(fields)), all)
}

fn rows(schema: &SchemaRef, rows: &[Value]) -> RecordBatch {
    let mut decoder = ReaderBuilder::new(Arc::clone(schema))
        .with_batch_size(rows.len().max(1))
        .build_decoder()
        .unwrap();
    decoder.serialize(rows).unwrap();
    let read = decoder.flush().unwrap();
    read.unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(schema)))
}
