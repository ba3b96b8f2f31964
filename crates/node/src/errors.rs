//! Why a node could not be opened, copied or restored.

use std::{io, net::SocketAddr, path::PathBuf};

use mainstem_admit::AdmitError;
use mainstem_catalog::CatalogError;
use mainstem_history::HistoryError;
use mainstem_kernel::{Answer, ByteSize, Code, Fault, StreamName};

use crate::config::{ConfigError, SettingError};

/// Why a node could not be opened, copied or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// Operator: stop the other server, or give this one its own folder.
    #[error("another server uses the data folder \"{}\"", .folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// Operator: start the program that wrote it.
    #[error("data folder \"{}\" has the format \"{found}\", which this program does not know", .folder.display())]
    Format {
        /// The folder.
        folder: PathBuf,
        /// First line of its FORMAT.
        found: String,
    },
    /// Operator: name an empty or absent folder.
    #[error("folder \"{}\" is not empty and is no data folder: it holds \"{found}\"", .folder.display())]
    NotAData {
        /// The folder.
        folder: PathBuf,
        /// Something in it.
        found: String,
    },
    /// Operator: see to the disk and its rights.
    #[error("data folder: could not {action} \"{}\"", .path.display())]
    Folder {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Operator: put the key back, or delete the file.
    #[error("file \"{}\" holds no key", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// Operator: correct the file of settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Operator: correct the settings of the engines.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// Operator: take a program that was built for it.
    #[error("this program was built without the clients of Kafka, Spark and Cassandra")]
    Unable,
    /// Operator: what an engine says.
    #[error("{0}")]
    Cluster(mainstem_log::SharedFault),
    /// Operator: give it more.
    #[error("a memory budget of {budget} is too small, it needs {least}")]
    Memory {
        /// What the settings give.
        budget: ByteSize,
        /// What is needed.
        least: ByteSize,
    },
    /// Operator: choose another address.
    #[error("could not listen on {address}")]
    Listen {
        /// As asked.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Operator: see what the system says, then start it again.
    #[error("the door of the server broke")]
    Door {
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Operator: raise the limits of the user.
    #[error("the system refused {what}")]
    System {
        /// What was asked of it.
        what: &'static str,
        /// What it says.
        #[source]
        source: io::Error,
    },
    /// Operator: what the log says.
    #[error(transparent)]
    Log(#[from] mainstem_log::OpenError),
    /// Operator: what the catalog says.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Operator: what history says.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Operator: what admission says.
    #[error(transparent)]
    Admit(#[from] AdmitError),
    /// Caller: name a stream that is declared.
    #[error("there is no stream \"{stream}\" to archive")]
    UnknownStream {
        /// As it was named.
        stream: String,
    },
    /// Operator: report it.
    #[error("stream \"{stream}\" could not be opened")]
    Stream {
        /// The stream.
        stream: StreamName,
        /// Why.
        #[source]
        source: HistoryError,
    },
}

impl Fault for NodeError {
    fn answer(&self) -> Answer {
        match self {
            Self::Locked { .. } => Answer::node(Code::Node001),
            Self::Format { .. } => Answer::restart(Code::Node002),
            Self::NotAData { .. } => Answer::caller(Code::Node011),
            Self::Folder { .. } => Answer::node(Code::Node003),
            Self::Key { .. } => Answer::restart(Code::Node018),
            Self::Memory { .. } => Answer::restart(Code::Node019),
            Self::Listen { .. } => Answer::node(Code::Node008),
            Self::System { .. } | Self::Door { .. } => Answer::node(Code::Node016),
            Self::UnknownStream { .. } => Answer::caller(Code::Node017),
            Self::Config(error) => error.answer(),
            Self::Setting(error) => error.answer(),
            Self::Unable => Answer::caller(Code::Clus042),
            Self::Cluster(error) => error.answer(),
            Self::Log(error) => error.answer(),
            Self::Catalog(error) => error.answer(),
            Self::History(error) | Self::Stream { source: error, .. } => error.answer(),
            Self::Admit(error) => error.answer(),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.detail(),
            Self::Setting(error) => error.detail(),
            Self::Cluster(error) => error.detail(),
            Self::Log(error) => error.detail(),
            Self::Catalog(error) => error.detail(),
            Self::History(error) => error.detail(),
            Self::Admit(error) => error.detail(),
            Self::Unable
            | Self::Locked { .. }
            | Self::Format { .. }
            | Self::NotAData { .. }
            | Self::Folder { .. }
            | Self::Key { .. }
            | Self::Memory { .. }
            | Self::Listen { .. }
            | Self::System { .. }
            | Self::Door { .. }
            | Self::UnknownStream { .. }
            | Self::Stream { .. } => None,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Locked { folder } => format!(
                "stop it, or use it: mainstem status --data {}; a second server needs its own --data and --listen",
                folder.display()
            ),
            Self::Format { .. } => {
                "start the version of mainstem that wrote it last, or a newer one".to_owned()
            }
            Self::NotAData { .. } => "name an empty or absent folder with --data".to_owned(),
            Self::Key { .. } => {
                "put the key back, or delete the file: the next start makes a new one".to_owned()
            }
            Self::Memory { .. } => "raise the setting \"memory\"".to_owned(),
            Self::Listen { address, .. } => format!(
                "choose another address with --listen; {}:0 takes any free port",
                address.ip()
            ),
            Self::UnknownStream { .. } => "`mainstem status` lists the streams".to_owned(),
            Self::Folder { .. } | Self::System { .. } | Self::Door { .. } => return None,
            Self::Config(error) => return error.hint(),
            Self::Setting(error) => return error.hint(),
            Self::Cluster(error) => return error.hint(),
            Self::Unable => "take one that was built with --features cluster, or leave --engine \
                 cluster out"
                .to_owned(),
            Self::Log(error) => return error.hint(),
            Self::Catalog(error) => return error.hint(),
            Self::History(error) | Self::Stream { source: error, .. } => return error.hint(),
            Self::Admit(error) => return error.hint(),
        };
        Some(hint)
    }

    fn place(&self) -> Option<mainstem_kernel::Place> {
        match self {
            Self::Config(error) => error.place(),
            _ => None,
        }
    }
}

/// Why a backup could not be made or restored. No half of it is ever taken for a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// Caller: name an empty or absent folder.
    #[error("folder \"{}\" is not empty", .folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// Caller: name an absolute folder, outside of the data folder.
    #[error("a backup cannot be written to \"{}\": expected an absolute folder outside of the data folder", .folder.display())]
    Place {
        /// The folder.
        folder: PathBuf,
    },
    /// Operator: see to the disk and its rights, delete the unfinished copy and try again.
    #[error("could not {action} \"{}\"", .path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Operator: use another backup, or copy this one again.
    #[error("file \"{}\" is not what the backup's manifest names", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Caller: name the folder of a finished backup.
    #[error("folder \"{}\" is not a backup: {reason}", .folder.display())]
    NotABackup {
        /// The folder.
        folder: PathBuf,
        /// What was expected.
        reason: String,
    },
    /// Operator: use a program as new as the one that wrote it.
    #[error("backup \"{}\" has version {found}, which this program does not know", .folder.display())]
    Version {
        /// The folder.
        folder: PathBuf,
        /// Its version.
        found: u32,
    },
}

impl Fault for CopyError {
    fn answer(&self) -> Answer {
        match self {
            Self::NotEmpty { .. } | Self::Place { .. } => Answer::caller(Code::Node011),
            Self::Disk { .. } => Answer::node(Code::Node012),
            Self::Damaged { .. } => Answer::caller(Code::Node013),
            Self::NotABackup { .. } => Answer::caller(Code::Node014),
            Self::Version { .. } => Answer::caller(Code::Node002),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Disk { source, .. } => Some(format!("The system says: {source}.")),
            Self::NotEmpty { .. }
            | Self::Place { .. }
            | Self::Damaged { .. }
            | Self::NotABackup { .. }
            | Self::Version { .. } => None,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotEmpty { .. } => "name an empty or absent folder",
            Self::Place { .. } => "for example /backups/2026-11-21",
            Self::Damaged { .. } => "use another backup, or copy this one again from its origin",
            Self::NotABackup { .. } => "name the folder that was given to `mainstem backup --to`",
            Self::Version { .. } => "restore it with the version of mainstem that made it",
            Self::Disk { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

/// Why the tables and views of an application do not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ApplicationError {
    /// Operator: what the store says.
    #[error("could not open the store of rows")]
    Store(#[from] mainstem_store::StoreError),
    /// Operator: what rows by key say.
    #[error("could not open tables")]
    Table(#[from] mainstem_table::TableError),
    /// Operator: what views say.
    #[error("could not open views")]
    Flow(#[from] mainstem_flow::FlowError),
    /// Operator: raise the limits of the user.
    #[error("the system refused a thread")]
    Thread {
        /// What it says.
        #[source]
        source: io::Error,
    },
}

impl Fault for ApplicationError {
    fn answer(&self) -> Answer {
        match self {
            Self::Store(error) => error.answer(),
            Self::Table(error) => error.answer(),
            Self::Flow(error) => error.answer(),
            Self::Thread { .. } => Answer::node(Code::Node016),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Store(error) => Some(format!("{error}.")),
            Self::Table(error) => Some(format!("{error}.")),
            Self::Flow(error) => Some(format!("{error}.")),
            Self::Thread { .. } => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Table(error) => error.hint(),
            Self::Flow(error) => error.hint(),
            Self::Thread { .. } => Some("raise the limits of the user".to_owned()),
        }
    }
}
