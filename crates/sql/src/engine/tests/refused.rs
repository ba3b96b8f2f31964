//! What is refused, and in which words; and the limits of what is not.

use std::time::Duration;

use futures::StreamExt;
use mainstem_kernel::{ByteSize, Code, Fault, Position, Seq};

use super::bed::{Bed, config};
use crate::SqlConfig;

#[tokio::test]
async fn nothing_but_registered_streams_is_read_or_written() {
    let bed = Bed::new();
    bed.declare("CREATE STREAM a (id BIGINT)");
    let mut found = String::new();
    for sql in [
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "COPY a TO '/tmp/stolen.csv'",
        "COPY (SELECT * FROM a) TO '/tmp/stolen.parquet'",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM \"/etc/passwd\"",
        "SELECT * FROM 'a.parquet'",
        "SELECT * FROM read_parquet('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM pg_catalog.pg_class",
        "SELECT * INTO b FROM a",
        "INSERT INTO a VALUES (1)",
        "WITH x AS (INSERT INTO a VALUES (1)) SELECT 1",
        "EXPLAIN INSERT INTO a VALUES (1)",
        "EXPLAIN ANALYZE CREATE TABLE b AS SELECT 1",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE b AS SELECT * FROM a",
        "DROP TABLE a",
        "DELETE FROM a",
        "SET datafusion.execution.target_partitions = 1",
        "SHOW ALL",
        "PREPARE p AS SELECT 1",
        "SELECT 1; DROP TABLE a",
        "",
        "-- nothing",
    ] {
        let problem = bed.problem(sql).await;
        assert!(problem.position.is_some(), "{sql}: {problem}");
        found.push_str(&format!("{sql}\n{problem}\n\n"));
    }
    expect_test::expect_file!["../../../tests/expected/refused.txt"].assert_eq(&found);
}

#[tokio::test]
async fn mistakes_are_told_with_place_and_hint() {
    let bed = Bed::new();
    bed.declare(
        "CREATE STREAM purchases (id BIGINT, country TEXT, price NUMERIC(12,3), at TIMESTAMPTZ)",
    );
    bed.append("purchases", 0..3);
    let mut found = String::new();
    for sql in [
        "SELEC 1",
        "SELECT\n  contry FROM purchases",
        "SELECT p.contry FROM purchases p",
        "SELECT id FROM purchase",
        "SELECT id\nFROM purchases\nWHERE uper(country) = 'A'",
        "SELECT id FROM purchases WHERE",
        "SELECT id FROM purchases GROUP BY country",
        "SELECT id FROM purchases a JOIN purchases b ON a.id = b.id",
        "SELECT country + 1 FROM purchases",
        "SELECT sum(country) FROM purchases",
        "SELECT 1 / (id - id) FROM purchases",
        "SELECT country::BIGINT FROM purchases",
        "SELECT * FROM TUMBLE(purchases, at, INTERVAL '1 minute')",
        "SELECT count(*) FROM purchases EMIT ON UPDATE",
        "SELECT * FROM purchases FOR SYSTEM_TIME AS OF PROCTIME()",
        "SELECT * FROM purchases NATURAL JOIN purchases b",
        "SELECT 'open FROM purchases",
        "SHOW TABLE",
        "DESCRIBE purchase",
    ] {
        found.push_str(&format!("{sql}\n{}\n\n", bed.problem(sql).await));
    }
    expect_test::expect_file!["../../../tests/expected/problems.txt"].assert_eq(&found);
}

#[tokio::test]
async fn bombs_meet_their_limit_and_others_go_on() {
    let small = SqlConfig {
        query_memory_max: ByteSize::mib(1),
        query_time_max: Duration::from_millis(300),
        ..config()
    };
    let bed = Bed::with(small, |log| log);
    bed.declare("CREATE STREAM a (id BIGINT, country TEXT)");
    bed.append("a", 0..200_000);
    let endless =
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t";
    for sql in [
        "SELECT a.country, count(*) FROM a, a b, a c, a d GROUP BY 1",
        "SELECT * FROM a ORDER BY country, id",
        "SELECT array_agg(country) FROM a",
        "SELECT id, count(*) FROM a GROUP BY id",
        "SELECT count(*) FROM generate_series(1, 1000000000000)",
        endless,
    ] {
        let code = bed.code(sql).await;
        assert!(matches!(code, Code::Sql030 | Code::Sql031), "{sql}: {code}");
    }
    let deep = format!("SELECT {}1{}", "(".repeat(500), ")".repeat(500));
    assert_eq!(bed.code(&deep).await, Code::Sql010);
    let long = format!("SELECT '{}'", "x".repeat(2 << 20));
    assert_eq!(bed.code(&long).await, Code::Sql010);
    assert_eq!(
        bed.ask("SELECT count(*) AS n FROM a").await,
        "{\"n\":200000}\n"
    );
}

#[tokio::test]
async fn turns_are_bounded_and_given_back() {
    let bed = Bed::with(
        SqlConfig {
            queries_max: 1,
            ..config()
        },
        |log| log,
    );
    // More batches than any number of threads computes ahead of whoever reads.
    let long = Bed::question("SELECT * FROM generate_series(1, 1000000000000)");
    let held = bed.engine.ask(long).await.unwrap();
    assert_eq!(bed.code("SELECT 1").await, Code::Sql032);
    drop(held);
    let mut read = bed.engine.ask(Bed::question("SELECT 1")).await.unwrap();
    while read.rows.next().await.is_some() {}
    assert_eq!(
        bed.ask("SELECT 1 AS n").await,
        "{\"n\":1}\n",
        "read to its end, but still held"
    );
}

#[tokio::test]
async fn waits_for_a_position_and_says_when_it_does_not_come() {
    let bed = Bed::new();
    bed.declare("CREATE STREAM a (id BIGINT)");
    bed.append("a", 0..1);
    let now = bed.frontier();
    let at = |seq, millis| crate::Question {
        wait: Some(Position::at(seq).into()),
        time_max: Some(Duration::from_millis(millis)),
        ..Bed::question("SELECT count(*) AS n FROM a")
    };
    assert_eq!(bed.asked(at(now, 1_000)).await.unwrap(), "{\"n\":1}\n");
    let elsewhere = crate::Question {
        wait: Some("p2-16.0:1".parse().unwrap()),
        ..at(now, 1_000)
    };
    let error = bed.asked(elsewhere).await.unwrap_err();
    assert_eq!(error.answer().code, Code::Clus041, "{error}");
    let error = bed.asked(at(Seq(now.0 + 1), 20)).await.unwrap_err();
    assert!(
        matches!(error.answer().code, Code::Sql033 | Code::Sql030),
        "{error}"
    );
    let (answer, ()) = tokio::join!(bed.asked(at(Seq(now.0 + 1), 10_000)), async {
        bed.append("a", 1..2);
    });
    assert_eq!(answer.unwrap(), "{\"n\":2}\n");
}

/// Questions that are answered.
const SEEDS: [&str; 4] = [
    "SELECT * FROM a WHERE id > 3 AND country LIKE 'c%' ORDER BY at DESC LIMIT 3",
    "WITH t AS (SELECT country, sum(price) AS s FROM a GROUP BY 1) SELECT * FROM t JOIN a USING (country)",
    "SELECT x.*, row_number() OVER (PARTITION BY country ORDER BY id) FROM a x",
    "SELECT CASE WHEN id IN (SELECT id FROM a) THEN 'y' END, a.at::DATE FROM a EXCEPT SELECT 'n', now()::DATE",
];

/// What is put into them.
const WORDS: [&str; 32] = [
    "SELECT",
    "*",
    "FROM",
    "a",
    "(",
    ")",
    ",",
    "NULL",
    "'",
    "\"",
    "OVER",
    "GROUP BY",
    "::",
    "->",
    "99999999999999999999",
    "id",
    "_seq",
    "JOIN",
    "USING (id)",
    "UNION",
    "ARRAY[",
    "]",
    ".",
    "-",
    "é",
    "INTERVAL '1 day'",
    "LATERAL",
    "UNNEST(",
    "DISTINCT ON (",
    "FILTER (WHERE",
    "TABLE",
    "VALUES",
];

/// A seed with up to two changes; `below` draws a number below another.
fn broken(mut below: impl FnMut(usize) -> usize) -> String {
    let mut tokens: Vec<&str> = SEEDS[below(SEEDS.len())].split(' ').collect();
    for _ in 0..below(3) {
        let at = below(tokens.len());
        match below(3) {
            0 => drop(tokens.remove(at)),
            1 => tokens.insert(at, WORDS[below(WORDS.len())]),
            _ => tokens[at] = WORDS[below(WORDS.len())],
        }
    }
    tokens.join(" ")
}

#[tokio::test]
async fn a_seeded_storm_of_broken_questions_never_breaks_the_engine() {
    let bed = Bed::new();
    bed.declare("CREATE STREAM a (id BIGINT, country TEXT, price NUMERIC(12,3), at TIMESTAMPTZ)");
    bed.append("a", 0..10);
    let mut state = 0x5EED_0003_u64;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(n).unwrap()).unwrap()
    };
    let (mut answered, mut refused) = (0, 0);
    for _ in 0..400 {
        let sql = broken(&mut below);
        match bed.asked(Bed::question(&sql)).await {
            Ok(_) => answered += 1,
            Err(error) => {
                refused += 1;
                let chain = mainstem_kernel::fault::chain(&error);
                assert_ne!(error.answer().code, Code::Sql035, "{sql}\n{chain}");
                assert_ne!(error.answer().code, Code::Sql034, "{sql}\n{chain}");
            }
        }
    }
    assert!(
        answered > 20 && refused > 100,
        "{answered} answered, {refused} refused"
    );
}
