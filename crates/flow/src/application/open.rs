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
use mainstem_store::KeyRange;
use mainstem_table::{AppId, TableSchema, Tables};
use parking_lot::{Condvar, Mutex};

use super::{
    Application, ApplicationParts, FlowConfig, Signal, Steps, checkpoint::Pending, status::Status,
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
struct KeptState(Arc<Tables>);

impl StateSource for KeptState {
    fn load(&self, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>, FlowError> {
        let mut found = Vec::new();
        let mut visit = |key: &[u8], value: &[u8]| {
            found.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            ControlFlow::Continue(())
        };
        let range = KeyRange::prefix(prefix);
        self.0.pointer().scan_state(&range, &mut visit)?;
        Ok(found)
    }
}

impl Application {
    /// Makes an application over its opened tables, and what drives it, to be run in a thread of its
    /// own. The first step follows the definitions.
    ///
    /// # Errors
    /// `Note` when the last checkpoint is of a newer program.
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
        let pool = Pool::start(&spawn, &format!("flow-{}", app.name), config.threads);
        let pool = pool.unwrap_or_else(|error: io::Error| {
            tracing::warn!(%error, "views run in one thread");
            Pool::alone()
        });
        let application = Arc::new(Self {
            app,
            tables: Arc::clone(&tables),
            status: Mutex::new(Status::default()),
            signal: Mutex::new(Signal::default()),
            signalled: Condvar::new(),
            closing: tokio::sync::watch::Sender::new(false),
        });
        let mut outbox = Outbox::default();
        outbox.restore(&note.numbers);
        let outgoing: Vec<_> = start.outgoing.into_iter().map(|(_, rows)| rows).collect();
        let pending = (!outgoing.is_empty())
            .then(|| Pending::Unsent(start.checkpoint, outgoing, BTreeMap::new()));
        let sources = ReaderParts {
            log: Arc::clone(&log),
            history,
        };
        let state: SharedState = Arc::new(KeptState(Arc::clone(&tables)));
        let steps = Steps {
            application: Arc::clone(&application),
            tables,
            catalog,
            log,
            // What an earlier run left is sent at once.
            checkpointed: Duration::ZERO,
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
            loading: Vec::new(),
            paused: note.paused.iter().copied().collect(),
            forgotten: note.forgotten.iter().copied().collect::<BTreeSet<_>>(),
            outbox,
            emitted: BTreeMap::new(),
            void: Vec::new(),
            is_dirty: false,
            pending,
            resume: (start.checkpoint > 0).then_some(note),
            has_failed: false,
        };
        Ok((application, steps))
    }
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
