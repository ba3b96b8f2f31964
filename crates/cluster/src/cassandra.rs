//! Rows of views in Apache Cassandra: one table per version of a view, found by primary key, read
//! by any CQL driver.
//!
//! # What is written
//!
//! The table of a view's version is `KEYSPACE.NAME_ID`, such as `mainstem.minute_by_device_17`: ids
//! are never used again, so a replaced version keeps its rows until it is forgotten. The id alone
//! finds it: an object that is renamed keeps the table that it was made with, and its name.
//!
//! | column | CQL |
//! |---|---|
//! | BOOLEAN, SMALLINT, INTEGER, BIGINT | boolean, smallint, int, bigint |
//! | REAL, DOUBLE PRECISION, NUMERIC | float, double, decimal |
//! | TEXT, JSON; BYTEA; UUID | text; blob; uuid |
//! | DATE | date |
//! | TIMESTAMPTZ | bigint, microseconds; a bound of the window: timestamp |
//! | T\[\], ROW(…) | text, as JSON: a CQL list has no NULLs, a tuple no names |
//! | `_version` | bigint: how many rows of the input the row stands for |
//!
//! Key columns but the bounds of the window are the partition; the bounds order the rows within it,
//! the newest first. A view whose key is only a window has a partition per window, a view without
//! a key one row, whose key is `_key = 0`.
//!
//! # Invariants
//!
//! * A row is written `USING TIMESTAMP generation · 2⁴⁸ + version`, a delete likewise. So whatever
//!   is written late, twice, or by somebody who should be dead can never come to lie over a newer
//!   row; versions of a key only grow, and a view that is computed from the first row again gets a
//!   greater generation.
//! * Once a greater generation has caught up, rows that it does not have are deleted at the last
//!   timestamp before it (`sweep`).
//! * A row that is no more (`_live` is false) is deleted at its version, and comes back by a
//!   greater one.
//! * `write` returns once a local quorum has every row, or names why not. Whoever calls it keeps
//!   the offsets of what is not written and gives it again: that is all of the recovery.
//! * A row that Cassandra cannot hold stops nothing: it is given back by number, with the reason.

#[cfg(feature = "engines")]
mod column;
#[cfg(test)]
mod contract;
mod errors;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(feature = "engines")]
mod reader;
#[cfg(feature = "engines")]
mod session;
#[cfg(feature = "engines")]
mod slice;
#[cfg(feature = "engines")]
mod sweep;
mod table;
#[cfg(feature = "engines")]
mod value;
#[cfg(feature = "engines")]
mod writer;

use std::time::Duration;

use arrow::{array::RecordBatch, buffer::BooleanBuffer};

pub use errors::CassandraError;
#[cfg(feature = "engines")]
pub use reader::Found;
#[cfg(feature = "engines")]
pub use session::{Rows, Target};
#[cfg(feature = "engines")]
pub use slice::Slice;
pub use table::{RowTable, TableSpec};

/// How Cassandra is reached, and what is asked of it.
#[derive(Clone, Debug)]
pub struct CassandraConfig {
    /// `host:port` of some nodes; the others are learned from them.
    pub nodes: Vec<String>,
    /// Where all tables are; made if it is not there.
    pub keyspace: String,
    /// Copies of every row in each data centre, if the keyspace has to be made.
    pub replicas: u16,
    /// How long a node has to answer the first time.
    pub connect_max: Duration,
    /// How long rows may wait for a quorum, repeated attempts included.
    pub acknowledge_max: Duration,
    /// Statements that are under way at once.
    pub in_flight_max: usize,
}

/// Rows of a view at their versions.
#[derive(Clone, Debug)]
pub struct VersionedRows {
    /// The columns of the view, hidden ones of its key too.
    pub rows: RecordBatch,
    /// Of each row how many rows of the input it stands for; greater is newer.
    pub versions: Vec<u64>,
    /// Which rows are there; the others are gone, and only their key counts.
    pub live: BooleanBuffer,
    /// How often the view was computed from its first row.
    pub generation: u16,
}

/// A row that Cassandra cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Its number in the batch.
    pub row: usize,
    /// Why; for its dead letter.
    pub reason: String,
}
