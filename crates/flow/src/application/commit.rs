//! `Commit`: a sealed checkpoint on its way: first its file, then what it has for the log.
//!
//! It needs nothing of what steps change, so it may run beside them. What the disk or the log
//! refuses for now is gone on with later, from where it was.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use datafusion::arrow::array::RecordBatch;
use mainstem_kernel::{KeyId, PartitionId, Seq, StreamId, fault::chain};
use mainstem_log::{
    Append, AppendError, Draft, DraftEntry, Log, SharedLog, Stamp, append_and_wait,
};
use mainstem_table::{Outgoing, Sealed, TableError, Tables};

use crate::errors::FlowError;

/// Rows of one append, in bytes of memory, about.
const APPEND_BYTES: usize = 4 << 20;

/// Where checkpoints go.
#[derive(Clone, Debug)]
pub(super) struct CommitParts {
    pub(super) tables: Arc<Tables>,
    pub(super) log: SharedLog,
}

/// A checkpoint between memory and the log.
#[derive(Debug)]
pub(super) struct Commit {
    stage: Stage,
    /// Whether its file is on the disk.
    pub(super) is_committed: bool,
    /// Views that it has among the live ones.
    pub(super) live: BTreeSet<StreamId>,
}

#[derive(Debug)]
enum Stage {
    /// Not on the disk yet.
    Sealed(Box<Sealed>, Emitted),
    /// Rows are still to be appended.
    Unsent(u64, Vec<Unsent>),
}

/// Views that are streams, and how many batches of each readers find beside the log.
#[derive(Debug, Default)]
pub(super) struct Emitted {
    pub(super) views: BTreeSet<StreamId>,
    pub(super) batches: BTreeMap<StreamId, usize>,
}

/// Rows that are still to be appended.
#[derive(Debug)]
pub(super) struct Unsent {
    pub(super) rows: Outgoing,
    /// Batches that readers find beside the log until then; `None` if it is no view's stream.
    pub(super) batches: Option<usize>,
}

/// How far a checkpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All of it is where it belongs.
    Gone,
    /// The disk or the log refused for now: run it again.
    Waits,
}

impl Commit {
    /// One that is only in memory.
    pub(super) fn sealed(sealed: Sealed, emitted: Emitted, live: BTreeSet<StreamId>) -> Self {
        Self {
            stage: Stage::Sealed(Box::new(sealed), emitted),
            is_committed: false,
            live,
        }
    }

    /// One that an earlier run committed, whose rows may not be in the log.
    pub(super) fn unsent(number: u64, rows: Vec<Unsent>, live: BTreeSet<StreamId>) -> Self {
        Self {
            stage: Stage::Unsent(number, rows),
            is_committed: true,
            live,
        }
    }

    /// Goes on with it.
    pub(super) fn run(&mut self, parts: &CommitParts) -> Result<Outcome, FlowError> {
        if let Stage::Sealed(sealed, emitted) = &self.stage {
            match parts.tables.commit(sealed) {
                Ok(committed) => {
                    let rows = committed.outgoing.into_iter();
                    let unsent = rows.map(|rows| emitted.unsent(rows)).collect();
                    self.stage = Stage::Unsent(committed.number, unsent);
                    self.is_committed = true;
                }
                Err(error @ TableError::Disk { .. }) => {
                    let error = chain(&error);
                    tracing::warn!(error, "a checkpoint waits for the disk");
                    return Ok(Outcome::Waits);
                }
                Err(error) => return Err(error.into()),
            }
        }
        match &mut self.stage {
            Stage::Unsent(number, unsent) => send(parts, *number, unsent),
            Stage::Sealed(..) => Ok(Outcome::Waits),
        }
    }
}

impl Emitted {
    fn unsent(&self, rows: Outgoing) -> Unsent {
        let is_view = self.views.contains(&rows.stream);
        let batches = self.batches.get(&rows.stream).copied();
        Unsent {
            rows,
            batches: is_view.then_some(batches.unwrap_or(0)),
        }
    }
}

/// Appends what is outgoing.
fn send(parts: &CommitParts, number: u64, unsent: &mut Vec<Unsent>) -> Result<Outcome, FlowError> {
    while let Some(next) = unsent.first() {
        match append(parts.log.as_ref(), &next.rows) {
            Ok(at) => {
                if let Some(batches) = next.batches {
                    parts.tables.appended(next.rows.stream, batches, at)?;
                }
                unsent.remove(0);
            }
            Err(error) if is_passing(&error) => {
                let error = chain(&error);
                tracing::warn!(error, "rows of views wait for the log");
                return Ok(Outcome::Waits);
            }
            Err(error) => return Err(error.into()),
        }
    }
    parts.tables.sent(number);
    Ok(Outcome::Gone)
}

/// Appends the rows that the log has not had; gives the seq of the last.
fn append(log: &dyn Log, outgoing: &Outgoing) -> Result<Seq, AppendError> {
    let known = log.next_row(outgoing.stream, outgoing.producer);
    let rows = outgoing.rows.num_rows();
    let mut start = rows_had(outgoing, known);
    let bytes = outgoing.rows.get_array_memory_size().max(1);
    let each = (rows.saturating_mul(APPEND_BYTES) / bytes).clamp(1, 1 << 20);
    // A log that has forgotten the sender takes its rows unnumbered.
    let is_numbered = known.is_some() || outgoing.first == 0;
    while start < rows {
        let count = each.min(rows - start);
        let part = outgoing.rows.slice(start, count);
        let first = outgoing.first + start as u64;
        let frames = vec![draft(outgoing, part, (first, is_numbered))?];
        append_and_wait(log, Append { frames })?;
        start += count;
    }
    Ok(log.frontier())
}

/// How many of the rows the log has had, if it knows their sender up to the row `known`.
pub(super) fn rows_had(outgoing: &Outgoing, known: Option<u64>) -> usize {
    let had = known.unwrap_or(0).saturating_sub(outgoing.first);
    let rows = outgoing.rows.num_rows();
    usize::try_from(had).unwrap_or(usize::MAX).min(rows)
}

/// Whether the same append may pass later.
fn is_passing(error: &AppendError) -> bool {
    !matches!(
        error,
        AppendError::Gap { .. } | AppendError::Shape { .. } | AppendError::TooLarge { .. }
    )
}

/// A frame of outgoing rows.
fn draft(
    outgoing: &Outgoing,
    rows: RecordBatch,
    (first, is_numbered): (u64, bool),
) -> Result<Draft, AppendError> {
    let span = u32::try_from(rows.num_rows()).unwrap_or(u32::MAX);
    let stamp = Stamp::Load {
        producer: outgoing.producer,
        first,
        span,
        rejected: 0,
    };
    let entry = DraftEntry {
        partition: PartitionId(0),
        rows: span,
        stamp: is_numbered.then_some(stamp),
    };
    let draft = Draft::encode(outgoing.stream, outgoing.schema, vec![entry], rows);
    let draft = draft.map_err(|_arrow| AppendError::Shape {
        stream: outgoing.stream,
        reason: "rows of a view do not encode",
    })?;
    Ok(Draft {
        key: KeyId(0),
        ..draft
    })
}

#[cfg(test)]
mod tests;
