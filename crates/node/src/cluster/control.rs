//! `Control`: what a node of many does for its doors.

use std::{path::PathBuf, sync::Arc, time::Duration};

use mainstem_catalog::StreamDef;
use mainstem_cluster::{
    config::Role,
    control::{QueryStatus, problems, statuses},
    progress::{Progress, Query},
    worker::WorkerHealth,
};
use mainstem_gateway::{
    AppStatus, BackupSummary, Control, Doors, KeptStatus, Later, Readiness, Status, StreamStatus,
    ViewStatus,
};
use mainstem_kernel::{Answer, Code, Fault, Offsets, Position, Problem, Reached};

use super::{ClusterParts, follow};
use crate::memory;

/// An apply is answered once topics and tables are there, or after so long.
const MADE_WITHIN: Duration = Duration::from_secs(20);

/// The node as its doors see it.
#[derive(Clone, Debug)]
pub(super) struct ClusterControl(pub(super) Arc<ClusterParts>);

/// Caller: ask a node of one machine.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{what} is not there beyond one machine yet")]
struct NotYet {
    what: &'static str,
}

impl Fault for NotYet {
    fn answer(&self) -> Answer {
        Answer::caller(Code::Clus040)
    }

    fn hint(&self) -> Option<String> {
        Some("`mainstem explain-error CLUS-040` says what to do instead".to_owned())
    }
}

/// Node: whoever asks goes to another one.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this node is no door: it takes neither events nor questions")]
struct NoDoor;

impl Fault for NoDoor {
    fn answer(&self) -> Answer {
        Answer::node(Code::Clus045)
    }

    fn hint(&self) -> Option<String> {
        Some(
            "send to a node whose setting cluster.roles has \"doors\"; /v1/status and /metrics are \
             answered here"
                .to_owned(),
        )
    }
}

impl Control for ClusterControl {
    fn ready(&self) -> Result<Readiness, Problem> {
        self.0.health.ready()?;
        match self.0.roles.standing().remove(follow::THREAD) {
            // Kafka is away: events are refused, and questions may be of yesterday.
            Some(problem) => Err(problem),
            None => Ok(Readiness::default()),
        }
    }

    fn door(&self) -> Result<(), Problem> {
        match self.0.config.roles.has(Role::Doors) {
            true => Ok(()),
            false => Err(NoDoor.problem()),
        }
    }

    fn status(&self) -> Status {
        status(&self.0)
    }

    fn flush(&self, _stream: Option<String>) -> Later<Position> {
        let problem = NotYet { what: "a flush" }.problem();
        Box::pin(async { Err(problem) })
    }

    fn backup(&self, _folder: PathBuf) -> Later<BackupSummary> {
        let problem = NotYet { what: "a backup" }.problem();
        Box::pin(async { Err(problem) })
    }

    fn doors(&self, _doors: Doors) -> Later<Position> {
        let problem = NotYet {
            what: "closing the doors",
        }
        .problem();
        Box::pin(async { Err(problem) })
    }

    fn definitions_changed(&self) {
        let Some(progress) = self.0.roles.progress.get() else {
            return;
        };
        let declared = self.0.catalog.definitions().seq;
        let mut made = progress.watch();
        let is_made = made.wait_for(|progress| {
            let leader = progress.leader.as_ref();
            leader.is_some_and(|leader| leader.definitions >= declared)
        });
        tokio::task::block_in_place(|| {
            let waited = self
                .0
                .runtime
                .block_on(tokio::time::timeout(MADE_WITHIN, is_made));
            if waited.is_err() {
                tracing::warn!("topics and tables of what was declared are not there yet");
            }
        });
    }
}

fn status(parts: &ClusterParts) -> Status {
    let definitions = parts.catalog.definitions();
    let progress = parts.roles.progress.get().map(|progress| progress.now());
    let progress = progress.unwrap_or_default();
    let queries = statuses(&progress, &definitions);
    let live = definitions
        .streams
        .values()
        .filter(|def| def.dropped.is_none() && def.dead_letters.is_some());
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: parts.age_now().as_secs(),
        position: Reached::Offsets(reached(&progress)),
        problem: problem(parts, &progress),
        memory_resident_bytes: memory::resident().0,
        memory_budget_bytes: parts.shares.budget.0,
        journal_bytes: 0,
        journal_live_bytes: 0,
        history_files: 0,
        history_bytes: 0,
        apps: definitions
            .apps
            .values()
            .map(|app| AppStatus {
                name: app.name.to_string(),
                version: app.version.clone(),
                revision: app.revision,
            })
            .collect(),
        streams: live.map(|def| stream(def, &queries)).collect(),
        views: queries.iter().filter_map(view).collect(),
        paused: Vec::new(),
        starting: Vec::new(),
        kept: Some(kept(parts, &progress)),
    }
}

/// What stands against the node, or against whatever one of them has to do.
fn problem(parts: &ClusterParts, progress: &Progress) -> Option<String> {
    let obstacle = parts.health.obstacle().map(|obstacle| obstacle.to_string());
    let own = parts.roles.standing().into_iter();
    let own = own.map(|(part, problem)| format!("{part}: {}", problem.message));
    let others = problems(progress).into_iter();
    let others = others.map(|standing| format!("{}: {}", standing.code, standing.message));
    let writer = parts.roles.writer.get().map(|writer| writer.status());
    let writer = writer.and_then(|status| status.problem);
    let workers = parts.roles.workers.get().map(|workers| workers.health());
    let workers = workers.unwrap_or_default().into_iter().filter_map(working);
    let all: Vec<String> = obstacle
        .into_iter()
        .chain(workers)
        .chain(own)
        .chain(others)
        .chain(writer)
        .collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// What stands against work for a stream or a view here, and what to do.
fn working(health: WorkerHealth) -> Option<String> {
    let problem = health.problem?;
    let told = format!("{}: {}: {}", health.name, problem.code, problem.message);
    Some(match problem.hint {
        Some(hint) => format!("{told} ({hint})"),
        None => told,
    })
}

/// What of it this node writes, and what is left to all.
fn kept(parts: &ClusterParts, progress: &Progress) -> KeptStatus {
    let writer = parts.roles.writer.get().map(|writer| writer.status());
    let status = writer.clone().unwrap_or_default();
    let leader = progress.leader.as_ref();
    KeptStatus {
        writes: writer.is_some(),
        partitions: status.partitions as u64,
        rows: status.rows,
        dead_letters: status.letters,
        lag_rows: leader.map_or(0, |leader| leader.kept_lag_rows),
    }
}

/// Everything that every query of a stream has seen of it.
fn reached(progress: &Progress) -> Offsets {
    let mut reached = Offsets::default();
    for query in progress.queries.values() {
        reached.join(&query.reached);
    }
    reached
}

/// Rows that Spark has written to history, and those that wait for it.
fn stream(def: &StreamDef, queries: &[QueryStatus]) -> StreamStatus {
    let history = queries
        .iter()
        .find(|status| status.query == Query::History(def.id));
    StreamStatus {
        name: def.spec.name.to_string(),
        app: def.app.to_string(),
        history_rows: history.map_or(0, |status| status.rows_read),
        log_rows: history.map_or(0, |status| status.lag_rows),
        bytes: 0,
        dead_letters: 0,
    }
}

fn view(status: &QueryStatus) -> Option<ViewStatus> {
    let Query::View(id) = status.query else {
        return None;
    };
    let total = status.rows_read.saturating_add(status.lag_rows);
    let is_building = status.state == "building";
    let percent = status.rows_read.saturating_mul(100).checked_div(total);
    let percent = percent.and_then(|percent| u8::try_from(percent).ok());
    Some(ViewStatus {
        name: status.name.clone(),
        app: status.app.clone(),
        state: status.state.to_owned(),
        percent: percent.filter(|_| is_building),
        rows_read: is_building.then_some(status.rows_read),
        rows_to_read: is_building.then_some(total),
        remaining_seconds: status
            .lag_rows
            .checked_div(status.rows_taken_per_second)
            .filter(|_| is_building),
        behind_ms: 0,
        rows: status.rows_read,
        dead_letters: 0,
        late: 0,
        state_bytes: 0,
        groups: 0,
        version: u64::from(id.0),
        operators: Vec::new(),
        problem: status
            .problem
            .as_ref()
            .map(|standing| standing.message.clone()),
    })
}
