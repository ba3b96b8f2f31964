//! A node's journal and history on a disk that loses power, and the ledger of what it promised.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch, new_null_array},
    datatypes::Int64Type,
};
use mainstem_disk::{Cut, Disk, Failure, FailureKind, SharedDisk, TwinDisk};
use mainstem_history::{History, HistoryConfig, HistoryParts, StreamTable};
use mainstem_kernel::{
    ByteSize, Column, ColumnName, ColumnType, Columns, PartitionId, SchemaVersion, Seq, StreamId,
    StreamName, Timestamp,
    clock::ManualClock,
    metrics::Metrics,
    spawn::{Spawn, TaskBody, ThreadBody},
};
use mainstem_log::{
    Append, Draft, DraftEntry, JournalLog, JournalParts, Log, LogConfig, ReadError, ReadFrom,
    append_and_wait,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

const STREAM: StreamId = StreamId(16);

/// What all rounds did together.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    appends: u64,
    refused: u64,
    files: u64,
    cuts: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, world: &World) {
        self.appends += world.appends;
        self.refused += world.refused;
        self.files += world
            .history
            .pin(STREAM)
            .map_or(0, |pinned| pinned.files.len() as u64);
        self.cuts += world.cuts;
    }

    pub(crate) fn exercised_everything(&self) -> bool {
        self.appends > 0 && self.refused > 0 && self.files > 0 && self.cuts > 0
    }
}

pub(crate) struct World {
    disk: TwinDisk,
    clock: Arc<ManualClock>,
    log: Arc<JournalLog>,
    history: Arc<History>,
    /// First numbers and lengths of acknowledged appends.
    acked: BTreeMap<i64, i64>,
    /// Those of appends that were refused; they may be there, whole.
    unknown: BTreeMap<i64, i64>,
    next: i64,
    appends: u64,
    refused: u64,
    cuts: u64,
    seed: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let disk = TwinDisk::new();
        let clock = Arc::new(ManualClock::at(Timestamp(1_795_154_400_000_000)));
        let (log, history) = open(&disk, &clock);
        Self {
            disk,
            clock,
            log,
            history,
            acked: BTreeMap::new(),
            unknown: BTreeMap::new(),
            next: 0,
            appends: 0,
            refused: 0,
            cuts: 0,
            seed,
        }
    }

    /// Power goes some calls from now.
    pub(crate) fn cut_power_in(&mut self, calls: u64) {
        let call = self.disk.calls() + calls;
        self.disk.fail(Failure {
            call,
            kind: FailureKind::PowerLoss,
        });
    }

    pub(crate) fn append(&mut self, rows: u64) {
        let rows = i64::try_from(rows).expect("few");
        let batch = batch(self.next..self.next + rows);
        let count = u32::try_from(rows).expect("few");
        let entry = DraftEntry {
            partition: PartitionId(0),
            rows: count,
            stamp: None,
        };
        let draft = Draft::encode(STREAM, SchemaVersion(1), vec![entry], batch).expect("encodes");
        match append_and_wait(
            self.log.as_ref(),
            Append {
                frames: vec![draft],
            },
        ) {
            Ok(_) => {
                self.acked.insert(self.next, rows);
                self.appends += 1;
            }
            Err(_) => {
                self.unknown.insert(self.next, rows);
                self.refused += 1;
            }
        }
        self.next += rows;
    }

    /// A few rounds of history's own work.
    pub(crate) fn work(&self) {
        for _ in 0..20 {
            if !self.history.work() {
                return;
            }
        }
    }

    /// Moves everything to history; fails once the power is gone.
    pub(crate) fn flush(&self) {
        if let Err(error) = self.history.flush(STREAM) {
            assert!(
                self.is_dark(),
                "seed {}: flush failed with power on: {error}",
                self.seed
            );
        }
    }

    pub(crate) fn wait_minutes(&self, minutes: u64) {
        self.clock.advance(Duration::from_secs(minutes * 60));
    }

    /// Starts again on what the power cut left.
    pub(crate) fn restart(&mut self, seed: u64) {
        let survivor = self.disk.cut_power(Cut::Random(seed));
        self.cuts += 1;
        self.disk = survivor;
        (self.log, self.history) = open(&self.disk, &self.clock);
    }

    fn is_dark(&self) -> bool {
        self.disk.stat(&PathBuf::from("/data")).is_err()
    }

    /// Each acknowledged row is there once; each refused append is there once and whole, or not.
    pub(crate) fn check(&mut self) {
        if self.is_dark() {
            return;
        }
        let Some(rows) = self.rows() else {
            // The power went during the read.
            return;
        };
        let mut seen = BTreeSet::new();
        for n in &rows {
            assert!(
                seen.insert(*n),
                "seed {}: row {n} is there twice",
                self.seed
            );
        }
        for (first, rows) in &self.acked {
            for n in *first..*first + *rows {
                assert!(seen.remove(&n), "seed {}: row {n} is lost", self.seed);
            }
        }
        for (first, rows) in &self.unknown {
            let there = (*first..*first + *rows).filter(|n| seen.remove(n)).count();
            let rows = usize::try_from(*rows).expect("few");
            assert!(
                there == 0 || there == rows,
                "seed {}: half of an append",
                self.seed
            );
        }
        assert!(
            seen.is_empty(),
            "seed {}: rows that nobody sent: {seen:?}",
            self.seed
        );
    }

    /// All rows of history and log, or `None` once the disk has failed.
    fn rows(&self) -> Option<Vec<i64>> {
        loop {
            let pinned = self.history.pin(STREAM).expect("declared");
            let from = ReadFrom {
                after: pinned.archived,
                through: Seq::MAX,
                bytes_max: usize::MAX,
            };
            let chunk = match self.log.read(STREAM, from) {
                Ok(chunk) => chunk,
                Err(ReadError::Trimmed { .. }) => continue,
                Err(_) if self.is_dark() => return None,
                Err(error) => panic!("seed {}: {error}", self.seed),
            };
            let mut rows = Vec::new();
            for file in pinned.files.iter() {
                let bytes = self.disk.read(&pinned.folder.join(&file.path)).ok()?;
                let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes));
                for batch in reader.expect("a file").build().expect("a reader") {
                    rows.extend_from_slice(numbers(&batch.expect("a batch")));
                }
            }
            for frame in chunk.frames {
                rows.extend_from_slice(numbers(&frame.batch));
            }
            return Some(rows);
        }
    }
}

fn open(disk: &TwinDisk, clock: &Arc<ManualClock>) -> (Arc<JournalLog>, Arc<History>) {
    let shared: SharedDisk = Arc::new(disk.clone());
    let metrics = Metrics::new();
    let parts = JournalParts {
        disk: Arc::clone(&shared),
        folder: PathBuf::from("/data/journal"),
        clock: clock.clone(),
        spawn: Arc::new(Threads),
        metrics: Arc::clone(&metrics),
    };
    let log = JournalLog::open(parts, log_config()).expect("the journal opens");
    let parts = HistoryParts {
        disk: shared,
        folder: PathBuf::from("/data/history"),
        log: log.clone(),
        clock: clock.clone(),
        metrics,
    };
    let config = HistoryConfig {
        file_size_max: ByteSize::mib(64),
        memory_max: ByteSize::mib(64),
    };
    let history = History::open(parts, config).expect("history opens");
    history.set_table(table()).expect("the table opens");
    (log, history)
}

fn log_config() -> LogConfig {
    LogConfig {
        journal_file_size: ByteSize::kib(64),
        journal_size_max: ByteSize::mib(1),
        group_size_max: ByteSize::kib(16),
        queue_max: 8,
        tail_bytes_max: ByteSize::kib(8),
        producers_max: 100,
        request_keep: Duration::from_secs(24 * 60 * 60),
        clock_behind_max: Duration::from_secs(300),
        accept_damage: false,
    }
}

fn columns() -> Columns {
    let name = ColumnName::new("n").expect("a name");
    Columns(vec![Column {
        id: 1,
        name,
        ty: ColumnType::BigInt,
        nullable: false,
    }])
}

fn table() -> StreamTable {
    StreamTable {
        stream: STREAM,
        name: StreamName::new("readings").expect("a name"),
        columns: columns(),
        versions: [(SchemaVersion(1), columns())].into_iter().collect(),
        retention: None,
    }
}

fn batch(numbers: std::ops::Range<i64>) -> RecordBatch {
    let schema = columns().body_schema();
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
    let extra = new_null_array(schema.field(1).data_type(), values.len());
    RecordBatch::try_new(schema, vec![values, extra]).expect("columns fit")
}

fn numbers(batch: &RecordBatch) -> &[i64] {
    let column = batch.column_by_name("n").expect("column n");
    column.as_primitive::<Int64Type>().values()
}

/// Threads without a supervisor: a panic fails the test that waits for an answer.
#[derive(Debug)]
struct Threads;

impl Spawn for Threads {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the simulation's spawner"
    )]
    fn thread(&self, _name: &str, body: ThreadBody) -> io::Result<()> {
        drop(std::thread::spawn(body));
        Ok(())
    }

    fn task(&self, name: &str, _body: TaskBody) {
        panic!("nothing here starts a task: {name}");
    }
}
