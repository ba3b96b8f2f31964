//! `Control`: what the node does for its doors.

mod views;

use std::{path::PathBuf, sync::Arc};

use mainstem_catalog::StreamDef;
use mainstem_gateway::{
    AppStatus, BackupSummary, Control, Doors, Later, PausedApp, Readiness, Standing, Status,
    StreamStatus,
};
use mainstem_kernel::{Fault, Position, Problem, StreamId, TenantId};

use crate::{backup, errors::NodeError, memory, parts::Parts};

/// An apply waits until history knows of this many streams; of more it hears soon after.
const DECLARED_AT_ONCE_MAX: usize = 50;

/// The node as its doors see it.
#[derive(Clone, Debug)]
pub(crate) struct NodeControl(pub(crate) Arc<Parts>);

impl Control for NodeControl {
    fn ready(&self) -> Result<Readiness, Problem> {
        self.0.health.ready()?;
        let paused = self.0.applications.paused().into_iter();
        let paused = paused.map(|(name, problem)| Standing {
            name: name.to_string(),
            code: problem.code.as_str().to_owned(),
        });
        Ok(Readiness {
            paused: paused.collect(),
        })
    }

    fn status(&self) -> Status {
        status(&self.0)
    }

    fn flush(&self, stream: Option<String>) -> Later<Position> {
        let parts = Arc::clone(&self.0);
        later(move || flush(&parts, stream.as_deref()).map_err(|error| error.problem()))
    }

    fn backup(&self, folder: PathBuf) -> Later<BackupSummary> {
        let parts = Arc::clone(&self.0);
        later(move || backup::backup(&parts, &folder).map_err(|error| error.problem()))
    }

    fn doors(&self, doors: Doors) -> Later<Position> {
        let parts = Arc::clone(&self.0);
        later(move || {
            let changed = parts.moving.change(doors);
            changed.map_err(|error| error.problem())?;
            Ok(Position::at(parts.journal.log().frontier()))
        })
    }

    fn definitions_changed(&self) {
        // Asked by a door's task, and it waits for the disk.
        tokio::task::block_in_place(|| {
            self.0.declare_changes(DECLARED_AT_ONCE_MAX);
            self.0.applications.follow();
        });
    }
}

/// Runs what blocks where it may.
fn later<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Later<T> {
    let work = tokio::task::spawn_blocking(work);
    Box::pin(async move {
        work.await.unwrap_or_else(|error| {
            let source = std::io::Error::other(error);
            let error = NodeError::System {
                what: "a thread to the end of its work",
                source,
            };
            Err(error.problem())
        })
    })
}

/// Archives a stream, or all.
fn flush(parts: &Parts, stream: Option<&str>) -> Result<Position, NodeError> {
    parts.declare_changes(usize::MAX);
    let definitions = parts.catalog.definitions();
    let streams: Vec<StreamId> = match stream {
        None => definitions.streams.keys().copied().collect(),
        Some(name) => {
            let def = definitions.stream(TenantId::ONLY, name);
            let def = def.ok_or_else(|| NodeError::UnknownStream {
                stream: name.to_owned(),
            })?;
            vec![def.id]
        }
    };
    // Taken before the first one: all of them are archived at least up to here.
    let position = Position::at(parts.journal.log().frontier());
    for stream in streams {
        let _held = parts.archiving.lock();
        parts.history.flush(stream)?;
    }
    Ok(position)
}

fn status(parts: &Parts) -> Status {
    let definitions = parts.catalog.definitions();
    let totals = parts.history.totals();
    let (journal, journal_live) = parts.journal.sizes();
    let live = definitions
        .streams
        .values()
        .filter(|def| def.dropped.is_none());
    let health = parts.applications.health();
    let paused = parts.applications.paused().into_iter();
    let paused = paused.map(|(name, problem)| PausedApp {
        name: name.to_string(),
        problem: problem.message,
    });
    let uptime = parts.clock.monotonic().saturating_sub(parts.started);
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: uptime.as_secs(),
        position: Position::at(parts.journal.log().frontier()).into(),
        problem: parts.health.obstacle().map(|obstacle| obstacle.to_string()),
        memory_resident_bytes: memory::resident().0,
        memory_budget_bytes: parts.shares.budget.0,
        journal_bytes: journal.0,
        journal_live_bytes: journal_live.0,
        history_files: totals.files,
        history_bytes: totals.bytes,
        apps: definitions
            .apps
            .values()
            .map(|app| AppStatus {
                name: app.name.to_string(),
                version: app.version.clone(),
                revision: app.revision,
            })
            .collect(),
        streams: live
            .filter(|def| def.dead_letters.is_some())
            .map(|def| stream_status(parts, def))
            .collect(),
        views: views::statuses(parts, &definitions, &health),
        paused: paused.collect(),
        starting: views::starting(parts, &definitions),
        kept: None,
    }
}

fn stream_status(parts: &Parts, def: &StreamDef) -> StreamStatus {
    let rows = rows(parts, def.id);
    let letters = def
        .dead_letters
        .map(|id| self::rows(parts, id))
        .unwrap_or_default();
    StreamStatus {
        name: def.spec.name.to_string(),
        app: def.app.to_string(),
        history_rows: rows.history,
        log_rows: rows.log,
        bytes: rows.bytes,
        dead_letters: letters.history.saturating_add(letters.log),
    }
}

/// Rows of one stream by where they are.
#[derive(Clone, Copy, Debug, Default)]
struct Rows {
    history: u64,
    log: u64,
    bytes: u64,
}

fn rows(parts: &Parts, stream: StreamId) -> Rows {
    let mut rows = Rows::default();
    if let Some(pinned) = parts.history.pin(stream) {
        rows.history = pinned.files.iter().map(|file| file.rows).sum();
        rows.bytes = pinned.files.iter().map(|file| file.size).sum();
    }
    if let Some(extent) = parts.journal.log().extent(stream) {
        rows.log = extent.rows;
        rows.bytes = rows.bytes.saturating_add(extent.bytes);
    }
    rows
}
