//! Why a store could not be opened, read or written; each error says who acts. Never any I/O.

use std::{error::Error, io, path::PathBuf};

use mainstem_kernel::{Answer, Code, Fault};

use crate::KEY_BYTES_MAX;

/// Why a store could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Node: the disk refused; the same may pass later.
    #[error("could not {action} the store in \"{}\"", .folder.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// The store's folder.
        folder: PathBuf,
        /// What the disk said.
        #[source]
        source: io::Error,
    },
    /// Operator: delete the store; it comes back from the log.
    #[error("the store in \"{}\" is damaged", .folder.display())]
    Damaged {
        /// The store's folder.
        folder: PathBuf,
        /// What does not read.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Operator: start the newer version again, or delete the store.
    #[error(
        "the store in \"{}\" has format {found}, this version knows up to {known}",
        .folder.display()
    )]
    Newer {
        /// The store's folder.
        folder: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that this program reads.
        known: u32,
    },
    /// Operator: end the other process.
    #[error("the store in \"{}\" is in use by another process", .folder.display())]
    Locked {
        /// The store's folder.
        folder: PathBuf,
    },
    /// Node: a write or sync failed, so what reached the disk is unknown; only a restart clears
    /// this. Nothing is lost: redo files keep what the store has not persisted.
    #[error("the store in \"{}\" is closed after a failed write", .folder.display())]
    Poisoned {
        /// The store's folder.
        folder: PathBuf,
    },
    /// Caller: use a key of 1 to 65,535 bytes.
    #[error("key of {bytes} bytes, expected 1 to {KEY_BYTES_MAX}")]
    KeyLength {
        /// Its length.
        bytes: usize,
    },
}

impl Fault for StoreError {
    fn answer(&self) -> Answer {
        match self {
            Self::Disk { .. } => Answer::node(Code::Store001),
            Self::Damaged { .. } => Answer::restart(Code::Store002),
            Self::Newer { .. } => Answer::restart(Code::Store003),
            Self::Locked { .. } => Answer::restart(Code::Store004),
            Self::Poisoned { .. } => Answer::restart(Code::Store005),
            Self::KeyLength { .. } => Answer::caller(Code::Store006),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Damaged { .. } => Some(
                "The store is an index: everything in it comes back from the log and the redo \
                 files."
                    .to_owned(),
            ),
            Self::Disk { .. }
            | Self::Newer { .. }
            | Self::Locked { .. }
            | Self::Poisoned { .. }
            | Self::KeyLength { .. } => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Damaged { folder, .. } => Some(format!(
                "stop the node, delete \"{}\" and start it again",
                folder.display()
            )),
            Self::Newer { folder, .. } => Some(format!(
                "start the version that wrote it, or delete \"{}\"",
                folder.display()
            )),
            Self::Locked { .. } => Some("end the other process".to_owned()),
            Self::Poisoned { .. } => {
                Some("see the system's log for disk errors, then restart the node".to_owned())
            }
            Self::Disk { .. } | Self::KeyLength { .. } => None,
        }
    }
}
