//! Windows of every kind as `mainstem test` sees them: order, lateness, duplicates, restarts.

use expect_test::expect;

use crate::world::{Printed, World};

const CLICKS: &str = "
CREATE STREAM clicks (
  user_id TEXT NOT NULL,
  amount BIGINT NOT NULL,
  at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
);
CREATE MATERIALIZED VIEW hops AS
SELECT window_start, window_end, user_id, count(*) AS n, sum(amount) AS amount
FROM HOP(clicks, at, INTERVAL '1 minute', INTERVAL '3 minutes')
GROUP BY window_start, window_end, user_id
EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW corrected AS
SELECT window_end, count(*) AS n, max(amount) AS most
FROM HOP(clicks, at, INTERVAL '1 minute', INTERVAL '2 minutes')
GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 minute';
CREATE MATERIALIZED VIEW so_far AS
SELECT window_start, window_end, count(*) AS n
FROM CUMULATE(clicks, at, INTERVAL '1 minute', INTERVAL '3 minutes')
GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW visits AS
SELECT window_start, window_end, user_id, count(*) AS n, sum(amount) AS amount
FROM SESSION(clicks PARTITION BY user_id, at, INTERVAL '30 seconds')
GROUP BY window_start, window_end, user_id
EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW now_by_minute AS
SELECT window_start, user_id, count(*) AS n
FROM TUMBLE(clicks, at, INTERVAL '1 minute')
GROUP BY window_start, window_end, user_id
EMIT ON UPDATE;
CREATE MATERIALIZED VIEW now_by_hop AS
SELECT window_start, count(*) AS n
FROM HOP(clicks, at, INTERVAL '1 minute', INTERVAL '2 minutes')
GROUP BY window_start, window_end
EMIT ON UPDATE;
";

const HOPPING: &str = r#"case a row counts in every window that holds it, each told when it is over

at 2026-01-01T10:00:00Z
send clicks
{"user_id": "a", "amount": 1, "at": "2026-01-01T10:00:30Z"}
{"user_id": "a", "amount": 2, "at": "2026-01-01T10:00:20Z"}
{"user_id": "b", "amount": 4, "at": "2026-01-01T10:01:00Z"}
{"user_id": "b", "amount": 4, "at": "2026-01-01T10:01:00Z"}
expect hops

# The watermark is ten seconds behind.
send clicks
{"user_id": "a", "amount": 8, "at": "2026-01-01T10:01:10Z"}
expect hops
{"window_start": "2026-01-01T09:58:00Z", "window_end": "2026-01-01T10:01:00Z", "user_id": "a", "n": 2, "amount": 3}
restart
at +2m
send clicks
{"user_id": "c", "amount": 1, "at": "2026-01-01T10:03:10Z"}
expect hops
{"window_start": "2026-01-01T09:58:00Z", "window_end": "2026-01-01T10:01:00Z", "user_id": "a", "n": 2, "amount": 3}
{"window_start": "2026-01-01T09:59:00Z", "window_end": "2026-01-01T10:02:00Z", "user_id": "a", "n": 3, "amount": 11}
{"window_start": "2026-01-01T09:59:00Z", "window_end": "2026-01-01T10:02:00Z", "user_id": "b", "n": 2, "amount": 8}
{"window_start": "2026-01-01T10:00:00Z", "window_end": "2026-01-01T10:03:00Z", "user_id": "a", "n": 3, "amount": 11}
{"window_start": "2026-01-01T10:00:00Z", "window_end": "2026-01-01T10:03:00Z", "user_id": "b", "n": 2, "amount": 8}

case a row that is late for some of its windows counts in the others

at 2026-01-01T10:00:00Z
send clicks
{"user_id": "a", "amount": 1, "at": "2026-01-01T10:02:10Z"}
# The window that ended at 10:02:00 is over; those that end at 10:03:00 and 10:04:00 are not.
# Of the second row all are over.
send clicks
{"user_id": "a", "amount": 5, "at": "2026-01-01T10:01:50Z"}
{"user_id": "a", "amount": 7, "at": "2026-01-01T09:59:59Z"}
restart
at +10m
send clicks
{"user_id": "z", "amount": 0, "at": "2026-01-01T10:10:00Z"}
expect SELECT window_end, n, amount FROM hops WHERE user_id = 'a' ORDER BY window_end;
{"window_end": "2026-01-01T10:03:00Z", "n": 2, "amount": 6}
{"window_end": "2026-01-01T10:04:00Z", "n": 2, "amount": 6}
{"window_end": "2026-01-01T10:05:00Z", "n": 1, "amount": 1}
expect SELECT event_time FROM hops_late;
{"event_time": "2026-01-01T09:59:59Z"}
expect SELECT window_end, n FROM so_far ORDER BY window_end;
{"window_end": "2026-01-01T10:03:00Z", "n": 2}
expect SELECT window_end, n, most FROM corrected ORDER BY window_end;
{"window_end": "2026-01-01T10:02:00Z", "n": 1, "most": 5}
{"window_end": "2026-01-01T10:03:00Z", "n": 2, "most": 5}
{"window_end": "2026-01-01T10:04:00Z", "n": 1, "most": 1}

case windows that were told are corrected for a minute

at 2026-01-01T10:00:00Z
send clicks
{"user_id": "a", "amount": 1, "at": "2026-01-01T10:00:30Z"}
{"user_id": "a", "amount": 1, "at": "2026-01-01T10:02:10Z"}
expect SELECT window_end, n, most FROM corrected ORDER BY window_end;
{"window_end": "2026-01-01T10:01:00Z", "n": 1, "most": 1}
{"window_end": "2026-01-01T10:02:00Z", "n": 1, "most": 1}
restart
# Its first window ended more than a minute ago, the second one is corrected.
send clicks
{"user_id": "b", "amount": 9, "at": "2026-01-01T10:00:40Z"}
expect SELECT window_end, n, most FROM corrected ORDER BY window_end;
{"window_end": "2026-01-01T10:01:00Z", "n": 1, "most": 1}
{"window_end": "2026-01-01T10:02:00Z", "n": 2, "most": 9}

case windows that cumulate begin together

at 2026-01-01T10:00:00Z
send clicks
{"user_id": "a", "amount": 1, "at": "2026-01-01T10:00:30Z"}
{"user_id": "a", "amount": 1, "at": "2026-01-01T10:01:30Z"}
{"user_id": "a", "amount": 1, "at": "2026-01-01T10:02:30Z"}
restart
at +4m
send clicks
{"user_id": "a", "amount": 1, "at": "2026-01-01T10:03:30Z"}
expect SELECT window_start, window_end, n FROM so_far ORDER BY window_end;
{"window_start": "2026-01-01T10:00:00Z", "window_end": "2026-01-01T10:01:00Z", "n": 1}
{"window_start": "2026-01-01T10:00:00Z", "window_end": "2026-01-01T10:02:00Z", "n": 2}
{"window_start": "2026-01-01T10:00:00Z", "window_end": "2026-01-01T10:03:00Z", "n": 3}

case a session lasts until nothing comes for the gap, in whatever order its rows come

at 2026-01-01T10:00:00Z
send clicks
{"user_id": "a", "amount": 1, "at": "2026-01-01T10:00:00Z"}
{"user_id": "b", "amount": 1, "at": "2026-01-01T10:00:05Z"}
{"user_id": "a", "amount": 2, "at": "2026-01-01T10:00:50Z"}
expect visits
{"window_start": "2026-01-01T10:00:00Z", "window_end": "2026-01-01T10:00:30Z", "user_id": "a", "n": 1, "amount": 1}
{"window_start": "2026-01-01T10:00:05Z", "window_end": "2026-01-01T10:00:35Z", "user_id": "b", "n": 1, "amount": 1}
restart
# Ten seconds before the last row of a, whose session begins earlier now.
send clicks
{"user_id": "a", "amount": 4, "at": "2026-01-01T10:00:40Z"}
{"user_id": "a", "amount": 4, "at": "2026-01-01T10:00:40Z"}
{"user_id": "c", "amount": 1, "at": "2026-01-01T10:01:00Z"}
expect visits
{"window_start": "2026-01-01T10:00:00Z", "window_end": "2026-01-01T10:00:30Z", "user_id": "a", "n": 1, "amount": 1}
{"window_start": "2026-01-01T10:00:05Z", "window_end": "2026-01-01T10:00:35Z", "user_id": "b", "n": 1, "amount": 1}
# It goes on; just the gap behind its last row another one begins.
send clicks
{"user_id": "a", "amount": 8, "at": "2026-01-01T10:01:15Z"}
{"user_id": "a", "amount": 16, "at": "2026-01-01T10:01:45Z"}
# Behind the watermark: late, although the session of a is still open.
send clicks
{"user_id": "a", "amount": 64, "at": "2026-01-01T10:01:20Z"}
restart
at +10m
send clicks
{"user_id": "z", "amount": 0, "at": "2026-01-01T10:10:00Z"}
expect SELECT window_start, window_end, n, amount FROM visits WHERE user_id = 'a' ORDER BY window_start;
{"window_start": "2026-01-01T10:00:00Z", "window_end": "2026-01-01T10:00:30Z", "n": 1, "amount": 1}
{"window_start": "2026-01-01T10:00:40Z", "window_end": "2026-01-01T10:01:45Z", "n": 4, "amount": 18}
{"window_start": "2026-01-01T10:01:45Z", "window_end": "2026-01-01T10:02:15Z", "n": 1, "amount": 16}
expect SELECT event_time FROM visits_late;
{"event_time": "2026-01-01T10:01:20Z"}

case counts of windows can be seen while they are open

at 2026-01-01T10:00:00Z
send clicks
{"user_id": "a", "amount": 1, "at": "2026-01-01T10:00:30Z"}
{"user_id": "b", "amount": 1, "at": "2026-01-01T10:00:31Z"}
expect now_by_minute
{"window_start": "2026-01-01T10:00:00Z", "user_id": "a", "n": 1}
{"window_start": "2026-01-01T10:00:00Z", "user_id": "b", "n": 1}
restart
send clicks
{"user_id": "a", "amount": 1, "at": "2026-01-01T10:00:59Z"}
{"user_id": "a", "amount": 1, "at": "2026-01-01T10:01:10Z"}
expect SELECT window_start, n FROM now_by_hop ORDER BY window_start;
{"window_start": "2026-01-01T09:59:00Z", "n": 3}
{"window_start": "2026-01-01T10:00:00Z", "n": 4}
{"window_start": "2026-01-01T10:01:00Z", "n": 1}
# The minute is over: what comes now is kept apart, and its rows stay.
send clicks
{"user_id": "a", "amount": 1, "at": "2026-01-01T10:00:58Z"}
expect now_by_minute
{"window_start": "2026-01-01T10:00:00Z", "user_id": "a", "n": 2}
{"window_start": "2026-01-01T10:00:00Z", "user_id": "b", "n": 1}
{"window_start": "2026-01-01T10:01:00Z", "user_id": "a", "n": 1}
expect SELECT code FROM now_by_minute_dead_letters;
{"code": "FLOW-012"}
expect SELECT window_start, n FROM now_by_hop ORDER BY window_start;
{"window_start": "2026-01-01T09:59:00Z", "n": 3}
{"window_start": "2026-01-01T10:00:00Z", "n": 5}
{"window_start": "2026-01-01T10:01:00Z", "n": 1}
"#;

#[test]
fn windows_that_overlap_hold_what_the_rules_say() {
    let world = World::new();
    world.write("shop/shop.sql", CLICKS);
    world.write("shop/tests/hopping.flow", HOPPING);
    let folder = world.path("shop").display().to_string();
    let Printed {
        code,
        stdout,
        stderr,
    } = world.run(&["test", &folder]);
    expect![[r#"
        [ROOT]/shop/tests/hopping.flow
        ok    a row counts in every window that holds it, each told when it is over
        ok    a row that is late for some of its windows counts in the others
        ok    windows that were told are corrected for a minute
        ok    windows that cumulate begin together
        ok    a session lasts until nothing comes for the gap, in whatever order its rows come
        ok    counts of windows can be seen while they are open
        --- 0
        application "shop": 6 cases, all as expected
    "#]]
    .assert_eq(&format!("{stdout}--- {code}\n{stderr}"));
}
