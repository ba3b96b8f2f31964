//! Why there is no plan to show.

use std::{io, path::PathBuf};

use mainstem_kernel::{Answer, Code, Fault};

use crate::failure::Failure;

/// Why there is no plan to show.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ExplainError {
    /// Caller: name one of its views.
    #[error("application \"{app}\" has no view \"{name}\"")]
    NoView {
        /// The application.
        app: String,
        /// What was asked for.
        name: String,
        /// The views that it has.
        views: Vec<String>,
    },
    /// Caller: correct the path or its rights.
    #[error("file \"{}\" cannot be written", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl Fault for ExplainError {
    fn answer(&self) -> Answer {
        Answer::caller(match self {
            Self::NoView { .. } => Code::Cli027,
            Self::Write { .. } => Code::Cli028,
        })
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::NoView { .. } => None,
            Self::Write { source, .. } => Some(format!("The system says: {source}.")),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoView { views, .. } if views.is_empty() => {
                Some("it declares no view; `mainstem check` finds its mistakes".to_owned())
            }
            Self::NoView { views, .. } => Some(format!("its views are {}", views.join(", "))),
            Self::Write { .. } => None,
        }
    }
}

impl From<ExplainError> for Failure {
    fn from(error: ExplainError) -> Self {
        Self::of(&error)
    }
}
