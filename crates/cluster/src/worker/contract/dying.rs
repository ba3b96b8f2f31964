//! A worker dies, or is held up, in the middle of its work; another takes over.

use std::process::{Child, Command};

use mainstem_kernel::{Clock as _, clock::SystemClock};

use super::bed::{Bed, DECLARED};
use crate::worker::fixture::until;

/// Tells a process of this test whose application it works for.
const CHILD: &str = "MAINSTEM_TEST_WORKER";
const ROWS: i64 = 6_000;

/// What the processes run: works until it is killed.
#[test]
#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
fn worker_process() {
    let Ok(prefix) = std::env::var(CHILD) else {
        return;
    };
    let Some(bed) = Bed::of("worker", prefix, DECLARED) else {
        return;
    };
    let _workers = bed.workers();
    loop {
        std::thread::park();
    }
}

struct Process(Child);

impl Process {
    fn start(bed: &Bed) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--nocapture",
                "--exact",
                "worker::contract::dying::worker_process",
            ])
            .env(CHILD, &bed.kafka.topic_prefix)
            .spawn();
        Self(child.unwrap())
    }

    fn signal(&self, signal: &str) {
        let id = self.0.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Rows come while one worker dies or is held up, and another is there.
fn taken_over(test: &str, happens: impl Fn(&Process), afterwards: impl Fn(&Process)) {
    let Some(bed) = Bed::open(test, DECLARED) else {
        return;
    };
    bed.table(&[("v0", Some("m0")), ("v1", Some("m1")), ("v2", Some("m2"))]);
    let process = Process::start(&bed);
    let ids: Vec<String> = (0..ROWS).map(|n| format!("e{n}")).collect();
    let send = |from: i64, to: i64| {
        for start in (from..to).step_by(500) {
            let vehicles = ["v0", "v1", "v2"];
            let row = |n: i64| (vehicles[usize::try_from(n % 3).unwrap()], n + 1);
            bed.readings(&(start..start + 500).map(row).collect::<Vec<_>>());
            // Each twice.
            let own = usize::try_from(start).unwrap();
            let event = |(n, id): (i64, &'_ String)| -> (String, i64) { (id.clone(), n) };
            let events: Vec<_> = (start..).zip(&ids[own..own + 500]).map(event).collect();
            let events: Vec<(&str, i64)> = events.iter().map(|(id, n)| (id.as_str(), *n)).collect();
            bed.events(&events);
            bed.events(&events);
        }
    };
    send(0, ROWS / 2);
    until("some is done", || {
        bed.lines("seen", "-input").len() > 500 && bed.lines("events", "-unique").len() > 500
    });
    happens(&process);
    let start = SystemClock.monotonic();
    let heir = bed.workers();
    send(ROWS / 2, ROWS);
    let rows = usize::try_from(ROWS).unwrap();
    until("all is looked up", || {
        bed.lines("seen", "-input").len() >= rows
    });
    until("all is there once", || {
        bed.lines("events", "-unique").len() >= rows
    });
    println!(
        "{test}: done after {:?}",
        SystemClock.monotonic().saturating_sub(start)
    );
    afterwards(&process);
    let mut seen = bed.lines("seen", "-input");
    seen.sort();
    seen.dedup();
    assert_eq!(
        (seen.len(), bed.lines("seen", "-input").len()),
        (rows, rows)
    );
    let unique = bed.lines("events", "-unique");
    let mut each: Vec<&str> = unique
        .iter()
        .filter_map(|row| row.split('"').nth(3))
        .collect();
    each.sort_unstable();
    each.dedup();
    assert_eq!((each.len(), unique.len()), (rows, rows), "each event once");
    let health = heir.health();
    let work: u64 = health.iter().map(|own| own.out).sum();
    assert!(work > 0, "the heir has worked: {health:?}");
    heir.close();
}

#[test]
fn a_worker_that_is_killed_loses_nothing_and_does_nothing_twice() {
    taken_over("killed", |process| process.signal("-9"), |_| {});
}

#[test]
fn a_worker_that_was_held_up_writes_nothing_that_another_has_done() {
    taken_over(
        "zombie",
        |process| process.signal("-STOP"),
        |process| {
            process.signal("-CONT");
            // It finds out, and what it had begun is not there; it goes on as one of two.
            let start = SystemClock.monotonic();
            until("it had time to do harm", || {
                SystemClock.monotonic().saturating_sub(start) > std::time::Duration::from_secs(4)
            });
        },
    );
}
