//! VERIFY VIEW says which rows differ and how, within its bounds.

use mainstem_kernel::Code;

use super::{
    bed::{Bed, config},
    keyed::{numbers, texts},
};

const SALES: &str =
    "CREATE STREAM sales (id BIGINT NOT NULL, country TEXT, price NUMERIC(12,3), at TIMESTAMPTZ);";

/// Sales 0..9 and a view of them by country.
fn bed() -> Bed {
    let bed = Bed::new();
    bed.declare(&format!(
        "{SALES}
         CREATE MATERIALIZED VIEW totals AS
         SELECT country, count(*) AS n, sum(id) AS ids FROM sales GROUP BY country EMIT ON UPDATE"
    ));
    bed.swap("totals");
    bed.append("sales", 0..9);
    bed
}

#[tokio::test]
async fn rows_that_are_missing_too_many_or_wrong_are_named() {
    let bed = bed();
    bed.put(
        "totals",
        vec![
            texts(&["c0", "c1", "zz"]),
            numbers(&[3, 4, 1]),
            numbers(&[9, 12, -7]),
        ],
    );
    expect_test::expect![[r#"
        {"country":"c1","_difference":"differs","_column":"n","_view":"4","_batch":"3","_differing":3}
        {"country":"c2","_difference":"missing","_column":null,"_view":null,"_batch":"{\"n\":3,\"ids\":15}","_differing":3}
        {"country":"zz","_difference":"extra","_column":null,"_view":"{\"n\":1,\"ids\":-7}","_batch":null,"_differing":3}
    "#]].assert_eq(&bed.ask("VERIFY VIEW totals").await);
    // What comes behind the frontier of the view does not count.
    let before = bed.ask("VERIFY VIEW totals").await;
    bed.append("sales", 9..12);
    assert_eq!(bed.ask("verify materialized view totals;").await, before);
    bed.put(
        "totals",
        vec![
            texts(&["c0", "c1", "c2"]),
            numbers(&[4, 4, 4]),
            numbers(&[18, 22, 26]),
        ],
    );
    expect_test::expect![[r#"
        {"country":"zz","_difference":"extra","_column":null,"_view":"{\"n\":1,\"ids\":-7}","_batch":null,"_differing":1}
    "#]].assert_eq(&bed.ask("VERIFY VIEW totals").await);
}

#[tokio::test]
async fn a_thousand_rows_are_told_and_all_are_counted() {
    let bed = Bed::new();
    bed.declare(&format!(
        "{SALES}
         CREATE MATERIALIZED VIEW ids AS SELECT id, count(*) AS n FROM sales GROUP BY id EMIT ON UPDATE"
    ));
    bed.swap("ids");
    bed.append("sales", 0..1_500);
    bed.step();
    let answer = bed.ask("VERIFY VIEW ids").await;
    let lines: Vec<&str> = answer.lines().collect();
    assert_eq!(lines.len(), 1_000);
    for (id, line) in lines.iter().enumerate() {
        let expected = format!(
            "{{\"id\":{id},\"_difference\":\"missing\",\"_column\":null,\"_view\":null,\"_batch\":\"{{\\\"n\\\":1}}\",\"_differing\":1500}}"
        );
        assert_eq!(*line, expected);
    }
}

#[tokio::test]
async fn rows_of_several_streams_are_in_the_order_of_the_log_where_their_times_are_equal() {
    let bed = Bed::new();
    bed.declare(
        "CREATE STREAM sales (id BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL, WATERMARK FOR at AS at);
         CREATE STREAM calls (id BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL, WATERMARK FOR at AS at);
         CREATE MATERIALIZED VIEW turns AS
         SELECT *, lag(side) OVER (ORDER BY at) AS before FROM (
           SELECT id, at, 'sale' AS side FROM sales UNION ALL SELECT id, at, 'call' FROM calls
           UNION ALL SELECT id, at, 'sale again' FROM sales WHERE id = 1) b",
    );
    bed.swap("turns");
    bed.append("sales", 0..2);
    bed.append("calls", 0..3);
    bed.append("sales", 2..4);
    // Those of the last times have not had their turn.
    bed.append("calls", 60..61);
    bed.append("sales", 60..61);
    bed.step();
    expect_test::expect![[r#"
        {"id":0,"at":"1970-01-01T00:00:00.000000Z","side":"call","before":"sale","_difference":"missing","_column":null,"_view":"0","_batch":"1","_differing":8}
        {"id":0,"at":"1970-01-01T00:00:00.000000Z","side":"sale","before":null,"_difference":"missing","_column":null,"_view":"0","_batch":"1","_differing":8}
        {"id":1,"at":"1970-01-01T00:00:01.000000Z","side":"call","before":"sale again","_difference":"missing","_column":null,"_view":"0","_batch":"1","_differing":8}
        {"id":1,"at":"1970-01-01T00:00:01.000000Z","side":"sale","before":"call","_difference":"missing","_column":null,"_view":"0","_batch":"1","_differing":8}
        {"id":1,"at":"1970-01-01T00:00:01.000000Z","side":"sale again","before":"sale","_difference":"missing","_column":null,"_view":"0","_batch":"1","_differing":8}
        {"id":2,"at":"1970-01-01T00:00:02.000000Z","side":"call","before":"call","_difference":"missing","_column":null,"_view":"0","_batch":"1","_differing":8}
        {"id":2,"at":"1970-01-01T00:00:02.000000Z","side":"sale","before":"call","_difference":"missing","_column":null,"_view":"0","_batch":"1","_differing":8}
        {"id":3,"at":"1970-01-01T00:00:03.000000Z","side":"sale","before":"sale","_difference":"missing","_column":null,"_view":"0","_batch":"1","_differing":8}
    "#]].assert_eq(&bed.ask("VERIFY VIEW turns").await);
}

#[tokio::test]
async fn it_keeps_to_the_memory_of_a_query() {
    let limits = mainstem_kernel::ByteSize::kib(64);
    let limited = crate::SqlConfig {
        query_memory_max: limits,
        ..config()
    };
    let bed = Bed::with(limited, |log| log);
    bed.declare(&format!(
        "{SALES}
         CREATE MATERIALIZED VIEW ids AS SELECT id, count(*) AS n FROM sales GROUP BY id EMIT ON UPDATE"
    ));
    bed.swap("ids");
    bed.append("sales", 0..50_000);
    bed.step();
    assert_eq!(bed.code("VERIFY VIEW ids").await, Code::Sql031);
}

#[tokio::test]
async fn mistakes_are_named_with_their_place() {
    let bed = bed();
    let mut said = String::new();
    for sql in [
        "VERIFY VIEW total",
        "VERIFY VIEW sales",
        "VERIFY totals",
        "VERIFY VIEW totals LIMIT 1",
        "VERIFY VIEW",
        "VERFY VIEW totals",
    ] {
        said.push_str(&format!("-- {sql}\n{}\n", bed.problem(sql).await));
    }
    expect_test::expect![[r#"
        -- VERIFY VIEW total
        error[SQL-021]: there is no stream, table or view "total"
          --> line 1, column 13
        hint: did you mean "totals"?
        -- VERIFY VIEW sales
        error[SQL-021]: "sales" is no view
          --> line 1, column 13
        hint: SHOW VIEWS lists them
        -- VERIFY totals
        error[SQL-001]: expected VIEW, found "totals"
          --> line 1, column 8
        -- VERIFY VIEW totals LIMIT 1
        error[SQL-001]: expected the end of the statement, found "LIMIT"
          --> line 1, column 20
        -- VERIFY VIEW
        error[SQL-001]: expected the name of a stream, table or view, found the end of the statement
          --> line 1, column 12
        -- VERFY VIEW totals
        error[SQL-020]: only questions are answered here
          --> line 1, column 1
        detail: SELECT, WITH, VALUES, EXPLAIN, SHOW, DESCRIBE and VERIFY VIEW read; INSERT, UPDATE and DELETE write to tables; nothing else is offered.
        hint: did you mean "VERIFY"?
    "#]].assert_eq(&said);
}
