//! Joins of two streams: every pair whose rows are not late comes once, in one order, however the log
//! is cut into steps, whoever works, whenever the process dies, and with no memory for what waits.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::world::{Pace, Random, SECOND, START, USUAL, World, at};

const BASE: &str = "
CREATE STREAM orders (
  id BIGINT NOT NULL, k TEXT, n INTEGER, w DOUBLE PRECISION, at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
);
CREATE STREAM payments (
  id BIGINT NOT NULL, k TEXT, amount BIGINT, paid TIMESTAMPTZ NOT NULL,
  WATERMARK FOR paid AS paid - INTERVAL '30 seconds'
);
";
const BEFORE: i64 = 20 * SECOND;
const BEHIND: i64 = 60 * SECOND;

const PAIRED: &str = "FROM orders o JOIN payments p ON p.k = o.k
     AND p.paid BETWEEN o.at - INTERVAL '20 seconds' AND o.at + INTERVAL '1 minute'";

fn views() -> [String; 5] {
    [
        format!(
            "paid AS SELECT o.id AS o, p.id AS p, o.k, o.at, p.paid, o.w, p.amount {PAIRED}"
        ),
        format!(
            "totals AS SELECT o.k, count(*) AS n, sum(p.amount) AS amount {PAIRED}
             AND p.amount > o.n WHERE o.n > 3 GROUP BY o.k EMIT ON UPDATE"
        ),
        "minutes AS SELECT window_start AS minute, count(*) AS n FROM TUMBLE(paid, at, INTERVAL '1 minute') m
         GROUP BY window_start, window_end EMIT ON WINDOW CLOSE"
            .to_owned(),
        "twice AS SELECT a.id AS first, b.id AS second FROM orders a JOIN orders b
         ON a.k = b.k AND a.n = b.n AND b.at > a.at AND b.at <= a.at + INTERVAL '40 seconds'"
            .to_owned(),
        format!(
            "unpaid AS SELECT o.id AS o, p.id AS p, o.at {}",
            PAIRED.replace("JOIN payments", "LEFT JOIN payments")
        ),
    ]
}

#[derive(Clone, Debug)]
struct Row {
    id: i64,
    k: Option<String>,
    n: Option<i64>,
    w: Option<f64>,
    at: i64,
    /// Whether the joins with the other stream, and with itself, count it.
    counts: (bool, bool),
}

impl Row {
    fn random(random: &mut Random, id: i64, now: i64, side: usize) -> Self {
        let delay = [10, 30][side] * SECOND;
        let behind = match random.below(20) {
            0 => random.between(0, 200 * SECOND),
            1 => -random.between(290 * SECOND, 330 * SECOND),
            _ => random.between(0, delay),
        };
        Self {
            id,
            k: (random.below(8) > 0).then(|| format!("k{}", random.below(5))),
            n: (random.below(8) > 0).then(|| random.between(-3, 9)),
            w: [None, Some(-0.0), Some(0.5), Some(1e300)][random.below(4)],
            at: now - behind,
            counts: (false, false),
        }
    }

    fn json(&self, side: usize) -> Value {
        let (id, k, n, w, at) = (self.id, &self.k, self.n, self.w, at(self.at));
        match side {
            0 => json!({"id": id, "k": k, "n": n, "w": w, "at": at}),
            _ => json!({"id": id, "k": k, "amount": n, "paid": at}),
        }
    }
}

/// All pairs, by the plainest rules.
#[derive(Debug, Default)]
struct Model {
    rows: [Vec<Row>; 2],
    greatest: [Option<i64>; 2],
    last: i64,
    /// Rows that `paid` and `twice` set aside.
    aside: (usize, usize),
}

impl Model {
    fn watermarks(&self) -> (Option<i64>, Option<i64>) {
        let [orders, payments] = self.greatest;
        let orders = orders.map(|at| at - 10 * SECOND);
        let payments = payments.map(|at| at - 30 * SECOND);
        (orders.zip(payments).map(|(a, b)| a.min(b)), orders)
    }

    /// Rows of one append, which came at a time.
    fn see(&mut self, side: usize, rows: Vec<Row>, now: i64) {
        let (both, orders) = self.watermarks();
        let limit = now / 1_000 * 1_000 + 300 * SECOND;
        let is_late = |at: i64, watermark: Option<i64>| watermark.is_some_and(|w| at < w);
        for mut row in rows {
            let fits = row.at <= limit;
            row.counts = (
                fits && !is_late(row.at, both),
                fits && !is_late(row.at, orders),
            );
            self.aside.0 += usize::from(!row.counts.0);
            // Each row of a stream that is joined with itself is judged on both sides.
            self.aside.1 += 2 * usize::from(side == 0 && !row.counts.1);
            if fits {
                self.greatest[side] = self.greatest[side].max(Some(row.at));
            }
            self.rows[side].push(row);
        }
    }

    fn pairs(&self) -> Vec<(&Row, &Row)> {
        let [orders, payments] = &self.rows;
        let mut pairs = Vec::new();
        for o in orders.iter().filter(|o| o.counts.0 && o.k.is_some()) {
            let near = payments.iter().filter(|p| p.counts.0 && p.k == o.k);
            let near = near.filter(|p| (o.at - BEFORE..=o.at + BEHIND).contains(&p.at));
            pairs.extend(near.map(|p| (o, p)));
        }
        pairs
    }

    fn paid(&self) -> Vec<String> {
        let line = |(o, p): &(&Row, &Row)| {
            let w = o.w.map_or_else(
                || "NULL".to_owned(),
                |w| match w {
                    w if w > 1e99 => "1e300".to_owned(),
                    w => format!("{w:?}"),
                },
            );
            let amount = p.n.map_or_else(|| "NULL".to_owned(), |n| n.to_string());
            let k = o.k.as_deref().unwrap();
            format!(
                "{}|{}|{k}|{}|{}|{w}|{amount}",
                o.id,
                p.id,
                at(o.at),
                at(p.at)
            )
        };
        let mut lines: Vec<String> = self.pairs().iter().map(line).collect();
        lines.sort();
        lines
    }

    /// Pairs, and orders without one of slices that are over.
    fn unpaid(&self) -> Vec<String> {
        let line = |o: &Row, p: Option<&Row>| {
            let p = p.map_or_else(|| "NULL".to_owned(), |p| p.id.to_string());
            format!("{}|{p}|{}", o.id, at(o.at))
        };
        let pairs = self.pairs();
        let mut lines: Vec<String> = pairs.iter().map(|(o, p)| line(o, Some(p))).collect();
        let slice = (BEFORE + BEHIND + 30 * SECOND) / 8;
        let closed = self
            .watermarks()
            .0
            .map_or(i64::MIN, |watermark| watermark - BEHIND);
        let is_over = |o: &&Row| (o.at.div_euclid(slice) + 1) * slice <= closed;
        let alone = self.rows[0].iter().filter(|o| o.counts.0).filter(is_over);
        let alone = alone.filter(|o| !pairs.iter().any(|(paired, _)| paired.id == o.id));
        lines.extend(alone.map(|o| line(o, None)));
        lines.sort();
        lines
    }

    fn totals(&self) -> Vec<String> {
        let mut totals: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for (o, p) in self.pairs() {
            let (Some(n), Some(amount)) = (o.n, p.n) else {
                continue;
            };
            if n > 3 && amount > n {
                let total = totals.entry(o.k.as_deref().unwrap()).or_default();
                *total = (total.0 + 1, total.1 + amount);
            }
        }
        let totals = totals.iter();
        totals
            .map(|(k, (n, amount))| format!("{k}|{n}|{amount}"))
            .collect()
    }

    /// Windows that are over: event time of pairs is a minute behind.
    fn minutes(&self) -> Vec<String> {
        let Some(watermark) = self.watermarks().0.map(|watermark| watermark - BEHIND) else {
            return Vec::new();
        };
        let mut minutes: BTreeMap<i64, i64> = BTreeMap::new();
        for (o, _) in self.pairs() {
            *minutes
                .entry(o.at - o.at.rem_euclid(60 * SECOND))
                .or_default() += 1;
        }
        minutes.retain(|minute, _| minute + 60 * SECOND <= watermark);
        minutes
            .iter()
            .map(|(minute, n)| format!("{}|{n}", at(*minute)))
            .collect()
    }

    fn twice(&self) -> Vec<String> {
        let counted = || self.rows[0].iter().filter(|row| row.counts.1);
        let mut lines = Vec::new();
        for a in counted() {
            let near = counted().filter(|b| a.at < b.at && b.at <= a.at + 40 * SECOND);
            let near = near.filter(|b| a.k.is_some() && a.k == b.k && a.n.is_some() && a.n == b.n);
            lines.extend(near.map(|b| format!("{}|{}", a.id, b.id)));
        }
        lines.sort();
        lines
    }
}

fn happen(world: &mut World, model: &mut Model, (random, now): (&mut Random, &mut i64)) {
    let pause = random.between(0, 4_000).unsigned_abs();
    world.advance(Duration::from_millis(pause));
    *now += i64::try_from(pause).unwrap() * 1_000;
    let mut rows = |model: &mut Model, side: usize| -> Vec<Row> {
        let row = |_| {
            model.last += 1;
            Row::random(random, model.last, *now, side)
        };
        (0..1 + side * 2).map(row).collect()
    };
    let json =
        |rows: &[Row], side| -> Vec<Value> { rows.iter().map(|row| row.json(side)).collect() };
    let side = usize::from(model.last % 4 == 1);
    if model.last % 7 == 3 {
        let (payments, orders) = (rows(model, 1), rows(model, 0));
        let (first, second) = (json(&payments, 1), json(&orders, 0));
        world.push_all(&[("payments", &first), ("orders", &second)]);
        model.see(1, payments, *now);
        model.see(0, orders, *now);
    } else {
        let rows = rows(model, side);
        world.push(["orders", "payments"][side], &json(&rows, side));
        model.see(side, rows, *now);
    }
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

fn check(world: &World, model: &Model, what: &str) {
    assert_eq!(sorted(world.logged("paid")), model.paid(), "{what}");
    assert_eq!(world.rows("totals"), model.totals(), "{what}");
    assert_eq!(sorted(world.logged("minutes")), model.minutes(), "{what}");
    assert_eq!(world.logged("minutes_late"), [""; 0], "{what}");
    assert_eq!(sorted(world.logged("twice")), model.twice(), "{what}");
    assert_eq!(sorted(world.logged("unpaid")), model.unpaid(), "{what}");
    assert_eq!(
        world.logged("paid_dead_letters").len(),
        model.aside.0,
        "{what}"
    );
    assert_eq!(
        world.logged("twice_dead_letters").len(),
        model.aside.1,
        "{what}"
    );
}

#[test]
fn every_pair_of_two_streams_comes_once_and_in_one_order() {
    let paces = [(1, 8 << 20, 64 << 20), (2, 3_000, 0), (8, 1, 1 << 14)];
    // Deaths, rows set aside, pairs of one stream, groups, windows, rows alone.
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
            let views = views().map(|view| format!("CREATE MATERIALIZED VIEW {view};"));
            let mut world = World::paced(
                &format!(
                    "{BASE}{}",
                    [views[0].as_str(), &views[1], &views[4]].concat()
                ),
                pace,
            );
            let (mut model, mut now, mut deaths) = (Model::default(), START, 0);
            for append in 0..260 {
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
                    3 => world.flush(["orders", "payments"][own.below(2)]),
                    4 => drop(world.swap()),
                    _ => {}
                }
                match append {
                    90 => world.declare(&views[2]),
                    140 => world.declare(&views[3]),
                    _ => {}
                }
            }
            world.finish();
            check(&world, &model, &what);
            let [paid, twice] = ["paid", "twice"].map(|name| world.logged(name));
            assert!(paid.len() > 200, "{what}: {}", paid.len());
            let (totals, minutes) = (world.rows("totals").len(), world.logged("minutes").len());
            let unpaid = world.logged("unpaid");
            let alone = unpaid.iter().filter(|line| line.contains("|NULL|")).count();
            let aside = model.aside;
            let counts = [
                deaths,
                aside.0,
                aside.1,
                twice.len(),
                totals,
                minutes,
                alone,
            ];
            all.iter_mut()
                .zip(counts)
                .for_each(|(all, one)| *all += one);
            orders.push([paid, twice, unpaid].concat());
        }
        assert!(orders.windows(2).all(|two| two[0] == two[1]), "seed {seed}");
    }
    assert!(all.iter().all(|count| *count > 5), "{all:?}");
}

#[test]
fn rows_that_nothing_can_join_with_any_more_are_forgotten() {
    let views = views();
    let mut world = World::new(&format!("{BASE}CREATE MATERIALIZED VIEW {};", views[0]));
    let (mut random, mut now, mut model) = (Random(7), START, Model::default());
    let mut most = 0;
    for _ in 0..1_500 {
        happen(&mut world, &mut model, (&mut random, &mut now));
        world.settle();
        let health = world.application().health();
        most = most.max(health.views.iter().map(|view| view.groups).max().unwrap());
    }
    world.finish();
    assert_eq!(sorted(world.logged("paid")), model.paid());
    // Rows of the two minutes for which they wait, of the hour that went by.
    let all = model.rows.iter().map(Vec::len).sum::<usize>();
    assert!(
        all > 2_000 && most > 50 && most < all / 5,
        "{most} of {all}"
    );
    let mut kept = 0;
    let mut visit = |_: &[u8], _: &[u8]| {
        kept += 1;
        std::ops::ControlFlow::Continue(())
    };
    let id = world.id("paid").0.to_be_bytes();
    let range = mainstem_store::KeyRange::prefix(&id);
    world
        .tables()
        .pointer()
        .scan_state(&range, &mut visit)
        .unwrap();
    assert!(kept > 0 && kept < 400, "{kept} entries of state");
}
