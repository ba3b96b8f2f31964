//! The same statement with other values: it is not compiled again, and nobody notices.

use std::collections::BTreeMap;

use futures::future::join_all;
use mainstem_kernel::Fault;

use super::{bed::Bed, keyed::random};
use crate::Question;

const TABLES: &str = "
CREATE TABLE t (k TEXT PRIMARY KEY, n BIGINT NOT NULL DEFAULT 7, s SMALLINT, at TIMESTAMPTZ);
CREATE TABLE w (k TEXT PRIMARY KEY, at TIMESTAMPTZ DEFAULT now());
CREATE TABLE u (k BIGINT, l BOOLEAN, v NUMERIC(6,2) NOT NULL, PRIMARY KEY (k, l));
";

fn bed() -> Bed {
    let bed = Bed::new();
    bed.declare(TABLES);
    bed.step();
    bed
}

/// The answer, or the whole problem.
async fn told(bed: &Bed, sql: &str) -> Result<String, String> {
    let answer = bed.asked(Bed::question(sql)).await;
    answer.map_err(|error| format!("{:?}", error.problem()))
}

/// Statements of one form each; the last is asked, the others came before.
const COME_BEFORE: &[&[&str]] = &[
    &[
        "INSERT INTO t VALUES ('a', 1, 2, NULL)",
        "INSERT INTO t VALUES ('it''s', -3, NULL, '2026-01-02 03:04:05Z')",
    ],
    &[
        "INSERT INTO t VALUES ('a', 1, 2, NULL)",
        "INSERT INTO t VALUES ('b', 1, 2, NULL)",
    ],
    &[
        "INSERT INTO t VALUES ('a', 1, 2, NULL)",
        "INSERT INTO t VALUES ('b',\n 'many', 2, NULL)",
    ],
    &[
        "INSERT INTO t VALUES ('a', 1, 2, NULL)",
        "INSERT INTO t VALUES ('b', 1, 70000, NULL)",
    ],
    &[
        "INSERT INTO t VALUES ('a', 1, 2, NULL)",
        "INSERT INTO t VALUES ('b', NULL, 2, NULL)",
    ],
    &[
        "INSERT INTO t VALUES ('a', 1, 2, NULL)",
        "INSERT INTO t VALUES ('b', 1, 2)",
    ],
    &[
        "INSERT INTO t (n, k) VALUES (1, 'a')",
        "INSERT INTO t (n, k) VALUES (2, 'b')",
    ],
    &[
        "INSERT INTO t (s, k) VALUES (1, 'a')",
        "INSERT INTO t (s, k) VALUES (2, 'b')",
    ],
    &[
        "INSERT INTO t\n (k) VALUES ('a')",
        "INSERT INTO t\n (k) VALUES ( 'there')",
    ],
    &[
        "INSERT INTO t (k, n) VALUES ('a', 2) ON CONFLICT DO NOTHING RETURNING k, n * 2 AS m",
        "INSERT INTO t (k, n) VALUES ('b', 3) ON CONFLICT DO NOTHING RETURNING k, n * 2 AS m",
        "INSERT INTO t (k, n) VALUES ('there', 3) ON CONFLICT DO NOTHING RETURNING k, n * 2 AS m",
    ],
    &[
        "INSERT INTO t (k, n) VALUES ('a', 2) ON CONFLICT DO UPDATE SET n = t.n + 1, s = 30000 + excluded.n RETURNING *",
        "INSERT INTO t (k, n) VALUES ('there', 3) ON CONFLICT DO UPDATE SET n = t.n + 1, s = 30000 + excluded.n RETURNING *",
    ],
    // A value that the update does not take: where it is told to be depends on the values before it.
    &[
        "INSERT INTO t (k, n) VALUES ('a', 2) ON CONFLICT DO UPDATE SET n = t.n + 1, s = 30000 + excluded.n",
        "INSERT INTO t (k, n) VALUES ('there', 300000) ON CONFLICT DO UPDATE SET n = t.n + 1, s = 30000 + excluded.n",
    ],
    &[
        "INSERT INTO t (k, n) VALUES ('a', 2) RETURNING 1 / (n - 5)",
        "INSERT INTO t (k, n) VALUES ('bbbbbb', 5) RETURNING 1 / (n - 5)",
    ],
    &[
        "INSERT INTO u VALUES (-1, true, 1.50)",
        "INSERT INTO u VALUES (-1, FALSE, 1234.567)",
    ],
    &[
        "INSERT INTO u VALUES (-1, true, 1.50)",
        "INSERT INTO u VALUES (-2, 1, 1.50)",
    ],
    &[
        "INSERT INTO u VALUES (1, true, 1.50)",
        "INSERT INTO u VALUES (1, null, 1.50)",
    ],
    &[
        "INSERT INTO u VALUES (1, true, 1.50)",
        "INSERT INTO u VALUES (2, true, 12345.50)",
    ],
];

#[tokio::test]
async fn a_statement_that_comes_again_does_what_it_does_when_it_comes_first() {
    for texts in COME_BEFORE {
        let (last, before) = texts.split_last().unwrap();
        let (fresh, used) = (bed(), bed());
        let rows = "SELECT * FROM t WHERE k <> 'a' AND k <> 'x' ORDER BY k";
        for bed in [&fresh, &used] {
            bed.ask("INSERT INTO t (n, s, k, at) VALUES (1 + 1, 1, 'there', NULL)")
                .await;
        }
        for text in before {
            used.ask(text).await.clear();
        }
        assert_eq!(
            (used.engine.forms.len(), fresh.engine.forms.len()),
            (1, 0),
            "{last}"
        );
        assert_eq!(told(&used, last).await, told(&fresh, last).await, "{last}");
        if before.len() == 1 {
            for bed in [&fresh, &used] {
                bed.step();
            }
            let given = used.ask(rows).await;
            assert_eq!(given, fresh.ask(rows).await, "{last}");
        }
    }
}

#[tokio::test]
async fn only_what_always_means_the_same_is_kept() {
    let bed = bed();
    let kept = [
        ("INSERT INTO t (k, at) VALUES ('a', NULL)", 1),
        ("INSERT INTO t (k, at) VALUES ('b', NULL)", 1),
        // Its default is another one each time.
        ("INSERT INTO w (k) VALUES ('c')", 1),
        (
            "INSERT INTO t (k, at) VALUES ('a', NULL) ON CONFLICT DO UPDATE SET at = now()",
            1,
        ),
        (
            "INSERT INTO t (k, at) VALUES ('a', NULL) ON CONFLICT DO UPDATE SET n = (SELECT 1)",
            1,
        ),
        ("INSERT INTO t (k, at) VALUES ('d', NULL), ('e', NULL)", 1),
        ("INSERT INTO u VALUES (-1, true, -1)", 2),
        ("INSERT INTO u VALUES (-2, true, -1)", 2),
    ];
    for (sql, count) in kept {
        bed.ask(sql).await.clear();
        assert_eq!(bed.engine.forms.len(), count, "{sql}");
    }
    bed.step();
    bed.advance(5);
    let same = "INSERT INTO w (k) VALUES ('f') RETURNING at";
    let first = bed.ask(same).await;
    bed.advance(5);
    let other = bed.ask("INSERT INTO w (k) VALUES ('g') RETURNING at").await;
    assert_ne!(first, other);
}

#[tokio::test]
async fn a_table_that_is_changed_is_written_to_as_it_is_now() {
    let bed = Bed::new();
    bed.declare("CREATE TABLE t (k TEXT PRIMARY KEY, n BIGINT)");
    bed.step();
    bed.ask("INSERT INTO t VALUES ('a', 1)").await.clear();
    bed.ask("INSERT INTO t (n, k) VALUES (2, 'b')")
        .await
        .clear();
    assert_eq!(bed.engine.forms.len(), 2);
    bed.alter_table("CREATE TABLE t (k TEXT PRIMARY KEY, n BIGINT, m BIGINT DEFAULT 5)");
    assert_eq!(
        bed.code("INSERT INTO t VALUES ('c', 3)").await,
        mainstem_kernel::Code::Sql042
    );
    bed.ask("INSERT INTO t (n, k) VALUES (4, 'd')")
        .await
        .clear();
    bed.ask("INSERT INTO t (n, k) VALUES (5, 'e')")
        .await
        .clear();
    bed.step();
    expect_test::expect![[r#"
        {"k":"a","n":1,"m":null}
        {"k":"b","n":2,"m":null}
        {"k":"d","n":4,"m":5}
        {"k":"e","n":5,"m":5}
    "#]]
    .assert_eq(&bed.ask("SELECT * FROM t ORDER BY k").await);
}

/// Whoever may only read is refused, whatever came before.
#[tokio::test]
async fn a_kept_statement_asks_for_the_right_to_write() {
    let bed = bed();
    let sql = "INSERT INTO t (k, at) VALUES ('a', NULL)";
    bed.ask(sql).await.clear();
    let question = Question {
        rights: crate::Rights::Read,
        ..Bed::question("INSERT INTO t (k, at) VALUES ('b', NULL)")
    };
    let error = bed.asked(question).await.unwrap_err();
    assert_eq!(error.problem().code, mainstem_kernel::Code::Sql020);
}

/// Four clients at once, some of them about one key: every count is there once, whether writes
/// were decided together or alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_crowd_of_one_statement_counts_right() {
    let bed = bed();
    let mut random = random(0x5EED_0501);
    let mut model: BTreeMap<String, i64> = BTreeMap::new();
    for round in 0..100 {
        let texts: Vec<String> = (0..4)
            .map(|_| {
                let key = format!("k{}", random(6));
                *model.entry(key.clone()).or_insert(0) += 1;
                format!(
                    "INSERT INTO t (k, n, at) VALUES ('{key}', 1, NULL) \
                     ON CONFLICT (k) DO UPDATE SET n = t.n + 1 RETURNING k"
                )
            })
            .collect();
        let answers = join_all(texts.iter().map(|sql| bed.ask(sql))).await;
        for (sql, answer) in texts.iter().zip(answers) {
            let key = answer
                .trim_start_matches("{\"k\":\"")
                .trim_end_matches("\"}\n");
            assert!(sql.contains(&format!("'{key}'")), "{sql} returned {answer}");
        }
        if round % 7 == 0 {
            bed.step();
        }
    }
    bed.step();
    let rows = model
        .iter()
        .map(|(k, n)| format!("{{\"k\":\"{k}\",\"n\":{n}}}\n"));
    let found = bed.ask("SELECT k, n FROM t ORDER BY k").await;
    assert_eq!(found, rows.collect::<String>());
}
