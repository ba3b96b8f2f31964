//! Care: the threads that archive, watch the disk, and forget what was dropped.
//!
//! They never touch a request. Each round is short, and a failure is reported and tried again.

use std::{sync::Arc, thread, time::Duration};

use mainstem_catalog::{ChangeSet, Object};
use mainstem_kernel::{ByteSize, Spawn, fault::chain};

use crate::{
    errors::NodeError,
    health::Obstacle,
    memory,
    pace::{Load, Pace},
    parts::Parts,
};

/// Name of the thread that archives.
pub(crate) const HISTORY_THREAD: &str = "history";
/// Name of the thread that watches.
pub(crate) const CARE_THREAD: &str = "care";
/// Pause of the history thread when there was nothing to do.
const IDLE: Duration = Duration::from_millis(100);
/// Pause of the history thread while it gives way to the doors.
const GIVEN_WAY: Duration = Duration::from_millis(20);
/// Pause between two looks at the node.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Streams that history is told of between two looks: each takes some syncs.
const DECLARED_PER_LOOK_MAX: usize = 50;
/// Percent of the journal's limit from which history is told to hurry.
const PRESS_AT: u64 = 60;

/// Starts the threads.
pub(crate) fn start(parts: &Arc<Parts>) -> Result<(), NodeError> {
    let fail = |source| NodeError::System {
        what: "a thread",
        source,
    };
    let archiving = Arc::clone(parts);
    let archive = move || {
        let mut pace = Pace::default();
        while !archiving.health.is_stopping() {
            if pace.gives_way(load(&archiving)) {
                pause(GIVEN_WAY);
                continue;
            }
            let held = archiving.archiving.lock();
            let has_worked = archiving.history.work();
            drop(held);
            if !has_worked {
                pace.is_done();
                pause(IDLE);
            }
        }
    };
    parts
        .supervisor
        .thread(HISTORY_THREAD, Box::new(archive))
        .map_err(fail)?;
    let watching = Arc::clone(parts);
    let watch = move || {
        while !watching.health.is_stopping() {
            if !look(&watching) {
                pause(LOOK_EVERY);
            }
        }
    };
    parts
        .supervisor
        .thread(CARE_THREAD, Box::new(watch))
        .map_err(fail)
}

/// Sleeps on a thread of the node's own.
fn pause(span: Duration) {
    thread::sleep(span);
}

fn load(parts: &Parts) -> Load {
    Load {
        now: parts.clock.monotonic(),
        written: parts.metrics.journal_written_bytes.get(),
        owed: parts.journal.sizes().1,
        size_max: parts.journal.size_max(),
    }
}

/// One look at everything; whether the next one should come at once.
fn look(parts: &Parts) -> bool {
    parts.health.note_disk(disk_full(parts));
    parts
        .metrics
        .memory_resident_bytes
        .set(gauge(memory::resident()));
    if parts.journal.fill() > PRESS_AT {
        parts.history.press();
    }
    parts.applications.follow();
    parts.applications.swap();
    parts.applications.measure();
    forget_dropped(parts);
    parts.declare_changes(DECLARED_PER_LOOK_MAX)
}

fn gauge(size: ByteSize) -> i64 {
    i64::try_from(size.0).unwrap_or(i64::MAX)
}

/// Whether less is free than is kept in reserve. What cannot be learned stands against nothing.
fn disk_full(parts: &Parts) -> Option<Obstacle> {
    let folder = parts.data();
    let free = parts.disk.free_space(folder).ok()?;
    let native = parts.disk.native_path(folder)?;
    parts.metrics.disk_free_bytes.set(gauge(free));
    let total = rustix::fs::statvfs(&native).ok()?;
    let total = ByteSize(total.f_blocks.saturating_mul(total.f_frsize));
    let reserve = &parts.config.disk;
    let floor = reserve.free_min.of(total).min(reserve.free_enough);
    (free < floor).then(|| Obstacle::DiskFull {
        folder: folder.to_owned(),
        free,
        floor,
    })
}

/// Forgets what was dropped or replaced long enough ago: first its rows, then the definition, so
/// that a crash between the two only repeats the first. Rows by key go when the definition has.
fn forget_dropped(parts: &Parts) {
    let now = parts.clock.now();
    let definitions = parts.catalog.definitions();
    for object in definitions.due(now) {
        let label = object.label();
        match forget(parts, object) {
            Ok(()) => tracing::info!(object = %label, id = %object.id(), "forgotten"),
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(object = %label, error, "still to be forgotten");
            }
        }
    }
}

fn forget(parts: &Parts, object: Object<'_>) -> Result<(), NodeError> {
    let (id, log) = (object.id(), parts.journal.log());
    let held = parts.archiving.lock();
    parts.history.forget(id)?;
    log.trim(id, log.frontier());
    drop(held);
    let changes = ChangeSet {
        tenant: object.tenant(),
        app: object.app().clone(),
        changes: vec![object.forget()],
    };
    parts
        .catalog
        .apply(changes, parts.catalog.definitions().seq)?;
    parts.tables.lock().known.remove(&id);
    Ok(())
}
