//! Random declarations: what is shown reads back, and no text breaks the reader.

use super::{super::*, files, printed, read};

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
        use mainstem_catalog::{Deduplicate, Durability, Foreign, Watermark};
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
        let idle = Duration::from_millis(1_000 + self.below(1_000_000));
        let idle_timeout = (self.below(2) == 0).then_some(idle);
        StreamSpec {
            name: StreamName::new(&self.name(7)).unwrap(),
            columns: Columns(columns),
            partition_by: keys
                .iter()
                .take(usize::try_from(self.below(3)).unwrap())
                .cloned()
                .collect(),
            partitions: *self.pick(&[8, 1, 64]),
            watermark: times.map(|column| Watermark {
                column,
                delay,
                idle_timeout,
            }),
            retention: (self.below(2) == 0).then_some(retention),
            deduplicate: keys.first().map(|key| Deduplicate {
                column: key.clone(),
                within,
            }),
            durability: *self.pick(&[Durability::Strict, Durability::Relaxed]),
            event_size_max: *self.pick(&[ByteSize::kib(32), ByteSize(1_000), ByteSize::mib(2)]),
            foreign: (self.below(3) == 0).then(|| Foreign {
                topic: "their.Topic-1_x".to_owned(),
            }),
            sql: String::new(),
        }
    }
}

/// Columns that are the same but for the order of the draws.
fn columns(random: &mut Random, least: usize) -> Vec<mainstem_kernel::Column> {
    let count = least + usize::try_from(random.below(8)).unwrap();
    (0..count)
        .map(|n| mainstem_kernel::Column {
            id: u32::try_from(n + 1).unwrap(),
            name: mainstem_kernel::ColumnName::new(&random.name(n)).unwrap(),
            ty: random.ty(0),
            nullable: random.below(2) == 0,
        })
        .collect()
}

/// Defaults of some columns, as they are kept.
fn defaults(
    random: &mut Random,
    columns: &[mainstem_kernel::Column],
) -> BTreeMap<mainstem_kernel::ColumnName, String> {
    use mainstem_kernel::ColumnType;
    let mut defaults = BTreeMap::new();
    for column in columns {
        let texts: &[&str] = match &column.ty {
            ColumnType::Text => &["'it''s, (new)'", "upper('a') || 'b'", "'NOT NULL'"],
            ColumnType::BigInt => &["0", "-(1 + 2) * 3", "CASE WHEN 1 IS NOT NULL THEN 1 END"],
            ColumnType::Boolean => &["true", "NOT (1 > 2)"],
            ColumnType::TimestampTz => &["now()", "'2026-01-02T03:04:05Z'"],
            _ => continue,
        };
        if random.below(2) == 0 {
            let text = (*random.pick(texts)).to_owned();
            defaults.insert(column.name.clone(), text);
        }
    }
    defaults
}

#[test]
fn what_is_shown_reads_back_as_the_same_table() {
    use mainstem_kernel::{Columns, StreamName};
    let mut random = Random(0x5EED_0005);
    let (mut one, mut several) = (0, 0);
    for round in 0..2_000 {
        let mut columns = columns(&mut random, 2);
        columns[0].ty = mainstem_kernel::ColumnType::Text;
        let keyed: Vec<usize> = (0..columns.len())
            .filter(|n| columns[*n].ty.is_key())
            .collect();
        let most = u64::try_from(keyed.len().min(3)).unwrap();
        let mut key: Vec<usize> = keyed
            .into_iter()
            .take(usize::try_from(1 + random.below(most)).unwrap())
            .collect();
        key.reverse();
        for n in &key {
            columns[*n].nullable = false;
        }
        match key.len() {
            1 => one += 1,
            _ => several += 1,
        }
        let spec = TableSpec {
            name: StreamName::new(&random.name(7)).unwrap(),
            key: key.iter().map(|n| columns[*n].name.clone()).collect(),
            defaults: defaults(&mut random, &columns),
            columns: Columns(columns),
            ttl: (random.below(2) == 0)
                .then(|| std::time::Duration::from_secs(1 + random.below(100_000))),
            sql: String::new(),
        };
        let text = show_table(&spec);
        let again = match declarations(&files(&[("a.sql", &text)])) {
            Ok(mut declared) => match declared.remove(0).declaration {
                Declaration::Table(spec) => TableSpec {
                    sql: String::new(),
                    ..spec
                },
                other => panic!("{other:?}"),
            },
            Err(problems) => panic!("{}\n{text}", printed(&problems)),
        };
        assert_eq!(again, spec, "round {round}:\n{text}");
    }
    assert!(one > 300 && several > 300, "{one} and {several}");
}

#[test]
fn what_is_shown_reads_back_as_the_same_view() {
    use mainstem_catalog::Emit;
    use std::time::Duration;
    const PARTS: [&str; 8] = [
        "SELECT a, b AS \"B\" FROM s WHERE x > 3",
        "SELECT 'EMIT ON UPDATE' AS t -- EMIT ON UPDATE\nFROM s",
        "SELECT w.a\n  FROM TUMBLE(s, at, INTERVAL '1 day', TIME ZONE 'Europe/Berlin') AS w",
        "WITH q AS (SELECT emit FROM s) SELECT emit FROM q /* ; */",
        "SELECT a FROM s JOIN d FOR SYSTEM_TIME AS OF PROCTIME() x ON x.k = s.k",
        "SELECT count(*) FILTER (WHERE größer) AS n FROM s GROUP BY (a, b)",
        "(SELECT a FROM s)",
        "SELECT $$;$$ AS \"odd \"\" name\" FROM \"S\"",
    ];
    let mut random = Random(0x5EED_0006);
    for round in 0..1_000 {
        let span = |random: &mut Random| Duration::from_millis(1_000 + random.below(80_000_000));
        let emit = match random.below(5) {
            0 => None,
            1 => Some(Emit::OnUpdate { every: None }),
            2 => Some(Emit::OnUpdate {
                every: Some(span(&mut random)),
            }),
            3 => Some(Emit::OnWindowClose { corrections: None }),
            _ => Some(Emit::OnWindowClose {
                corrections: Some(span(&mut random)),
            }),
        };
        let most = (random.below(2) == 0).then(|| 1 + random.below(1_000_000));
        let name = random.name(3);
        let query = *random.pick(&PARTS);
        let with = most.map_or(String::new(), |most| {
            format!(" WITH (distinct_max = {most})")
        });
        let end = emit.and_then(emit::write).unwrap_or_default();
        let sql = format!("CREATE MATERIALIZED VIEW \"{name}\"{with} AS {query}\n{end};");
        let first = view_text(&sql).unwrap_or_else(|e| panic!("{}\n{sql}", printed(&e)));
        let shown = show_view(&first);
        let again = view_text(&shown).unwrap_or_else(|e| panic!("{}\n{shown}", printed(&e)));
        for read in [&first, &again] {
            assert_eq!(read.name.as_str(), name, "round {round}: {sql}");
            assert_eq!(
                (read.emit, read.distinct_max),
                (emit, most),
                "round {round}: {sql}"
            );
            assert!(
                read.query.starts_with(query.split(" /*").next().unwrap()),
                "round {round}: {sql}"
            );
        }
        assert_eq!(show_view(&again), shown, "round {round}");
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

const OTHERS: [&str; 2] = [
    "CREATE TABLE t (a TEXT, b BIGINT NOT NULL, c ROW(d TEXT[]), PRIMARY KEY (a, b)) WITH (ttl = '1 day')",
    "CREATE MATERIALIZED VIEW v WITH (distinct_max = 10) AS SELECT a, count(DISTINCT b) AS n FROM TUMBLE(s, at, INTERVAL '1 day', TIME ZONE 'UTC') w JOIN t FOR SYSTEM_TIME AS OF PROCTIME() x ON x.a = w.a GROUP BY a EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 day'",
];

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
        "PRIMARY KEY",
        "EMIT ON",
        "TIME ZONE",
        "FOR SYSTEM_TIME AS OF",
        "EMIT",
    ];
    let mut refused = 0;
    for round in 0..4_000 {
        let mut text: Vec<char> = match random.below(3) {
            0 => OTHERS[usize::try_from(random.below(2)).unwrap()]
                .chars()
                .collect(),
            _ => show(&random.spec()).chars().collect(),
        };
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
