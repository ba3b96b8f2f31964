//! `Parts`: everything that runs in a node, opened in order.
//!
//! Order matters: the folder is locked before anything is read, definitions are known before
//! history is told of its tables, and rows are let in last.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZero,
    path::Path,
    sync::Arc,
    time::Duration,
};

use mainstem_admit::{Admission, AdmitParts};
use mainstem_app::{Apps, OneMachine};
use mainstem_catalog::{Catalog, Definitions, StreamDef};
use mainstem_disk::{RealDisk, SharedDisk};
use mainstem_gateway::{GatewayParts, Local};
use mainstem_history::{History, HistoryParts, StreamTable};
use mainstem_kernel::{
    StreamId,
    clock::{SharedClock, SystemClock},
    metrics::Metrics,
    spawn::SharedSpawn,
};
use mainstem_log::JournalParts;
use mainstem_sql::{Engine, SharedRowSource, SqlParts};
use parking_lot::Mutex;
use tokio::runtime::Runtime;

use crate::{
    applications::{Applications, ApplicationsParts},
    care,
    config::Config,
    control::NodeControl,
    errors::NodeError,
    folder::DataFolder,
    health::Health,
    journal::Journal,
    memory::Shares,
    moving::Moving,
    node::{Core, close_admission},
    runtimes::Runtimes,
    supervisor::Supervisor,
};

/// What history was told of streams.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// The newest definition of each that history has taken.
    pub(crate) known: BTreeMap<StreamId, Arc<StreamDef>>,
    /// Those that it refused, and that were reported.
    refused: BTreeSet<StreamId>,
}

/// Everything that runs in a node.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) shares: Shares,
    pub(crate) disk: SharedDisk,
    pub(crate) folder: DataFolder,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) supervisor: Arc<Supervisor>,
    pub(crate) health: Arc<Health>,
    pub(crate) moving: Arc<Moving>,
    pub(crate) journal: Journal,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) history: Arc<History>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) apps: Arc<Apps>,
    pub(crate) applications: Arc<Applications>,
    /// What history was last told of each stream.
    pub(crate) tables: Mutex<Tables>,
    /// Held by whoever archives or trims, so that a backup can hold both still.
    pub(crate) archiving: Mutex<()>,
    /// When it was opened, on the monotonic clock.
    pub(crate) started: Duration,
}

impl Parts {
    /// Opens everything of a data folder.
    #[expect(
        clippy::too_many_lines,
        reason = "one part after the other, each named once"
    )]
    pub(crate) fn open(
        folder: DataFolder,
        config: Config,
        runtimes: &Runtimes,
    ) -> Result<Arc<Self>, NodeError> {
        let shares = Shares::split(&config)?;
        let disk: SharedDisk = Arc::new(RealDisk);
        let clock: SharedClock = Arc::new(SystemClock);
        let started = clock.monotonic();
        let metrics = Metrics::new();
        let supervisor = Supervisor::new(runtimes.doors.handle().clone(), Arc::clone(&metrics));
        let spawn: SharedSpawn = Arc::<Supervisor>::clone(&supervisor);
        let health = Health::new(Arc::clone(&supervisor));

        let moving = Moving::open(Arc::clone(&disk), Arc::clone(&clock), folder.moved())?;
        let moving = Arc::new(moving);
        let journal = Journal::open(
            JournalParts {
                disk: Arc::clone(&disk),
                folder: folder.journal(),
                clock: Arc::clone(&clock),
                spawn: Arc::clone(&spawn),
                metrics: Arc::clone(&metrics),
            },
            config.log(shares),
            &health,
            &moving,
        )?;
        let log = journal.log();
        let catalog = Catalog::open(Arc::clone(&log))?;
        let history = History::open(
            HistoryParts {
                disk: Arc::clone(&disk),
                folder: folder.history(),
                log: Arc::clone(&log),
                clock: Arc::clone(&clock),
                metrics: Arc::clone(&metrics),
            },
            config.history(shares),
        )?;
        let tables = Mutex::new(declare(&history, &catalog)?);
        let applications = Applications::new(
            ApplicationsParts {
                disk: Arc::clone(&disk),
                store: folder.store(),
                redo: folder.redo(),
                catalog: Arc::clone(&catalog),
                log: Arc::clone(&log),
                history: Arc::clone(&history),
                clock: Arc::clone(&clock),
                spawn: Arc::clone(&spawn),
                metrics: Arc::clone(&metrics),
            },
            config.applications(shares),
        );
        applications.follow();
        let rows: SharedRowSource = Arc::<Applications>::clone(&applications);
        let sql = SqlParts {
            catalog: Arc::clone(&catalog),
            log: Arc::clone(&log),
            history: Arc::clone(&history),
            rows,
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            runtime: runtimes.queries.handle().clone(),
        };
        let engine = Engine::open(sql, config.sql(shares));
        let apps = Apps::open(Arc::clone(&catalog), Arc::new(OneMachine));
        let admission = Admission::open(
            AdmitParts {
                log,
                catalog: Arc::clone(&catalog),
                clock: Arc::clone(&clock),
                spawn,
                metrics: Arc::clone(&metrics),
            },
            config.admit(shares),
        )?;
        let parts = Arc::new(Self {
            config,
            shares,
            disk,
            folder,
            clock,
            metrics,
            supervisor,
            health,
            moving,
            journal,
            catalog,
            history,
            admission,
            engine,
            apps,
            applications,
            tables,
            archiving: Mutex::new(()),
            started,
        });
        care::start(&parts)?;
        Ok(parts)
    }

    /// Tells history of streams that are new or have changed, of so many at most; whether there are
    /// more. What history refuses is reported once and tried again at the next call. Until history
    /// knows of a stream, its rows wait in the log, where they are asked and followed as well.
    pub(crate) fn declare_changes(&self, streams_max: usize) -> bool {
        let mut tables = self.tables.lock();
        let definitions = self.catalog.definitions();
        let is_new = |def: &Arc<StreamDef>| {
            let known = tables.known.get(&def.id);
            !known.is_some_and(|known| Arc::ptr_eq(known, def) || known == def)
        };
        let mut changes: Vec<_> = streams(&definitions).filter(is_new).collect();
        // What was refused before comes last, and is no reason for haste.
        changes.sort_by_key(|def| tables.refused.contains(&def.id));
        let hopeful = changes
            .iter()
            .filter(|def| !tables.refused.contains(&def.id))
            .count();
        let is_more = hopeful > streams_max;
        changes.truncate(streams_max);
        for def in changes {
            match self.history.set_table(stream_table(&def)) {
                Ok(()) => {
                    tables.refused.remove(&def.id);
                    tables.known.insert(def.id, def);
                }
                Err(error) if tables.refused.insert(def.id) => {
                    let error = mainstem_kernel::fault::chain(&error);
                    tracing::error!(stream = %def.spec.name, error, "stream has no history");
                }
                Err(_reported) => {}
            }
        }
        is_more
    }

    /// As an absolute path.
    pub(crate) fn data(&self) -> &Path {
        self.folder.path()
    }
}

impl Core for Parts {
    fn doors(self: Arc<Self>, admin_key: Arc<str>) -> GatewayParts {
        GatewayParts {
            admission: Arc::clone(&self.admission),
            questions: Arc::<Engine>::clone(&self.engine),
            apps: Arc::clone(&self.apps),
            catalog: Arc::clone(&self.catalog),
            local: Some(Local {
                log: self.journal.log(),
                engine: Arc::clone(&self.engine),
            }),
            feeds: None,
            clock: Arc::clone(&self.clock),
            spawn: Arc::<Supervisor>::clone(&self.supervisor),
            metrics: Arc::clone(&self.metrics),
            admin_key,
            control: Arc::new(NodeControl(self)),
        }
    }

    fn folder(&self) -> &DataFolder {
        &self.folder
    }

    fn shares(&self) -> Shares {
        self.shares
    }

    fn begin_stop(&self) {
        self.health.stop();
    }

    fn close(self: Arc<Self>, runtime: &Runtime, time_max: Duration) {
        close_admission(&self.admission, runtime, time_max);
        self.applications.close(&self.supervisor, time_max);
        for thread in [care::CARE_THREAD, care::HISTORY_THREAD] {
            if !self.supervisor.join_within(thread, time_max) {
                tracing::warn!(thread, "thread was still at work at the end");
            }
        }
        self.journal.close(time_max);
    }

    fn age(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.started)
    }
}

/// Tells history of every stream that is defined, dropped ones included: their rows are kept for
/// seven days. A damaged table stops the start, because answers without it would be wrong.
pub(crate) fn declare(history: &History, catalog: &Catalog) -> Result<Tables, NodeError> {
    let mut tables = Tables::default();
    for def in streams(&catalog.definitions()) {
        history
            .set_table(stream_table(&def))
            .map_err(|source| NodeError::Stream {
                stream: def.spec.name.clone(),
                source,
            })?;
        tables.known.insert(def.id, def);
    }
    Ok(tables)
}

/// Everything that is a stream of the log: the changes of tables and the rows of views too.
fn streams(definitions: &Definitions) -> impl Iterator<Item = Arc<StreamDef>> {
    let tables = definitions.tables.values();
    let tables = tables.map(|def| Arc::new(def.change_stream()));
    let views = definitions.views.values();
    let views = views.filter_map(|def| def.stream().map(Arc::new));
    let streams = definitions.streams.values().cloned();
    streams.chain(tables).chain(views)
}

/// What history has to know of a stream.
fn stream_table(def: &StreamDef) -> StreamTable {
    let versions = def
        .schemas
        .iter()
        .map(|entry| (entry.version, entry.columns.clone()));
    StreamTable {
        stream: def.id,
        name: def.spec.name.clone(),
        columns: def.kept_columns(),
        versions: versions.collect(),
        retention: def.spec.retention,
    }
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}
