//! Questions as Spark is asked; and what is refused, by name.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use futures::FutureExt;
use mainstem_catalog::{AppDef, Change, ChangeSet, preview};
use mainstem_kernel::{AppName, Code, Fault, Seq};

use super::*;
use crate::{Declaration, declarations};

const DECLARED: &str = "
CREATE STREAM purchases (
  invoice_no TEXT NOT NULL, quantity INTEGER NOT NULL, invoice_date TIMESTAMPTZ NOT NULL,
  unit_price NUMERIC(12, 3) NOT NULL, customer_id TEXT, country TEXT NOT NULL, more JSON,
  WATERMARK FOR invoice_date AS invoice_date - INTERVAL '1 hour'
);
CREATE TABLE customers (customer_id TEXT PRIMARY KEY, name TEXT NOT NULL, born DATE);
";

fn declared() -> Definitions {
    let app = AppName::new("shop").unwrap();
    let mut changes = vec![Change::SetApp(AppDef {
        tenant: TenantId::ONLY,
        name: app.clone(),
        version: None,
        revision: 1,
        files: BTreeMap::new(),
    })];
    let files = BTreeMap::from([("a.sql".to_owned(), DECLARED.to_owned())]);
    for declared in declarations(&files).unwrap() {
        changes.push(match declared.declaration {
            Declaration::Stream(spec) => Change::CreateStream(spec),
            Declaration::Table(spec) => Change::CreateTable(spec),
            other => panic!("{other:?}"),
        });
    }
    let set = ChangeSet {
        tenant: TenantId::ONLY,
        app,
        changes,
    };
    preview(Definitions::default(), &set, Seq(1)).unwrap()
}

fn understood(sql: &str) -> Result<Beyond, QueryError> {
    let now = Timestamp(1_700_000_000_000_000);
    let defs = declared();
    let asked = understand(sql, (&defs, TenantId::ONLY), now).now_or_never();
    asked.expect("it waits for nothing")
}

/// What Spark is asked, and of what.
fn check(sql: &str, expected: &Expect) {
    let question = match understood(sql) {
        Ok(Beyond::Question(question)) => question,
        Ok(other) => panic!("{sql}: {other:?}"),
        Err(error) => panic!("{sql}: {:?}", error.problem()),
    };
    let fields = question.schema.fields().iter();
    let fields: Vec<String> = fields
        .map(|field| format!("{} {}", field.name(), field.data_type()))
        .collect();
    let mut text = format!("{}\n{}\n", question.sql, fields.join(", "));
    for read in &question.reads {
        let columns = read.columns.join(", ");
        text.push_str(&format!(
            "{}: {} ({columns})\n",
            read.relation, read.object.0
        ));
    }
    expected.assert_eq(&text);
}

fn refused(sql: &str, code: Code, said: &str) {
    let problem = understood(sql).expect_err(sql).problem();
    let text = format!(
        "{}: {}",
        problem.message,
        problem.detail.unwrap_or_default()
    );
    assert_eq!((problem.code, text.as_str()), (code, said), "{sql}");
}

#[test]
fn groups_are_ordered_and_cut_off() {
    check(
        "SELECT country, count(*) AS n, sum(quantity * unit_price) AS revenue FROM purchases \
         WHERE quantity > 0 GROUP BY country HAVING count(*) > 2 ORDER BY revenue DESC LIMIT 3",
        &expect![[r#"
            SELECT * FROM (SELECT * FROM (SELECT c0 AS c0, c1 AS c1, c2 AS c2 FROM (SELECT * FROM (SELECT c2 AS c0, count(*) AS c1, sum((CAST(c0 AS DECIMAL(10,0)) * c1)) AS c2 FROM (SELECT * FROM (SELECT `quantity` AS c0, `unit_price` AS c1, `country` AS c2 FROM r0) WHERE (c0 > 0)) GROUP BY c2) WHERE (c1 > 2L))) ORDER BY c2 DESC NULLS FIRST) LIMIT 3
            country Utf8, n Int64, revenue Decimal128(33, 3)
            r0: 16 (quantity, unit_price, country)
        "#]],
    );
}

#[test]
fn hidden_columns_are_read_where_they_are_named() {
    check(
        "SELECT country, _offset FROM purchases WHERE country LIKE 'U%' \
         ORDER BY _partition, _offset OFFSET 2",
        &expect![[r#"
            SELECT * FROM (SELECT c0 AS c0, c1 AS c1 FROM (SELECT * FROM (SELECT c0 AS c0, c2 AS c1, c1 AS c2 FROM (SELECT * FROM (SELECT `country` AS c0, `_partition` AS c1, `_offset` AS c2 FROM r0) WHERE (c0 LIKE 'U%'))) ORDER BY c2 ASC NULLS LAST, c1 ASC NULLS LAST)) OFFSET 2
            country Utf8, _offset Int64
            r0: 16 (country, _partition, _offset)
        "#]],
    );
}

#[test]
fn subqueries_are_joins_or_stay_what_they_are() {
    check(
        "SELECT name FROM customers WHERE customer_id NOT IN (SELECT customer_id FROM purchases)",
        &expect![[r#"
            SELECT c1 AS c0 FROM (SELECT l.c0 AS c0, l.c1 AS c1 FROM (SELECT `customer_id` AS c0, `name` AS c1 FROM r0) AS l WHERE NOT EXISTS (SELECT 1 FROM (SELECT `customer_id` AS c0 FROM r1) AS r WHERE coalesce((l.c0 = r.c0), true)))
            name Utf8
            r0: 18 (customer_id, name)
            r1: 16 (customer_id)
        "#]],
    );
    check(
        "SELECT name FROM customers WHERE customer_id IN (SELECT customer_id FROM purchases) OR \
         name = (SELECT max(country) FROM purchases)",
        &expect![[r#"
            SELECT c0 AS c0 FROM (SELECT * FROM (SELECT c1 AS c0, c2 AS c1 FROM (SELECT l.c0 AS c0, l.c1 AS c1, EXISTS (SELECT 1 FROM (SELECT `customer_id` AS c0 FROM r1) AS r WHERE (l.c0 = r.c0)) AS c2 FROM (SELECT `customer_id` AS c0, `name` AS c1 FROM r0) AS l)) WHERE (c1 OR (c0 = (SELECT max(c0) AS c0 FROM (SELECT `country` AS c0 FROM r1)))))
            name Utf8
            r0: 18 (customer_id, name)
            r1: 16 (customer_id, country)
        "#]],
    );
}

#[test]
fn rows_are_numbered_and_added_up_in_windows() {
    check(
        "SELECT * FROM (SELECT country, row_number() OVER (PARTITION BY country ORDER BY quantity \
         DESC) AS n, avg(quantity) OVER (ORDER BY invoice_date ROWS BETWEEN 2 PRECEDING AND \
         CURRENT ROW) AS mean FROM purchases) WHERE n = 1",
        &expect![[r#"
            SELECT * FROM (SELECT c1 AS c0, c3 AS c1, c2 AS c2 FROM (SELECT c0 AS c0, c1 AS c1, c2 AS c2, CAST(row_number() OVER (PARTITION BY c1 ORDER BY c0 DESC NULLS FIRST) AS BIGINT) AS c3 FROM (SELECT c0 AS c0, c2 AS c1, c3 AS c2 FROM (SELECT c0 AS c0, c1 AS c1, c2 AS c2, CAST(avg(CAST(c0 AS DOUBLE)) OVER (ORDER BY c1 ASC NULLS LAST ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS DOUBLE) AS c3 FROM (SELECT `quantity` AS c0, `invoice_date` AS c1, `country` AS c2 FROM r0))))) WHERE (c1 = 1L)
            country Utf8, n UInt64, mean Float64
            r0: 16 (quantity, invoice_date, country)
        "#]],
    );
}

#[test]
fn what_names_nothing_is_answered_here() {
    let Ok(Beyond::Known(schema, rows)) = understood("SELECT upper('a') AS a, 1 + 1 AS b") else {
        panic!("it is asked of Spark");
    };
    assert_eq!(schema.fields().len(), 2);
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
    assert!(matches!(understood("SHOW STREAMS"), Ok(Beyond::Known(..))));
    assert!(matches!(
        understood("DELETE FROM customers"),
        Ok(Beyond::Write)
    ));
    assert!(matches!(
        understood("EXPLAIN SELECT name FROM customers"),
        Ok(Beyond::Explain(_))
    ));
}

#[test]
fn what_spark_would_answer_otherwise_is_refused_by_name() {
    refused(
        "SELECT more->>'a' FROM purchases",
        Code::Clus100,
        "this question cannot be asked beyond one machine: Function \"json_get_text\" has none \
         that gives the same.",
    );
    refused(
        "SELECT string_agg(country, ',' ORDER BY country) FROM purchases",
        Code::Clus100,
        "aggregate function \"string_agg\" with ORDER BY cannot be asked beyond one machine: It \
         has no spelling in Spark SQL that answers the same.",
    );
    refused(
        "SELECT country, count(*) FROM purchases GROUP BY ROLLUP (country)",
        Code::Clus100,
        "GROUP BY of several sets cannot be asked beyond one machine: It has no spelling in Spark \
         SQL that answers the same.",
    );
    refused(
        "SELECT * FROM purchases MATCH_RECOGNIZE (PARTITION BY country ORDER BY invoice_date \
         MEASURES count(*) AS n PATTERN (A B) DEFINE B AS quantity > PREV(quantity))",
        Code::Clus100,
        "MATCH_RECOGNIZE cannot be asked beyond one machine: It has no spelling in Spark SQL that \
         answers the same.",
    );
    refused(
        "SELECT nobody FROM purchases",
        Code::Sql022,
        "there is no column \"nobody\": ",
    );
}
