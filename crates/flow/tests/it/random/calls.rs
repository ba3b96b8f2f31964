//! Calls of aggregate functions at random, as a view has them and as plain DataFusion gives the same.

use super::expressions::{Column, Kind, Value, column, condition, one_of, value};
use crate::world::Random;

/// One call of an aggregate function.
#[derive(Clone, Debug)]
pub(crate) struct Called {
    /// As the view has it.
    pub(crate) ours: String,
    /// As plain DataFusion has it: it lets sums wrap around.
    pub(crate) theirs: String,
    pub(crate) kind: Kind,
    pub(crate) fails: Option<String>,
    /// Whether its answer may be out of range, which is told whenever it is.
    pub(crate) may_overflow: bool,
}

/// Whether rows are only added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    Added,
    /// Some are taken back.
    Changing,
}

/// A call of an aggregate function.
pub(crate) fn call(random: &mut Random, columns: &[Column], rows: Rows) -> Called {
    let filter = (random.below(3) == 0).then(|| condition(random, columns));
    match random.below(10) {
        0 | 1 => return called(&filter, ("count(", "*", ")"), (Kind::Long, None)),
        2 => return chosen(random, columns, &filter),
        3 => return sketched(random, columns, (&filter, rows)),
        _ => {}
    }
    let may_fail = true;
    let Value { sql, kind, fails } = value(random, columns, may_fail);
    let is_float = matches!(kind, Kind::Int | Kind::Long | Kind::Float);
    let (before, answer) = match (kind, random.below(6)) {
        (_, 0) => ("count(", Kind::Long),
        (_, 1) => ("count(DISTINCT ", Kind::Long),
        (Kind::Flag, 2) => ("bool_and(", Kind::Flag),
        (Kind::Flag, 3) => ("bool_or(", Kind::Flag),
        (Kind::Int | Kind::Long, 2) => ("sum(", Kind::Long),
        (Kind::Money | Kind::Float | Kind::Big, 2) => ("sum(", kind),
        (Kind::Money, 3) => ("avg(", Kind::Money),
        (_, 3) if is_float => ("avg(", Kind::Wild),
        (_, 4) => ("min(", kind),
        _ => ("max(", kind),
    };
    // Each value once, now and then.
    let before = match (before, random.below(3)) {
        ("sum(", 0) => "sum(DISTINCT ",
        ("avg(", 0) => "avg(DISTINCT ",
        _ => before,
    };
    let one = called(&filter, (before, &sql, ")"), (answer, fails.clone()));
    if kind != Kind::Big || !before.starts_with("sum(") {
        return one;
    }
    // Plain sums wrap around; ours are NULL where they do not fit.
    let before = format!("{before}CAST((");
    let wide = (") AS NUMERIC(38, 0)))", before.as_str());
    let sum = called(&filter, (wide.1, &sql, wide.0), (answer, fails)).theirs;
    let most = "CAST('9223372036854775807' AS NUMERIC(38, 0))";
    Called {
        theirs: format!(
            "CASE WHEN {sum} BETWEEN -{most} - 1 AND {most} THEN CAST({sum} AS BIGINT) END"
        ),
        may_overflow: true,
        ..one
    }
}

/// The value of the first or the last row, in the order of another column.
fn chosen(random: &mut Random, columns: &[Column], filter: &Option<String>) -> Called {
    let Value { sql, kind, fails } = value(random, columns, true);
    let by = &one_of(random, columns).name;
    let (ours, order) = match random.below(4) {
        0 => (format!("min_by({sql}, {by})"), "ASC"),
        1 => (format!("max_by({sql}, {by})"), "DESC"),
        2 => (format!("first_value({sql} ORDER BY {by})"), "ASC"),
        _ => (format!("last_value({sql} ORDER BY {by})"), "DESC"),
    };
    let nulls = if order == "ASC" { "FIRST" } else { "LAST" };
    // What a filter leaves out is not computed; plain DataFusion computes it.
    let guarded = match (filter, &fails) {
        (Some(filter), Some(_)) => format!("CASE WHEN {filter} THEN {sql} END"),
        _ => sql.clone(),
    };
    // Plain DataFusion does not order by the same twice.
    let ties = match guarded == *by {
        true => String::new(),
        false => format!(", {guarded} {order} NULLS {nulls}"),
    };
    let theirs = format!("first_value({guarded} ORDER BY {by} {order} NULLS LAST{ties})");
    let there = format!("{by} IS NOT NULL");
    let (ours, theirs, fails) = match filter {
        None => (ours, format!("{theirs} FILTER (WHERE {there})"), fails),
        Some(filter) => (
            format!("{ours} FILTER (WHERE {filter})"),
            format!("{theirs} FILTER (WHERE ({filter}) AND {there})"),
            fails.map(|fails| format!("({filter}) AND ({fails})")),
        ),
    };
    Called {
        ours,
        theirs,
        kind,
        fails,
        may_overflow: false,
    }
}

/// Variance and what is approximate, over whole numbers, of which plain DataFusion knows it exactly.
fn sketched(
    random: &mut Random,
    columns: &[Column],
    (filter, rows): (&Option<String>, Rows),
) -> Called {
    let plain = || called(filter, ("count(", "*", ")"), (Kind::Long, None));
    let Some(column) = column(random, columns, &[Kind::Int, Kind::Long]) else {
        return plain();
    };
    let x = column.name.as_str();
    let within = filter
        .as_ref()
        .map(|filter| format!(" FILTER (WHERE {filter})"));
    let within = within.unwrap_or_default();
    if random.below(5) == 0 {
        return histogram(random, x, &within);
    }
    let (ours, theirs, kind) = match random.below(6) {
        0 if rows == Rows::Added => (
            format!("approx_distinct({x}){within}"),
            format!("count(DISTINCT {x}){within}"),
            Kind::Long,
        ),
        1 | 2 => {
            let part = [0.0, 0.25, 0.5, 0.75, 1.0][random.below(5)];
            let call = |name: &str| {
                format!(
                    "{name}({part:?}) WITHIN GROUP (ORDER BY CAST({x} % 300 AS DOUBLE PRECISION)){within}"
                )
            };
            (
                call("approx_percentile_cont"),
                call("percentile_cont"),
                Kind::Wild,
            )
        }
        _ => {
            let x = format!("({x} % 100000)");
            let wide = format!("CAST({x} AS NUMERIC(19, 0))");
            let n = format!("CAST(count({x}){within} AS NUMERIC(19, 0))");
            let (sum, squares) = (
                format!("sum({wide}){within}"),
                format!("sum({wide} * {wide}){within}"),
            );
            let spread = format!("CAST({n} * {squares} - {sum} * {sum} AS DOUBLE PRECISION)");
            let n = format!("CAST({n} AS DOUBLE PRECISION)");
            let sample = format!("({spread} / nullif({n} * ({n} - 1), 0))");
            let all = format!("({spread} / nullif({n} * {n}, 0))");
            let (name, theirs) = match random.below(4) {
                0 => ("variance", sample),
                1 => ("var_pop", all),
                2 => ("stddev", format!("sqrt({sample})")),
                _ => ("stddev_pop", format!("sqrt({all})")),
            };
            (format!("{name}({x}){within}"), theirs, Kind::Wild)
        }
    };
    Called {
        ours,
        theirs,
        kind,
        fails: None,
        may_overflow: false,
    }
}

/// A histogram as text, and a count per range. Widths are powers of two: nothing is rounded.
fn histogram(random: &mut Random, x: &str, within: &str) -> Called {
    let (buckets, low) = ([1, 2, 4, 8][random.below(4)], [-64, 0, 5][random.below(3)]);
    let value = format!("({x} % 100)");
    let high = low + 64;
    let width = 64 / buckets;
    let count = |range: String| format!("count(CASE WHEN {range} THEN 1 END){within}");
    let between = (0..buckets).map(|at| {
        let from = low + at * width;
        count(format!("{value} >= {from} AND {value} < {}", from + width))
    });
    let mut counts = vec![count(format!("{value} < {low}"))];
    counts.extend(between);
    counts.push(count(format!("{value} >= {high}")));
    let counts: Vec<String> = counts
        .iter()
        .map(|count| format!("CAST({count} AS TEXT)"))
        .collect();
    Called {
        ours: format!("array_to_string(histogram({value}, {low}, {high}, {buckets}){within}, ' ')"),
        theirs: format!(
            "CASE WHEN count({x}){within} > 0 THEN concat_ws(' ', {}) END",
            counts.join(", ")
        ),
        kind: Kind::Text,
        fails: None,
        may_overflow: false,
    }
}

fn called(
    filter: &Option<String>,
    (before, arg, after): (&str, &str, &str),
    (kind, fails): (Kind, Option<String>),
) -> Called {
    let Some(filter) = filter else {
        let call = format!("{before}{arg}{after}");
        return Called {
            ours: call.clone(),
            theirs: call,
            kind,
            fails,
            may_overflow: false,
        };
    };
    // What a filter leaves out is not computed; plain DataFusion computes it.
    let guarded = match &fails {
        Some(_) => format!("CASE WHEN {filter} THEN {arg} END"),
        None => arg.to_owned(),
    };
    Called {
        ours: format!("{before}{arg}{after} FILTER (WHERE {filter})"),
        theirs: format!("{before}{guarded}{after} FILTER (WHERE {filter})"),
        kind,
        fails: fails.map(|fails| format!("({filter}) AND ({fails})")),
        may_overflow: false,
    }
}
