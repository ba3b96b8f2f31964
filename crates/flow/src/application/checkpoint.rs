//! Checkpoints: state, outgoing rows and the note become one redo file; then rows leave.

use std::{collections::BTreeMap, ops::ControlFlow, time::Duration};

use datafusion::arrow::array::RecordBatch;
use mainstem_kernel::{KeyId, PartitionId, Seq, StreamId, fault::chain};
use mainstem_log::{Append, AppendError, Draft, DraftEntry, Stamp, append_and_wait};
use mainstem_store::KeyRange;
use mainstem_table::{Checkpoint, Outgoing, Room, Sealed, StateDelta, TableError};

use super::Steps;
use crate::{
    errors::FlowError,
    note::{BuildNote, Note},
    state::StateChange,
    track::Track,
};

/// Rows of one append, in bytes of memory, about.
const APPEND_BYTES: usize = 4 << 20;
/// How long it waits after the disk or the log refused.
const PENANCE: Duration = Duration::from_millis(500);

/// A checkpoint between memory and the log.
#[derive(Debug)]
pub(super) enum Pending {
    /// Not on the disk yet.
    Sealed(Box<Sealed>, BTreeMap<StreamId, usize>),
    /// Rows are still to be appended.
    Unsent(u64, Vec<Unsent>),
}

/// Rows that are still to be appended.
#[derive(Debug)]
pub(super) struct Unsent {
    pub(super) rows: Outgoing,
    /// Batches that readers find beside the log until then.
    pub(super) batches: usize,
}

impl Steps {
    /// How long after the last checkpoint the next one is due.
    pub(super) fn checkpoint_pause(&self) -> Duration {
        match (&self.pending, self.outbox.is_empty()) {
            (Some(_), _) => PENANCE,
            (None, false) => self.config.outgoing_interval,
            (None, true) => self.config.checkpoint_interval,
        }
    }

    /// Takes a checkpoint if it is time, or there is no room for more changes.
    pub(super) fn checkpoint_if_due(&mut self, room: Room) -> Result<(), FlowError> {
        let since = self.clock.monotonic().saturating_sub(self.checkpointed);
        let is_due = since >= self.checkpoint_pause();
        let is_wanted = self.is_dirty || self.pending.is_some();
        if is_wanted && (is_due || room == Room::Full) {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Takes a checkpoint, or goes on with the last one, if that has not left yet.
    pub(super) fn checkpoint(&mut self) -> Result<(), FlowError> {
        self.checkpointed = self.clock.monotonic();
        if self.pending.is_none() && self.is_dirty {
            self.pending = Some(self.seal()?);
        }
        if let Some(Pending::Sealed(sealed, emitted)) = &self.pending {
            match self.tables.commit(sealed) {
                Ok(committed) => {
                    let unsent = committed.outgoing.into_iter().map(|rows| Unsent {
                        batches: emitted.get(&rows.stream).copied().unwrap_or(0),
                        rows,
                    });
                    self.application.status.lock().checkpoints += 1;
                    self.pending = Some(Pending::Unsent(committed.number, unsent.collect()));
                    self.let_go();
                }
                Err(error @ TableError::Disk { .. }) => {
                    let error = chain(&error);
                    tracing::warn!(error, "a checkpoint waits for the disk");
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(Pending::Unsent(number, unsent)) = self.pending.take() {
            self.send(number, unsent)?;
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<Pending, FlowError> {
        let mut state = StateDelta::default();
        let pointer = self.tables.pointer();
        for prefix in self.void.drain(..) {
            let mut keys = Vec::new();
            let mut visit = |key: &[u8], _: &[u8]| {
                keys.push(key.to_vec());
                ControlFlow::Continue(())
            };
            pointer.scan_state(&KeyRange::prefix(&prefix), &mut visit)?;
            keys.iter().try_for_each(|key| state.remove(key))?;
        }
        drop(pointer);
        let tracks = self.builds.iter_mut().map(|build| &mut build.track);
        for track in tracks.chain([&mut self.live]) {
            for unit in &mut track.units {
                for StateChange { key, value } in unit.view.checkpoint()? {
                    match value {
                        Some(value) => state.put(&key, &value)?,
                        None => state.remove(&key)?,
                    }
                }
            }
        }
        let outgoing = self.outbox.seal()?;
        let note = self.note().encode();
        let sealed = self.tables.seal(Checkpoint {
            state,
            outgoing,
            note,
        })?;
        self.is_dirty = false;
        let emitted = std::mem::take(&mut self.emitted);
        Ok(Pending::Sealed(Box::new(sealed), emitted))
    }

    fn note(&self) -> Note {
        let watermarks = |track: &Track| track.kept_watermarks().into_iter().collect();
        let builds = self.builds.iter().map(|build| BuildNote {
            view: build.def.id,
            at: build.track.at,
            watermarks: watermarks(&build.track),
            rows_read: build.track.rows_read,
        });
        let paused = self.paused.iter().map(|(id, at)| (*id, *at));
        let known = self.table_defs.keys().chain(self.view_defs.keys());
        Note {
            live: self.live.units.iter().map(|unit| unit.def.id).collect(),
            watermarks: watermarks(&self.live),
            builds: builds.collect(),
            paused: paused.collect(),
            numbers: self.outbox.numbers(),
            forgotten: self.forgotten.iter().copied().collect(),
            known: known.copied().collect(),
            ..Note::default()
        }
    }

    /// Lets go of state that the checkpoint has, beyond the limit.
    fn let_go(&mut self) {
        let builds = self.builds.iter_mut().map(|build| &mut build.track);
        let tracks = builds.chain([&mut self.live]);
        let mut units: Vec<_> = tracks.flat_map(|track| &mut track.units).collect();
        let share = self.config.state_size_max.as_usize() / units.len().max(1);
        for unit in &mut units {
            unit.view.let_go(share);
        }
        let lookups = self.live.lookups.values();
        let mut status = self.application.status.lock();
        status.lookup_rows = lookups.clone().map(|table| table.rows()).sum();
        status.lookup_bytes = lookups.map(|table| table.size()).sum();
    }

    /// Appends what is outgoing. What the log refuses for now is tried again.
    fn send(&mut self, number: u64, mut unsent: Vec<Unsent>) -> Result<(), FlowError> {
        while let Some(next) = unsent.first() {
            match self.append(&next.rows) {
                Ok(at) => {
                    let stream = next.rows.stream;
                    if self.view_defs.contains_key(&stream) {
                        self.tables.appended(stream, next.batches, at)?;
                    }
                    unsent.remove(0);
                }
                Err(error) if is_passing(&error) => {
                    let error = chain(&error);
                    tracing::warn!(error, "rows of views wait for the log");
                    self.pending = Some(Pending::Unsent(number, unsent));
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.tables.sent(number);
        Ok(())
    }

    /// Appends the rows that the log has not had; gives the seq of the last.
    fn append(&self, outgoing: &Outgoing) -> Result<Seq, AppendError> {
        let known = self.log.next_row(outgoing.stream, outgoing.producer);
        let rows = outgoing.rows.num_rows();
        let mut start = rows_had(outgoing, known);
        let bytes = outgoing.rows.get_array_memory_size().max(1);
        let each = (rows.saturating_mul(APPEND_BYTES) / bytes).clamp(1, 1 << 20);
        while start < rows {
            let count = each.min(rows - start);
            let part = outgoing.rows.slice(start, count);
            let first = outgoing.first + start as u64;
            append_and_wait(
                self.log.as_ref(),
                Append {
                    frames: vec![draft(outgoing, part, (first, known.is_some()))?],
                },
            )?;
            start += count;
        }
        Ok(self.log.frontier())
    }
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

/// A frame of outgoing rows. A log that has forgotten the sender takes its rows unnumbered.
fn draft(
    outgoing: &Outgoing,
    rows: RecordBatch,
    (first, is_known): (u64, bool),
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
        stamp: (is_known || first == 0).then_some(stamp),
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
