//! `mainstem test`: cases that pass, cases that differ, mistakes, and expectations rewritten.

use expect_test::expect;

use crate::world::{Printed, World, repository};

const SHOP: &str = "
CREATE STREAM orders (
  shop TEXT NOT NULL,
  pieces BIGINT NOT NULL,
  at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '1 minute'
);
CREATE TABLE shops (shop TEXT PRIMARY KEY, town TEXT);
CREATE MATERIALIZED VIEW totals AS
SELECT shop, count(*) AS n, sum(pieces) AS pieces FROM orders GROUP BY shop EMIT ON UPDATE;
CREATE MATERIALIZED VIEW towns AS
SELECT s.town, count(*) AS n FROM orders o
JOIN shops FOR SYSTEM_TIME AS OF PROCTIME() s ON s.shop = o.shop
GROUP BY s.town EMIT ON UPDATE;
CREATE MATERIALIZED VIEW hours AS
SELECT window_start, sum(pieces) AS pieces
FROM TUMBLE(orders, at, INTERVAL '1 hour') GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE;
";

const RIGHT: &str = r#"# What has to hold.
case orders add up over a restart

at 2026-01-01T10:00:00Z
write INSERT INTO shops VALUES ('a', 'Ulm'), ('b', 'Bonn');
send orders
{"shop": "a", "pieces": 2, "at": "2026-01-01T10:00:00Z"}
{"shop": "b", "pieces": 3, "at": "2026-01-01T10:01:00Z"}
expect totals
{"shop": "b", "n": 1, "pieces": 3}
{"shop": "a", "n": 1, "pieces": 2}
expect towns
{"town": "Ulm", "n": 1}
{"town": "Bonn", "n": 1}

write UPDATE shops SET town = 'Jena' WHERE shop = 'a';
restart
send orders
{"shop": "a", "pieces": 5, "at": "2026-01-01T10:02:00Z"}
at +5s
restart
expect SELECT * FROM totals ORDER BY shop;
{"shop": "a", "n": 2, "pieces": 7}
{"shop": "b", "n": 1, "pieces": 3}
expect towns
{"town": "Ulm", "n": 1}
{"town": "Bonn", "n": 1}
{"town": "Jena", "n": 1}
expect shops
{"shop": "a", "town": "Jena"}
{"shop": "b", "town": "Bonn"}

case writes are one or none, and say what they did
at 2026-01-01T10:00:00Z
write BEGIN;
  INSERT INTO shops VALUES ('a', 'Ulm');
  INSERT INTO shops VALUES ('b', 'Bonn');
COMMIT;
write rejecting SQL-042 INSERT INTO shops VALUES ('c');
write rejecting SQL-040 INSERT INTO shops VALUES ('a', 'Jena');
expect UPDATE shops SET town = 'Trier' WHERE shop = 'b' RETURNING shop, town;
{"shop": "b", "town": "Trier"}
restart
expect shops
{"shop": "a", "town": "Ulm"}
{"shop": "b", "town": "Trier"}

case an hour is told once it is over
at 2026-01-01T12:00:00Z
send orders
{"shop": "a", "pieces": 2, "at": "2026-01-01T10:59:59Z"}
{"shop": "a", "pieces": 1, "at": "2026-01-01T11:00:59Z"}
expect hours
send orders
{"shop": "a", "pieces": 1, "at": "2026-01-01T11:01:00Z"}
expect hours
{"window_start": "2026-01-01T10:00:00Z", "pieces": 2}
restart
send orders
{"shop": "a", "pieces": 8, "at": "2026-01-01T10:30:00Z"}
expect hours
{"window_start": "2026-01-01T10:00:00Z", "pieces": 2}
expect SELECT event_time FROM hours_late;
{"event_time": "2026-01-01T10:30:00Z"}

case a row that does not fit is kept apart
at 2026-01-01T10:00:00Z
send orders rejecting 1
{"shop": "a", "pieces": "many", "at": "2026-01-01T10:00:00Z"}
{"shop": "a", "pieces": 1, "at": "2026-01-01T10:00:00Z"}
expect totals
{"shop": "a", "n": 1, "pieces": 1}
expect SELECT count(*) AS n FROM orders_dead_letters;
{"n": 1}
"#;

const WRONG: &str = r#"case totals are off
at 2026-01-01T10:00:00Z
send orders
{"shop": "a", "pieces": 2, "at": "2026-01-01T10:00:00Z"}
{"shop": "b", "pieces": 3, "at": "2026-01-01T10:00:00Z"}
{"shop": "c", "pieces": 3, "at": "2026-01-01T10:00:00Z"}
expect totals
{"shop": "a", "n": 1, "pieces": 20}
{"shop": "b", "n": 1, "pieces": 3}
{"shop": "z", "n": 9, "pieces": 9}
expect SELECT shop FROM totals
  ORDER BY shop DESC;
{"shop": "a"}
{"shop": "b"}

case a row is refused
at 2026-01-01T10:00:00Z
send orders
{"shop": "a", "pieces": "many", "at": "2026-01-01T10:00:00Z"}
expect totals

case a name is wrong
at 2026-01-01T10:00:00Z
expect total

case a write should have been refused
at 2026-01-01T10:00:00Z
write rejecting SQL-042 INSERT INTO shops VALUES ('a', 'Ulm');

case a write is refused for another reason
at 2026-01-01T10:00:00Z
write rejecting SQL-040 INSERT INTO shops VALUES ('a');

case a column is wrong
at 2026-01-01T10:00:00Z
  write UPDATE shops SET twn = 'Ulm';

case a column of another line is wrong
at 2026-01-01T10:00:00Z
expect SELECT shop,
  piecs FROM totals;
"#;

fn world(name: &str, flow: &str) -> (World, String) {
    let world = World::new();
    world.write("shop/shop.sql", SHOP);
    world.write(&format!("shop/tests/{name}.flow"), flow);
    let folder = world.path("shop").display().to_string();
    (world, folder)
}

fn whole(world: &World, arguments: &[&str]) -> String {
    let Printed {
        code,
        stdout,
        stderr,
    } = world.run(arguments);
    format!("{stdout}--- {code}\n{stderr}")
}

#[test]
fn cases_that_hold_pass_without_a_server() {
    let (world, folder) = world("right", RIGHT);
    expect![[r#"
        [ROOT]/shop/tests/right.flow
        ok    orders add up over a restart
        ok    writes are one or none, and say what they did
        ok    an hour is told once it is over
        ok    a row that does not fit is kept apart
        --- 0
        application "shop": 4 cases, all as expected
    "#]]
    .assert_eq(&whole(&world, &["test", &folder]));
    expect![[r#"
        [ROOT]/shop/tests/right.flow
        ok    an hour is told once it is over
        --- 0
        application "shop": 1 case, all as expected
    "#]]
    .assert_eq(&whole(&world, &["test", &folder, "--filter", "an hour"]));
    expect![[r#"
        --- 1
        error[CLI-019]: there is no case to run in "[ROOT]/shop/tests"
        hint: no case has "a day" in its file or name; leave --filter out to see all
    "#]]
    .assert_eq(&whole(&world, &["test", &folder, "--filter", "a day"]));
}

#[test]
fn what_differs_is_shown_row_by_row() {
    let (world, folder) = world("wrong", WRONG);
    expect![[r#"
        [ROOT]/shop/tests/wrong.flow
        FAIL  totals are off

        [ROOT]/shop/tests/wrong.flow:7: expect totals, at 2026-01-01T10:00:00.000000Z
        - {"shop": "a", "n": 1, "pieces": 20}
        + {"shop":"a","n":1,"pieces":2}
            pieces: expected 20, found 2
        - {"shop": "z", "n": 9, "pieces": 9}
        + {"shop":"c","n":1,"pieces":3}
          1 row is as expected

        [ROOT]/shop/tests/wrong.flow:11: expect SELECT shop FROM totals ORDER BY shop DESC, at 2026-01-01T10:00:00.000000Z
        - {"shop": "a"}
        + {"shop":"c"}
            shop: expected "a", found "c"
        + {"shop":"a"}
          1 row is as expected

        FAIL  a row is refused

        error[CLI-018]: stream "orders" refused 1 of 1 rows, and none should be
          --> [ROOT]/shop/tests/wrong.flow:18:6
            |
         18 | send orders
            |      ^
        detail: The row in line 19 (ADMIT-021): column "pieces": expected BIGINT, found "many".
        hint: correct the rows; or, if they are to be refused: send orders rejecting 1

        FAIL  a name is wrong

        error[SQL-021]: there is no stream, table or view "total"
          --> [ROOT]/shop/tests/wrong.flow:24:8
            |
         24 | expect total
            |        ^
        hint: did you mean "totals"?

        FAIL  a write should have been refused

        error[CLI-018]: the statement was carried out, and SQL-042 should have refused it
          --> [ROOT]/shop/tests/wrong.flow:28:25
            |
         28 | write rejecting SQL-042 INSERT INTO shops VALUES ('a', 'Ulm');
            |                         ^
        hint: if it is right that it was: write, without rejecting

        FAIL  a write is refused for another reason

        error[SQL-042]: a row has 1 values, expected 2
          --> [ROOT]/shop/tests/wrong.flow:32:51
            |
         32 | write rejecting SQL-040 INSERT INTO shops VALUES ('a');
            |                                                   ^
        detail: The test expects SQL-040.
        hint: give one value for each named column; DEFAULT is the column's own, or NULL

        FAIL  a column is wrong

        error[SQL-022]: table "shops" has no column "twn"
          --> [ROOT]/shop/tests/wrong.flow:36:26
            |
         36 |   write UPDATE shops SET twn = 'Ulm';
            |                          ^
        hint: did you mean "town"?

        FAIL  a column of another line is wrong

        error[SQL-022]: there is no column "piecs"
          --> [ROOT]/shop/tests/wrong.flow:41:3
            |
         41 |   piecs FROM totals;
            |   ^
        hint: did you mean "pieces"?

        --- 1
        application "shop": 7 cases, 7 failed
        error[CLI-018]: 7 of 7 cases of "[ROOT]/shop" failed
        hint: if what was found is right: mainstem test [ROOT]/shop --update
    "#]].assert_eq(&whole(&world, &["test", &folder]));
}

#[test]
fn expectations_are_rewritten_and_hold_then() {
    let (world, folder) = world("wrong", WRONG);
    let file = world.path("shop/tests/wrong.flow");
    let arguments = ["test", &folder, "--filter", "totals are", "--update"];
    expect![[r#"
        [ROOT]/shop/tests/wrong.flow
        ok    totals are off
        --- 0
        application "shop": 1 case, all as expected
        2 expectations rewritten
    "#]]
    .assert_eq(&whole(&world, &arguments));
    let text = std::fs::read_to_string(&file).unwrap();
    let (case, rest) = text.split_once("\n\ncase a row").unwrap();
    expect![[r#"
        case totals are off
        at 2026-01-01T10:00:00Z
        send orders
        {"shop": "a", "pieces": 2, "at": "2026-01-01T10:00:00Z"}
        {"shop": "b", "pieces": 3, "at": "2026-01-01T10:00:00Z"}
        {"shop": "c", "pieces": 3, "at": "2026-01-01T10:00:00Z"}
        expect totals
        {"shop":"a","n":1,"pieces":2}
        {"shop":"b","n":1,"pieces":3}
        {"shop":"c","n":1,"pieces":3}
        expect SELECT shop FROM totals
          ORDER BY shop DESC;
        {"shop":"c"}
        {"shop":"b"}
        {"shop":"a"}"#]]
    .assert_eq(case);
    assert!(WRONG.ends_with(rest), "{rest}");
    world.ok(&["test", &folder, "--filter", "totals are"]);
}

#[test]
fn a_mistake_is_shown_in_its_line_and_no_case_runs() {
    let (world, folder) = world("odd", "case a\nat 2026-01-01T10:00:00Z\n  expct totals\n");
    expect![[r#"
        --- 1
        error[CLI-017]: expected a step, found "expct"
          --> [ROOT]/shop/tests/odd.flow:3:3
           |
         3 |   expct totals
           |   ^
        hint: a line begins with case, at, send, write, expect, restart or #; `mainstem test --help` shows a file
    "#]].assert_eq(&whole(&world, &["test", &folder]));
    let empty = World::new();
    empty.write("shop/shop.sql", SHOP);
    let folder = empty.path("shop").display().to_string();
    expect![[r#"
        --- 1
        error[CLI-019]: there is no case to run in "[ROOT]/shop/tests"
        hint: cases are in files that end in .flow; `mainstem test --help` shows one
    "#]]
    .assert_eq(&whole(&empty, &["test", &folder]));
}

#[test]
fn the_applications_of_the_repository_hold() {
    let world = World::new();
    for name in ["fleet", "retail"] {
        let folder = repository().join("apps").join(name);
        world.ok(&["test", &folder.display().to_string()]);
    }
}
