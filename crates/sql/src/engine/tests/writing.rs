//! INSERT, UPDATE and DELETE: as a model has it, once each in a crowd, all or nothing, and refused
//! with place and hint.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use futures::future::join_all;
use mainstem_kernel::Code;

use super::{bed::Bed, keyed::random};
use crate::{QueryError, Rights};

const TABLES: &str = "
CREATE TABLE t (v BIGINT NOT NULL, k TEXT, n BIGINT, note TEXT, PRIMARY KEY (k, n));
CREATE TABLE vouchers (code TEXT PRIMARY KEY, left_over INTEGER NOT NULL);
CREATE TABLE kinds (id UUID PRIMARY KEY, i INTEGER, s SMALLINT, d NUMERIC(6,2), f DOUBLE PRECISION, b BOOLEAN,
  at TIMESTAMPTZ, day DATE, j JSON, raw BYTEA, tags TEXT[]);
CREATE STREAM s (id BIGINT);
CREATE MATERIALIZED VIEW v AS SELECT id, count(*) AS n FROM s GROUP BY id EMIT ON UPDATE;
";

fn bed() -> Bed {
    let bed = Bed::new();
    bed.declare(TABLES);
    bed.step();
    bed
}

/// The rows by key.
type Model = BTreeMap<(String, i64), i64>;

/// A statement, the model behind it, and how many rows it counts; `None` if it is refused.
type Tried = (String, Model, Option<u64>);

const ON_CONFLICT: [&str; 3] = [
    "",
    " ON CONFLICT DO NOTHING",
    " ON CONFLICT (k, n) DO UPDATE SET v = t.v + excluded.v WHERE t.v < 50",
];

fn letter(n: i64) -> String {
    ["a", "b", "c"][usize::try_from(n).unwrap()].to_owned()
}

fn insert(mut number: impl FnMut(usize) -> i64, kind: usize, model: &Model) -> Tried {
    let rows: Vec<(String, i64, i64)> = (0..=number(3))
        .map(|_| (letter(number(3)), number(5), number(100)))
        .collect();
    let values = rows.iter().map(|(k, n, v)| format!("('{k}', {n}, {v})"));
    let values: Vec<String> = values.collect();
    let on = ON_CONFLICT[kind];
    let sql = format!("INSERT INTO t (k, n, v) VALUES {}{on}", values.join(", "));
    let (mut count, mut next) = (0, model.clone());
    let mut seen = std::collections::BTreeSet::new();
    for (k, n, v) in rows {
        let key = (k, n);
        let is_first = seen.insert(key.clone());
        let v = match (kind, model.get(&key)) {
            (0, Some(_)) => return (sql, model.clone(), None),
            (0 | 2, _) if !is_first => return (sql, model.clone(), None),
            (1, found) if found.is_some() || !is_first => continue,
            (2, Some(there)) if *there >= 50 => continue,
            (2, Some(there)) => there + v,
            _ => v,
        };
        next.insert(key, v);
        count += 1;
    }
    (sql, next, Some(count))
}

/// A random statement.
fn statement(random: &mut impl FnMut(usize) -> usize, model: &Model) -> Tried {
    let mut number = |below: usize| i64::try_from(random(below)).unwrap();
    let (n, v, kind, way) = (number(5), number(100), number(12), number(4));
    if kind < 4 {
        return insert(number, usize::try_from(kind % 3).unwrap(), model);
    }
    let k = letter(number(3));
    let is_met = |(key, _): &(&(String, i64), &i64)| match way {
        0 => key.0 == k && key.1 == n,
        1 => key.0 == k,
        2 => key.0 == k && key.1 > n,
        _ => key.1 == n,
    };
    let filter = match way {
        0 => format!("n = {n} AND k = '{k}'"),
        1 => format!("k = '{k}'"),
        2 => format!("k = '{k}' AND n > {n}"),
        _ => format!("n = {n}"),
    };
    let met = model.iter().filter(is_met).map(|(key, _)| key.clone());
    let met: Vec<(String, i64)> = met.collect();
    let mut next = model.clone();
    let count = Some(u64::try_from(met.len()).unwrap());
    if kind < 9 {
        for key in met {
            next.entry(key)
                .and_modify(|found| *found = *found * 2 % 97 + v);
        }
        let set = format!("v = v * 2 % 97 + {v}, note = k || '!'");
        return (format!("UPDATE t SET {set} WHERE {filter}"), next, count);
    }
    next.retain(|key, _| !met.contains(key));
    (format!("DELETE FROM t WHERE {filter}"), next, count)
}

#[tokio::test]
async fn random_statements_write_what_a_model_has() {
    let bed = bed();
    let mut random = random(0x5EED_0201);
    let mut model = Model::new();
    let (mut refused, mut written) = (0, 0);
    for round in 0..400 {
        let (sql, next, count) = statement(&mut random, &model);
        match (bed.asked(Bed::question(&sql)).await, count) {
            (Ok(answer), Some(count)) => {
                let verb = sql.split(' ').next().unwrap();
                let expected = format!("{{\"statement\":\"{verb}\",\"rows\":{count}}}\n");
                assert_eq!(answer, expected, "round {round}: {sql}");
                written += count;
            }
            (Err(_), None) => refused += 1,
            (answer, count) => panic!("round {round}: {sql}\n{answer:?}, expected {count:?}"),
        }
        model = next;
        if random(4) == 0 {
            bed.step();
            let rows = model
                .iter()
                .map(|((k, n), v)| format!("{{\"k\":\"{k}\",\"n\":{n},\"v\":{v}}}\n"));
            let found = bed.ask("SELECT k, n, v FROM t ORDER BY k, n").await;
            assert_eq!(found, rows.collect::<String>(), "round {round}");
        }
    }
    assert!(refused > 20 && written > 300, "{refused} and {written}");
}

/// What a condition does if it pins a row by its key, and the same in words that pin none.
const PINNED: &[(&str, &str)] = &[
    ("k = 'a' AND n = 1", "k || '' = 'a' AND n + 0 = 1"),
    ("1 = n AND (t.k) = 'a'", "n + 0 = 1 AND k || '' = 'a'"),
    ("(t.n = 1 AND 'a' = t.k)", "n + 0 = 1 AND k || '' = 'a'"),
    (
        "k = 'a' AND n = 1 AND v > 5",
        "k || '' = 'a' AND n + 0 = 1 AND v > 5",
    ),
    (
        "k = 'a' AND n = 1 AND (v > 50 OR v < 20)",
        "k || '' = 'a' AND n + 0 = 1 AND (v > 50 OR v < 20)",
    ),
    (
        "k = 'a' AND n = 1 AND v > 50 OR v < 20",
        "k || '' = 'a' AND n + 0 = 1 AND v > 50 OR v < 20",
    ),
    (
        "k = 'a' AND n = 1 AND k = 'b'",
        "k || '' = 'a' AND n + 0 = 1 AND k || '' = 'b'",
    ),
    ("k = 'a' AND n = 1 AND n = 1", "k || '' = 'a' AND n + 0 = 1"),
    (
        "k = 'a' AND n = 1 AND note IS NULL",
        "k || '' = 'a' AND n + 0 = 1 AND note IS NULL",
    ),
    (
        "k = 'a' AND n = 1 AND NULL",
        "k || '' = 'a' AND n + 0 = 1 AND NULL",
    ),
    ("k = 'a' AND n = 9", "k || '' = 'a' AND n + 0 = 9"),
    ("k = 'a' AND n = 1.0", "k || '' = 'a' AND n + 0 = 1.0"),
    ("k = 'a' AND n = '1'", "k || '' = 'a' AND n + 0 = 1"),
    ("k = 'A' AND n = 1", "k || '' = 'A' AND n + 0 = 1"),
    ("k = 'a' AND n = NULL", "k || '' = 'a' AND n + 0 = NULL"),
    ("k = 'a' OR n = 1", "k || '' = 'a' OR n + 0 = 1"),
    (
        "NOT (k = 'a' AND n = 1)",
        "NOT (k || '' = 'a' AND n + 0 = 1)",
    ),
    ("k = 'a' AND n > 1", "k || '' = 'a' AND n + 0 > 1"),
    ("k = k AND n = 1", "n + 0 = 1"),
];

#[tokio::test]
async fn a_condition_that_pins_a_row_means_what_it_says() {
    for (pinned, plain) in PINNED {
        let mut told = Vec::new();
        for condition in [pinned, plain] {
            let bed = bed();
            bed.ask("INSERT INTO t (k, n, v) VALUES ('a', 1, 10), ('a', 2, 20), ('b', 1, 30), ('c', 3, 60)")
                .await;
            bed.step();
            let update =
                format!("UPDATE t SET v = v + 1, note = 'x' WHERE {condition} RETURNING k, n, v");
            let mut all = bed.ask(&update).await;
            bed.step();
            all += &bed.ask(&format!("DELETE FROM t WHERE {condition}")).await;
            bed.step();
            all += &bed.ask("SELECT k, n, v FROM t ORDER BY k, n").await;
            told.push(all);
        }
        assert_eq!(told[0], told[1], "{pinned}");
    }
}

/// The worst mistake: a voucher that is redeemed twice.
#[tokio::test]
async fn a_crowd_redeems_each_unit_once() {
    let bed = bed();
    bed.ask("INSERT INTO vouchers VALUES ('SPRING', 30)").await;
    let redeem = "UPDATE vouchers SET left_over = left_over - 1 WHERE code = 'SPRING' AND left_over > 0 RETURNING left_over";
    let mut answers = Vec::new();
    // As many at once as a tenant may ask.
    for _ in 0..20 {
        answers.extend(join_all((0..4).map(|_| bed.ask(redeem))).await);
    }
    let mut redeemed: Vec<&String> = answers.iter().filter(|answer| !answer.is_empty()).collect();
    redeemed.sort_unstable();
    redeemed.dedup();
    assert_eq!((answers.len(), redeemed.len()), (80, 30));
    bed.step();
    assert_eq!(
        bed.ask("SELECT left_over FROM vouchers").await,
        "{\"left_over\":0}\n"
    );
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing_and_sees_itself() {
    let bed = bed();
    bed.ask("INSERT INTO vouchers VALUES ('A', 1), ('B', 5)")
        .await;
    let moved = "BEGIN; UPDATE vouchers SET left_over = left_over - 1 WHERE code = 'A';
                 INSERT INTO vouchers VALUES ('C', 7);
                 UPDATE vouchers SET left_over = left_over + 1 WHERE code IN ('B', 'C'); COMMIT;";
    assert_eq!(
        bed.ask(moved).await,
        "{\"statement\":\"UPDATE\",\"rows\":1}\n{\"statement\":\"INSERT\",\"rows\":1}\n{\"statement\":\"UPDATE\",\"rows\":2}\n"
    );
    bed.step();
    let all = "SELECT * FROM vouchers ORDER BY code";
    let expected = "{\"code\":\"A\",\"left_over\":0}\n{\"code\":\"B\",\"left_over\":6}\n{\"code\":\"C\",\"left_over\":8}\n";
    assert_eq!(bed.ask(all).await, expected);
    let frontier = bed.frontier();
    let failing =
        "BEGIN; DELETE FROM vouchers; INSERT INTO vouchers VALUES ('D', 1), ('D', 2); COMMIT";
    assert_eq!(bed.code(failing).await, Code::Sql040);
    assert_eq!(bed.frontier(), frontier, "nothing was appended");
    bed.step();
    assert_eq!(bed.ask(all).await, expected);
    let last = "START TRANSACTION; DELETE FROM vouchers WHERE code = 'A'; DELETE FROM vouchers RETURNING code, left_over * 2 AS twice; END";
    assert_eq!(
        bed.ask(last).await,
        "{\"code\":\"B\",\"twice\":12}\n{\"code\":\"C\",\"twice\":16}\n"
    );
}

/// Money moves between two tables while steps are taken: at no frontier is some of it missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_moves_between_tables_is_never_seen_half() {
    let bed = Bed::new();
    bed.declare(
        "CREATE TABLE left_side (k BIGINT PRIMARY KEY, n BIGINT NOT NULL);
         CREATE TABLE right_side (k BIGINT PRIMARY KEY, n BIGINT NOT NULL);",
    );
    bed.step();
    let values: Vec<String> = (0..10).map(|k| format!("({k}, 100)")).collect();
    let values = values.join(", ");
    bed.ask(&format!(
        "BEGIN; INSERT INTO left_side VALUES {values}; INSERT INTO right_side VALUES {values}; COMMIT"
    ))
    .await;
    bed.step();
    let moved = async |seed: u64| {
        let mut random = random(seed);
        for _ in 0..60 {
            let (from, to, n) = (random(10), random(10), random(50));
            let (a, b) = [("left_side", "right_side"), ("right_side", "left_side")][random(2)];
            let sql = format!(
                "BEGIN; UPDATE {a} SET n = n - {n} WHERE k = {from}; UPDATE {b} SET n = n + {n} WHERE k = {to}; COMMIT"
            );
            bed.ask(&sql).await;
            tokio::task::yield_now().await;
        }
    };
    let is_over = AtomicBool::new(false);
    let all_moved = async {
        tokio::join!(moved(0x5EED_0301), moved(0x5EED_0302));
        is_over.store(true, Ordering::Release);
    };
    let stepped = async {
        while !is_over.load(Ordering::Acquire) {
            bed.step();
            tokio::task::yield_now().await;
        }
    };
    let sum = "SELECT (SELECT sum(n) FROM left_side) + (SELECT sum(n) FROM right_side) AS n";
    let one_by_one = "SELECT l.n + r.n AS n FROM left_side l JOIN right_side r ON l.k = r.k";
    let read = async {
        let mut seen = std::collections::BTreeSet::new();
        while !is_over.load(Ordering::Acquire) {
            assert_eq!(bed.ask(sum).await, "{\"n\":2000}\n");
            let first = format!("{one_by_one} WHERE l.k = 3");
            seen.insert(bed.ask(&first).await);
        }
        assert!(seen.len() > 5, "nothing moved while it was read: {seen:?}");
    };
    tokio::join!(all_moved, stepped, read);
    bed.step();
    assert_eq!(bed.ask(sum).await, "{\"n\":2000}\n");
}

#[tokio::test]
async fn values_of_every_type_become_what_the_column_keeps() {
    let bed = bed();
    let insert = "INSERT INTO kinds (id, i, s, d, f, b, at, day, j, raw, tags) VALUES
      ('6F9619FF8B86D011B42D00CF4FC964FF', -7, 30000, 12.345, 1.5, true, '2026-01-02 03:04:05Z', '2026-01-02', '{\"a\": 1}', '\\x00fF', ARRAY['x', 'y']),
      ('6f9619ff-8b86-d011-b42d-00cf4fc96400', 1 + 2 * 3, NULL, '1', 2, 'f', now(), DATE '2026-02-03', NULL, NULL, NULL)
      RETURNING id, i, at > TIMESTAMPTZ '2020-01-01' AS late";
    expect_test::expect![[r#"
        {"id":"6f9619ff-8b86-d011-b42d-00cf4fc964ff","i":-7,"late":true}
        {"id":"6f9619ff-8b86-d011-b42d-00cf4fc96400","i":7,"late":true}
    "#]]
    .assert_eq(&bed.ask(insert).await);
    bed.step();
    expect_test::expect![[r#"
        {"id":"6f9619ff-8b86-d011-b42d-00cf4fc964ff","i":-7,"s":30000,"d":"12.35","f":1.5,"b":true,"at":"2026-01-02T03:04:05.000000Z","day":"2026-01-02","j":{"a": 1},"raw":"AP8=","tags":["x","y"]}
        {"id":"6f9619ff-8b86-d011-b42d-00cf4fc96400","i":7,"s":null,"d":"1.00","f":2.0,"b":false,"at":"2023-11-14T22:13:20.000000Z","day":"2026-02-03","j":null,"raw":null,"tags":null}
    "#]].assert_eq(&bed.ask("SELECT * FROM kinds ORDER BY i").await);
    let update = "UPDATE kinds AS x SET i = x.i * 2, d = d + 0.1, j = '[]', tags = ARRAY['z'], f = NULL WHERE id = '6f9619ff-8b86-d011-b42d-00cf4fc96400' RETURNING *";
    expect_test::expect![[r#"
        {"id":"6f9619ff-8b86-d011-b42d-00cf4fc96400","i":14,"s":null,"d":"1.10","f":null,"b":false,"at":"2023-11-14T22:13:20.000000Z","day":"2026-02-03","j":[],"raw":null,"tags":["z"]}
    "#]].assert_eq(&bed.ask(update).await);
}

const REFUSED: &[&str] = &[
    "INSERT INTO t (k, n) VALUES ('a', 1)",
    "INSERT INTO t (k, n, v) VALUES\n  ('a', 1, 2),\n  ('a', 2, NULL)",
    "INSERT INTO t (k, n, v) VALUES ('a', 1, 2), (NULL, 1, 2)",
    "INSERT INTO t (k, n, v) VALUES ('a', 'x', 2)",
    "INSERT INTO t (k, n, v) VALUES ('a', 1)",
    "INSERT INTO t (k, n, x) VALUES ('a', 1, 2)",
    "INSERT INTO t (k, n, n) VALUES ('a', 1, 2)",
    "INSERT INTO t (k, n, v) VALUES ('taken', 1, 2)",
    "INSERT INTO t (k, n, v) VALUES ('a', 1, 2), ('a', 1, 3)",
    "INSERT INTO t (k, n, v) VALUES ('a', 1, 2), ('a', 1, 3) ON CONFLICT DO UPDATE SET v = 1",
    "INSERT INTO t (k, n, v) VALUES ('a', 1, 2) ON CONFLICT (k) DO NOTHING",
    "INSERT INTO t (k, n, v) VALUES ('a', 1, 2) ON CONFLICT DO UPDATE SET n = 1",
    "INSERT INTO t (k, n, v) VALUES ('a', 1, 9223372036854775807 + 1)",
    "INSERT INTO kinds (id, i) VALUES ('6f96', 1)",
    "INSERT INTO kinds (id, i) VALUES ('6f9619ff-8b86-d011-b42d-00cf4fc96400', 3000000000)",
    "INSERT INTO kinds (id, d) VALUES ('6f9619ff-8b86-d011-b42d-00cf4fc96400', 12345.6)",
    "INSERT INTO kinds (id, j) VALUES ('6f9619ff-8b86-d011-b42d-00cf4fc96400', '{')",
    "INSERT INTO kinds (id, raw) VALUES ('6f9619ff-8b86-d011-b42d-00cf4fc96400', 'abc')",
    "INSERT INTO kinds (id, b) VALUES ('6f9619ff-8b86-d011-b42d-00cf4fc96400', 1 + 1)",
    "INSERT INTO kinds (id, tags) VALUES ('6f9619ff-8b86-d011-b42d-00cf4fc96400', 'x')",
    "INSERT INTO s VALUES (1)",
    "INSERT INTO v VALUES (1, 2)",
    "INSERT INTO nothing VALUES (1, 2)",
    "UPDATE t SET v = NULL",
    "UPDATE t SET v = v / 0",
    "UPDATE t SET n = 2 WHERE k = 'a'",
    "UPDATE t SET v = 1, v = 2",
    "UPDATE t SET v = max(v)",
    "UPDATE t SET v = 1 WHERE k",
    "UPDATE t SET v = 1 WHERE x = 2",
    "UPDATE t SET v = nope(1)",
    "UPDATE t SET v = 'abc'",
    "UPDATE t SET v = 1 FROM vouchers",
    "UPDATE v SET n = 1",
    "DELETE FROM t USING vouchers",
    "DELETE FROM s",
    "BEGIN; DELETE FROM t",
    "BEGIN; COMMIT",
    "BEGIN; SELECT 1; COMMIT",
    "BEGIN; DELETE FROM t RETURNING k; DELETE FROM t RETURNING n; COMMIT",
    "DELETE FROM t; DELETE FROM t",
    "COMMIT",
    "MERGE INTO t USING vouchers ON true WHEN MATCHED THEN DELETE",
];

#[tokio::test]
async fn what_does_not_fit_is_refused_with_place_and_hint() {
    let bed = bed();
    bed.ask("INSERT INTO t (k, n, v) VALUES ('taken', 1, 2)")
        .await;
    bed.step();
    let frontier = bed.frontier();
    let mut shown = String::new();
    for sql in REFUSED {
        let problem = bed.problem(sql).await;
        shown.push_str(&format!("{sql}\n{problem}\n\n"));
    }
    assert_eq!(bed.frontier(), frontier, "nothing was appended");
    expect_test::expect_file!["../../../tests/expected/writes_refused.txt"].assert_eq(&shown);
    let mut question = Bed::question("DELETE FROM t");
    question.rights = Rights::Read;
    let error = bed.asked(question).await.unwrap_err();
    let code = mainstem_kernel::Fault::answer(&error).code;
    assert_eq!(code, Code::Sql020, "{error}");
    assert!(matches!(error, QueryError::Text(_)));
}

#[test]
fn only_what_surely_asks_nothing_is_a_small_write() {
    let is = crate::engine::statement::is_small_write;
    assert!(is(" update t SET n = 1"));
    assert!(is("INSERT INTO t VALUES ('a')"));
    assert!(is("delete from t"));
    assert!(!is("INSERT INTO t SeLeCT 1"));
    assert!(!is("UPDATE t SET n = (select 1)"));
    assert!(!is("SELECT 1"));
    assert!(!is("BEGIN; DELETE FROM t; COMMIT"));
    assert!(!is("été"));
    let long = format!("INSERT INTO t VALUES ('{}')", "x".repeat(5_000));
    assert!(!is(&long));
}
