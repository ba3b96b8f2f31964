//! Declarations: what is read, and what a person is told about what is not.

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
        error[SQL-007]: stream "c" is not declared, so "a" cannot become it
          --> a.sql:2:1
        hint: rename it in its statement too: CREATE STREAM c (…)
        error[SQL-007]: stream "b" has no column "why", so "x" cannot become it
          --> a.sql:3:1
        hint: there are: y
        error[SQL-007]: stream "d" is not declared
          --> a.sql:4:1
        hint: there are: b
        error[SQL-006]: column "y" is renamed and declared
          --> a.sql:5:1
        detail: Stream "b" declares it at a.sql:1:1.
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

/// A small generator of our own: the seed is all that a failure needs.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    fn name(&mut self, n: usize) -> String {
        let words = [
            "at",
            "Order",
            "order",
            "row",
            "watermark",
            "x",
            "TO",
            "not",
            "größe_no",
        ];
        let word: String = self.pick(&words).chars().filter(char::is_ascii).collect();
        format!(
            "{word}{}",
            if self.below(3) == 0 && n == 0 {
                String::new()
            } else {
                n.to_string()
            }
        )
    }

    fn ty(&mut self, depth: usize) -> mainstem_kernel::ColumnType {
        use mainstem_kernel::{ColumnName, ColumnType as T};
        match self.below(if depth > 2 { 13 } else { 15 }) {
            0 => T::Boolean,
            1 => T::SmallInt,
            2 => T::Integer,
            3 => T::BigInt,
            4 => T::Real,
            5 => T::Double,
            6 => {
                let precision = u8::try_from(1 + self.below(38)).unwrap();
                let scale = i8::try_from(self.below(u64::from(precision) + 1)).unwrap();
                T::Numeric { precision, scale }
            }
            7 => T::Bytea,
            8 => T::Uuid,
            9 => T::Date,
            10 => T::TimestampTz,
            11 => T::Json,
            12 => T::Text,
            13 => T::Array(Box::new(self.ty(depth + 1))),
            _ => {
                let fields = 0..=usize::try_from(self.below(3)).unwrap();
                T::Row(
                    fields
                        .map(|n| (ColumnName::new(&self.name(n)).unwrap(), self.ty(depth + 1)))
                        .collect(),
                )
            }
        }
    }

    fn spec(&mut self) -> StreamSpec {
        use mainstem_catalog::{Deduplicate, Durability, Watermark};
        use mainstem_kernel::{ByteSize, Column, ColumnName, Columns, StreamName};
        use std::time::Duration;
        let columns: Vec<Column> = (0..=usize::try_from(self.below(9)).unwrap())
            .map(|n| Column {
                id: u32::try_from(n + 1).unwrap(),
                name: ColumnName::new(&self.name(n)).unwrap(),
                ty: self.ty(0),
                nullable: self.below(2) == 0,
            })
            .collect();
        let keys: Vec<_> = columns
            .iter()
            .filter(|c| c.ty.is_key())
            .map(|c| c.name.clone())
            .collect();
        let times = columns
            .iter()
            .find(|c| !c.nullable && c.ty == mainstem_kernel::ColumnType::TimestampTz)
            .map(|c| c.name.clone());
        let units = [1, 1_000, 1_000_000, 60_000_000, 3_600_000_000_u64];
        let mut span =
            |least: u64| Duration::from_micros(least + (1 + self.below(500)) * self.pick(&units));
        let (retention, within, delay) = (span(60_000_000), span(0), span(0));
        StreamSpec {
            name: StreamName::new(&self.name(7)).unwrap(),
            columns: Columns(columns),
            partition_by: keys
                .iter()
                .take(usize::try_from(self.below(3)).unwrap())
                .cloned()
                .collect(),
            partitions: *self.pick(&[8, 1, 64]),
            watermark: times.map(|column| Watermark { column, delay }),
            retention: (self.below(2) == 0).then_some(retention),
            deduplicate: keys.first().map(|key| Deduplicate {
                column: key.clone(),
                within,
            }),
            durability: *self.pick(&[Durability::Strict, Durability::Relaxed]),
            event_size_max: *self.pick(&[ByteSize::kib(32), ByteSize(1_000), ByteSize::mib(2)]),
            sql: String::new(),
        }
    }
}

#[test]
fn what_is_shown_reads_back_as_the_same_stream() {
    let mut random = Random(0x5EED_0001);
    for round in 0..2_000 {
        let spec = random.spec();
        let text = show(&spec);
        let again = StreamSpec {
            sql: String::new(),
            ..read(&text)
        };
        assert_eq!(again, spec, "round {round}:\n{text}");
    }
}

#[test]
fn no_text_breaks_the_reader() {
    let mut random = Random(0x5EED_0002);
    let pieces = [
        "(",
        ")",
        "[",
        "]",
        ",",
        ";",
        ".",
        "-",
        "=",
        "'",
        "\"",
        "$$",
        "/*",
        "*/",
        "--",
        "\n",
        "\0",
        "INTERVAL",
        "WATERMARK FOR",
        "PARTITION BY",
        "WITH",
        "CREATE",
        "ROW",
        "99999999999999999999",
        "é",
        "🚲",
        "E'\\",
        "U&'",
        "RENAME",
        "NUMERIC(",
        "NOT NULL",
        "WITHIN",
    ];
    let mut refused = 0;
    for round in 0..4_000 {
        let mut text: Vec<char> = show(&random.spec()).chars().collect();
        for _ in 0..=random.below(4) {
            let at = usize::try_from(random.below(text.len() as u64 + 1)).unwrap();
            let until = (at + usize::try_from(random.below(12)).unwrap()).min(text.len());
            let piece = random.pick(&pieces).chars();
            text.splice(at..until, piece);
        }
        let text: String = text.into_iter().collect();
        let result = declarations(&files(&[("a.sql", &text)]));
        refused += usize::from(result.is_err());
        for problem in result.err().into_iter().flatten() {
            let place = problem.position.expect("every mistake has a place");
            let lines = u32::try_from(text.split('\n').count()).unwrap();
            assert!(
                place.line >= 1 && place.line <= lines,
                "round {round}: {place}\n{text}"
            );
        }
    }
    assert!(refused > 2_000, "the mutations broke only {refused} texts");
}
