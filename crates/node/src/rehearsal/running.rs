//! What runs between two restarts of a rehearsal.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use mainstem_admit::{Admission, AdmitParts};
use mainstem_app::{Apps, OneMachine};
use mainstem_catalog::{Catalog, Change, ChangeSet};
use mainstem_disk::SharedDisk;
use mainstem_flow::{Application, ApplicationParts, Steps, schemas};
use mainstem_history::{History, HistoryParts};
use mainstem_kernel::{
    AppName, TenantId,
    clock::{ManualClock, SharedClock},
    metrics::Metrics,
    spawn::{SharedSpawn, Spawn},
};
use mainstem_sql::{AppRows, Engine, RowSource, SqlParts, ViewEngine};
use mainstem_table::{AppId, Applier, Opened, Tables, TablesParts, Writer, WriterParts};

use super::{Ground, errors::RehearsalError};
use crate::{errors::NodeError, parts, supervisor::Supervisor};

const HISTORY: &str = "/data/history";
const REDO: &str = "/data/redo";
/// Thread that decides writes.
const WRITER: &str = "writer";
/// How long a thread may take to end.
const WAIT: Duration = Duration::from_secs(5);

/// What runs between two restarts.
pub(super) struct Running {
    pub(super) admission: Arc<Admission>,
    pub(super) engine: Arc<Engine>,
    catalog: Arc<Catalog>,
    application: Arc<Application>,
    steps: Steps,
    applier: Applier,
    rows: AppRows,
    supervisor: Arc<Supervisor>,
}

/// The rows by key of the only application.
#[derive(Debug)]
struct OnlyRows {
    app: AppName,
    rows: AppRows,
}

impl RowSource for OnlyRows {
    fn rows_of(&self, _tenant: TenantId, app: &AppName) -> Option<AppRows> {
        (*app == self.app).then(|| self.rows.clone())
    }
}

impl Running {
    /// Opens everything in a node's order; `define` may change what is defined.
    #[expect(
        clippy::too_many_lines,
        reason = "one part after the other, each named once"
    )]
    pub(super) fn open(
        ground: &Ground,
        define: impl FnOnce(&Apps) -> Result<(), RehearsalError>,
    ) -> Result<Self, RehearsalError> {
        let disk: SharedDisk = Arc::new(ground.disk.clone());
        let clock: SharedClock = Arc::<ManualClock>::clone(&ground.clock);
        let log = Arc::clone(&ground.log);
        let metrics = Metrics::new();
        let doors = ground.runtimes.doors.handle().clone();
        let supervisor = Supervisor::new(doors, Arc::clone(&metrics));
        let spawn: SharedSpawn = Arc::<Supervisor>::clone(&supervisor);

        let catalog = Catalog::open(Arc::clone(&log))?;
        define(&Apps::open(Arc::clone(&catalog), Arc::new(OneMachine)))?;
        let history = History::open(
            HistoryParts {
                disk: Arc::clone(&disk),
                folder: Path::new(HISTORY).to_owned(),
                log: Arc::clone(&log),
                clock: Arc::clone(&clock),
                metrics: Arc::clone(&metrics),
            },
            ground.config.history(ground.shares),
        )
        .map_err(NodeError::from)?;
        parts::declare(&history, &catalog)?;

        let limits = ground.config.applications(ground.shares);
        let app = AppId {
            tenant: TenantId::ONLY,
            name: ground.app.clone(),
        };
        let Opened {
            tables,
            applier,
            start,
        } = Tables::open(
            TablesParts {
                disk,
                folder: Path::new(REDO).to_owned(),
                store: Arc::clone(&ground.store),
                app: app.clone(),
                clock: Arc::clone(&clock),
            },
            limits.tables,
            schemas(&catalog.definitions(), &app),
        )?;
        let mut flow = limits.flow;
        flow.threads = 1;
        flow.outgoing_interval = Duration::ZERO;
        let (application, steps) = Application::open(
            ApplicationParts {
                app,
                catalog: Arc::clone(&catalog),
                log: Arc::clone(&log),
                history: Arc::clone(&history),
                tables: Arc::clone(&tables),
                start,
                clock: Arc::clone(&clock),
                spawn: Arc::clone(&spawn),
            },
            flow,
        )?;
        let (writer, sequencer) = Writer::open(
            WriterParts {
                tables: Arc::clone(&tables),
                log: Arc::clone(&log),
                clock: Arc::clone(&clock),
            },
            limits.writer,
        );
        supervisor
            .thread(WRITER, Box::new(move || sequencer.run()))
            .map_err(|source| NodeError::System {
                what: "a thread",
                source,
            })?;
        let rows = AppRows { tables, writer };
        let engine = Engine::open(
            SqlParts {
                catalog: Arc::clone(&catalog),
                log: Arc::clone(&log),
                history,
                rows: Arc::new(OnlyRows {
                    app: ground.app.clone(),
                    rows: rows.clone(),
                }),
                clock: Arc::clone(&clock),
                metrics: Arc::clone(&metrics),
                runtime: ground.runtimes.queries.handle().clone(),
            },
            ground.config.sql(ground.shares),
        );
        let mut admit = ground.config.admit(ground.shares);
        admit.workers = 1;
        let admission = Admission::open(
            AdmitParts {
                log,
                catalog: Arc::clone(&catalog),
                clock,
                spawn,
                metrics,
            },
            admit,
        )?;
        Ok(Self {
            admission,
            engine,
            catalog,
            application,
            steps,
            applier,
            rows,
            supervisor,
        })
    }

    /// Works until there is nothing more to do: steps, checkpoints that are due, views that are
    /// built and can be swapped in, rows that the store has yet to take.
    pub(super) fn settle(&mut self, app: &AppName) -> Result<(), RehearsalError> {
        loop {
            let has_worked = self.steps.work()?;
            let has_swapped = self.swap(app)?;
            if !has_worked && !has_swapped {
                break;
            }
        }
        while self.applier.work()? {}
        Ok(())
    }

    /// Sends rows that were to leave before a restart.
    pub(super) fn send_left(&mut self) -> Result<(), RehearsalError> {
        Ok(self.steps.finish()?)
    }

    /// Swaps in the views that were built; whether there were some.
    fn swap(&self, app: &AppName) -> Result<bool, RehearsalError> {
        let definitions = self.catalog.definitions();
        let swappable = definitions.swappable(&self.application.ready());
        if swappable.is_empty() {
            return Ok(false);
        }
        let changes = swappable.iter().map(|id| Change::SwapView { id: *id });
        let changes = ChangeSet {
            tenant: TenantId::ONLY,
            app: app.clone(),
            changes: changes.collect(),
        };
        self.catalog.apply(changes, definitions.seq)?;
        Ok(true)
    }

    /// Ends all threads. Nothing is saved: what no checkpoint has is lost.
    pub(super) fn die(&self) {
        self.admission.close();
        self.rows.writer.close();
        self.application.close();
        self.rows.tables.close();
        self.supervisor.join_within(WRITER, WAIT);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.die();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("application", &self.application)
            .finish_non_exhaustive()
    }
}
