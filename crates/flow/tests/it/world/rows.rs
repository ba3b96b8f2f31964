//! Rows that come into the world, and rows that are found in it.

use datafusion::arrow::{
    array::{Array, RecordBatch},
    json::ReaderBuilder,
    util::display::array_value_to_string,
};
use mainstem_catalog::StreamDef;
use mainstem_kernel::{PartitionId, Seq, StreamId, types::EXTRA_COLUMN};
use mainstem_log::{Append, Draft, DraftEntry, ReadFrom, append_and_wait};
use mainstem_store::KeyRange;
use serde_json::Value;

use super::World;

impl World {
    /// Appends rows as one frame, as they come at the clock's time.
    pub(crate) fn push(&self, name: &str, rows: &[Value]) -> Seq {
        self.push_all(&[(name, rows)])
    }

    /// Appends rows of several streams at once, a frame of each.
    pub(crate) fn push_all(&self, rows: &[(&str, &[Value])]) -> Seq {
        let frames = rows.iter().map(|(name, rows)| {
            let def = self.stream(name);
            let entry = DraftEntry {
                partition: PartitionId(0),
                rows: u32::try_from(rows.len()).unwrap(),
                stamp: None,
            };
            let version = def.schema_version();
            Draft::encode(def.id, version, vec![entry], batch(&def, rows)).unwrap()
        });
        let append = Append {
            frames: frames.collect(),
        };
        append_and_wait(self.log.as_ref(), append).unwrap().last()
    }

    /// Appends rows that are columns already, as one frame.
    pub(crate) fn push_batch(&self, name: &str, batch: RecordBatch) -> Seq {
        let def = self.stream(name);
        let entry = DraftEntry {
            partition: PartitionId(0),
            rows: u32::try_from(batch.num_rows()).unwrap(),
            stamp: None,
        };
        let frame = Draft::encode(def.id, def.schema_version(), vec![entry], batch).unwrap();
        let frames = vec![frame];
        let appended = append_and_wait(self.log.as_ref(), Append { frames });
        appended.unwrap().last()
    }

    /// Appends the same rows again and again until their seq is `end`.
    pub(crate) fn push_until(&self, name: &str, rows: &[Value], end: Seq) {
        let def = self.stream(name);
        let entry = DraftEntry {
            partition: PartitionId(0),
            rows: u32::try_from(rows.len()).unwrap(),
            stamp: None,
        };
        let batch = batch(&def, rows);
        let one = Draft::encode(def.id, def.schema_version(), vec![entry], batch).unwrap();
        while self.log.frontier() < end {
            let frame = Draft {
                entries: one.entries.clone(),
                batch: one.batch.clone(),
                body: one.body.clone(),
                ..one
            };
            let frames = vec![frame];
            append_and_wait(self.log.as_ref(), Append { frames }).unwrap();
        }
    }

    pub(crate) fn flush(&self, name: &str) {
        self.history.flush(self.stream(name).id).unwrap();
        self.log.trim(self.stream(name).id, self.log.frontier());
    }

    /// The rows of a table or keyed view at the frontier, in the order of their texts.
    pub(crate) fn rows(&self, name: &str) -> Vec<String> {
        self.rows_of(self.id(name))
    }

    pub(crate) fn rows_of(&self, id: StreamId) -> Vec<String> {
        let pointer = self.tables().pointer();
        let scan = pointer.scan(id, &KeyRange::all(), 1_000).unwrap();
        let mut rows: Vec<String> = scan.flat_map(|batch| lines(&batch.unwrap())).collect();
        rows.sort();
        rows
    }

    /// The rows of a stream in the log and in history, in their order.
    pub(crate) fn logged(&self, name: &str) -> Vec<String> {
        self.logged_of(self.id(name))
    }

    pub(crate) fn logged_of(&self, id: StreamId) -> Vec<String> {
        let from = ReadFrom {
            after: Seq::ZERO,
            through: Seq::MAX,
            bytes_max: usize::MAX,
        };
        let chunk = self.log.read(id, from).unwrap();
        let frames = chunk.frames.iter();
        frames.flat_map(|frame| lines(&frame.batch)).collect()
    }

    /// What readers find of a stream view: up to the cut in the log, then what waits.
    pub(crate) fn seen(&self, name: &str) -> Vec<String> {
        let id = self.id(name);
        let pointer = self.tables().pointer();
        let stream = pointer.stream(id).cloned().unwrap_or_default();
        let from = ReadFrom {
            after: Seq::ZERO,
            through: stream.cut,
            bytes_max: usize::MAX,
        };
        let chunk = self.log.read(id, from).unwrap();
        let logged = chunk.frames.iter().map(|frame| &frame.batch);
        logged.chain(&stream.waiting).flat_map(lines).collect()
    }
}

fn batch(def: &StreamDef, rows: &[Value]) -> RecordBatch {
    let mut decoder = ReaderBuilder::new(def.spec.columns.body_schema())
        .build_decoder()
        .unwrap();
    decoder.serialize(rows).unwrap();
    decoder.flush().unwrap().unwrap()
}

/// Rows as text, without `_extra`.
pub(crate) fn lines(batch: &RecordBatch) -> Vec<String> {
    let schema = batch.schema();
    let shown = schema.fields().iter().zip(batch.columns());
    let shown: Vec<_> = shown
        .filter(|(field, _)| field.name() != EXTRA_COLUMN)
        .map(|(_, column)| column)
        .collect();
    let line = |row: usize| {
        let cells = shown.iter().map(|column| match column.is_null(row) {
            true => "NULL".to_owned(),
            false => array_value_to_string(column, row).unwrap(),
        });
        cells.collect::<Vec<_>>().join("|")
    };
    (0..batch.num_rows()).map(line).collect()
}
