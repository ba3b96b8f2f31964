//! `Commit`: a sealed checkpoint on its way: first its file, then what it has for the log.
//!
//! It needs nothing of what steps change, so it may run beside them. What the disk or the log
//! refuses for now is gone on with later, from where it was.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mainstem_kernel::{PartitionId, Seq, StreamId, fault::chain};
use mainstem_log::{
    Append, AppendError, Draft, DraftEntry, Log, SharedLog, Stamp, append_and_wait, frame,
};
use mainstem_table::{Outgoing, Sealed, TableError, Tables};

use crate::errors::FlowError;

/// Rows of one append, in bytes, where so many were sealed in one that they are cut: older programs
/// did that.
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
    /// Batches that readers find beside the log until then; `None` if it is no view's stream, or more
    /// of them are to come.
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
                    let unsent = emitted.unsent(committed.outgoing);
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
    /// What is to be appended: readers find a view's rows in the log once it has the last of them.
    fn unsent(&self, outgoing: Vec<Outgoing>) -> Vec<Unsent> {
        let mut seen = BTreeSet::new();
        let mut unsent: Vec<Unsent> = Vec::with_capacity(outgoing.len());
        for rows in outgoing.into_iter().rev() {
            let is_last = self.views.contains(&rows.stream) && seen.insert(rows.stream);
            let batches = self.batches.get(&rows.stream).copied().unwrap_or(0);
            let batches = is_last.then_some(batches);
            unsent.push(Unsent { rows, batches });
        }
        unsent.reverse();
        unsent
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
    let mut each = rows_of_append(outgoing);
    // A log that has forgotten the sender takes its rows unnumbered.
    let is_numbered = known.is_some() || outgoing.first == 0;
    while start < rows {
        let count = each.min(rows - start);
        let frames = vec![draft(outgoing, (start, count), is_numbered)?];
        match append_and_wait(log, Append { frames }) {
            Ok(_) => start += count,
            // Some rows are much larger than others, or the log takes less at once than usual.
            Err(AppendError::TooLarge { .. }) if count > 1 => each = count.div_ceil(2),
            Err(error) => return Err(error),
        }
    }
    Ok(log.frontier())
}

/// How many rows fit into one append: all that were sealed together by this program.
fn rows_of_append(outgoing: &Outgoing) -> usize {
    let rows = outgoing.rows.num_rows();
    let bytes = match outgoing.body.len() {
        0 => frame::rows_size(&outgoing.rows).unwrap_or(0),
        encoded => encoded,
    };
    if bytes <= 2 * APPEND_BYTES {
        return rows.max(1);
    }
    (rows.saturating_mul(APPEND_BYTES) / bytes).clamp(1, 1 << 20)
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

/// A frame of some outgoing rows.
fn draft(
    outgoing: &Outgoing,
    (start, count): (usize, usize),
    is_numbered: bool,
) -> Result<Draft, AppendError> {
    let span = u32::try_from(count).unwrap_or(u32::MAX);
    let stamp = Stamp::Load {
        producer: outgoing.producer,
        first: outgoing.first + start as u64,
        span,
        rejected: 0,
    };
    let entries = vec![DraftEntry {
        partition: PartitionId(0),
        rows: span,
        stamp: is_numbered.then_some(stamp),
    }];
    let (stream, schema) = (outgoing.stream, outgoing.schema);
    let is_whole = count == outgoing.rows.num_rows() && !outgoing.body.is_empty();
    if is_whole {
        let rows = (outgoing.rows.clone(), outgoing.body.clone());
        return Ok(Draft::encoded(stream, schema, entries, rows));
    }
    let rows = outgoing.rows.slice(start, count);
    Draft::encode(stream, schema, entries, rows).map_err(|_arrow| AppendError::Shape {
        stream,
        reason: "rows of a view do not encode",
    })
}

#[cfg(test)]
mod tests;
