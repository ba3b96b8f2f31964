//! Windows over windows over windows: each view adds its own delay to event time, once, and what only
//! passes rows on adds none. So the moment at which the last window closes is known.

use std::time::Duration;

use mainstem_kernel::clock::Clock;
use serde_json::json;

use crate::{
    verify::differences,
    world::{SECOND, START, World, at},
};

const READINGS: &str = "
CREATE STREAM readings (device TEXT NOT NULL, at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds');
CREATE MATERIALIZED VIEW minutes AS SELECT window_start AS minute, count(*) AS n
  FROM TUMBLE(readings, at, INTERVAL '1 minute') r GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;
";
/// From 22:13:20 to 23:00:00.
const HOUR_ENDS: i64 = 2_800;

/// A row as it comes.
fn send(world: &mut World, seconds: i64) {
    let time = START + seconds * SECOND;
    let wait = u64::try_from(time - world.clock.now().0).unwrap_or(0);
    world.advance(Duration::from_micros(wait));
    world.push("readings", &[json!({"device": "a", "at": at(time)})]);
    world.settle();
}

/// The rows of a view one second before this one, and then.
fn around(world: &mut World, view: &str, seconds: i64) -> [Vec<String>; 2] {
    [seconds - 1, seconds].map(|seconds| {
        send(world, seconds);
        world.seen(view)
    })
}

#[tokio::test]
async fn delays_of_a_chain_of_windows_were_counted_twice() {
    let mut world = World::new(&format!(
        "{READINGS}
         CREATE MATERIALIZED VIEW passed AS SELECT minute, n FROM minutes WHERE n > 0;
         CREATE MATERIALIZED VIEW fives AS SELECT window_start AS five, sum(n) AS n
         FROM TUMBLE(passed, minute, INTERVAL '5 minutes') m GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;
         CREATE MATERIALIZED VIEW hours AS SELECT window_start AS hour, sum(n) AS n
         FROM TUMBLE(fives, five, INTERVAL '1 hour') f GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;"
    ));
    for seconds in [0, 100, 2_790] {
        send(&mut world, seconds);
    }
    // The delay of the stream, and the lengths of both windows below.
    let closes = HOUR_ENDS + 10 + 60 + 300;
    let [before, then] = around(&mut world, "hours", closes);
    assert_eq!(before, [""; 0]);
    assert_eq!(then, ["2023-11-14T22:00:00Z|3"]);
    world.swap();
    for view in ["minutes", "passed", "fives", "hours"] {
        assert_eq!(differences(&world, view).await, [""; 0], "{view}");
    }
}

#[tokio::test]
async fn windows_over_closed_windows_and_their_stream_are_as_far_as_the_last_of_both() {
    let mut world = World::new(&format!(
        "{READINGS}
         CREATE MATERIALIZED VIEW signs AS SELECT minute AS at FROM minutes UNION ALL SELECT at FROM readings;
         CREATE MATERIALIZED VIEW hours AS SELECT window_start AS hour, count(*) AS n
         FROM TUMBLE(signs, at, INTERVAL '1 hour') s GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;"
    ));
    for seconds in [0, 100, 2_790] {
        send(&mut world, seconds);
    }
    let [before, then] = around(&mut world, "hours", HOUR_ENDS + 10 + 60);
    assert_eq!(before, [""; 0]);
    assert_eq!(then, ["2023-11-14T22:00:00Z|6"]);
}

#[tokio::test]
async fn sessions_over_rows_that_are_passed_on_close_at_once() {
    let mut world = World::new(&format!(
        "{READINGS}
         CREATE MATERIALIZED VIEW passed AS SELECT minute, n FROM minutes;
         CREATE MATERIALIZED VIEW again AS SELECT minute AS m, n FROM passed;
         CREATE MATERIALIZED VIEW visits AS SELECT window_start AS begins, sum(n) AS n
         FROM SESSION(again, m, INTERVAL '2 minutes') a GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;"
    ));
    send(&mut world, 0);
    // The minute of 22:13:00, two minutes behind it, the delay and the length of the window.
    let [before, then] = around(&mut world, "visits", -20 + 120 + 10 + 60);
    assert_eq!(before, [""; 0]);
    assert_eq!(then, ["2023-11-14T22:13:00Z|1"]);
    world.swap();
    assert_eq!(differences(&world, "visits").await, [""; 0]);
}
