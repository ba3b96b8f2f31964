//! Rows by key of the application `shop`, with steps and checkpoints that a test takes.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use arrow::array::RecordBatch;
use mainstem_catalog::{Catalog, Change, ChangeSet};
use mainstem_disk::TwinDisk;
use mainstem_kernel::{AppName, ByteSize, StreamId, TenantId, clock::SharedClock};
use mainstem_log::{ReadFrom, SharedLog};
use mainstem_sql::{AppRows, Declaration, RowSource, declarations, plan_view};
use mainstem_store::MemoryStore;
use mainstem_table::{
    AppId, Applier, Changed, Checkpoint, Step, TableSchema, Tables, TablesConfig, TablesParts,
    Writer, WriterConfig, WriterParts,
};
use parking_lot::Mutex;

/// What an application would declare once a node runs it.
const SQL: &str = "
CREATE TABLE owners (device TEXT, slot BIGINT, owner TEXT, PRIMARY KEY (device, slot));
CREATE STREAM events (country TEXT, id BIGINT);
CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n FROM events GROUP BY country EMIT ON UPDATE;
CREATE MATERIALIZED VIEW paced AS SELECT id, count(*) AS n FROM events GROUP BY id EMIT ON UPDATE EVERY INTERVAL '10 minutes';
CREATE MATERIALIZED VIEW big AS SELECT id FROM events WHERE id > 100;
";

/// Rows by key of the application `shop`.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) tables: Arc<Tables>,
    writer: Arc<Writer>,
    applier: Mutex<Applier>,
    log: SharedLog,
}

fn shop() -> AppName {
    AppName::new("shop").unwrap()
}

impl Shelf {
    #[expect(clippy::disallowed_methods, reason = "tests have no supervisor")]
    pub(super) fn new(log: &SharedLog, clock: &SharedClock) -> Arc<Self> {
        let parts = TablesParts {
            disk: Arc::new(TwinDisk::new()),
            folder: PathBuf::from("/redo"),
            store: Arc::new(MemoryStore::new()),
            app: AppId {
                tenant: TenantId::ONLY,
                name: shop(),
            },
            clock: Arc::clone(clock),
        };
        let config = TablesConfig {
            overlay_size_max: ByteSize::mib(64),
            apply_interval: Duration::ZERO,
            feed_size_max: ByteSize(0),
            redo_files_max: 3,
            redo_size_max: ByteSize::mib(4),
        };
        let opened = Tables::open(parts, config, Vec::new()).unwrap();
        let tables = opened.tables;
        let parts = WriterParts {
            tables: Arc::clone(&tables),
            log: Arc::clone(log),
            clock: Arc::clone(clock),
        };
        let config = WriterConfig {
            queue_max: 100,
            batch_size_max: ByteSize::mib(1),
            statement_rows_max: 10_000,
            flight_size_max: ByteSize::mib(4),
            patience: Duration::from_secs(60),
        };
        let (writer, sequencer) = Writer::open(parts, config);
        drop(std::thread::spawn(move || sequencer.run()));
        Arc::new(Self {
            tables,
            writer,
            applier: Mutex::new(opened.applier),
            log: Arc::clone(log),
        })
    }

    /// Declares tables and views, and makes the views live.
    pub(super) fn declare(&self, catalog: &Catalog) {
        let apply = |changes| {
            let set = ChangeSet {
                tenant: TenantId::ONLY,
                app: shop(),
                changes,
            };
            catalog.apply(set, catalog.definitions().seq).unwrap();
        };
        let files = BTreeMap::from([("a.sql".to_owned(), SQL.to_owned())]);
        for declared in declarations(&files).unwrap() {
            let defs = catalog.definitions();
            apply(vec![match declared.declaration {
                Declaration::Stream(spec) => Change::CreateStream(spec),
                Declaration::Table(spec) => Change::CreateTable(spec),
                Declaration::View(text) => {
                    let planned = plan_view(&defs, TenantId::ONLY, &text).unwrap();
                    Change::CreateView(planned.spec(&text))
                }
                other => panic!("{other:?}"),
            }]);
        }
        let defs = catalog.definitions();
        apply(
            defs.views
                .keys()
                .map(|id| Change::SwapView { id: *id })
                .collect(),
        );
        let defs = catalog.definitions();
        let tables = defs.tables.values().map(|def| TableSchema::of_table(def));
        let views = defs
            .views
            .values()
            .filter_map(|def| TableSchema::of_view(def));
        for schema in tables.chain(views) {
            self.tables.define(schema).unwrap();
        }
        self.step(Vec::new());
    }

    /// One step through the log's frontier: effects on tables, and these changes.
    pub(super) fn step(&self, mut changed: Vec<Changed>) {
        let from = ReadFrom {
            after: self.tables.frontier(),
            through: self.log.frontier(),
            bytes_max: usize::MAX,
        };
        let ids: Vec<_> = self.tables.pointer().tables().collect();
        for id in ids {
            let frames = self.log.read(id, from).unwrap().frames;
            changed.extend(self.tables.changed(id, &frames).unwrap());
        }
        let step = Step {
            through: from.through,
            changed,
            emitted: Vec::new(),
        };
        self.tables.advance(step).unwrap();
    }

    /// Makes what steps did durable.
    pub(super) fn checkpoint(&self) {
        let sealed = self.tables.seal(Checkpoint::default()).unwrap();
        self.tables.commit(&sealed).unwrap();
        self.tables.sent(sealed.number());
    }

    /// Puts a checkpoint into the store; whether there was one.
    pub(super) fn apply(&self) -> bool {
        self.applier.lock().work().unwrap()
    }

    /// Rows of a view as a step gives them.
    pub(super) fn changed(&self, id: StreamId, rows: RecordBatch, gone: &[bool]) -> Changed {
        Changed {
            table: id,
            deleted: gone.iter().copied().collect(),
            written: vec![self.log.frontier(); rows.num_rows()],
            rows,
        }
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.writer.close();
    }
}

impl RowSource for Shelf {
    fn rows_of(&self, _: TenantId, app: &AppName) -> Option<AppRows> {
        (*app == shop()).then(|| AppRows {
            tables: Arc::clone(&self.tables),
            writer: Arc::clone(&self.writer),
        })
    }
}
