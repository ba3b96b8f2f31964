//! Why history could not be written or read; each error says who acts. Never any I/O.

use std::{
    io,
    path::{Path, PathBuf},
};

use arrow::error::ArrowError;
use mainstem_kernel::{Answer, Code, Fault, Retry, SchemaVersion, Seq, StreamId, StreamName};
use mainstem_log::ReadError;
use parquet::errors::ParquetError;

/// Why history could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// Operator: put the table's folder back as it was, then restart. Reading goes on with what
    /// was there before; archiving of the stream has stopped, so its journal space is kept.
    #[error("table of stream \"{stream}\" was changed by another program at version {version}")]
    Foreign {
        /// The stream.
        stream: StreamName,
        /// The entry of the Delta log that is not ours.
        version: u64,
    },
    /// Node: the disk refused; the same is tried again from what is in the log.
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
    /// Operator: restore the table's folder from a backup.
    #[error("table file \"{}\" is damaged: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Node: an entry was written and its sync failed, so what reached the disk is unknown; only
    /// a restart clears this. Nothing is lost: the log keeps the rows until then.
    #[error("table of stream \"{stream}\" is closed for writes after a failed sync")]
    InDoubt {
        /// The stream.
        stream: StreamName,
    },
    /// Operator: rows are missing between history and log; restore both from one backup.
    #[error("log of stream \"{stream}\" begins after {trimmed}, history ends at {archived}")]
    Gap {
        /// The stream.
        stream: StreamName,
        /// Where history ends.
        archived: Seq,
        /// Up to where the log was trimmed.
        trimmed: Seq,
    },
    /// Caller: declare the stream's new columns, then archive.
    #[error("rows of stream \"{stream}\" have version {version} of its columns, not yet declared")]
    Undeclared {
        /// The stream.
        stream: StreamName,
        /// The version that its next frame has.
        version: SchemaVersion,
    },
    /// Node: rows could not be put into columns; a defect worth reporting.
    #[error("could not arrange rows of stream \"{stream}\"")]
    Arrange {
        /// The stream.
        stream: StreamName,
        /// What Arrow said.
        #[source]
        source: ArrowError,
    },
    /// Node: a Parquet file could not be written or read.
    #[error("could not process Parquet file \"{}\"", .path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the library said.
        #[source]
        source: ParquetError,
    },
    /// Node: the log did not answer.
    #[error("could not read the log of stream \"{stream}\"")]
    Log {
        /// The stream.
        stream: StreamName,
        /// What the log said.
        #[source]
        source: ReadError,
    },
    /// Caller: declare the stream first.
    #[error("stream {stream} has no table")]
    Unknown {
        /// The stream.
        stream: StreamId,
    },
    /// Caller: a stream's columns may be added or renamed; anything else is a new stream.
    #[error("columns of stream \"{stream}\" do not fit its table: {reason}")]
    Incompatible {
        /// The stream.
        stream: StreamName,
        /// Which column, and why.
        reason: String,
    },
    /// Operator: start the newer version again, or restore a backup of this one.
    #[error("table of stream \"{stream}\" has format {found}, this version knows up to {known}")]
    Newer {
        /// The stream.
        stream: StreamName,
        /// Of the folder.
        found: String,
        /// Of this program.
        known: u32,
    },
}

impl HistoryError {
    /// Whether trying again without a restart may help.
    pub(crate) fn is_passing(&self) -> bool {
        !matches!(self.answer().retry, Retry::AfterRestart | Retry::Never)
    }
}

/// Puts what was tried, and on what, to what the disk said.
pub(crate) fn disk_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> HistoryError {
    let path = path.to_owned();
    move |source| HistoryError::Disk {
        action,
        path,
        source,
    }
}

impl Fault for HistoryError {
    fn answer(&self) -> Answer {
        match self {
            Self::Foreign { .. } => Answer::restart(Code::Hist001),
            Self::Disk { .. } => Answer::node(Code::Hist002),
            Self::Damaged { .. } => Answer::restart(Code::Hist003),
            Self::InDoubt { .. } => Answer::restart(Code::Hist004),
            Self::Gap { .. } => Answer::restart(Code::Hist005),
            Self::Undeclared { .. } => Answer::node(Code::Hist006),
            Self::Arrange { .. } => Answer::node(Code::Hist007),
            Self::Parquet { .. } => Answer::node(Code::Hist008),
            Self::Log { .. } => Answer::node(Code::Hist009),
            Self::Unknown { .. } => Answer::caller(Code::Hist010),
            Self::Incompatible { .. } => Answer::caller(Code::Hist011),
            Self::Newer { .. } => Answer::restart(Code::Hist012),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Foreign { .. } => {
                "move the entry and what it added out of the folder, then restart; \
                 programs may read a table's folder and never write to it"
            }
            Self::Damaged { .. } | Self::Gap { .. } => "restore the data folder from a backup",
            Self::InDoubt { .. } => "check the disk, then restart",
            Self::Newer { .. } => "start the version that wrote it",
            Self::Incompatible { .. } => "add or rename columns, or create a new stream",
            Self::Disk { .. }
            | Self::Undeclared { .. }
            | Self::Arrange { .. }
            | Self::Parquet { .. }
            | Self::Log { .. }
            | Self::Unknown { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
