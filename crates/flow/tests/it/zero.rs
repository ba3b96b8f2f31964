//! Zero-sum: transfers among ten accounts, up to 10 s out of order, joins and windows between, deaths
//! meanwhile: the sum is zero at every output.

use std::{sync::Arc, time::Duration};

use datafusion::arrow::{
    array::{
        Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    },
    datatypes::Int64Type,
};
use mainstem_kernel::{Seq, TenantId, clock::Clock};
use mainstem_log::ReadFrom;
use serde_json::json;

use crate::{
    settings::setting,
    world::{Pace, Random, SECOND, USUAL, World},
};

/// Transfers of a run by `cargo test`; `cargo xtask sim zero-sum` makes ten million.
const TRANSFERS: u64 = 20_000;
/// How late an entry may come.
const BEHIND: i64 = 10 * SECOND;
/// The tables and views that are checked between every two appends.
const ACCOUNTS: i64 = 10;

const BANK: &str = "
CREATE STREAM entries (
  account BIGINT NOT NULL, amount BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
);
CREATE TABLE accounts (account BIGINT PRIMARY KEY, branch TEXT);
CREATE MATERIALIZED VIEW balances AS
SELECT account, sum(amount) AS balance, count(*) AS n FROM entries GROUP BY account EMIT ON UPDATE;
CREATE MATERIALIZED VIEW total AS
SELECT sum(balance) AS amount, sum(n) AS n FROM balances EMIT ON UPDATE;
CREATE MATERIALIZED VIEW by_home AS
SELECT a.branch, sum(e.amount) AS amount, count(*) AS n FROM entries e
JOIN accounts FOR SYSTEM_TIME AS OF PROCTIME() a ON a.account = e.account
GROUP BY a.branch EMIT ON UPDATE;
CREATE MATERIALIZED VIEW home_total AS
SELECT sum(amount) AS amount, sum(n) AS n FROM by_home EMIT ON UPDATE;
CREATE MATERIALIZED VIEW by_branch AS
SELECT window_start AS slice, a.branch, sum(e.amount) AS amount, count(*) AS n
FROM TUMBLE(entries, at, INTERVAL '10 seconds') e
JOIN accounts FOR SYSTEM_TIME AS OF PROCTIME() a ON a.account = e.account
GROUP BY window_start, window_end, a.branch EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW by_minute AS
SELECT window_start, sum(amount) AS amount, sum(n) AS n
FROM TUMBLE(by_branch, slice, INTERVAL '1 minute') b
GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW corrected AS
SELECT window_start, window_end, account, sum(amount) AS amount, count(*) AS n
FROM TUMBLE(entries, at, INTERVAL '1 minute') e
GROUP BY window_start, window_end, account EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '5 minutes';
CREATE MATERIALIZED VIEW corrected_total AS
SELECT sum(amount) AS amount, sum(n) AS n FROM corrected EMIT ON UPDATE;
";

/// Views of one row whose amount is zero.
const TOTALS: [&str; 3] = ["total", "home_total", "corrected_total"];

/// A run.
struct Run {
    world: World,
    random: Random,
    /// Rows of `by_minute` up to here were seen; what is before it is gone from the log.
    minutes_seen: Seq,
    minutes: u64,
    outputs: u64,
    deaths: u64,
}

#[test]
fn sim_zero_sum_at_every_output() {
    let transfers = setting("MAINSTEM_SIM_TRANSFERS", TRANSFERS);
    let seed = setting("MAINSTEM_SIM_SEED", 1);
    let pace = Pace {
        threads: 2,
        step: 1 << 20,
        state: 1 << 16,
        ..USUAL
    };
    let mut run = Run {
        world: World::paced(BANK, pace),
        random: Random(seed),
        minutes_seen: Seq::ZERO,
        minutes: 0,
        outputs: 0,
        deaths: 0,
    };
    let accounts: Vec<_> = (0..ACCOUNTS).map(|account| run.account(account)).collect();
    run.world.push("accounts", &accounts);
    let appends = 100.max(transfers / 5_000);
    let (mut made, mut told) = (0, 0);
    for append in 0..appends {
        let due = transfers * (append + 1) / appends - made;
        run.transfer(due);
        made += due;
        run.work();
        run.rest(append);
        if transfers > TRANSFERS && made * 20 / transfers > told {
            told = made * 20 / transfers;
            println!(
                "{made} transfers: {} outputs, {} minutes, all zero",
                run.outputs, run.minutes
            );
        }
    }
    run.world.finish();
    run.check();
    let counted = format!("0|{}|0", 2 * transfers);
    assert_eq!(
        run.world.rows("total"),
        [counted.as_str()],
        "each entry counts once"
    );
    assert_eq!(run.world.rows("home_total"), [counted]);
    assert!(run.world.logged("by_branch_late").is_empty());
    let Run {
        minutes,
        outputs,
        deaths,
        ..
    } = run;
    println!(
        "{transfers} transfers, {outputs} outputs, {minutes} minutes, {deaths} deaths: the sum is zero"
    );
    assert!(
        minutes > 4 && outputs > appends && deaths > 2,
        "a run that exercised nothing"
    );
}

impl Run {
    fn account(&mut self, account: i64) -> serde_json::Value {
        let branch = ["north", "south", "east"][self.random.below(3)];
        json!({"account": account, "branch": branch, "_deleted": false})
    }

    /// Entries of so many transfers as one append, a second or more after the last: first what is
    /// taken, in any order of time, then what is given.
    fn transfer(&mut self, count: u64) {
        let random = &mut self.random;
        self.world
            .advance(Duration::from_millis(1_000 + random.below(7_000) as u64));
        let now = self.world.clock.now().0;
        let (mut accounts, mut amounts, mut times) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..count {
            accounts.push(random.between(0, ACCOUNTS));
            amounts.push(-random.between(1, 1_000_000));
            times.push(now - random.between(0, BEHIND));
        }
        for at in 0..accounts.len() {
            accounts.push(random.between(0, ACCOUNTS));
            amounts.push(-amounts[at]);
            times.push(times[at]);
        }
        let defs = self.world.defs();
        let stream = defs.stream(TenantId::ONLY, "entries").unwrap();
        let rows = times.len();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(accounts)),
            Arc::new(Int64Array::from(amounts)),
            Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")),
            Arc::new(StringArray::new_null(rows)),
        ];
        let batch = RecordBatch::try_new(stream.spec.columns.body_schema(), columns).unwrap();
        self.world.push_batch("entries", batch);
        if self.random.below(5) == 0 {
            let account = self.random.between(0, ACCOUNTS);
            let moved = self.account(account);
            self.world.push("accounts", &[moved]);
        }
    }

    /// Steps until nothing is left to do; after each, all sums are zero.
    fn work(&mut self) {
        while self.world.work().unwrap() {
            self.check();
        }
        self.check();
    }

    /// Now and then the process dies, or everything is put away and the log forgets it.
    fn rest(&mut self, append: u64) {
        if append % 20 == 19 {
            self.world.finish();
            self.check();
            let (log, frontier) = (&self.world.log, self.world.tables().frontier());
            for (stream, _) in log.extents() {
                log.trim(stream, frontier);
            }
            self.minutes_seen = frontier;
        } else if self.random.below(15) == 0 {
            self.world.die();
            self.world.open();
            self.deaths += 1;
            self.check();
        }
    }

    fn check(&mut self) {
        for name in TOTALS {
            let rows = self.world.rows(name);
            let is_zero = rows.iter().all(|row| row.starts_with("0|"));
            assert!(is_zero && rows.len() <= 1, "{name}: {rows:?}");
            self.outputs += 1;
        }
        let from = ReadFrom {
            after: self.minutes_seen,
            through: Seq::MAX,
            bytes_max: usize::MAX,
        };
        let read = self
            .world
            .log
            .read(self.world.id("by_minute"), from)
            .unwrap();
        for frame in read.frames {
            self.minutes_seen = frame.seq;
            let amounts = frame.batch.column_by_name("amount").unwrap();
            let amounts = amounts.as_primitive::<Int64Type>();
            assert!(amounts.null_count() == 0 && amounts.values().iter().all(|sum| *sum == 0));
            self.minutes += amounts.len() as u64;
        }
    }
}
