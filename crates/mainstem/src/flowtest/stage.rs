//! `Stage`: where a case is played: rows go in, questions are answered, time may be told.

use bytes::Bytes;
use mainstem_kernel::{Blame, Fault, Timestamp, fault::chain};
use mainstem_node::{Heard, Rehearsal, RehearsalError};
use std::error::Error;

use super::script::{Asked, Case};
use crate::failure::Shown;

/// Why a step was refused.
pub(crate) type Refused = Box<Shown>;

/// What became of rows that were sent.
#[derive(Debug)]
pub(crate) struct Sent {
    /// So many were refused.
    pub(crate) rejected: u64,
    /// The first of them: its number from 0, code and reason.
    pub(crate) first: Option<(u64, String, String)>,
}

/// Where a case is played.
pub(crate) trait Stage {
    /// The time that was told last.
    fn now(&self) -> Timestamp;

    /// It is this time.
    fn at(&mut self, time: Timestamp) -> Result<(), Refused>;

    /// The node is stopped and started again.
    fn restart(&mut self) -> Result<(), Refused>;

    /// Rows arrive.
    fn send(&mut self, stream: &str, rows: Bytes) -> Result<Sent, Refused>;

    /// A question, or a statement that writes.
    fn ask(&mut self, sql: &str) -> Result<Heard, Refused>;

    /// Why a case is not played here at all.
    fn excuses(&self, _case: &Case) -> Option<String> {
        None
    }

    /// Why an expectation is not asked here.
    fn excused(&self, _asked: &Asked) -> Option<String> {
        None
    }

    /// Whether to ask again what was as expected, or was not: rows may be on their way.
    fn asks_again(&mut self, _is_equal: bool) -> bool {
        false
    }
}

impl Stage for Rehearsal {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }

    fn at(&mut self, time: Timestamp) -> Result<(), Refused> {
        let span = time.since(Self::now(self));
        self.advance(span).map_err(refused)
    }

    fn restart(&mut self) -> Result<(), Refused> {
        Self::restart(self).map_err(refused)
    }

    fn send(&mut self, stream: &str, rows: Bytes) -> Result<Sent, Refused> {
        let ack = Self::send(self, stream, rows).map_err(refused)?;
        let first = ack.rejects.first();
        Ok(Sent {
            rejected: ack.rejected,
            first: first.map(|one| (one.row, one.code.to_string(), one.reason.clone())),
        })
    }

    fn ask(&mut self, sql: &str) -> Result<Heard, Refused> {
        Self::ask(self, sql).map_err(refused)
    }
}

/// Whoever tests is the operator too: without a log of the process, the causes are told here.
#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
fn refused(error: RehearsalError) -> Refused {
    let mut problem = error.problem();
    if let (Blame::Node, Some(source)) = (error.answer().blame, error.source()) {
        problem.detail = Some(format!("Because: {}.", chain(source)));
    }
    Box::new(Shown::from(problem))
}
