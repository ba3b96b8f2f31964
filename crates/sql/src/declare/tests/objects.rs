//! Tables and views: what is read, what is refused, and renames of objects of any kind.

use super::{super::*, files, printed, problems, read};

fn declared(text: &str) -> Vec<Declaration> {
    match declarations(&files(&[("a.sql", text)])) {
        Ok(declared) => declared.into_iter().map(|d| d.declaration).collect(),
        Err(problems) => panic!("{}", printed(&problems)),
    }
}

#[test]
fn tables_are_read_and_shown_again() {
    let text = r#"CREATE TABLE Devices (Device_Id TEXT PRIMARY KEY, model TEXT NULL, "At" TIMESTAMPTZ NOT NULL) WITH (ttl = '90 days');
        CREATE TABLE stock (site INTEGER, article BIGINT NOT NULL, pieces NUMERIC(9, 2), PRIMARY KEY (article, site)) WITH (ttl = 'for ever')"#;
    let shown: Vec<String> = declared(text)
        .iter()
        .map(|declaration| match declaration {
            Declaration::Table(spec) => show_table(spec),
            other => panic!("{other:?}"),
        })
        .collect();
    expect_test::expect![[r#"
        CREATE TABLE devices (
          device_id TEXT PRIMARY KEY,
          model TEXT,
          "At" TIMESTAMPTZ NOT NULL
        ) WITH (ttl = '90 days')
        CREATE TABLE stock (
          site INTEGER NOT NULL,
          article BIGINT NOT NULL,
          pieces NUMERIC(9, 2),
          PRIMARY KEY (article, site)
        )"#]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn defaults_are_read_in_any_place_and_must_fit() {
    let text = r#"CREATE TABLE t (id UUID DEFAULT '6F9619FF8B86D011B42D00CF4FC964FF' PRIMARY KEY, a TEXT NOT NULL DEFAULT 'it''s', b BIGINT DEFAULT (1 + 2) * abs(-3) NOT NULL,
        c BOOLEAN DEFAULT 1 IS NOT NULL, d TIMESTAMPTZ DEFAULT now() - INTERVAL '1 day' NULL, e TEXT DEFAULT NULL, f TEXT[] DEFAULT ARRAY['x', 'y'], "G" JSON DEFAULT '{}')"#;
    let [Declaration::Table(spec)] = &declared(text)[..] else {
        panic!("no table")
    };
    expect_test::expect![[r#"
        CREATE TABLE t (
          id UUID DEFAULT '6F9619FF8B86D011B42D00CF4FC964FF' PRIMARY KEY,
          a TEXT DEFAULT 'it''s' NOT NULL,
          b BIGINT DEFAULT (1 + 2) * abs(-3) NOT NULL,
          c BOOLEAN DEFAULT 1 IS NOT NULL,
          d TIMESTAMPTZ DEFAULT now() - INTERVAL '1 day',
          e TEXT DEFAULT NULL,
          f TEXT[] DEFAULT ARRAY['x', 'y'],
          "G" JSON DEFAULT '{}'
        )"#]]
    .assert_eq(&show_table(spec));
    let text = r"CREATE TABLE a (x TEXT PRIMARY KEY, y BIGINT DEFAULT 'one');
CREATE TABLE b (x TEXT PRIMARY KEY, y BIGINT NOT NULL DEFAULT NULL);
CREATE TABLE c (x TEXT PRIMARY KEY, y BIGINT DEFAULT length(x));
CREATE TABLE d (x TEXT PRIMARY KEY, y BIGINT DEFAULT (SELECT 1));
CREATE TABLE e (x TEXT PRIMARY KEY, y BIGINT DEFAULT lenght('a'));
CREATE TABLE f (x TEXT PRIMARY KEY, y BIGINT DEFAULT 1 / 0);
CREATE TABLE g (x TEXT PRIMARY KEY, y BIGINT DEFAULT 1 DEFAULT 2);
CREATE TABLE h (x TEXT PRIMARY KEY, y BIGINT DEFAULT);
CREATE TABLE i (x TEXT PRIMARY KEY, y BIGINT DEFAULT 1 +);
CREATE TABLE j (x TEXT PRIMARY KEY, y BIGINT DEFAULT sum(1));
CREATE TABLE k (x TEXT PRIMARY KEY, y BIGINT DEFAULT $1);
CREATE TABLE l (x TEXT PRIMARY KEY, y BIGINT DEFAULT 1 CHECK (y > 0));
CREATE TABLE m (x TEXT PRIMARY KEY, y SMALLINT DEFAULT 40000)";
    expect_test::expect_file!["../../../tests/expected/mistakes_of_defaults.txt"]
        .assert_eq(&problems(&[("a.sql", text)]));
}

#[test]
fn mistakes_of_tables_are_told_all_at_once() {
    let text = r"CREATE TABLE a (x TEXT, y TEXT);
CREATE TABLE b (x TEXT PRIMARY KEY, y TEXT PRIMARY KEY);
CREATE TABLE c (x REAL PRIMARY KEY);
CREATE TABLE d (x TEXT NULL PRIMARY KEY);
CREATE TABLE e (x TEXT, PRIMARY KEY (x, z, x));
CREATE TABLE f (x TEXT PRIMARY KEY, y TEXT DEFAULT 'a', z TEXT REFERENCES a, u TEXT UNIQUE, p TEXT PERSONAL, q TEXT NOT);
CREATE TABLE g (x TEXT PRIMARY KEY, CHECK (x <> ''), FOREIGN KEY (x) REFERENCES a, WATERMARK FOR x AS x);
CREATE TABLE h (x TEXT PRIMARY KEY) WITH (ttl = '1 ms', tll = '1 day', retention = '1 day');
CREATE TABLE i (x TEXT PRIMARY KEY) PARTITION BY (x);
CREATE TABLE j (x TEXT PRIMARY KEY) TTL '1 day';
CREATE TABLE k AS SELECT 1;
CREATE TABLE IF NOT EXISTS l (x TEXT PRIMARY KEY);
CREATE TABLE m ();
CREATE TABLE n (x JSON PRIMARY KEY, _y TEXT, z STRING);
CREATE TABLE x_dead_letters (x TEXT PRIMARY KEY);
CREATE VIEW o AS SELECT 1;
CREATE TEBLE p (x TEXT)";
    expect_test::expect_file!["../../../tests/expected/mistakes_of_tables.txt"]
        .assert_eq(&problems(&[("a.sql", text)]));
}

#[test]
fn names_are_unique_across_kinds_and_renames_lead_to_any_of_them() {
    let text = "CREATE STREAM s (a TEXT);\nCREATE TABLE t (k TEXT PRIMARY KEY, b TEXT);\n\
                CREATE MATERIALIZED VIEW v AS SELECT a AS c FROM s;\n\
                RENAME old TO t;\nRENAME older TO v;\nRENAME t.a TO b;\nRENAME v.x TO c;";
    assert_eq!(declared(text).len(), 7);
    let text = "CREATE STREAM s (a TEXT);\nCREATE TABLE s (k TEXT PRIMARY KEY);\n\
                CREATE MATERIALIZED VIEW s AS SELECT a FROM s;\nCREATE STREAM s (b TEXT);";
    expect_test::expect![[r#"
        error[SQL-006]: name "s" is declared as a stream and as a table
          --> a.sql:2:1
        detail: It was declared first at a.sql:1:1.
        hint: names are unique in a tenant; unquoted ones fold to lower case
        error[SQL-006]: name "s" is declared as a stream and as a view
          --> a.sql:3:1
        detail: It was declared first at a.sql:1:1.
        hint: names are unique in a tenant; unquoted ones fold to lower case
        error[SQL-006]: stream "s" is declared twice
          --> a.sql:4:1
        detail: It was declared first at a.sql:1:1.
        hint: names are unique in a tenant; unquoted ones fold to lower case"#]]
    .assert_eq(&problems(&[("a.sql", text)]));
    let text = "CREATE TABLE t (k TEXT PRIMARY KEY, b TEXT);\nRENAME t TO u;\nRENAME t.b TO c;\n\
                RENAME t.k TO b;\nRENAME u.b TO c;";
    expect_test::expect![[r#"
        error[SQL-007]: "u" is not declared, so "t" cannot become it
          --> a.sql:2:1
        hint: rename it in its statement too: CREATE TABLE u …
        error[SQL-007]: table "t" has no column "c", so "b" cannot become it
          --> a.sql:3:1
        hint: there are: k, b
        error[SQL-006]: column "k" is renamed and declared
          --> a.sql:4:1
        detail: The table "t" declares it at a.sql:1:1.
        hint: remove the old name from the statement
        error[SQL-007]: "u" is not declared
          --> a.sql:5:1
        hint: there are: t"#]]
    .assert_eq(&problems(&[("a.sql", text)]));
}

#[test]
fn a_foreign_stream_names_its_topic_and_what_others_cannot_have_is_refused() {
    let spec = read(
        "CREATE FOREIGN STREAM p (id TEXT) PARTITION BY (id) FORMAT JSON FROM TOPIC 'their.Topic-1';",
    );
    let topic = spec.foreign.as_ref().map(|foreign| foreign.topic.as_str());
    assert_eq!(topic, Some("their.Topic-1"));
    let said = problems(&[(
        "a.sql",
        "CREATE FOREIGN STREAM a (x TEXT);
CREATE FOREIGN STREAM b (x TEXT) FROM TOPIC 'no topic';
CREATE FOREIGN STREAM c (x TEXT) FROM TOPIC 'c' FORMAT AVRO;
CREATE FOREIGN TABLE d (x TEXT);
CREATE STREAM e (x TEXT) FROM TOPIC 'e';
CREATE FOREIGN STREAM f (x TEXT) FROM 'f';",
    )]);
    let codes: Vec<&str> = said
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    let codes: Vec<&str> = codes
        .into_iter()
        .filter(|word| word.starts_with("error"))
        .collect();
    let expected = ["001", "004", "002", "001", "009", "001"];
    assert_eq!(
        codes,
        expected.map(|code| format!("error[SQL-{code}]")),
        "{said}"
    );
    assert!(
        said.contains("CREATE FOREIGN STREAM name (…) FROM TOPIC"),
        "{said}"
    );
}
