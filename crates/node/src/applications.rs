//! `Applications`: the tables and views of every application that has some, each with its own
//! threads, redo folder and problems; over one store.
//!
//! An application is opened when it declares its first table or view, and runs until the node stops.
//! One that cannot be opened, or stands still, is named; the others go on.

mod running;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use mainstem_catalog::{Catalog, Change, ChangeSet, Definitions};
use mainstem_disk::SharedDisk;
use mainstem_flow::{FlowConfig, Health};
use mainstem_history::History;
use mainstem_kernel::{
    AppName, Problem, TenantId,
    clock::SharedClock,
    fault::{Fault, chain},
    metrics::{AppLabel, Metrics},
    spawn::SharedSpawn,
};
use mainstem_log::SharedLog;
use mainstem_sql::{AppRows, RowSource, ViewEngine};
use mainstem_store::{FjallStore, SharedStore, StoreConfig};
use mainstem_table::{TablesConfig, WriterConfig};
use parking_lot::{Mutex, RwLock};

use crate::{errors::ApplicationError, supervisor::Supervisor};
use running::Running;

/// An application, by owner and name.
type Key = (TenantId, AppName);

/// What applications stand on.
#[derive(Clone, Debug)]
pub(crate) struct ApplicationsParts {
    pub(crate) disk: SharedDisk,
    /// Where rows by key end up; made with the first application.
    pub(crate) store: PathBuf,
    /// A folder of redo files for each application.
    pub(crate) redo: PathBuf,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) log: SharedLog,
    pub(crate) history: Arc<History>,
    pub(crate) clock: SharedClock,
    pub(crate) spawn: SharedSpawn,
    pub(crate) metrics: Arc<Metrics>,
}

/// How much they may do and hold.
#[derive(Clone, Debug)]
pub(crate) struct ApplicationsConfig {
    pub(crate) store: StoreConfig,
    pub(crate) tables: TablesConfig,
    pub(crate) flow: FlowConfig,
    pub(crate) writer: WriterConfig,
}

/// The applications that run.
#[derive(Debug)]
pub(crate) struct Applications {
    parts: ApplicationsParts,
    config: ApplicationsConfig,
    /// Held while one is opened.
    store: Mutex<Option<SharedStore>>,
    running: RwLock<BTreeMap<Key, Running>>,
    /// Why some do not run.
    refused: Mutex<BTreeMap<Key, Problem>>,
}

impl Applications {
    /// None runs yet.
    pub(crate) fn new(parts: ApplicationsParts, config: ApplicationsConfig) -> Arc<Self> {
        Arc::new(Self {
            parts,
            config,
            store: Mutex::new(None),
            running: RwLock::default(),
            refused: Mutex::default(),
        })
    }

    /// Opens the applications that have tables or views and do not run. One that was refused is
    /// tried again at the next start.
    pub(crate) fn follow(&self) {
        let definitions = self.parts.catalog.definitions();
        let missing: Vec<Key> = {
            let (running, refused) = (self.running.read(), self.refused.lock());
            let wanted = definitions.apps.keys();
            let wanted = wanted.filter(|key| has_rows(&definitions, key));
            wanted
                .filter(|key| !running.contains_key(*key) && !refused.contains_key(*key))
                .cloned()
                .collect()
        };
        for key in missing {
            self.open(&key);
        }
        for running in self.running.read().values() {
            running.application.wake();
        }
    }

    fn open(&self, key: &Key) {
        let mut store = self.store.lock();
        if self.running.read().contains_key(key) {
            return;
        }
        let opened = self.opened(key, &mut store);
        match opened {
            Ok(running) => {
                tracing::info!(app = %key.1, "tables and views opened");
                self.running.write().insert(key.clone(), running);
            }
            Err(error) => {
                tracing::error!(app = %key.1, error = chain(&error), "tables and views do not run");
                self.refused.lock().insert(key.clone(), error.problem());
            }
        }
    }

    fn opened(
        &self,
        key: &Key,
        store: &mut Option<SharedStore>,
    ) -> Result<Running, ApplicationError> {
        let store = match store {
            Some(store) => Arc::clone(store),
            None => {
                let disk = self.parts.disk.as_ref();
                let folder = &self.parts.store;
                let opened: SharedStore = FjallStore::open(disk, folder, self.config.store)?;
                Arc::clone(store.insert(opened))
            }
        };
        Running::open(&self.parts, &self.config, (key, store))
    }

    /// Swaps in the views that were built and have caught up.
    pub(crate) fn swap(&self) {
        for ((tenant, app), running) in self.running.read().iter() {
            let ready = running.application.ready();
            if ready.is_empty() {
                continue;
            }
            let definitions = self.parts.catalog.definitions();
            let swappable = definitions.swappable(&ready);
            if swappable.is_empty() {
                continue;
            }
            let changes = swappable.iter().map(|id| Change::SwapView { id: *id });
            let changes = ChangeSet {
                tenant: *tenant,
                app: app.clone(),
                changes: changes.collect(),
            };
            // Somebody else may have changed the definitions meanwhile: then at the next look.
            match self.parts.catalog.apply(changes, definitions.seq) {
                Ok(_) => tracing::info!(%app, views = swappable.len(), "views swapped in"),
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(%app, error, "views are still to be swapped in");
                }
            }
        }
    }

    /// How each goes that runs, and why others do not.
    pub(crate) fn health(&self) -> Vec<(AppName, Result<Health, Problem>)> {
        let running = self.running.read();
        let running = running
            .iter()
            .map(|((_, app), running)| (app.clone(), Ok(running.application.health())));
        let refused = self.refused.lock();
        let refused = refused
            .iter()
            .map(|((_, app), problem)| (app.clone(), Err(problem.clone())));
        running.chain(refused).collect()
    }

    /// The applications that stand still, and why.
    pub(crate) fn paused(&self) -> Vec<(AppName, Problem)> {
        let running = self.running.read();
        let running = running.iter().filter_map(|((_, app), running)| {
            let problem = ViewEngine::problem(running.application.as_ref())?;
            Some((app.clone(), problem))
        });
        let refused = self.refused.lock();
        let refused = refused.iter();
        let refused = refused.map(|((_, app), problem)| (app.clone(), problem.clone()));
        running.chain(refused).collect()
    }

    /// Puts what there is to know of applications and views into the metrics.
    pub(crate) fn measure(&self) {
        let metrics = &self.parts.metrics;
        let frontier = self.parts.log.frontier();
        for ((_, app), running) in self.running.read().iter() {
            running.measure(frontier, metrics);
            metrics.application_paused.get_or_create(&label(app)).set(0);
        }
        for (app, _) in self.paused() {
            metrics
                .application_paused
                .get_or_create(&label(&app))
                .set(1);
        }
    }

    /// Takes no more writes, takes last checkpoints, and ends all threads.
    pub(crate) fn close(&self, supervisor: &Supervisor, wait: Duration) {
        let running = std::mem::take(&mut *self.running.write());
        for running in running.values() {
            running.close();
        }
        for running in running.into_values() {
            running.join(supervisor, wait);
        }
        self.store.lock().take();
    }
}

impl RowSource for Applications {
    fn rows_of(&self, tenant: TenantId, app: &AppName) -> Option<AppRows> {
        let running = self.running.read();
        let running = running.get(&(tenant, app.clone()))?;
        Some(running.rows.clone())
    }
}

fn label(app: &AppName) -> AppLabel {
    AppLabel {
        app: app.to_string(),
    }
}

/// Whether an application has tables or views, dropped ones included while their rows are kept.
fn has_rows(definitions: &Definitions, (tenant, app): &Key) -> bool {
    let mut tables = definitions.tables.values();
    let mut views = definitions.views.values();
    tables.any(|def| def.tenant == *tenant && def.app == *app)
        || views.any(|def| def.tenant == *tenant && def.app == *app)
}

#[cfg(test)]
mod tests;
