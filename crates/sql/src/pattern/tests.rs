//! Questions with MATCH_RECOGNIZE beside a plain search for matches: random patterns over random rows.

use std::{collections::BTreeMap, sync::Arc};

use datafusion::{
    arrow::{
        array::{Int64Array, RecordBatch, TimestampMicrosecondArray},
        datatypes::{DataType, Field, Schema},
        util::display::array_value_to_string,
    },
    datasource::MemTable,
    execution::session_state::SessionStateBuilder,
    sql::parser::Statement as DataFusionStatement,
};
use mainstem_kernel::{Place, types::timestamp_tz};
use sqlparser::ast::Statement;

use super::{Matcher, offer};
use crate::{
    declare::statements,
    engine::session,
    question::{self, Parsed},
    view::tests::random,
};

#[derive(Clone, Copy, Debug)]
struct Row {
    k: i64,
    at: i64,
    n: Option<i64>,
}

#[derive(Clone, Debug)]
enum Pattern {
    Symbol(char),
    Then(Vec<Pattern>),
    Or(Vec<Pattern>),
    Times(Box<Pattern>, usize, usize),
}

/// What has to hold of the rows of each symbol; D takes any.
const DEFINE: &str = "A AS A.n < 3, B AS n > 1 AND n >= PREV(n), C AS n % 2 = 0";

impl Pattern {
    fn random(below: &mut impl FnMut(usize) -> usize, depth: usize) -> Self {
        let several = |below: &mut dyn FnMut(usize) -> usize, least: usize| least + below(2);
        match (depth, below(6)) {
            (0, _) | (_, 0 | 1) => Self::Symbol(['A', 'B', 'C', 'D'][below(4)]),
            (_, 2 | 3) => {
                let count = several(below, 2);
                Self::Then((0..count).map(|_| Self::random(below, depth - 1)).collect())
            }
            (_, 4) => {
                let count = several(below, 2);
                Self::Or((0..count).map(|_| Self::random(below, depth - 1)).collect())
            }
            _ => {
                let least = below(2);
                let most = [1, 2, 3, usize::MAX][below(4)].max(least).max(1);
                // Of what has no end, only a symbol is repeated: the search below tries all ways.
                let inner = match most {
                    usize::MAX => Self::Symbol(['A', 'B', 'C', 'D'][below(4)]),
                    _ => Self::random(below, depth - 1),
                };
                Self::Times(Box::new(inner), least, most)
            }
        }
    }

    fn text(&self) -> String {
        let all = |parts: &[Self], between: &str| {
            let parts: Vec<String> = parts.iter().map(Self::text).collect();
            format!("({})", parts.join(between))
        };
        match self {
            Self::Symbol(name) => name.to_string(),
            Self::Then(parts) => all(parts, " "),
            Self::Or(parts) => all(parts, " | "),
            Self::Times(inner, 0, 1) => format!("({})?", inner.text()),
            Self::Times(inner, 0, usize::MAX) => format!("({})*", inner.text()),
            Self::Times(inner, 1, usize::MAX) => format!("({})+", inner.text()),
            Self::Times(inner, least, most) => format!("({}){{{least},{most}}}", inner.text()),
        }
    }

    /// The least number of rows.
    fn least(&self) -> usize {
        match self {
            Self::Symbol(_) => 1,
            Self::Then(parts) => parts.iter().map(Self::least).sum(),
            Self::Or(parts) => parts.iter().map(Self::least).min().unwrap(),
            Self::Times(inner, least, _) => inner.least() * least,
        }
    }

    /// All ways to take rows from a place on, the preferred ones first: where each ends, and by which
    /// symbols.
    fn ways(&self, rows: &[Row], from: usize, to: usize) -> Vec<(usize, String)> {
        match self {
            Self::Symbol(name) => match from < to && takes(*name, rows, from) {
                true => vec![(from + 1, name.to_string())],
                false => Vec::new(),
            },
            Self::Then(parts) => {
                let mut ways = vec![(from, String::new())];
                for part in parts {
                    ways = and_then(&ways, |at| part.ways(rows, at, to));
                }
                ways
            }
            Self::Or(parts) => parts
                .iter()
                .flat_map(|part| part.ways(rows, from, to))
                .collect(),
            Self::Times(inner, least, most) => {
                // One more time is preferred to none.
                let mut ways = Vec::new();
                if *most > 0 {
                    let rest = Self::Times(
                        inner.clone(),
                        least.saturating_sub(1),
                        if *most == usize::MAX { *most } else { most - 1 },
                    );
                    let once = inner.ways(rows, from, to);
                    let once: Vec<_> = once
                        .into_iter()
                        .filter(|(at, _)| *at > from || *least > 0 || *most != usize::MAX)
                        .collect();
                    ways = and_then(&once, |at| rest.ways(rows, at, to));
                }
                if *least == 0 {
                    ways.push((from, String::new()));
                }
                ways
            }
        }
    }
}

fn and_then(
    before: &[(usize, String)],
    next: impl Fn(usize) -> Vec<(usize, String)>,
) -> Vec<(usize, String)> {
    let ways = before.iter().flat_map(|(at, taken)| {
        let behind = next(*at).into_iter();
        behind.map(move |(end, more)| (end, format!("{taken}{more}")))
    });
    ways.collect()
}

fn takes(name: char, rows: &[Row], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map(|at| rows[at].n);
    let n = rows[at].n;
    match name {
        'A' => n.is_some_and(|n| n < 3),
        'B' => n.is_some_and(|n| n > 1 && before(1).flatten().is_some_and(|before| n >= before)),
        'C' => n.is_some_and(|n| n % 2 == 0),
        _ => true,
    }
}

/// The matches of a key, by trying everything.
fn matches(pattern: &Pattern, rows: &[Row], within: i64) -> Vec<String> {
    let (mut found, mut begin) = (Vec::new(), 0);
    for end in 0..rows.len() {
        let fits = |start: &usize| rows[end].at - rows[*start].at <= within;
        let way = (begin..=end).filter(fits).find_map(|start| {
            let ways = pattern.ways(rows, start, end + 1);
            let mut ways = ways.into_iter();
            let (_, taken) = ways.find(|(to, _)| *to == end + 1)?;
            Some((start, taken))
        });
        let Some((start, taken)) = way else {
            continue;
        };
        begin = end + 1;
        let of = |name: char| -> Vec<Option<i64>> {
            let rows = rows[start..=end].iter().zip(taken.chars());
            rows.filter(|(_, by)| *by == name)
                .map(|(row, _)| row.n)
                .collect()
        };
        let shown = |value: Option<i64>| value.map_or_else(String::new, |value| value.to_string());
        let (a, b) = (of('A'), of('B'));
        let values: Vec<i64> = b.iter().copied().flatten().collect();
        let sum = (!values.is_empty()).then(|| values.iter().sum());
        found.push(format!(
            "{}|{}|{}|{}|{}|{}|{}|{}",
            rows[end].k,
            rows[start].at,
            rows[end].at,
            taken.len(),
            shown(a.first().copied().flatten()),
            shown(a.last().copied().flatten()),
            b.len(),
            shown(sum),
        ));
    }
    found
}

fn parsed(sql: &str) -> Result<Parsed, mainstem_kernel::Problem> {
    let (mut found, _) = statements("", sql);
    let place = Place {
        file: String::new(),
        line: 1,
        column: 1,
    };
    question::parse(&found.remove(0).tokens, place)
}

async fn asked(sql: &str, rows: &[Row]) -> Vec<String> {
    let fields = vec![
        Field::new("k", DataType::Int64, false),
        Field::new("at", timestamp_tz(), false),
        Field::new("n", DataType::Int64, true),
    ];
    let schema = Arc::new(Schema::new(fields));
    let at = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.at));
    let batch = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.k))),
            Arc::new(at.with_timezone("UTC")),
            Arc::new(rows.iter().map(|row| row.n).collect::<Int64Array>()),
        ],
    )
    .unwrap();
    let table = MemTable::try_new(schema, vec![vec![batch]]).unwrap();
    let tables = [("t".to_owned(), Arc::new(table) as _)].into();
    let mut state = SessionStateBuilder::new_from_existing(session::prototype(2).unwrap())
        .with_catalog_list(session::only(tables).unwrap())
        .build();
    let statement = Statement::Query(parsed(sql).unwrap().query);
    offer(&mut state, &statement).unwrap();
    let statement = DataFusionStatement::Statement(Box::new(statement));
    let plan = state.statement_to_plan(statement).await.unwrap();
    let plan = state.create_physical_plan(&plan).await.unwrap();
    let batches = datafusion::physical_plan::collect(plan, state.task_ctx());
    let mut lines = Vec::new();
    for batch in batches.await.unwrap() {
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter();
            let cells = cells.map(|column| array_value_to_string(column, row).unwrap());
            lines.push(cells.collect::<Vec<_>>().join("|"));
        }
    }
    lines.sort();
    lines
}

#[tokio::test]
async fn a_question_finds_what_trying_everything_finds() {
    let mut below = random(0x5EED_0A77);
    let (mut found, mut patterns) = (0, 0);
    while patterns < 150 {
        let pattern = Pattern::random(&mut below, 3);
        if pattern.least() == 0 {
            continue;
        }
        patterns += 1;
        let mut now = 0;
        let mut rows: Vec<Row> = Vec::new();
        for _ in 0..60 {
            now += 1 + i64::try_from(below(3)).unwrap();
            rows.push(Row {
                k: i64::try_from(below(2)).unwrap(),
                at: now,
                n: (below(9) > 0).then(|| i64::try_from(below(5)).unwrap()),
            });
        }
        let within = i64::try_from(4 + below(8)).unwrap();
        let text = pattern.text();
        // Only symbols of the pattern are defined.
        let define: Vec<&str> = DEFINE
            .split(", ")
            .filter(|one| text.contains(one.split(' ').next().unwrap()))
            .collect();
        let define = match define.is_empty() {
            true => "D AS true".to_owned(),
            false => define.join(", "),
        };
        let of = |symbol: char, call: &str, none: &str| match text.contains(symbol) {
            true => call.to_owned(),
            false => none.to_owned(),
        };
        let sql = format!(
            "SELECT k, CAST(first_at AS BIGINT), CAST(last_at AS BIGINT), rows, a1, a2, bs, bsum FROM t \
             MATCH_RECOGNIZE (PARTITION BY k ORDER BY at MEASURES FIRST(at) AS first_at, at AS last_at, \
             count(*) AS rows, {} AS a1, {} AS a2, {} AS bs, {} AS bsum ONE ROW PER MATCH \
             AFTER MATCH SKIP PAST LAST ROW PATTERN ({text}) WITHIN INTERVAL '{within} us' DEFINE {define})",
            of('A', "FIRST(A.n)", "CAST(NULL AS BIGINT)"),
            of('A', "LAST(A.n)", "CAST(NULL AS BIGINT)"),
            of('B', "count(B.*)", "0"),
            of('B', "sum(B.n)", "CAST(NULL AS BIGINT)"),
        );
        let mut keys: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
        for row in &rows {
            keys.entry(row.k).or_default().push(*row);
        }
        let mut ours: Vec<String> = keys
            .values()
            .flat_map(|rows| matches(&pattern, rows, within))
            .collect();
        ours.sort();
        assert_eq!(asked(&sql, &rows).await, ours, "{sql}");
        found += ours.len();
    }
    assert!(found > 500, "{found} matches");
}

#[tokio::test]
async fn rows_are_compared_with_others_of_the_match() {
    let numbers = [5, 3, 4, 9, 2, 2, 6, 1, 8, 8];
    let rows: Vec<Row> = (0..)
        .zip(numbers)
        .map(|(at, n)| Row {
            k: 0,
            at,
            n: Some(n),
        })
        .collect();
    // Down below the start, and up above it again.
    let sql = "SELECT started, least, n, most - least, mean FROM t MATCH_RECOGNIZE (ORDER BY at \
         MEASURES S.n AS started, min(DOWN.n) AS least, UP.n AS n, max(n) AS most, avg(n) AS mean \
         PATTERN (S DOWN{1,5} UP) DEFINE DOWN AS n < S.n, UP AS DOWN.n * 1.5 < n AND n > FIRST(S.n) \
         ) AS m";
    let expected = ["5|3|9|6|5.25", "6|1|8|7|5.0"];
    assert_eq!(asked(sql, &rows).await, expected);
    let sql = "SELECT at_end FROM t MATCH_RECOGNIZE (ORDER BY at MEASURES CAST(B.at AS BIGINT) AS at_end \
         PATTERN (A B) DEFINE A AS PREV(n, 2) = 4, B AS 2 = PREV(n) OR n = 6 AND B.n <> 7)";
    assert!(parsed(sql).is_err(), "two rows in one condition");
}

#[test]
fn what_is_remembered_comes_back() {
    let empty = Matcher::default();
    let mut bytes = Vec::new();
    empty.write(&mut bytes);
    assert!(bytes.is_empty());
    assert_eq!(Matcher::read(&bytes), Some(empty));
    for damaged in [
        &[2_u8, 0][..],
        &[1],
        &[1, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0],
    ] {
        assert_eq!(Matcher::read(damaged), None);
    }
}
