//! How views go, each version that is defined: what runs them may not have heard of one yet.

use mainstem_catalog::{Definitions, Stage, ViewDef};
use mainstem_flow::{Health, ViewHealth};
use mainstem_gateway::{OperatorStatus, ViewStatus};
use mainstem_kernel::{AppName, Problem};
use mainstem_sql::{RowSource, view::Progress};

use crate::parts::Parts;

/// The versions of views that run, by id.
pub(super) fn statuses(
    parts: &Parts,
    definitions: &Definitions,
    health: &[(AppName, Result<Health, Problem>)],
) -> Vec<ViewStatus> {
    let running = health.iter().filter_map(|(_, health)| health.as_ref().ok());
    let running: Vec<&ViewHealth> = running.flat_map(|health| &health.views).collect();
    let views = definitions.views.values().filter(|def| def.is_running());
    views
        .map(|def| {
            let view = running.iter().find(|view| view.id == def.id);
            status(parts, def, view.copied())
        })
        .collect()
}

/// Applications of which a table or a live view cannot be asked yet.
pub(super) fn starting(parts: &Parts, definitions: &Definitions) -> Vec<String> {
    let is_starting = |tenant, app: &AppName| {
        let tables = definitions.tables.values();
        let mut tables = tables
            .filter(|def| def.tenant == tenant && def.app == *app && def.dropped.is_none())
            .peekable();
        let mut views = definitions.views.values();
        let has_views =
            views.any(|def| def.tenant == tenant && def.app == *app && def.is_running());
        if tables.peek().is_none() && !has_views {
            return false;
        }
        let Some(rows) = parts.applications.rows_of(tenant, app) else {
            return true;
        };
        let pointer = rows.tables.pointer();
        tables.any(|def| pointer.codec(def.id).is_err())
    };
    let apps = definitions.apps.values();
    let starting = apps.filter(|app| is_starting(app.tenant, &app.name));
    starting.map(|app| app.name.to_string()).collect()
}

fn status(parts: &Parts, def: &ViewDef, view: Option<&ViewHealth>) -> ViewStatus {
    let frontier = parts.journal.log().frontier();
    let behind = |view: &ViewHealth| {
        let at = view.status.frontier.millis();
        frontier.millis().saturating_sub(at)
    };
    let mut told = ViewStatus {
        name: def.spec.name.to_string(),
        app: def.app.to_string(),
        state: "starting".to_owned(),
        percent: None,
        rows_read: None,
        rows_to_read: None,
        remaining_seconds: None,
        behind_ms: view.map_or(0, behind),
        rows: view.map_or(0, |view| view.rows),
        dead_letters: view.map_or(0, |view| view.status.letters),
        late: view.map_or(0, |view| view.late),
        state_bytes: view.map_or(0, |view| {
            u64::try_from(view.state_bytes).unwrap_or(u64::MAX)
        }),
        groups: view.map_or(0, |view| u64::try_from(view.groups).unwrap_or(u64::MAX)),
        version: u64::from(def.id.0),
        operators: view.map_or_else(Vec::new, operators),
        problem: None,
    };
    if let Some(view) = view {
        progress(def, &view.status.progress, &mut told);
    }
    told
}

/// What came out of each operator, and what it keeps.
fn operators(view: &ViewHealth) -> Vec<OperatorStatus> {
    // What it keeps is told with checkpoints, so that it may be missing for a moment.
    let kept = view.kept.iter().copied().chain(std::iter::repeat(0));
    let operators = view.passed.iter().zip(kept);
    operators
        .map(|(&rows, state_bytes)| OperatorStatus { rows, state_bytes })
        .collect()
}

/// What a view does, how much of it is done, and what stands against it.
fn progress(def: &ViewDef, progress: &Progress, told: &mut ViewStatus) {
    let state = match progress {
        Progress::Paused(problem) => {
            told.problem = Some(problem.message.clone());
            "paused"
        }
        // It was swapped in, whether what runs it has heard of it or not.
        _ if def.stage == Stage::Live => "live",
        Progress::Building {
            rows_done,
            rows_total,
            remaining,
        } => {
            let percent = rows_done.saturating_mul(100).checked_div(*rows_total);
            told.percent = percent.and_then(|percent| u8::try_from(percent.min(100)).ok());
            told.rows_read = Some(*rows_done);
            told.rows_to_read = Some(*rows_total);
            told.remaining_seconds = remaining.map(|remaining| remaining.as_secs());
            "building"
        }
        Progress::Ready => "ready",
        Progress::Live => "live",
    };
    state.clone_into(&mut told.state);
}
