//! The promises of workers, tried on a real broker (`MAINSTEM_KAFKA`). Every test has topics of its own.

#![cfg(feature = "engines")]

mod bed;
mod dying;

use std::time::Duration;

use mainstem_kernel::Clock as _;
use mainstem_kernel::clock::SystemClock;

use super::fixture::until;
use bed::{Bed, DECLARED};

#[test]
fn a_row_sees_what_was_acknowledged_before_it() {
    let Some(bed) = Bed::open("lookup", DECLARED) else {
        return;
    };
    let workers = bed.workers();
    bed.table(&[("v1", Some("One")), ("v2", Some("Two"))]);
    bed.readings(&[("v1", 1), ("v2", 2), ("v3", 3), ("v1", -4)]);
    bed.expect_input(&[("v1", 1, "One"), ("v2", 2, "Two")]);
    // Changed and deleted, many times, each seen by what comes after it.
    let mut expected = vec![("v1", 1, "One"), ("v2", 2, "Two")];
    let names: Vec<String> = (0..8).map(|turn| format!("Model {turn}")).collect();
    let start = SystemClock.monotonic();
    for (n, name) in (10_i64..).zip(&names) {
        bed.table(&[("v1", Some(name)), ("v2", None)]);
        bed.readings(&[("v1", n), ("v2", n)]);
        expected.push(("v1", n, name));
    }
    bed.expect_input(&expected);
    println!(
        "8 changes, each seen: {:?}",
        SystemClock.monotonic().saturating_sub(start)
    );
    let health = workers.health();
    let view = health
        .iter()
        .find(|own| own.name.as_str() == "seen")
        .unwrap();
    assert_eq!((view.partitions, view.rows, view.out), (4, 20, 10));
    assert_eq!(view.problem, None);
    workers.close();
}

#[test]
fn rows_on_which_a_view_fails_are_its_dead_letters() {
    let sql = format!(
        "{DECLARED} CREATE MATERIALIZED VIEW parts AS SELECT v.model, sum(100 / r.n) AS parts \
         FROM readings r JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v \
         ON v.vehicle_id = r.vehicle_id WHERE 100 / r.n > 0 GROUP BY v.model EMIT ON UPDATE;"
    );
    let Some(bed) = Bed::open("letters", &sql) else {
        return;
    };
    let workers = bed.workers();
    bed.table(&[("v1", Some("One"))]);
    bed.readings(&[("v1", 1), ("v1", 0), ("v1", 2)]);
    let letters = bed.wait_for("parts_dead_letters", "", 1);
    assert!(letters[0].contains("FLOW-010"), "{letters:?}");
    assert!(letters[0].contains("zero"), "{letters:?}");
    assert_eq!(bed.wait_for("parts", "-input", 2).len(), 2);
    workers.close();
}

#[test]
fn what_comes_twice_is_left_out_also_by_whoever_takes_over() {
    let Some(bed) = Bed::open("unique", DECLARED) else {
        return;
    };
    let first = bed.workers();
    bed.events(&[("a", 1), ("b", 2), ("a", 3), ("a", 1)]);
    let unique = bed.wait_for("events", "-unique", 2);
    assert_eq!(unique.len(), 2, "{unique:?}");
    first.close();
    // Another node knows what the first one has seen.
    let second = bed.workers();
    bed.events(&[("a", 4), ("c", 5), ("b", 6), ("c", 7)]);
    bed.wait_for("events", "-unique", 3);
    bed.events(&[("a", 8), ("d", 9)]);
    // What comes last on every partition comes behind all of it.
    let last: Vec<String> = (0..16).map(|n| format!("last {n}")).collect();
    let last: Vec<(&str, i64)> = last.iter().map(|id| (id.as_str(), 10)).collect();
    bed.events(&last);
    let mut unique = bed.wait_for("events", "-unique", 4 + last.len());
    unique.retain(|line| !line.contains("last"));
    unique.sort();
    let expected = [("a", 1), ("b", 2), ("c", 5), ("d", 9)];
    let expected = expected.map(|(id, n)| format!("{{\"id\":\"{id}\",\"n\":{n}}}"));
    assert_eq!(unique, expected);
    second.close();
}

#[test]
fn what_tells_rows_apart_counts_for_its_span() {
    let sql = DECLARED.replace("WITHIN '1 hour'", "WITHIN '1 second'");
    let Some(bed) = Bed::open("span", &sql) else {
        return;
    };
    let workers = bed.workers();
    bed.events(&[("a", 1), ("b", 1)]);
    bed.wait_for("events", "-unique", 2);
    let start = SystemClock.monotonic();
    let mut turn = 1;
    // It comes until it counts as new.
    until("the span is over", || {
        turn += 1;
        bed.events(&[("a", turn)]);
        bed.lines("events", "-unique").len() > 2
    });
    let waited = SystemClock.monotonic().saturating_sub(start);
    assert!(waited > Duration::from_millis(900), "{waited:?}");
    assert!(bed.lines("events", "-unique").len() < 5);
    workers.close();
}
