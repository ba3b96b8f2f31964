//! Admission over a log in memory that can be held back.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::Int64Type,
};
use bytes::Bytes;
use mainstem_catalog::{Catalog, Change, ChangeSet};
use mainstem_kernel::{
    AppName, ByteSize, ColumnType, ProducerId, Seq, Spawn, StreamId, TenantId, Timestamp,
    clock::{ManualClock, SharedClock},
    metrics::Metrics,
    spawn::{TaskBody, ThreadBody},
};
use mainstem_log::{
    Append, AppendError, Chunk, Done, Extent, Log, MemoryLog, ReadError, ReadFrom, SharedLog,
};
use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use crate::{
    Admission, AdmitConfig, AdmitParts, Format, Identity, Payload,
    fixture::{columns, spec},
    request::Reply,
};

/// A log that can be told to hold appends back, and to refuse them.
#[derive(Debug)]
pub(super) struct Gate {
    inner: MemoryLog,
    pub(super) state: Mutex<GateState>,
    arrived: Condvar,
}

#[derive(Default)]
pub(super) struct GateState {
    is_shut: bool,
    pub(super) is_broken: bool,
    held: Vec<(Append, Done)>,
    pub(super) appends: usize,
}

impl std::fmt::Debug for GateState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GateState")
            .field("appends", &self.appends)
            .finish_non_exhaustive()
    }
}

impl Gate {
    pub(super) fn shut(&self) {
        self.state.lock().is_shut = true;
    }

    /// Waits until that many appends are held back.
    pub(super) fn wait_for(&self, held: usize) {
        let mut state = self.state.lock();
        while state.held.len() < held {
            self.arrived.wait(&mut state);
        }
    }

    pub(super) fn open(&self) {
        let held = {
            let mut state = self.state.lock();
            state.is_shut = false;
            std::mem::take(&mut state.held)
        };
        for (append, done) in held {
            self.inner.append(append, done);
        }
    }

    pub(super) fn appends(&self) -> usize {
        self.state.lock().appends
    }
}

impl Log for Gate {
    fn append(&self, append: Append, done: Done) {
        let mut state = self.state.lock();
        state.appends += 1;
        if state.is_broken {
            drop(state);
            return done(Err(AppendError::Closed));
        }
        if state.is_shut {
            state.held.push((append, done));
            self.arrived.notify_all();
            return;
        }
        drop(state);
        self.inner.append(append, done);
    }

    fn read(&self, stream: StreamId, from: ReadFrom) -> Result<Chunk, ReadError> {
        self.inner.read(stream, from)
    }

    fn extent(&self, stream: StreamId) -> Option<Extent> {
        self.inner.extent(stream)
    }

    fn extents(&self) -> Vec<(StreamId, Extent)> {
        self.inner.extents()
    }

    fn trim(&self, stream: StreamId, through: Seq) {
        self.inner.trim(stream, through);
    }

    fn next_row(&self, stream: StreamId, producer: ProducerId) -> Option<u64> {
        self.inner.next_row(stream, producer)
    }

    fn heartbeat(&self) -> Result<Seq, AppendError> {
        self.inner.heartbeat()
    }

    fn frontier(&self) -> Seq {
        self.inner.frontier()
    }

    fn watch(&self) -> watch::Receiver<Seq> {
        self.inner.watch()
    }
}

/// Plain threads.
#[derive(Debug)]
pub(super) struct Threads;

impl Spawn for Threads {
    #[expect(clippy::disallowed_methods, reason = "tests have no supervisor")]
    fn thread(&self, _name: &str, body: ThreadBody) -> io::Result<()> {
        std::thread::spawn(body);
        Ok(())
    }

    fn task(&self, name: &str, _body: TaskBody) {
        panic!("admission starts no task \"{name}\"");
    }
}

pub(super) struct Rig {
    pub(super) admission: Arc<Admission>,
    pub(super) log: Arc<Gate>,
}

pub(super) fn config() -> AdmitConfig {
    AdmitConfig {
        workers: 2,
        queue_bytes_max: ByteSize::mib(16),
        body_size_max: ByteSize::mib(1),
        frame_bytes_max: ByteSize::mib(1),
        frame_rows_max: 1 << 16,
        // Only the end of an append ends the gathering.
        gather_max: Duration::from_secs(3600),
        ahead_max: Duration::from_secs(300),
    }
}

pub(super) fn rig(config: AdmitConfig) -> Rig {
    let clock: SharedClock = Arc::new(ManualClock::at(Timestamp(1_795_255_200_000_000)));
    let log = Arc::new(Gate {
        inner: MemoryLog::new(Arc::clone(&clock)),
        state: Mutex::default(),
        arrived: Condvar::new(),
    });
    let shared: SharedLog = Arc::clone(&log) as SharedLog;
    let catalog = Catalog::open(Arc::clone(&shared)).unwrap();
    let spec = spec(
        "readings",
        columns(&[
            ("device", ColumnType::Text, false),
            ("n", ColumnType::BigInt, true),
        ]),
        &["device"],
    );
    let app = AppName::new("test").unwrap();
    let changes = vec![Change::CreateStream(spec)];
    let set = ChangeSet {
        tenant: TenantId::ONLY,
        app,
        changes,
    };
    catalog.apply(set, catalog.definitions().seq).unwrap();
    let parts = AdmitParts {
        log: shared,
        catalog,
        clock,
        spawn: Arc::new(Threads),
        metrics: Metrics::new(),
    };
    let admission = Admission::open(parts, config).unwrap();
    log.state.lock().appends = 0;
    Rig { admission, log }
}

pub(super) type Waiting = std::pin::Pin<Box<dyn Future<Output = Reply> + Send>>;

impl Rig {
    pub(super) fn send(&self, identity: Identity, body: &str) -> Waiting {
        Box::pin(self.admission.admit(Payload {
            tenant: TenantId::ONLY,
            stream: "readings".to_owned(),
            format: Format::Ndjson,
            body: Bytes::from(body.to_owned()),
            identity,
        }))
    }

    pub(super) fn admit(&self, identity: Identity, body: &str) -> Reply {
        wait(self.send(identity, body))
    }

    /// All rows of a stream by partition, in order.
    pub(super) fn rows(&self, stream: StreamId) -> BTreeMap<u16, Vec<(String, Option<i64>)>> {
        let from = ReadFrom {
            after: Seq::ZERO,
            through: Seq::MAX,
            bytes_max: usize::MAX,
        };
        let mut rows: BTreeMap<u16, Vec<_>> = BTreeMap::new();
        for frame in self.log.read(stream, from).unwrap().frames {
            let mut first = 0;
            for entry in frame.entries.iter() {
                let slice = frame.batch.slice(first, entry.rows as usize);
                rows.entry(entry.partition.0)
                    .or_default()
                    .extend(pairs(&slice));
                first += entry.rows as usize;
            }
        }
        rows
    }

    pub(super) fn count(&self, stream: StreamId) -> usize {
        self.rows(stream).values().map(Vec::len).sum()
    }
}

/// The first text and the first number of each row.
pub(super) fn pairs(batch: &RecordBatch) -> Vec<(String, Option<i64>)> {
    let texts = batch
        .columns()
        .iter()
        .find_map(|c| c.as_string_opt::<i32>())
        .unwrap();
    let numbers = batch
        .columns()
        .iter()
        .find_map(|c| c.as_primitive_opt::<Int64Type>())
        .unwrap();
    (0..batch.num_rows())
        .map(|row| {
            let number = numbers.is_valid(row).then(|| numbers.value(row));
            (texts.value(row).to_owned(), number)
        })
        .collect()
}

pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}
