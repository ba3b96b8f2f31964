//! Rows by key of one application, with steps that a test takes.

use std::{path::PathBuf, sync::Arc, time::Duration};

use mainstem_catalog::Definitions;
use mainstem_disk::TwinDisk;
use mainstem_kernel::{AppName, ByteSize, TenantId, clock::ManualClock};
use mainstem_log::{ReadFrom, SharedLog};
use mainstem_store::MemoryStore;
use mainstem_table::{
    AppId, Changed, Step, TableSchema, Tables, TablesConfig, TablesParts, Writer, WriterConfig,
    WriterParts,
};

use crate::{AppRows, RowSource};

/// Rows by key of application `test`.
#[derive(Debug)]
pub(super) struct TestRows {
    pub(super) tables: Arc<Tables>,
    writer: Arc<Writer>,
}

impl TestRows {
    #[expect(clippy::disallowed_methods, reason = "this is the test's spawner")]
    pub(super) fn new(log: &SharedLog, clock: &Arc<ManualClock>) -> Arc<Self> {
        let parts = TablesParts {
            disk: Arc::new(TwinDisk::new()),
            folder: PathBuf::from("/redo"),
            store: Arc::new(MemoryStore::new()),
            app: AppId {
                tenant: TenantId::ONLY,
                name: AppName::new("test").unwrap(),
            },
            clock: Arc::<ManualClock>::clone(clock),
        };
        let config = TablesConfig {
            overlay_size_max: ByteSize::mib(64),
            apply_interval: Duration::ZERO,
            feed_size_max: ByteSize::mib(4),
            redo_files_max: 2,
            redo_size_max: ByteSize::mib(4),
        };
        let tables = Tables::open(parts, config, Vec::new()).unwrap().tables;
        let parts = WriterParts {
            tables: Arc::clone(&tables),
            log: Arc::clone(log),
            clock: Arc::<ManualClock>::clone(clock),
        };
        let config = WriterConfig {
            queue_max: 1_000,
            batch_size_max: ByteSize::mib(1),
            statement_rows_max: 1_000,
            flight_size_max: ByteSize::mib(4),
            patience: Duration::from_secs(60),
        };
        let (writer, sequencer) = Writer::open(parts, config);
        drop(std::thread::spawn(move || sequencer.run()));
        Arc::new(Self { tables, writer })
    }

    pub(super) fn define(&self, defs: &Definitions) {
        let views = defs.views.values();
        let views = views.filter_map(|def| TableSchema::of_view(def));
        let tables = defs.tables.values().map(|def| TableSchema::of_table(def));
        for schema in tables.chain(views) {
            self.tables.define(schema).unwrap();
        }
    }

    /// One step through the log's frontier: effects on tables.
    pub(super) fn step(&self, log: &SharedLog) {
        let from = ReadFrom {
            after: self.tables.frontier(),
            through: log.frontier(),
            bytes_max: usize::MAX,
        };
        let ids: Vec<_> = self.tables.pointer().tables().collect();
        let changed = ids.into_iter().filter_map(|id| {
            let frames = log.read(id, from).ok()?.frames;
            self.tables.changed(id, &frames).unwrap()
        });
        let changed = changed.collect();
        self.advance(from, changed);
    }

    /// One step with these changes.
    pub(super) fn advance(&self, from: ReadFrom, changed: Vec<Changed>) {
        let step = Step {
            through: from.through,
            changed,
            emitted: Vec::new(),
        };
        self.tables.advance(step).unwrap();
    }
}

impl Drop for TestRows {
    fn drop(&mut self) {
        self.writer.close();
    }
}

impl RowSource for TestRows {
    fn rows_of(&self, _: TenantId, app: &AppName) -> Option<AppRows> {
        (app.as_str() == "test").then(|| AppRows {
            tables: Arc::clone(&self.tables),
            writer: Arc::clone(&self.writer),
        })
    }
}
