//! How an application's views go, for those who ask. Never a decision.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mainstem_catalog::Stage;
use mainstem_kernel::{Problem, Seq, StreamId};
use mainstem_sql::view::{Progress, ViewStatus};
use mainstem_table::Tables;

use super::Steps;
use crate::view::View;

/// What the thread of steps tells.
#[derive(Debug, Default)]
pub(super) struct Status {
    pub(super) views: BTreeMap<StreamId, Told>,
    /// Views that are built and have caught up.
    pub(super) ready: BTreeSet<StreamId>,
    /// Why all stands still.
    pub(super) problem: Option<Problem>,
    /// Rows that steps have taken.
    pub(super) rows: u64,
    pub(super) steps: u64,
    pub(super) checkpoints: u64,
    pub(super) lookup_rows: usize,
    pub(super) lookup_bytes: usize,
}

/// What is told of one view.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// `None` if it is at the application's frontier.
    pub(super) at: Option<Seq>,
    pub(super) progress: Progress,
    pub(super) letters: u64,
    pub(super) late: u64,
    pub(super) rows: u64,
    pub(super) state_bytes: usize,
    pub(super) groups: usize,
    pub(super) passed: Vec<u64>,
    pub(super) kept: Vec<u64>,
}

/// How an application goes.
#[derive(Clone, Debug)]
pub struct Health {
    /// Everything up to here is in its tables and live views.
    pub frontier: Seq,
    /// Why it stands still, if it does.
    pub problem: Option<Problem>,
    /// Rows of streams and changes of tables that steps have taken since the start.
    pub rows: u64,
    /// Steps since the start.
    pub steps: u64,
    /// Checkpoints since the start.
    pub checkpoints: u64,
    /// Rows of tables that are in memory to be looked up, as of the last checkpoint.
    pub lookup_rows: usize,
    /// Their bytes.
    pub lookup_bytes: usize,
    /// Its views.
    pub views: Vec<ViewHealth>,
}

/// How a view goes.
#[derive(Clone, Debug)]
pub struct ViewHealth {
    /// The version.
    pub id: StreamId,
    /// Where it is, what it does, and how many rows failed since the start.
    pub status: ViewStatus,
    /// Rows that came too late since the start.
    pub late: u64,
    /// Rows or changes that it told since the start.
    pub rows: u64,
    /// Bytes of state in memory as of the last checkpoint.
    pub state_bytes: usize,
    /// Groups in memory as of the last checkpoint.
    pub groups: usize,
    /// Rows and changes that came out of each operator of its plan since it was opened, by the
    /// operator's place among `PlannedView::operators`.
    pub passed: Vec<u64>,
    /// Bytes of state in memory of each of them, as of the last checkpoint.
    pub kept: Vec<u64>,
}

impl Status {
    pub(super) fn view(&self, id: StreamId, frontier: Seq) -> Option<ViewStatus> {
        let told = self.views.get(&id)?;
        Some(told.status(frontier))
    }

    pub(super) fn health(&self, tables: &Tables) -> Health {
        let frontier = tables.frontier();
        let views = self.views.iter();
        Health {
            frontier,
            problem: self.problem.clone(),
            rows: self.rows,
            steps: self.steps,
            checkpoints: self.checkpoints,
            lookup_rows: self.lookup_rows,
            lookup_bytes: self.lookup_bytes,
            views: views
                .map(|(id, told)| ViewHealth {
                    id: *id,
                    status: told.status(frontier),
                    late: told.late,
                    rows: told.rows,
                    state_bytes: told.state_bytes,
                    groups: told.groups,
                    passed: told.passed.clone(),
                    kept: told.kept.clone(),
                })
                .collect(),
        }
    }

    /// What is told of a view, to be changed.
    pub(super) fn told(&mut self, id: StreamId) -> &mut Told {
        self.views.entry(id).or_insert_with(|| Told {
            at: None,
            progress: Progress::Ready,
            letters: 0,
            late: 0,
            rows: 0,
            state_bytes: 0,
            groups: 0,
            passed: Vec::new(),
            kept: Vec::new(),
        })
    }
}

impl Steps {
    /// Tells how views go, and which of them could be swapped in.
    pub(super) fn report(&mut self, frontier: Seq) {
        let has_caught_up = self.live.at >= frontier;
        let mut status = self.application.status.lock();
        for unit in &self.live.units {
            let is_ready = status.ready.contains(&unit.def.id)
                || has_caught_up && self.kept.contains(&unit.def.id);
            let progress = match (unit.def.stage, is_ready) {
                (Stage::Building, true) => {
                    status.ready.insert(unit.def.id);
                    Progress::Ready
                }
                (Stage::Building, false) => Progress::Building {
                    rows_done: self.live.rows_read,
                    rows_total: self.live.rows_read + self.live.rows_left(),
                    remaining: None,
                },
                (Stage::Live | Stage::Replaced { .. }, _) => {
                    status.ready.remove(&unit.def.id);
                    Progress::Live
                }
            };
            let told = status.told(unit.def.id);
            (told.at, told.progress) = (None, progress);
            (told.state_bytes, told.groups) = (unit.view.size(), unit.view.groups());
            told.kept = unit.view.kept();
            told.passes(&unit.view);
        }
        for build in &self.builds {
            let (read, left) = (build.track.rows_read, build.track.rows_left());
            let taken = self.clock.monotonic().saturating_sub(build.begun);
            let told = status.told(build.def.id);
            told.at = Some(build.track.at);
            if let Some(unit) = build.track.units.last() {
                told.passes(&unit.view);
            }
            told.progress = Progress::Building {
                rows_done: read,
                rows_total: read + left,
                remaining: remaining(read.saturating_sub(build.rows_before), left, taken),
            };
        }
    }
}

/// How long the rest takes at the pace so far.
fn remaining(read: u64, left: u64, taken: Duration) -> Option<Duration> {
    if read == 0 {
        return None;
    }
    let nanos = u128::from(left) * taken.as_nanos() / u128::from(read);
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

impl Told {
    /// What came out of the view's operators.
    fn passes(&mut self, view: &View) {
        self.passed.clear();
        self.passed.extend_from_slice(view.passed());
    }

    fn status(&self, frontier: Seq) -> ViewStatus {
        ViewStatus {
            frontier: self.at.unwrap_or(frontier),
            progress: self.progress.clone(),
            letters: self.letters,
        }
    }
}
