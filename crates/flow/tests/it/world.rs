//! One application with all that it stands on; it can be dropped and opened again at any moment.

mod rows;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use datafusion::arrow::util::display::array_value_to_string;
use mainstem_catalog::{
    AppDef, Catalog, Change, ChangeSet, Definitions, Object, StreamDef, preview,
};
use mainstem_disk::{Cut, RealDisk, SharedDisk, TwinDisk};
use mainstem_flow::{Application, ApplicationParts, FlowConfig, FlowError, Steps};
use mainstem_history::{History, HistoryConfig, HistoryParts, StreamTable};
use mainstem_kernel::{
    AppName, ByteSize, Seq, StreamId, TenantId, Timestamp,
    clock::{ManualClock, SharedClock},
    metrics::Metrics,
    spawn::{Spawn, TaskBody, ThreadBody},
};
use mainstem_log::{MemoryLog, SharedLog};
use mainstem_sql::{
    Declaration, ViewEngine, declarations, plan_view,
    view::{Progress, ViewStatus},
};
use mainstem_store::{SharedStore, TwinStore};
use mainstem_table::{AppId, Applier, Opened, TableError, Tables, TablesConfig, TablesParts};

pub(crate) use rows::lines;

use crate::trap::{Switches, Trap};

/// 2023-11-14T22:13:20Z.
pub(crate) const START: i64 = 1_700_000_000_000_000;
pub(crate) const SECOND: i64 = 1_000_000;

/// Plain threads.
#[derive(Debug)]
struct Threads;

impl Spawn for Threads {
    fn thread(&self, name: &str, body: ThreadBody) -> io::Result<()> {
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(body)
            .map(drop)
    }

    fn task(&self, name: &str, _body: TaskBody) {
        panic!("no test needs the task {name}");
    }
}

/// Numbers that a seed determines (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound).unwrap();
        usize::try_from((mixed ^ (mixed >> 31)) % bound).unwrap()
    }

    pub(crate) fn between(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.below(usize::try_from(to - from).unwrap())).unwrap()
    }
}

/// How an application is run; the same rows must come out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) threads: usize,
    /// Bytes of a step.
    pub(crate) step: u64,
    /// Bytes of state that may stay in memory.
    pub(crate) state: u64,
    /// Bytes that tables may take to be looked up.
    pub(crate) lookups: u64,
    /// Bytes of changes that wait for the store.
    pub(crate) overlay: u64,
}

pub(crate) const USUAL: Pace = Pace {
    threads: 1,
    step: 8 << 20,
    state: 64 << 20,
    lookups: 64 << 20,
    overlay: 256 << 20,
};

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) log: SharedLog,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) history: Arc<History>,
    pub(crate) disk: TwinDisk,
    pub(crate) store: TwinStore,
    pub(crate) pace: Pace,
    /// What the log does beside its work.
    pub(crate) trap: Arc<Switches>,
    name: AppName,
    running: Option<Running>,
    folder: Arc<tempfile::TempDir>,
}

struct Running {
    application: Arc<Application>,
    steps: Steps,
    applier: Applier,
}

impl World {
    pub(crate) fn new(sql: &str) -> Self {
        Self::paced(sql, USUAL)
    }

    pub(crate) fn paced(sql: &str, pace: Pace) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp(START)));
        let shared: SharedClock = Arc::<ManualClock>::clone(&clock);
        let log: SharedLog = Arc::new(MemoryLog::new(Arc::clone(&shared)));
        let disk = TwinDisk::new();
        let folder = tempfile::tempdir().unwrap();
        let parts = HistoryParts {
            disk: Arc::new(RealDisk),
            folder: folder.path().join("history"),
            log: Arc::clone(&log),
            clock: shared,
            metrics: Metrics::new(),
        };
        let config = HistoryConfig {
            file_size_max: ByteSize::mib(64),
            memory_max: ByteSize::mib(64),
        };
        let mut world = Self {
            catalog: Catalog::open(Arc::clone(&log)).unwrap(),
            history: History::open(parts, config).unwrap(),
            store: TwinStore::default(),
            running: None,
            name: AppName::new("test").unwrap(),
            folder: Arc::new(folder),
            clock,
            log,
            disk,
            pace,
            trap: Arc::default(),
        };
        world.declare(sql);
        world.open();
        world
    }

    /// Another application over the same log, catalog and history.
    pub(crate) fn beside(&self, name: &str, sql: &str) -> Self {
        let mut world = Self {
            clock: Arc::clone(&self.clock),
            log: Arc::clone(&self.log),
            catalog: Arc::clone(&self.catalog),
            history: Arc::clone(&self.history),
            disk: TwinDisk::new(),
            store: TwinStore::default(),
            pace: self.pace,
            trap: Arc::default(),
            name: AppName::new(name).unwrap(),
            running: None,
            folder: Arc::clone(&self.folder),
        };
        world.declare(sql);
        world.open();
        world
    }

    fn set(&self, changes: Vec<Change>) -> ChangeSet {
        ChangeSet {
            tenant: TenantId::ONLY,
            app: self.name.clone(),
            changes,
        }
    }

    pub(crate) fn defs(&self) -> Arc<Definitions> {
        self.catalog.definitions()
    }

    /// Declares objects in order, each view planned against those before it.
    pub(crate) fn declare(&mut self, sql: &str) {
        let files = BTreeMap::from([("a.sql".to_owned(), sql.to_owned())]);
        let mut changes = Vec::new();
        let defs = self.defs();
        if !defs.apps.values().any(|app| app.name == self.name) {
            changes.push(Change::SetApp(AppDef {
                tenant: TenantId::ONLY,
                name: self.name.clone(),
                version: None,
                revision: 1,
                files: BTreeMap::new(),
            }));
        }
        for declared in declarations(&files).unwrap_or_else(|e| panic!("{e:#?}")) {
            let set = self.set(changes.clone());
            let mut defs = preview(defs.as_ref().clone(), &set, Seq(defs.seq.0 + 1)).unwrap();
            // A view reads the newest version of another, as an apply plans it.
            for def in defs.views.values().filter(|def| def.is_running()) {
                let name = (def.tenant, def.spec.name.clone());
                defs.names.insert(name, def.id);
            }
            changes.push(match declared.declaration {
                Declaration::Stream(spec) => Change::CreateStream(spec),
                Declaration::Table(spec) => Change::CreateTable(spec),
                Declaration::View(text) => {
                    let planned = plan_view(&defs, TenantId::ONLY, &text);
                    let planned = planned.unwrap_or_else(|e| panic!("{e:#?}"));
                    Change::CreateView(planned.spec(&text))
                }
                other => panic!("{other:?}"),
            });
        }
        self.apply(changes);
    }

    pub(crate) fn apply(&mut self, changes: Vec<Change>) {
        self.catalog
            .apply(self.set(changes), self.defs().seq)
            .unwrap_or_else(|e| panic!("{}", mainstem_kernel::fault::chain(&e)));
        let defs = self.defs();
        let streams = defs.streams.values().map(|def| def.as_ref().clone());
        let tables = defs.tables.values().map(|def| def.change_stream());
        let views = defs.views.values().filter_map(|def| def.stream());
        for def in streams.chain(tables).chain(views) {
            let versions = def.schemas.iter();
            let versions = versions.map(|entry| (entry.version, entry.columns.clone()));
            let table = StreamTable {
                stream: def.id,
                name: def.spec.name.clone(),
                columns: def.kept_columns(),
                versions: versions.collect(),
                retention: None,
            };
            self.history.set_table(table).unwrap();
        }
    }

    pub(crate) fn id(&self, name: &str) -> StreamId {
        let defs = self.defs();
        defs.object(TenantId::ONLY, name).unwrap().id()
    }

    /// The stream behind a stream, table or stream view.
    fn stream(&self, name: &str) -> StreamDef {
        match self.defs().object(TenantId::ONLY, name).unwrap() {
            Object::Stream(def) => def.as_ref().clone(),
            Object::Table(def) => def.change_stream(),
            Object::View(def) => def.stream().unwrap(),
        }
    }

    /// Opens the application, as a start does.
    pub(crate) fn open(&mut self) {
        self.try_open().unwrap();
    }

    /// The same, where it may fail.
    pub(crate) fn try_open(&mut self) -> Result<(), FlowError> {
        let disk: SharedDisk = Arc::new(self.disk.clone());
        let clock: SharedClock = Arc::<ManualClock>::clone(&self.clock);
        let app = AppId {
            tenant: TenantId::ONLY,
            name: self.name.clone(),
        };
        let parts = TablesParts {
            disk,
            folder: PathBuf::from("/data/redo"),
            store: Arc::new(self.store.clone()),
            app: app.clone(),
            clock: Arc::clone(&clock),
        };
        let config = TablesConfig {
            overlay_size_max: ByteSize(self.pace.overlay),
            apply_interval: Duration::ZERO,
            feed_size_max: ByteSize::mib(1),
            redo_files_max: 1,
            redo_size_max: ByteSize::mib(1),
        };
        let schemas = mainstem_flow::schemas(&self.defs(), &app);
        let opened = Tables::open(parts, config, schemas)?;
        let Opened {
            tables,
            applier,
            start,
        } = opened;
        let parts = ApplicationParts {
            app,
            catalog: Arc::clone(&self.catalog),
            log: Arc::new(Trap {
                log: Arc::clone(&self.log),
                switches: Arc::clone(&self.trap),
            }),
            history: Arc::clone(&self.history),
            tables,
            start,
            clock,
            spawn: Arc::new(Threads),
        };
        let config = FlowConfig {
            threads: self.pace.threads,
            step_size_max: ByteSize(self.pace.step),
            state_size_max: ByteSize(self.pace.state),
            lookup_size_max: ByteSize(self.pace.lookups),
            checkpoint_interval: Duration::from_secs(1),
            outgoing_interval: Duration::from_millis(20),
        };
        let (application, steps) = Application::open(parts, config)?;
        self.running = Some(Running {
            application,
            steps,
            applier,
        });
        Ok(())
    }

    /// The power goes: what was not synced survives in part, by this seed.
    pub(crate) fn lose_power(&mut self, seed: u64) {
        self.die();
        self.disk = self.disk.cut_power(Cut::Random(seed));
        self.store = self.store.crash(seed).unwrap();
    }

    /// The process dies: what no checkpoint has is lost.
    pub(crate) fn die(&mut self) {
        self.running = None;
    }

    /// The store is deleted: everything comes back from the log and history.
    pub(crate) fn lose_store(&mut self) {
        self.die();
        self.store = TwinStore::default();
        let redo = PathBuf::from("/data/redo");
        mainstem_disk::Disk::remove_dirs(&self.disk, &redo).unwrap();
    }

    /// Where rows and state are kept.
    pub(crate) fn store(&self) -> SharedStore {
        Arc::new(self.store.clone())
    }

    pub(crate) fn application(&self) -> &Arc<Application> {
        &self.running.as_ref().unwrap().application
    }

    pub(crate) fn tables(&self) -> Arc<Tables> {
        Arc::clone(self.application().tables())
    }

    /// One round of steps.
    pub(crate) fn work(&mut self) -> Result<bool, FlowError> {
        self.running.as_mut().unwrap().steps.work()
    }

    /// One round of the applier.
    pub(crate) fn apply_checkpoints(&mut self) -> bool {
        self.try_apply().unwrap()
    }

    pub(crate) fn try_apply(&mut self) -> Result<bool, TableError> {
        self.running.as_mut().unwrap().applier.work()
    }

    /// Works until there is nothing more to do.
    pub(crate) fn settle(&mut self) {
        while self.work().unwrap_or_else(|e| panic!("{}", chain(&e))) {}
    }

    /// Works until everything is in the log and in the store.
    pub(crate) fn finish(&mut self) {
        for _ in 0..3 {
            self.settle();
            self.advance(Duration::from_secs(2));
        }
        self.settle();
        while self.apply_checkpoints() {}
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    /// Swaps in what is ready.
    pub(crate) fn swap(&mut self) -> BTreeSet<StreamId> {
        let ready = self.application().ready();
        let swappable = self.defs().swappable(&ready);
        if !swappable.is_empty() {
            let changes = swappable.iter().map(|id| Change::SwapView { id: *id });
            self.apply(changes.collect());
        }
        swappable
    }

    pub(crate) fn status(&self, id: StreamId) -> Option<ViewStatus> {
        self.application().status(id)
    }

    pub(crate) fn is_building(&self, id: StreamId) -> bool {
        let status = self.status(id);
        status.is_some_and(|status| matches!(status.progress, Progress::Building { .. }))
    }
}

pub(crate) fn chain(error: &FlowError) -> String {
    mainstem_kernel::fault::chain(error)
}

/// A time as JSON.
pub(crate) fn at(micros: i64) -> String {
    let times = datafusion::arrow::array::TimestampMicrosecondArray::from(vec![micros]);
    let times = times.with_timezone("UTC");
    array_value_to_string(&times, 0).unwrap()
}
