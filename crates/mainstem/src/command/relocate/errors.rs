//! Why a move did not come about. Nothing is lost by any of these: the server that is moved from
//! keeps everything.

use mainstem_kernel::{Answer, Code, Fault};

use crate::failure::Failure;

/// Why a move did not come about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum MoveError {
    /// Caller: apply the same application there.
    #[error("{object} is not the same on both servers: {reason}")]
    Differs {
        /// A stream or table.
        object: String,
        /// In which way.
        reason: String,
    },
    /// Caller: move when less comes in, or nearer to the other server.
    #[error("the last rows did not follow within {seconds} s, so the doors are open again")]
    Slow {
        /// How long they had.
        seconds: u64,
    },
    /// Caller: see what else has written there, or clear it and move again.
    #[error("\"{object}\" has {here} rows here and {there} there")]
    Counts {
        /// A stream or table.
        object: String,
        /// Rows of this server.
        here: u64,
        /// Rows of the other.
        there: u64,
    },
    /// Caller: see the dead letters there.
    #[error("the other server refused a row of stream \"{stream}\": {reason}")]
    Refused {
        /// The stream.
        stream: String,
        /// The first reason.
        reason: String,
    },
    /// Caller: copy this table by hand.
    #[error("column \"{column}\" of table \"{table}\" is {ty}, which cannot be carried")]
    Unmovable {
        /// The table.
        table: String,
        /// Its column.
        column: String,
        /// The column's type.
        ty: String,
    },
    /// Caller: name another notebook.
    #[error("the notebook \"{path}\" is {reason}")]
    Notebook {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A defect of this program.
    #[error("a stream was no longer carried, for no reason that is known")]
    Ended,
}

impl Fault for MoveError {
    fn answer(&self) -> Answer {
        match self {
            Self::Differs { .. } => Answer::caller(Code::Cli021),
            Self::Slow { .. } => Answer::node(Code::Cli022),
            Self::Counts { .. } => Answer::caller(Code::Cli023),
            Self::Refused { .. } => Answer::caller(Code::Cli024),
            Self::Unmovable { .. } => Answer::caller(Code::Cli025),
            Self::Notebook { .. } => Answer::caller(Code::Cli026),
            Self::Ended => Answer::node(Code::Cli022),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Differs { .. } => {
                "apply the same folder there first: mainstem apply APP --url URL --key KEY"
            }
            Self::Slow { .. } | Self::Ended => {
                "the same command again goes on where this one stopped; choose a quiet hour"
            }
            Self::Counts { .. } => {
                "if nobody else writes there: mainstem move --back opens the doors here again"
            }
            Self::Refused { .. } => "apply the same folder there, then run the same command again",
            Self::Unmovable { .. } => "carry it by SELECT here and INSERT there",
            Self::Notebook { .. } => "name another file with --notebook",
        };
        Some(hint.to_owned())
    }
}

impl From<MoveError> for Failure {
    fn from(error: MoveError) -> Self {
        Self::of(&error)
    }
}
