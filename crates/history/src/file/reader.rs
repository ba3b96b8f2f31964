//! Reads a Parquet file through `Disk`, one row group at a time. Never holds more than that.

use std::{
    io,
    path::{Path, PathBuf},
};

use arrow::{
    array::{RecordBatch, RecordBatchReader},
    compute::concat_batches,
    error::ArrowError,
};
use bytes::{Buf, Bytes};
use mainstem_disk::{Disk, OpenMode, SharedFile};
use mainstem_kernel::ByteSize;
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
    },
    errors::{ParquetError, Result},
    file::reader::{ChunkReader, Length},
};

use super::{GROUP_ROWS_MAX, parquet_error};
use crate::errors::{HistoryError, disk_error};

/// The row groups of a file, in order.
#[derive(Debug)]
pub(crate) struct GroupReader {
    path: PathBuf,
    reader: DiskReader,
    metadata: ArrowReaderMetadata,
    /// Columns that are read, as indices of the file's; all if there is none.
    columns: Option<Vec<usize>>,
    next: usize,
}

impl GroupReader {
    /// Opens a file and reads its footer.
    pub(crate) fn open(disk: &dyn Disk, path: &Path) -> Result<Self, HistoryError> {
        let file = disk
            .open(path, OpenMode::Read)
            .map_err(disk_error("open", path))?;
        let len = file.len().map_err(disk_error("read", path))?;
        let reader = DiskReader { file, len };
        let metadata = ArrowReaderMetadata::load(&reader, ArrowReaderOptions::new())
            .map_err(parquet_error(path))?;
        Ok(Self {
            path: path.to_owned(),
            reader,
            metadata,
            columns: None,
            next: 0,
        })
    }

    /// Reads only these columns from now on; those that the file does not have are left out.
    pub(crate) fn project(&mut self, names: &[&str]) {
        let schema = self.metadata.schema();
        let mut columns: Vec<usize> = names
            .iter()
            .filter_map(|name| schema.index_of(name).ok())
            .collect();
        columns.sort_unstable();
        self.columns = Some(columns);
    }

    /// The next row group as one batch; `None` after the last.
    pub(crate) fn next_group(&mut self) -> Result<Option<RecordBatch>, HistoryError> {
        if self.next >= self.metadata.metadata().num_row_groups() {
            return Ok(None);
        }
        let metadata = self.metadata.clone();
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.reader.clone(), metadata)
                .with_row_groups(vec![self.next])
                .with_batch_size(GROUP_ROWS_MAX);
        let builder = match &self.columns {
            None => builder,
            Some(columns) => {
                let mask = ProjectionMask::roots(builder.parquet_schema(), columns.clone());
                builder.with_projection(mask)
            }
        };
        self.next += 1;
        let batches = builder.build().and_then(|reader| {
            let schema = reader.schema();
            let batches = reader.collect::<Result<Vec<_>, ArrowError>>()?;
            Ok(concat_batches(&schema, &batches)?)
        });
        batches.map(Some).map_err(parquet_error(&self.path))
    }
}

#[derive(Clone, Debug)]
struct DiskReader {
    file: SharedFile,
    len: u64,
}

impl Length for DiskReader {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for DiskReader {
    type T = bytes::buf::Reader<Bytes>;

    /// Hands out a page header's worth; the library asks for page headers only this way.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        let left = ByteSize(self.len.saturating_sub(start)).as_usize();
        Ok(self.get_bytes(start, left.min(64 << 10))?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let end = start.checked_add(ByteSize::from(length).0);
        if end.is_none_or(|end| end > self.len) {
            return Err(ParquetError::EOF(format!(
                "{length} bytes at {start}, of {}",
                self.len
            )));
        }
        let mut bytes = vec![0; length];
        self.file
            .read_at(&mut bytes, start)
            .map_err(|error: io::Error| error)?;
        Ok(bytes.into())
    }
}
