//! Streams that rest: their event time goes on by itself, so windows close and turns come without
//! another row, and one that rests holds no other back, nor one that has never had a row; the same rows
//! whatever happens in between.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use crate::{
    verify::differences,
    world::{Pace, Random, SECOND, START, USUAL, World, at},
};

const BASE: &str = "
CREATE STREAM readings (
  id BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL, WATERMARK FOR at AS at - INTERVAL '10 seconds'
) WITH (idle_timeout = '7 seconds');
CREATE STREAM rates (
  id BIGINT NOT NULL, since TIMESTAMPTZ NOT NULL, WATERMARK FOR since AS since - INTERVAL '5 seconds'
) WITH (idle_timeout = '20 seconds');
CREATE MATERIALIZED VIEW slots AS SELECT window_start AS slot, count(*) AS n, sum(id) AS ids
  FROM TUMBLE(readings, at, INTERVAL '15 seconds') t GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW every AS SELECT id, at FROM readings UNION ALL SELECT id, since FROM rates;
CREATE MATERIALIZED VIEW shared AS SELECT window_start AS slot, count(*) AS n, sum(id) AS ids
  FROM TUMBLE(every, at, INTERVAL '15 seconds') t GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW turns AS SELECT id, count(*) OVER (ORDER BY at) AS place FROM readings;
";
/// Views of what rests in several ways: one by one, beside itself, beside what never rests, above others.
const BESIDE: &str = "
CREATE STREAM steady (id BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL, WATERMARK FOR at AS at - INTERVAL '3 seconds');
CREATE MATERIALIZED VIEW pairs AS SELECT a.id, b.id AS other, a.at FROM readings a JOIN rates b
  ON b.id % 3 = a.id % 3 AND b.since BETWEEN a.at - INTERVAL '10 seconds' AND a.at + INTERVAL '20 seconds';
CREATE MATERIALIZED VIEW alone AS SELECT a.id, b.id AS other, a.at FROM readings a LEFT JOIN rates b
  ON b.id % 5 = a.id % 5 AND b.since BETWEEN a.at AND a.at + INTERVAL '8 seconds';
CREATE MATERIALIZED VIEW both AS SELECT id, at FROM alone UNION ALL SELECT id, since FROM rates;
CREATE MATERIALIZED VIEW both_shared AS SELECT window_start AS slot, count(*) AS n, sum(id) AS ids
  FROM TUMBLE(both, at, INTERVAL '10 seconds') t GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW itself AS SELECT a.ids, b.id AS other FROM slots a JOIN readings b
  ON b.id % 2 = a.n % 2 AND b.at BETWEEN a.slot AND a.slot + INTERVAL '15 seconds';
CREATE MATERIALIZED VIEW three AS SELECT a.id, b.id AS other, a.at FROM every a LEFT JOIN steady b
  ON b.id % 3 = a.id % 3 AND b.at BETWEEN a.at - INTERVAL '5 seconds' AND a.at + INTERVAL '5 seconds';
CREATE MATERIALIZED VIEW three_shared AS SELECT window_start AS slot, other IS NULL AS is_alone, count(*) AS n
  FROM HOP(three, at, INTERVAL '5 seconds', INTERVAL '20 seconds') t GROUP BY window_start, window_end, other IS NULL
  EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '10 seconds';
";
const SLOT: i64 = 15 * SECOND;
/// Length of a slice of rows that wait for their turn.
const TURN: i64 = 10 * SECOND / 8;

/// Event time of a stream by the plainest rules: a clock that is moved by rows and by rest.
#[derive(Clone, Copy, Debug)]
struct Pulse {
    delay: i64,
    timeout: i64,
    greatest: Option<i64>,
    moved: i64,
    /// As far as it had rested when its first row came, or has by now.
    unseen: Option<i64>,
}

impl Pulse {
    fn new(delay: i64, timeout: i64) -> Self {
        Self {
            delay: delay * SECOND,
            timeout: timeout * SECOND,
            greatest: None,
            // When it was declared.
            moved: START,
            unseen: None,
        }
    }

    fn rest(&mut self, now: i64) {
        while now - self.moved >= self.timeout {
            self.moved += self.timeout;
            match &mut self.greatest {
                Some(greatest) => *greatest += self.timeout,
                None => self.unseen = Some(self.moved),
            }
        }
    }

    fn see(&mut self, time: i64, now: i64) {
        self.greatest = self.greatest.max(Some(time));
        self.moved = now;
    }

    fn watermark(&self) -> Option<i64> {
        self.greatest.map(|greatest| greatest - self.delay)
    }

    /// Beside another that is as far as that.
    fn beside(&self, furthest: Option<i64>) -> Option<i64> {
        let unseen = self.unseen.map(|unseen| unseen - self.delay);
        self.watermark().max(unseen.min(furthest))
    }
}

/// Rows and ids by the start of their slot.
type Slots = BTreeMap<i64, (i64, i64)>;

#[derive(Debug)]
struct Model {
    pulses: [Pulse; 2],
    slots: Slots,
    shared: Slots,
    late: [usize; 2],
    /// Rows that take turns: time, then arrival.
    turns: Vec<(i64, i64)>,
    missed: usize,
    last: i64,
    /// Rows of readings before rates have their first one.
    quiet: i64,
}

impl Model {
    fn new(quiet: i64) -> Self {
        Self {
            pulses: [Pulse::new(10, 7), Pulse::new(5, 20)],
            slots: Slots::new(),
            shared: Slots::new(),
            late: [0; 2],
            turns: Vec::new(),
            missed: 0,
            last: 0,
            quiet,
        }
    }

    fn rest(&mut self, now: i64) {
        self.pulses.iter_mut().for_each(|pulse| pulse.rest(now));
    }

    /// Of all streams.
    fn least(&self) -> Option<i64> {
        let own = self.pulses.map(|pulse| pulse.watermark());
        let furthest = own.into_iter().max().flatten();
        let beside = self.pulses.map(|pulse| pulse.beside(furthest));
        beside.into_iter().min().flatten()
    }

    fn see(&mut self, side: usize, (id, time): (i64, i64), now: i64) {
        let (own, least) = (self.pulses[side].watermark(), self.least());
        let count = |slots: &mut Slots, watermark: Option<i64>| {
            let slot = time.div_euclid(SLOT) * SLOT;
            if watermark.is_some_and(|w| slot + SLOT <= w) {
                return 1;
            }
            let (n, ids) = slots.entry(slot).or_default();
            (*n, *ids) = (*n + 1, *ids + id);
            0
        };
        if side == 0 {
            self.late[0] += count(&mut self.slots, own);
            match own.is_some_and(|w| time < w) {
                true => self.missed += 1,
                false => self.turns.push((time, id)),
            }
        }
        self.late[1] += count(&mut self.shared, least);
        self.pulses[side].see(time, now);
    }

    fn closed(slots: &Slots, watermark: Option<i64>) -> Vec<String> {
        let closed = slots
            .iter()
            .filter(|(slot, _)| watermark.is_some_and(|w| *slot + SLOT <= w));
        let lines = closed.map(|(slot, (n, ids))| format!("{}|{n}|{ids}", at(*slot)));
        lines.collect()
    }

    fn in_turn(&self) -> Vec<String> {
        let over = self.pulses[0].watermark();
        let over = over.map_or(i64::MIN, |w| w.div_euclid(TURN) * TURN);
        let mut turns: Vec<_> = self.turns.iter().filter(|(time, _)| *time < over).collect();
        turns.sort();
        let placed = turns.iter().enumerate();
        let lines = placed.map(|(place, (_, id))| format!("{id}|{}", place + 1));
        lines.collect()
    }
}

fn happen(world: &mut World, model: &mut Model, (random, now): (&mut Random, &mut i64)) {
    // Mostly less than any timeout, now and then many times it.
    let pause = match random.below(6) {
        0 => random.between(5_000, 90_000),
        _ => random.between(0, 3_000),
    };
    world.advance(Duration::from_millis(pause.unsigned_abs()));
    *now += pause * 1_000;
    model.rest(*now);
    let side = usize::from(random.below(3) == 0 && model.last >= model.quiet);
    model.last += 1;
    let behind = match random.below(10) {
        0 => random.between(0, 60 * SECOND),
        _ => random.between(0, 10 * SECOND),
    };
    let (id, time) = (model.last, (*now - behind) / SECOND * SECOND);
    let (stream, column) = [("readings", "at"), ("rates", "since")][side];
    world.push(stream, &[json!({"id": id, column: at(time)})]);
    model.see(side, (id, time), *now);
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn windows_close_and_turns_come_while_streams_rest() {
    let paces = [(1, 8 << 20), (2, 3_000), (8, 1)];
    // Deaths, late rows of each window, rows that missed their turn, rows of each view.
    let mut all = [0; 7];
    for seed in 1..6 {
        let mut orders = Vec::new();
        for (threads, step) in paces {
            let pace = Pace {
                threads,
                step,
                ..USUAL
            };
            let what = format!("seed {seed}, {threads} threads, steps of {step}");
            let (mut random, mut own) = (Random(seed), Random(seed * 100 + step));
            let mut world = World::paced(BASE, pace);
            let quiet = if seed % 2 == 0 { 60 } else { 0 };
            let (mut model, mut now, mut deaths) = (Model::new(quiet), START, 0);
            for _ in 0..200 {
                happen(&mut world, &mut model, (&mut random, &mut now));
                for _ in 0..own.below(4) {
                    world.work().unwrap();
                }
                match own.below(20) {
                    0 => {
                        world.die();
                        world.open();
                        deaths += 1;
                    }
                    1 | 2 => drop(world.apply_checkpoints()),
                    3 => world.flush(["readings", "rates"][own.below(2)]),
                    _ => {}
                }
            }
            // No other row comes.
            for _ in 0..4 {
                world.advance(Duration::from_secs(11));
                world.settle();
            }
            now += 4 * 11 * SECOND;
            world.finish();
            now += 3 * 2 * SECOND;
            model.rest(now);
            let [own, least] = [model.pulses[0].watermark(), model.least()];
            let [slots, shared, turns] =
                ["slots", "shared", "turns"].map(|name| world.logged(name));
            let expected = Model::closed(&model.slots, own);
            assert_eq!(sorted(slots.clone()), sorted(expected), "{what}");
            let expected = Model::closed(&model.shared, least);
            assert_eq!(sorted(shared.clone()), sorted(expected), "{what}");
            assert_eq!(turns, model.in_turn(), "{what}");
            let late = ["slots_late", "shared_late"].map(|name| world.logged(name).len());
            assert_eq!(late, model.late, "{what}");
            let missed = world.logged("turns_dead_letters").len();
            assert_eq!(missed, model.missed, "{what}");
            let rows = [slots.len(), shared.len(), turns.len()];
            let counts = [deaths, late[0], late[1], missed, rows[0], rows[1], rows[2]];
            all.iter_mut()
                .zip(counts)
                .for_each(|(all, one)| *all += one);
            orders.push([slots, shared, turns].concat());
        }
        assert!(orders.windows(2).all(|two| two[0] == two[1]), "seed {seed}");
    }
    assert!(all.iter().all(|count| *count > 20), "{all:?}");
}

#[test]
fn heartbeats_stop_when_nothing_waits() {
    let mut world = World::new(BASE);
    world.push("readings", &[json!({"id": 1, "at": at(START)})]);
    world.settle();
    let beats = |world: &mut World| {
        let mut beats = 0;
        for _ in 0..20 {
            world.advance(Duration::from_secs(7));
            let before = world.log.frontier();
            world.settle();
            beats += usize::from(world.log.frontier() > before);
        }
        beats
    };
    assert!(beats(&mut world) > 2, "the window has to close");
    world.finish();
    assert_eq!(world.logged("slots").len(), 1);
    // The other stream has never had a row, and holds nothing back.
    assert_eq!(world.logged("shared").len(), 1);
    assert_eq!(beats(&mut world), 0, "nothing waits any more");
}

#[test]
fn one_that_has_never_had_a_row_holds_no_other_back_and_begins_with_whatever_comes() {
    let mut world = World::new(BASE);
    let shared = |world: &mut World, seconds: u64| {
        world.advance(Duration::from_secs(seconds));
        world.settle();
        world.advance(Duration::from_secs(2));
        world.settle();
        world.logged("shared").len()
    };
    // Nobody has had a row: what is loaded first may be of another year.
    world.advance(Duration::from_secs(100));
    let year = 365 * 24 * 3_600 * SECOND;
    let old = |id: i64| json!({"id": id, "at": at(START - year + id * SECOND)});
    world.push("readings", &[old(1)]);
    world.settle();
    world.push("readings", &[old(2), old(40)]);
    assert_eq!(shared(&mut world, 0), 1, "its first window is over");
    assert_eq!(world.logged("shared_late"), [""; 0]);
    // The first row of the other one is late beside it.
    world.push("rates", &[json!({"id": 3, "since": at(START - 2 * year)})]);
    world.settle();
    shared(&mut world, 2);
    assert_eq!(world.logged("shared_late").len(), 1);
    world.die();
    world.open();
    let before = world.logged("shared").len();
    world.push("readings", &[old(90)]);
    let behind = shared(&mut world, 2);
    assert!(behind > before, "the other one has begun far behind");
}

#[tokio::test]
async fn what_closed_while_streams_rested_is_what_it_should_be() {
    const VIEWS: [&str; 10] = [
        "slots",
        "turns",
        "every",
        "shared",
        "pairs",
        "alone",
        "both_shared",
        "itself",
        "three",
        "three_shared",
    ];
    for seed in 1..4 {
        let mut world = World::new(&format!("{BASE}{BESIDE}"));
        // The second stream begins at once, late, or never.
        let quiet = [0, 60, i64::MAX][seed % 3];
        let seed = seed as u64;
        let (mut random, mut model, mut now) = (Random(seed), Model::new(quiet), START);
        let mut empty: Vec<&str> = VIEWS.to_vec();
        for part in 0..12 {
            for _ in 0..20 {
                happen(&mut world, &mut model, (&mut random, &mut now));
                if random.below(4) == 0 {
                    let time = now - random.between(0, 4 * SECOND);
                    world.push("steady", &[json!({"id": model.last, "at": at(time)})]);
                }
            }
            let rest = random.between(0, 60).unsigned_abs();
            world.advance(Duration::from_secs(rest));
            now += i64::try_from(rest).unwrap() * SECOND;
            match part % 3 {
                0 => world.settle(),
                _ => world.flush("readings"),
            }
            world.settle();
            world.swap();
            world.settle();
            if part % 3 != 2 {
                continue;
            }
            for view in VIEWS {
                let wrong = differences(&world, view).await;
                assert!(
                    wrong.is_empty(),
                    "seed {seed}, part {part}, {view}: {wrong:#?}"
                );
            }
            empty.retain(|view| match *view {
                "three_shared" => world.rows(view).is_empty(),
                view => world.logged(view).is_empty(),
            });
        }
        assert!(model.late[0] > 5 && model.missed > 5, "something came late");
        match quiet {
            i64::MAX => assert_eq!(empty, ["pairs"], "seed {seed}"),
            _ => assert_eq!(empty, [""; 0], "seed {seed}"),
        }
    }
}
