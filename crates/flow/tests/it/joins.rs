//! Joins of rows that change: after every step the pairs are those of the rows, whatever came, went and
//! changed on either side, however steps are cut, whoever works, whenever the process dies, and with no
//! memory for what is kept.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::{
    verify::differences,
    world::{Pace, Random, START, USUAL, World, at},
};

const BASE: &str = "
CREATE TABLE customers (id BIGINT PRIMARY KEY, name TEXT, country TEXT);
CREATE TABLE orders (id BIGINT PRIMARY KEY, customer BIGINT, amount BIGINT NOT NULL);
CREATE STREAM payments (customer BIGINT NOT NULL, paid BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL);
CREATE MATERIALIZED VIEW totals AS
  SELECT customer, sum(paid) AS paid FROM payments GROUP BY customer EMIT ON UPDATE;
CREATE MATERIALIZED VIEW named AS
  SELECT o.id, o.amount, c.name FROM orders o JOIN customers c ON c.id = o.customer WHERE o.amount <> 7 EMIT ON UPDATE;
CREATE MATERIALIZED VIEW perhaps AS
  SELECT o.id, c.name, c.country FROM orders o LEFT JOIN customers c ON o.customer = c.id EMIT ON UPDATE;
CREATE MATERIALIZED VIEW ordering AS
  SELECT c.name, o.amount FROM customers c LEFT JOIN (SELECT * FROM orders WHERE amount > 2) o ON o.customer = c.id EMIT ON UPDATE;
CREATE MATERIALIZED VIEW mates AS
  SELECT a.id AS a, b.id AS b FROM customers a JOIN customers b ON a.country = b.country AND a.id < b.id EMIT ON UPDATE;
CREATE MATERIALIZED VIEW countries AS
  SELECT c.country, count(*) AS n, sum(o.amount) AS amount, max(o.amount) AS most
  FROM orders o JOIN customers c ON c.id = o.customer GROUP BY c.country EMIT ON UPDATE;
CREATE MATERIALIZED VIEW payers AS
  SELECT t.paid, c.name FROM totals t JOIN customers c ON c.id = t.customer EMIT ON UPDATE;
CREATE MATERIALIZED VIEW everything AS
  SELECT o.id, o.amount, c.name FROM orders o FULL JOIN customers c ON c.id = o.customer EMIT ON UPDATE;
CREATE MATERIALIZED VIEW customers_at_least AS
  SELECT c.name, o.amount FROM (SELECT * FROM orders WHERE amount > 2) o RIGHT JOIN customers c ON o.customer = c.id EMIT ON UPDATE;
CREATE MATERIALIZED VIEW sides AS
  SELECT a.id AS a, b.id AS b FROM customers a FULL JOIN (SELECT * FROM customers WHERE id > 2) b
  ON a.country = b.country AND a.name = b.name EMIT ON UPDATE;
CREATE MATERIALIZED VIEW counted AS
  SELECT c.country, count(*) AS n, count(o.id) AS orders FROM orders o FULL JOIN customers c ON c.id = o.customer
  GROUP BY c.country EMIT ON UPDATE;
CREATE MATERIALIZED VIEW chained AS
  SELECT o.id, c.name, t.paid FROM orders o JOIN customers c ON c.id = o.customer
  LEFT JOIN totals t ON t.customer = c.id WHERE o.amount <> 7 EMIT ON UPDATE;
CREATE MATERIALIZED VIEW beside AS
  SELECT c.name, p.id, p.paid FROM customers c
  FULL JOIN (SELECT o.id, o.customer, t.paid FROM orders o RIGHT JOIN totals t ON t.customer = o.customer) p ON p.customer = c.id
  EMIT ON UPDATE;
CREATE MATERIALIZED VIEW four AS
  SELECT c.country, count(*) AS n, sum(t.paid) AS paid, count(m.id) AS mates
  FROM orders o JOIN customers c ON c.id = o.customer JOIN totals t ON t.customer = c.id
  LEFT JOIN customers m ON m.country = c.country GROUP BY c.country EMIT ON UPDATE;
";
const LATER: &str = "
CREATE MATERIALIZED VIEW later AS
  SELECT p.id, p.name, t.paid FROM perhaps p LEFT JOIN totals t ON t.customer = p.id EMIT ON UPDATE;
";
const VIEWS: [&str; 13] = [
    "named",
    "perhaps",
    "ordering",
    "mates",
    "countries",
    "payers",
    "everything",
    "customers_at_least",
    "sides",
    "counted",
    "chained",
    "beside",
    "four",
];

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |value| value.to_string())
}

type Customer = (Option<String>, Option<String>);

#[derive(Debug, Default)]
struct Model {
    customers: BTreeMap<i64, Customer>,
    orders: BTreeMap<i64, (Option<i64>, i64)>,
    totals: BTreeMap<i64, i64>,
}

impl Model {
    /// Each order with its customer, if there is one.
    fn ordered(&self) -> impl Iterator<Item = (i64, i64, Option<&Customer>)> {
        let orders = self.orders.iter();
        orders.map(|(id, (customer, amount))| {
            let customer = customer.and_then(|id| self.customers.get(&id));
            (*id, *amount, customer)
        })
    }

    /// The rows of each view, in the order of `VIEWS`, then those of `later`.
    fn rows(&self) -> [Vec<String>; 14] {
        let named = self.ordered().filter(|(_, amount, _)| *amount != 7);
        let named = named.filter_map(|(id, amount, customer)| {
            Some(format!("{id}|{amount}|{}", shown(customer?.0.as_ref())))
        });
        let perhaps = self.ordered().map(|(id, _, customer)| {
            let name = customer.and_then(|customer| customer.0.as_ref());
            let country = customer.and_then(|customer| customer.1.as_ref());
            format!("{id}|{}|{}", shown(name), shown(country))
        });
        let mut ordering = Vec::new();
        for (id, (name, _)) in &self.customers {
            let own = self.orders.values();
            let own = own.filter(|(customer, amount)| *customer == Some(*id) && *amount > 2);
            let own: Vec<String> = own.map(|(_, amount)| amount.to_string()).collect();
            let name = shown(name.as_ref());
            match own.is_empty() {
                true => ordering.push(format!("{name}|NULL")),
                false => ordering.extend(own.iter().map(|amount| format!("{name}|{amount}"))),
            }
        }
        let mut mates = Vec::new();
        for (a, (_, country)) in &self.customers {
            let others = self.customers.range(a + 1..);
            let others = others.filter(|(_, other)| country.is_some() && other.1 == *country);
            mates.extend(others.map(|(b, _)| format!("{a}|{b}")));
        }
        let mut countries: BTreeMap<Option<&String>, Vec<i64>> = BTreeMap::new();
        for (_, amount, customer) in self.ordered() {
            if let Some((_, country)) = customer {
                countries.entry(country.as_ref()).or_default().push(amount);
            }
        }
        let countries = countries.into_iter().map(|(country, amounts)| {
            let (n, sum) = (amounts.len(), amounts.iter().sum::<i64>());
            let most = amounts.iter().max().unwrap();
            format!("{}|{n}|{sum}|{most}", shown(country))
        });
        let payers = self.totals.iter().filter_map(|(customer, paid)| {
            let (name, _) = self.customers.get(customer)?;
            Some(format!("{paid}|{}", shown(name.as_ref())))
        });
        let later = self.ordered().map(|(id, _, customer)| {
            let name = customer.and_then(|customer| customer.0.as_ref());
            format!("{id}|{}|{}", shown(name), shown(self.totals.get(&id)))
        });
        [
            named.collect(),
            perhaps.collect(),
            ordering.clone(),
            mates,
            countries.collect(),
            payers.collect(),
            self.everything(),
            ordering,
            self.sides(),
            self.counted(),
            self.chained(),
            self.beside(),
            self.four(),
            later.collect(),
        ]
        .map(|mut rows: Vec<String>| {
            rows.sort();
            rows
        })
    }
}

/// Joins of which rows of both sides come alone.
impl Model {
    /// Customers without an order.
    fn resting(&self) -> impl Iterator<Item = &Customer> {
        let customers = self.customers.iter().filter(|(id, _)| {
            let mut orders = self.orders.values();
            orders.all(|(customer, _)| *customer != Some(**id))
        });
        customers.map(|(_, customer)| customer)
    }

    fn everything(&self) -> Vec<String> {
        let ordered = self.ordered().map(|(id, amount, customer)| {
            let name = customer.and_then(|customer| customer.0.as_ref());
            format!("{id}|{amount}|{}", shown(name))
        });
        let alone = self.resting();
        let alone = alone.map(|(name, _)| format!("NULL|NULL|{}", shown(name.as_ref())));
        ordered.chain(alone).collect()
    }

    /// Customers beside those of id 3 and above that are alike; a name or country that is not known is like
    /// none.
    fn sides(&self) -> Vec<String> {
        let alike = |a: &Customer, b: &Customer| a.0.is_some() && a.1.is_some() && a == b;
        let mut rows = Vec::new();
        let (mut left, mut right) = (BTreeSet::new(), BTreeSet::new());
        for (a, one) in &self.customers {
            for (b, other) in self.customers.range(3..) {
                if alike(one, other) {
                    rows.push(format!("{a}|{b}"));
                    left.insert(*a);
                    right.insert(*b);
                }
            }
        }
        let alone = self.customers.keys().filter(|a| !left.contains(*a));
        rows.extend(alone.map(|a| format!("{a}|NULL")));
        let alone = self.customers.range(3..);
        let alone = alone.filter(|(b, _)| !right.contains(*b));
        rows.extend(alone.map(|(b, _)| format!("NULL|{b}")));
        rows
    }

    fn counted(&self) -> Vec<String> {
        let mut countries: BTreeMap<Option<&String>, (usize, usize)> = BTreeMap::new();
        for (_, _, customer) in self.ordered() {
            let country = customer.and_then(|customer| customer.1.as_ref());
            let (rows, orders) = countries.entry(country).or_default();
            (*rows, *orders) = (*rows + 1, *orders + 1);
        }
        for (_, country) in self.resting() {
            countries.entry(country.as_ref()).or_default().0 += 1;
        }
        let countries = countries.into_iter();
        let rows =
            countries.map(|(country, (n, orders))| format!("{}|{n}|{orders}", shown(country)));
        rows.collect()
    }
}

/// Joins of more than two.
impl Model {
    fn chained(&self) -> Vec<String> {
        let ordered = self.orders.iter().filter(|(_, (_, amount))| *amount != 7);
        let rows = ordered.filter_map(|(id, (customer, _))| {
            let (name, _) = self.customers.get(&(*customer)?)?;
            let paid = self.totals.get(&(*customer)?);
            Some(format!("{id}|{}|{}", shown(name.as_ref()), shown(paid)))
        });
        rows.collect()
    }

    fn beside(&self) -> Vec<String> {
        let mut rows = Vec::new();
        // Orders beside what was paid; what was paid without an order has no customer.
        let orders = |customer: i64| {
            let orders = self.orders.iter();
            orders.filter(move |(_, (of, _))| *of == Some(customer))
        };
        for (customer, paid) in &self.totals {
            let name = self.customers.get(customer).map(|(name, _)| name.as_ref());
            let name = shown(name.flatten());
            rows.extend(orders(*customer).map(|(id, _)| format!("{name}|{id}|{paid}")));
            if orders(*customer).next().is_none() {
                rows.push(format!("NULL|NULL|{paid}"));
            }
        }
        for (id, (name, _)) in &self.customers {
            if !self.totals.contains_key(id) || orders(*id).next().is_none() {
                rows.push(format!("{}|NULL|NULL", shown(name.as_ref())));
            }
        }
        rows
    }

    fn four(&self) -> Vec<String> {
        let mut countries: BTreeMap<Option<&String>, (usize, i64, usize)> = BTreeMap::new();
        for (customer, _) in self.orders.values() {
            let of = customer.and_then(|id| self.customers.get(&id).zip(self.totals.get(&id)));
            let Some(((_, country), paid)) = of else {
                continue;
            };
            let mates = self.customers.values();
            let mates = mates.filter(|(_, other)| country.is_some() && other == country);
            let mates = mates.count();
            let sums = countries.entry(country.as_ref()).or_default();
            let times = mates.max(1);
            sums.0 += times;
            sums.1 += paid * i64::try_from(times).unwrap();
            sums.2 += mates;
        }
        let rows = countries.into_iter();
        let rows = rows
            .map(|(country, (n, paid, mates))| format!("{}|{n}|{paid}|{mates}", shown(country)));
        rows.collect()
    }
}

/// The columns that were selected: keys that were not come behind them.
fn selected(rows: Vec<String>, columns: usize) -> Vec<String> {
    let cut = |row: String| row.split('|').take(columns).collect::<Vec<_>>().join("|");
    let mut rows: Vec<String> = rows.into_iter().map(cut).collect();
    rows.sort();
    rows
}

fn happen(world: &World, model: &mut Model, random: &mut Random) {
    let some = |random: &mut Random, of: usize| i64::try_from(random.below(of)).unwrap();
    let text = |random: &mut Random, from: &[&str]| {
        let at = random.below(from.len() + 1);
        from.get(at).map(|text| (*text).to_owned())
    };
    for _ in 0..=random.below(3) {
        match random.below(7) {
            0 | 1 => {
                let id = some(random, 6);
                let (name, country) = (text(random, &["a", "b", "c"]), text(random, &["de", "fr"]));
                let row = json!({"id": id, "name": name, "country": country, "_deleted": false});
                world.push("customers", &[row]);
                model.customers.insert(id, (name, country));
            }
            2 => {
                let id = some(random, 6);
                world.push("customers", &[json!({"id": id, "_deleted": true})]);
                model.customers.remove(&id);
            }
            3 | 4 => {
                let (id, amount) = (some(random, 12), some(random, 9));
                let customer = (random.below(6) > 0).then(|| some(random, 7));
                let row =
                    json!({"id": id, "customer": customer, "amount": amount, "_deleted": false});
                world.push("orders", &[row]);
                model.orders.insert(id, (customer, amount));
            }
            5 => {
                let id = some(random, 12);
                world.push("orders", &[json!({"id": id, "_deleted": true})]);
                model.orders.remove(&id);
            }
            _ => {
                let (customer, paid) = (some(random, 7), some(random, 5));
                let row = json!({"customer": customer, "paid": paid, "at": at(START)});
                world.push("payments", &[row]);
                *model.totals.entry(customer).or_default() += paid;
            }
        }
    }
}

#[tokio::test]
async fn pairs_are_those_of_the_rows_whatever_changes() {
    let widths = [3, 3, 2, 2, 4, 2, 3, 2, 2, 3, 3, 3, 4];
    let (mut deaths, mut seen, mut verified) = (0, [0; 14], 0);
    for (seed, threads, step, state) in [
        (1, 1, 8 << 20, 64 << 20),
        (2, 2, 3_000, 0),
        (3, 8, 1, 1 << 12),
        (4, 2, 8 << 20, 0),
    ] {
        let pace = Pace {
            threads,
            step,
            state,
            ..USUAL
        };
        let mut world = World::paced(BASE, pace);
        let (mut random, mut model) = (Random(seed), Model::default());
        for round in 0..120 {
            happen(&world, &mut model, &mut random);
            match random.below(20) {
                0 => {
                    world.die();
                    world.open();
                    deaths += 1;
                }
                1 | 2 => drop(world.apply_checkpoints()),
                3 => world.finish(),
                4 => world.flush(["customers", "orders", "payments"][random.below(3)]),
                _ => {}
            }
            if round == 60 {
                world.declare(LATER);
            }
            if random.below(3) > 0 {
                continue;
            }
            world.settle();
            let expected = model.rows();
            for ((view, width), expected) in VIEWS.iter().zip(widths).zip(&expected) {
                let rows = selected(world.rows(view), width);
                assert_eq!(rows, *expected, "seed {seed}, round {round}, {view}");
            }
            if round > 60 {
                let rows = selected(world.rows("later"), 3);
                assert_eq!(rows, expected[13], "seed {seed}, round {round}, later");
            }
            for (seen, rows) in seen.iter_mut().zip(&expected) {
                *seen += rows.len();
            }
            if random.below(12) == 0 {
                world.swap();
                world.settle();
                for view in VIEWS {
                    let wrong = differences(&world, view).await;
                    assert!(
                        wrong.is_empty(),
                        "seed {seed}, round {round}, {view}: {wrong:#?}"
                    );
                    verified += 1;
                }
            }
        }
    }
    assert!(
        deaths > 5 && verified > 30 && seen.iter().all(|rows| *rows > 100),
        "{deaths} {seen:?}"
    );
}
