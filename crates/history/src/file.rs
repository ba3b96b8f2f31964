//! One Parquet file: written row group by row group through `Disk`, synced, and read back.
//! Never decides which rows go into it, and never names it in a table.

mod dictionary;
mod reader;
mod stats;

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{Array, Float32Array, Float64Array, RecordBatch},
    datatypes::SchemaRef,
};
use mainstem_disk::{Disk, OpenMode, SharedDisk, SharedFile};
use mainstem_kernel::{ByteSize, Seq};
use parquet::{arrow::ArrowWriter, errors::ParquetError};

pub(crate) use reader::GroupReader;

use crate::{
    columns::TableColumns,
    errors::{HistoryError, disk_error},
    pinned::DataFile,
};

/// Rows of a row group at most.
pub(crate) const GROUP_ROWS_MAX: usize = 512 << 10;
/// Bytes that are gathered before they are handed to the disk.
const WRITE_BYTES: usize = 1 << 20;
/// Bytes after which a file is synced while it is written, so that the last sync is short and
/// does not stand in the way of the journal's.
const SYNC_BYTES: u64 = 32 << 20;

/// Where a new file is made, and for whom.
#[derive(Debug)]
pub(crate) struct NewFile<'a> {
    /// The table's folder.
    pub(crate) folder: &'a Path,
    /// Path below it.
    pub(crate) path: String,
    /// Arrival day of all rows.
    pub(crate) day: i64,
    /// Columns of its batches.
    pub(crate) columns: &'a TableColumns,
    /// Their schema.
    pub(crate) schema: &'a SchemaRef,
}

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct FileWriter {
    disk: SharedDisk,
    folder: PathBuf,
    path: String,
    day: i64,
    columns: TableColumns,
    writer: ArrowWriter<Sink>,
    rows: u64,
    seqs: Option<(Seq, Seq)>,
    with_nan: BTreeSet<String>,
}

impl FileWriter {
    /// Makes the file. Its encodings are chosen by `sample`, its first rows.
    pub(crate) fn create(
        disk: &SharedDisk,
        new: NewFile<'_>,
        sample: &RecordBatch,
    ) -> Result<Self, HistoryError> {
        let full = new.folder.join(&new.path);
        let parent = full.parent().unwrap_or(new.folder);
        make_dirs(disk.as_ref(), parent)?;
        let file = disk
            .open(&full, OpenMode::CreateNew)
            .map_err(disk_error("create", &full))?;
        let properties = dictionary::properties(sample);
        let sink = Sink {
            file,
            offset: 0,
            synced: 0,
            buffer: Vec::with_capacity(WRITE_BYTES),
        };
        let writer = ArrowWriter::try_new(sink, Arc::clone(new.schema), Some(properties))
            .map_err(parquet_error(&full))?;
        Ok(Self {
            disk: Arc::clone(disk),
            folder: new.folder.to_owned(),
            path: new.path,
            day: new.day,
            columns: new.columns.clone(),
            writer,
            rows: 0,
            seqs: None,
            with_nan: BTreeSet::new(),
        })
    }

    /// Arrival day of its rows.
    pub(crate) fn day(&self) -> i64 {
        self.day
    }

    /// Bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        ByteSize::from(self.writer.bytes_written()).0
    }

    /// Writes rows that follow those before in the order of (`_partition`, `_offset`).
    pub(crate) fn append(&mut self, batch: &RecordBatch) -> Result<(), HistoryError> {
        let written = self.writer.write(batch);
        written.map_err(parquet_error(&self.full_path()))?;
        self.rows += ByteSize::from(batch.num_rows()).0;
        note_nan(batch, &mut self.with_nan);
        Ok(())
    }

    /// Ends the row group; its seqs are in `first..=last`.
    pub(crate) fn end_group(&mut self, (first, last): (Seq, Seq)) -> Result<(), HistoryError> {
        let ended = self.writer.flush();
        ended.map_err(parquet_error(&self.full_path()))?;
        self.seqs = Some((self.seqs.map_or(first, |(first, _)| first), last));
        Ok(())
    }

    /// Writes the footer, syncs the file and its name. On an error the file is removed.
    pub(crate) fn finish(mut self) -> Result<DataFile, HistoryError> {
        match self.try_finish() {
            Ok(file) => Ok(file),
            Err(error) => {
                self.discard();
                Err(error)
            }
        }
    }

    fn try_finish(&mut self) -> Result<DataFile, HistoryError> {
        let full = self.full_path();
        let metadata = self.writer.finish().map_err(parquet_error(&full))?;
        let sink = self.writer.inner_mut();
        sink.close().map_err(disk_error("write", &full))?;
        let size = sink.offset;
        let parent = full.parent().unwrap_or(&self.folder);
        self.disk
            .sync_dir(parent)
            .map_err(disk_error("sync", parent))?;
        let (first_seq, last_seq) = self.seqs.unwrap_or_default();
        Ok(DataFile {
            path: self.path.clone(),
            size,
            rows: self.rows,
            day: self.day,
            first_seq,
            last_seq,
            stats: stats::collect(&metadata, &self.columns, &self.with_nan),
        })
    }

    /// Gives the file up. What cannot be removed now is removed at the next start.
    pub(crate) fn discard(self) {
        remove_quietly(self.disk.as_ref(), &self.full_path());
    }

    fn full_path(&self) -> PathBuf {
        self.folder.join(&self.path)
    }
}

/// Removes a file that no table names. What cannot be removed now is removed at the next start.
pub(crate) fn remove_quietly(disk: &dyn Disk, path: &Path) {
    if let Err(error) = disk.remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "left a file behind until the next start");
    }
}

/// Creates a directory and its parents. One whose name could not be synced is removed again, for
/// the next attempt would take it as it is.
pub(crate) fn make_dirs(disk: &dyn Disk, path: &Path) -> Result<(), HistoryError> {
    let made = disk.create_dirs(path);
    if made.is_err()
        && let Err(error) = disk.remove_dirs(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "left a directory behind");
    }
    made.map_err(disk_error("create", path))
}

/// Puts the path of a Parquet file to what the library says.
pub(crate) fn parquet_error(path: &Path) -> impl FnOnce(ParquetError) -> HistoryError {
    let path = path.to_owned();
    move |source| HistoryError::Parquet { path, source }
}

/// Remembers the columns that hold NaN: their bounds mean nothing.
fn note_nan(batch: &RecordBatch, with_nan: &mut BTreeSet<String>) {
    for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let array = array.as_any();
        let holds = if let Some(array) = array.downcast_ref::<Float64Array>() {
            array.values().iter().any(|value| value.is_nan())
        } else if let Some(array) = array.downcast_ref::<Float32Array>() {
            array.values().iter().any(|value| value.is_nan())
        } else {
            false
        };
        if holds && !with_nan.contains(field.name()) {
            with_nan.insert(field.name().clone());
        }
    }
}

/// Gathers small writes into large ones, and syncs as it goes.
#[derive(Debug)]
struct Sink {
    file: SharedFile,
    offset: u64,
    synced: u64,
    buffer: Vec<u8>,
}

impl Sink {
    fn write_out(&mut self) -> io::Result<()> {
        self.file.write_at(&self.buffer, self.offset)?;
        self.offset += ByteSize::from(self.buffer.len()).0;
        self.buffer.clear();
        if self.offset - self.synced >= SYNC_BYTES {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.synced = self.offset;
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        self.write_out()?;
        self.sync()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= WRITE_BYTES {
            self.write_out()?;
        }
        Ok(bytes.len())
    }

    /// Nothing: `close` hands everything to the disk.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
