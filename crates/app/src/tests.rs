//! Plans, applies and rollbacks over a catalog in memory.

mod evolving;
mod mistakes;
mod plans;
mod random;
mod shipped;
mod tables;
mod views;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mainstem_catalog::{Catalog, Change, ChangeSet, Definitions, Stage, StreamSpec};
use mainstem_kernel::{AppName, Fault, Seq, StreamId, TenantId, Timestamp, clock::ManualClock};
use mainstem_log::{MemoryLog, ReadFrom, SharedLog};

use crate::{AppError, Apps, OneMachine, Source, Terms};

const TENANT: TenantId = TenantId::ONLY;

/// The plan of application `shop` when there is nothing to do.
const NOTHING: &str = "application \"shop\": nothing changes\n";

/// A catalog in memory and the applications over it.
struct World {
    log: SharedLog,
    catalog: Arc<Catalog>,
    apps: Arc<Apps>,
}

fn source(app: &str, sql: &str) -> Source {
    let files = BTreeMap::from([("a.sql".to_owned(), sql.to_owned())]);
    Source {
        name: AppName::new(app).unwrap(),
        version: None,
        files,
    }
}

impl World {
    fn new() -> Self {
        Self::on(Arc::new(OneMachine))
    }

    fn on(terms: Arc<dyn Terms>) -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let log: SharedLog = Arc::new(MemoryLog::new(Arc::new(clock)));
        let catalog = Catalog::open(Arc::clone(&log)).unwrap();
        let apps = Apps::open(Arc::clone(&catalog), terms);
        Self { log, catalog, apps }
    }

    fn definitions(&self) -> Arc<Definitions> {
        self.catalog.definitions()
    }

    fn frames(&self) -> usize {
        let from = ReadFrom {
            after: Seq::ZERO,
            through: Seq::MAX,
            bytes_max: usize::MAX,
        };
        self.log.read(StreamId::CATALOG, from).unwrap().frames.len()
    }

    fn plan(&self, source: &Source) -> String {
        match self.apps.plan(TENANT, source) {
            Ok(plan) => plan.text(),
            Err(error) => said(&error),
        }
    }

    /// Plans and applies; what was planned.
    fn apply(&self, source: &Source) -> String {
        let plan = self
            .apps
            .plan(TENANT, source)
            .unwrap_or_else(|error| panic!("{}", said(&error)));
        let applied = self.apps.apply(TENANT, source, &plan.fingerprint).unwrap();
        assert_eq!(applied.plan, plan);
        plan.text()
    }

    fn rollback(&self, app: &str) -> String {
        let plan = self
            .apps
            .plan_rollback(TENANT, app)
            .unwrap_or_else(|error| panic!("{}", said(&error)));
        self.apps.rollback(TENANT, app, &plan.fingerprint).unwrap();
        plan.text()
    }

    /// Swaps in all views of `shop` that are being built, as a node does when they have caught up.
    fn swap(&self) {
        loop {
            let definitions = self.definitions();
            let all: BTreeSet<StreamId> = definitions.views.keys().copied().collect();
            let ready = definitions.swappable(&all);
            if ready.is_empty() {
                break;
            }
            let changes = ready.into_iter().map(|id| Change::SwapView { id });
            let changes = ChangeSet {
                tenant: TENANT,
                app: AppName::new("shop").unwrap(),
                changes: changes.collect(),
            };
            self.catalog.apply(changes, definitions.seq).unwrap();
        }
        let definitions = self.definitions();
        let mut views = definitions.views.values().filter(|def| def.is_running());
        assert!(
            views.all(|def| def.stage == Stage::Live),
            "some view was not swapped in"
        );
    }

    /// Changes a stream behind the application's back.
    fn tamper(&self, app: &str, stream: &str, edit: impl FnOnce(&mut StreamSpec)) {
        let definitions = self.definitions();
        let def = definitions.stream(TENANT, stream).unwrap();
        let mut spec = def.spec.clone();
        edit(&mut spec);
        self.change(app, Change::AlterStream { id: def.id, spec });
    }

    fn change(&self, app: &str, change: Change) {
        let app = AppName::new(app).unwrap();
        let changes = ChangeSet {
            tenant: TENANT,
            app,
            changes: vec![change],
        };
        self.catalog.apply(changes, self.definitions().seq).unwrap();
    }
}

/// An error as the command line prints it.
fn said(error: &AppError) -> String {
    match error {
        AppError::Mistakes { problems, .. } => {
            let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
            texts.join("\n")
        }
        other => other.problem().to_string(),
    }
}
