//! From the log to a closed file: what is due is read, sorted, written, committed, and only then
//! given up in the log. Never touches a table's other files.
//!
//! # When a file closes
//!
//! | when | holds at least |
//! |---|---|
//! | it reached `file_size_max` | |
//! | its day is over and the next day's first row is read | |
//! | its oldest row arrived 10 minutes ago | 64 MiB |
//! | 1 hour ago | 1 MiB |
//! | 6 hours ago | |
//! | `flush`, `press`, or too many files are open | |
//!
//! What is still in the log counts with half of its journal bytes, which is what Parquet makes of
//! it. A stream is read only when a whole row group is waiting or its file is due, so slow streams
//! take no memory.
//!
//! # Crashes
//!
//! A file counts from its Delta entry on, which also holds the greatest archived seq. A file
//! without an entry is removed at the next start, and its rows, still in the log, are read again.

mod write;

use std::{sync::atomic::Ordering, time::Duration};

use mainstem_kernel::{ByteSize, Seq};
use mainstem_log::Extent;

use crate::{
    errors::HistoryError,
    file::{FileWriter, GROUP_ROWS_MAX},
    rows::RowBuffer,
    table::Inner,
};

/// Ages at which a file closes, each with the bytes that it must have.
const CLOSES: [(Duration, u64); 3] = [
    (Duration::from_secs(10 * 60), 64 << 20),
    (Duration::from_secs(60 * 60), 1 << 20),
    (Duration::from_secs(6 * 60 * 60), 0),
];
/// Bytes of rows in a row group at most, so that offsets of texts fit 32 bits.
const GROUP_BYTES_MAX: u64 = 256 << 20;

/// How far a stream's archiving is.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    /// Everything up to here is in files, in `open`, or in `buffer`.
    cursor: Seq,
    /// The same without `buffer`.
    written: Seq,
    /// Rows that wait for their row group.
    buffer: RowBuffer,
    /// The file that is being written.
    pub(crate) open: Option<FileWriter>,
    /// Rows in `open` and `buffer`: those are in the log's extent too.
    taken: u64,
    /// The file closes when it has everything up to here.
    closing: Option<Seq>,
}

impl Archive {
    /// Begins behind what is archived.
    pub(crate) fn restart(&mut self, archived: Seq) {
        *self = Self {
            cursor: archived,
            written: archived,
            ..Self::default()
        };
    }

    /// Lets go of rows that wait for a row group: the log still has them.
    fn let_go(&mut self) {
        self.taken = self.taken.saturating_sub(self.buffer.rows() as u64);
        self.buffer.clear();
        self.cursor = self.written;
    }

    /// Bytes of rows that wait for their row group.
    pub(crate) fn buffered(&self) -> u64 {
        ByteSize::from(self.buffer.bytes()).0
    }

    /// Rows and journal bytes of the log that were not read yet.
    fn waiting(&self, extent: &Extent) -> (u64, u64) {
        let rows = extent.rows.saturating_sub(self.taken);
        let bytes = u128::from(extent.bytes) * u128::from(rows) / u128::from(extent.rows.max(1));
        (rows, u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is nothing to do now.
    Idle,
    /// Something was done; there may be more.
    Worked,
}

impl Inner {
    /// Does a bounded piece of what is due: reads until a row group is written, or to the end.
    /// A failure is counted, the open file given up, and the stream rests for a second.
    pub(crate) fn archive_step(&mut self, extent: &Extent) -> Step {
        if self.stopped.is_some() || self.shared.clock.monotonic() < self.retry_at {
            return Step::Idle;
        }
        match self.try_step(extent) {
            Ok(step) => step,
            Err(error) => {
                self.fail(&error);
                Step::Idle
            }
        }
    }

    /// Archives everything up to `through`, however small the file.
    pub(crate) fn archive_through(&mut self, through: Seq) -> Result<(), HistoryError> {
        self.check_open()?;
        while self.state.archived < through {
            let before = self.progress();
            self.archive.closing = Some(through);
            if let Err(error) = self.read_and_write() {
                self.fail(&error);
                return Err(error);
            }
            if self.progress() == before {
                break;
            }
        }
        Ok(())
    }

    fn try_step(&mut self, extent: &Extent) -> Result<Step, HistoryError> {
        if extent.last <= self.state.archived {
            return Ok(Step::Idle);
        }
        let before = self.progress();
        if self.archive.closing.is_none() && self.is_due(extent) {
            self.archive.closing = Some(extent.last);
        } else if self.archive.closing.is_none() && !self.fills_group(extent) {
            return Ok(Step::Idle);
        }
        loop {
            let (progress, written) = (self.progress(), self.archive.written);
            self.read_and_write()?;
            let has_written = self.archive.written != written;
            if has_written || self.progress() == progress || !self.fills_group(extent) {
                break;
            }
        }
        if self.archive.closing.is_none() && self.holds_too_much() {
            self.archive.let_go();
        }
        Ok(if self.progress() == before {
            Step::Idle
        } else {
            Step::Worked
        })
    }

    fn progress(&self) -> (Seq, Seq) {
        (self.state.archived, self.archive.cursor)
    }

    fn is_due(&self, extent: &Extent) -> bool {
        let oldest = extent.first.max(self.state.archived);
        let age = self.shared.clock.now().since(oldest.arrival());
        let open = self.archive.open.as_ref().map_or(0, FileWriter::bytes);
        let bytes = open + self.archive.waiting(extent).1 / 2;
        CLOSES
            .iter()
            .any(|(after, least)| age >= *after && bytes >= *least)
    }

    /// Whether what is buffered and what waits make a row group.
    fn fills_group(&self, extent: &Extent) -> bool {
        let (rows, bytes) = self.archive.waiting(extent);
        let buffer = &self.archive.buffer;
        rows + buffer.rows() as u64 >= GROUP_ROWS_MAX as u64
            || bytes + buffer.bytes() as u64 >= self.group_bytes_max()
    }

    /// Whether rows that wait for their row group, over all tables, take more than their share.
    fn holds_too_much(&self) -> bool {
        let others = self.shared.buffered.load(Ordering::Relaxed);
        others + self.archive.buffered() > self.shared.config.memory_max.0 / 4
    }

    /// A quarter of the memory, for a group is held twice while it is sorted.
    fn group_bytes_max(&self) -> u64 {
        (self.shared.config.memory_max.0 / 4).clamp(1 << 20, GROUP_BYTES_MAX)
    }

    /// Gives the open file and the buffer up; their rows are read again.
    pub(crate) fn give_up_open_file(&mut self) {
        if let Some(open) = self.archive.open.take() {
            open.discard();
        }
        self.archive.restart(self.state.archived);
    }
}
