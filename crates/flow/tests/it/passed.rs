//! What comes out of each operator of a view is counted, exactly, however steps are cut and whoever
//! works; what is done together with another operator is told as it is. What a view keeps is told of the
//! operator that keeps it.

use std::{collections::BTreeMap, time::Duration};

use mainstem_flow::ViewHealth;
use mainstem_kernel::TenantId;
use mainstem_sql::view::{Operator, OperatorKind, plan_again};
use serde_json::{Value, json};

use crate::world::{Pace, Random, SECOND, START, USUAL, World, at};

const WARM: &str = "
CREATE STREAM readings (
  device TEXT NOT NULL, celsius BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
);
CREATE MATERIALIZED VIEW warm AS SELECT window_start AS minute, device, count(*) AS n
FROM TUMBLE(readings, at, INTERVAL '1 minute') r WHERE celsius > 20
GROUP BY window_start, window_end, device HAVING count(*) > 12 EMIT ON WINDOW CLOSE;
";
const MINUTE: i64 = 60 * SECOND;

/// The operators of a view, from the inputs up, and how it goes.
fn look(world: &World, name: &str) -> (Vec<Operator>, ViewHealth) {
    let defs = world.defs();
    let def = defs.view(TenantId::ONLY, name).unwrap();
    let (plan, defs) = plan_again(&defs, def).unwrap();
    let views = world.application().health().views;
    let view = views.into_iter().find(|view| view.id == def.id).unwrap();
    (plan.operators(&defs), view)
}

/// Rows that came out of each operator of a view, from the inputs up.
fn passed(world: &World, name: &str) -> Vec<(OperatorKind, u64)> {
    let (operators, view) = look(world, name);
    let count = |place: usize| view.passed.get(place).copied().unwrap_or_default();
    for (place, operator) in operators.iter().enumerate() {
        // No row of these tests fails.
        if let (OperatorKind::Project, [input]) = (operator.kind, operator.inputs.as_slice()) {
            assert_eq!(count(place), count(*input), "{name}: {}", operator.title);
        }
    }
    assert!(view.passed.len() <= operators.len());
    assert_eq!(view.passed.last().copied().unwrap_or_default(), view.rows);
    let kinds = operators.iter().map(|operator| operator.kind);
    let counted = kinds
        .enumerate()
        .filter(|(_, kind)| *kind != OperatorKind::Project);
    counted.map(|(place, kind)| (kind, count(place))).collect()
}

/// The operators by the plainest rules.
#[derive(Debug, Default)]
struct Model {
    read: u64,
    chosen: u64,
    in_windows: u64,
    groups: BTreeMap<(i64, usize), u64>,
    greatest: Option<i64>,
}

impl Model {
    fn watermark(&self) -> Option<i64> {
        self.greatest.map(|greatest| greatest - 10 * SECOND)
    }

    fn see(&mut self, rows: &[(usize, i64, i64)]) {
        let watermark = self.watermark();
        for (device, celsius, time) in rows {
            self.read += 1;
            self.greatest = self.greatest.max(Some(*time));
            if *celsius <= 20 {
                continue;
            }
            self.chosen += 1;
            let minute = time.div_euclid(MINUTE) * MINUTE;
            if watermark.is_none_or(|watermark| minute + MINUTE > watermark) {
                self.in_windows += 1;
                *self.groups.entry((minute, *device)).or_default() += 1;
            }
        }
    }

    fn counts(&self) -> Vec<(OperatorKind, u64)> {
        let watermark = self.watermark();
        let is_over = |minute: i64| watermark.is_some_and(|w| minute + MINUTE <= w);
        let groups = self.groups.iter();
        let over = groups.filter(|((minute, _), _)| is_over(*minute));
        let large = over.clone().filter(|(_, rows)| **rows > 12).count() as u64;
        vec![
            (OperatorKind::Source, self.read),
            (OperatorKind::Filter, self.chosen),
            (OperatorKind::Window, self.in_windows),
            (OperatorKind::Aggregate, over.count() as u64),
            (OperatorKind::Filter, large),
        ]
    }
}

fn reading((device, celsius, time): &(usize, i64, i64)) -> Value {
    json!({"device": format!("d{device}"), "celsius": celsius, "at": at(*time)})
}

#[test]
fn each_operator_is_counted_exactly() {
    for (threads, step) in [(1, 8 << 20), (2, 3_000), (8, 1)] {
        let pace = Pace {
            threads,
            step,
            ..USUAL
        };
        let mut world = World::paced(WARM, pace);
        let (mut random, mut model, mut now) = (Random(7), Model::default(), START);
        world.settle();
        for round in 0..200 {
            let pause = random.between(0, 6_000);
            world.advance(Duration::from_millis(pause.unsigned_abs()));
            now += pause * 1_000;
            // Once more than a chunk holds.
            let count = match round {
                100 => 20_000,
                _ => 1 + random.below(12),
            };
            let mut row = |_| {
                let behind = match random.below(8) {
                    0 => random.between(0, 4 * MINUTE),
                    _ => random.between(0, 9 * SECOND),
                };
                let time = (now - behind) / SECOND * SECOND;
                (random.below(5), random.between(10, 30), time)
            };
            let rows: Vec<_> = (0..count).map(&mut row).collect();
            let values: Vec<Value> = rows.iter().map(reading).collect();
            world.push("readings", &values);
            model.see(&rows);
            if random.below(3) == 0 {
                world.settle();
                assert_eq!(passed(&world, "warm"), model.counts(), "{pace:?}");
            }
        }
        world.finish();
        let counts = passed(&world, "warm");
        assert_eq!(counts, model.counts(), "{pace:?}");
        let each: Vec<u64> = counts.iter().map(|(_, rows)| *rows).collect();
        assert!(
            each.is_sorted_by(|above, below| above > below) && each.last() > Some(&5),
            "{each:?}"
        );
        world.die();
        world.open();
        world.settle();
        let anew = passed(&world, "warm");
        assert!(anew.iter().all(|(_, rows)| *rows == 0), "{anew:?}");
    }
}

const TOGETHER: &str = "
CREATE STREAM a (k TEXT NOT NULL, n BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '1 second');
CREATE STREAM b (k TEXT NOT NULL, n BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '1 second');
CREATE TABLE people (k TEXT PRIMARY KEY, name TEXT);
CREATE MATERIALIZED VIEW every AS SELECT k, n, at FROM a WHERE n > 1 UNION ALL SELECT k, n, at FROM b;
CREATE MATERIALIZED VIEW paired AS SELECT a.k, a.n, b.n AS m FROM a JOIN b
  ON a.k = b.k AND b.at BETWEEN a.at AND a.at + INTERVAL '1 minute';
CREATE MATERIALIZED VIEW sums AS SELECT k, sum(n) AS n FROM a GROUP BY k EMIT ON UPDATE;
CREATE MATERIALIZED VIEW named AS SELECT s.k, s.n, p.name FROM sums s JOIN people p ON p.k = s.k EMIT ON UPDATE;
CREATE MATERIALIZED VIEW turns AS SELECT k, count(*) OVER (ORDER BY at) AS place FROM a;
CREATE MATERIALIZED VIEW hops AS SELECT window_start, count(*) AS n
  FROM HOP(a, at, INTERVAL '1 minute', INTERVAL '5 minutes') h GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;
";

/// The operators of a view that keep something in memory; together they keep what the view does.
fn keeping(world: &World, name: &str) -> Vec<OperatorKind> {
    let (operators, view) = look(world, name);
    let whole: u64 = view.kept.iter().sum();
    assert_eq!(whole, view.state_bytes as u64, "{name}");
    let operators = operators.into_iter().zip(&view.kept);
    let keeping = operators.filter(|(_, bytes)| **bytes > 0);
    keeping.map(|(operator, _)| operator.kind).collect()
}

#[test]
fn state_is_told_of_the_operator_that_keeps_it() {
    use OperatorKind::{Aggregate, Join, Other};
    let mut world = World::new(TOGETHER);
    world.settle();
    let person = json!({"k": "x", "name": "Ada", "_deleted": false});
    world.push("people", &[person]);
    for stream in ["a", "b"] {
        let row = |n| json!({"k": "x", "n": n, "at": at(START + n * SECOND)});
        world.push(stream, &(1..9).map(row).collect::<Vec<_>>());
    }
    world.settle();
    world.finish();
    for (name, expected) in [
        ("every", &[][..]),
        ("paired", &[Join]),
        ("sums", &[Aggregate]),
        ("named", &[Join]),
        ("turns", &[Other]),
        ("hops", &[Aggregate]),
    ] {
        assert_eq!(keeping(&world, name), expected, "{name}");
    }
}

#[test]
fn what_is_done_together_is_told_as_it_is() {
    use OperatorKind::{Aggregate, Filter, Join, Other, Source, Union, Window};
    let mut world = World::new(TOGETHER);
    world.settle();
    world.push(
        "people",
        &[json!({"k": "x", "name": "Ada", "_deleted": false})],
    );
    world.settle();
    for (n, k) in [(1, "x"), (2, "x"), (3, "y")] {
        let row = json!({"k": k, "n": n, "at": at(START + n * SECOND)});
        world.push("a", &[row]);
        world.settle();
    }
    let rows = ["x", "z"].map(|k| json!({"k": k, "n": 9, "at": at(START + 10 * SECOND)}));
    world.push("b", &rows);
    world.settle();
    let every = passed(&world, "every");
    assert_eq!(every, [(Source, 3), (Filter, 2), (Source, 2), (Union, 4)]);
    let paired = passed(&world, "paired");
    assert_eq!(paired, [(Source, 3), (Source, 2), (Join, 2)]);
    // A row that changes goes and comes: two changes.
    assert_eq!(passed(&world, "sums"), [(Source, 3), (Aggregate, 4)]);
    let named = passed(&world, "named");
    assert_eq!(named, [(Source, 4), (Source, 1), (Join, 3)]);
    // The watermark is at the second row: the turn of the first one alone has come.
    assert_eq!(passed(&world, "turns"), [(Source, 3), (Other, 1)]);
    // A row is in five windows, and kept once.
    let hops = passed(&world, "hops");
    assert_eq!(hops, [(Source, 3), (Window, 3), (Aggregate, 0)]);
    world.advance(Duration::from_secs(601));
    world.push(
        "a",
        &[json!({"k": "x", "n": 4, "at": at(START + 601 * SECOND)})],
    );
    world.settle();
    let hops = passed(&world, "hops");
    assert_eq!(hops, [(Source, 4), (Window, 4), (Aggregate, 5)]);
}
