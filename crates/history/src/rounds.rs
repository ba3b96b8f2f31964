//! Rounds of work over all tables: each call does a bounded piece and says whether it did any.
//! Never waits.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use mainstem_kernel::{ByteSize, StreamId};
use mainstem_log::Extent;

use crate::{
    History,
    archive::Step,
    compact::{self, Compaction, Progress},
    errors::HistoryError,
    table::{Inner, Table},
};

/// Steps of archiving in one call at most.
const STEPS_MAX: usize = 16;
/// After this time a call takes no further step.
const CALL_TIME: Duration = Duration::from_millis(50);
/// While archiving is busy, compaction does a step this often.
const COMPACT_WHEN_BUSY: Duration = Duration::from_millis(500);
/// Every table is looked after this often.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// Tables that one call looks after at most.
const UPKEEP_TABLES: usize = 256;
/// Memory of a file that is being written: its write buffer and its footer.
const OPEN_FILE_BYTES: u64 = 2 << 20;

/// Where the rounds are.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    /// The stream that was archived last.
    last: StreamId,
    /// Streams whose files close although they are not due.
    pressed: BTreeSet<StreamId>,
    /// Tables that are still to be looked after in this round.
    upkeep: VecDeque<StreamId>,
    /// When the next round begins, by the monotonic clock.
    upkeep_at: Duration,
    compaction: Option<Compaction>,
    /// When its next step is, by the monotonic clock, while archiving is busy.
    compact_at: Duration,
}

impl Rounds {
    /// Gives up what is under way for a stream.
    pub(crate) fn forget(&mut self, stream: StreamId) {
        if let Some(compaction) = self.compaction.as_mut().filter(|c| c.stream == stream) {
            compaction.discard();
            self.compaction = None;
        }
    }
}

impl History {
    /// One call of `work`.
    pub(crate) fn round(&self) -> bool {
        let mut rounds = self.rounds.lock();
        let archived = self.archive_round(&mut rounds);
        let compacted = self.compact_round(&mut rounds, archived);
        let kept = self.upkeep_round(&mut rounds);
        archived || compacted || kept
    }

    fn archive_round(&self, rounds: &mut Rounds) -> bool {
        let start = self.shared.clock.monotonic();
        let mut extents = self.shared.log.extents();
        if self.pressed.swap(false, Ordering::Relaxed) {
            rounds.pressed = extents.iter().map(|(stream, _)| *stream).collect();
        }
        extents.sort_unstable_by_key(|(stream, _)| *stream);
        // Everybody's turn comes: go on behind the last one.
        let split = extents.partition_point(|(stream, _)| *stream <= rounds.last);
        extents.rotate_left(split);
        let mut steps = 0;
        for (stream, extent) in &extents {
            let Some(table) = self.table(*stream) else {
                continue;
            };
            let is_pressed = rounds.pressed.remove(stream);
            if self.archive_table(&table, extent, is_pressed) == Step::Worked {
                steps += 1;
            }
            rounds.last = *stream;
            if steps >= STEPS_MAX || self.shared.clock.monotonic() >= start + CALL_TIME {
                break;
            }
        }
        self.close_largest();
        steps > 0
    }

    fn archive_table(&self, table: &Table, extent: &Extent, is_pressed: bool) -> Step {
        // Whoever holds the lock is flushing it, or waits for the disk: the others need not.
        let Some(mut inner) = table.inner.try_lock() else {
            return Step::Idle;
        };
        let step = if is_pressed {
            match inner.archive_through(extent.last) {
                Ok(()) => Step::Worked,
                Err(_counted) => Step::Idle,
            }
        } else {
            inner.archive_step(extent)
        };
        table.publish(&inner);
        step
    }

    /// Closes the largest open file when there are more than the memory allows.
    fn close_largest(&self) {
        let limit = (self.shared.config.memory_max.0 / 2 / OPEN_FILE_BYTES).max(1);
        let tables = self.tables.read();
        let open = |table: &&Arc<Table>| table.open_bytes.load(Ordering::Relaxed) > 0;
        let count = ByteSize::from(tables.values().filter(open).count()).0;
        if count <= limit {
            return;
        }
        let size = |table: &&Arc<Table>| table.open_bytes.load(Ordering::Relaxed);
        if let Some(table) = tables.values().max_by_key(size)
            && let Some(mut inner) = table.inner.try_lock()
        {
            if let Err(error) = inner.close_file() {
                inner.fail(&error);
            }
            table.publish(&inner);
        }
    }

    /// A step of the compaction, and only now and then while archiving has more than it can do.
    fn compact_round(&self, rounds: &mut Rounds, is_busy: bool) -> bool {
        let now = self.shared.clock.monotonic();
        if is_busy && now < rounds.compact_at {
            return false;
        }
        rounds.compact_at = now + COMPACT_WHEN_BUSY;
        let Some(compaction) = &mut rounds.compaction else {
            return false;
        };
        let Some(table) = self.table(compaction.stream) else {
            compaction.discard();
            rounds.compaction = None;
            return true;
        };
        let Some(mut inner) = table.inner.try_lock() else {
            return false;
        };
        let progress = compaction.step(&mut inner);
        if !matches!(progress, Ok(Progress::Going)) {
            compaction.discard();
            rounds.compaction = None;
        }
        if let Err(error) = progress {
            inner.note_failure(&error);
        }
        table.publish(&inner);
        true
    }

    fn upkeep_round(&self, rounds: &mut Rounds) -> bool {
        let now = self.shared.clock.monotonic();
        if rounds.upkeep.is_empty() && now >= rounds.upkeep_at {
            rounds.upkeep = self.tables.read().keys().copied().collect();
            rounds.upkeep_at = now + UPKEEP_EVERY;
            let bytes = i64::try_from(self.totals().bytes).unwrap_or(i64::MAX);
            self.shared.metrics.history_bytes.set(bytes);
        }
        for _ in 0..UPKEEP_TABLES {
            let Some(stream) = rounds.upkeep.pop_front() else {
                break;
            };
            let Some(table) = self.table(stream) else {
                continue;
            };
            let Some(mut inner) = table.inner.try_lock() else {
                continue;
            };
            if self.shared.clock.monotonic() < inner.upkeep_retry_at {
                continue;
            }
            let worked = match look_after(&mut inner, rounds) {
                Ok(worked) => worked,
                Err(error) => {
                    inner.note_failure(&error);
                    false
                }
            };
            table.publish(&inner);
            if worked {
                // There may be more to do: come back in this round.
                rounds.upkeep.push_back(stream);
                return true;
            }
        }
        !rounds.upkeep.is_empty()
    }
}

/// Retention, checkpoint, deletion; and a compaction if none is under way.
fn look_after(inner: &mut Inner, rounds: &mut Rounds) -> Result<bool, HistoryError> {
    if inner.keep_up()? {
        return Ok(true);
    }
    if rounds.compaction.is_some() || inner.stopped.is_some() {
        return Ok(false);
    }
    let today = inner.shared.clock.now().days();
    let files: Vec<_> = inner.state.files.values().cloned().collect();
    let plan = compact::plan(&files, today, inner.shared.config.file_size_max.0);
    let is_found = plan.is_some();
    rounds.compaction = plan.map(|inputs| Compaction::begin(inner, inputs));
    Ok(is_found)
}
