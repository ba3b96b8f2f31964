//! Streams that look up views whose rows change: every event finds the rows that the views have once all
//! that came before it is in them, and nothing that came later, however the log is cut into steps,
//! whoever works, whenever the process dies, and with no memory for state.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::{
    verify::differences,
    world::{Pace, Random, SECOND, START, USUAL, World, at},
};

const BASE: &str = "
CREATE STREAM orders (
  id BIGINT NOT NULL, customer TEXT, amount BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
);
CREATE STREAM payments (
  customer TEXT, amount BIGINT, kind TEXT NOT NULL, paid TIMESTAMPTZ NOT NULL,
  WATERMARK FOR paid AS paid - INTERVAL '5 seconds'
);
CREATE STREAM refunds (customer TEXT, amount BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL);
CREATE TABLE customers (customer TEXT PRIMARY KEY, town TEXT);
CREATE MATERIALIZED VIEW totals AS
  SELECT p.customer, count(*) AS n, sum(p.amount) AS spent, max(amount) FILTER (WHERE kind = 'card') AS top
  FROM payments p WHERE kind <> 'void' GROUP BY p.customer HAVING count(*) > 1 EMIT ON UPDATE;
CREATE MATERIALIZED VIEW balances AS
  SELECT sum(v) + 0 AS balance, who FROM (
    SELECT customer AS who, amount AS v FROM payments UNION ALL SELECT r.customer, -r.amount FROM refunds r
  ) GROUP BY who EMIT ON UPDATE;
CREATE MATERIALIZED VIEW ordered AS
  SELECT customer AS buyer, count(*) AS n, sum(amount) AS amount FROM orders WHERE amount > 2 GROUP BY 1 EMIT ON UPDATE;
CREATE MATERIALIZED VIEW all_refunds AS SELECT count(*) AS n FROM refunds EMIT ON UPDATE;
";

/// Each of the views that look others up.
const VIEWS: [(&str, &str); 4] = [
    (
        "known",
        "CREATE MATERIALIZED VIEW known AS SELECT id, o.customer, n, t.spent, top, at
         FROM orders o JOIN totals FOR SYSTEM_TIME AS OF PROCTIME() t ON o.customer = t.customer
         WHERE amount < 8;",
    ),
    (
        "whole",
        "CREATE MATERIALIZED VIEW whole AS SELECT o.id, t.n AS n, f.balance, s.n AS own, s.amount AS sum, c.town
         FROM orders o
         LEFT JOIN totals FOR SYSTEM_TIME AS OF PROCTIME() t ON t.customer = o.customer
         LEFT JOIN customers FOR SYSTEM_TIME AS OF PROCTIME() c ON c.customer = o.customer
         LEFT JOIN balances FOR SYSTEM_TIME AS OF PROCTIME() f ON f.who = o.customer
         LEFT JOIN ordered FOR SYSTEM_TIME AS OF PROCTIME() s ON s.buyer = o.customer;",
    ),
    (
        "counted",
        "CREATE MATERIALIZED VIEW counted AS SELECT o.id, r.n FROM orders o
         JOIN all_refunds FOR SYSTEM_TIME AS OF PROCTIME() r ON TRUE AND r.n > o.amount;",
    ),
    (
        "minutes",
        "CREATE MATERIALIZED VIEW minutes AS SELECT window_start AS minute, count(*) AS n, sum(spent) AS spent
         FROM TUMBLE(known, at, INTERVAL '1 minute') k GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;",
    ),
];

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |value| value.to_string())
}

/// The rows of the views, by the plainest rules: each stream's rows one after the other.
#[derive(Debug, Default)]
struct Model {
    last: i64,
    towns: BTreeMap<String, i64>,
    /// Rows, sum and greatest by card.
    totals: BTreeMap<String, (i64, Option<i64>, Option<i64>)>,
    balances: BTreeMap<String, Option<i64>>,
    ordered: BTreeMap<String, (i64, i64)>,
    refunds: i64,
    known: Vec<String>,
    whole: Vec<String>,
    counted: Vec<String>,
}

impl Model {
    fn order(&mut self, (customer, amount, time): (&Option<String>, i64, i64)) -> Value {
        self.last += 1;
        let id = self.last;
        let of = |name: &Option<String>| name.clone().unwrap_or_default();
        let name = of(customer);
        if let (Some(_), true) = (customer, amount > 2) {
            let own = self.ordered.entry(name.clone()).or_default();
            *own = (own.0 + 1, own.1 + amount);
        }
        let is_there = |(n, ..): &&(i64, Option<i64>, Option<i64>)| *n > 1;
        let total = self.totals.get(&name).filter(is_there);
        if let (Some((n, spent, top)), true) = (total, amount < 8) {
            let (spent, top) = (shown(*spent), shown(*top));
            self.known
                .push(format!("{id}|{name}|{n}|{spent}|{top}|{}", at(time)));
        }
        let own = self.ordered.get(&name);
        self.whole.push(format!(
            "{id}|{}|{}|{}|{}|{}",
            shown(total.map(|total| total.0)),
            shown(self.balances.get(&name).copied().flatten()),
            shown(own.map(|own| own.0)),
            shown(own.map(|own| own.1)),
            shown(self.towns.get(&name).map(|town| format!("t{town}"))),
        ));
        if self.refunds > amount {
            self.counted.push(format!("{id}|{}", self.refunds));
        }
        json!({"id": id, "customer": customer, "amount": amount, "at": at(time)})
    }

    fn pay(&mut self, customer: Option<&String>, amount: Option<i64>, kind: &str) {
        let Some(customer) = customer else { return };
        let balance = self.balances.entry(customer.clone()).or_default();
        *balance = amount.map_or(*balance, |amount| Some(balance.unwrap_or(0) + amount));
        if kind == "void" {
            return;
        }
        let total = self.totals.entry(customer.clone()).or_default();
        total.0 += 1;
        total.1 = amount.map_or(total.1, |amount| Some(total.1.unwrap_or(0) + amount));
        if kind == "card" {
            total.2 = total.2.max(amount);
        }
    }
}

/// Up to three rows of a stream, or a change of a table, in one append.
fn happen(world: &mut World, model: &mut Model, (random, now): (&mut Random, &mut i64)) {
    let pause = random.between(0, 3_000).unsigned_abs();
    world.advance(Duration::from_millis(pause));
    *now += i64::try_from(pause).unwrap() * 1_000;
    let customer = |random: &mut Random| {
        let is_named = random.below(8) > 0;
        let name = format!("c{}", random.below(5));
        is_named.then_some(name)
    };
    let rows = 1 + random.below(3);
    let time = *now - random.between(0, 4) * SECOND;
    let mut json = Vec::with_capacity(rows);
    let stream = match random.below(10) {
        0..4 => {
            for _ in 0..rows {
                let (who, amount) = (customer(random), random.between(0, 10));
                json.push(model.order((&who, amount, time)));
            }
            "orders"
        }
        4..7 => {
            for _ in 0..rows {
                let (who, kind) = (customer(random), ["card", "cash", "void"][random.below(3)]);
                let amount = (random.below(6) > 0).then(|| random.between(-5, 50));
                model.pay(who.as_ref(), amount, kind);
                json.push(
                    json!({"customer": who, "amount": amount, "kind": kind, "paid": at(time)}),
                );
            }
            "payments"
        }
        7 | 8 => {
            for _ in 0..rows {
                let (who, amount) = (customer(random), random.between(0, 20));
                model.refunds += 1;
                if let Some(who) = &who {
                    let balance = model.balances.entry(who.clone()).or_default();
                    *balance = Some(balance.unwrap_or(0) - amount);
                }
                json.push(json!({"customer": who, "amount": amount, "at": at(time)}));
            }
            "refunds"
        }
        _ => {
            let (who, town) = (format!("c{}", random.below(5)), random.between(0, 9));
            let gone = random.below(4) == 0;
            match gone {
                true => drop(model.towns.remove(&who)),
                false => drop(model.towns.insert(who.clone(), town)),
            }
            json.push(json!({"customer": who, "town": format!("t{town}"), "_deleted": gone}));
            "customers"
        }
    };
    world.push(stream, &json);
}

/// Pushes, works, dies and is opened again; gives what came in its order, and how often it died.
async fn life(seed: u64, pace: Pace) -> (Vec<Vec<String>>, usize) {
    let what = format!(
        "seed {seed}, {} threads, steps of {}",
        pace.threads, pace.step
    );
    let (mut random, mut own) = (Random(seed), Random(seed * 100 + pace.step));
    let mut world = World::paced(&format!("{BASE}{}", VIEWS[0].1), pace);
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
            3 => world.flush(["orders", "payments", "refunds"][own.below(3)]),
            4 => drop(world.swap()),
            _ => {}
        }
        if append == 120 {
            // These are built over what is there, beside the one that goes on.
            for (_, sql) in &VIEWS[1..] {
                world.declare(sql);
            }
        }
    }
    world.finish();
    while !world.swap().is_empty() {
        world.finish();
    }
    let found: Vec<Vec<String>> = VIEWS.iter().map(|(name, _)| world.logged(name)).collect();
    assert_eq!(found[0], model.known, "{what}");
    assert_eq!(found[1], model.whole, "{what}");
    assert_eq!(found[2], model.counted, "{what}");
    assert!(found.iter().all(|rows| rows.len() > 5), "{what}: {found:?}");
    for (name, _) in &VIEWS[..3] {
        assert_eq!(differences(&world, name).await, [""; 0], "{what}: {name}");
    }
    (found, deaths)
}

#[tokio::test]
async fn every_event_finds_the_row_as_it_is_when_all_before_it_is_in_the_view() {
    let paces = [(1, 8 << 20, 64 << 20), (2, 3_000, 0), (8, 1, 1 << 14)];
    let mut deaths = 0;
    for seed in 1..4 {
        let mut orders = Vec::new();
        for (threads, step, state) in paces {
            let pace = Pace {
                threads,
                step,
                state,
                ..USUAL
            };
            let (found, died) = life(seed, pace).await;
            deaths += died;
            orders.push(found);
        }
        assert!(orders.windows(2).all(|two| two[0] == two[1]), "seed {seed}");
    }
    assert!(deaths > 20, "{deaths}");
}
