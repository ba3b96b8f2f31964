//! Questions inside of statements that write, defaults of columns, and SELECT … FOR UPDATE.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use mainstem_kernel::Code;

use super::bed::{Bed, config};
use crate::SqlConfig;

const TABLES: &str = "
CREATE TABLE t (k TEXT PRIMARY KEY, n BIGINT, note TEXT);
CREATE TABLE u (id BIGINT PRIMARY KEY, n BIGINT NOT NULL DEFAULT 7, state TEXT DEFAULT upper('new'),
  at TIMESTAMPTZ DEFAULT now(), tag UUID, price NUMERIC(8,2) DEFAULT 1.5);
CREATE STREAM s (id BIGINT, country TEXT, price NUMERIC(12,3));
CREATE MATERIALIZED VIEW v AS SELECT id, count(*) AS n FROM s GROUP BY id EMIT ON UPDATE;
";

fn bed() -> Bed {
    let bed = Bed::new();
    bed.declare(TABLES);
    bed.step();
    bed
}

async fn rows(bed: &Bed, table: &str) -> String {
    bed.step();
    bed.ask(&format!("SELECT * FROM {table} ORDER BY 1")).await
}

#[tokio::test]
async fn rows_of_streams_and_tables_are_inserted_at_one_frontier() {
    let bed = bed();
    bed.append("s", 0..10);
    bed.step();
    let copied = "INSERT INTO t (k, n) SELECT country, count(*) FROM s GROUP BY country";
    assert_eq!(
        bed.ask(copied).await,
        "{\"statement\":\"INSERT\",\"rows\":3}\n"
    );
    expect_test::expect![[r#"
        {"k":"c0","n":4,"note":null}
        {"k":"c1","n":3,"note":null}
        {"k":"c2","n":3,"note":null}
    "#]]
    .assert_eq(&rows(&bed, "t").await);
    // What is there is kept or changed, as for VALUES; texts become what the column is.
    let again = "INSERT INTO t SELECT k || '!', '1' || n, NULL FROM t WHERE k <> 'c1' UNION ALL SELECT k, n, 'met' FROM t
                 ON CONFLICT (k) DO UPDATE SET note = excluded.note, n = t.n + excluded.n RETURNING k, n";
    expect_test::expect![[r#"
        {"k":"c0!","n":14}
        {"k":"c0","n":8}
        {"k":"c1","n":6}
        {"k":"c2!","n":13}
        {"k":"c2","n":6}
    "#]]
    .assert_eq(&sorted(&bed.ask(again).await));
    bed.step();
    let ordered = "INSERT INTO u (n, id) WITH first AS (SELECT k, n FROM t ORDER BY k LIMIT 2) SELECT n, n * 10 FROM first RETURNING id, n, state, price";
    expect_test::expect![[r#"
        {"id":80,"n":8,"state":"NEW","price":"1.50"}
        {"id":140,"n":14,"state":"NEW","price":"1.50"}
    "#]]
    .assert_eq(&bed.ask(ordered).await);
    // Nothing at all is fine.
    let none = "INSERT INTO u (id) SELECT n FROM t WHERE k = 'nobody'";
    bed.step();
    assert_eq!(
        bed.ask(none).await,
        "{\"statement\":\"INSERT\",\"rows\":0}\n"
    );
}

fn sorted(lines: &str) -> String {
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn questions_stand_for_values_lists_and_existence() {
    let bed = bed();
    bed.append("s", 0..10);
    bed.ask(
        "INSERT INTO t VALUES ('a', 1, NULL), ('b', 2, 'x'), ('c', 3, NULL), ('d', NULL, NULL)",
    )
    .await;
    bed.ask("INSERT INTO u (id) VALUES (2), (3)").await;
    let changed = async |sql: &str, count: u64| {
        bed.step();
        let verb = sql.split(' ').next().unwrap();
        let expected = format!("{{\"statement\":\"{verb}\",\"rows\":{count}}}\n");
        assert_eq!(bed.ask(sql).await, expected, "{sql}");
    };
    changed("UPDATE t SET note = 'in' WHERE n IN (SELECT id FROM u)", 2).await;
    changed(
        "UPDATE t SET note = 'out' WHERE n NOT IN (SELECT id FROM u)",
        1,
    )
    .await;
    // Nothing is not in a list with NULL; everything is not in an empty one.
    changed(
        "UPDATE t SET note = 'never' WHERE n NOT IN (SELECT n FROM t)",
        0,
    )
    .await;
    changed(
        "UPDATE t SET note = note WHERE n IN (SELECT id FROM u WHERE id > 9)",
        0,
    )
    .await;
    changed(
        "UPDATE t SET note = note WHERE n NOT IN (SELECT id FROM u WHERE id > 9)",
        4,
    )
    .await;
    changed(
        "UPDATE t SET n = (SELECT max(id) FROM s) WHERE n IS NULL AND EXISTS (SELECT 1 FROM s)",
        1,
    )
    .await;
    changed(
        "DELETE FROM t WHERE NOT EXISTS (SELECT 1 FROM s WHERE id > 100) AND k = (SELECT 'c')",
        1,
    )
    .await;
    changed(
        "DELETE FROM t WHERE EXISTS (SELECT 1 FROM s WHERE id > 100)",
        0,
    )
    .await;
    // One row, none, and one that is NULL; a question in a question.
    let values = "INSERT INTO t VALUES ('e', (SELECT count(*) FROM s WHERE id IN (SELECT id FROM u)), (SELECT note FROM t WHERE k = 'b')),
      ('f', (SELECT id FROM u WHERE id = 77), (SELECT note FROM t WHERE k = 'zz') || 'x')";
    changed(values, 2).await;
    let met = "INSERT INTO t VALUES ('e', 0, NULL) ON CONFLICT DO UPDATE SET n = t.n + (SELECT sum(id) FROM u) WHERE t.n < (SELECT max(id) FROM s)
      RETURNING n, (SELECT min(id) FROM u) AS least";
    bed.step();
    assert_eq!(bed.ask(met).await, "{\"n\":7,\"least\":2}\n");
    expect_test::expect![[r#"
        {"k":"a","n":1,"note":"out"}
        {"k":"b","n":2,"note":"in"}
        {"k":"d","n":9,"note":null}
        {"k":"e","n":7,"note":"in"}
        {"k":"f","n":null,"note":null}
    "#]]
    .assert_eq(&rows(&bed, "t").await);
}

/// The worst mistake: a number that is given twice, because two have read the same greatest one.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_a_statement_read_of_its_own_table_is_as_it_was_when_it_is_written() {
    let crowd = SqlConfig {
        queries_max: 16,
        ..config()
    };
    let bed = Bed::with(crowd, |log| log);
    bed.declare(TABLES);
    bed.step();
    let is_over = AtomicBool::new(false);
    let numbered = async {
        let mut given = Vec::new();
        let next = "INSERT INTO u (id) SELECT coalesce(max(id), 0) + 1 FROM u RETURNING id";
        // What is written to another table is nobody's business.
        let beside = "INSERT INTO t VALUES ('a', 1, NULL) ON CONFLICT DO UPDATE SET n = t.n + 1";
        for _ in 0..5 {
            // More at once than a write is tried: they have to take turns.
            let taken = join_all((0..15).map(|_| bed.ask(next)));
            let (taken, _) = tokio::join!(taken, bed.ask(beside));
            given.extend(taken);
        }
        is_over.store(true, Ordering::Release);
        given
    };
    let stepped = async {
        while !is_over.load(Ordering::Acquire) {
            bed.step();
            tokio::task::yield_now().await;
        }
    };
    let (mut given, ()) = tokio::join!(numbered, stepped);
    let mut ids: Vec<String> = (1..=75).map(|id| format!("{{\"id\":{id}}}\n")).collect();
    given.sort();
    ids.sort();
    assert_eq!(given, ids);
}

#[tokio::test]
async fn a_question_sees_what_was_acknowledged_before_or_waits_for_it() {
    let bed = bed();
    bed.ask("INSERT INTO t VALUES ('a', 1, NULL)").await;
    // No step has come: the question waits for it.
    let asked = bed.ask("INSERT INTO u (id, n) SELECT 1, n FROM t RETURNING n");
    let mut asked = Box::pin(asked);
    assert!(futures::poll!(&mut asked).is_pending());
    for _ in 0..50 {
        tokio::task::yield_now().await;
        assert!(futures::poll!(&mut asked).is_pending());
    }
    bed.step();
    assert_eq!(asked.await, "{\"n\":1}\n");
}

#[tokio::test]
async fn columns_without_a_value_are_their_default() {
    let bed = bed();
    bed.ask("INSERT INTO u (id) VALUES (1), (2)").await;
    bed.ask("INSERT INTO u (id, n, state, at, price) VALUES (3, DEFAULT, NULL, DEFAULT, 2), (4, 5, DEFAULT, '2026-01-02T00:00:00Z', DEFAULT)").await;
    bed.ask("UPDATE u SET n = DEFAULT, price = price + 1, tag = DEFAULT WHERE id = 4")
        .await;
    bed.ask("INSERT INTO u (id) VALUES (1) ON CONFLICT DO UPDATE SET state = DEFAULT, n = 9")
        .await;
    expect_test::expect![[r#"
        {"id":1,"n":9,"state":"NEW","at":"2023-11-14T22:13:20.000000Z","tag":null,"price":"1.50"}
        {"id":2,"n":7,"state":"NEW","at":"2023-11-14T22:13:20.000000Z","tag":null,"price":"1.50"}
        {"id":3,"n":7,"state":null,"at":"2023-11-14T22:13:20.000000Z","tag":null,"price":"2.00"}
        {"id":4,"n":7,"state":"NEW","at":"2026-01-02T00:00:00.000000Z","tag":null,"price":"2.50"}
    "#]]
    .assert_eq(&rows(&bed, "u").await);
    // All of them.
    assert_eq!(bed.code("INSERT INTO u DEFAULT VALUES").await, Code::Sql041);
    let bed = Bed::new();
    bed.declare("CREATE TABLE one (k TEXT DEFAULT 'only' PRIMARY KEY, n BIGINT DEFAULT 1)");
    bed.step();
    bed.ask("INSERT INTO one DEFAULT VALUES").await;
    assert_eq!(rows(&bed, "one").await, "{\"k\":\"only\",\"n\":1}\n");
    let shown = bed.ask("SHOW CREATE TABLE one").await;
    assert!(
        shown.contains("k TEXT DEFAULT 'only' PRIMARY KEY"),
        "{shown}"
    );
}

#[tokio::test]
async fn rows_for_update_are_the_newest_and_what_follows_is_decided_on_them() {
    let bed = bed();
    bed.ask("INSERT INTO t VALUES ('a', 1, NULL), ('b', 2, NULL)")
        .await;
    // No step has come: a question would not see them yet.
    assert_eq!(bed.ask("SELECT * FROM t").await, "");
    let moved = "BEGIN; SELECT k, n * 10 AS tenfold FROM t AS x WHERE x.k = 'a' FOR UPDATE;
                 UPDATE t SET n = n + 1 WHERE k = 'a'; COMMIT";
    assert_eq!(bed.ask(moved).await, "{\"k\":\"a\",\"tenfold\":10}\n");
    assert_eq!(bed.ask(moved).await, "{\"k\":\"a\",\"tenfold\":20}\n");
    // It sees what stands before it in the transaction.
    let seen = "BEGIN; DELETE FROM t WHERE k = 'b'; UPDATE t SET n = 100; SELECT * FROM t FOR UPDATE; DELETE FROM t; COMMIT";
    assert_eq!(
        bed.ask(seen).await,
        "{\"k\":\"a\",\"n\":100,\"note\":null}\n"
    );
    assert_eq!(rows(&bed, "t").await, "");
    // By itself, of no row, and with what RETURNING would give first.
    let frontier = bed.frontier();
    assert_eq!(
        bed.ask("BEGIN; SELECT * FROM t FOR UPDATE; COMMIT").await,
        ""
    );
    assert_eq!(bed.frontier(), frontier, "nothing was appended");
    bed.ask("INSERT INTO t VALUES ('c', 3, NULL)").await;
    let first = "BEGIN; DELETE FROM t RETURNING n; INSERT INTO t VALUES ('d', 4, NULL); COMMIT";
    assert_eq!(bed.ask(first).await, "{\"n\":3}\n");
    // A refused statement behind it takes everything back.
    let refused = "BEGIN; SELECT * FROM t FOR UPDATE; DELETE FROM t; INSERT INTO t VALUES ('x', 1, NULL), ('x', 2, NULL); COMMIT";
    assert_eq!(bed.code(refused).await, Code::Sql040);
    assert_eq!(
        rows(&bed, "t").await,
        "{\"k\":\"d\",\"n\":4,\"note\":null}\n"
    );
}

/// A question in the same transaction must not act on what FOR UPDATE shows as gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_question_beside_for_update_reads_the_same_rows() {
    let bed = bed();
    bed.ask("INSERT INTO t VALUES ('a', 0, NULL)").await;
    bed.step();
    let is_over = AtomicBool::new(false);
    let copied = async {
        for id in 0..25 {
            let copy = format!(
                "BEGIN; SELECT n FROM t WHERE k = 'a' FOR UPDATE; INSERT INTO u (id, n) SELECT {id}, n FROM t WHERE k = 'a'; COMMIT"
            );
            let counted = async {
                for _ in 0..3 {
                    bed.ask("UPDATE t SET n = n + 1").await;
                }
            };
            let (shown, ()) = tokio::join!(bed.ask(&copy), counted);
            bed.step();
            let kept = bed.ask(&format!("SELECT n FROM u WHERE id = {id}")).await;
            assert_eq!(kept, shown, "round {id}");
        }
        is_over.store(true, Ordering::Release);
    };
    let stepped = async {
        while !is_over.load(Ordering::Acquire) {
            bed.step();
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(copied, stepped);
}

const REFUSED: &[&str] = &[
    "INSERT INTO u (id, n) SELECT id FROM s",
    "INSERT INTO u SELECT * FROM nothing",
    "INSERT INTO u (id) SELECT 'x' || id FROM s",
    "INSERT INTO u (id, n) SELECT id, NULL FROM s",
    "INSERT INTO u (id) SELECT id FROM s UNION ALL SELECT 1",
    "INSERT INTO u (id) SELECT a.id * 40 + b.id FROM s a, s b",
    "INSERT INTO u (id, state) SELECT id, repeat('x', 200000) FROM s",
    "INSERT INTO s SELECT * FROM s",
    "UPDATE t SET n = (SELECT id FROM s)",
    "UPDATE t SET n = (SELECT id, price FROM s LIMIT 1)",
    "UPDATE t SET n = 1 WHERE k IN (SELECT country, id FROM s)",
    "UPDATE t SET note = (SELECT max(country) FROM s WHERE id = t.n)",
    "UPDATE t SET note = (SELECT max(country) FROM s WHERE id = n)",
    "UPDATE t SET n = 1 / (SELECT min(id) FROM s)",
    "UPDATE t SET n = (SELECT 1 / min(id) FROM s)",
    "UPDATE t SET n = (SELECT 'abc')",
    "DELETE FROM t WHERE n = ANY (SELECT id FROM s)",
    "DELETE FROM t WHERE k IN (SELECT k FROM t FOR UPDATE)",
    "DELETE FROM t WHERE n = $1",
    "SELECT $1",
    "BEGIN; UPDATE t SET n = 1; INSERT INTO u (id) SELECT n FROM t; COMMIT",
    "BEGIN; INSERT INTO u (id) VALUES (1); DELETE FROM t WHERE n IN (SELECT id FROM u); COMMIT",
    "BEGIN; SELECT * FROM t FOR UPDATE; DELETE FROM t RETURNING k; COMMIT",
    "BEGIN; SELECT k FROM t; DELETE FROM t; COMMIT",
    "BEGIN; SELECT * FROM s FOR UPDATE; COMMIT",
    "BEGIN; SELECT * FROM v FOR UPDATE; COMMIT",
    "BEGIN; SELECT * FROM t, u FOR UPDATE; COMMIT",
    "BEGIN; SELECT * FROM t JOIN u ON t.n = u.id FOR UPDATE; COMMIT",
    "BEGIN; SELECT count(*) FROM t FOR UPDATE; COMMIT",
    "BEGIN; SELECT k FROM t ORDER BY k FOR UPDATE; COMMIT",
    "BEGIN; SELECT k FROM t LIMIT 1 FOR UPDATE; COMMIT",
    "BEGIN; SELECT DISTINCT k FROM t FOR UPDATE; COMMIT",
    "BEGIN; SELECT k FROM t FOR SHARE; COMMIT",
    "BEGIN; SELECT k FROM t FOR UPDATE SKIP LOCKED; COMMIT",
    "BEGIN; SELECT 1 FOR UPDATE; COMMIT",
    "BEGIN; SELECT nothing FROM t FOR UPDATE; COMMIT",
    "SELECT * FROM t FOR UPDATE",
    "SELECT * FROM (SELECT * FROM t FOR UPDATE) x",
    "SELECT * FROM t FOR SHARE",
];

#[tokio::test]
async fn questions_and_locks_that_cannot_be_are_refused_with_place_and_hint() {
    let bed = bed();
    bed.append("s", 0..40);
    bed.ask("INSERT INTO t VALUES ('a', 1, NULL)").await;
    bed.step();
    let frontier = bed.frontier();
    let mut shown = String::new();
    for sql in REFUSED {
        let problem = bed.problem(sql).await;
        shown.push_str(&format!("{sql}\n{problem}\n\n"));
    }
    assert_eq!(bed.frontier(), frontier, "nothing was appended");
    expect_test::expect_file!["../../../tests/expected/inner_refused.txt"].assert_eq(&shown);
}
