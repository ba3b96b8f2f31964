//! The stages of admission one by one, for measurements, fuzzing and tests. It never touches
//! the log: serving goes through [`Admission`](crate::Admission).

use arrow::{array::RecordBatch, error::ArrowError};
use bytes::Bytes;
use mainstem_catalog::StreamDef;
use mainstem_kernel::Timestamp;

use crate::{
    AdmitError, Format, Reject,
    decode::{PartLimit, Progress, Rows, Source},
    letters::Letters,
    sheet::{Route, Run, Sheet},
};

/// Decodes and sorts the rows of one stream.
#[derive(Debug)]
pub struct Stages {
    rows: Rows,
    latest: Timestamp,
    letters: Letters,
    keys: Vec<usize>,
    partitions: u16,
}

/// What a body became.
#[derive(Debug)]
pub struct Decoded {
    /// Accepted rows, in order.
    pub batch: RecordBatch,
    /// The first rejected rows.
    pub rejects: Vec<Reject>,
    /// Rejected rows in all.
    pub rejected: usize,
}

/// Rows in the order of the log, with the rows of each run of one partition.
#[derive(Debug)]
pub struct Sorted {
    /// The rows.
    pub batch: RecordBatch,
    /// Partition and number of rows of each run.
    pub runs: Vec<(u16, u32)>,
}

impl Stages {
    /// For rows of `stream`, with event times up to `latest`.
    #[must_use]
    pub fn new(stream: &StreamDef, latest: Timestamp) -> Self {
        let spec = &stream.spec;
        let place = |name: &_| {
            spec.columns
                .0
                .iter()
                .position(|column| column.name == *name)
        };
        let rows = Rows::new(stream);
        Self {
            rows,
            latest,
            letters: Letters::default(),
            keys: spec.partition_by.iter().filter_map(place).collect(),
            partitions: spec.partitions,
        }
    }

    /// Decodes whole bodies into one batch, in parts of at most `rows_max` rows.
    ///
    /// # Errors
    /// When a body cannot be read as a whole, or Arrow refuses the rows.
    pub fn decode(
        &mut self,
        format: Format,
        bodies: &[Bytes],
        rows_max: usize,
    ) -> Result<Decoded, AdmitError> {
        let limit = PartLimit {
            rows_max,
            bytes_max: 64 << 20,
        };
        let mut pieces = Vec::new();
        self.rows
            .begin(self.latest, bodies.iter().map(Bytes::len).sum());
        let encode = crate::errors::encode;
        for body in bodies {
            let mut source = Source::open(format, body.clone(), &self.rows)?;
            while source.part(&mut self.rows, &mut self.letters, limit)? == Progress::More {
                pieces.extend(source.take_piece());
            }
        }
        let mut batch = self.rows.finish().map_err(encode)?;
        if !pieces.is_empty() {
            pieces.push(batch);
            batch = arrow::compute::concat_batches(&self.rows.schema(), &pieces).map_err(encode)?;
        }
        let rejected = self.letters.len();
        let rejects = self.letters.take_named();
        self.letters = Letters::default();
        Ok(Decoded {
            batch,
            rejects,
            rejected,
        })
    }

    /// Sorts rows by partition.
    ///
    /// # Errors
    /// When Arrow cannot move the rows.
    pub fn sort(&self, batch: RecordBatch) -> Result<Sorted, ArrowError> {
        let runs = [Run {
            rows: batch.num_rows(),
            stamp: None,
            owner: None,
        }];
        let route = Route {
            keys: &self.keys,
            partitions: self.partitions,
            turn: 0,
        };
        let sheet = Sheet::sort(batch, &runs, route)?;
        let runs = sheet
            .entries
            .iter()
            .map(|e| (e.partition.0, e.rows))
            .collect();
        Ok(Sorted {
            batch: sheet.batch,
            runs,
        })
    }
}
