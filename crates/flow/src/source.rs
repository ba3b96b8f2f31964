//! Rows of a stream as steps take them, whether they come from the log or from history: columns by
//! their ids, in the newest types, with the seq of each row. It never judges a row.

mod reader;

use std::{iter, sync::Arc};

use datafusion::arrow::{
    array::{Array, ArrayRef, Int32Array, Int64Array, new_null_array},
    compute::cast,
    datatypes::DataType,
    error::ArrowError,
};
use mainstem_catalog::StreamDef;
use mainstem_history::Replayed;
use mainstem_kernel::{
    Seq,
    types::{EXTRA_COLUMN, OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN},
};
use mainstem_log::Frame;

pub(crate) use reader::{Reader, ReaderParts};

/// Where a column of a stream comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceColumn {
    /// The declared column of that id.
    Declared(u32),
    Extra,
    Seq,
    Partition,
    Offset,
}

impl SourceColumn {
    /// The column of that name.
    pub(crate) fn named(def: &StreamDef, name: &str) -> Option<Self> {
        if let Some(column) = def.spec.columns.get(name) {
            return Some(Self::Declared(column.id));
        }
        match name {
            EXTRA_COLUMN => Some(Self::Extra),
            SEQ_COLUMN => Some(Self::Seq),
            PARTITION_COLUMN => Some(Self::Partition),
            OFFSET_COLUMN => Some(Self::Offset),
            _ => None,
        }
    }

    /// The names that it has had, the newest first.
    fn names(self, def: &StreamDef) -> Vec<String> {
        let id = match self {
            Self::Declared(id) => id,
            Self::Extra => return vec![EXTRA_COLUMN.to_owned()],
            Self::Seq | Self::Partition | Self::Offset => return Vec::new(),
        };
        let older = def.schemas.iter().rev().map(|entry| &entry.columns);
        let all = iter::once(&def.spec.columns).chain(older);
        let had = all.flat_map(|columns| columns.0.iter().filter(|column| column.id == id));
        had.map(|column| column.name.as_str().to_owned()).collect()
    }

    /// Its type.
    fn ty(self, def: &StreamDef) -> DataType {
        match self {
            Self::Declared(id) => {
                let all = iter::once(&def.spec.columns);
                let all = all.chain(def.schemas.iter().rev().map(|entry| &entry.columns));
                let mut had = all.filter_map(|columns| columns.0.iter().find(|c| c.id == id));
                had.next()
                    .map_or(DataType::Null, |column| column.ty.arrow())
            }
            Self::Extra => DataType::Utf8,
            Self::Seq | Self::Offset => DataType::Int64,
            Self::Partition => DataType::Int32,
        }
    }
}

/// Rows of a stream, in order: the columns that were asked for, and the seqs of neighbours.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) columns: Vec<ArrayRef>,
    /// How many rows, and their seq; seqs rise.
    pub(crate) runs: Vec<(usize, Seq)>,
}

impl Piece {
    pub(crate) fn rows(&self) -> usize {
        self.runs.iter().map(|(rows, _)| rows).sum()
    }

    pub(crate) fn last(&self) -> Seq {
        self.runs.last().map_or(Seq::ZERO, |(_, seq)| *seq)
    }

    /// The seq of each row.
    pub(crate) fn seqs(&self) -> Vec<Seq> {
        let runs = self.runs.iter();
        runs.flat_map(|(rows, seq)| iter::repeat_n(*seq, *rows))
            .collect()
    }

    /// Bytes that it takes, about.
    fn size(&self) -> usize {
        let columns = self.columns.iter().map(|column| column.to_data());
        let sizes = columns.map(|data| data.get_slice_memory_size().unwrap_or_default());
        sizes.sum::<usize>() + self.runs.len() * size_of::<(usize, Seq)>()
    }

    /// Cuts behind `through`: what is up to there, and the rest.
    fn split(mut self, through: Seq) -> (Self, Self) {
        let at = self.runs.partition_point(|(_, seq)| *seq <= through);
        let rest = self.runs.split_off(at);
        let (rows, left) = (self.rows(), rest.iter().map(|(rows, _)| rows).sum());
        let columns = self.columns.iter();
        let behind = Self {
            columns: columns.map(|column| column.slice(rows, left)).collect(),
            runs: rest,
        };
        let columns = self.columns.iter();
        self.columns = columns.map(|column| column.slice(0, rows)).collect();
        (self, behind)
    }

    /// Of a frame, which may have been written with older columns.
    fn of_frame(
        frame: &Frame,
        def: &StreamDef,
        wanted: &[SourceColumn],
    ) -> Result<Self, ArrowError> {
        let rows = frame.batch.num_rows();
        let entry = def
            .schemas
            .iter()
            .find(|entry| entry.version == frame.schema);
        let entry = entry.ok_or_else(|| {
            let (name, version) = (&def.spec.name, frame.schema);
            ArrowError::SchemaError(format!("stream \"{name}\" never had columns {version}"))
        })?;
        let column = |wanted: &SourceColumn| {
            let array = match wanted {
                SourceColumn::Declared(id) => {
                    let own = entry.columns.0.iter().find(|column| column.id == *id);
                    own.and_then(|own| frame.batch.column_by_name(own.name.as_str()))
                        .cloned()
                }
                SourceColumn::Extra => frame.batch.column_by_name(EXTRA_COLUMN).cloned(),
                SourceColumn::Seq => {
                    let seqs = Int64Array::from_value(frame.seq.to_i64(), rows);
                    Some(Arc::new(seqs) as ArrayRef)
                }
                SourceColumn::Partition => Some(Arc::new(partitions(frame)) as ArrayRef),
                SourceColumn::Offset => Some(Arc::new(offsets(frame)) as ArrayRef),
            };
            fitting(array, &wanted.ty(def), rows)
        };
        Ok(Self {
            columns: wanted.iter().map(column).collect::<Result<_, _>>()?,
            runs: vec![(rows, frame.seq)],
        })
    }

    /// Of history. Its columns are the declared ones of `wanted`, in order.
    fn of_history(
        replayed: &Replayed,
        def: &StreamDef,
        wanted: &[SourceColumn],
    ) -> Result<Self, ArrowError> {
        let rows = replayed.rows();
        let column = |(at, wanted): (usize, &SourceColumn)| {
            let array = match wanted {
                SourceColumn::Declared(_) | SourceColumn::Extra => {
                    replayed.columns.get(at).cloned().flatten()
                }
                SourceColumn::Seq => Some(Arc::new(replayed.seqs.clone()) as ArrayRef),
                SourceColumn::Partition => Some(Arc::new(replayed.partitions.clone()) as ArrayRef),
                SourceColumn::Offset => Some(Arc::new(replayed.offsets.clone()) as ArrayRef),
            };
            fitting(array, &wanted.ty(def), rows)
        };
        let columns = wanted.iter().enumerate().map(column);
        let runs = replayed.seqs.values().chunk_by(|a, b| a == b);
        let runs = runs.filter_map(|run| Some((run.len(), Seq::from_i64(*run.first()?))));
        Ok(Self {
            columns: columns.collect::<Result<_, _>>()?,
            runs: runs.collect(),
        })
    }
}

/// A column in the type that is wanted: nested types differ in their names, missing ones are NULL.
pub(crate) fn fitting(
    array: Option<ArrayRef>,
    ty: &DataType,
    rows: usize,
) -> Result<ArrayRef, ArrowError> {
    match array {
        None => Ok(new_null_array(ty, rows)),
        Some(array) if array.data_type() == ty => Ok(array),
        Some(array) => cast(&array, ty),
    }
}

fn partitions(frame: &Frame) -> Int32Array {
    let entries = frame.entries.iter();
    let values = entries.flat_map(|entry| {
        let rows = usize::try_from(entry.rows).unwrap_or(usize::MAX);
        iter::repeat_n(i32::from(entry.partition.0), rows)
    });
    values.collect()
}

fn offsets(frame: &Frame) -> Int64Array {
    let entries = frame.entries.iter();
    let values = entries.flat_map(|entry| {
        let first = i64::try_from(entry.first_offset.0).unwrap_or(i64::MAX);
        (0..i64::from(entry.rows)).map(move |row| first.saturating_add(row))
    });
    values.collect()
}
