//! Why a journal does not open.

use std::{io, path::PathBuf};

use mainstem_kernel::{Answer, Blame, ByteSize, Code, Fault, Retry};

use super::{Damage, format::VERSION};
use crate::AppendError;

/// Why a journal does not open. Nothing that was acknowledged has been changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Caller: correct the named setting.
    #[error("{setting} is {found}, expected at least {least}")]
    Config {
        /// Name of the setting.
        setting: &'static str,
        /// Its value.
        found: ByteSize,
        /// What the other settings need.
        least: ByteSize,
    },
    /// Node: see what the system says about the file.
    #[error("could not open journal file \"{}\"", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Node: the end of the journal could not be proved.
    #[error("could not write the first group to the journal in \"{}\"", .folder.display())]
    Write {
        /// The journal's folder.
        folder: PathBuf,
        /// What went wrong.
        #[source]
        source: AppendError,
    },
    /// Node: start the version that wrote it.
    #[error(
        "journal file \"{}\" has format {found}, this version reads up to {VERSION}",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Node: restore a backup, or accept the loss.
    #[error("the journal is damaged: {}", list(.damages))]
    Damaged {
        /// Everything that is not whole.
        damages: Vec<Damage>,
    },
    /// Node: move the file elsewhere.
    #[error("file \"{}\" belongs to another journal", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
}

fn list(damages: &[Damage]) -> String {
    damages
        .iter()
        .map(Damage::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

impl Fault for OpenError {
    fn answer(&self) -> Answer {
        let restart = |code| Answer {
            code,
            blame: Blame::Node,
            retry: Retry::AfterRestart,
        };
        match self {
            Self::Config { .. } => Answer::caller(Code::Log018),
            Self::Io { .. } | Self::Write { .. } => restart(Code::Log019),
            Self::Newer { .. } => restart(Code::Log020),
            Self::Damaged { .. } => restart(Code::Log021),
            Self::Foreign { .. } => restart(Code::Log022),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Damaged { .. } => Some(
                "Later groups of the journal are there, so what is damaged was acknowledged. \
                 Nothing was deleted."
                    .to_owned(),
            ),
            Self::Config { .. }
            | Self::Io { .. }
            | Self::Write { .. }
            | Self::Newer { .. }
            | Self::Foreign { .. } => None,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Config { .. } => return None,
            Self::Io { .. } | Self::Write { .. } => "see the cause in the node's log",
            Self::Newer { .. } => "start the newer version, or restore a backup of the older one",
            Self::Damaged { .. } => {
                "copy the data folder, then restore a backup, or start once with \
                 journal.accept_damage = true to go on without the damaged rows"
            }
            Self::Foreign { .. } => "move the file out of the journal's folder",
        };
        Some(hint.to_owned())
    }
}
