//! A bank: transfers between ten accounts, up to 10 s out of order, and views of them whose sums are
//! zero at every frontier.

use std::time::Duration;

use serde_json::json;

use crate::world::{Random, SECOND, World, at};

/// Ten accounts, transfers between them, up to 10 s out of order.
pub(crate) const BANK: &str = "
CREATE STREAM entries (
  account BIGINT NOT NULL, amount BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
);
CREATE TABLE accounts (account BIGINT PRIMARY KEY, branch TEXT);
CREATE MATERIALIZED VIEW balances AS
SELECT account, sum(amount) AS balance, count(*) AS n FROM entries GROUP BY account EMIT ON UPDATE;
CREATE MATERIALIZED VIEW total AS
SELECT sum(balance) AS balance, sum(n) AS n FROM balances EMIT ON UPDATE;
CREATE MATERIALIZED VIEW minutes AS
SELECT window_start, window_end, account, sum(amount) AS amount, count(*) AS n
FROM TUMBLE(entries, at, INTERVAL '1 minute') e
GROUP BY window_start, window_end, account EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW corrected AS
SELECT window_start, window_end, count(*) AS n, min(amount) AS least
FROM TUMBLE(entries, at, INTERVAL '1 minute') e
GROUP BY window_start, window_end EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '5 minutes';
CREATE MATERIALIZED VIEW branches AS
SELECT e.account, e.amount, a.branch FROM entries e
JOIN accounts FOR SYSTEM_TIME AS OF PROCTIME() a ON a.account = e.account;
";

/// Everything that readers see.
pub(crate) fn shown(world: &World) -> Vec<(&'static str, Vec<String>)> {
    let keyed = ["balances", "total", "corrected", "accounts"].map(|name| (name, world.rows(name)));
    let streams = ["minutes", "branches"].map(|name| (name, world.seen(name)));
    keyed.into_iter().chain(streams).collect()
}

/// Everything that has left.
pub(crate) fn left(world: &World) -> Vec<Vec<String>> {
    let streams = [
        "minutes",
        "branches",
        "minutes_late",
        "corrected_dead_letters",
    ];
    streams.map(|name| world.logged(name)).to_vec()
}

/// Appends one random thing; a transfer is one frame, so every frontier has whole transfers.
pub(crate) fn happen(world: &World, random: &mut Random, now: &mut i64) {
    let pause = random.between(0, 6_000);
    world.advance(Duration::from_millis(pause.unsigned_abs()));
    *now += pause * 1_000;
    if random.below(8) == 0 {
        let account = random.between(0, 10);
        let branch = ["north", "south"][random.below(2)];
        let deleted = random.below(4) == 0;
        world.push(
            "accounts",
            &[json!({"account": account, "branch": branch, "_deleted": deleted})],
        );
        return;
    }
    let mut rows = Vec::new();
    for _ in 0..1 + random.below(4) {
        let (from, to) = (random.between(0, 10), random.between(0, 10));
        let (amount, behind) = (random.between(1, 100), random.between(0, 10 * SECOND));
        // Now and then one is far too late.
        let behind = if random.below(40) == 0 {
            behind * 60
        } else {
            behind
        };
        let time = at(*now - behind);
        rows.push(json!({"account": from, "amount": -amount, "at": time}));
        rows.push(json!({"account": to, "amount": amount, "at": time}));
    }
    world.push("entries", &rows);
}

pub(crate) fn check_zero(world: &World) {
    let total = world.rows("total");
    let is_zero = total.iter().all(|row| row.starts_with("0|"));
    assert!(is_zero && total.len() <= 1, "{total:?}");
}
