//! The function table against the engine: every example is run, and the page is current.

mod postgres;

use super::*;
use crate::{engine::constant, format};

/// One column's values as text, joined by commas.
async fn answer(sql: &str) -> Result<String, crate::QueryError> {
    let batches = constant(sql).await?;
    let mut values = Vec::new();
    for batch in &batches {
        let column = Arc::clone(batch.column(batch.num_columns() - 1));
        let field = batch.schema().field(batch.num_columns() - 1).clone();
        values.extend(format::printed(&column, &field).expect("printable"));
    }
    Ok(values.join(","))
}

fn question(function: &Function) -> String {
    const X: &str = "(VALUES (1), (2), (2), (5)) AS t(x)";
    let example = function.example;
    match function.kind {
        Kind::Scalar => format!("SELECT {example}"),
        Kind::Aggregate if example.contains("--") => format!("SELECT {example}"),
        Kind::Aggregate => format!("SELECT {example} FROM {X}"),
        Kind::Window => {
            format!("SELECT r FROM (SELECT x, {example} AS r FROM {X}) ORDER BY x, r NULLS FIRST")
        }
        Kind::Table => format!("SELECT * FROM {example}"),
    }
}

#[tokio::test]
async fn every_example_gives_what_it_says() {
    let mut wrong = Vec::new();
    for function in table() {
        let found = match answer(&question(function)).await {
            Ok(found) => found,
            Err(error) => format!(
                "{error}: {:?}",
                std::error::Error::source(&error).map(ToString::to_string)
            ),
        };
        if found != function.expected {
            wrong.push(format!("{}\t{}\t{found}", function.name, function.expected));
        }
    }
    assert!(
        wrong.is_empty(),
        "name, expected, found:\n{}",
        wrong.join("\n")
    );
}

#[tokio::test]
async fn what_is_not_in_the_table_cannot_be_called() {
    for (sql, hint) in [
        ("SELECT uppr('a')", Some("did you mean \"upper\"?")),
        ("SELECT version()", Some("SHOW FUNCTIONS lists all of them")),
        (
            "SELECT input_file_name()",
            Some("SHOW FUNCTIONS lists all of them"),
        ),
        (
            "SELECT * FROM read_parquet('/etc/passwd')",
            Some("SHOW FUNCTIONS lists all of them"),
        ),
        (
            "SELECT * FROM upper('a')",
            Some("SHOW FUNCTIONS lists all of them"),
        ),
        (
            "SELECT 1 WHERE EXISTS (SELECT random())",
            Some("SHOW FUNCTIONS lists all of them"),
        ),
    ] {
        let error = constant(sql).await.expect_err(sql);
        let problem = mainstem_kernel::Fault::problem(&error);
        assert_eq!(
            problem.code,
            mainstem_kernel::Code::Sql023,
            "{sql}: {problem}"
        );
        assert_eq!(problem.hint.as_deref(), hint, "{sql}");
        assert!(problem.position.is_some(), "{sql}");
    }
}

#[test]
fn names_are_unique_within_a_kind_and_implementations_exist() {
    let names: std::collections::BTreeSet<_> = table().iter().map(|f| (f.kind, f.name)).collect();
    assert_eq!(names.len(), table().len());
}

#[test]
fn patterns_of_to_char_are_postgresqls() {
    let check = |from: &str, to: Result<&str, &str>| {
        assert_eq!(
            pattern(from),
            to.map(str::to_owned).map_err(str::to_owned),
            "{from}"
        );
    };
    check("YYYY-MM-DD HH24:MI:SS.US", Ok("%Y-%m-%d %H:%M:%S.%6f"));
    check(
        "Mon DD, \"the year\" YYYY 100%",
        Ok("%b %d, the year %Y 100%%"),
    );
    check("YYYY-QQ", Err("QQ"));
    check("\"open", Err("\""));
}

#[test]
fn the_reference_page_is_current() {
    expect_test::expect_file!["../../../../docs/reference/functions.md"].assert_eq(&reference());
}
