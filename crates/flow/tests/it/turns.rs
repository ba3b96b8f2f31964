//! Figures in the order of event time: each row that is not late comes once, in its turn, with those
//! of the rows before it, however the log is cut into steps, whoever works, whenever the process dies,
//! and with no memory for what waits.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::{
    verify::differences,
    world::{Pace, Random, SECOND, START, USUAL, World, at},
};

const BASE: &str = "
CREATE STREAM readings (
  id BIGINT NOT NULL, device TEXT, n INTEGER, at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
);
CREATE STREAM rates (
  device TEXT, rate BIGINT, since TIMESTAMPTZ NOT NULL,
  WATERMARK FOR since AS since - INTERVAL '30 seconds'
);
";
/// Lengths of the turns of readings alone, and of both.
const TURN: [i64; 2] = [10 * SECOND / 8, 30 * SECOND / 8];

const VIEWS: [&str; 4] = [
    "CREATE MATERIALIZED VIEW tracked AS SELECT id, device, n, at,
       lag(n) OVER (PARTITION BY device ORDER BY at) AS before,
       sum(n) OVER (PARTITION BY device ORDER BY at ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS three,
       count(*) OVER (ORDER BY at) AS place
     FROM readings WHERE n IS DISTINCT FROM 5;",
    "CREATE MATERIALIZED VIEW rated AS SELECT id, rate
     FROM (
       SELECT id, max_by(rate, since) OVER (PARTITION BY device ORDER BY at) AS rate
       FROM (
         SELECT id, device, at, CAST(NULL AS BIGINT) AS rate, CAST(NULL AS TIMESTAMPTZ) AS since FROM readings
         UNION ALL SELECT CAST(NULL AS BIGINT), device, since, rate, since FROM rates
       )
     )
     WHERE id IS NOT NULL;",
    "CREATE MATERIALIZED VIEW minutes AS SELECT window_start AS minute, sum(place) AS places
     FROM TUMBLE(tracked, at, INTERVAL '1 minute') t GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;",
    "CREATE MATERIALIZED VIEW dips AS SELECT since, id, rows FROM readings MATCH_RECOGNIZE (
       PARTITION BY device ORDER BY at MEASURES FIRST(id) AS since, id, count(*) AS rows
       PATTERN (A B{1,3} C) WITHIN INTERVAL '1 minute' DEFINE B AS n < A.n, C AS n >= FIRST(A.n));",
];

/// Rows of both, of which many have one time: on sides of their own, of one view, of a view and itself.
const OF_BOTH: [&str; 6] = [
    "both AS SELECT *, lag(n) OVER (PARTITION BY device ORDER BY at) AS before, count(*) OVER (ORDER BY at) AS place
     FROM (SELECT id, device, n, at FROM readings UNION ALL SELECT rate, device, 1, since FROM rates) b",
    "twice AS SELECT id, n, lag(id) OVER (ORDER BY at) AS before, lag(n) OVER (ORDER BY at) AS was
     FROM (SELECT id, n, at FROM readings UNION ALL SELECT * FROM (SELECT id, -1, at FROM readings WHERE n > 4) r)",
    "every AS SELECT id, device, at FROM readings UNION ALL SELECT rate, device, since FROM rates WHERE rate % 3 > 0",
    "again AS SELECT e.id, e.side, lag(e.id) OVER (ORDER BY at) AS before, lag(e.side, 2) OVER (ORDER BY at) AS was
     FROM (SELECT rate AS id, since AS at, 1 AS side FROM rates UNION ALL SELECT id, at, 2 FROM every) e",
    "upon AS SELECT u.*, lag(before) OVER (PARTITION BY device ORDER BY at) AS two
     FROM (SELECT b.*, lag(id) OVER (PARTITION BY device ORDER BY at) AS before
       FROM (SELECT id, device, at FROM readings UNION ALL SELECT * FROM every) b) u",
    "drops AS WITH all_of AS (SELECT id, device, n, at FROM readings UNION ALL SELECT rate, device, rate % 10, since FROM rates)
     SELECT since, id, rows FROM all_of MATCH_RECOGNIZE (PARTITION BY device ORDER BY at MEASURES FIRST(id) AS since, id, count(*) AS rows
     PATTERN (A B{1,3} C) WITHIN INTERVAL '1 minute' DEFINE B AS n < A.n, C AS n >= FIRST(A.n))",
];

#[derive(Clone, Debug)]
struct Row {
    id: i64,
    device: Option<String>,
    n: Option<i64>,
    at: i64,
    /// Whether views of the readings alone, and of both, count it.
    counts: [bool; 2],
}

impl Row {
    fn random(random: &mut Random, id: i64, now: i64, side: usize) -> Self {
        let behind = match random.below(20) {
            0 => random.between(0, 200 * SECOND),
            1 => -random.between(290 * SECOND, 330 * SECOND),
            _ => random.between(0, [10, 30][side] * SECOND),
        };
        Self {
            id,
            device: (random.below(8) > 0).then(|| format!("d{}", random.below(4))),
            n: (random.below(8) > 0).then(|| random.between(0, 9)),
            // Many rows of one time.
            at: (now - behind) / SECOND * SECOND,
            counts: [false; 2],
        }
    }

    fn json(&self, side: usize) -> Value {
        let (id, device, n, at) = (self.id, &self.device, self.n, at(self.at));
        match side {
            0 => json!({"id": id, "device": device, "n": n, "at": at}),
            _ => json!({"device": device, "rate": id, "since": at}),
        }
    }
}

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |value| value.to_string())
}

/// What should be there, by the plainest rules.
#[derive(Debug, Default)]
struct Model {
    /// In the order of arrival, each with its side.
    rows: Vec<(usize, Row)>,
    greatest: [Option<i64>; 2],
    last: i64,
    /// Rows that `tracked` and `rated` set aside.
    aside: [usize; 2],
}

impl Model {
    /// Of readings alone, and of both.
    fn watermarks(&self) -> [Option<i64>; 2] {
        let [readings, rates] = self.greatest;
        let readings = readings.map(|at| at - 10 * SECOND);
        let rates = rates.map(|at| at - 30 * SECOND);
        [readings, readings.zip(rates).map(|(a, b)| a.min(b))]
    }

    fn see(&mut self, side: usize, rows: Vec<Row>, now: i64) {
        let watermarks = self.watermarks();
        let limit = now / 1_000 * 1_000 + 300 * SECOND;
        for mut row in rows {
            let fits = row.at <= limit;
            let is_late = |view: usize| watermarks[view].is_some_and(|w| row.at < w);
            row.counts = [fits && !is_late(0), fits && !is_late(1)];
            // What is filtered out before is no one's.
            self.aside[0] += usize::from(side == 0 && !row.counts[0] && row.n != Some(5));
            self.aside[1] += usize::from(!row.counts[1]);
            if fits {
                self.greatest[side] = self.greatest[side].max(Some(row.at));
            }
            self.rows.push((side, row));
        }
    }

    /// The rows of a view whose turn has come, in the order of their times.
    fn in_turn(&self, view: usize) -> Vec<&(usize, Row)> {
        let over = self.watermarks()[view].map(|w| w.div_euclid(TURN[view]) * TURN[view]);
        let counted = self.rows.iter().filter(|(side, row)| {
            row.counts[view]
                && over.is_some_and(|over| row.at < over)
                && (view == 1 || (*side == 0 && row.n != Some(5)))
        });
        let mut rows: Vec<&(usize, Row)> = counted.collect();
        rows.sort_by_key(|(_, row)| row.at);
        rows
    }

    /// Each row with what it should say, without its place, and its minute with that.
    fn tracked(&self) -> Vec<String> {
        let mut before: BTreeMap<&Option<String>, Vec<Option<i64>>> = BTreeMap::new();
        let mut lines = Vec::new();
        for (_, row) in self.in_turn(0) {
            let own = before.entry(&row.device).or_default();
            own.push(row.n);
            let lag = own.len().checked_sub(2).and_then(|last| own[last]);
            let three: Vec<i64> = own.iter().rev().take(3).copied().flatten().collect();
            let three = (!three.is_empty()).then(|| three.iter().sum::<i64>());
            let (id, device) = (row.id, shown(row.device.clone()));
            let (n, lag, three) = (shown(row.n), shown(lag), shown(three));
            lines.push(format!("{id}|{device}|{n}|{}|{lag}|{three}", at(row.at)));
        }
        lines.sort();
        lines
    }

    /// Rows of a device, behind the last dip: one, up to three below it, and one that is not, within a minute.
    fn dips(&self) -> Vec<String> {
        let over = self.watermarks()[0].map(|w| w.div_euclid(TURN[0]) * TURN[0]);
        let mut of_devices: BTreeMap<&Option<String>, Vec<&Row>> = BTreeMap::new();
        let mut rows: Vec<&(usize, Row)> = self.rows.iter().collect();
        rows.sort_by_key(|(_, row)| row.at);
        for (side, row) in rows {
            if *side == 0 && row.counts[0] && over.is_some_and(|over| row.at < over) {
                of_devices.entry(&row.device).or_default().push(row);
            }
        }
        let mut lines = Vec::new();
        for rows in of_devices.values() {
            let mut begin = 0;
            for end in 0..rows.len() {
                let is_dip = |start: usize| {
                    let (first, last) = (rows[start], rows[end]);
                    let is_below = |row: &&Row| row.n.zip(first.n).is_some_and(|(n, top)| n < top);
                    last.at - first.at <= 60 * SECOND
                        && rows[start + 1..end].iter().all(is_below)
                        && last.n.zip(first.n).is_some_and(|(n, top)| n >= top)
                };
                let mut starts = (begin..end).filter(|start| (2..=4).contains(&(end - start)));
                if let Some(start) = starts.find(|start| is_dip(*start)) {
                    let (first, last) = (rows[start].id, rows[end].id);
                    lines.push(format!("{first}|{last}|{}", end - start + 1));
                    begin = end + 1;
                }
            }
        }
        sorted(lines)
    }

    fn rated(&self) -> Vec<String> {
        let mut rates: BTreeMap<&Option<String>, (i64, i64)> = BTreeMap::new();
        let mut lines = Vec::new();
        for (side, row) in self.in_turn(1) {
            match side {
                0 => lines.push(format!(
                    "{}|{}",
                    row.id,
                    shown(rates.get(&row.device).map(|(_, rate)| rate))
                )),
                // Of rates of one time the greatest one counts.
                _ => {
                    let rate = rates.entry(&row.device).or_insert((row.at, row.id));
                    if row.at > rate.0 {
                        *rate = (row.at, row.id);
                    }
                    rate.1 = rate.1.max(row.id);
                }
            }
        }
        lines.sort();
        lines
    }
}

fn happen(world: &mut World, model: &mut Model, (random, now): (&mut Random, &mut i64)) {
    let pause = random.between(0, 4_000).unsigned_abs();
    world.advance(Duration::from_millis(pause));
    *now += i64::try_from(pause).unwrap() * 1_000;
    let side = usize::from(random.below(3) == 0);
    let row = |_| {
        model.last += 1;
        Row::random(random, model.last, *now, side)
    };
    let rows: Vec<Row> = (0..1 + side * 2).map(row).collect();
    let json: Vec<Value> = rows.iter().map(|row| row.json(side)).collect();
    world.push(["readings", "rates"][side], &json);
    model.see(side, rows, *now);
}

fn sorted(lines: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.into_iter().collect();
    lines.sort();
    lines
}

/// The place of each row is the next one, in the order of times; gives the rows without.
fn without_places(lines: &[String], what: &str) -> Vec<String> {
    let mut placed = Vec::new();
    for line in lines {
        let (rest, place) = line.rsplit_once('|').unwrap();
        placed.push((place.parse::<usize>().unwrap(), rest.to_owned()));
    }
    placed.sort();
    let time = |rest: &str| rest.split('|').nth(3).unwrap().to_owned();
    for (at, (place, _)) in placed.iter().enumerate() {
        assert_eq!(*place, at + 1, "{what}");
    }
    let times: Vec<String> = placed.iter().map(|(_, rest)| time(rest)).collect();
    assert!(times.is_sorted(), "{what}");
    sorted(placed.into_iter().map(|(_, rest)| rest))
}

#[test]
fn every_row_comes_once_in_its_turn_with_figures_of_those_before() {
    let paces = [(1, 8 << 20, 64 << 20), (2, 3_000, 0), (8, 1, 1 << 14)];
    // Deaths, rows set aside by each view, rows of each.
    let mut all = [0; 7];
    for seed in 1..5 {
        let mut orders: Vec<Vec<String>> = Vec::new();
        for (threads, step, state) in paces {
            let pace = Pace {
                threads,
                step,
                state,
                ..USUAL
            };
            let what = format!("seed {seed}, {threads} threads, steps of {step}");
            let (mut random, mut own) = (Random(seed), Random(seed * 100 + step));
            let mut world =
                World::paced(&format!("{BASE}{}{}{}", VIEWS[0], VIEWS[1], VIEWS[3]), pace);
            let (mut model, mut now, mut deaths) = (Model::default(), START, 0);
            for append in 0..300 {
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
                    1 | 2 => drop(world.apply_checkpoints()),
                    3 => world.flush(["readings", "rates"][own.below(2)]),
                    4 => drop(world.swap()),
                    _ => {}
                }
                if append == 120 {
                    world.declare(VIEWS[2]);
                }
            }
            world.finish();
            let [tracked, rated, minutes, dips] =
                ["tracked", "rated", "minutes", "dips"].map(|name| world.logged(name));
            assert_eq!(without_places(&tracked, &what), model.tracked(), "{what}");
            assert_eq!(sorted(rated.clone()), model.rated(), "{what}");
            assert_eq!(sorted(dips.clone()), model.dips(), "{what}");
            assert_eq!(world.logged("minutes_late"), [""; 0], "{what}");
            let aside = ["tracked_dead_letters", "rated_dead_letters"];
            let aside = aside.map(|name| world.logged(name).len());
            assert_eq!(aside, model.aside, "{what}");
            let rows = [&tracked, &rated, &minutes, &dips].map(Vec::len);
            let [tracks, rates, all_minutes, all_dips] = rows;
            let counts = [
                deaths,
                aside[0],
                aside[1],
                tracks,
                rates,
                all_minutes,
                all_dips,
            ];
            all.iter_mut()
                .zip(counts)
                .for_each(|(all, one)| *all += one);
            orders.push([tracked, rated, minutes, dips].concat());
        }
        assert!(orders.windows(2).all(|two| two[0] == two[1]), "seed {seed}");
    }
    assert!(all.iter().all(|count| *count > 20), "{all:?}");
}

#[test]
fn rows_that_had_their_turn_are_forgotten() {
    let mut world = World::new(&format!("{BASE}{}", VIEWS[0]));
    let (mut random, mut now, mut model) = (Random(7), START, Model::default());
    for _ in 0..900 {
        happen(&mut world, &mut model, (&mut random, &mut now));
        world.settle();
    }
    world.finish();
    assert_eq!(
        without_places(&world.logged("tracked"), "settled"),
        model.tracked()
    );
    let mut kept = 0;
    let mut visit = |_: &[u8], _: &[u8]| {
        kept += 1;
        std::ops::ControlFlow::Continue(())
    };
    let id = world.id("tracked").0.to_be_bytes();
    let range = mainstem_store::KeyRange::prefix(&id);
    let tables = world.tables();
    let scanned = tables.pointer().scan_state(&range, &mut visit);
    scanned.unwrap();
    assert!(kept > 0 && kept < 200, "{kept} entries of state");
}

#[tokio::test]
async fn rows_of_several_streams_take_the_turns_that_they_should() {
    let views = OF_BOTH.map(|view| format!("CREATE MATERIALIZED VIEW {view};\n"));
    let names = OF_BOTH.map(|view| view.split_whitespace().next().unwrap());
    let (mut rows, mut missed) = (BTreeMap::<&str, usize>::new(), 0);
    for (seed, step) in [(1, 8 << 20), (2, 3_000), (3, 1)] {
        let pace = Pace {
            threads: 2,
            step,
            ..USUAL
        };
        let mut world = World::paced(&format!("{BASE}{}{}", VIEWS[1], views.concat()), pace);
        let (mut random, mut model, mut now) = (Random(seed), Model::default(), START);
        for part in 0..4 {
            for _ in 0..80 {
                happen(&mut world, &mut model, (&mut random, &mut now));
            }
            world.finish();
            if part == 2 {
                world.flush("readings");
            }
            world.swap();
            world.settle();
            for name in names.into_iter().chain(["rated"]) {
                let wrong = differences(&world, name).await;
                assert_eq!(wrong, [""; 0], "seed {seed}, part {part}, {name}");
            }
        }
        for name in names {
            *rows.entry(name).or_insert(0) += world.logged(name).len();
        }
        missed += model.aside[1];
    }
    assert!(missed > 5, "something missed its turn");
    for (name, rows) in rows {
        let least = if name == "drops" { 5 } else { 50 };
        assert!(rows > least, "{name}: {rows}");
    }
}
