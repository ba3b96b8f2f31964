//! Why an application could not be planned or applied.

use mainstem_catalog::CatalogError;
use mainstem_kernel::{Answer, AppName, Code, Fault, Problem};

/// Why an application could not be planned or applied. Nothing is changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// Caller: correct them.
    #[error("application \"{app}\" has {}", counted(.problems.len()))]
    Mistakes {
        /// The application.
        app: AppName,
        /// All of them.
        problems: Vec<Problem>,
    },
    /// Caller: plan again.
    #[error("the plan of application \"{app}\" is not what would be done now")]
    Stale {
        /// The application.
        app: AppName,
    },
    /// Caller: name one that was applied.
    #[error("there is no application \"{app}\"")]
    Unknown {
        /// What was asked for.
        app: String,
    },
    /// Caller: there is nothing before it.
    #[error("application \"{app}\" has no revision before {revision}")]
    NoRevision {
        /// The application.
        app: AppName,
        /// Its revision.
        revision: u32,
    },
    /// What the catalog says.
    #[error("could not change the definitions of application \"{app}\"")]
    Catalog {
        /// The application.
        app: AppName,
        /// Why.
        #[source]
        source: CatalogError,
    },
}

fn counted(mistakes: usize) -> String {
    match mistakes {
        1 => "a mistake".to_owned(),
        n => format!("{n} mistakes"),
    }
}

impl Fault for AppError {
    fn answer(&self) -> Answer {
        match self {
            Self::Mistakes { .. } => Answer::caller(Code::App001),
            Self::Stale { .. } => Answer::caller(Code::App011),
            Self::Unknown { .. } => Answer::caller(Code::App012),
            Self::NoRevision { .. } => Answer::caller(Code::App013),
            Self::Catalog { source, .. } => source.answer(),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Mistakes { problems, .. } => {
                let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
                Some(texts.join("\n"))
            }
            Self::Catalog { source, .. } => source.detail().or_else(|| Some(format!("{source}."))),
            Self::Stale { .. } | Self::Unknown { .. } | Self::NoRevision { .. } => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Mistakes { .. } => Some("correct them, and run `mainstem check`".to_owned()),
            Self::Stale { .. } => Some("plan again, look at it, and apply that".to_owned()),
            Self::Unknown { .. } => Some("`mainstem status` lists the applications".to_owned()),
            Self::NoRevision { .. } => {
                Some("to remove its objects, apply it with their statements taken out".to_owned())
            }
            Self::Catalog { source, .. } => source.hint(),
        }
    }
}
