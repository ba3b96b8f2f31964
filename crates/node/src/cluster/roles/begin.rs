//! What begins with Kafka alone: progress, writes to tables, their owners, workers, control. The rest
//! begins in `engines`.

use std::sync::Arc;

use mainstem_cluster::{
    config::Role,
    control::{self, ControlParts, SparkQueries},
    progress::ProgressView,
    rows::{FrontierParts, Frontiers},
    tables::{Owners, OwnersParts, RowsOf, TableWrites, TableWritesParts, WritesConfig},
    worker::{Workers, WorkersParts},
};
use mainstem_disk::RealDisk;
use mainstem_kernel::spawn::SharedSpawn;
use mainstem_store::MemoryStore;
use mainstem_table::{AppId, TablesParts};

use super::engines;
use crate::{
    cluster::{ClusterParts, away},
    errors::NodeError,
};

/// Starts what needs Kafka alone, and looks for the others.
pub(in crate::cluster) fn start(parts: &Arc<ClusterParts>) -> Result<(), NodeError> {
    let roles = &parts.roles;
    let spawn = parts.spawn();
    let progress = ProgressView::open(&parts.config.kafka, &spawn).map_err(away)?;
    roles.has_thread("progress");
    let frontiers = Frontiers::open(FrontierParts {
        kafka: parts.config.kafka.clone(),
        progress: Arc::clone(&progress),
        definitions: parts.catalog.watch(),
        runtime: parts.runtime.clone(),
    });
    drop(roles.progress.set(progress));
    drop(roles.frontiers.set(frontiers.map_err(away)?));
    let writes = TableWrites::open(TableWritesParts {
        config: WritesConfig {
            kafka: parts.doors.clone(),
            ..parts.limits.writes.clone()
        },
        catalog: Arc::clone(&parts.catalog),
        clock: Arc::clone(&parts.clock),
        spawn: parts.spawn(),
    });
    let writes = writes.map_err(|error| NodeError::Cluster(Arc::new(error)))?;
    drop(roles.writes.set(writes));
    roles.has_thread("answers");
    if parts.config.roles.has(Role::Workers) {
        workers(parts)?;
    }
    if parts.config.roles.has(Role::Control) {
        control(parts, spawn)?;
    }
    engines::start(parts)
}

/// The role of workers: owners of tables, lookups, deduplication.
fn workers(parts: &Arc<ClusterParts>) -> Result<(), NodeError> {
    let owners = Owners::start(OwnersParts {
        config: parts.limits.writes.clone(),
        catalog: Arc::clone(&parts.catalog),
        clock: Arc::clone(&parts.clock),
        spawn: parts.spawn(),
        rows: rows_of(parts),
        instance: parts.instance.clone(),
    });
    drop(parts.roles.owners.set(owners.map_err(away)?));
    let workers = Workers::start(WorkersParts {
        config: parts.limits.workers.clone(),
        definitions: parts.catalog.watch(),
        spawn: parts.spawn(),
        clock: Arc::clone(&parts.clock),
        instance: parts.instance.clone(),
    });
    drop(parts.roles.workers.set(workers.map_err(away)?));
    Ok(())
}

/// Where rows of an application are in memory.
fn rows_of(parts: &ClusterParts) -> RowsOf {
    let (folder, clock) = (parts.folder.path().join("tables"), Arc::clone(&parts.clock));
    Arc::new(move |app: &AppId| TablesParts {
        disk: Arc::new(RealDisk),
        folder: folder.join(app.name.as_str()),
        store: Arc::new(MemoryStore::new()),
        app: app.clone(),
        clock: Arc::clone(&clock),
    })
}

/// The role of control: it looks for Spark by itself.
fn control(parts: &Arc<ClusterParts>, spawn: SharedSpawn) -> Result<(), NodeError> {
    let engine = SparkQueries::new(&parts.config, spawn, parts.runtime.clone());
    let control = ControlParts {
        config: parts.config.clone(),
        catalog: Arc::clone(&parts.catalog),
        engine: Arc::new(engine),
        clock: Arc::clone(&parts.clock),
        runtime: parts.runtime.clone(),
        node: parts.folder.path().display().to_string(),
        instance: parts.instance.clone(),
    };
    let stop = parts.roles.stop.subscribe();
    let own = Arc::clone(parts);
    parts.start_thread("control", move || {
        control::run(control, &stop, &|problem| {
            own.roles.note("control", problem)
        });
    })
}
