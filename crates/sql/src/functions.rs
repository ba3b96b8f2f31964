//! The function table: every SQL function that is offered, with its implementation, its
//! spelling on Spark, a line of explanation and an example that a test runs.
//!
//! What is not in the table cannot be called. What has no Spark spelling is refused by name
//! when an application is planned for many machines.

mod aggregate;
mod arrival;
mod by;
mod calendar;
mod checked;
mod exact;
mod framed;
mod histogram;
mod hop;
mod json;
mod math;
mod own;
mod sketched;
mod sum;
mod text;
mod time;
mod tumble;
mod values;
mod window;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{Arc, LazyLock},
};

use datafusion::{
    execution::{SessionStateDefaults, session_state::SessionStateBuilder},
    functions::core::get_field,
    logical_expr::{AggregateUDF, ScalarUDF, planner::ExprPlanner},
};

use crate::{pattern::VALUE, spark::Template};
pub(crate) use arrival::ARRIVAL_TIME;
pub(crate) use by::SEVERAL_MAX;
pub(crate) use checked::CheckedArithmetic;
pub(crate) use exact::exact;
pub(crate) use histogram::unfit_bounds;
pub(crate) use time::pattern;

/// What a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A value from values.
    Scalar,
    /// A value from the rows of a group.
    Aggregate,
    /// A value from the rows around; with OVER.
    Window,
    /// Rows, in FROM.
    Table,
}

impl Kind {
    /// As people read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Aggregate => "aggregate",
            Self::Window => "window",
            Self::Table => "table",
        }
    }
}

/// One SQL function.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// As it is called.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its name in DataFusion, or in this crate where DataFusion has none.
    pub engine: &'static str,
    /// How Spark SQL spells it, as `spark::template` reads it; `None` if nothing gives the same.
    pub spark: Option<&'static str>,
    /// Its arguments.
    pub signature: &'static str,
    /// One line.
    pub meaning: &'static str,
    /// A call; over column `x` with 1, 2, 2, 5 if it is not scalar.
    pub example: &'static str,
    /// What the call gives; several rows are joined by commas.
    pub expected: &'static str,
}

/// Name, engine's name ("" for the same), Spark's spelling ("" for none), signature, meaning,
/// example, expected.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

/// All functions, by kind and section.
#[must_use]
pub fn table() -> &'static [Function] {
    static TABLE: LazyLock<Vec<Function>> = LazyLock::new(|| {
        SECTIONS
            .iter()
            .flat_map(|(_, kind, rows)| rows.iter().map(|row| function(*kind, *row)))
            .collect()
    });
    &TABLE
}

/// Sections of the reference.
const SECTIONS: [(&str, Kind, &[Row]); 10] = [
    ("Values", Kind::Scalar, values::ROWS),
    ("Numbers", Kind::Scalar, math::ROWS),
    ("Text", Kind::Scalar, text::ROWS),
    ("Time", Kind::Scalar, time::ROWS),
    ("Windows of time", Kind::Scalar, tumble::ROWS),
    ("Windows of time that overlap", Kind::Scalar, hop::ROWS),
    ("JSON", Kind::Scalar, json::ROWS),
    ("Aggregates", Kind::Aggregate, aggregate::ROWS),
    ("Window functions", Kind::Window, window::ROWS),
    ("Functions in FROM", Kind::Table, values::TABLES),
];

fn function(kind: Kind, row: Row) -> Function {
    let (name, engine, spark, signature, meaning, example, expected) = row;
    Function {
        name,
        kind,
        engine: if engine.is_empty() { name } else { engine },
        spark: Some(spark).filter(|spark| !spark.is_empty()),
        signature,
        meaning,
        example,
        expected,
    }
}

/// Our own functions.
fn own() -> Vec<Arc<ScalarUDF>> {
    let mut own = vec![
        arrival::udf(),
        json::get(),
        json::get_text(),
        json::array_length(),
        tumble::start(),
        tumble::end(),
        Arc::new(get_field().as_ref().clone().with_aliases([VALUE])),
    ];
    own.extend(json::path::udfs());
    own.extend(json::make::udfs());
    own.extend(calendar::udfs());
    own.extend(hop::all());
    own
}

/// Aggregate functions in place of DataFusion's, and others.
fn own_aggregates() -> Vec<Arc<AggregateUDF>> {
    let mut own = vec![sum::udaf(), histogram::udaf()];
    own.extend(by::udafs());
    own.extend(sketched::approximate());
    own.extend(framed::udafs());
    own
}

/// The sum that all have.
pub(crate) fn sum() -> Arc<AggregateUDF> {
    sum::udaf()
}

/// Names that PostgreSQL has for functions of DataFusion's.
fn with_more_names(udf: Arc<AggregateUDF>) -> Arc<AggregateUDF> {
    if udf.name() != "var" {
        return udf;
    }
    Arc::new(udf.as_ref().clone().with_aliases(["variance"]))
}

/// Planners of operators and of functions with a syntax of their own.
pub(crate) fn planners() -> Vec<Arc<dyn ExprPlanner>> {
    let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(json::Operators)];
    planners.extend(crate::engine::default_planners());
    planners
}

/// Registers the implementations of exactly the functions of the table.
pub(crate) fn register(builder: SessionStateBuilder) -> SessionStateBuilder {
    let wanted = |kind: Kind| {
        let rows = table().iter().filter(move |row| row.kind == kind);
        rows.map(|row| row.engine).collect::<Vec<_>>()
    };
    let offered = |names: &[&str], name: &str, aliases: &[String]| {
        names
            .iter()
            .any(|wanted| *wanted == name || aliases.iter().any(|alias| alias == wanted))
    };
    let scalars = wanted(Kind::Scalar);
    let mut scalar = SessionStateDefaults::default_scalar_functions();
    let own = own();
    scalar.retain(|udf| {
        let is_ours = own.iter().any(|own| own.name() == udf.name());
        !is_ours && offered(&scalars, udf.name(), udf.aliases())
    });
    // Some of ours are only what a form of the language becomes.
    scalar.extend(own);
    let aggregates = wanted(Kind::Aggregate);
    let mut aggregate = SessionStateDefaults::default_aggregate_functions();
    let own = own_aggregates();
    aggregate = aggregate.into_iter().map(with_more_names).collect();
    aggregate.retain(|udf| {
        let is_ours = own.iter().any(|own| own.name() == udf.name());
        !is_ours && offered(&aggregates, udf.name(), udf.aliases())
    });
    aggregate.extend(own);
    let windows = wanted(Kind::Window);
    let mut window = SessionStateDefaults::default_window_functions();
    window.retain(|udf| offered(&windows, udf.name(), udf.aliases()));
    let tables = wanted(Kind::Table);
    let table: HashMap<_, _> = SessionStateDefaults::default_table_functions()
        .into_iter()
        .filter(|function| tables.contains(&function.name()))
        .map(|function| (function.name().to_owned(), function))
        .collect();
    builder
        .with_scalar_functions(scalar)
        .with_aggregate_functions(aggregate)
        .with_window_functions(window)
        .with_table_functions(table)
}

/// The page `docs/reference/functions.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(
        "# SQL functions\n\nWritten by `crates/sql`: change its tables, not this page. Every example \
         is run by a test.\nExamples of aggregates and window functions are over a column `x` with 1, 2, 2 \
         and 5.\nThe last column says of which arguments a view may use it that runs beyond one machine, \
         on Spark; where it\nis empty, an application whose views use it runs on one machine.\n",
    );
    for (title, kind, rows) in SECTIONS {
        // Writing to a String cannot fail.
        let _written = write!(
            page,
            "\n## {title}\n\n| function | meaning | example | gives | Spark |\n|---|---|---|---|---|\n"
        );
        for row in rows {
            let f = function(kind, *row);
            let cell = |text: &str| text.replace('|', "\\|");
            let _written = writeln!(
                page,
                "| `{}` | {} | `{}` | {} | {} |",
                cell(f.signature),
                cell(f.meaning),
                cell(f.example),
                cell(f.expected),
                f.spark
                    .map(|written| Template::new(written).described())
                    .unwrap_or_default(),
            );
        }
    }
    page
}
