//! Expressions at random over columns of known kinds, each with the condition under which it fails.
//!
//! Their text is SQL that a view and plain DataFusion read alike.

use crate::world::Random;

/// What a column holds, as far as expressions care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// INTEGER, all of its range.
    Int,
    /// BIGINT whose sums are far from its limits.
    Long,
    /// BIGINT, all of its range.
    Big,
    /// TEXT.
    Text,
    /// TEXT, some of which is a number.
    Label,
    /// NUMERIC with few digits.
    Money,
    /// DOUBLE PRECISION whose sums are exact.
    Float,
    /// DOUBLE PRECISION, all of its range.
    Wild,
    Day,
    Flag,
    Time,
}

/// A column that can be named.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// A value computed of a row.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) sql: String,
    pub(crate) kind: Kind,
    /// For which rows it fails; `None` for none.
    pub(crate) fails: Option<String>,
}

/// Labels that are numbers, and some that are not.
pub(crate) const LABELS: [&str; 8] = ["12", "-7", "0", "2147483647", "", "x1", "1e3", "1 2"];
const NUMBERS: &str = "'12', '-7', '0', '2147483647'";

pub(super) fn one_of<'a, T>(random: &mut Random, of: &'a [T]) -> &'a T {
    &of[random.below(of.len())]
}

/// A column, of one of these kinds if there is one.
pub(super) fn column<'a>(
    random: &mut Random,
    columns: &'a [Column],
    kinds: &[Kind],
) -> Option<&'a Column> {
    let fit: Vec<&Column> = columns
        .iter()
        .filter(|column| kinds.is_empty() || kinds.contains(&column.kind))
        .collect();
    (!fit.is_empty()).then(|| *one_of(random, &fit))
}

/// Some value of a row; one that fails for some rows if it `may_fail`.
pub(crate) fn value(random: &mut Random, columns: &[Column], may_fail: bool) -> Value {
    let column = column(random, columns, &[]).unwrap();
    if may_fail
        && random.below(3) == 0
        && let Some(value) = failing(random, column)
    {
        return value;
    }
    let (c, kind) = (column.name.as_str(), column.kind);
    let same = |sql: String| (sql, kind);
    let (sql, kind) = match (kind, random.below(4)) {
        (Kind::Int | Kind::Long, 0) => (format!("{c} % 3"), Kind::Long),
        (Kind::Int | Kind::Long, 1) => (format!("coalesce({c}, 0) + 1"), Kind::Long),
        (Kind::Int, 2) => (format!("CASE WHEN {c} > 3 THEN {c} END"), Kind::Int),
        (Kind::Big, 0) => (format!("{c} % 1000"), Kind::Long),
        (Kind::Big, 1) => (format!("nullif({c}, 1)"), Kind::Big),
        (Kind::Text, 0) => same(format!("upper({c})")),
        (Kind::Text | Kind::Label, 1) => (format!("coalesce({c} || '-é', '')"), Kind::Text),
        (Kind::Text | Kind::Label, 2) => (format!("length({c})"), Kind::Int),
        (Kind::Money, 0) => same(format!("{c} * 2")),
        (Kind::Money, 1) => same(format!("coalesce({c}, 0.5)")),
        (Kind::Float, 0) => same(format!("{c} * 2")),
        (Kind::Float | Kind::Wild, 1) => (format!("coalesce({c}, 0) > 1"), Kind::Flag),
        (Kind::Flag, 0) => same(format!("NOT {c}")),
        (Kind::Flag, 1) => same(format!("{c} IS TRUE")),
        (_, 3) => (format!("{c} IS NULL"), Kind::Flag),
        _ => same(c.to_owned()),
    };
    let fails = None;
    Value { sql, kind, fails }
}

/// A value that fails for some rows: overflow, division by zero, text that is no number.
fn failing(random: &mut Random, column: &Column) -> Option<Value> {
    let c = column.name.as_str();
    let (sql, kind, fails) = match (column.kind, random.below(3)) {
        (Kind::Int | Kind::Long, 0) => (format!("100 / {c}"), Kind::Long, format!("{c} = 0")),
        (Kind::Int, _) => (
            format!("{c} * {c}"),
            Kind::Int,
            format!("CAST({c} AS BIGINT) NOT BETWEEN -46340 AND 46340"),
        ),
        (Kind::Big, 0) => (
            format!("{c} + 1"),
            Kind::Big,
            format!("{c} = 9223372036854775807"),
        ),
        (Kind::Big, 1) => (
            format!("{c} * 2"),
            Kind::Big,
            format!("{c} NOT BETWEEN -4611686018427387904 AND 4611686018427387903"),
        ),
        (Kind::Big, _) => (
            format!("CAST({c} AS INTEGER)"),
            Kind::Int,
            format!("{c} NOT BETWEEN -2147483648 AND 2147483647"),
        ),
        (Kind::Label, _) => (
            format!("CAST({c} AS INTEGER)"),
            Kind::Int,
            format!("{c} NOT IN ({NUMBERS})"),
        ),
        (Kind::Float | Kind::Wild, _) => (format!("1.5 / {c}"), Kind::Wild, format!("{c} = 0")),
        _ => return None,
    };
    let fails = Some(fails);
    Some(Value { sql, kind, fails })
}

/// A condition that fails for no row.
pub(crate) fn condition(random: &mut Random, columns: &[Column]) -> String {
    let one = |random: &mut Random| {
        let column = column(random, columns, &[]).unwrap();
        let (c, number) = (column.name.as_str(), random.between(-3, 9));
        match (column.kind, random.below(3)) {
            (_, 0) => format!("{c} IS NOT NULL"),
            (Kind::Int | Kind::Long | Kind::Big, 1) => format!("{c} > {number}"),
            (Kind::Int | Kind::Long | Kind::Big, _) => format!("{c} % 2 <> 1"),
            (Kind::Text, 1) => format!("{c} LIKE 'a%'"),
            (Kind::Text | Kind::Label, _) => format!("{c} IN ('a', 'b', '12', 'é')"),
            (Kind::Money, _) => format!("{c} >= {number}.25"),
            (Kind::Float | Kind::Wild, _) => format!("{c} < {number}"),
            (Kind::Day, _) => format!("{c} <> DATE '2023-11-11'"),
            (Kind::Flag, _) => c.to_owned(),
            (Kind::Time, _) => format!("{c} > TIMESTAMPTZ '2023-11-14 22:15:00Z'"),
        }
    };
    let first = one(random);
    match random.below(5) {
        0 => format!("NOT ({first})"),
        1 => format!("({first}) AND ({})", one(random)),
        2 => format!("({first} OR {})", one(random)),
        _ => first,
    }
}

/// Something to group by: floating point is refused there.
pub(crate) fn key(random: &mut Random, columns: &[Column], may_fail: bool) -> Value {
    loop {
        let value = value(random, columns, may_fail);
        if !matches!(value.kind, Kind::Float | Kind::Wild) {
            return value;
        }
    }
}
