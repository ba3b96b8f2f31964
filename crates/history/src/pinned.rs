//! What readers see of a table: a version that stays readable while it is held. Never any I/O.

use std::{path::PathBuf, sync::Arc};

use arrow::datatypes::SchemaRef;
use mainstem_kernel::Seq;
use serde_json::{Map, Value};

/// A version of a table that stays readable while this is held: none of its files is deleted.
///
/// # How to read a stream as a whole
///
/// Pin first, then read the log above `archived`. When the log answers `Trimmed`, history has
/// moved on in between: pin again. Files and log never overlap and leave no gap.
///
/// # How to read a file
///
/// Each file is Parquet at `folder/path`. Column `i` of `schema` is the file's column of the name
/// `physical[i]`; find it **by name**. A file that was written before the column was added does
/// not have it: it is NULL. Names differ only after a rename (see `crate::columns`). All columns
/// but the three system columns are optional in the file, whatever `schema` says.
/// Rows are sorted by (`_partition`, `_offset`) within each row group; `_seq` ascends from row
/// group to row group.
#[derive(Debug)]
pub struct Pinned {
    /// Everything up to and including this seq is in `files`, everything above in the log.
    pub archived: Seq,
    /// Version of the Delta table.
    pub version: u64,
    /// Row schema (system columns last) of the newest columns.
    pub schema: SchemaRef,
    /// Name in the Parquet files and in `FileStats` of each field of `schema`.
    pub physical: Arc<[String]>,
    /// Folder of the table, as `Disk` knows it.
    pub folder: PathBuf,
    /// Live files, by seq.
    pub files: Arc<[Arc<DataFile>]>,
}

impl Pinned {
    /// Rows in `files`.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }
}

/// One Parquet file.
#[derive(Debug)]
pub struct DataFile {
    /// Below the table's folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Rows.
    pub rows: u64,
    /// Arrival day of all of its rows, in days since 1970-01-01.
    pub day: i64,
    /// Least seq in it.
    pub first_seq: Seq,
    /// Greatest seq in it.
    pub last_seq: Seq,
    /// Least and greatest value and NULL count per column, as in the Delta entry.
    pub stats: FileStats,
}

/// Statistics of a file's columns, as the Delta entry holds them, by **physical** name.
///
/// A column that is missing here has no known bounds. Bounds may be wider than the values (texts
/// are cut after 64 bytes) and never narrower. Dates are `YYYY-MM-DD`, timestamps RFC 3339 in UTC
/// with microseconds, NUMERIC a JSON number (only up to 15 digits, where that is exact).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileStats {
    /// Least values by column name.
    pub min: Map<String, Value>,
    /// Greatest values by column name.
    pub max: Map<String, Value>,
    /// NULLs by column name.
    pub nulls: Map<String, Value>,
}

/// Sums over all tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Live files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their rows.
    pub rows: u64,
}

/// A consistent set of a table's files, kept from deletion while this is held.
///
/// A copy of these files, at the same paths below another folder, is the table at
/// `pinned.version`. `_last_checkpoint` is left out: it is a hint that readers do without.
/// Copy the journal **before** taking this, so that no row falls between the two.
#[derive(Debug)]
pub struct TableFiles {
    /// The version that the files make up.
    pub pinned: Arc<Pinned>,
    /// Paths below `pinned.folder`: Delta log entries, checkpoint, data files.
    pub paths: Vec<String>,
}
