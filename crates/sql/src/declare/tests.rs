//! Declarations: what is read, and what a person is told about what is not.

mod objects;
mod random;

use super::*;

fn files(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
    texts
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

fn read(text: &str) -> StreamSpec {
    match declarations(&files(&[("a.sql", text)])) {
        Ok(declared) => match &declared[0].declaration {
            Declaration::Stream(spec) => spec.clone(),
            other => panic!("{other:?}"),
        },
        Err(problems) => panic!("{}", printed(&problems)),
    }
}

fn printed(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

fn problems(texts: &[(&str, &str)]) -> String {
    printed(&declarations(&files(texts)).expect_err("expected mistakes"))
}

#[test]
fn reads_every_clause_and_shows_it_again() {
    let spec = read(
        r#"-- readings of all devices
        CREATE STREAM Readings (
          device_id TEXT NOT NULL, celsius DOUBLE PRECISION, "At" TIMESTAMP WITH TIME ZONE NOT NULL,
          place ROW(lat DOUBLE PRECISION, tags TEXT[]), price DECIMAL(12,3) NULL, "order" INT,
          WATERMARK FOR "At" AS "At" - INTERVAL '10' SECOND
        ) DEDUPLICATE BY (device_id) WITHIN '1 hour'
          WITH (retention = '2 years', partitions = 4, durability = relaxed, event_size_max = '1 MiB')
          PARTITION BY (device_id, price); -- done"#,
    );
    expect_test::expect![[r#"
        CREATE STREAM readings (
          device_id TEXT NOT NULL,
          celsius DOUBLE PRECISION,
          "At" TIMESTAMPTZ NOT NULL,
          place ROW(lat DOUBLE PRECISION, tags TEXT[]),
          price NUMERIC(12, 3),
          "order" INTEGER,
          WATERMARK FOR "At" AS "At" - INTERVAL '10 seconds'
        ) PARTITION BY (device_id, price) DEDUPLICATE BY (device_id) WITHIN '1 hour' WITH (retention = '2 years', partitions = 4, durability = 'relaxed', event_size_max = '1 MiB')"#]]
    .assert_eq(&show(&spec));
    assert!(
        spec.sql.starts_with("CREATE STREAM Readings") && spec.sql.ends_with("(device_id, price)")
    );
}

#[test]
fn names_all_mistakes_of_all_files_at_once() {
    let first = r"CREATE STREAM a (
  id STRING NOT NULL, n NUMERIC, _x TEXT, id2 BIGNT, id2 TEXT, at TIMESTAMPTZ,
  WATERMARK FOR at AS at - INTERVAL 'ten seconds'
) WITH (partition = 3, retention = '1 s');
CREATE STREAM b (id TEXT, f REAL, at TIMESTAMPTZ, WATERMARK FOR at AS at)
  PARTITION BY (f, di) DEDUPLICATE BY (id) WITHIN '90 days';
CREATE TABLE devices (device_id TEXT PRIMARY KEY);
";
    let second = "SELECT 1;\nCREATE STREAM B_dead_letters (x TEXT);\nCREATE STEAM c (x TEXT);\n\
                  CREATE STREAM d (x TEXT PERSONAL) SUBJECT (x);\nDROP STREAM e;\nRENAME a.b c";
    expect_test::expect_file!["../../tests/expected/mistakes.txt"]
        .assert_eq(&problems(&[("a.sql", first), ("b.sql", second)]));
}

#[test]
fn renames_must_lead_to_what_is_declared() {
    let text = "CREATE STREAM b (y TEXT, z TEXT);\nRENAME a TO b;\nRENAME b.x TO y;";
    assert_eq!(
        declarations(&files(&[("a.sql", text)]))
            .expect("correct")
            .len(),
        3
    );
    let text = "CREATE STREAM b (y TEXT);\nRENAME a TO c;\nRENAME b.x TO why;\nRENAME d.x TO y;\n\
                RENAME b.y TO y;\nRENAME b.y TO y;";
    expect_test::expect![[r#"
        error[SQL-007]: "c" is not declared, so "a" cannot become it
          --> a.sql:2:1
        hint: rename it in its statement too: CREATE STREAM c …
        error[SQL-007]: stream "b" has no column "why", so "x" cannot become it
          --> a.sql:3:1
        hint: there are: y
        error[SQL-007]: "d" is not declared
          --> a.sql:4:1
        hint: there are: b
        error[SQL-006]: column "y" is renamed and declared
          --> a.sql:5:1
        detail: The stream "b" declares it at a.sql:1:1.
        hint: remove the old name from the statement
        error[SQL-006]: "y" is renamed twice
          --> a.sql:6:1
        detail: It was renamed first at a.sql:5:1."#]]
    .assert_eq(&problems(&[("a.sql", text)]));
}

#[test]
fn a_broken_quote_does_not_hide_what_stands_before_it() {
    let text = "CREATE STREAM a (x TXT);\nCREATE STREAM b (x TEXT) WITH (retention = '2 years);\n";
    expect_test::expect![[r#"
        error[SQL-003]: there is no type "txt"
          --> a.sql:1:20
        hint: did you mean TEXT?
        error[SQL-001]: unterminated string literal
          --> a.sql:2:44
        hint: close the quote or comment that begins here"#]]
    .assert_eq(&problems(&[("a.sql", text)]));
}

#[test]
fn text_and_types_have_limits() {
    let deep = format!(
        "CREATE STREAM a (x {}TEXT{})",
        "ROW(y ".repeat(20),
        ")".repeat(20)
    );
    assert!(
        problems(&[("a.sql", &deep)]).contains("SQL-010"),
        "deep rows"
    );
    let deep = format!("CREATE STREAM a (x TEXT{})", "[]".repeat(20));
    assert!(
        problems(&[("a.sql", &deep)]).contains("SQL-010"),
        "deep arrays"
    );
    let long = format!("-- {}", "x".repeat(split::TEXT_BYTES_MAX));
    assert!(
        problems(&[("a.sql", &long)]).contains("SQL-010"),
        "long text"
    );
}
