//! UNION ALL: rows of several streams in the order of the log, however it is cut into steps, whoever
//! works, and whenever the process dies; event time is as far as the last of the streams.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};

use crate::world::{Pace, Random, SECOND, START, USUAL, World, at};

const BASE: &str = "
CREATE STREAM calls (
  id BIGINT NOT NULL, k TEXT, n INTEGER, at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
);
CREATE STREAM mails (
  id BIGINT NOT NULL, k TEXT, amount BIGINT, sent TIMESTAMPTZ NOT NULL,
  WATERMARK FOR sent AS sent - INTERVAL '30 seconds'
);
CREATE TABLE towns (k TEXT PRIMARY KEY, town TEXT);
";

/// Those that come later read those before.
const VIEWS: [&str; 6] = [
    "both AS SELECT id, k, n, at FROM calls WHERE n > -40
     UNION ALL SELECT 0 - id, k, amount, sent FROM mails",
    "totals AS SELECT k, count(*) AS rows, sum(n) AS n FROM
     (SELECT k, n FROM calls UNION ALL SELECT k, amount FROM mails) t GROUP BY k EMIT ON UPDATE",
    "minutes AS SELECT window_start AS minute, k, count(*) AS rows, min(id) AS least
     FROM TUMBLE(both, at, INTERVAL '1 minute') b GROUP BY window_start, window_end, k
     EMIT ON WINDOW CLOSE",
    "again AS SELECT id, at FROM both UNION ALL SELECT id, at FROM calls
     UNION ALL SELECT rows, minute FROM minutes",
    "placed AS SELECT c.id, t.town FROM calls c
     JOIN towns FOR SYSTEM_TIME AS OF PROCTIME() t ON t.k = c.k
     UNION ALL SELECT id, '-' FROM mails WHERE 100 / amount <> 7",
    "all_rows AS SELECT count(*) AS n FROM (SELECT id FROM calls UNION ALL SELECT id FROM both) t
     EMIT ON UPDATE",
];

fn view(number: usize) -> String {
    format!("CREATE MATERIALIZED VIEW {};", VIEWS[number])
}

/// What a stream has had so far, by the plainest rules.
#[derive(Debug, Default)]
struct Model {
    /// Greatest times of `calls` and `mails`.
    greatest: [Option<i64>; 2],
    both: Vec<String>,
    placed: Vec<String>,
    totals: BTreeMap<Option<String>, (i64, Option<i64>)>,
    minutes: BTreeMap<(i64, Option<String>), (i64, i64)>,
    towns: BTreeMap<String, String>,
    late: usize,
    failed: usize,
    /// Number of the last row.
    last: i64,
}

fn shown(text: &Option<String>) -> String {
    text.clone().unwrap_or_else(|| "NULL".to_owned())
}

impl Model {
    fn watermark(&self) -> Option<i64> {
        let [calls, mails] = self.greatest;
        Some((calls? - 10 * SECOND).min(mails? - 30 * SECOND))
    }

    fn see(&mut self, side: usize, rows: &[Row]) {
        let watermark = self.watermark();
        for row in rows {
            let total = self.totals.entry(row.k.clone()).or_default();
            total.0 += 1;
            if let Some(n) = row.n {
                total.1 = Some(total.1.unwrap_or(0) + n);
            }
            self.place(side, row);
            if side == 1 || row.n.is_some_and(|n| n > -40) {
                self.put_together(side, row, watermark);
            }
        }
        let greatest = rows.iter().map(|row| row.at).max();
        self.greatest[side] = self.greatest[side].max(greatest);
    }

    fn place(&mut self, side: usize, row: &Row) {
        let town = row.k.as_ref().and_then(|k| self.towns.get(k));
        match (side, town, row.n) {
            (0, Some(town), _) => self.placed.push(format!("{}|{town}", row.id)),
            (0, None, _) | (1, _, None) => {}
            (_, _, Some(0)) => self.failed += 1,
            (_, _, Some(n)) if 100 / n == 7 => {}
            _ => self.placed.push(format!("{}|-", row.id)),
        }
    }

    fn put_together(&mut self, side: usize, row: &Row, watermark: Option<i64>) {
        let id = if side == 0 { row.id } else { -row.id };
        let n = row.n.map_or_else(|| "NULL".to_owned(), |n| n.to_string());
        let line = format!("{id}|{}|{n}|{}", shown(&row.k), at(row.at));
        self.both.push(line);
        let minute = row.at - row.at.rem_euclid(60 * SECOND);
        if watermark.is_some_and(|watermark| minute + 60 * SECOND <= watermark) {
            self.late += 1;
            return;
        }
        let window = self.minutes.entry((minute, row.k.clone()));
        let window = window.or_insert((0, i64::MAX));
        *window = (window.0 + 1, window.1.min(id));
    }

    fn closed(&self) -> Vec<String> {
        let Some(watermark) = self.watermark() else {
            return Vec::new();
        };
        let closed = self.minutes.iter();
        let closed = closed.filter(|((minute, _), _)| minute + 60 * SECOND <= watermark);
        let mut lines: Vec<String> = closed
            .map(|((minute, k), (rows, least))| {
                format!("{}|{}|{rows}|{least}", at(*minute), shown(k))
            })
            .collect();
        lines.sort();
        lines
    }
}

#[derive(Clone, Debug)]
struct Row {
    id: i64,
    k: Option<String>,
    n: Option<i64>,
    at: i64,
}

impl Row {
    fn random(random: &mut Random, id: i64, now: i64, side: usize) -> Self {
        let delay = [10, 30][side] * SECOND;
        let behind = match random.below(20) {
            0 => random.between(0, 400 * SECOND),
            _ => random.between(0, delay),
        };
        Self {
            id,
            k: (random.below(8) > 0).then(|| format!("k{}", random.below(4))),
            n: (random.below(8) > 0).then(|| random.between(-50, 50)),
            at: now - behind,
        }
    }

    fn json(&self, side: usize) -> Value {
        let (id, k, n, at) = (self.id, &self.k, self.n, at(self.at));
        match side {
            0 => json!({"id": id, "k": k, "n": n, "at": at}),
            _ => json!({"id": id, "k": k, "amount": n, "sent": at}),
        }
    }
}

/// What happens, one append after the other: the same for every pace.
fn happen(world: &mut World, model: &mut Model, (random, now): (&mut Random, &mut i64)) {
    let pause = random.between(0, 3_000).unsigned_abs();
    world.advance(Duration::from_millis(pause));
    *now += i64::try_from(pause).unwrap() * 1_000;
    let mut rows = |side: usize, random: &mut Random| -> Vec<Row> {
        let count = 1 + random.below(4);
        let row = |_| {
            model.last += 1;
            Row::random(random, model.last, *now, side)
        };
        (0..count).map(row).collect()
    };
    match random.below(7) {
        0 => {
            let (k, town) = (
                format!("k{}", random.below(4)),
                format!("t{}", random.below(3)),
            );
            let row = json!({"k": k, "town": town, "_deleted": false});
            world.push("towns", &[row]);
            model.towns.insert(k, town);
        }
        // Frames of one append, the other way round than the sides are written.
        1 => {
            let (mails, calls) = (rows(1, random), rows(0, random));
            let json = |rows: &[Row], side| rows.iter().map(|row| row.json(side)).collect();
            let (first, second): (Vec<Value>, Vec<Value>) = (json(&mails, 1), json(&calls, 0));
            world.push_all(&[("mails", &first), ("calls", &second)]);
            model.see(1, &mails);
            model.see(0, &calls);
        }
        other => {
            let side = usize::from(other > 4);
            let rows = rows(side, random);
            let json: Vec<Value> = rows.iter().map(|row| row.json(side)).collect();
            world.push(["calls", "mails"][side], &json);
            model.see(side, &rows);
        }
    }
}

fn check(world: &World, model: &Model, what: &str) {
    assert_eq!(world.logged("both"), model.both, "{what}");
    assert_eq!(world.logged("placed"), model.placed, "{what}");
    let totals: BTreeSet<String> = model
        .totals
        .iter()
        .map(|(k, (rows, n))| {
            let n = n.map_or_else(|| "NULL".to_owned(), |n| n.to_string());
            format!("{}|{rows}|{n}", shown(k))
        })
        .collect();
    let found: BTreeSet<String> = world.rows("totals").into_iter().collect();
    assert_eq!(found, totals, "{what}");
    let mut minutes = world.logged("minutes");
    minutes.sort();
    assert_eq!(minutes, model.closed(), "{what}");
    assert_eq!(world.logged("minutes_late").len(), model.late, "{what}");
    let letters = world.logged("placed_dead_letters");
    assert_eq!(letters.len(), model.failed, "{what}: {letters:#?}");
}

#[test]
fn rows_of_several_streams_come_in_the_order_of_the_log() {
    let paces = [(1, 8 << 20, 64 << 20), (2, 3_000, 0), (8, 1, 1 << 14)];
    // Late rows, rows that failed, deaths, windows.
    let mut all = [0; 4];
    for seed in 1..6 {
        let mut orders: Vec<Vec<String>> = Vec::new();
        for (threads, step, state) in paces {
            let pace = Pace {
                threads,
                step,
                state,
                ..USUAL
            };
            let what = format!("seed {seed}, {threads} threads, steps of {step}");
            // What happens is the seed's; when the process dies is the pace's too.
            let (mut random, mut own) = (Random(seed), Random(seed * 100 + step));
            let first: String = (0..3).map(view).collect();
            let mut world = World::paced(&format!("{BASE}{first}"), pace);
            let (mut model, mut now, mut deaths) = (Model::default(), START, 0);
            for append in 0..150 {
                happen(&mut world, &mut model, (&mut random, &mut now));
                for _ in 0..own.below(3) {
                    world.work().unwrap();
                }
                match own.below(25) {
                    0 => {
                        world.die();
                        world.open();
                        deaths += 1;
                    }
                    1 => drop(world.apply_checkpoints()),
                    2 => world.flush(["calls", "mails"][own.below(2)]),
                    3 => drop(world.swap()),
                    _ => {}
                }
                // The others are built from history, beside the live ones.
                if [40, 70, 100].contains(&append) {
                    world.declare(&view(3 + (append - 40) / 30));
                }
            }
            world.finish();
            check(&world, &model, &what);
            let again = world.logged("again").len();
            assert!(again > model.both.len() && model.both.len() > 100, "{what}");
            let minutes = world.logged("minutes").len();
            let counts = [model.late, model.failed, deaths, minutes];
            all.iter_mut()
                .zip(counts)
                .for_each(|(all, one)| *all += one);
            orders.push([world.logged("again"), world.rows("all_rows")].concat());
        }
        assert!(orders.windows(2).all(|two| two[0] == two[1]), "seed {seed}");
    }
    assert!(all.iter().all(|count| *count > 5), "{all:?}");
}

#[test]
fn the_smallest_watermark_closes_windows() {
    let mut world = World::new(&format!("{BASE}{}{}", view(0), view(2)));
    let row = |side: usize, id: i64, seconds: i64| {
        let row = Row {
            id,
            k: None,
            n: Some(1),
            at: START + seconds * SECOND,
        };
        row.json(side)
    };
    // 22:13:20 is 20 s into its minute.
    world.push("calls", &[row(0, 1, 0)]);
    world.advance(Duration::from_secs(300));
    world.push("calls", &[row(0, 2, 300)]);
    world.settle();
    assert_eq!(
        world.seen("minutes"),
        [""; 0],
        "nobody knows how far mails are"
    );
    world.push("mails", &[row(1, 3, 69)]);
    world.settle();
    assert_eq!(world.seen("minutes"), [""; 0], "mails are at 22:13:59");
    world.push("mails", &[row(1, 4, 70)]);
    world.settle();
    assert_eq!(world.seen("minutes"), ["2023-11-14T22:13:00Z|NULL|1|1"]);
}
