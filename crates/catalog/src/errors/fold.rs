//! Why a change set does not fit the definitions, one variant per promise.

use mainstem_kernel::{
    Answer, AppName, Code, ColumnName, ColumnType, Fault, StreamId, StreamName, ids::NameError,
};

use crate::object::{Kind, Label};

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
    #[error("{object} cannot have dead letters")]
    NameTooLong {
        /// Whose.
        object: Label,
        /// Why.
        #[source]
        source: NameError,
    },
    /// Caller: declare a column, and at least one partition or column of the key.
    #[error("{object} has no {part}")]
    Empty {
        /// Whose.
        object: Label,
        /// What it needs.
        part: &'static str,
    },
    /// Caller: rename one of them. Names that differ only by case count as equal.
    #[error("{object} has two columns \"{column}\"")]
    ColumnTwice {
        /// Whose.
        object: Label,
        /// The second.
        column: ColumnName,
    },
    /// Caller: name a column that is declared and has a fitting type.
    #[error("{object} has no column \"{column}\" that fits {clause}")]
    ColumnUnfit {
        /// Whose.
        object: Label,
        /// What the clause names.
        column: ColumnName,
        /// The clause.
        clause: &'static str,
    },
    /// Caller: ids come from the definitions, or are 0.
    #[error("{object} never had a column {id}, or names it twice")]
    ColumnUnknown {
        /// Whose.
        object: Label,
        /// The id.
        id: u32,
    },
    /// Caller: declare a new column.
    #[error("column \"{column}\" of {object} is {from} and cannot become {to}")]
    TypeChanged {
        /// Whose.
        object: Label,
        /// The column.
        column: ColumnName,
        /// What it is.
        from: ColumnType,
        /// What was asked for.
        to: ColumnType,
    },
    /// Caller: let it allow NULL: rows are there that do not have it.
    #[error("column \"{column}\" of {object} must allow NULL")]
    MustAllowNull {
        /// Whose.
        object: Label,
        /// The column: new, back again, or one that allowed NULL.
        column: ColumnName,
    },
    /// Caller: keep it. Only columns that allow NULL can be hidden.
    #[error("column \"{column}\" of {object} is NOT NULL and cannot be left out")]
    Required {
        /// Whose.
        object: Label,
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
    #[error("there is no {kind} {id}")]
    Unknown {
        /// What was expected.
        kind: Kind,
        /// The id.
        id: StreamId,
    },
    /// Caller: plan again.
    #[error("{object} was dropped")]
    Dropped {
        /// Whose.
        object: Label,
    },
    /// Caller: plan again.
    #[error("{object} was not dropped")]
    NotDropped {
        /// Whose.
        object: Label,
    },
    /// Caller: change the object whose dead letters or late rows they are.
    #[error("\"{stream}\" changes only with what it stands beside")]
    DeadLetters {
        /// The stream of dead letters or late rows.
        stream: StreamName,
    },
    /// Caller: keep PRIMARY KEY.
    #[error("the key of {object} cannot change")]
    Key {
        /// The table.
        object: Label,
    },
    /// Caller: make it a new version.
    #[error("what {object} computes cannot change in place")]
    Computes {
        /// The view.
        object: Label,
    },
    /// Caller: plan again.
    #[error("{object} is not being built")]
    NotBuilding {
        /// The view.
        object: Label,
    },
    /// Caller: plan again.
    #[error("versions of {object} would have different names")]
    Versions {
        /// The view.
        object: Label,
    },
    /// Caller: keep what it reads, or drop the view with it.
    #[error("{object} reads {read}, which {state}")]
    Reads {
        /// The view.
        object: Label,
        /// What it reads.
        read: Label,
        /// Why it cannot.
        state: &'static str,
    },
    /// Caller: change it through its own application.
    #[error("{object} belongs to application \"{app}\"")]
    Foreign {
        /// Whose.
        object: Label,
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
    /// Caller: drop its objects first.
    #[error("application \"{app}\" still has {object}")]
    AppInUse {
        /// The application.
        app: AppName,
        /// One of its objects.
        object: Label,
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
            | Self::Partitions { .. }
            | Self::Key { .. }
            | Self::Computes { .. } => Answer::caller(Code::Cat004),
            Self::Reads { .. } => Answer::caller(Code::Cat007),
            Self::Unknown { .. }
            | Self::NotBuilding { .. }
            | Self::Versions { .. }
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
            Self::Reads { .. } => Some("keep what it reads, or drop the view as well".to_owned()),
            _ => None,
        }
    }
}
