//! Rows that make an expression fail: each is in the dead letters with the reason, nothing else of
//! its append is missing, and the view goes on.

use serde_json::{Value, json};

use crate::world::{START, World, at};

const STREAM: &str = "
CREATE STREAM sales (
  id BIGINT NOT NULL, pieces INTEGER, big BIGINT, small SMALLINT, price NUMERIC(4, 2), rate DOUBLE PRECISION,
  label TEXT, day TEXT, at TIMESTAMPTZ NOT NULL, WATERMARK FOR at AS at - INTERVAL '10 seconds'
);
";

/// Two rows that do not fail, and between them one that does.
fn sales(bad: &Value) -> [Value; 3] {
    let fine = |id: i64| {
        json!({"id": id, "pieces": 4, "big": 4, "small": 4, "price": "4.00", "rate": 4.0, "label": "4",
               "day": "2026-02-03", "at": at(START)})
    };
    let mut row = fine(2);
    let fields = bad.as_object().unwrap().clone();
    row.as_object_mut().unwrap().extend(fields);
    [fine(1), row, fine(3)]
}

/// Each expression with the field that makes it fail, and what is said.
const FAILING: [(&str, &str, &str); 20] = [
    (
        "pieces * 2000000000 * 3",
        r#"{"pieces": 2000000000}"#,
        "out of the range",
    ),
    (
        "pieces + pieces",
        r#"{"pieces": 2147483647}"#,
        "out of the range",
    ),
    (
        "pieces - big",
        r#"{"big": -9223372036854775808}"#,
        "out of the range",
    ),
    (
        "-big",
        r#"{"big": -9223372036854775808}"#,
        "out of the range",
    ),
    (
        "abs(big)",
        r#"{"big": -9223372036854775808}"#,
        "out of the range",
    ),
    ("small * small", r#"{"small": 32767}"#, "out of the range"),
    (
        "big / (0 - small)",
        r#"{"big": -9223372036854775808, "small": 1}"#,
        "out of the range",
    ),
    ("100 / pieces", r#"{"pieces": 0}"#, "division by zero"),
    ("100 % pieces", r#"{"pieces": 0}"#, "division by zero"),
    ("1.5 / price", r#"{"price": "0.00"}"#, "division by zero"),
    ("rate / (rate - 5)", r#"{"rate": 5.0}"#, "division by zero"),
    ("CAST(label AS INTEGER)", r#"{"label": "four"}"#, "four"),
    ("label::NUMERIC(4, 2)", r#"{"label": "12345"}"#, "12345"),
    ("label::DOUBLE PRECISION", r#"{"label": "4,5"}"#, "4,5"),
    (
        "label::BOOLEAN IS NULL OR pieces > 0",
        r#"{"label": "maybe"}"#,
        "maybe",
    ),
    ("big::INTEGER", r#"{"big": 2147483648}"#, "2147483648"),
    ("big::SMALLINT", r#"{"big": 32768}"#, "32768"),
    ("rate::INTEGER", r#"{"rate": 1e10}"#, "10000000000"),
    ("day::DATE", r#"{"day": "2026-02-30"}"#, "2026-02-30"),
    ("day::TIMESTAMPTZ", r#"{"day": "yesterday"}"#, "yesterday"),
];

/// The views in which an expression can stand.
fn views(expr: &str) -> String {
    let expr = match expr {
        // The fine rows have another label there.
        expr if expr.contains("BOOLEAN") => "replace(label, '4', 'true')::BOOLEAN".to_owned(),
        expr => expr.to_owned(),
    };
    format!(
        "CREATE MATERIALIZED VIEW shown AS SELECT id, {expr} AS x FROM sales;
         CREATE MATERIALIZED VIEW wanted AS SELECT id FROM sales WHERE ({expr}) IS NOT NULL;
         CREATE MATERIALIZED VIEW keyed AS SELECT ({expr})::TEXT AS x, count(*) AS n FROM sales
         GROUP BY ({expr})::TEXT EMIT ON UPDATE;
         CREATE MATERIALIZED VIEW summed AS SELECT max({expr}) AS x, count(*) AS n FROM sales EMIT ON UPDATE;
         CREATE MATERIALIZED VIEW chosen AS
         SELECT count(*) FILTER (WHERE ({expr}) IS NOT NULL) AS chosen, count(*) AS n FROM sales EMIT ON UPDATE;
         CREATE MATERIALIZED VIEW windows AS SELECT window_start, max({expr}) AS x, count(*) AS n
         FROM TUMBLE(sales, at, INTERVAL '1 minute') s GROUP BY window_start, window_end
         EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 hour';"
    )
}

#[test]
fn a_row_that_fails_is_a_letter_with_the_reason_wherever_the_expression_stands() {
    for (expr, bad, reason) in FAILING {
        let mut world = World::new(&format!("{STREAM}{}", views(expr)));
        let rows = sales(&serde_json::from_str(bad).unwrap());
        world.push("sales", &rows);
        world.settle();
        // It goes on: the windows close with what comes later.
        let later = json!({"id": 4, "pieces": 4, "big": 4, "small": 4, "price": "4.00", "rate": 4.0,
                           "label": "4", "day": "2026-02-03", "at": at(START + 200_000_000)});
        world.push("sales", &[later]);
        world.finish();
        let ids = |name: &str| {
            let rows = world.logged(name);
            rows.iter()
                .map(|row| row.split('|').next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(ids("shown"), ["1", "3", "4"], "{expr}");
        assert_eq!(ids("wanted"), ["1", "3", "4"], "{expr}");
        // Behind what was selected is the rest of the key.
        for (name, place, count) in [
            ("keyed", 1, "3"),
            ("summed", 1, "3"),
            ("chosen", 0, "3"),
            ("chosen", 1, "3"),
            ("windows", 2, "2"),
        ] {
            let rows = world.rows(name);
            let cell = rows.first().and_then(|row| row.split('|').nth(place));
            assert!(
                rows.len() == 1 && cell == Some(count),
                "{name}, {expr}: {rows:?}"
            );
        }
        for name in ["shown", "wanted", "keyed", "summed", "chosen", "windows"] {
            let letters = world.logged(&format!("{name}_dead_letters"));
            assert_eq!(letters.len(), 1, "{name}, {expr}: {letters:?}");
            let cells: Vec<&str> = letters[0].splitn(4, '|').collect();
            assert_eq!(cells[1], "FLOW-010", "{name}, {expr}");
            assert!(cells[2].contains(reason), "{name}, {expr}: {}", cells[2]);
            // The reason is for people, and the row is there.
            let words = [
                "Arrow",
                "DataFusion",
                "Int",
                "Utf8",
                "Decimal128",
                "backtrace",
            ];
            assert!(
                words.iter().all(|word| !cells[2].contains(word)),
                "{expr}: {}",
                cells[2]
            );
        }
        assert!(world.application().health().problem.is_none());
    }
}

#[test]
fn an_argument_is_not_computed_for_rows_that_its_filter_leaves_out() {
    let mut world = World::new(&format!(
        "{STREAM}
         CREATE MATERIALIZED VIEW parts AS
         SELECT sum(100 / pieces) FILTER (WHERE pieces <> 0) AS parts, count(*) AS n,
           max(label::INTEGER) FILTER (WHERE label <> '') AS most
         FROM sales EMIT ON UPDATE;"
    ));
    world.push("sales", &sales(&json!({"pieces": 0, "label": ""})));
    world.push("sales", &sales(&json!({"pieces": 50, "label": "many"})));
    world.finish();
    assert_eq!(world.rows("parts"), ["100|5|4|0"]);
    let letters = world.logged("parts_dead_letters");
    assert!(
        letters.len() == 1 && letters[0].contains("many"),
        "{letters:?}"
    );
}

#[test]
fn rows_that_a_view_does_not_want_are_not_late_in_it() {
    let mut world = World::new(&format!(
        "{STREAM}
         CREATE MATERIALIZED VIEW minutes AS SELECT window_start, sum(pieces) AS pieces
         FROM TUMBLE(sales, at, INTERVAL '1 minute') s WHERE label = 'mine'
         GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;"
    ));
    let row = |label: &str, seconds: i64| json!({"id": 1, "pieces": 1, "label": label, "at": at(START + seconds * 1_000_000)});
    world.push("sales", &[row("mine", 200)]);
    world.push("sales", &[row("mine", 0), row("yours", 0), row("yours", 1)]);
    world.finish();
    let late = world.logged("minutes_late");
    assert!(late.len() == 1 && late[0].contains("mine"), "{late:?}");
}

#[test]
fn what_is_grouped_by_twice_is_one_column() {
    let mut world = World::new(&format!(
        "{STREAM}
         CREATE MATERIALIZED VIEW labels AS SELECT label, count(*) AS n, max(pieces) AS most
         FROM sales GROUP BY label, label, 1 EMIT ON UPDATE;"
    ));
    world.push("sales", &sales(&json!({"label": "5"})));
    world.finish();
    assert_eq!(world.rows("labels"), ["4|2|4", "5|1|4"]);
}
