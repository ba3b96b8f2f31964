//! What binds to what, and what columns without a name are called: as in PostgreSQL.

use super::bed::Bed;

fn bed() -> Bed {
    let bed = Bed::new();
    bed.declare(
        "CREATE STREAM s (id BIGINT, country TEXT, flag BOOLEAN);
         CREATE TABLE t (k TEXT PRIMARY KEY, n BIGINT NOT NULL DEFAULT 7, state TEXT DEFAULT upper('new'))",
    );
    bed.step();
    bed
}

async fn check(bed: &Bed, question: &str, expected: &str) {
    assert_eq!(bed.ask(question).await.trim(), expected, "{question}");
}

#[tokio::test]
async fn is_distinct_from_ends_where_something_binds_looser() {
    let bed = bed();
    let truth = async |expr: &str, expected: bool| {
        let question = format!("SELECT {expr} AS it");
        check(&bed, &question, &format!("{{\"it\":{expected}}}")).await;
    };
    truth("1 IS DISTINCT FROM 2 AND false", false).await;
    truth("1 IS NOT DISTINCT FROM 1 OR false", true).await;
    truth("false AND NULL IS DISTINCT FROM 1", false).await;
    truth("NOT 1 IS DISTINCT FROM 1 AND true", true).await;
    // What binds tighter is its right side.
    truth("3 IS NOT DISTINCT FROM 1 + 2", true).await;
    truth("true IS NOT DISTINCT FROM 1 = 1", true).await;
    truth("(1 IS DISTINCT FROM 2) AND 2 IS NOT DISTINCT FROM 2", true).await;
    let case = "SELECT CASE WHEN 1 IS DISTINCT FROM NULL THEN 'a' ELSE 'b' END AS it";
    check(&bed, case, "{\"it\":\"a\"}").await;
    bed.append("s", 0..10);
    bed.step();
    let filtered = "SELECT count(*) AS n FROM s WHERE country IS DISTINCT FROM 'c0' AND id < 5";
    check(&bed, filtered, "{\"n\":3}").await;
}

#[tokio::test]
async fn questions_in_parentheses_without_a_name_get_one_each() {
    let bed = bed();
    bed.append("s", 0..10);
    bed.step();
    let two = "SELECT (SELECT max(id) FROM s), (SELECT min(id) FROM s)";
    check(&bed, two, "{\"max\":9,\"min\":0}").await;
    let same = "SELECT (SELECT 1), (SELECT 2), 1 + (SELECT 3), (SELECT max(id) AS top FROM s)";
    let expected = "{\"?column?\":1,\"?column?_2\":2,\"?column?_3\":4,\"top\":9}";
    check(&bed, same, expected).await;
    let taken = "SELECT (SELECT 5 AS n), 1 AS n_2, (SELECT 6 AS n), 4 AS n";
    let expected = "{\"n_3\":5,\"n_2\":1,\"n_4\":6,\"n\":4}";
    check(&bed, taken, expected).await;
    let per_row = "SELECT id, (SELECT max(id) FROM s b WHERE b.country = a.country),
                   (SELECT max(id) FROM s c WHERE c.country = a.country) FROM s a WHERE id = 3";
    check(&bed, per_row, "{\"id\":3,\"max\":9,\"max_2\":9}").await;
}

#[tokio::test]
async fn what_is_true_of_a_column_groups_rows() {
    let bed = bed();
    bed.append("s", 0..10);
    bed.step();
    for test in [
        "id > 3 IS TRUE",
        "id > 3 IS NOT TRUE",
        "(id > 3) IS FALSE",
        "(id > 3) IS NOT FALSE",
        "(id > 3) IS UNKNOWN",
        "(id > 3) IS NOT UNKNOWN",
        "flag IS TRUE",
        "flag IS NOT TRUE",
        "flag IS UNKNOWN",
        "id IS NULL",
        "id IS NOT NULL",
        "country IS DISTINCT FROM 'c0'",
        "country IN ('c0', 'c1')",
        "id BETWEEN 2 AND 4",
        "country LIKE 'c0%'",
    ] {
        let question = format!("SELECT {test}, count(*) AS n FROM s GROUP BY {test}");
        let grouped = bed.ask(&question).await;
        let counted: u64 = grouped
            .lines()
            .map(|line| line.rsplit(':').next().unwrap())
            .map(|n| n.trim_end_matches('}').parse::<u64>().unwrap())
            .sum();
        assert_eq!(counted, 10, "{question}: {grouped}");
        let filtered = format!("SELECT count(*) AS n FROM s GROUP BY {test} HAVING {test}");
        bed.ask(&filtered).await;
    }
}

#[tokio::test]
async fn describe_shows_defaults() {
    let bed = bed();
    expect_test::expect![[r#"
        {"column":"k","type":"TEXT","nullable":false,"default":null,"role":"primary key"}
        {"column":"n","type":"BIGINT","nullable":false,"default":"7","role":""}
        {"column":"state","type":"TEXT","nullable":true,"default":"upper('new')","role":""}
    "#]]
    .assert_eq(&bed.ask("SHOW COLUMNS FROM t").await);
}
