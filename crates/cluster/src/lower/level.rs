//! One SELECT while it grows: what it reads, the columns of the operator so far, its conditions.

use mainstem_sql::{spark::Scope, view::Node};

use super::{
    LIVE_COLUMN,
    columns::{Cell, Cut, quoted},
};

/// Before all event times.
const BEFORE_ALL: &str = "timestamp_micros(-100000000000000000L)";

/// A SELECT over one relation, without its list.
#[derive(Clone, Debug)]
pub(super) struct Level {
    /// The relation: a name, or a subquery.
    pub(super) from: String,
    /// The columns of the operator, over the relation.
    pub(super) cells: Vec<Cell>,
    /// All have to be true.
    pub(super) filters: Vec<String>,
    /// Whether a row is there, over the relation: all have to be true.
    pub(super) live: Vec<String>,
    /// Columns beside the operator's: their names and expressions.
    pub(super) carried: Vec<(String, String)>,
    /// How time is cut, once it is.
    pub(super) cut: Option<Cut>,
    /// The expression of event time, where something above waits for it.
    pub(super) time: Option<String>,
}

/// What is cut under this name when it is carried through a subquery.
const TIME: &str = "_time";
/// Event time under this name.
const EVENT_TIME: &str = "_event_time";

impl Level {
    /// The expressions of all columns.
    pub(super) fn texts(&self) -> Vec<String> {
        self.cells.iter().map(|cell| self.text(cell)).collect()
    }

    pub(super) fn text(&self, cell: &Cell) -> String {
        match (cell, &self.cut) {
            (Cell::Text(text), _) => text.clone(),
            (Cell::Start, Some(cut)) => cut.start(0),
            (Cell::End, Some(cut)) => cut.start(cut.size_us),
            // Only a cut makes such cells.
            (Cell::Start | Cell::End, None) => "NULL".to_owned(),
        }
    }

    /// `SELECT list FROM … WHERE …`.
    pub(super) fn select(&self, list: &[String]) -> String {
        let mut text = format!("SELECT {} FROM {}", list.join(", "), self.from);
        if !self.filters.is_empty() {
            text.push_str(&format!(" WHERE {}", self.filters.join(" AND ")));
        }
        text
    }

    /// Leaves rows out. Spark would do that before it looks how far event time is, and a stream of
    /// which nothing is left would hold all others up; what reads event time it does not move there.
    pub(super) fn filter(&mut self, condition: String) {
        self.filters.push(match &self.time {
            Some(time) => format!("({condition} = ({time} > {BEFORE_ALL}))"),
            None => condition,
        });
    }

    /// Whether a row is there, if that is a question.
    pub(super) fn is_live(&self) -> Option<String> {
        (!self.live.is_empty()).then(|| self.live.join(" AND "))
    }

    /// The expression, where the row is there: what it divides by may be 0 elsewhere.
    pub(super) fn guarded(&self, text: String) -> String {
        match self.is_live() {
            Some(live) => format!("CASE WHEN {live} THEN {text} END"),
            None => text,
        }
    }

    /// A level over this one, whose columns are `cells` over this one's relation.
    pub(super) fn nested(&self, cells: &[Cell]) -> Self {
        let mut list = Vec::new();
        let mut above = Vec::new();
        for (index, cell) in cells.iter().enumerate() {
            above.push(match cell {
                Cell::Text(text) => {
                    let name = quoted(&format!("c{index}"));
                    list.push(format!("{text} AS {name}"));
                    Cell::Text(name)
                }
                bound => bound.clone(),
            });
        }
        let mut carried = self.carried.clone();
        let live = self.is_live().map(|live| {
            list.push(format!("{live} AS {}", quoted(LIVE_COLUMN)));
            quoted(LIVE_COLUMN)
        });
        for (name, text) in &mut carried {
            list.push(format!("{text} AS {}", quoted(name)));
            *text = quoted(name);
        }
        let time = self.time.as_ref().map(|time| {
            list.push(format!("{time} AS {}", quoted(EVENT_TIME)));
            quoted(EVENT_TIME)
        });
        let cut = self.cut.clone().map(|cut| {
            list.push(format!("{} AS {}", cut.time, quoted(TIME)));
            let time = quoted(TIME);
            Cut { time, ..cut }
        });
        Self {
            from: format!("({})", self.select(&list)),
            cells: above,
            filters: Vec::new(),
            live: live.into_iter().collect(),
            carried,
            cut,
            time,
        }
    }
}

/// What expressions over an operator read.
pub(super) fn scope<'a>(texts: &'a [String], node: &'a Node) -> Scope<'a> {
    Scope {
        columns: texts,
        schema: node.schema(),
    }
}
