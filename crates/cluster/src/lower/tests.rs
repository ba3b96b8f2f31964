//! Views of the applications that are shipped, as Spark is asked; and what is refused, by name.

mod together;

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use mainstem_catalog::{AppDef, Change, ChangeSet, Definitions, preview};
use mainstem_kernel::{AppName, Code, Fault, Seq, TenantId};
use mainstem_sql::{Declaration, PlannedView, ViewText, declarations, plan_view};

use super::*;

const DECLARED: &str = "
CREATE STREAM purchases (
  invoice_no TEXT NOT NULL, quantity INTEGER NOT NULL, invoice_date TIMESTAMPTZ NOT NULL,
  unit_price NUMERIC(12, 3) NOT NULL, customer_id TEXT, country TEXT NOT NULL,
  WATERMARK FOR invoice_date AS invoice_date - INTERVAL '1 hour'
);
CREATE STREAM readings (
  vehicle_id TEXT NOT NULL, at TIMESTAMPTZ NOT NULL, speed_kmh DOUBLE PRECISION NOT NULL,
  celsius DOUBLE PRECISION, WATERMARK FOR at AS at - INTERVAL '10 seconds'
);
CREATE TABLE vehicles (vehicle_id TEXT PRIMARY KEY, model TEXT NOT NULL, owner_id TEXT);
CREATE MATERIALIZED VIEW totals AS SELECT country, count(*) AS n FROM purchases GROUP BY country
  EMIT ON UPDATE;
CREATE MATERIALIZED VIEW both AS SELECT country AS name, invoice_date AS at FROM purchases
  UNION ALL SELECT vehicle_id, at FROM readings;
CREATE MATERIALIZED VIEW fast AS SELECT vehicle_id, at FROM readings WHERE speed_kmh > 100;
CREATE MATERIALIZED VIEW near AS SELECT p.country, r.at FROM purchases p JOIN readings r
  ON r.vehicle_id = p.country AND r.at BETWEEN p.invoice_date AND p.invoice_date + INTERVAL '1 hour';
CREATE MATERIALIZED VIEW minutes AS SELECT window_start AS minute FROM TUMBLE(fast, at, INTERVAL '1 minute')
  GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW passed AS SELECT minute AS m FROM minutes;
CREATE MATERIALIZED VIEW hours AS SELECT window_start AS hour FROM TUMBLE(passed, m, INTERVAL '1 hour')
  GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;
";

fn declared() -> Definitions {
    let mut defs = Definitions::default();
    let app = AppName::new("shop").unwrap();
    let mut changes = vec![Change::SetApp(AppDef {
        tenant: TenantId::ONLY,
        name: app.clone(),
        version: None,
        revision: 1,
        files: BTreeMap::new(),
    })];
    let files = BTreeMap::from([("a.sql".to_owned(), DECLARED.to_owned())]);
    for (seq, declared) in (1..).zip(declarations(&files).unwrap()) {
        changes.push(match declared.declaration {
            Declaration::Stream(spec) => Change::CreateStream(spec),
            Declaration::Table(spec) => Change::CreateTable(spec),
            Declaration::View(text) => Change::CreateView(planned(&defs, &text).spec(&text)),
            other => panic!("{other:?}"),
        });
        let set = ChangeSet {
            tenant: TenantId::ONLY,
            app: app.clone(),
            changes: std::mem::take(&mut changes),
        };
        defs = preview(defs, &set, Seq(seq)).unwrap();
    }
    defs
}

fn planned(defs: &Definitions, text: &ViewText) -> PlannedView {
    plan_view(defs, TenantId::ONLY, text).unwrap()
}

fn lowered(query: &str) -> Result<Lowered, LowerError> {
    let sql = format!("CREATE MATERIALIZED VIEW v {query};");
    let files = BTreeMap::from([("v.sql".to_owned(), sql)]);
    let found = declarations(&files).unwrap().remove(0);
    let Declaration::View(text) = found.declaration else {
        panic!("{query} is no view");
    };
    let defs = declared();
    lower(&text.name, (&planned(&defs, &text), &defs), "input")
}

/// All that is decided of a view.
fn check(query: &str, expected: &Expect) {
    let lowered = lowered(query).unwrap_or_else(|error| panic!("{query}\n{}", error.problem()));
    let hidden = lowered.columns.iter().filter(|column| column.is_hidden);
    let hidden: Vec<String> = hidden.map(|c| format!("{} {}", c.name, c.ty)).collect();
    let inputs: Vec<String> = lowered.inputs().map(read).collect();
    let mut text = format!(
        "{}\n{}{} mode, key ({}), hidden {}\n",
        lowered.spark_sql,
        inputs.concat(),
        lowered.output_mode.as_str(),
        lowered.key.join(", "),
        hidden.join(", "),
    );
    if let Some(end) = &lowered.hidden_until {
        text.push_str(&format!("hidden until {end}\n"));
    }
    if let Some(worker) = &lowered.worker {
        text.push_str(&format!("worker\n{worker}\n"));
    }
    expected.assert_eq(&text);
}

fn read(input: &SparkInput) -> String {
    let watermark = input.watermark.as_ref();
    let watermark = watermark.map(|watermark| {
        let SparkWatermark { column, delay } = watermark;
        format!("  watermark {column} - {delay:?}\n")
    });
    let (relation, ddl) = (&input.relation, input.ddl());
    format!("{relation} {ddl}\n{}", watermark.unwrap_or_default())
}

fn refused(query: &str, code: Code, message: &str) {
    let error = lowered(query).map(|lowered| lowered.spark_sql).unwrap_err();
    let problem = error.problem();
    let said = format!(
        "{}: {}",
        problem.message,
        problem.detail.unwrap_or_default()
    );
    assert_eq!((problem.code, said.as_str()), (code, message), "{query}");
    assert!(problem.hint.is_some(), "{query}");
}

#[test]
fn totals_have_a_version_and_a_bound_on_what_is_counted_once() {
    check(
        "WITH (distinct_max = 100) AS SELECT country, count(DISTINCT invoice_no) AS orders, \
         sum(quantity * unit_price) AS revenue, avg(unit_price) AS mean FROM purchases \
         GROUP BY country EMIT ON UPDATE",
        &expect![[r#"
            SELECT `c0` AS `country`, `c1` AS `orders`, `c2` AS `revenue`, `c3` AS `mean`, `_version` AS `_version`, true AS `_live` FROM (SELECT `country` AS `c0`, CASE WHEN size(collect_set(`invoice_no`)) > 100L THEN CAST(raise_error('a group has more than 100 different values') AS BIGINT) ELSE CAST(size(collect_set(`invoice_no`)) AS BIGINT) END AS `c1`, sum((CAST(`quantity` AS DECIMAL(10,0)) * `unit_price`)) AS `c2`, CAST(CAST((CAST(sum(`unit_price`) AS DECIMAL(26,7)) - (CAST(sum(`unit_price`) AS DECIMAL(26,7)) % (CAST(nullif(count(`unit_price`), 0L) AS DECIMAL(20,0)) * CAST('1e-7' AS DECIMAL(8,7))))) / CAST(nullif(count(`unit_price`), 0L) AS DECIMAL(20,0)) AS DECIMAL(26,7)) AS DECIMAL(16,7)) AS `c3`, count(*) AS `_version` FROM `input` GROUP BY `country`)
            input `invoice_no` STRING, `quantity` INT, `unit_price` DECIMAL(12,3), `country` STRING
            update mode, key (country), hidden _version BIGINT, _live BOOLEAN
        "#]],
    );
}

#[test]
fn windows_that_are_corrected_are_hidden_while_they_are_open() {
    check(
        "AS SELECT window_start, window_end, count(*) FILTER (WHERE quantity < 0) AS back \
         FROM TUMBLE(purchases, invoice_date, INTERVAL '1 hour') \
         GROUP BY window_start, window_end \
         EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 day'",
        &expect![[r#"
            SELECT `c0` AS `window_start`, `c1` AS `window_end`, `c2` AS `back`, `_version` AS `_version`, true AS `_live` FROM (SELECT window(`invoice_date`, '3600000000 microseconds', '3600000000 microseconds', '0 microseconds').start AS `c0`, window(`invoice_date`, '3600000000 microseconds', '3600000000 microseconds', '0 microseconds').end AS `c1`, count(CASE WHEN (`quantity` < 0) THEN 1 END) AS `c2`, count(*) AS `_version` FROM `input` GROUP BY window(`invoice_date`, '3600000000 microseconds', '3600000000 microseconds', '0 microseconds'))
            input `quantity` INT, `invoice_date` TIMESTAMP
              watermark invoice_date - 90000s
            update mode, key (window_start, window_end), hidden _version BIGINT, _live BOOLEAN
            hidden until window_end
        "#]],
    );
}

#[test]
fn windows_that_hop_slide() {
    check(
        "AS SELECT window_start, window_end, country, count(*) AS n \
         FROM HOP(purchases, invoice_date, INTERVAL '20 minutes', INTERVAL '1 hour', INTERVAL '90 minutes') \
         GROUP BY window_start, window_end, country EMIT ON WINDOW CLOSE",
        &expect![[r#"
            SELECT `c0` AS `window_start`, `c1` AS `window_end`, `c2` AS `country`, `c3` AS `n`, `_version` AS `_version`, `c0` AS `_key1`, `c1` AS `_key2`, `c2` AS `_key3` FROM (SELECT window(`invoice_date`, '3600000000 microseconds', '1200000000 microseconds', '600000000 microseconds').start AS `c0`, window(`invoice_date`, '3600000000 microseconds', '1200000000 microseconds', '600000000 microseconds').end AS `c1`, `country` AS `c2`, count(*) AS `c3`, count(*) AS `_version` FROM `input` GROUP BY window(`invoice_date`, '3600000000 microseconds', '1200000000 microseconds', '600000000 microseconds'), `country`)
            input `invoice_date` TIMESTAMP, `country` STRING
              watermark invoice_date - 3600s
            append mode, key (_key1, _key2, _key3), hidden _version BIGINT, _key1 TIMESTAMP, _key2 TIMESTAMP, _key3 STRING
        "#]],
    );
    check(
        "AS SELECT window_start, window_end, v.model, count(*) AS n \
         FROM HOP(readings, at, INTERVAL '1 minute', INTERVAL '3 minutes') r \
         JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v ON v.vehicle_id = r.vehicle_id \
         GROUP BY window_start, window_end, v.model EMIT ON UPDATE",
        &expect![[r#"
            SELECT `c0` AS `window_start`, `c1` AS `window_end`, `c2` AS `model`, `c3` AS `n`, `_version` AS `_version`, true AS `_live` FROM (SELECT window(`window_start`, '180000000 microseconds', '60000000 microseconds', '0 microseconds').start AS `c0`, window(`window_start`, '180000000 microseconds', '60000000 microseconds', '0 microseconds').end AS `c1`, `model` AS `c2`, count(*) AS `c3`, count(*) AS `_version` FROM `input` GROUP BY window(`window_start`, '180000000 microseconds', '60000000 microseconds', '0 microseconds'), `model`)
            input `vehicle_id` STRING, `window_start` TIMESTAMP, `window_end` TIMESTAMP, `vehicle_id_2` STRING, `model` STRING
              watermark window_start - 10s
            update mode, key (window_start, window_end, model), hidden _version BIGINT, _live BOOLEAN
            worker
            lookup 1 by (vehicle_id@0): vehicle_id, model
              project vehicle_id Utf8 = vehicle_id@0, window_start Timestamp(µs, "UTC") = window_start@2, window_end Timestamp(µs, "UTC") = window_end@3
                project vehicle_id Utf8 = vehicle_id@0, at Timestamp(µs, "UTC") = at@1, window_start Timestamp(µs, "UTC") = window_start@1, window_end Timestamp(µs, "UTC") = window_end@1
                  source 0: vehicle_id, at
        "#]],
    );
}

#[test]
fn sessions_are_those_of_spark_but_for_their_last_microsecond() {
    check(
        "AS SELECT window_start, window_end, country, count(*) AS n \
         FROM SESSION(purchases PARTITION BY country, invoice_date, INTERVAL '30 minutes') \
         GROUP BY window_start, window_end, country EMIT ON WINDOW CLOSE",
        &expect![[r#"
            SELECT `c0` AS `window_start`, `c1` AS `window_end`, `c2` AS `country`, `c3` AS `n`, `_version` AS `_version`, `c0` AS `_key1`, `c1` AS `_key2`, `c2` AS `_key3` FROM (SELECT session_window(`invoice_date`, '1799999999 microseconds').start AS `c0`, timestamp_micros(unix_micros(session_window(`invoice_date`, '1799999999 microseconds').end) + 1L) AS `c1`, `country` AS `c2`, count(*) AS `c3`, count(*) AS `_version` FROM `input` GROUP BY session_window(`invoice_date`, '1799999999 microseconds'), `country`)
            input `invoice_date` TIMESTAMP, `country` STRING
              watermark invoice_date - 3600s
            append mode, key (_key1, _key2, _key3), hidden _version BIGINT, _key1 TIMESTAMP, _key2 TIMESTAMP, _key3 STRING
        "#]],
    );
}

#[test]
fn lookups_are_left_to_a_worker_with_all_below_them() {
    check(
        "AS SELECT window_start, window_end, r.vehicle_id, v.model, count(*) AS readings, \
         avg(r.celsius) AS mean FROM TUMBLE(readings, at, INTERVAL '1 minute') r \
         JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v ON v.vehicle_id = r.vehicle_id \
         WHERE r.speed_kmh > 0 GROUP BY window_start, window_end, r.vehicle_id, v.model \
         EMIT ON WINDOW CLOSE",
        &expect![[r#"
            SELECT `c0` AS `window_start`, `c1` AS `window_end`, `c2` AS `vehicle_id`, `c3` AS `model`, `c4` AS `readings`, `c5` AS `mean`, `_version` AS `_version`, `c0` AS `_key1`, `c1` AS `_key2`, `c2` AS `_key3`, `c3` AS `_key4` FROM (SELECT window(`window_start`, '60000000 microseconds', '60000000 microseconds', '0 microseconds').start AS `c0`, window(`window_start`, '60000000 microseconds', '60000000 microseconds', '0 microseconds').end AS `c1`, `vehicle_id` AS `c2`, `model` AS `c3`, count(*) AS `c4`, avg(`celsius`) AS `c5`, count(*) AS `_version` FROM `input` GROUP BY window(`window_start`, '60000000 microseconds', '60000000 microseconds', '0 microseconds'), `vehicle_id`, `model`)
            input `vehicle_id` STRING, `speed_kmh` DOUBLE, `celsius` DOUBLE, `window_start` TIMESTAMP, `window_end` TIMESTAMP, `vehicle_id_2` STRING, `model` STRING
              watermark window_start - 10s
            append mode, key (_key1, _key2, _key3, _key4), hidden _version BIGINT, _key1 TIMESTAMP, _key2 TIMESTAMP, _key3 STRING, _key4 STRING
            worker
            lookup 1 by (vehicle_id@0): vehicle_id, model
              project vehicle_id Utf8 = vehicle_id@0, speed_kmh Float64 = speed_kmh@2, celsius Float64 = celsius@3, window_start Timestamp(µs, "UTC") = window_start@4, window_end Timestamp(µs, "UTC") = window_end@5
                project vehicle_id Utf8 = vehicle_id@0, at Timestamp(µs, "UTC") = at@1, speed_kmh Float64 = speed_kmh@2, celsius Float64 = celsius@3, window_start Timestamp(µs, "UTC") = window_start@1, window_end Timestamp(µs, "UTC") = window_end@1
                  filter speed_kmh@2 > 0
                    source 0: vehicle_id, at, speed_kmh, celsius
        "#]],
    );
}

#[test]
fn a_condition_on_groups_becomes_a_flag_and_guards_what_is_computed() {
    check(
        "AS SELECT country, 100 / count(customer_id) AS part FROM purchases \
         GROUP BY country HAVING count(customer_id) > 0 EMIT ON UPDATE",
        &expect![[r#"
            SELECT `c0` AS `country`, `c1` AS `part`, `_version` AS `_version`, coalesce(`_live`, false) AS `_live` FROM (SELECT `c0` AS `c0`, CASE WHEN (`c1` > 0L) THEN (100L div `c1`) END AS `c1`, (`c1` > 0L) AS `_live`, `_version` AS `_version` FROM (SELECT `country` AS `c0`, count(`customer_id`) AS `c1`, count(*) AS `_version` FROM `input` GROUP BY `country`))
            input `customer_id` STRING, `country` STRING
            update mode, key (country), hidden _version BIGINT, _live BOOLEAN
        "#]],
    );
}

#[test]
fn rows_that_are_only_passed_on_are_told_apart_by_where_they_came_from() {
    check(
        "AS SELECT upper(country) AS country, quantity + 1 AS more FROM purchases \
         WHERE country LIKE 'F%'",
        &expect![[r#"
            SELECT `c0` AS `country`, `c1` AS `more`, `_source_partition` AS `_source_partition`, `_source_offset` AS `_source_offset` FROM (SELECT upper(`country`) AS `c0`, (CAST(`quantity` AS BIGINT) + 1L) AS `c1`, `_partition` AS `_source_partition`, `_offset` AS `_source_offset` FROM `input` WHERE (`country` LIKE 'F%'))
            input `quantity` INT, `country` STRING
            append mode, key (_source_partition, _source_offset), hidden _source_partition INT, _source_offset BIGINT
        "#]],
    );
}

#[test]
fn a_condition_on_windows_that_are_final_is_a_condition() {
    check(
        "AS SELECT window_end, country FROM TUMBLE(purchases, invoice_date, INTERVAL '1 hour') \
         GROUP BY window_start, window_end, country HAVING count(*) > 2 EMIT ON WINDOW CLOSE",
        &expect![[r#"
            SELECT `c1` AS `window_end`, `c2` AS `country`, `_version` AS `_version`, `c0` AS `_key1`, `c1` AS `_key2`, `c2` AS `_key3` FROM (SELECT window(`invoice_date`, '3600000000 microseconds', '3600000000 microseconds', '0 microseconds').start AS `c0`, window(`invoice_date`, '3600000000 microseconds', '3600000000 microseconds', '0 microseconds').end AS `c1`, `country` AS `c2`, count(*) AS `c3`, count(*) AS `_version` FROM `input` GROUP BY window(`invoice_date`, '3600000000 microseconds', '3600000000 microseconds', '0 microseconds'), `country`) WHERE (`c3` > 2L)
            input `invoice_date` TIMESTAMP, `country` STRING
              watermark invoice_date - 3600s
            append mode, key (_key1, _key2, _key3), hidden _version BIGINT, _key1 TIMESTAMP, _key2 TIMESTAMP, _key3 STRING
        "#]],
    );
}

#[test]
fn rows_are_chosen_and_deviations_are_told_as_spark_does() {
    check(
        "AS SELECT country, last_value(quantity ORDER BY invoice_date) AS last, \
         min_by(invoice_no, unit_price) FILTER (WHERE quantity > 0) AS cheapest, \
         bool_and(quantity > 0) AS sold, stddev(quantity) AS spread, var_pop(quantity) AS variance \
         FROM purchases GROUP BY country EMIT ON UPDATE",
        &expect![[r#"
            SELECT `c0` AS `country`, `c1` AS `last`, `c2` AS `cheapest`, `c3` AS `sold`, `c4` AS `spread`, `c5` AS `variance`, `_version` AS `_version`, true AS `_live` FROM (SELECT `country` AS `c0`, max_by(`quantity`, CASE WHEN `invoice_date` IS NOT NULL THEN struct(`invoice_date` AS o, `quantity` AS v) END) AS `c1`, min_by(CASE WHEN (`quantity` > 0) THEN `invoice_no` END, CASE WHEN (`quantity` > 0) AND `unit_price` IS NOT NULL THEN struct(`unit_price` AS o, CASE WHEN (`quantity` > 0) THEN `invoice_no` END AS v) END) AS `c2`, bool_and((`quantity` > 0)) AS `c3`, stddev_samp(CAST(`quantity` AS DOUBLE)) AS `c4`, var_pop(CAST(`quantity` AS DOUBLE)) AS `c5`, count(*) AS `_version` FROM `input` GROUP BY `country`)
            input `invoice_no` STRING, `quantity` INT, `invoice_date` TIMESTAMP, `unit_price` DECIMAL(12,3), `country` STRING
            update mode, key (country), hidden _version BIGINT, _live BOOLEAN
        "#]],
    );
}

#[test]
fn a_histogram_is_an_array_of_counts() {
    check(
        "AS SELECT country, histogram(quantity, 0, 10, 2) FILTER (WHERE unit_price > 1) AS h \
         FROM purchases GROUP BY country EMIT ON UPDATE",
        &expect![[r#"
            SELECT `c0` AS `country`, `c1` AS `h`, `_version` AS `_version`, true AS `_live` FROM (SELECT `country` AS `c0`, CASE WHEN count(CASE WHEN (`unit_price` > CAST('1.000' AS DECIMAL(12,3))) THEN CAST(`quantity` AS DOUBLE) END) > 0L THEN array(count(CASE WHEN CASE WHEN ((CASE WHEN (`unit_price` > CAST('1.000' AS DECIMAL(12,3))) THEN CAST(`quantity` AS DOUBLE) END) - 0e0D) / 1e1D < 0D THEN 0L WHEN ((CASE WHEN (`unit_price` > CAST('1.000' AS DECIMAL(12,3))) THEN CAST(`quantity` AS DOUBLE) END) - 0e0D) / 1e1D >= 1D THEN 3L ELSE floor((((CASE WHEN (`unit_price` > CAST('1.000' AS DECIMAL(12,3))) THEN CAST(`quantity` AS DOUBLE) END) - 0e0D) / 1e1D) * 2D) + 1L END = 0L THEN 1 END), count(CASE WHEN CASE WHEN ((CASE WHEN (`unit_price` > CAST('1.000' AS DECIMAL(12,3))) THEN CAST(`quantity` AS DOUBLE) END) - 0e0D) / 1e1D < 0D THEN 0L WHEN ((CASE WHEN (`unit_price` > CAST('1.000' AS DECIMAL(12,3))) THEN CAST(`quantity` AS DOUBLE) END) - 0e0D) / 1e1D >= 1D THEN 3L ELSE floor((((CASE WHEN (`unit_price` > CAST('1.000' AS DECIMAL(12,3))) THEN CAST(`quantity` AS DOUBLE) END) - 0e0D) / 1e1D) * 2D) + 1L END = 1L THEN 1 END), count(CASE WHEN CASE WHEN ((CASE WHEN (`unit_price` > CAST('1.000' AS DECIMAL(12,3))) THEN CAST(`quantity` AS DOUBLE) END) - 0e0D) / 1e1D < 0D THEN 0L WHEN ((CASE WHEN (`unit_price` > CAST('1.000' AS DECIMAL(12,3))) THEN CAST(`quantity` AS DOUBLE) END) - 0e0D) / 1e1D >= 1D THEN 3L ELSE floor((((CASE WHEN (`unit_price` > CAST('1.000' AS DECIMAL(12,3))) THEN CAST(`quantity` AS DOUBLE) END) - 0e0D) / 1e1D) * 2D) + 1L END = 2L THEN 1 END), count(CASE WHEN CASE WHEN ((CASE WHEN (`unit_price` > CAST('1.000' AS DECIMAL(12,3))) THEN CAST(`quantity` AS DOUBLE) END) - 0e0D) / 1e1D < 0D THEN 0L WHEN ((CASE WHEN (`unit_price` > CAST('1.000' AS DECIMAL(12,3))) THEN CAST(`quantity` AS DOUBLE) END) - 0e0D) / 1e1D >= 1D THEN 3L ELSE floor((((CASE WHEN (`unit_price` > CAST('1.000' AS DECIMAL(12,3))) THEN CAST(`quantity` AS DOUBLE) END) - 0e0D) / 1e1D) * 2D) + 1L END = 3L THEN 1 END)) END AS `c1`, count(*) AS `_version` FROM `input` GROUP BY `country`)
            input `quantity` INT, `unit_price` DECIMAL(12,3), `country` STRING
            update mode, key (country), hidden _version BIGINT, _live BOOLEAN
        "#]],
    );
    refused(
        "AS SELECT country, histogram(quantity, 0, 10, 101) AS n FROM purchases \
         GROUP BY country EMIT ON UPDATE",
        Code::Clus030,
        "view \"v\" has no spelling in Spark SQL: Histogram of Float64 gives something else.",
    );
}

#[test]
fn what_is_approximate_and_arrays_of_rows_are_refused_by_name() {
    refused(
        "AS SELECT country, approx_distinct(invoice_no) AS n FROM purchases GROUP BY country EMIT ON UPDATE",
        Code::Clus030,
        "view \"v\" has no spelling in Spark SQL: Approx_distinct of Utf8 gives something else.",
    );
    refused(
        "AS SELECT country, approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY quantity) AS n \
         FROM purchases GROUP BY country EMIT ON UPDATE",
        Code::Clus030,
        "view \"v\" has no spelling in Spark SQL: Approx_percentile_cont of Float64 gives something else.",
    );
    refused(
        "WITH (distinct_max = 100) AS SELECT country, sum(DISTINCT quantity) AS n FROM purchases \
         GROUP BY country EMIT ON UPDATE",
        Code::Clus030,
        "view \"v\" has no spelling in Spark SQL: Sum distinct of Int64 gives something else.",
    );
    refused(
        "AS SELECT country, max_by(quantity, invoice_date, 3) AS latest FROM purchases \
         GROUP BY country EMIT ON UPDATE",
        Code::Clus030,
        "view \"v\" has no spelling in Spark SQL: Max_by of Int32 gives something else.",
    );
}

#[test]
fn what_has_no_lowering_is_refused_by_name() {
    refused(
        "AS SELECT n, count(*) AS countries FROM totals GROUP BY n EMIT ON UPDATE",
        Code::Clus031,
        "view \"v\" reads rows that change: Versions of its rows would not only grow, so an older \
         row could replace a newer one.",
    );
    refused(
        "AS SELECT customer_id, count(*) AS n FROM purchases GROUP BY customer_id EMIT ON UPDATE",
        Code::Clus032,
        "column \"customer_id\" of the key of view \"v\" may be NULL: Its rows are kept in \
         Cassandra, whose keys are never NULL.",
    );
    refused(
        "AS SELECT window_start, window_end, count(*) AS n FROM \
         TUMBLE(purchases, invoice_date, INTERVAL '1 day', TIME ZONE 'Europe/Berlin') \
         GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
        Code::Clus033,
        "windows of view \"v\" follow the time zone \"Europe/Berlin\": Windows of Spark are all of \
         one length, in UTC.",
    );
    refused(
        "AS SELECT window_end, count(*) AS n FROM \
         CUMULATE(purchases, invoice_date, INTERVAL '1 hour', INTERVAL '1 day') \
         GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
        Code::Clus030,
        "view \"v\" has no spelling in Spark SQL: Windows of CUMULATE have none.",
    );
    refused(
        "AS SELECT window_end, count(*) AS n FROM \
         SESSION(purchases, invoice_date, INTERVAL '1 hour') \
         GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
        Code::Clus030,
        "view \"v\" has no spelling in Spark SQL: Windows of SESSION without PARTITION BY have none.",
    );
    refused(
        "AS SELECT _offset + 1 AS place FROM purchases",
        Code::Clus034,
        "view \"v\" reads \"_offset\", a place in the log of one machine: The same row has another \
         place on Kafka, and there is no one order over all partitions.",
    );
    refused(
        "AS SELECT country ~ 'F.*' AS found FROM purchases",
        Code::Clus030,
        "view \"v\" has no spelling in Spark SQL: Operator \"~\" of Utf8 gives something else.",
    );
    refused(
        "AS SELECT country::DOUBLE PRECISION AS n FROM purchases",
        Code::Clus030,
        "view \"v\" has no spelling in Spark SQL: Converting Utf8 to Float64 gives something else.",
    );
}
