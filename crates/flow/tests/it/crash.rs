//! The power goes at each call of disk and store, and each call fails once: of checkpoint, applier,
//! rebuild, swap and rollback, and of the reads and appends below them. After a start every view is
//! what it is without, and nothing left twice.

use std::{collections::BTreeSet, path::Path, sync::atomic::Ordering, time::Duration};

use mainstem_catalog::{Change, Stage};
use mainstem_disk::{Disk, Failure, FailureKind};
use mainstem_sql::{ViewEngine, view::Progress};

use crate::{
    bank::{BANK, check_zero, happen},
    settings::setting,
    world::{Pace, Random, START, USUAL, World},
};

/// Every so manieth call is tried by `cargo test`; `cargo xtask sim crashes` tries each.
const STRIDE: u64 = 11;
/// Rounds of a life.
const ROUNDS: usize = 60;
/// Rounds after which a view is finished, or hangs.
const PATIENCE: usize = 40;

/// What comes later: a view that is changed, the one that reads it, and new ones.
const LATER: &str = "
CREATE MATERIALIZED VIEW balances AS
SELECT account, sum(amount) AS balance, count(*) AS n, max(amount) AS most FROM entries
GROUP BY account EMIT ON UPDATE;
CREATE MATERIALIZED VIEW total AS
SELECT sum(balance) AS balance, sum(n) AS n, max(most) AS most FROM balances EMIT ON UPDATE;
CREATE MATERIALIZED VIEW corrected AS
SELECT window_start, window_end, count(*) AS n, min(amount) AS least, max(amount) AS most
FROM TUMBLE(entries, at, INTERVAL '1 minute') e
GROUP BY window_start, window_end EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '5 minutes';
CREATE MATERIALIZED VIEW placed AS
SELECT e.account, e.amount, e.at, a.branch FROM entries e
LEFT JOIN accounts FOR SYSTEM_TIME AS OF PROCTIME() a ON a.account = e.account;
CREATE MATERIALIZED VIEW halves AS
SELECT window_start, window_end, branch, count(*) AS n, sum(amount) AS amount
FROM TUMBLE(placed, at, INTERVAL '30 seconds') b
GROUP BY window_start, window_end, branch EMIT ON WINDOW CLOSE;
";

/// What is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// A call of the disk.
    Disk(FailureKind),
    /// A call of the store.
    Store,
    /// A read or append of the log.
    Log,
}

/// One life of an application, as often as it is started again.
struct Life {
    world: World,
    fault: Fault,
    seed: u64,
    starts: usize,
}

impl Life {
    /// All that happens, with a fault at a call.
    fn of(fault: Fault, call: u64) -> Self {
        let pace = Pace {
            step: 1_500,
            state: 1 << 12,
            ..USUAL
        };
        let world = World::paced(BANK, pace);
        let mut life = Self {
            world,
            fault,
            seed: call,
            starts: 0,
        };
        match fault {
            Fault::Nothing => {}
            Fault::Disk(kind) => life.world.disk.fail(Failure { call, kind }),
            Fault::Store => life.world.store.fail(call),
            Fault::Log => life.world.trap.failing.store(call + 1, Ordering::SeqCst),
        }
        let mut random = Random(77);
        let mut now = START;
        for round in 0..ROUNDS {
            happen(&life.world, &mut random, &mut now);
            if round == ROUNDS / 3 {
                life.world.flush("entries");
                life.world.declare(LATER);
            }
            life.go_on(round % 3 == 0);
        }
        life.end();
        life.roll_back();
        for _ in 0..ROUNDS / 10 {
            happen(&life.world, &mut random, &mut now);
            life.go_on(true);
        }
        life.end();
        life
    }

    /// Brings back what was replaced.
    fn roll_back(&mut self) {
        let defs = self.world.defs();
        let views = defs.views.values();
        let replaced = views.filter(|def| matches!(def.stage, Stage::Replaced { .. }));
        let changes: Vec<Change> = replaced
            .map(|def| Change::RestoreView { id: def.id })
            .collect();
        assert_eq!(changes.len(), 3);
        self.world.apply(changes);
    }

    /// A few rounds of work; starts again whenever it has to.
    fn go_on(&mut self, applies: bool) {
        for _ in 0..3 {
            let has_failed = self.world.work().is_err();
            let has_failed = has_failed || applies && self.world.try_apply().is_err();
            if has_failed || self.is_broken() {
                self.start_again();
            }
            check_zero(&self.world);
        }
        self.world.swap();
    }

    /// Whether somebody has to start it again: the disk is gone, or a view stands still.
    fn is_broken(&self) -> bool {
        let is_dark = self.world.disk.stat(Path::new("/")).is_err();
        let defs = self.world.defs();
        let mut views = defs.views.keys();
        let is_paused = |id| {
            let status = self.world.application().status(id);
            status.is_some_and(|status| matches!(status.progress, Progress::Paused(_)))
        };
        is_dark || views.any(|id| is_paused(*id))
    }

    /// As after a power cut, or as after `kill -9`.
    fn start_again(&mut self) {
        self.starts += 1;
        if matches!(
            self.fault,
            Fault::Disk(FailureKind::PowerLoss) | Fault::Store
        ) {
            self.world.lose_power(self.seed);
        } else {
            self.world.die();
        }
        // The call that fails may be one of the start.
        if self.world.try_open().is_err() {
            self.world.try_open().unwrap();
        }
    }

    /// Works until everything is built, swapped in, in the log and in the store.
    fn end(&mut self) {
        for _ in 0..PATIENCE {
            self.go_on(true);
            self.world.advance(Duration::from_secs(2));
            let defs = self.world.defs();
            let mut views = defs.views.values().filter(|def| def.is_running());
            let frontier = self.world.log.frontier();
            let is_live = views.all(|def| {
                let status = self.world.status(def.id);
                status.is_some_and(|s| s.progress == Progress::Live && s.frontier == frontier)
            });
            if is_live && !self.is_broken() {
                self.world.finish();
                return;
            }
        }
        panic!("it hangs: {:?}", self.world.application().health());
    }

    /// Everything that readers see, and everything that has left.
    fn told(&self) -> Vec<(String, Vec<String>)> {
        let world = &self.world;
        let defs = world.defs();
        let names: BTreeSet<&str> = defs
            .views
            .values()
            .map(|def| def.spec.name.as_str())
            .collect();
        let mut told = Vec::new();
        for name in names {
            let def = &defs.views[&world.id(name)];
            let mut rows = match def.spec.emit.is_stream() {
                true => world.seen(name),
                false => world.rows(name),
            };
            rows.sort();
            told.push((name.to_owned(), rows));
            let mut aside = vec![format!("{name}_dead_letters")];
            aside.extend(def.late.map(|_| format!("{name}_late")));
            for stream in aside {
                let mut rows = world.logged(&stream);
                rows.sort();
                told.push((stream, rows));
            }
        }
        told.push(("accounts".to_owned(), world.rows("accounts")));
        told
    }
}

/// Tries a fault at every call that a life without faults makes.
fn sweep(fault: Fault, calls: u64, stride: u64) -> usize {
    let whole = Life::of(Fault::Nothing, 0).told();
    assert!(
        whole.iter().filter(|(_, rows)| !rows.is_empty()).count() > 7,
        "{whole:#?}"
    );
    let mut starts = 0;
    let first = stride.min(3) - 1;
    for call in (first..calls).step_by(usize::try_from(stride).unwrap()) {
        let life = Life::of(fault, call);
        assert_eq!(life.told(), whole, "{fault:?} at call {call} of {calls}");
        starts += life.starts;
    }
    println!("{fault:?}: {calls} calls, every {stride}: {starts} starts");
    starts
}

fn stride(times: u64) -> u64 {
    match setting("MAINSTEM_SIM_STRIDE", 0) {
        0 => STRIDE * times,
        stride => stride,
    }
}

fn disk_calls() -> u64 {
    Life::of(Fault::Nothing, 0).world.disk.calls()
}

#[test]
fn sim_crash_at_each_call_of_the_disk() {
    let calls = disk_calls();
    assert!(calls > 100, "a life does little: {calls}");
    assert!(sweep(Fault::Disk(FailureKind::PowerLoss), calls, stride(1)) > 5);
}

#[test]
fn sim_crash_after_each_call_of_the_disk_that_fails() {
    let calls = disk_calls();
    for kind in [FailureKind::Io, FailureKind::Full, FailureKind::ShortWrite] {
        sweep(Fault::Disk(kind), calls, stride(3));
    }
}

#[test]
fn sim_crash_at_each_call_of_the_store() {
    let calls = Life::of(Fault::Nothing, 0).world.store.calls();
    assert!(sweep(Fault::Store, calls, stride(1)) > 1);
}

#[test]
fn sim_crash_after_each_call_of_the_log_that_fails() {
    let whole = Life::of(Fault::Nothing, 0);
    let calls = whole.world.trap.calls.load(Ordering::SeqCst);
    assert!(sweep(Fault::Log, calls, stride(7)) > 1);
}
