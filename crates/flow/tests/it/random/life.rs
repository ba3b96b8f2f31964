//! What happens to the objects at random, and what is known of it by the plainest rules, a row at a
//! time: watermarks, and the rows that a lookup finds.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use datafusion::arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema, SchemaRef},
    json::ReaderBuilder,
};
use mainstem_kernel::{TenantId, clock::Clock};
use serde_json::{Value, json};

use super::expressions::LABELS;
use crate::world::{Random, SECOND, World, at};

/// How far ahead of its arrival a time may be.
const AHEAD: i64 = 300 * SECOND;
/// Time to live of a row of `shops`.
const TTL: i64 = 90 * SECOND;

/// The objects that views are built from; the delay of the watermark is in seconds.
pub(crate) fn objects(delay: i64) -> String {
    format!(
        "CREATE STREAM events (
           id BIGINT NOT NULL, k TEXT, g INTEGER, n INTEGER, big BIGINT, price NUMERIC(12, 3),
           w DOUBLE PRECISION, x DOUBLE PRECISION, day DATE, ok BOOLEAN, label TEXT,
           at TIMESTAMPTZ NOT NULL, WATERMARK FOR at AS at - INTERVAL '{delay} seconds'
         );
         CREATE TABLE shops (shop TEXT PRIMARY KEY, region TEXT, tier INTEGER) WITH (ttl = '90 seconds');
         CREATE TABLE rates (part INTEGER, since DATE, rate NUMERIC(9, 4), PRIMARY KEY (part, since));
        "
    )
}

/// All that has happened.
#[derive(Debug)]
pub(crate) struct Life {
    delay: i64,
    /// Greatest event time that counts.
    greatest: Option<i64>,
    next: i64,
    /// Rows as they were pushed, with what is known of them.
    events: Vec<Value>,
    /// Region, tier, when it is over.
    shops: BTreeMap<String, (Value, Value, i64)>,
    rates: BTreeMap<(i64, String), Value>,
}

impl Life {
    pub(crate) fn new(delay: i64) -> Self {
        Self {
            delay: delay * SECOND,
            greatest: None,
            next: 0,
            events: Vec::new(),
            shops: BTreeMap::new(),
            rates: BTreeMap::new(),
        }
    }

    /// How far event time is.
    pub(crate) fn watermark(&self) -> Option<i64> {
        self.greatest.map(|greatest| greatest - self.delay)
    }

    /// One append, some time after the last.
    pub(crate) fn happen(&mut self, world: &World, random: &mut Random) {
        let pause = match random.below(40) {
            0 => random.between(60_000, 400_000),
            1..10 => 0,
            _ => random.between(0, 6_000),
        };
        world.advance(Duration::from_millis(pause.unsigned_abs()));
        let now = world.clock.now().0 / 1_000 * 1_000;
        match random.below(8) {
            0 => {
                let change = self.shop(random, now);
                world.push("shops", &[change]);
            }
            1 => {
                let change = self.rate(random);
                world.push("rates", &[change]);
            }
            // The events of an append come behind its changes, and see them.
            2 => {
                let (shop, rate) = (self.shop(random, now), self.rate(random));
                let events = self.sale(random, now);
                world.push_all(&[("shops", &[shop]), ("rates", &[rate]), ("events", &events)]);
            }
            _ => {
                let events = self.sale(random, now);
                world.push("events", &events);
            }
        }
    }

    fn shop(&mut self, random: &mut Random, now: i64) -> Value {
        let shop = key(random);
        if random.below(4) == 0 {
            self.shops.remove(&shop);
            return json!({"shop": shop, "_deleted": true});
        }
        let region = maybe(random, |random| {
            json!(["north", "south", ""][random.below(3)])
        });
        let tier = maybe(random, |random| json!(random.between(-2, 3)));
        let row = json!({"shop": shop, "region": region, "tier": tier, "_deleted": false});
        self.shops.insert(shop, (region, tier, now + TTL));
        row
    }

    fn rate(&mut self, random: &mut Random) -> Value {
        let (part, since) = (random.between(-2, 3), day(random));
        if random.below(4) == 0 {
            self.rates.remove(&(part, since.clone()));
            return json!({"part": part, "since": since, "_deleted": true});
        }
        let rate = maybe(random, |random| {
            json!(format!(
                "{}.{:04}",
                random.between(-9, 9),
                random.below(10_000)
            ))
        });
        let row = json!({"part": part, "since": since, "rate": rate, "_deleted": false});
        self.rates.insert((part, since), rate);
        row
    }

    /// The events of one append; some are there twice.
    fn sale(&mut self, random: &mut Random, now: i64) -> Vec<Value> {
        let mut rows = Vec::new();
        for _ in 0..1 + random.below(6) {
            let row = self.event(random, now);
            if random.below(10) == 0 {
                rows.push(row.clone());
            }
            rows.push(row);
        }
        // All of an append are judged by what was before it.
        for row in &rows {
            let time = row["_time"].as_i64().unwrap();
            if time <= now + AHEAD {
                self.greatest = self.greatest.max(Some(time));
            }
        }
        self.events.extend(rows.iter().cloned());
        rows
    }

    fn event(&mut self, random: &mut Random, now: i64) -> Value {
        let time = match random.below(60) {
            0 => now + random.between(AHEAD + SECOND, 40 * AHEAD),
            1 => 0,
            2 => 253_370_764_800_000_000,
            3..7 => now - random.between(0, 900 * SECOND),
            7 => now + random.between(0, AHEAD),
            _ => now - random.between(0, self.delay + 1),
        };
        let k = maybe(random, |random| json!(key(random)));
        let g = maybe(random, |random| json!(random.between(-2, 3)));
        let day = maybe(random, |random| json!(day(random)));
        let shop = k.as_str().and_then(|k| self.shops.get(k));
        let shop = shop.filter(|(.., over)| *over > now);
        let rate = g.as_i64().zip(day.as_str());
        let rate = rate.and_then(|(g, day)| self.rates.get(&(g, day.to_owned())));
        let known = json!({
            "_time": time, "_watermark": self.watermark(), "_limit": now + AHEAD,
            "_shop": shop.is_some(), "region": shop.map(|shop| &shop.0), "tier": shop.map(|shop| &shop.1),
            "_rate": rate.is_some(), "rate": rate,
        });
        self.next += 1;
        let mut row = json!({
            "id": self.next, "k": k, "g": g, "day": day, "at": at(time),
            "n": maybe(random, int), "big": maybe(random, big),
            "price": maybe(random, |r| json!(format!("{}.{:03}", r.between(-90, 90), r.below(1_000)))),
            "w": maybe(random, |r| json!(r.between(-1_000_000, 1_000_000) as f64 / 1_024.0)),
            "x": maybe(random, wild), "ok": maybe(random, |r| json!(r.below(2) == 0)),
            "label": maybe(random, |r| json!(LABELS[r.below(LABELS.len())])),
        });
        let Value::Object(known) = known else {
            return row;
        };
        row.as_object_mut().unwrap().extend(known);
        row
    }

    /// The events so far as plain DataFusion reads them: with what is known of each.
    pub(crate) fn events(&self, world: &World) -> RecordBatch {
        let defs = world.defs();
        let stream = defs.stream(TenantId::ONLY, "events").unwrap();
        let body = stream.spec.columns.body_schema();
        let mut fields: Vec<_> = body.fields().iter().cloned().collect();
        let known = [
            ("_time", DataType::Int64),
            ("_watermark", DataType::Int64),
            ("_limit", DataType::Int64),
            ("_shop", DataType::Boolean),
            ("region", DataType::Utf8),
            ("tier", DataType::Int32),
            ("_rate", DataType::Boolean),
            ("rate", DataType::Decimal128(9, 4)),
        ];
        fields.extend(known.map(|(name, ty)| Arc::new(Field::new(name, ty, true))));
        rows(&Arc::new(Schema::new(fields)), &self.events)
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

fn rows(schema: &SchemaRef, rows: &[Value]) -> RecordBatch {
    let mut decoder = ReaderBuilder::new(Arc::clone(schema))
        .with_batch_size(rows.len().max(1))
        .build_decoder()
        .unwrap();
    decoder.serialize(rows).unwrap();
    let read = decoder.flush().unwrap();
    read.unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(schema)))
}

fn maybe(random: &mut Random, value: impl FnOnce(&mut Random) -> Value) -> Value {
    match random.below(7) {
        0 => Value::Null,
        _ => value(random),
    }
}

fn key(random: &mut Random) -> String {
    ["a", "b", "ab", "", "é", "a somewhat longer name of a shop"][random.below(6)].to_owned()
}

fn day(random: &mut Random) -> String {
    ["2023-11-10", "2023-11-11", "2023-11-12"][random.below(3)].to_owned()
}

fn int(random: &mut Random) -> Value {
    match random.below(12) {
        0 => json!(i32::MAX),
        1 => json!(i32::MIN),
        2..5 => json!(0),
        _ => json!(random.between(-50, 50)),
    }
}

fn big(random: &mut Random) -> Value {
    match random.below(6) {
        0 => json!(i64::MAX),
        1 => json!(i64::MIN),
        2 => json!(random.between(-4, 4)),
        _ => json!(random.between(-(1 << 61), 1 << 61)),
    }
}

fn wild(random: &mut Random) -> Value {
    // No number whose reciprocal is infinite: of infinities alone, plain `min` gives a number.
    let values = [0.0, 1.0, -2.5, 1e300, -1e300, 1e-300, f64::MAX, f64::MIN];
    json!(values[random.below(values.len())])
}
