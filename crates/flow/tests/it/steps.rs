//! What steps make of rows: aggregates, windows, lookups, views of views; late rows and rows that
//! fail.

use std::{collections::BTreeSet, time::Duration};

use mainstem_kernel::Seq;
use serde_json::json;

use crate::world::{Pace, SECOND, START, USUAL, World, at};

const READINGS: &str = "
CREATE STREAM readings (
  device TEXT, value BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
);
";

#[test]
fn groups_change_as_rows_come() {
    let mut world = World::new(&format!(
        "{READINGS}
         CREATE MATERIALIZED VIEW totals AS
         SELECT device, count(*) AS n, sum(value) AS total, max(value) AS most
         FROM readings GROUP BY device HAVING count(*) > 1 EMIT ON UPDATE;"
    ));
    let now = at(START);
    let seq = world.push(
        "readings",
        &[
            json!({"device": "a", "value": 3, "at": now}),
            json!({"device": "b", "value": 5, "at": now}),
            json!({"device": "a", "value": 4, "at": now}),
            json!({"device": null, "value": 1, "at": now}),
        ],
    );
    world.settle();
    assert_eq!(world.tables().frontier(), seq);
    assert_eq!(world.rows("totals"), ["a|2|7|4"]);
    world.push(
        "readings",
        &[
            json!({"device": null, "value": 2, "at": now}),
            json!({"device": "a", "value": -9, "at": now}),
        ],
    );
    world.settle();
    assert_eq!(world.rows("totals"), ["NULL|2|3|2", "a|3|-2|4"]);
}

#[test]
fn the_frontier_moves_with_the_log_whatever_is_in_it() {
    let mut world = World::new(&format!("{READINGS} CREATE STREAM others (x BIGINT);"));
    world.settle();
    let seq = world.push("others", &[json!({"x": 1})]);
    world.settle();
    assert_eq!(world.tables().frontier(), seq);
}

#[test]
fn windows_close_with_the_watermark_and_late_rows_are_kept_apart() {
    let mut world = World::new(&format!(
        "{READINGS}
         CREATE MATERIALIZED VIEW minutes AS
         SELECT window_start, device, count(*) AS n, sum(100 / value) AS parts
         FROM TUMBLE(readings, at, INTERVAL '1 minute') r
         GROUP BY window_start, window_end, device EMIT ON WINDOW CLOSE;"
    ));
    // 22:13:20 is 20 s into its minute.
    let row = |device: &str, value: i64, seconds: i64| json!({"device": device, "value": value, "at": at(START + seconds * SECOND)});
    world.push(
        "readings",
        &[row("a", 10, 0), row("b", 20, 1), row("a", 0, 2)],
    );
    world.advance(Duration::from_secs(60));
    world.push("readings", &[row("a", 50, 45)]);
    world.settle();
    assert_eq!(world.seen("minutes"), Vec::<String>::new());
    // The watermark passes 22:14:00 by the time of 22:14:10.
    world.push("readings", &[row("b", 1, 50)]);
    world.settle();
    let closed = ["2023-11-14T22:13:00Z|a|1|10", "2023-11-14T22:13:00Z|b|1|5"];
    let mut seen = world.seen("minutes");
    seen.sort();
    assert_eq!(seen, closed);
    world.push("readings", &[row("a", 7, 3)]);
    world.finish();
    let mut logged = world.logged("minutes");
    logged.sort();
    assert_eq!(logged, closed);
    assert_eq!(world.seen("minutes").len(), 2);
    let late = world.logged("minutes_late");
    assert_eq!(late.len(), 1, "{late:?}");
    assert!(
        late[0].starts_with("2023-11-14T22:13:23Z|2023-11-14T22:14:00Z|"),
        "{late:?}"
    );
    let letters = world.logged("minutes_dead_letters");
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(
        letters[0].contains("FLOW-010|division by zero|"),
        "{letters:?}"
    );
}

#[test]
fn a_correction_takes_back_what_was_told() {
    let mut world = World::new(&format!(
        "{READINGS}
         CREATE MATERIALIZED VIEW minutes AS
         SELECT window_start, window_end, device, count(*) AS n, min(value) AS least
         FROM TUMBLE(readings, at, INTERVAL '1 minute') r
         GROUP BY window_start, window_end, device
         EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '2 minutes';
         CREATE MATERIALIZED VIEW devices_seen AS
         SELECT device, sum(n) AS n, min(least) AS least FROM minutes GROUP BY device EMIT ON UPDATE;"
    ));
    let row = |value: i64, seconds: i64| json!({"device": "a", "value": value, "at": at(START + seconds * SECOND)});
    world.push("readings", &[row(10, 0)]);
    world.settle();
    assert!(world.rows("minutes").is_empty());
    world.advance(Duration::from_secs(300));
    world.push("readings", &[row(10, 60)]);
    world.settle();
    assert_eq!(
        world.rows("minutes"),
        ["2023-11-14T22:13:00Z|2023-11-14T22:14:00Z|a|1|10"]
    );
    assert_eq!(world.rows("devices_seen"), ["a|1|10"]);
    world.push("readings", &[row(4, 5)]);
    world.settle();
    assert_eq!(
        world.rows("minutes"),
        ["2023-11-14T22:13:00Z|2023-11-14T22:14:00Z|a|2|4"]
    );
    assert_eq!(world.rows("devices_seen"), ["a|2|4"]);
    // Two minutes after its end it is final.
    world.push("readings", &[row(99, 200)]);
    world.push("readings", &[row(1, 6)]);
    world.finish();
    assert_eq!(
        world.rows("minutes"),
        [
            "2023-11-14T22:13:00Z|2023-11-14T22:14:00Z|a|2|4",
            "2023-11-14T22:14:00Z|2023-11-14T22:15:00Z|a|1|10",
        ]
    );
    let letters = world.logged("minutes_dead_letters");
    assert_eq!(letters.len(), 1);
    assert!(letters[0].contains("FLOW-012"), "{letters:?}");
}

#[test]
fn a_sum_out_of_range_is_null_and_named() {
    let mut world = World::new(&format!(
        "{READINGS}
         CREATE MATERIALIZED VIEW totals AS
         SELECT device, sum(value) AS total FROM readings GROUP BY device EMIT ON UPDATE;"
    ));
    let row = |value: i64| json!({"device": "a", "value": value, "at": at(START)});
    world.push("readings", &[row(i64::MAX), row(1)]);
    world.finish();
    assert_eq!(world.rows("totals"), ["a|NULL"]);
    let letters = world.logged("totals_dead_letters");
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].contains("FLOW-013"), "{letters:?}");
    world.push("readings", &[row(-5)]);
    world.settle();
    assert_eq!(world.rows("totals"), [format!("a|{}", i64::MAX - 4)]);
}

#[test]
fn a_window_over_a_view_of_windows_closes_in_the_same_step() {
    let mut world = World::new(&format!(
        "{READINGS}
         CREATE MATERIALIZED VIEW minutes AS
         SELECT window_start AS minute, device, count(*) AS n
         FROM TUMBLE(readings, at, INTERVAL '1 minute') r
         GROUP BY window_start, window_end, device EMIT ON WINDOW CLOSE;
         CREATE MATERIALIZED VIEW hours AS
         SELECT window_start AS hour, sum(n) AS n
         FROM TUMBLE(minutes, minute, INTERVAL '1 hour') m
         GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;"
    ));
    let minute = 60 * SECOND;
    for step in 0..130 {
        world.advance(Duration::from_secs(60));
        let time = at(START + step * minute);
        world.push(
            "readings",
            &[
                json!({"device": "a", "value": 1, "at": time}),
                json!({"device": "b", "value": 1, "at": time}),
            ],
        );
        if step % 7 == 0 {
            world.settle();
        }
    }
    world.settle();
    // From 22:13:20 there are 47 minutes left of that hour.
    assert_eq!(
        world.seen("hours"),
        ["2023-11-14T22:00:00Z|94", "2023-11-14T23:00:00Z|120"]
    );
}

#[test]
fn a_key_that_the_store_cannot_hold_is_a_dead_letter() {
    let mut world = World::new(&format!(
        "{READINGS}
         CREATE MATERIALIZED VIEW totals AS
         SELECT device, count(*) AS n FROM readings GROUP BY device EMIT ON UPDATE;"
    ));
    let row = |device: &str| json!({"device": device, "value": 1, "at": at(START)});
    let long = "x".repeat(70_000);
    world.push("readings", &[row("a"), row(&long), row("b")]);
    world.finish();
    assert_eq!(world.rows("totals"), ["a|1", "b|1"]);
    let letters = world.logged("totals_dead_letters");
    assert_eq!(letters.len(), 1);
    assert!(letters[0].contains("TABLE-010"), "{letters:?}");
    world.push("readings", &[row(&long), row("a")]);
    world.finish();
    assert_eq!(world.rows("totals"), ["a|2", "b|1"]);
}

#[test]
fn a_small_step_does_not_show_half_of_an_append() {
    let tables = "
        CREATE TABLE checking (k BIGINT PRIMARY KEY, n BIGINT NOT NULL);
        CREATE TABLE savings (k BIGINT PRIMARY KEY, n BIGINT NOT NULL);
    ";
    let pace = Pace { step: 1, ..USUAL };
    let mut world = World::paced(tables, pace);
    let mut pushed = Vec::new();
    for n in 0..30 {
        // Some share their millisecond, some do not.
        world.advance(Duration::from_millis(n / 2 % 3));
        let row = [json!({"k": 1, "n": n, "_deleted": false})];
        let pair: [(&str, &[_]); 2] = [("checking", &row), ("savings", &row)];
        pushed.push(world.push_all(&pair));
    }
    let mut seen = BTreeSet::new();
    while world.work().unwrap() {
        assert_eq!(world.rows("checking"), world.rows("savings"));
        seen.insert(world.rows("checking"));
    }
    assert_eq!(world.tables().frontier(), pushed[29]);
    assert_eq!(world.rows("savings"), ["1|29"]);
    assert!(seen.len() > 5, "all was one step: {seen:?}");
}

#[test]
fn an_append_at_the_end_of_a_millisecond_is_not_shown_in_half() {
    let objects = "
        CREATE STREAM clicks (n BIGINT);
        CREATE TABLE checking (k BIGINT PRIMARY KEY, n BIGINT NOT NULL);
        CREATE TABLE savings (k BIGINT PRIMARY KEY, n BIGINT NOT NULL);
    ";
    let pace = Pace { step: 1, ..USUAL };
    let mut world = World::paced(objects, pace);
    let row = |n: i64| [json!({"k": 1, "n": n, "_deleted": false})];
    world.advance(Duration::from_millis(1));
    // All seqs of this millisecond but one are gone.
    let first = world.push("checking", &row(0));
    let end = Seq(Seq::from_millis(first.millis() + 1).0 - 3);
    world.push_until("clicks", &[json!({"n": 1})], end);
    world.push("savings", &row(0));
    world.settle();
    assert_eq!(world.tables().frontier().millis(), first.millis());
    let pair: [(&str, &[_]); 2] = [("checking", &row(1)), ("savings", &row(1))];
    let last = world.push_all(&pair);
    assert_eq!(last.millis(), first.millis() + 1);
    world.push("clicks", &[json!({"n": 2})]);
    while world.work().unwrap() {
        assert_eq!(world.rows("checking"), world.rows("savings"));
    }
    assert_eq!(world.rows("savings"), ["1|1"]);
}
