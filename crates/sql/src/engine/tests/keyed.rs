//! Questions over tables and views: found by key as by reading all, at one frontier with streams,
//! and only what is whole.

use std::{sync::Arc, time::Duration};

use datafusion::arrow::array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, new_null_array,
};
use futures::StreamExt;
use mainstem_catalog::{Change, ChangeSet};
use mainstem_kernel::{AppName, Code, ColumnType, Position, Seq, StreamId, TenantId};
use mainstem_log::ReadFrom;
use mainstem_table::Changed;

use super::bed::Bed;
use crate::{Answered, ResultFormat, RowWriter};

/// A small generator: the seed is all that a failure needs.
pub(super) fn random(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below.max(1)).unwrap()).unwrap()
    }
}

impl Bed {
    /// Puts rows into a table or keyed view, in one step at the log's frontier.
    pub(super) fn put(&self, name: &str, columns: Vec<ArrayRef>) {
        let id = self.id(name);
        let pointer = self.rows.tables.pointer();
        let schema = Arc::clone(pointer.codec(id).unwrap().schema());
        let rows = RecordBatch::try_new(schema, columns).unwrap();
        let through = self.frontier();
        let changed = Changed {
            table: id,
            deleted: (0..rows.num_rows()).map(|_| false).collect(),
            written: vec![through; rows.num_rows()],
            rows,
        };
        let from = ReadFrom {
            after: Seq::ZERO,
            through,
            bytes_max: 0,
        };
        self.rows.advance(from, vec![changed]);
    }
}

pub(super) fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

pub(super) fn numbers(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

const LETTERS: [&str; 4] = ["a", "b", "ab", ""];

fn term(random: &mut impl FnMut(usize) -> usize) -> String {
    let (n, m) = (random(6), random(6));
    let (x, y) = (LETTERS[random(4)], LETTERS[random(4)]);
    match random(19) {
        0..=2 => format!("a = '{x}'"),
        3 => format!("a IN ('{x}', '{y}', 'zz')"),
        4 => format!("(a = '{x}' OR '{y}' = a)"),
        5 => format!("(a = '{x}' OR b = {n})"),
        6 | 7 => format!("b = {n}"),
        8 => format!("b IN ({n}, {m}, 2, 3, 5)"),
        9 => format!("b BETWEEN {n} AND {m}"),
        10 => format!("{n} < b"),
        11 => format!("b <= {n}"),
        12 => format!("c = {m}"),
        13 => format!("c IN ({n}, {m})"),
        14 => format!("c <> {n}"),
        15 => format!("b + 1 = {n}"),
        16 => format!("a = '{x}' AND c = {m} AND b = {n}"),
        17 => format!("a IN ('{x}', '{y}') AND b IN ({n}, {m}, 1, 2) AND c IN ({m}, {n})"),
        _ => format!("a > '{x}'"),
    }
}

/// The worst mistake: a row that the filters pass and that was not looked for.
#[tokio::test]
async fn what_is_found_by_key_is_what_reading_all_finds() {
    let bed = Bed::new();
    bed.declare("CREATE TABLE t (c INTEGER, v BIGINT, a TEXT, b BIGINT, PRIMARY KEY (a, b, c))");
    let mut rows = Vec::new();
    for (n, a) in LETTERS.iter().enumerate() {
        for b in 0..6_i64 {
            for c in 0..6_i32 {
                if (i64::from(c) + b + i64::try_from(n).unwrap()) % 3 > 0 {
                    rows.push((c, i64::try_from(rows.len()).unwrap(), *a, b));
                }
            }
        }
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.0))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.2))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.3))),
    ];
    bed.put("t", columns);
    let mut random = random(0x5EED_0101);
    let mut ways = [0; 4];
    for round in 0..300 {
        let terms: Vec<String> = (0..=random(3)).map(|_| term(&mut random)).collect();
        let filter = terms.join(" AND ");
        let sums = "count(v) AS n, sum(v) AS s, sum(v * v) AS q";
        let found = bed
            .ask(&format!("SELECT {sums} FROM t WHERE {filter}"))
            .await;
        let case = format!("CASE WHEN {filter} THEN v END");
        let all = sums
            .replace("(v", &format!("({case}"))
            .replace("* v", &format!("* {case}"));
        let all = format!("SELECT {all} FROM t");
        assert_eq!(found, bed.ask(&all).await, "round {round}: {filter}");
        let plan = format!("EXPLAIN SELECT v FROM t WHERE {filter}");
        let plan = bed.ask(&plan).await;
        let texts = ["by key,", "range over", "all rows", "no row"];
        let way = texts.iter().position(|text| plan.contains(text));
        // A filter that is always false needs no table.
        ways[way.unwrap_or(3)] += 1;
        let plan = bed.ask(&format!("EXPLAIN {all}")).await;
        assert!(
            plan.contains("all rows"),
            "the other way is the same: {plan}"
        );
    }
    assert!(ways.iter().all(|count| *count > 5), "{ways:?}");
}

/// Objects and keys that take a question.
const ASKED: [(&str, &[&str]); 10] = [
    ("t", &["a"]),
    ("t", &["a", "+1"]),
    ("t", &["a", "01"]),
    ("t", &["a", "one"]),
    ("t", &["a", "9223372036854775808"]),
    ("t", &["a", "1", "1"]),
    ("t", &[]),
    ("dated", &["2026-01-02"]),
    ("made", &["c1"]),
    ("s", &["1"]),
];

/// The worst mistake: another answer than the question's.
#[tokio::test]
async fn a_row_by_its_whole_key_is_what_a_question_answers() {
    let bed = Bed::new();
    bed.declare(
        "CREATE TABLE t (v TEXT, b BIGINT, a TEXT, id UUID, PRIMARY KEY (a, b));
         CREATE TABLE dated (on_day DATE PRIMARY KEY, n BIGINT);
         CREATE STREAM s (id BIGINT, country TEXT);
         CREATE MATERIALIZED VIEW made AS SELECT country, count(*) AS n FROM s GROUP BY country
         EMIT ON UPDATE;",
    );
    bed.put(
        "t",
        vec![
            Arc::new(StringArray::from(vec![Some("x\"y"), None, Some("")])),
            numbers(&[1, -7, i64::MAX]),
            texts(&["a", "", "it's"]),
            new_null_array(&ColumnType::Uuid.arrow(), 3),
        ],
    );
    let here = bed.rows.tables.frontier();
    let defs = bed.catalog.definitions();
    let row = async |name: &str, key: &[&str], wait: Option<Seq>| {
        let object = defs.object(TenantId::ONLY, name).unwrap();
        let key: Vec<String> = key.iter().map(|value| (*value).to_owned()).collect();
        let wait = wait.map(|seq| Position::at(seq).into());
        let found = bed.engine.row_by_key((TenantId::ONLY, object), &key, wait);
        found.await.unwrap()
    };
    let largest = i64::MAX.to_string();
    for (a, b) in [
        ("a", "1"),
        ("", "-7"),
        ("it's", &largest),
        ("a", "2"),
        ("b", "1"),
    ] {
        let name = a.replace('\'', "''");
        let sql = format!("SELECT * FROM t WHERE a = '{name}' AND b = {b}");
        let asked = bed.engine.ask(Bed::question(&sql)).await.unwrap();
        let found = row("t", &[a, b], Some(here)).await.unwrap();
        assert_eq!(found.position, asked.position);
        for format in [ResultFormat::Json, ResultFormat::Csv, ResultFormat::Arrow] {
            let asked = bed.engine.ask(Bed::question(&sql)).await.unwrap();
            let found = row("t", &[a, b], None).await.unwrap();
            assert_eq!(
                written(found, format).await,
                written(asked, format).await,
                "{sql}"
            );
        }
    }
    for (name, key) in ASKED {
        assert!(
            row(name, key, None).await.is_none(),
            "{name} {key:?} takes a question"
        );
    }
    // A row that is waited for is the one that comes.
    let waiting = row("t", &["a", "1"], Some(Seq(here.0 + 1)));
    let (found, ()) = tokio::join!(waiting, async {
        bed.append("s", 0..1);
        bed.step();
    });
    assert!(found.unwrap().position.position().unwrap().seq() > here);
}

async fn written(mut answered: Answered, format: ResultFormat) -> Vec<u8> {
    let mut writer = RowWriter::new(format, Arc::clone(&answered.schema));
    let mut bytes = writer.begin().unwrap().to_vec();
    while let Some(batch) = answered.rows.next().await {
        bytes.extend(writer.batch(&batch.unwrap()).unwrap());
    }
    bytes.extend(writer.end(&answered.position).unwrap());
    bytes
}

#[tokio::test]
async fn a_question_is_at_one_frontier_with_streams() {
    let bed = Bed::new();
    bed.declare(
        "CREATE STREAM s (id BIGINT); CREATE TABLE t (k TEXT PRIMARY KEY, n BIGINT);
         CREATE STREAM other (id BIGINT);",
    );
    bed.append("s", 0..10);
    bed.put("t", vec![texts(&["all"]), numbers(&[10])]);
    // The log and history are ahead of the step: totals add up all the same.
    bed.append("s", 10..20);
    let both =
        "SELECT t.n, (SELECT count(*) FROM s) AS counted, (SELECT max(id) FROM s) AS top FROM t";
    let before = "{\"n\":10,\"counted\":10,\"top\":9}\n";
    assert_eq!(bed.ask(both).await, before);
    bed.flush("s");
    assert_eq!(bed.ask(both).await, before, "a file holds rows behind it");
    let listed = "SELECT count(*) AS n FROM s, t WHERE s.id >= 5";
    assert_eq!(bed.ask(listed).await, "{\"n\":5}\n");
    let some = "SELECT s.id FROM t, s ORDER BY id DESC LIMIT 1";
    assert_eq!(bed.ask(some).await, "{\"id\":9}\n");
    assert_eq!(
        bed.ask("SELECT count(*) AS n FROM s").await,
        "{\"n\":20}\n",
        "a stream alone is at the log's frontier"
    );
    let answered = bed.engine.ask(Bed::question(both)).await.unwrap();
    assert_eq!(
        answered.position.position().unwrap().seq(),
        bed.rows.tables.frontier()
    );
    bed.put("t", vec![texts(&["all"]), numbers(&[20])]);
    assert_eq!(
        bed.ask(both).await,
        "{\"n\":20,\"counted\":20,\"top\":19}\n"
    );
}

#[tokio::test]
async fn an_answer_waits_for_the_frontier_of_rows() {
    let bed = Bed::new();
    bed.declare("CREATE STREAM s (id BIGINT); CREATE TABLE t (k TEXT PRIMARY KEY, n BIGINT)");
    bed.append("s", 0..10);
    let mut question = Bed::question("SELECT count(*) AS n FROM t");
    question.wait = Some(Position::at(bed.frontier()).into());
    question.time_max = Some(Duration::from_millis(1));
    let problem = bed.asked(question.clone()).await.unwrap_err();
    let code = mainstem_kernel::Fault::answer(&problem).code;
    assert_eq!(code, Code::Sql033, "steps have not come there");
    bed.step();
    question.time_max = None;
    assert_eq!(bed.asked(question).await.unwrap(), "{\"n\":0}\n");
}

const VIEWS: &str = "
CREATE STREAM s (id BIGINT, country TEXT, at TIMESTAMPTZ NOT NULL, WATERMARK FOR at AS at - INTERVAL '1 second');
CREATE MATERIALIZED VIEW totals AS SELECT country, count(*) AS n FROM s GROUP BY country EMIT ON UPDATE;
CREATE MATERIALIZED VIEW hidden AS SELECT count(*) AS n FROM s GROUP BY country EMIT ON UPDATE;
CREATE MATERIALIZED VIEW late AS SELECT id, country FROM s WHERE id > 3;
";

#[tokio::test]
async fn views_show_what_they_select_and_only_when_they_are_whole() {
    let bed = Bed::new();
    bed.declare(VIEWS);
    let building = bed.problem("SELECT * FROM totals").await;
    assert_eq!(building.code, Code::Sql036);
    assert_eq!(building.message, "view \"totals\" is being built");
    for view in ["totals", "hidden", "late"] {
        bed.swap(view);
    }
    bed.step();
    bed.put("totals", vec![texts(&["x", "y"]), numbers(&[1, 2])]);
    bed.put("hidden", vec![numbers(&[1, 2]), texts(&["x", "y"])]);
    assert_eq!(
        bed.ask("SELECT * FROM totals ORDER BY n").await,
        "{\"country\":\"x\",\"n\":1}\n{\"country\":\"y\",\"n\":2}\n"
    );
    let twos = "SELECT n FROM totals WHERE country = 'y'";
    assert_eq!(bed.ask(twos).await, "{\"n\":2}\n");
    let plan = bed.ask(&format!("EXPLAIN {twos}")).await;
    assert!(
        plan.contains("KeyedExec: view \\\"totals\\\", by key, 1 of them"),
        "{plan}"
    );
    assert_eq!(
        bed.ask("SELECT * FROM hidden ORDER BY n DESC LIMIT 1")
            .await,
        "{\"n\":2}\n"
    );
    assert_eq!(
        bed.ask("SELECT n, _key1 FROM hidden WHERE _key1 = 'x'")
            .await,
        "{\"n\":1,\"_key1\":\"x\"}\n"
    );
    assert_eq!(
        bed.ask("SELECT * EXCLUDE (n) FROM totals ORDER BY 1 LIMIT 1")
            .await,
        "{\"country\":\"x\"}\n"
    );
}

#[tokio::test]
async fn a_view_that_is_a_stream_shows_rows_before_they_are_in_the_log() {
    let bed = Bed::new();
    bed.declare(VIEWS);
    bed.swap("late");
    let id = bed.id("late");
    bed.step();
    let row = |n: &[i64]| {
        let countries: Vec<&str> = n.iter().map(|_| "x").collect();
        RecordBatch::try_from_iter([("id", numbers(n)), ("country", texts(&countries))]).unwrap()
    };
    let tables = &bed.rows.tables;
    let step = mainstem_table::Step {
        through: bed.frontier(),
        changed: Vec::new(),
        emitted: vec![(id, row(&[4, 5])), (id, row(&[6]))],
    };
    tables.advance(step).unwrap();
    let all = "SELECT * FROM late ORDER BY id";
    let expected = "{\"id\":4,\"country\":\"x\"}\n{\"id\":5,\"country\":\"x\"}\n{\"id\":6,\"country\":\"x\"}\n";
    assert_eq!(bed.ask(all).await, expected);
    assert_eq!(
        bed.ask("SELECT count(*) AS n, count(_seq) AS known FROM late")
            .await,
        "{\"n\":3,\"known\":0}\n"
    );
    // The first batch is in the log now, and not yet counted as such; then it is.
    bed.append_to_view("late", 4..6);
    assert_eq!(bed.ask(all).await, expected);
    tables.appended(id, 1, bed.frontier()).unwrap();
    assert_eq!(bed.ask(all).await, expected);
    assert_eq!(
        bed.ask("SELECT count(*) AS n, count(_seq) AS known FROM late")
            .await,
        "{\"n\":3,\"known\":2}\n"
    );
}

#[tokio::test]
async fn rows_of_two_applications_are_not_mixed() {
    let bed = Bed::new();
    bed.declare("CREATE TABLE mine (k TEXT PRIMARY KEY)");
    let spec = bed
        .catalog
        .definitions()
        .tables
        .values()
        .next()
        .unwrap()
        .spec
        .clone();
    let spec = mainstem_catalog::TableSpec {
        name: mainstem_kernel::StreamName::new("theirs").unwrap(),
        ..spec
    };
    let set = ChangeSet {
        tenant: TenantId::ONLY,
        app: AppName::new("other").unwrap(),
        changes: vec![Change::CreateTable(spec)],
    };
    let seq = bed.catalog.definitions().seq;
    bed.catalog.apply(set, seq).unwrap();
    assert_eq!(bed.code("SELECT * FROM mine, theirs").await, Code::Sql037);
    // It does not run here.
    assert_eq!(bed.code("SELECT * FROM theirs").await, Code::Sql036);
    bed.step();
    assert_eq!(bed.ask("SELECT * FROM mine").await, "");
    // A table that steps have passed by and nobody defined is a defect, never empty.
    bed.rows.tables.forget(bed.id("mine")).unwrap();
    assert_eq!(bed.code("SELECT * FROM mine").await, Code::Sql036);
    assert_ne!(bed.id("mine"), StreamId(0));
}

#[tokio::test]
async fn what_is_declared_is_shown_of_every_kind() {
    let bed = Bed::new();
    bed.declare(VIEWS);
    bed.declare(
        "CREATE TABLE t (k TEXT, n BIGINT NOT NULL, PRIMARY KEY (k)) WITH (ttl = '7 days')",
    );
    bed.swap("totals");
    expect_test::expect![[r#"
        {"table":"t","application":"test","key":"k","ttl":"7 days"}
    "#]]
    .assert_eq(&bed.ask("SHOW TABLES").await);
    expect_test::expect![[r#"
        {"view":"hidden","application":"test","key":"_key1","emit":"EMIT ON UPDATE","stage":"building"}
        {"view":"late","application":"test","key":"","emit":"rows as they come","stage":"building"}
        {"view":"totals","application":"test","key":"country","emit":"EMIT ON UPDATE","stage":"live"}
    "#]].assert_eq(&bed.ask("SHOW VIEWS").await);
    expect_test::expect![[r#"
        {"stream":"hidden_dead_letters","kind":"dead letters","application":"test","partitions":1,"retention":"30 days"}
        {"stream":"late_dead_letters","kind":"dead letters","application":"test","partitions":1,"retention":"30 days"}
        {"stream":"s","kind":"stream","application":"test","partitions":8,"retention":"for ever"}
        {"stream":"s_dead_letters","kind":"dead letters","application":"test","partitions":1,"retention":"for ever"}
        {"stream":"totals_dead_letters","kind":"dead letters","application":"test","partitions":1,"retention":"30 days"}
    "#]].assert_eq(&bed.ask("SHOW STREAMS").await);
    expect_test::expect![[r#"
        {"column":"k","type":"TEXT","nullable":false,"default":null,"role":"primary key"}
        {"column":"n","type":"BIGINT","nullable":false,"default":null,"role":""}
    "#]]
    .assert_eq(&bed.ask("DESCRIBE t").await);
    expect_test::expect![[r#"
        {"column":"n","type":"BIGINT","nullable":false,"default":null,"role":""}
        {"column":"_key1","type":"TEXT","nullable":true,"default":null,"role":"hidden: completes the key"}
    "#]]
    .assert_eq(&bed.ask("DESCRIBE VIEW hidden").await);
    expect_test::expect![[r#"
        {"table":"t","statement":"CREATE TABLE t (\n  k TEXT PRIMARY KEY,\n  n BIGINT NOT NULL\n) WITH (ttl = '7 days')"}
    "#]].assert_eq(&bed.ask("SHOW CREATE TABLE t").await);
    expect_test::expect![[r#"
        {"view":"totals","statement":"CREATE MATERIALIZED VIEW totals AS SELECT country, count(*) AS n FROM s GROUP BY country EMIT ON UPDATE"}
    "#]].assert_eq(&bed.ask("SHOW CREATE VIEW totals").await);
    expect_test::expect![[r#"
        {"plan":"view totals"}
        {"plan":"│  EMIT ON UPDATE"}
        {"plan":"│  key: country"}
        {"plan":"└─ project: country, n = count(*)"}
        {"plan":"   └─ aggregate by country: count(*)"}
        {"plan":"      │  keeps rows: one row per group, for as long as the view is there"}
        {"plan":"      └─ stream s: country"}
    "#]]
    .assert_eq(&bed.ask("EXPLAIN VIEW totals").await);
    assert_eq!(bed.code("EXPLAIN VIEW t").await, Code::Sql021);
}
