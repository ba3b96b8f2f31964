//! The pieces that make a view's question a plain one: windows as columns, lookups as joins with
//! the versions of a table's rows.
//!
//! A version of a row holds from the seq of its change up to that of the next change of its key,
//! or until it expires: an event is joined with the version that holds at the event's own seq.

use mainstem_catalog::TableDef;
use mainstem_kernel::{
    Problem,
    types::{OFFSET_COLUMN, SEQ_COLUMN},
};
use sqlparser::{
    ast::{Expr, GroupByExpr, Ident, ObjectName, Select, TableAlias, TableFactor},
    parser::{Parser, ParserError},
};

use super::super::{WindowKind, changes_name, relation::Cut};
use crate::{declare::quoted, dialect::MainstemDialect, error::from_parser, question::in_file};

/// A name with an alias.
pub(super) fn named(name: &str, alias: &Ident) -> TableFactor {
    TableFactor::Table {
        name: ObjectName::from(vec![Ident::with_quote('"', name)]),
        alias: Some(TableAlias {
            explicit: true,
            name: alias.clone(),
            columns: Vec::new(),
            at: None,
        }),
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

/// An object with the columns of its windows; `columns` are all that it has.
pub(super) fn windowed<'a>(
    (name, columns): (&str, impl Iterator<Item = &'a str>),
    cut: &Cut,
    alias: &Ident,
) -> Result<TableFactor, Problem> {
    let columns: Vec<String> = columns.map(quoted).collect();
    let columns = columns.join(", ");
    if cut.windows.kind == WindowKind::Session {
        let rows = sessions(&quoted(name), (&columns, &columns), cut);
        return factor(&format!("({rows}) AS {alias}"));
    }
    let Opened { from, bounds } = opened(&quoted(name), cut);
    let rows = format!("SELECT {columns}, {bounds} FROM {from}");
    factor(&match cut.windows.kind.overlaps() {
        false => format!("({rows}) AS {alias}"),
        true => format!(
            "(SELECT {columns}, window_start, window_end FROM ({rows}) AS cut_rows \
             WHERE window_end IS NOT NULL) AS {alias}"
        ),
    })
}

/// What windows are opened of, and their bounds as columns.
pub(super) struct Opened {
    /// As FROM has it. Where windows overlap each row is in it as often as it may have windows;
    /// `window_end` is NULL of those that it has not.
    pub(super) from: String,
    /// `… AS window_start, … AS window_end`.
    pub(super) bounds: String,
}

/// Opens windows of what FROM has.
pub(super) fn opened(from: &str, cut: &Cut) -> Opened {
    let (time, windows) = (quoted(&cut.time), &cut.windows);
    let span = |us: i64| format!("INTERVAL '{us} microseconds'");
    let mut rest = String::new();
    if windows.offset_us != 0 {
        rest.push_str(&format!(", {}", span(windows.offset_us)));
    }
    if let Some(zone) = &windows.zone {
        rest.push_str(&format!(", '{}'", zone.replace('\'', "''")));
    }
    let size = span(windows.size_us);
    let function = windows.kind.function().to_lowercase();
    let (from, arguments) = match windows.kind {
        WindowKind::Tumbling | WindowKind::Session => {
            (from.to_owned(), format!("{time}, {size}{rest}"))
        }
        WindowKind::Hopping | WindowKind::Cumulating => {
            let last = windows.size_us / windows.slide_us.max(1) - 1;
            let slide = span(windows.slide_us);
            (
                format!("{from} CROSS JOIN generate_series(0, {last}) AS window_numbers(_window)"),
                format!("{time}, _window, {slide}, {size}{rest}"),
            )
        }
    };
    Opened {
        from,
        bounds: format!(
            "{function}_start({arguments}) AS window_start, {function}_end({arguments}) AS window_end"
        ),
    }
}

/// Rows with the bounds of their sessions: a row begins one if it is a gap or more behind the row
/// before it, of the same values of PARTITION BY. `columns` are those of the answer, and all that FROM
/// has of them.
pub(super) fn sessions(from: &str, (shown, columns): (&str, &str), cut: &Cut) -> String {
    let time = quoted(&cut.time);
    let gap = format!("INTERVAL '{} microseconds'", cut.windows.size_us);
    let by: Vec<String> = cut.by.iter().map(|name| quoted(name)).collect();
    let by = |more: &str| {
        let all = by.iter().map(String::as_str).chain([more]);
        let all: Vec<&str> = all.filter(|one| !one.is_empty()).collect();
        match all.is_empty() {
            true => String::new(),
            false => format!("PARTITION BY {}", all.join(", ")),
        }
    };
    let (own, session) = (by(""), by("_session"));
    format!(
        "SELECT {shown}, min({time}) OVER ({session}) AS window_start, \
         max({time}) OVER ({session}) + {gap} AS window_end FROM \
         (SELECT {columns}, count(_begins) OVER ({own} ORDER BY {time}) AS _session FROM \
         (SELECT {columns}, CASE WHEN {time} < lag({time}) OVER ({own} ORDER BY {time}) + {gap} \
         THEN NULL ELSE 1 END AS _begins FROM {from}) AS begun) AS numbered"
    )
}

/// A table as the versions of its rows, each with the seqs for which it holds.
pub(super) fn changes(table: &TableDef, alias: &Ident) -> Result<TableFactor, Problem> {
    let columns = table.spec.columns.0.iter();
    let columns: Vec<String> = columns.map(|column| quoted(column.name.as_str())).collect();
    let key: Vec<String> = table.spec.key.iter().map(|k| quoted(k.as_str())).collect();
    let next = format!(
        "lead({SEQ_COLUMN}) OVER (PARTITION BY {} ORDER BY {SEQ_COLUMN}, {OFFSET_COLUMN})",
        key.join(", ")
    );
    let until = match table.spec.ttl {
        // The time of a seq is its upper 48 bits, in milliseconds; the lower ones do not count.
        Some(ttl) => {
            let seqs = ttl.as_millis().saturating_mul(1 << 16);
            format!("least({next}, {SEQ_COLUMN} - {SEQ_COLUMN} % 65536 + {seqs})")
        }
        None => next,
    };
    let name = quoted(&changes_name(table.spec.name.as_str()));
    factor(&format!(
        "(SELECT {}, _deleted, {SEQ_COLUMN} AS _from, {until} AS _until FROM {name}) AS {alias}",
        columns.join(", ")
    ))
}

/// Narrows a join's condition to the version that holds at the seq of the left side.
pub(super) fn as_of(on: &mut Expr, right: &Ident, left: &Ident) -> Result<(), Problem> {
    *on = expression(&format!(
        "({on}) AND {right}._from <= {left}.{SEQ_COLUMN} \
         AND ({right}._until IS NULL OR {left}.{SEQ_COLUMN} < {right}._until) \
         AND NOT {right}._deleted"
    ))?;
    Ok(())
}

/// Makes a SELECT that has one row for all rows have none where there are no rows, as a view
/// has; for the planner by grouping by a constant.
pub(super) fn group_all(select: &mut Select, is_plan: bool) {
    let dialect = MainstemDialect::default();
    let parsed = |text: &str| {
        let parser = Parser::new(&dialect).try_with_sql(text);
        parser.and_then(|mut parser| parser.parse_expr())
    };
    if is_plan {
        let constant = parsed("CAST(0 AS BIGINT)");
        select.group_by = GroupByExpr::Expressions(constant.into_iter().collect(), Vec::new());
        return;
    }
    let having = match select.having.take() {
        Some(having) => format!("({having}) AND count(*) > 0"),
        None => "count(*) > 0".to_owned(),
    };
    select.having = parsed(&having).ok();
}

/// A part of FROM, of a text of our own.
pub(crate) fn factor(text: &str) -> Result<TableFactor, Problem> {
    reading(text, |parser| parser.parse_table_factor())
}

/// An expression, of a text of our own.
pub(crate) fn expression(text: &str) -> Result<Expr, Problem> {
    reading(text, |parser| parser.parse_expr())
}

/// Parses a text of our own.
fn reading<T>(
    text: &str,
    read: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
) -> Result<T, Problem> {
    let dialect = MainstemDialect::default();
    let start = mainstem_kernel::Place {
        file: String::new(),
        line: 1,
        column: 1,
    };
    Parser::new(&dialect)
        .try_with_sql(text)
        .and_then(|mut parser| read(&mut parser))
        .map_err(|error| in_file(from_parser(&error, &start), ""))
}
