//! `Intake`: what admission needs of whatever keeps rows, and no more: this log on one machine,
//! Kafka on many.
//!
//! It never promises an order over partitions, nor that an append over streams is seen at once.

use std::{fmt::Debug, sync::Arc};

use mainstem_kernel::{Fault, Position, ProducerId, Reached, Seq, StreamId};

use crate::{Append, AppendError, SharedLog};

/// An intake that parts share.
pub type SharedIntake = Arc<dyn Intake>;

/// An error whose kind only those know who raised it.
pub type SharedFault = Arc<dyn Fault + Send + Sync>;

/// Called once, when an append is durable or has failed. It must be short, and must not call the
/// intake.
pub type Landing = Box<dyn FnOnce(Result<Reached, Refusal>) + Send>;

/// What keeps rows.
pub trait Intake: Debug + Send + Sync {
    /// Hands over one append; `done` is told how far a reader has to be to see all of it. It is
    /// kept whole or refused whole, unless the refusal says that nobody knows. Blocks while it has
    /// too much to do.
    fn append(&self, append: Append, done: Landing);

    /// The row number that a loader has to go on from; `None` if it is not known.
    fn next_row(&self, stream: StreamId, producer: ProducerId) -> Option<u64>;

    /// A place that every reader has reached who has seen what was answered so far.
    fn here(&self) -> Reached;
}

/// Why an append was not kept.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// Entries that were kept before: leave them out, answer them as the first time, append the
    /// rest.
    Repeated(Vec<Earlier>),
    /// An idempotency key was used before with another body.
    Conflict,
    /// A loader's rows do not go on where they ended.
    Gap {
        /// Number of the row that comes next.
        expected: u64,
        /// What was sent.
        found: u64,
    },
    /// What keeps rows could not, or would not.
    Fault(SharedFault),
}

/// An entry that was kept before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Index of the frame in the append.
    pub frame: usize,
    /// Index of the entry in the frame.
    pub entry: usize,
    /// How far a reader has to be to see the first.
    pub reached: Reached,
    /// Rows that the first one's request had in this stream.
    pub rows: u64,
    /// Rows of the first one's request that were rejected.
    pub rejected: u64,
}

/// The log of one machine as an intake.
#[derive(Clone, Debug)]
pub struct LogIntake(pub SharedLog);

impl From<SharedLog> for LogIntake {
    fn from(log: SharedLog) -> Self {
        Self(log)
    }
}

impl Intake for LogIntake {
    fn append(&self, append: Append, done: Landing) {
        let done = move |outcome: Result<crate::Appended, AppendError>| {
            done(outcome.map(|appended| at(appended.last())).map_err(refusal));
        };
        self.0.append(append, Box::new(done));
    }

    fn next_row(&self, stream: StreamId, producer: ProducerId) -> Option<u64> {
        self.0.next_row(stream, producer)
    }

    fn here(&self) -> Reached {
        at(self.0.frontier())
    }
}

const fn at(seq: Seq) -> Reached {
    Reached::Seq(Position::at(seq))
}

fn refusal(error: AppendError) -> Refusal {
    match error {
        AppendError::Repeated(list) => {
            let earlier = list.into_iter().map(|repeated| Earlier {
                frame: repeated.frame,
                entry: repeated.entry,
                reached: at(repeated.seq),
                rows: repeated.rows,
                rejected: repeated.rejected,
            });
            Refusal::Repeated(earlier.collect())
        }
        AppendError::Conflict { .. } => Refusal::Conflict,
        AppendError::Gap {
            expected, found, ..
        } => Refusal::Gap { expected, found },
        other => Refusal::Fault(Arc::new(other)),
    }
}
