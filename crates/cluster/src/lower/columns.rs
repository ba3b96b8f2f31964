//! Columns of operators while they are lowered.

use std::collections::BTreeSet;

use mainstem_sql::{
    spark::{Unspelled, field_type},
    view::{Node, WindowKind, Windows},
};

use super::SparkColumn;

/// A name as Spark reads it whatever is in it.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// How a column of an operator is told to Spark.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    /// By an expression.
    Text(String),
    /// The start of the window.
    Start,
    /// The end of the window.
    End,
}

/// How time is cut.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// The expression of event time.
    pub(super) time: String,
    pub(super) size_us: i64,
    /// The length, unless windows overlap.
    pub(super) slide_us: i64,
    pub(super) offset_us: i64,
    pub(super) is_session: bool,
}

impl Cut {
    /// Windows of a time, if Spark has them.
    pub(super) fn new(time: String, windows: &Windows) -> Result<Self, Unspelled> {
        match windows.kind {
            WindowKind::Tumbling | WindowKind::Hopping | WindowKind::Session => Ok(Self {
                time,
                size_us: windows.size_us,
                slide_us: windows.slide_us,
                offset_us: windows.offset_us,
                is_session: windows.kind == WindowKind::Session,
            }),
            kind @ WindowKind::Cumulating => Err(Unspelled::Windows {
                function: kind.function(),
            }),
        }
    }

    /// As a function to group by. Spark's session goes on with a row that is just the gap behind,
    /// ours does not: hence a gap that is shorter by the least there is.
    pub(super) fn window(&self) -> String {
        let Self {
            time,
            size_us,
            slide_us,
            offset_us,
            is_session,
        } = self;
        if *is_session {
            let less = size_us.saturating_sub(1);
            return format!("session_window({time}, '{less} microseconds')");
        }
        let shift = offset_us.rem_euclid(*slide_us);
        format!(
            "window({time}, '{size_us} microseconds', '{slide_us} microseconds', \
             '{shift} microseconds')"
        )
    }

    /// The end of what `window` gave.
    pub(super) fn end(&self, window: &str) -> String {
        match self.is_session {
            true => format!("timestamp_micros(unix_micros({window}.end) + 1L)"),
            false => format!("{window}.end"),
        }
    }

    /// The bound by arithmetic, for where nothing is grouped.
    pub(super) fn start(&self, plus_us: i64) -> String {
        let Self {
            time,
            size_us,
            offset_us,
            ..
        } = self;
        let micros = format!("unix_micros({time})");
        format!(
            "timestamp_micros({micros} - pmod({micros} - {offset_us}L, {size_us}L) + {plus_us}L)"
        )
    }
}

/// The columns of what a source reads or a worker writes: names that come twice are told apart by a number.
pub(super) fn written(node: &Node) -> Result<Vec<SparkColumn>, Unspelled> {
    let mut taken = BTreeSet::new();
    let mut columns = Vec::new();
    for (index, field) in node.schema().fields().iter().enumerate() {
        // A source may give its columns other names.
        let own = match node {
            Node::Source { columns, .. } => columns.get(index),
            _ => None,
        };
        columns.push(SparkColumn {
            ty: field_type(field)?,
            name: free(own.unwrap_or(field.name()), &mut taken),
            is_hidden: false,
        });
    }
    Ok(columns)
}

fn free(name: &str, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2_u32..).map(|number| format!("{name}_{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    // One of the names is free: there are more than columns.
    let name = names.find(|name| !taken.contains(name)).unwrap_or_default();
    taken.insert(name.clone());
    name
}
