//! Opening an application: where its tables are, views go on.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    ops::ControlFlow,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use mainstem_catalog::Definitions;
use mainstem_kernel::{StreamId, spawn::SharedSpawn};
use mainstem_log::Log;
use mainstem_store::KeyRange;
use mainstem_table::{AppId, Start, Step, TableSchema, Tables};
use parking_lot::{Condvar, Mutex};

use super::{
    Application, ApplicationParts, FlowConfig, Signal, Steps,
    checkpoint::Pending,
    commit::{Commit, CommitParts, Unsent, rows_had},
    committer::Committer,
    status::Status,
};
use crate::{
    errors::FlowError,
    note::Note,
    outbox::Outbox,
    pool::Pool,
    source::ReaderParts,
    state::{SharedState, StateSource},
    track::Track,
};

/// State as of the last checkpoint, whether the store has it yet or not.
#[derive(Debug)]
struct KeptState {
    tables: Arc<Tables>,
    size_max: usize,
}

impl KeptState {
    fn shared(tables: &Arc<Tables>, config: &FlowConfig) -> SharedState {
        Arc::new(Self {
            tables: Arc::clone(tables),
            size_max: config.state_size_max.as_usize(),
        })
    }
}

impl StateSource for KeptState {
    fn load(&self, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>, FlowError> {
        let mut found = Vec::new();
        let mut visit = |key: &[u8], value: &[u8]| {
            found.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            ControlFlow::Continue(())
        };
        let range = KeyRange::prefix(prefix);
        self.tables.pointer().scan_state(&range, &mut visit)?;
        Ok(found)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, FlowError> {
        Ok(self.tables.pointer().state(key)?)
    }

    fn size_max(&self) -> usize {
        self.size_max
    }
}

impl Application {
    /// Makes an application over its opened tables, and what drives it, to be run in a thread of its
    /// own. The first step follows the definitions.
    ///
    /// # Errors
    /// `Note` when the last checkpoint is of a newer program; what tables say.
    pub fn open(
        parts: ApplicationParts,
        config: FlowConfig,
    ) -> Result<(Arc<Self>, Steps), FlowError> {
        let ApplicationParts {
            app,
            catalog,
            log,
            history,
            tables,
            start,
            clock,
            spawn,
        } = parts;
        let note = Note::decode(&start.note)?;
        let pool = pool(&app, &spawn, config.threads);
        let application = Arc::new(Self::at_rest(app, Arc::clone(&tables)));
        let mut outbox = Outbox::default();
        outbox.restore(&note.numbers);
        let unsent = show_committed((&application, &catalog.definitions()), log.as_ref(), &start)?;
        let kept: BTreeSet<StreamId> = note.live.iter().copied().collect();
        let pending = (!unsent.is_empty()).then(|| {
            let commit = Commit::unsent(start.checkpoint, unsent, kept.clone());
            Pending::Here(Box::new(commit))
        });
        let committer = Committer::here(CommitParts {
            tables: Arc::clone(&tables),
            log: Arc::clone(&log),
        });
        let sources = ReaderParts {
            log: Arc::clone(&log),
            history,
        };
        let state = KeptState::shared(&tables, &config);
        let steps = Steps {
            application: Arc::clone(&application),
            tables,
            catalog,
            log,
            // What an earlier run left is sent at once.
            checkpointed: Duration::ZERO,
            sealing: Duration::ZERO,
            clock,
            spawn,
            config,
            live: Track::new(sources.clone(), start.frontier),
            sources,
            pool,
            state,
            defs: Arc::new(Definitions::default()),
            table_defs: BTreeMap::new(),
            view_defs: BTreeMap::new(),
            builds: Vec::new(),
            kept,
            loading: Vec::new(),
            rested: note.rested_by_view(),
            left: BTreeMap::new(),
            forgotten: note.forgotten.iter().copied().collect::<BTreeSet<_>>(),
            outbox,
            emitted: BTreeMap::new(),
            void: Vec::new(),
            is_dirty: false,
            pending,
            committer,
            resume: (start.checkpoint > 0).then_some(note),
            has_failed: false,
            beat: None,
            expires_more: false,
        };
        Ok((application, steps))
    }

    /// One that nothing drives yet.
    fn at_rest(app: AppId, tables: Arc<Tables>) -> Self {
        Self {
            app,
            tables,
            status: Mutex::new(Status::default()),
            signal: Mutex::new(Signal::default()),
            signalled: Condvar::new(),
            closing: tokio::sync::watch::Sender::new(false),
        }
    }
}

/// The threads of steps; none but the driving one if there are no more.
fn pool(app: &AppId, spawn: &SharedSpawn, threads: usize) -> Pool {
    let pool = Pool::start(spawn, &format!("flow-{}", app.name), threads);
    pool.unwrap_or_else(|error: io::Error| {
        tracing::warn!(%error, "views run in one thread");
        Pool::alone()
    })
}

/// Shows all rows of stream views that were committed: what the log has of them, then what has yet
/// to be appended, which is given. To be called before anyone reads.
fn show_committed(
    (application, defs): (&Application, &Definitions),
    log: &dyn Log,
    start: &Start,
) -> Result<Vec<Unsent>, FlowError> {
    let (app, tables) = (&application.app, &application.tables);
    let views = defs
        .views
        .values()
        .filter(|def| def.tenant == app.tenant && def.app == app.name && def.spec.emit.is_stream());
    let views: BTreeSet<StreamId> = views.map(|def| def.id).collect();
    for view in &views {
        tables.appended(*view, 0, log.frontier())?;
    }
    let mut step = Step {
        through: start.frontier,
        ..Step::default()
    };
    let mut unsent = Vec::with_capacity(start.outgoing.len());
    for (_, rows) in &start.outgoing {
        let had = rows_had(rows, log.next_row(rows.stream, rows.producer));
        let left = rows.rows.num_rows() - had;
        let is_shown = left > 0 && views.contains(&rows.stream);
        if is_shown {
            step.emitted.push((rows.stream, rows.rows.slice(had, left)));
        }
        unsent.push(Unsent {
            rows: rows.clone(),
            batches: views
                .contains(&rows.stream)
                .then_some(usize::from(is_shown)),
        });
    }
    tables.advance(step)?;
    Ok(unsent)
}

/// What rows by key of an application look like: its tables and keyed views, all versions, those
/// included that are kept after a drop.
#[must_use]
pub fn schemas(defs: &Definitions, app: &AppId) -> Vec<TableSchema> {
    let tables = defs.tables.values();
    let tables = tables.filter(|def| def.tenant == app.tenant && def.app == app.name);
    let views = defs.views.values();
    let views = views.filter(|def| def.tenant == app.tenant && def.app == app.name);
    let tables = tables.map(|def| TableSchema::of_table(def));
    tables
        .chain(views.filter_map(|def| TableSchema::of_view(def)))
        .collect()
}
