//! Why a command failed on this side of the connection.
//!
//! What the server refuses is not here: its own problem is printed as it came.

use std::{io, path::PathBuf};

use mainstem_kernel::{Answer, Blame, ByteSize, Code, Fault, Retry};

/// Why a command failed on this side of the connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CliError {
    /// Caller: start a server, or say where it is.
    #[error("no server is known: there is no \"{}\"", .looked_at.display())]
    NoServer {
        /// The file that would have named it.
        looked_at: PathBuf,
    },
    /// Caller: name the key.
    #[error("the key of the server at {url} is not known")]
    NoKey {
        /// The server.
        url: String,
    },
    /// Caller: start the server, or correct the address.
    #[error("the server at {url} does not answer")]
    Unreachable {
        /// The server.
        url: String,
        /// What the connection says.
        #[source]
        source: reqwest::Error,
    },
    /// Caller: correct the address.
    #[error("the answer of {url} is not one of a mainstem server (status {status})")]
    Foreign {
        /// The server.
        url: String,
        /// Status of the answer.
        status: u16,
    },
    /// Caller: correct the path or its rights.
    #[error("file \"{}\" cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Caller: say the format.
    #[error("the name of \"{}\" does not tell how it spells its rows", .path.display())]
    RowFormat {
        /// The file.
        path: PathBuf,
    },
    /// Caller: name an application's folder.
    #[error("folder \"{}\" holds no .sql file", .folder.display())]
    NoSql {
        /// The folder.
        folder: PathBuf,
    },
    /// Caller: correct the file, or the folder's name.
    #[error("application \"{}\": {reason}", .folder.display())]
    Manifest {
        /// The folder.
        folder: PathBuf,
        /// What is wrong, and what is expected.
        reason: String,
    },
    /// Caller: write cases, or give another filter.
    #[error("there is no case to run in \"{}\"", .folder.join("tests").display())]
    NoCase {
        /// The application.
        folder: PathBuf,
        /// What the cases should be named.
        filter: Option<String>,
    },
    /// Caller: see the differences; correct the application or the expectations.
    #[error("{failed} of {cases} cases of \"{}\" failed", .folder.display())]
    Unexpected {
        /// The application.
        folder: PathBuf,
        /// That were run.
        cases: usize,
        /// Of these.
        failed: usize,
    },
    /// Caller: say yes.
    #[error("nobody agreed to the plan, so nothing was changed")]
    NotConfirmed,
    /// Caller: correct the file.
    #[error("row {row} of \"{}\" is longer than {limit}", .path.display())]
    RowTooLong {
        /// The file.
        path: PathBuf,
        /// Row, from 0, without the header.
        row: u64,
        /// The limit.
        limit: ByteSize,
    },
    /// Caller: correct the code.
    #[error("there is no error code \"{code}\"")]
    NoSuchCode {
        /// As it was typed.
        code: String,
    },
    /// Caller: make room, or look where the output goes.
    #[error("the answer cannot be written")]
    Write {
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Caller: replace the file.
    #[error("file \"{}\" is damaged after row {rows}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Whole rows before the damage.
        rows: u64,
        /// What unpacking says.
        #[source]
        source: io::Error,
    },
    /// Caller: look at the server's status, then repeat the command.
    #[error("the server took no rows for {minutes} minutes")]
    GaveUp {
        /// How long it was asked.
        minutes: u64,
        /// What stood against it last.
        last: String,
    },
    /// Caller: correct the row at which both counts part.
    #[error("{sent} rows were sent from row {first} on, and the server counted {counted}")]
    Miscounted {
        /// Number of the first row, from 0.
        first: u64,
        /// Rows that were sent.
        sent: u64,
        /// Rows that the server counted.
        counted: u64,
    },
    /// Caller: look at what stands against it; the definitions are applied.
    #[error("{object} stands still and is not live")]
    StandsStill {
        /// A view, or the application.
        object: String,
        /// What stands against it.
        problem: String,
    },
    /// Caller: give a statement.
    #[error("there is no question to ask")]
    NoQuestion,
    /// Node: raise the limits of the user.
    #[error("the system refused a thread or a terminal")]
    System {
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl Fault for CliError {
    fn answer(&self) -> Answer {
        match self {
            Self::NoServer { .. } | Self::NoKey { .. } => Answer::caller(Code::Cli001),
            Self::Unreachable { .. } => Answer {
                code: Code::Cli002,
                blame: Blame::Dependency,
                retry: Retry::Backoff,
            },
            Self::Foreign { .. } => Answer::caller(Code::Cli003),
            Self::Read { .. } => Answer::caller(Code::Cli004),
            Self::RowFormat { .. } => Answer::caller(Code::Cli005),
            Self::NoSql { .. } => Answer::caller(Code::Cli006),
            Self::Manifest { .. } => Answer::caller(Code::Cli007),
            Self::NotConfirmed => Answer::caller(Code::Cli008),
            Self::Unexpected { .. } => Answer::caller(Code::Cli018),
            Self::NoCase { .. } => Answer::caller(Code::Cli019),
            Self::RowTooLong { .. } => Answer::caller(Code::Cli009),
            Self::NoSuchCode { .. } => Answer::caller(Code::Cli010),
            Self::Write { .. } => Answer::node(Code::Cli011),
            Self::Damaged { .. } => Answer::caller(Code::Cli012),
            Self::GaveUp { .. } => Answer::node(Code::Cli013),
            Self::Miscounted { .. } => Answer::caller(Code::Cli016),
            Self::StandsStill { .. } => Answer::caller(Code::Cli020),
            Self::NoQuestion => Answer::caller(Code::Cli014),
            Self::System { .. } => Answer::node(Code::Cli015),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Unreachable { source, .. } => {
                Some(sentence(&mainstem_kernel::fault::chain(source)))
            }
            Self::Read { source, .. }
            | Self::Write { source }
            | Self::Damaged { source, .. }
            | Self::System { source } => Some(sentence(&source.to_string())),
            Self::StandsStill { problem, .. } => Some(sentence(problem)),
            Self::GaveUp { last, .. } => Some(format!("What stood against it last: {last}.")),
            Self::NoServer { .. }
            | Self::NoKey { .. }
            | Self::Foreign { .. }
            | Self::RowFormat { .. }
            | Self::NoSql { .. }
            | Self::Manifest { .. }
            | Self::NoCase { .. }
            | Self::Unexpected { .. }
            | Self::NotConfirmed
            | Self::RowTooLong { .. }
            | Self::NoSuchCode { .. }
            | Self::Miscounted { .. }
            | Self::NoQuestion => None,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoServer { .. } => {
                "start one with `mainstem serve --data ./data`, or say where it is: --data FOLDER, \
                 or --url URL --key KEY"
            }
            Self::NoKey { .. } => {
                "add --key with the content of the server's file admin.key, or set MAINSTEM_KEY"
            }
            Self::Unreachable { .. } => "is it running? `mainstem serve` prints its address",
            Self::Foreign { .. } => "does the URL lead to a mainstem server?",
            Self::Read { .. } => return None,
            Self::RowFormat { .. } => "add --format csv, --format ndjson or --format json",
            Self::NoSql { .. } => "name the folder of the application, such as apps/retail",
            Self::Manifest { .. } => {
                "mainstem.toml in the folder may hold `name = \"retail\"` and `version = \"1.0\"`"
            }
            Self::NoCase { filter: None, .. } => {
                "cases are in files that end in .flow; `mainstem test --help` shows one"
            }
            Self::NoCase {
                filter: Some(filter),
                ..
            } => {
                return Some(format!(
                    "no case has \"{filter}\" in its file or name; leave --filter out to see all"
                ));
            }
            Self::Unexpected { folder, .. } => {
                return Some(format!(
                    "if what was found is right: mainstem test {} --update",
                    folder.display()
                ));
            }
            Self::NotConfirmed => "add --yes to carry it out without being asked",
            Self::RowTooLong { .. } => "in a CSV file, look for a quote that is never closed",
            Self::NoSuchCode { .. } => "`mainstem explain-error` lists all codes",
            Self::Write { .. } | Self::System { .. } => return None,
            Self::Damaged { .. } => "replace the file; the rows before the damage have arrived",
            Self::GaveUp { .. } => {
                "see `mainstem status`; the same command again goes on where this one stopped"
            }
            Self::Miscounted { .. } => "look for a quote or a line break that is read in two ways",
            Self::StandsStill { .. } => {
                "what was applied stays applied: see `mainstem status`, or go back with `mainstem rollback`"
            }
            Self::NoQuestion => "for example: mainstem sql \"SELECT 1\"",
        };
        Some(hint.to_owned())
    }
}

/// A system's words as a full sentence.
fn sentence(words: &str) -> String {
    let mut chars = words.trim_end_matches('.').chars();
    let first: String = chars
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    format!("{first}{}.", chars.as_str())
}
