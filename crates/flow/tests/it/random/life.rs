//! What happens to the objects at random, and what is known of it by the plainest rules, a row at a
//! time: watermarks, and the rows that a lookup finds.

mod read;

use std::{collections::BTreeMap, time::Duration};

use mainstem_kernel::clock::Clock;
use serde_json::{Value, json};

use super::{
    expressions::LABELS,
    values::{big, day, int, key, maybe, wild},
};
use crate::world::{Random, SECOND, World, at};

/// How far ahead of its arrival a time may be.
const AHEAD: i64 = 300 * SECOND;
/// Time to live of a row of `shops`.
const TTL: i64 = 90 * SECOND;

/// The streams, by their numbers.
pub(crate) const STREAMS: [&str; 2] = ["events", "visits"];

/// The objects that views are built from; the delays of the watermarks are in seconds.
pub(crate) fn objects([delay, other]: [i64; 2], idles: [Option<i64>; 2]) -> String {
    let [rests, others] = idles.map(|idle| match idle {
        None => String::new(),
        Some(seconds) => format!(" WITH (idle_timeout = '{seconds} seconds')"),
    });
    format!(
        "CREATE STREAM events (
           id BIGINT NOT NULL, k TEXT, g INTEGER, n INTEGER, big BIGINT, price NUMERIC(12, 3),
           w DOUBLE PRECISION, x DOUBLE PRECISION, day DATE, ok BOOLEAN, label TEXT,
           at TIMESTAMPTZ NOT NULL, WATERMARK FOR at AS at - INTERVAL '{delay} seconds'
         ){rests};
         CREATE STREAM visits (
           id BIGINT NOT NULL, k TEXT, g INTEGER, n INTEGER, price NUMERIC(12, 3), x DOUBLE PRECISION,
           day DATE, ok BOOLEAN, label TEXT,
           seen TIMESTAMPTZ NOT NULL, WATERMARK FOR seen AS seen - INTERVAL '{other} seconds'
         ){others};
         CREATE TABLE shops (shop TEXT PRIMARY KEY, region TEXT, tier INTEGER) WITH (ttl = '90 seconds');
         CREATE TABLE rates (part INTEGER, since DATE, rate NUMERIC(9, 4), PRIMARY KEY (part, since));
        "
    )
}

/// All that has happened.
#[derive(Debug)]
pub(crate) struct Life {
    delays: [i64; 2],
    idles: [Option<i64>; 2],
    /// Greatest event time of each stream that counts, and how far it had gone on by itself …
    greatest: [Option<i64>; 2],
    /// … when its last rows came.
    moved: [i64; 2],
    next: i64,
    /// Rows as they were pushed, with what is known of them.
    events: Vec<Value>,
    visits: Vec<Value>,
    /// Region, tier, when it is over.
    shops: BTreeMap<String, (Value, Value, i64)>,
    rates: BTreeMap<(i64, String), Value>,
}

impl Life {
    pub(crate) fn new(delays: [i64; 2], idles: [Option<i64>; 2]) -> Self {
        Self {
            delays: delays.map(|delay| delay * SECOND),
            idles: idles.map(|idle| Some(idle? * SECOND)),
            greatest: [None, None],
            moved: [0, 0],
            next: 0,
            events: Vec::new(),
            visits: Vec::new(),
            shops: BTreeMap::new(),
            rates: BTreeMap::new(),
        }
    }

    /// How far event time of each stream is at some time, behind its last rows.
    pub(crate) fn watermarks(&self, now: i64) -> [Option<i64>; 2] {
        [0, 1].map(|stream| Some(self.gone_on(stream, now)? - self.delays[stream]))
    }

    /// The greatest event time of a stream: when no row has come for its timeout, further by that.
    fn gone_on(&self, stream: usize, now: i64) -> Option<i64> {
        let pause = now - self.moved[stream];
        let rest = self.idles[stream].map_or(0, |idle| pause / idle * idle);
        Some(self.greatest[stream]? + rest)
    }

    /// Where a stream may rest both have a row from the start: what one without counts as is told elsewhere.
    pub(crate) fn begin(&mut self, world: &World, random: &mut Random) {
        let now = world.clock.now().0 / 1_000 * 1_000;
        let rests = self.idles.iter().any(Option::is_some);
        while rests && self.greatest.contains(&None) {
            let (events, visits) = (self.sale(random, now), self.visits(random, now));
            world.push_all(&[("events", &events), ("visits", &visits)]);
        }
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
        match random.below(11) {
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
            3 | 4 => {
                let visits = self.visits(random, now);
                world.push("visits", &visits);
            }
            // Each is judged by the frames before it.
            5 => {
                let (events, visits) = (self.sale(random, now), self.visits(random, now));
                world.push_all(&[("events", &events), ("visits", &visits)]);
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
        self.observe(0, &rows, now);
        self.events.extend(rows.iter().cloned());
        rows
    }

    /// All of an append are judged by what was before it.
    fn observe(&mut self, stream: usize, rows: &[Value], now: i64) {
        let times = rows.iter().map(|row| row["_time"].as_i64().unwrap());
        let counted = times.filter(|time| *time <= now + AHEAD).max();
        self.greatest[stream] = self.gone_on(stream, now).max(counted);
        self.moved[stream] = now;
    }

    fn time(&self, random: &mut Random, (stream, now): (usize, i64)) -> i64 {
        match random.below(60) {
            0 => now + random.between(AHEAD + SECOND, 40 * AHEAD),
            1 => 0,
            2 => 253_370_764_800_000_000,
            3..7 => now - random.between(0, 900 * SECOND),
            7 => now + random.between(0, AHEAD),
            _ => now - random.between(0, self.delays[stream] + 1),
        }
    }

    /// What the plain question knows of each row beside its columns.
    fn known(&self, stream: usize, (time, now): (i64, i64)) -> Value {
        let watermarks = self.watermarks(now);
        json!({
            "_time": time, "_limit": now + AHEAD, "_watermark": watermarks[stream],
            "_watermark0": watermarks[0], "_watermark1": watermarks[1],
        })
    }

    /// The visits of one append; some are there twice.
    fn visits(&mut self, random: &mut Random, now: i64) -> Vec<Value> {
        let mut rows = Vec::new();
        for _ in 0..1 + random.below(4) {
            let time = self.time(random, (1, now));
            self.next += 1;
            let mut row = json!({
                "id": self.next, "seen": at(time), "k": maybe(random, |random| json!(key(random))),
                "g": maybe(random, |random| json!(random.between(-2, 3))), "n": maybe(random, int),
                "price": maybe(random, |r| json!(format!("{}.{:03}", r.between(-90, 90), r.below(1_000)))),
                "x": maybe(random, wild), "day": maybe(random, |random| json!(day(random))),
                "ok": maybe(random, |r| json!(r.below(2) == 0)),
                "label": maybe(random, |r| json!(LABELS[r.below(LABELS.len())])),
            });
            add(&mut row, self.known(1, (time, now)));
            if random.below(10) == 0 {
                rows.push(row.clone());
            }
            rows.push(row);
        }
        self.observe(1, &rows, now);
        self.visits.extend(rows.iter().cloned());
        rows
    }

    fn event(&mut self, random: &mut Random, now: i64) -> Value {
        let time = self.time(random, (0, now));
        let k = maybe(random, |random| json!(key(random)));
        let g = maybe(random, |random| json!(random.between(-2, 3)));
        let day = maybe(random, |random| json!(day(random)));
        let shop = k.as_str().and_then(|k| self.shops.get(k));
        let shop = shop.filter(|(.., over)| *over > now);
        let rate = g.as_i64().zip(day.as_str());
        let rate = rate.and_then(|(g, day)| self.rates.get(&(g, day.to_owned())));
        let known = json!({
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
        add(&mut row, known);
        add(&mut row, self.known(0, (time, now)));
        row
    }
}

/// Adds fields to a row.
fn add(row: &mut Value, more: Value) {
    if let Value::Object(more) = more {
        row.as_object_mut().unwrap().extend(more);
    }
}
