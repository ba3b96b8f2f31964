//! Why definitions could not be read or changed.

use mainstem_kernel::{
    Answer, AppName, Blame, Code, ColumnName, ColumnType, Fault, Retry, Seq, StreamId, StreamName,
    ids::NameError,
};
use mainstem_log::{AppendError, ReadError};

/// Why a definition could not be read or changed. After an error of `apply` nothing is changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// Caller: plan again.
    #[error("definitions changed since the plan was made")]
    Stale,
    /// Caller: the change set breaks a promise of the catalog.
    #[error("the change is refused")]
    Refused(#[from] FoldError),
    /// Operator: start the program that wrote it.
    #[error("definition at {seq} has format {format}, the newest known is {known}")]
    Newer {
        /// Place of the frame.
        seq: Seq,
        /// Its format.
        format: u32,
        /// The newest format that this program reads.
        known: u32,
    },
    /// Operator: restore a backup.
    #[error("definition at {seq} does not read")]
    Damaged {
        /// Place of the frame.
        seq: Seq,
        /// What does not read.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What the log says; stream 0 is never trimmed.
    #[error("could not read the definitions")]
    Read(#[from] ReadError),
    /// What the log says.
    #[error("could not append the change")]
    Append(#[from] AppendError),
    /// Node: a change could not be written as columns.
    #[error("could not encode the change")]
    Encode(#[from] arrow::error::ArrowError),
}

impl Fault for CatalogError {
    fn answer(&self) -> Answer {
        match self {
            Self::Stale => Answer::caller(Code::Cat001),
            Self::Refused(error) => error.answer(),
            Self::Newer { .. } => Answer::restart(Code::Cat002),
            Self::Damaged { .. } => Answer::restart(Code::Cat003),
            Self::Read(error) => error.answer(),
            Self::Append(error) => error.answer(),
            Self::Encode(_) => Answer {
                code: Code::Cat004,
                blame: Blame::Node,
                retry: Retry::Never,
            },
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Refused(error) => Some(format!("{error}.")),
            Self::Read(error) => error.detail().or_else(|| Some(format!("{error}."))),
            Self::Append(error) => error.detail().or_else(|| Some(format!("{error}."))),
            Self::Damaged { .. } => Some("The node keeps its hands off the data.".to_owned()),
            Self::Stale | Self::Newer { .. } | Self::Encode(_) => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Stale => Some("plan again and apply that plan".to_owned()),
            Self::Refused(error) => error.hint(),
            Self::Newer { .. } => Some("start the newer version of mainstem again".to_owned()),
            Self::Damaged { .. } => Some("restore a backup into an empty folder".to_owned()),
            Self::Read(error) => error.hint(),
            Self::Append(error) => error.hint(),
            Self::Encode(_) => None,
        }
    }
}

/// Why a change set does not fit the definitions. `app` finds all of these before, with places;
/// here they keep a mistake in `app` from ever reaching the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// Caller: choose another name.
    #[error("name \"{name}\" is taken by application \"{app}\"")]
    NameTaken {
        /// The name.
        name: StreamName,
        /// Who has it.
        app: AppName,
    },
    /// Caller: choose another name.
    #[error("name \"{name}\" is reserved")]
    NameReserved {
        /// The name, of a stream or column.
        name: String,
    },
    /// Caller: shorten the name; its dead letters need a name too.
    #[error("stream \"{stream}\" cannot have dead letters")]
    NameTooLong {
        /// The stream.
        stream: StreamName,
        /// Why.
        #[source]
        source: NameError,
    },
    /// Caller: declare a column, and at least one partition.
    #[error("stream \"{stream}\" has no columns or no partitions")]
    Empty {
        /// The stream.
        stream: StreamName,
    },
    /// Caller: rename one of them. Names that differ only by case count as equal.
    #[error("stream \"{stream}\" has two columns \"{column}\"")]
    ColumnTwice {
        /// The stream.
        stream: StreamName,
        /// The second.
        column: ColumnName,
    },
    /// Caller: name a column that is declared and has a fitting type.
    #[error("stream \"{stream}\" has no column \"{column}\" that fits {clause}")]
    ColumnUnfit {
        /// The stream.
        stream: StreamName,
        /// What the clause names.
        column: ColumnName,
        /// The clause.
        clause: &'static str,
    },
    /// Caller: ids come from the definitions, or are 0.
    #[error("stream \"{stream}\" never had a column {id}, or names it twice")]
    ColumnUnknown {
        /// The stream.
        stream: StreamName,
        /// The id.
        id: u32,
    },
    /// Caller: declare a new column.
    #[error("column \"{column}\" of stream \"{stream}\" is {from} and cannot become {to}")]
    TypeChanged {
        /// The stream.
        stream: StreamName,
        /// The column.
        column: ColumnName,
        /// What it is.
        from: ColumnType,
        /// What was asked for.
        to: ColumnType,
    },
    /// Caller: let it allow NULL: rows are there that do not have it.
    #[error("column \"{column}\" of stream \"{stream}\" must allow NULL")]
    MustAllowNull {
        /// The stream.
        stream: StreamName,
        /// The column: new, back again, or one that allowed NULL.
        column: ColumnName,
    },
    /// Caller: keep it. Only columns that allow NULL can be hidden.
    #[error("column \"{column}\" of stream \"{stream}\" is NOT NULL and cannot be left out")]
    Required {
        /// The stream.
        stream: StreamName,
        /// The column.
        column: ColumnName,
    },
    /// Caller: keep partitions and PARTITION BY.
    #[error("the partitions of stream \"{stream}\" cannot change")]
    Partitions {
        /// The stream.
        stream: StreamName,
    },
    /// Caller: plan again.
    #[error("there is no stream {id}")]
    UnknownStream {
        /// The id.
        id: StreamId,
    },
    /// Caller: plan again.
    #[error("stream \"{stream}\" was dropped")]
    Dropped {
        /// The stream.
        stream: StreamName,
    },
    /// Caller: plan again.
    #[error("stream \"{stream}\" was not dropped")]
    NotDropped {
        /// The stream.
        stream: StreamName,
    },
    /// Caller: change the stream whose dead letters they are.
    #[error("dead letters \"{stream}\" change with their stream")]
    DeadLetters {
        /// The stream of dead letters.
        stream: StreamName,
    },
    /// Caller: change it through its own application.
    #[error("stream \"{stream}\" belongs to application \"{app}\"")]
    Foreign {
        /// The stream.
        stream: StreamName,
        /// Its application.
        app: AppName,
    },
    /// Caller: plan again.
    #[error("expected revision {expected} of application \"{app}\", found {found}")]
    Revision {
        /// The application.
        app: AppName,
        /// One more than the newest.
        expected: u32,
        /// In the change.
        found: u32,
    },
    /// Caller: the change set and its `SetApp` name different applications, or there is none.
    #[error("there is no application \"{app}\"")]
    UnknownApp {
        /// The application.
        app: AppName,
    },
    /// Caller: drop its streams first.
    #[error("application \"{app}\" still has stream \"{stream}\"")]
    AppInUse {
        /// The application.
        app: AppName,
        /// One of its streams.
        stream: StreamName,
    },
}

impl Fault for FoldError {
    fn answer(&self) -> Answer {
        match self {
            Self::NameTaken { .. } => Answer::caller(Code::Cat005),
            Self::NameReserved { .. }
            | Self::NameTooLong { .. }
            | Self::Empty { .. }
            | Self::ColumnTwice { .. }
            | Self::ColumnUnfit { .. }
            | Self::ColumnUnknown { .. }
            | Self::TypeChanged { .. }
            | Self::MustAllowNull { .. }
            | Self::Required { .. }
            | Self::Partitions { .. } => Answer::caller(Code::Cat004),
            Self::UnknownStream { .. }
            | Self::Dropped { .. }
            | Self::NotDropped { .. }
            | Self::DeadLetters { .. }
            | Self::Foreign { .. }
            | Self::Revision { .. }
            | Self::UnknownApp { .. }
            | Self::AppInUse { .. } => Answer::caller(Code::Cat006),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NameTaken { .. } => Some("choose another name".to_owned()),
            Self::TypeChanged { .. } => Some("add a new column of the new type".to_owned()),
            _ => None,
        }
    }
}
