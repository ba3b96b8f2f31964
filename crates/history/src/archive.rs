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

use std::{sync::atomic::Ordering, time::Duration};

use mainstem_kernel::{ByteSize, Fault, Seq, metrics::ReasonLabel};
use mainstem_log::{Extent, Frame, ReadError, ReadFrom};

use crate::{
    delta::entry::Operation,
    errors::HistoryError,
    file::{FileWriter, GROUP_ROWS_MAX, NewFile, remove_quietly},
    rows::RowBuffer,
    table::{Commit, Inner},
};

/// Ages at which a file closes, each with the bytes that it must have.
const CLOSES: [(Duration, u64); 3] = [
    (Duration::from_secs(10 * 60), 64 << 20),
    (Duration::from_secs(60 * 60), 1 << 20),
    (Duration::from_secs(6 * 60 * 60), 0),
];
/// Bytes that are read from the log at a time.
const READ_BYTES: usize = 8 << 20;
/// Bytes of rows in a row group at most, so that offsets of texts fit 32 bits.
const GROUP_BYTES_MAX: u64 = 256 << 20;
/// How long a failed stream rests.
const RETRY: Duration = Duration::from_secs(1);
/// The same where haste does not help.
const RETRY_LATE: Duration = Duration::from_secs(60);

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

    /// Reads on from the cursor, writes full row groups, and closes the file if it is time.
    fn read_and_write(&mut self) -> Result<(), HistoryError> {
        let group_bytes = usize::try_from(self.group_bytes_max()).unwrap_or(usize::MAX);
        let after = self.archive.cursor;
        let from = ReadFrom {
            after,
            through: Seq::MAX,
            bytes_max: READ_BYTES.min(group_bytes),
        };
        let chunk = self
            .shared
            .log
            .read(self.stream, from)
            .map_err(|source| match source {
                ReadError::Trimmed { trimmed, .. } => {
                    let (stream, archived) = (self.name.clone(), self.state.archived);
                    HistoryError::Gap {
                        stream,
                        archived,
                        trimmed,
                    }
                }
                source => HistoryError::Log {
                    stream: self.name.clone(),
                    source,
                },
            })?;
        let mut undeclared = None;
        for frame in &chunk.frames {
            if let Err(error) = self.take_frame(frame, group_bytes) {
                if !matches!(error, HistoryError::Undeclared { .. }) {
                    return Err(error);
                }
                undeclared = Some(error);
                break;
            }
        }
        let reached = self.archive.closing.is_some_and(|closing| {
            self.archive.cursor >= closing || chunk.is_end || undeclared.is_some()
        });
        if reached {
            self.close_file()?;
        }
        undeclared.map_or(Ok(()), Err)
    }

    /// Takes one frame into the buffer; before that writes and closes what it does not fit into.
    fn take_frame(&mut self, frame: &Frame, group_bytes: usize) -> Result<(), HistoryError> {
        if !self.mappings.contains_key(&frame.schema) {
            let (stream, version) = (self.name.clone(), frame.schema);
            return Err(HistoryError::Undeclared { stream, version });
        }
        let day = frame.seq.arrival().days();
        if self.current_day().is_some_and(|current| current != day) {
            self.close_file()?;
        }
        let buffer = &self.archive.buffer;
        let rows = frame.batch.num_rows();
        if !buffer.is_empty() && buffer.rows() + rows > GROUP_ROWS_MAX {
            self.write_group()?;
        }
        if let Some(mapping) = self.mappings.get(&frame.schema) {
            let pushed = self.archive.buffer.push(frame, mapping);
            pushed.map_err(|source| self.arrange_error(source))?;
        }
        self.archive.cursor = frame.seq;
        self.archive.taken += rows as u64;
        let buffer = &self.archive.buffer;
        if buffer.rows() >= GROUP_ROWS_MAX || buffer.bytes() >= group_bytes {
            self.write_group()?;
        }
        let open = self.archive.open.as_ref().map_or(0, FileWriter::bytes);
        if open >= self.shared.config.file_size_max.0 {
            self.close_file()?;
        }
        Ok(())
    }

    /// Day of the rows that are not committed yet; all have the same.
    fn current_day(&self) -> Option<i64> {
        let buffer = &self.archive.buffer;
        let buffered = (!buffer.is_empty()).then(|| buffer.seqs().0.arrival().days());
        self.archive.open.as_ref().map(FileWriter::day).or(buffered)
    }

    fn write_group(&mut self) -> Result<(), HistoryError> {
        let seqs = self.archive.buffer.seqs();
        let sorted = self.archive.buffer.take_sorted(&self.file_schema);
        let batch = sorted.map_err(|source| self.arrange_error(source))?;
        if self.archive.open.is_none() {
            let day = seqs.0.arrival().days();
            let path = self.new_path(day, seqs.0);
            let new = NewFile {
                folder: &self.folder,
                path,
                day,
                columns: &self.columns,
                schema: &self.file_schema,
            };
            self.archive.open = Some(FileWriter::create(&self.shared.disk, new, &batch)?);
        }
        if let Some(open) = &mut self.archive.open {
            open.write(&batch, seqs)?;
        }
        self.archive.written = seqs.1;
        Ok(())
    }

    /// Commits everything up to the cursor, then gives it up in the log.
    pub(crate) fn close_file(&mut self) -> Result<(), HistoryError> {
        self.archive.closing = None;
        if !self.archive.buffer.is_empty() {
            self.write_group()?;
        }
        let archived = self.archive.cursor;
        if archived <= self.state.archived {
            return Ok(());
        }
        let mut commit = Commit {
            archived: Some(archived),
            ..Commit::new(Operation::Archive)
        };
        // Frames without rows move the cursor and make no file.
        if let Some(open) = self.archive.open.take() {
            commit.adds.push(open.finish()?.into());
        }
        let added = commit.adds.clone();
        if let Err(error) = self.commit(commit) {
            // In doubt it may belong to the table: then the next start decides.
            if self.stopped.is_none() {
                for file in added {
                    remove_quietly(self.shared.disk.as_ref(), &self.folder.join(&file.path));
                }
            }
            return Err(error);
        }
        self.archive.taken = 0;
        self.archive.written = archived;
        let metrics = &self.shared.metrics;
        for file in added {
            metrics.archived_rows.inc_by(file.rows);
            metrics.archived_bytes.inc_by(file.size);
            metrics.archived_files.inc();
        }
        self.shared.log.trim(self.stream, archived);
        Ok(())
    }

    /// Gives the open file and the buffer up; their rows are read again.
    pub(crate) fn give_up_open_file(&mut self) {
        if let Some(open) = self.archive.open.take() {
            open.discard();
        }
        self.archive.restart(self.state.archived);
    }

    /// Notes a failure: it is counted, logged, and the stream rests.
    pub(crate) fn fail(&mut self, error: &HistoryError) {
        self.give_up_open_file();
        let rest = if error.is_passing() {
            RETRY
        } else {
            RETRY_LATE
        };
        self.retry_at = self.shared.clock.monotonic() + rest;
        self.count_failure(error);
    }

    /// The same for upkeep and compaction, which can wait.
    pub(crate) fn note_failure(&mut self, error: &HistoryError) {
        self.upkeep_retry_at = self.shared.clock.monotonic() + RETRY_LATE;
        self.count_failure(error);
    }

    fn count_failure(&self, error: &HistoryError) {
        let code = error.answer().code;
        let label = ReasonLabel {
            reason: code.as_str().to_owned(),
        };
        self.shared
            .metrics
            .history_failures
            .get_or_create(&label)
            .inc();
        let chain = mainstem_kernel::fault::chain(error);
        tracing::warn!(stream = %self.name, %code, error = chain, "history work failed");
    }

    fn arrange_error(&self, source: arrow::error::ArrowError) -> HistoryError {
        HistoryError::Arrange {
            stream: self.name.clone(),
            source,
        }
    }
}
