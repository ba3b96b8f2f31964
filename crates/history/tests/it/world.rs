//! A small node around history: twin disk, manual clock, log in memory, and one stream of rows
//! that tell themselves whether they are right.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Decimal128Array, Int64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray, new_null_array,
    },
    datatypes::{Int32Type, Int64Type},
};
use mainstem_disk::{Disk, SharedDisk};
use mainstem_history::{History, HistoryConfig, HistoryError, HistoryParts, Pinned, StreamTable};
use mainstem_kernel::{
    ByteSize, Column, ColumnName, ColumnType, Columns, PartitionId, SchemaVersion, Seq, StreamId,
    StreamName, Timestamp, clock::ManualClock, metrics::Metrics,
};
use mainstem_log::{Append, Draft, DraftEntry, Log, MemoryLog, ReadFrom};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

pub(crate) const STREAM: StreamId = StreamId(16);
/// 2026-11-20T06:00:00Z.
pub(crate) const START: Timestamp = Timestamp(1_795_154_400_000_000);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3_600);

pub(crate) struct World {
    pub(crate) disk: SharedDisk,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) history: Arc<History>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) wiring: Wiring,
    /// Number of the next row.
    pub(crate) next: i64,
    /// Version of the columns that rows are written with.
    pub(crate) version: u32,
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from("/data/history")
}

pub(crate) fn config() -> HistoryConfig {
    HistoryConfig {
        file_size_max: ByteSize::mib(512),
        memory_max: ByteSize::mib(64),
    }
}

fn column(id: u32, name: &str, ty: ColumnType, nullable: bool) -> Column {
    Column {
        id,
        name: ColumnName::new(name).unwrap(),
        ty,
        nullable,
    }
}

/// Version 1, 2 (one column more) or 3 (two names swapped round, so to say).
pub(crate) fn columns(version: u32) -> Columns {
    let price = ColumnType::Numeric {
        precision: 12,
        scale: 3,
    };
    let names = if version < 3 {
        ["label", "note"]
    } else {
        ["title", "label"]
    };
    let mut columns = vec![
        column(1, "n", ColumnType::BigInt, false),
        column(2, names[0], ColumnType::Text, false),
        column(3, "at", ColumnType::TimestampTz, false),
        column(4, "price", price, true),
    ];
    if version >= 2 {
        columns.push(column(5, names[1], ColumnType::Text, true));
    }
    Columns(columns)
}

pub(crate) fn table(version: u32, retention: Option<Duration>) -> StreamTable {
    StreamTable {
        stream: STREAM,
        name: StreamName::new("readings").unwrap(),
        columns: columns(version),
        versions: (1..=version)
            .map(|v| (SchemaVersion(v), columns(v)))
            .collect(),
        retention,
    }
}

/// `open_in` the usual folder.
pub(crate) fn open(disk: SharedDisk, start: Timestamp, config: HistoryConfig) -> World {
    open_in(disk, folder(), start, config)
}

/// A log and a clock that begin at `start`, over any disk.
pub(crate) fn open_in(
    disk: SharedDisk,
    folder: PathBuf,
    start: Timestamp,
    config: HistoryConfig,
) -> World {
    let clock = Arc::new(ManualClock::at(start));
    let log = Arc::new(MemoryLog::new(clock.clone()));
    let metrics = Metrics::new();
    let wiring = Wiring { folder, config };
    let history = wiring.open(&disk, &clock, &log, &metrics);
    World {
        disk,
        clock,
        log,
        history,
        metrics,
        wiring,
        next: 0,
        version: 1,
    }
}

/// What stays the same over a restart.
#[derive(Clone)]
pub(crate) struct Wiring {
    folder: PathBuf,
    config: HistoryConfig,
}

impl Wiring {
    fn open(
        &self,
        disk: &SharedDisk,
        clock: &Arc<ManualClock>,
        log: &Arc<MemoryLog>,
        metrics: &Arc<Metrics>,
    ) -> Arc<History> {
        let parts = HistoryParts {
            disk: Arc::clone(disk),
            folder: self.folder.clone(),
            log: log.clone(),
            clock: clock.clone(),
            metrics: Arc::clone(metrics),
        };
        History::open(parts, self.config.clone()).unwrap()
    }
}

impl World {
    /// The process stops and starts again, on what another disk holds.
    pub(crate) fn restart_on(&mut self, disk: SharedDisk) {
        self.disk = disk;
        self.history = self
            .wiring
            .open(&self.disk, &self.clock, &self.log, &self.metrics);
    }

    pub(crate) fn define(&self, retention: Option<Duration>) -> Result<(), HistoryError> {
        self.history.set_table(table(self.version, retention))
    }

    /// Appends a frame of so many rows, spread over three partitions.
    pub(crate) fn append(&mut self, rows: i64) {
        let entries = [rows / 3, rows / 3, rows - rows / 3 * 2];
        let entry = |(partition, rows): (u16, &i64)| DraftEntry {
            partition: PartitionId(partition),
            rows: u32::try_from(*rows).unwrap(),
            stamp: None,
        };
        let entries = (0..).zip(&entries).map(entry).collect();
        let batch = batch(self.next..self.next + rows, self.version);
        let draft = Draft::encode(STREAM, SchemaVersion(self.version), entries, batch).unwrap();
        self.next += rows;
        let done = Box::new(|outcome: Result<_, _>| assert!(outcome.is_ok()));
        self.log.append(
            Append {
                frames: vec![draft],
            },
            done,
        );
    }

    /// Works until there is nothing to do.
    pub(crate) fn work(&self) {
        for _ in 0..10_000 {
            if !self.history.work() {
                return;
            }
        }
        panic!("history never rests");
    }

    pub(crate) fn pin(&self) -> Arc<Pinned> {
        self.history.pin(STREAM).unwrap()
    }

    /// How often each row number is in history and log together. Checks each row on the way.
    pub(crate) fn rows(&self) -> BTreeMap<i64, usize> {
        let pinned = self.pin();
        let mut counts = BTreeMap::new();
        let mut places = BTreeSet::new();
        for file in pinned.files.iter() {
            let mut rows = 0;
            for batch in read_file(self.disk.as_ref(), &pinned.folder.join(&file.path)) {
                let batch = logical(&pinned, &batch);
                rows += batch.num_rows() as u64;
                check_rows(&batch, &mut counts, &mut places);
                let seqs = batch
                    .column_by_name("_seq")
                    .unwrap()
                    .as_primitive::<Int64Type>();
                for seq in seqs.values() {
                    let seq = Seq::from_i64(*seq);
                    assert!(
                        file.first_seq <= seq && seq <= file.last_seq,
                        "{}",
                        file.path
                    );
                    assert_eq!(seq.arrival().days(), file.day, "{}", file.path);
                }
            }
            assert_eq!(rows, file.rows, "{}", file.path);
        }
        let from = ReadFrom {
            after: pinned.archived,
            through: Seq::MAX,
            bytes_max: usize::MAX,
        };
        for frame in self.log.read(STREAM, from).unwrap().frames {
            assert!(frame.seq > pinned.archived);
            for n in frame.batch.column(0).as_primitive::<Int64Type>().values() {
                *counts.entry(*n).or_default() += 1;
            }
        }
        counts
    }

    /// Every row from `first` on is there once, and none is there twice.
    pub(crate) fn check_from(&self, first: i64) {
        let rows = self.rows();
        for n in first..self.next {
            assert_eq!(rows.get(&n), Some(&1), "row {n}");
        }
        assert!(
            rows.values().all(|count| *count == 1),
            "a row is there twice"
        );
        assert!(
            rows.keys().all(|n| *n < self.next),
            "a row that nobody sent"
        );
    }
}

fn batch(rows: std::ops::Range<i64>, version: u32) -> RecordBatch {
    let schema = columns(version).body_schema();
    let count = usize::try_from(rows.end - rows.start).unwrap();
    let price = rows
        .clone()
        .map(|n| (n % 10 != 0).then(|| i128::from(n) * 7));
    let price = price
        .collect::<Decimal128Array>()
        .with_precision_and_scale(12, 3)
        .unwrap();
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.clone())),
        Arc::new(StringArray::from_iter_values(rows.clone().map(label))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.clone()).with_timezone("UTC")),
        Arc::new(price),
    ];
    if version >= 2 {
        arrays.push(Arc::new(StringArray::from_iter_values(rows.map(note))));
    }
    arrays.push(new_null_array(
        schema.field(arrays.len()).data_type(),
        count,
    ));
    RecordBatch::try_new(schema, arrays).unwrap()
}

fn label(n: i64) -> String {
    format!("row {n}")
}

fn note(n: i64) -> String {
    format!("note {}", n % 3)
}

fn read_file(disk: &dyn Disk, path: &Path) -> Vec<RecordBatch> {
    let bytes = bytes::Bytes::from(disk.read(path).unwrap());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    reader.build().unwrap().collect::<Result<_, _>>().unwrap()
}

/// A file's batch as a reader of `Pinned` sees it.
fn logical(pinned: &Pinned, batch: &RecordBatch) -> RecordBatch {
    let columns = pinned.schema.fields().iter().zip(pinned.physical.iter());
    let arrays = columns.map(|(field, physical)| match batch.column_by_name(physical) {
        Some(array) => Arc::clone(array),
        None => new_null_array(field.data_type(), batch.num_rows()),
    });
    RecordBatch::try_new(Arc::clone(&pinned.schema), arrays.collect()).unwrap()
}

/// Looks columns up by place, for their names change.
fn check_rows(
    batch: &RecordBatch,
    counts: &mut BTreeMap<i64, usize>,
    places: &mut BTreeSet<(i64, i32, i64)>,
) {
    let declared = batch.num_columns() - 4;
    let label_column = batch.column(1).as_string::<i32>();
    let notes = (declared > 4).then(|| batch.column(4).as_string::<i32>());
    let partition = batch
        .column_by_name("_partition")
        .unwrap()
        .as_primitive::<Int32Type>();
    let offset = batch
        .column_by_name("_offset")
        .unwrap()
        .as_primitive::<Int64Type>();
    let seq = batch
        .column_by_name("_seq")
        .unwrap()
        .as_primitive::<Int64Type>();
    let numbers = batch
        .column_by_name("n")
        .unwrap()
        .as_primitive::<Int64Type>();
    for (row, n) in numbers.values().iter().enumerate() {
        *counts.entry(*n).or_default() += 1;
        assert_eq!(label_column.value(row), label(*n));
        let place = (seq.value(row), partition.value(row), offset.value(row));
        assert!(places.insert(place), "an offset came twice");
        if let Some(notes) = notes {
            assert!(notes.is_null(row) || notes.value(row) == note(*n));
        }
    }
}
