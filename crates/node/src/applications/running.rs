//! One application that runs: its rows, what drives its views, and its threads.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use mainstem_flow::{Application, ApplicationParts, schemas};
use mainstem_kernel::{
    AppName, Seq, TenantId,
    metrics::{AppLabel, Metrics, ViewLabel},
    spawn::ThreadBody,
};
use mainstem_sql::AppRows;
use mainstem_store::SharedStore;
use mainstem_table::{AppId, Opened, Tables, TablesParts, Writer, WriterParts};

use super::{ApplicationsConfig, ApplicationsParts};
use crate::{errors::ApplicationError, supervisor::Supervisor};

/// One application that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) application: Arc<Application>,
    pub(super) rows: AppRows,
    /// Steps, applier, sequencer of writes.
    threads: [String; 3],
}

impl Running {
    /// Opens rows and views, and starts the threads.
    pub(super) fn open(
        parts: &ApplicationsParts,
        config: &ApplicationsConfig,
        ((tenant, name), store): (&(TenantId, AppName), SharedStore),
    ) -> Result<Self, ApplicationError> {
        let app = AppId {
            tenant: *tenant,
            name: name.clone(),
        };
        let definitions = parts.catalog.definitions();
        let opened = Tables::open(
            TablesParts {
                disk: Arc::clone(&parts.disk),
                folder: parts.redo.join(format!("{tenant}-{name}")),
                store,
                app: app.clone(),
                clock: Arc::clone(&parts.clock),
            },
            config.tables.clone(),
            schemas(&definitions, &app),
        )?;
        let Opened {
            tables,
            applier,
            start,
        } = opened;
        let (application, steps) = Application::open(
            ApplicationParts {
                app,
                catalog: Arc::clone(&parts.catalog),
                log: Arc::clone(&parts.log),
                history: Arc::clone(&parts.history),
                tables: Arc::clone(&tables),
                start,
                clock: Arc::clone(&parts.clock),
                spawn: Arc::clone(&parts.spawn),
            },
            config.flow.clone(),
        )?;
        let (writer, sequencer) = Writer::open(
            WriterParts {
                tables: Arc::clone(&tables),
                log: Arc::clone(&parts.log),
                clock: Arc::clone(&parts.clock),
            },
            config.writer.clone(),
        );
        let threads = ["flow", "applier", "writer"].map(|part| format!("{part}-{name}"));
        let running = Self {
            application,
            rows: AppRows { tables, writer },
            threads,
        };
        let [flow, apply, write] = &running.threads;
        let own = |body: ThreadBody| running.isolated(body, &parts.metrics);
        let started = parts
            .spawn
            .thread(apply, own(Box::new(move || applier.run())))
            .and_then(|()| parts.spawn.thread(flow, own(Box::new(move || steps.run()))))
            .and_then(|()| {
                parts
                    .spawn
                    .thread(write, own(Box::new(move || sequencer.run())))
            });
        match started {
            Ok(()) => Ok(running),
            Err(source) => {
                running.close();
                running.rows.tables.close();
                Err(ApplicationError::Thread { source })
            }
        }
    }

    /// A panic in a thread of one application is no panic of the node: that one stands still.
    fn isolated(&self, body: ThreadBody, metrics: &Arc<Metrics>) -> ThreadBody {
        let (application, metrics) = (Arc::clone(&self.application), Arc::clone(metrics));
        Box::new(move || {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(body)) {
                metrics.task_panics.inc();
                application.pause(panic.as_ref());
            }
        })
    }

    /// Takes no more writes; steps end with a checkpoint.
    pub(super) fn close(&self) {
        self.rows.writer.close();
        self.application.close();
    }

    /// Waits for the threads to end.
    pub(super) fn join(self, supervisor: &Supervisor, wait: Duration) {
        let [flow, apply, write] = &self.threads;
        let mut late = Vec::new();
        for thread in [write, flow] {
            if !supervisor.join_within(thread, wait) {
                late.push(thread);
            }
        }
        self.rows.tables.close();
        if !supervisor.join_within(apply, wait) {
            late.push(apply);
        }
        for thread in late {
            tracing::warn!(thread, "thread was still at work at the end");
        }
    }

    /// Puts what there is to know into the metrics.
    pub(super) fn measure(&self, frontier: Seq, metrics: &Metrics) {
        let health = self.application.health();
        let app = self.application.app().name.to_string();
        let label = AppLabel { app: app.clone() };
        let lag = frontier.millis().saturating_sub(health.frontier.millis());
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        metrics
            .flow_lag_millis
            .get_or_create(&label)
            .set(gauge(lag));
        let lookups = gauge(u64::try_from(health.lookup_bytes).unwrap_or(u64::MAX));
        metrics.lookup_bytes.get_or_create(&label).set(lookups);
        let rows = metrics.flow_rows.get_or_create_owned(&label);
        rows.inc_by(health.rows.saturating_sub(rows.get()));
        for view in &health.views {
            let label = ViewLabel {
                app: app.clone(),
                view: view.id.0,
            };
            let rows = metrics.view_rows.get_or_create_owned(&label);
            rows.inc_by(view.rows.saturating_sub(rows.get()));
            let letters = metrics.view_letters.get_or_create_owned(&label);
            letters.inc_by(view.status.letters.saturating_sub(letters.get()));
            let size = gauge(u64::try_from(view.state_bytes).unwrap_or(u64::MAX));
            metrics.view_state_bytes.get_or_create(&label).set(size);
        }
    }
}
