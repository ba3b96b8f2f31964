//! Why rows by key could not be read, changed or made durable; each error says who acts.

use std::{io, path::PathBuf};

use arrow::error::ArrowError;
use mainstem_kernel::{Answer, ByteSize, Code, Fault, SchemaVersion, Seq, StreamId, StreamName};
use mainstem_store::StoreError;

/// Why rows by key could not be read, changed or made durable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// What the store says.
    #[error("could not use the store of rows")]
    Store(#[from] StoreError),
    /// Node: the disk refused; nothing was committed, the same may be tried again.
    #[error("could not {action} \"{}\"", .path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the disk said.
        #[source]
        source: io::Error,
    },
    /// Node: a redo file was written and the sync of its name failed, so whether it survives a
    /// power cut is unknown; only a restart clears this. Nothing that was acknowledged is lost.
    #[error("checkpoint {number} is in doubt after a failed sync")]
    InDoubt {
        /// The checkpoint.
        number: u64,
    },
    /// Operator: restore a backup, or delete store and redo files so that rows are rebuilt.
    #[error("redo file \"{}\" is damaged: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Operator: start the newer version again, or restore a backup of this one.
    #[error(
        "redo file \"{}\" has format {found}, this version knows up to {known}",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u16,
        /// The newest that this program reads.
        known: u16,
    },
    /// Operator: restore a backup, or delete store and redo files so that rows are rebuilt.
    #[error(
        "redo files in \"{}\" begin with checkpoint {first}, the store ends with {applied}",
        .folder.display()
    )]
    Gap {
        /// Where redo files are.
        folder: PathBuf,
        /// The first checkpoint that is there behind `applied`.
        first: u64,
        /// The last that the store holds.
        applied: u64,
    },
    /// Operator: start the newer version again, or delete the store.
    #[error("the record of what the store holds has a format that is not known")]
    Record,
    /// Caller: define the table first; a defect of whoever asks.
    #[error("table {table} is not defined")]
    Unknown {
        /// The table or view.
        table: StreamId,
    },
    /// Caller: columns do not fit the table; a defect of whoever built them.
    #[error("rows of table \"{table}\" do not fit: {reason}")]
    Shape {
        /// The table or view.
        table: StreamName,
        /// Which column, and what was expected.
        reason: String,
    },
    /// Node: a stored row has columns that this program was not told of; a defect.
    #[error(
        "rows of table \"{table}\" have version {version} of its columns, which is not declared"
    )]
    Undeclared {
        /// The table or view.
        table: StreamName,
        /// The version.
        version: SchemaVersion,
    },
    /// Node: rows could not be put into columns or out of them; a defect worth reporting.
    #[error("could not arrange rows of table \"{table}\"")]
    Arrange {
        /// The table or view.
        table: StreamName,
        /// What Arrow said.
        #[source]
        source: ArrowError,
    },
    /// Node: a checkpoint could not be put into a file; a defect worth reporting.
    #[error("could not encode checkpoint {number}")]
    Encode {
        /// The checkpoint.
        number: u64,
        /// What Arrow said.
        #[source]
        source: ArrowError,
    },
    /// Caller: shorten the key.
    #[error("a key of table \"{table}\" has {bytes} bytes, the limit is {limit}")]
    KeyTooLong {
        /// The table or view.
        table: StreamName,
        /// Length as the store would hold it.
        bytes: usize,
        /// `ROW_KEY_BYTES_MAX`.
        limit: usize,
    },
    /// Node: take smaller steps, or checkpoint more often.
    #[error("changes of {size} between two checkpoints are more than {limit}")]
    TooMuch {
        /// Of one table, or of the state.
        size: ByteSize,
        /// What one layer can hold.
        limit: ByteSize,
    },
    /// Caller: steps and checkpoints go forward; a defect of whoever drives them.
    #[error("step through {through} does not follow {frontier}")]
    Order {
        /// Where it was to go.
        through: Seq,
        /// Where the frontier is.
        frontier: Seq,
    },
    /// Caller: read the rows again, then follow the changes from there.
    #[error("changes before {first} are no longer kept")]
    Gone {
        /// The first position that can be followed.
        first: Seq,
    },
}

impl Fault for TableError {
    fn answer(&self) -> Answer {
        match self {
            Self::Store(error) => error.answer(),
            Self::Disk { .. } => Answer::node(Code::Table001),
            Self::InDoubt { .. } => Answer::restart(Code::Table002),
            Self::Damaged { .. } => Answer::restart(Code::Table003),
            Self::Newer { .. } | Self::Record => Answer::restart(Code::Table004),
            Self::Gap { .. } => Answer::restart(Code::Table005),
            Self::Unknown { .. } => Answer::caller(Code::Table006),
            Self::Shape { .. } => Answer::caller(Code::Table007),
            Self::Undeclared { .. } => Answer::node(Code::Table008),
            Self::Arrange { .. } | Self::Encode { .. } => Answer::node(Code::Table009),
            Self::KeyTooLong { .. } => Answer::caller(Code::Table010),
            Self::TooMuch { .. } => Answer::node(Code::Table011),
            Self::Order { .. } => Answer::node(Code::Table012),
            Self::Gone { .. } => Answer::caller(Code::Table013),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.detail().or_else(|| Some(format!("{error}."))),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Store(error) => return error.hint(),
            Self::InDoubt { .. } => "check the disk, then restart the node",
            Self::Damaged { .. } | Self::Gap { .. } => {
                "restore the data folder from a backup, or delete the folders of store and redo \
                 files: rows are then rebuilt from history"
            }
            Self::Newer { .. } | Self::Record => "start the version that wrote it",
            Self::Gone { .. } => "read the rows again and follow from the position of that answer",
            Self::Disk { .. }
            | Self::Unknown { .. }
            | Self::Shape { .. }
            | Self::Undeclared { .. }
            | Self::Arrange { .. }
            | Self::Encode { .. }
            | Self::KeyTooLong { .. }
            | Self::TooMuch { .. }
            | Self::Order { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
