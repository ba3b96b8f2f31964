//! `Owners`: what a node with the role `workers` does for tables: a member of the group of every
//! application that has some. One that is declared later gets its member within a second.
//!
//! It never decides: that is `Owner`.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use mainstem_catalog::Catalog;
use mainstem_kernel::{AppName, Problem, TenantId, clock::SharedClock, spawn::SharedSpawn};
use mainstem_sql::Compiler;
use mainstem_table::{AppId, TablesParts};
use parking_lot::Mutex;

use super::{
    TablesError, WritesConfig,
    owner::{Owner, Status},
};
use crate::ClusterError;

/// How often definitions are looked at for new applications.
const LOOK: Duration = Duration::from_millis(100);
/// The thread that looks.
const NAME: &str = "tables";

/// What the rows of an application are opened with: an empty folder, which stays empty, and an
/// empty store, each time. Whatever was there before is read from Kafka.
pub type RowsOf = Arc<dyn Fn(&AppId) -> TablesParts + Send + Sync>;

/// What owners need.
#[derive(Clone)]
pub struct OwnersParts {
    /// How they work.
    pub config: WritesConfig,
    /// What is declared. Somebody else follows it.
    pub catalog: Arc<Catalog>,
    /// What `now()` is.
    pub clock: SharedClock,
    /// Their threads.
    pub spawn: SharedSpawn,
    /// Where their rows are in memory.
    pub rows: RowsOf,
    /// Tells this node from all others, for ever.
    pub instance: String,
}

impl fmt::Debug for OwnersParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnersParts")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

/// How the writes of an application go here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerHealth {
    /// The application.
    pub app: AppName,
    /// Whether this node decides them; if not, it stands by.
    pub is_owner: bool,
    /// Statements that were decided here since the start.
    pub statements: u64,
    /// Why it had to begin again, until it owns.
    pub problem: Option<Problem>,
}

/// The owners of a node.
#[derive(Debug)]
pub struct Owners {
    parts: Arc<OwnersParts>,
    running: Mutex<BTreeMap<(TenantId, AppName), Arc<Status>>>,
    stop: Arc<AtomicBool>,
}

impl Owners {
    /// Starts a member for every application that has tables, now and later.
    ///
    /// # Errors
    /// When the machine refuses a thread.
    pub fn start(parts: OwnersParts) -> Result<Arc<Self>, ClusterError> {
        let spawn = Arc::clone(&parts.spawn);
        let owners = Arc::new(Self {
            parts: Arc::new(parts),
            running: Mutex::default(),
            stop: Arc::default(),
        });
        let own = Arc::clone(&owners);
        spawn
            .thread(NAME, Box::new(move || own.run()))
            .map_err(|source| ClusterError::Thread { name: NAME, source })?;
        Ok(owners)
    }

    fn run(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            if let Err(error) = self.follow() {
                tracing::error!(error = mainstem_kernel::fault::chain(&error), "tables");
            }
            thread::sleep(LOOK);
        }
    }

    /// Starts the members that are missing.
    fn follow(&self) -> Result<(), TablesError> {
        let definitions = self.parts.catalog.definitions();
        for table in definitions.tables.values() {
            let key = (table.tenant, table.app.clone());
            if self.running.lock().contains_key(&key) {
                continue;
            }
            let status = Arc::new(Status::default());
            let owner = Owner {
                app: AppId {
                    tenant: key.0,
                    name: key.1.clone(),
                },
                parts: Arc::clone(&self.parts),
                compiler: Compiler::open().map_err(TablesError::Compiler)?,
                status: Arc::clone(&status),
                stop: Arc::clone(&self.stop),
            };
            let name = Self::thread_of(&key.1);
            self.parts
                .spawn
                .thread(&name, Box::new(move || owner.run()))
                .map_err(|source| ClusterError::Thread { name: NAME, source })?;
            self.running.lock().insert(key, status);
        }
        Ok(())
    }

    fn thread_of(app: &AppName) -> String {
        format!("{NAME}-{app}")
    }

    /// The names of its threads, for whoever waits for their end.
    #[must_use]
    pub fn threads(&self) -> Vec<String> {
        let running = self.running.lock();
        let owners = running.keys().map(|(_, app)| Self::thread_of(app));
        owners.chain([NAME.to_owned()]).collect()
    }

    /// How the writes of each application go here.
    #[must_use]
    pub fn health(&self) -> Vec<OwnerHealth> {
        let running = self.running.lock();
        let health = running.iter().map(|((_, app), status)| OwnerHealth {
            app: app.clone(),
            is_owner: status.is_owner.load(Ordering::Relaxed),
            statements: status.statements.load(Ordering::Relaxed),
            problem: status.problem.lock().clone(),
        });
        health.collect()
    }

    /// Ends all threads after what they are at: within a second.
    pub fn close(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
