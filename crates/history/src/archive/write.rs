//! One read of the log on its way into the open file, and that file's end.

use arrow::array::RecordBatch;
use mainstem_kernel::Seq;
use mainstem_log::{Chunk, Frame, ReadError, ReadFrom};

use crate::{
    delta::entry::Operation,
    errors::HistoryError,
    file::{FileWriter, GROUP_ROWS_MAX, NewFile, remove_quietly},
    table::{Commit, Inner},
};

/// Bytes that are read from the log at a time.
const READ_BYTES: usize = 8 << 20;

impl Inner {
    /// Reads on from the cursor, writes full row groups, and closes the file if it is time.
    pub(super) fn read_and_write(&mut self) -> Result<(), HistoryError> {
        let group_bytes = usize::try_from(self.group_bytes_max()).unwrap_or(usize::MAX);
        let chunk = self.read_log(READ_BYTES.min(group_bytes))?;
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

    fn read_log(&self, bytes_max: usize) -> Result<Chunk, HistoryError> {
        let from = ReadFrom {
            after: self.archive.cursor,
            through: Seq::MAX,
            bytes_max,
        };
        let stream = || self.name.clone();
        self.shared
            .log
            .read(self.stream, from)
            .map_err(|source| match source {
                ReadError::Trimmed { trimmed, .. } => HistoryError::Gap {
                    stream: stream(),
                    archived: self.state.archived,
                    trimmed,
                },
                source => HistoryError::Log {
                    stream: stream(),
                    source,
                },
            })
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

    /// Writes the buffer as one row group, into a new file if none is open.
    fn write_group(&mut self) -> Result<(), HistoryError> {
        let seqs = self.archive.buffer.seqs();
        let mut sorted = self.archive.buffer.take_sorted();
        loop {
            let batch = sorted.next_batch(&self.file_schema);
            let Some(batch) = batch.map_err(|source| self.arrange_error(source))? else {
                break;
            };
            if self.archive.open.is_none() {
                self.archive.open = Some(self.create_file(seqs.0, &batch)?);
            }
            if let Some(open) = &mut self.archive.open {
                open.append(&batch)?;
            }
        }
        if let Some(open) = &mut self.archive.open {
            open.end_group(seqs)?;
        }
        self.archive.written = seqs.1;
        Ok(())
    }

    fn create_file(
        &mut self,
        first: Seq,
        sample: &RecordBatch,
    ) -> Result<FileWriter, HistoryError> {
        let day = first.arrival().days();
        let path = self.new_path(day, first);
        let new = NewFile {
            folder: &self.folder,
            path,
            day,
            columns: &self.columns,
            schema: &self.file_schema,
        };
        FileWriter::create(&self.shared.disk, new, sample)
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

    fn arrange_error(&self, source: arrow::error::ArrowError) -> HistoryError {
        HistoryError::Arrange {
            stream: self.name.clone(),
            source,
        }
    }
}
