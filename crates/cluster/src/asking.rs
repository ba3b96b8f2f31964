//! `Asking`: questions of clients, answered by Spark; those for one row by Cassandra.
//!
//! It never plans a question (`mainstem_sql::beyond` does, as on one machine) and never writes.
//!
//! | what is read | where its rows are |
//! |---|---|
//! | stream | its Delta table up to what history had committed, its topic from there to its end (`stream`); of a stream with DEDUPLICATE BY both are of the rows that workers leave of it |
//! | table, view | its table in Cassandra; rows of windows that are open are left out (`keyed`) |
//!
//! An answer has the names and types that one machine answers with, whatever Spark's are (`answer`).
//! Relations of topics live as long as their question; dropping an answer stops it in Spark.

#[cfg(feature = "engines")]
mod answer;
mod errors;
#[cfg(feature = "engines")]
mod explain;
mod keyed;
#[cfg(feature = "engines")]
mod moment;
#[cfg(feature = "engines")]
mod questions;
#[cfg(feature = "engines")]
mod relations;
mod stream;
#[cfg(test)]
mod tests;
#[cfg(feature = "engines")]
mod under_way;
mod verify;
#[cfg(feature = "engines")]
mod verifying;
#[cfg(feature = "engines")]
mod workers;

use std::sync::Arc;

use mainstem_sql::QueryError;

pub use errors::AskingError;
#[cfg(feature = "engines")]
pub use questions::{Asking, AskingParts};

/// A name as Spark reads it whatever is in it.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A column that rows have only on one machine.
fn no_place(column: &str) -> QueryError {
    QueryError::Engine(Arc::new(AskingError::Place {
        column: column.to_owned(),
    }))
}
