//! Why an append did not become durable.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use mainstem_kernel::{Answer, ByteSize, Code, Fault, StreamId};

use super::Repeated;
use crate::SharedFault;

/// How long a sender should wait when the log is full.
const FULL_WAIT: Duration = Duration::from_secs(5);

/// Why an append did not become durable. Nothing of it is in the log, with one exception: what
/// `Poisoned` answers may or may not be there after the restart.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Caller: leave the named entries out, answer them as the first time, append the rest.
    #[error("{} entries were appended before", .0.len())]
    Repeated(Vec<Repeated>),
    /// Caller: use another idempotency key for another body.
    #[error("idempotency key was used before in stream {stream} with another body")]
    Conflict {
        /// The stream.
        stream: StreamId,
    },
    /// Caller: go on from `expected`.
    #[error("expected row {expected} in stream {stream}, found {found}")]
    Gap {
        /// The stream.
        stream: StreamId,
        /// Number of the row or sequence that comes next.
        expected: u64,
        /// What was sent.
        found: u64,
    },
    /// Caller: stop, a newer incarnation of this producer is at work.
    #[error("producer of stream {stream} was replaced by a newer one")]
    Fenced {
        /// The stream.
        stream: StreamId,
    },
    /// Caller: split the payload.
    #[error("append of {size} is larger than {limit}, the limit of one group")]
    TooLarge {
        /// Of all frames.
        size: ByteSize,
        /// `group_size_max`.
        limit: ByteSize,
    },
    /// Caller: this is a defect of whoever built the append.
    #[error("append for stream {stream} does not fit together: {reason}")]
    Shape {
        /// The stream of the frame in question.
        stream: StreamId,
        /// What was expected.
        reason: &'static str,
    },
    /// Node: the file's region is written again by the next append; it may pass then.
    #[error("could not write journal file \"{}\"", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the disk said.
        #[source]
        source: Arc<io::Error>,
    },
    /// Node: make room on the disk; the same append passes then.
    #[error("the disk is full: could not make room for journal file \"{}\"", .path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// What the disk said.
        #[source]
        source: Arc<io::Error>,
    },
    /// Node: make room on the disk; the same append passes then. Raised by the node, which keeps
    /// a reserve for recovery and archiving.
    #[error("only {free} are free on the disk of \"{}\", {floor} are kept in reserve", .folder.display())]
    Reserve {
        /// The data folder.
        folder: PathBuf,
        /// What is free.
        free: ByteSize,
        /// What has to be.
        floor: ByteSize,
    },
    /// Node: the same append passes in a moment. Raised by the node while its data is moved.
    #[error("the doors are closed for a moment: data is being moved")]
    Paused {
        /// The longest time until they open again.
        wait: Duration,
    },
    /// Caller: ask the other server. Raised by the node whose data was moved.
    #[error("the data has moved to {to}")]
    Moved {
        /// The other server.
        to: String,
    },
    /// Node: history must take over rows, so that journal files become free.
    #[error("the journal has reached its limit of {limit}")]
    JournalFull {
        /// `journal_size_max`.
        limit: ByteSize,
    },
    /// Node: rows of slow streams could not be moved out of the oldest file.
    #[error("could not carry live rows out of journal file \"{}\"", .path.display())]
    Carry {
        /// The oldest file.
        path: PathBuf,
        /// What was met.
        #[source]
        source: Arc<crate::ReadError>,
    },
    /// Node: an earlier sync failed, so what reached the disk is unknown; only restart and
    /// recovery clear this.
    /// Source: Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020.
    #[error("the log is closed for writes after a failed sync of \"{}\"", .path.display())]
    Poisoned {
        /// The file whose sync failed.
        path: PathBuf,
    },
    /// Node: set the machine's clock.
    #[error("the clock is {} s behind the newest row of the log", .behind.as_secs())]
    ClockBehind {
        /// How far.
        behind: Duration,
        /// `clock_behind_max`.
        limit: Duration,
    },
    /// Whoever the fault names: something else than this machine keeps the log.
    #[error("{0}")]
    Engine(SharedFault),
    /// Node: it is shutting down; send it again once it is back.
    #[error("the log is closed")]
    Closed,
}

impl Fault for AppendError {
    fn answer(&self) -> Answer {
        match self {
            Self::Repeated(_) => Answer::caller(Code::Log001),
            Self::Conflict { .. } => Answer::caller(Code::Log002),
            Self::Gap { .. } => Answer::caller(Code::Log003),
            Self::Fenced { .. } => Answer::caller(Code::Log004),
            Self::TooLarge { .. } => Answer::caller(Code::Log005),
            Self::Shape { .. } => Answer::caller(Code::Log006),
            Self::Write { .. } => Answer::node(Code::Log007),
            Self::DiskFull { .. } => Answer::busy(Code::Log008, FULL_WAIT),
            Self::Reserve { .. } => Answer::busy(Code::Node009, FULL_WAIT),
            Self::Paused { wait } => Answer::busy(Code::Node020, *wait),
            Self::Moved { .. } => Answer::node(Code::Node021),
            Self::JournalFull { .. } => Answer::busy(Code::Log009, FULL_WAIT),
            Self::Carry { .. } => Answer::node(Code::Log010),
            Self::Poisoned { .. } => Answer::restart(Code::Log011),
            Self::ClockBehind { .. } => Answer::node(Code::Log012),
            Self::Engine(fault) => fault.answer(),
            Self::Closed => Answer::restart(Code::Log013),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::DiskFull { .. } | Self::Reserve { .. } => {
                Some("free space on the disk of the data folder".to_owned())
            }
            Self::JournalFull { .. } => Some(
                "see whether archiving stands still (mainstem status), or raise journal.size_max"
                    .to_owned(),
            ),
            Self::Poisoned { .. } => {
                Some("see the system's log for disk errors, then restart the node".to_owned())
            }
            Self::Engine(fault) => fault.hint(),
            Self::ClockBehind { limit, .. } => Some(format!(
                "set the machine's clock; up to {} s are tolerated",
                limit.as_secs()
            )),
            Self::Moved { to } => Some(format!("send it to {to}")),
            Self::Paused { .. }
            | Self::Repeated(_)
            | Self::Conflict { .. }
            | Self::Gap { .. }
            | Self::Fenced { .. }
            | Self::TooLarge { .. }
            | Self::Shape { .. }
            | Self::Write { .. }
            | Self::Carry { .. }
            | Self::Closed => None,
        }
    }
}
