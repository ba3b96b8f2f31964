//! Texts in dictionaries give the answers that texts give.

use super::bed::Bed;

const QUESTIONS: [&str; 15] = [
    "SELECT maybe, count(*) FILTER (WHERE id % 2 = 0) AS n, avg(id) AS a, min(country) AS c, \
     sum(id) FILTER (WHERE country = 'c1') AS s FROM a GROUP BY maybe ORDER BY 1",
    "SELECT country, count(*) AS n FROM a GROUP BY country ORDER BY 1",
    "SELECT maybe, count(*) AS n, sum(id) AS s FROM a GROUP BY maybe ORDER BY 1",
    "SELECT maybe, country, min(id) AS first FROM a GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT x.maybe AS m, count(DISTINCT x.maybe) AS n, max(x.country) AS c FROM a x GROUP BY x.maybe \
     HAVING x.maybe < 'm4' ORDER BY 1",
    "SELECT maybe, count(*) AS n FROM a WHERE country = 'c1' GROUP BY maybe ORDER BY 1",
    "SELECT country, count(*) AS n FROM a WHERE country <> 'c1' GROUP BY country ORDER BY 1",
    "SELECT DISTINCT maybe FROM a ORDER BY 1 NULLS FIRST",
    "SELECT m, n FROM (SELECT maybe AS m, count(*) AS n FROM a GROUP BY maybe) t WHERE m = 'm2'",
    "SELECT count(*) AS n, max(id) AS top FROM a WHERE maybe = 'm3'",
    "SELECT count(*) AS n FROM a WHERE maybe IS NULL",
    "SELECT count(*) AS n FROM a WHERE (maybe IS DISTINCT FROM 'm3') AND country LIKE 'c_' AND id > 40",
    "SELECT count(*) AS n FROM a WHERE maybe <> 'm3' OR country IN ('c0', 'c2')",
    "SELECT id, maybe FROM a WHERE coalesce(maybe, 'none') = 'none' ORDER BY id LIMIT 3",
    "SELECT count(*) AS n FROM a WHERE id >= 30000 AND CAST(substr(maybe, 2) AS BIGINT) > 3",
];

async fn answers(bed: &Bed) -> Vec<String> {
    let mut answers = Vec::new();
    for question in QUESTIONS {
        answers.push(bed.ask(question).await);
    }
    answers
}

#[tokio::test]
async fn dictionaries_never_change_an_answer() {
    let bed = Bed::new();
    bed.declare("CREATE STREAM a (id BIGINT NOT NULL, country TEXT, maybe TEXT)");
    let plain = Bed::new();
    plain.declare("CREATE STREAM a (id BIGINT NOT NULL, country TEXT, maybe TEXT)");
    for rows in [0..20_000, 20_000..40_000, 40_000..41_000] {
        plain.append("a", rows);
    }
    let expected = answers(&plain).await;
    bed.append("a", 0..20_000);
    bed.flush("a");
    bed.append("a", 20_000..40_000);
    bed.flush("a");
    bed.append("a", 40_000..41_000);
    // The first round learns how the files are encoded, the second makes use of it.
    for round in ["first", "second"] {
        for (question, (found, expected)) in QUESTIONS
            .iter()
            .zip(answers(&bed).await.iter().zip(&expected))
        {
            assert_eq!(found, expected, "{round}: {question}");
        }
    }
    let explained = bed.ask(&format!("EXPLAIN {}", QUESTIONS[2])).await;
    assert!(explained.contains("_number_of_maybe"), "{explained}");
    assert!(explained.contains("by number: "), "{explained}");
    let explained = bed.ask(&format!("EXPLAIN {}", QUESTIONS[9])).await;
    assert!(explained.contains("per text"), "{explained}");
}

#[tokio::test]
async fn renamed_columns_are_still_grouped_by_number() {
    let bed = Bed::new();
    bed.declare("CREATE STREAM a (id BIGINT NOT NULL, country TEXT)");
    bed.append("a", 0..100);
    bed.flush("a");
    let before = bed
        .ask("SELECT country AS land, count(*) AS n FROM a GROUP BY 1 ORDER BY 1")
        .await;
    bed.change(
        "CREATE STREAM a (id BIGINT NOT NULL, land TEXT)",
        &[("country", "land")],
    );
    bed.tables();
    let question = "SELECT land, count(*) AS n FROM a GROUP BY land ORDER BY 1";
    assert_eq!(bed.ask(question).await, before);
    let explained = bed.ask(&format!("EXPLAIN {question}")).await;
    assert!(explained.contains("_number_of_land"), "{explained}");
}

#[tokio::test]
async fn groups_count_as_memory_of_the_question() {
    let bed = Bed::with(
        crate::SqlConfig {
            query_memory_max: mainstem_kernel::ByteSize::kib(1),
            ..super::bed::config()
        },
        |log| log,
    );
    bed.declare("CREATE STREAM a (id BIGINT NOT NULL, maybe TEXT)");
    bed.append("a", 0..1_000);
    bed.flush("a");
    bed.ask("SELECT count(*) AS n FROM a WHERE maybe = 'm1'")
        .await;
    let code = bed
        .code("SELECT maybe, count(*) AS n FROM a GROUP BY maybe")
        .await;
    assert_eq!(code, mainstem_kernel::Code::Sql031);
}
