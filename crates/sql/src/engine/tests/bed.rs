//! A log, a catalog and a history under one engine.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use datafusion::arrow::array::{
    ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use futures::StreamExt;
use mainstem_catalog::{Catalog, Change, ChangeSet, StreamDef};
use mainstem_disk::RealDisk;
use mainstem_history::{History, HistoryConfig, HistoryParts, StreamTable};
use mainstem_kernel::{
    AppName, ByteSize, Code, Fault, PartitionId, Problem, Seq, StreamId, TenantId, Timestamp,
    clock::{ManualClock, SharedClock},
    metrics::Metrics,
};
use mainstem_log::{Append, Draft, DraftEntry, MemoryLog, SharedLog, append::append_and_wait};

use super::rows::TestRows;
use crate::{
    Declaration, Engine, QueryError, Question, ResultFormat, Rights, RowWriter, SqlConfig,
    SqlParts, declarations, plan_view,
};

/// Everything that an engine stands on.
pub(super) struct Bed {
    pub(super) engine: Arc<Engine>,
    pub(super) log: SharedLog,
    pub(super) catalog: Arc<Catalog>,
    pub(super) history: Arc<History>,
    pub(super) rows: Arc<TestRows>,
    clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
}

pub(super) fn config() -> SqlConfig {
    SqlConfig {
        memory_max: ByteSize::mib(64),
        query_memory_max: ByteSize::mib(32),
        query_time_max: Duration::from_secs(30),
        queries_max: 4,
        threads: 2,
    }
}

impl Bed {
    pub(super) fn new() -> Self {
        Self::with(config(), |log| log)
    }

    /// `wrap` may put something before the log that the engine reads.
    pub(super) fn with(config: SqlConfig, wrap: impl FnOnce(SharedLog) -> SharedLog) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(1_700_000_000_000_000)));
        let shared: SharedClock = Arc::<ManualClock>::clone(&clock);
        let log: SharedLog = Arc::new(MemoryLog::new(Arc::clone(&shared)));
        let catalog = Catalog::open(Arc::clone(&log)).unwrap();
        let metrics = Metrics::new();
        let parts = HistoryParts {
            disk: Arc::new(RealDisk),
            folder: folder.path().join("history"),
            log: Arc::clone(&log),
            clock: Arc::clone(&shared),
            metrics: Arc::clone(&metrics),
        };
        let limits = HistoryConfig {
            file_size_max: ByteSize::mib(512),
            memory_max: ByteSize::mib(64),
        };
        let history = History::open(parts, limits).unwrap();
        let rows = TestRows::new(&log, &clock);
        let parts = SqlParts {
            catalog: Arc::clone(&catalog),
            log: wrap(Arc::clone(&log)),
            history: Arc::clone(&history),
            rows: Arc::<TestRows>::clone(&rows),
            clock: shared,
            metrics,
            runtime: tokio::runtime::Handle::current(),
        };
        let engine = Engine::open(parts, config);
        Self {
            engine,
            log,
            catalog,
            history,
            rows,
            clock,
            _folder: folder,
        }
    }

    pub(super) fn declare(&self, sql: &str) {
        let files = BTreeMap::from([("a.sql".to_owned(), sql.to_owned())]);
        for declared in declarations(&files).unwrap() {
            let defs = self.catalog.definitions();
            let change = match declared.declaration {
                Declaration::Stream(spec) => Change::CreateStream(spec),
                Declaration::Table(spec) => Change::CreateTable(spec),
                Declaration::View(text) => {
                    let planned = plan_view(&defs, TenantId::ONLY, &text).unwrap();
                    Change::CreateView(planned.spec(&text))
                }
                other => panic!("{other:?}"),
            };
            self.apply(vec![change]);
        }
        self.tables();
        self.rows.define(&self.catalog.definitions());
    }

    /// Makes a view live.
    pub(super) fn swap(&self, view: &str) {
        let id = self.id(view);
        self.apply(vec![Change::SwapView { id }]);
    }

    /// The id of an object.
    pub(super) fn id(&self, name: &str) -> StreamId {
        let defs = self.catalog.definitions();
        defs.object(TenantId::ONLY, name).unwrap().id()
    }

    /// Takes what the log has into tables, as `flow` does.
    pub(super) fn step(&self) {
        self.rows.step(&self.log);
    }

    /// A new version of a stream's columns, which history is not told of.
    pub(super) fn change(&self, sql: &str, renames: &[(&str, &str)]) {
        let files = BTreeMap::from([("a.sql".to_owned(), sql.to_owned())]);
        let Declaration::Stream(mut spec) = declarations(&files).unwrap().remove(0).declaration
        else {
            panic!("not a stream");
        };
        let def = self.def(spec.name.as_str());
        for column in &mut spec.columns.0 {
            let old = renames.iter().find(|(_, to)| *to == column.name.as_str());
            let name = old.map_or(column.name.as_str(), |(from, _)| from);
            column.id = def.spec.columns.get(name).map_or(0, |column| column.id);
        }
        self.apply(vec![Change::AlterStream { id: def.id, spec }]);
    }

    /// A table as another declaration has it; columns with the same name stay the same.
    pub(super) fn alter_table(&self, sql: &str) {
        let files = BTreeMap::from([("a.sql".to_owned(), sql.to_owned())]);
        let Declaration::Table(mut spec) = declarations(&files).unwrap().remove(0).declaration
        else {
            panic!("not a table");
        };
        let id = self.id(spec.name.as_str());
        let defs = self.catalog.definitions();
        let old = &defs.tables[&id].spec.columns;
        for column in &mut spec.columns.0 {
            column.id = old.get(column.name.as_str()).map_or(0, |old| old.id);
        }
        self.apply(vec![Change::AlterTable { id, spec }]);
        self.rows.define(&self.catalog.definitions());
    }

    fn apply(&self, changes: Vec<Change>) {
        let app = AppName::new("test").unwrap();
        let set = ChangeSet {
            tenant: TenantId::ONLY,
            app,
            changes,
        };
        self.catalog
            .apply(set, self.catalog.definitions().seq)
            .unwrap();
    }

    /// Tells history of all streams.
    pub(super) fn tables(&self) {
        for def in self.catalog.definitions().streams.values() {
            let versions = def
                .schemas
                .iter()
                .map(|entry| (entry.version, entry.columns.clone()));
            let table = StreamTable {
                stream: def.id,
                name: def.spec.name.clone(),
                columns: def.kept_columns(),
                versions: versions.collect(),
                retention: def.spec.retention,
            };
            self.history.set_table(table).unwrap();
        }
    }

    pub(super) fn def(&self, stream: &str) -> Arc<StreamDef> {
        Arc::clone(
            self.catalog
                .definitions()
                .stream(TenantId::ONLY, stream)
                .unwrap(),
        )
    }

    /// Appends rows: id = n, country = c(n mod 3), maybe = m(n mod 7) and every fifth time NULL,
    /// price = n mod 10 thirds, at = n seconds.
    pub(super) fn append(&self, stream: &str, rows: std::ops::Range<i64>) {
        self.append_as(&self.def(stream), rows);
    }

    /// Appends rows to a view that is a stream; countries are all "x".
    pub(super) fn append_to_view(&self, view: &str, rows: std::ops::Range<i64>) {
        let defs = self.catalog.definitions();
        let def = defs.view(TenantId::ONLY, view).unwrap().stream().unwrap();
        self.append_as(&def, rows);
    }

    fn append_as(&self, def: &StreamDef, rows: std::ops::Range<i64>) {
        let is_view = def.dead_letters.is_none();
        let schema = def.spec.columns.body_schema();
        let count = usize::try_from(rows.end - rows.start).unwrap();
        let columns = schema.fields().iter().map(|field| -> ArrayRef {
            match field.name().as_str() {
                "id" => Arc::new(Int64Array::from_iter_values(rows.clone())),
                "country" | "land" => Arc::new(StringArray::from_iter_values(rows.clone().map(
                    |n| match is_view {
                        true => "x".to_owned(),
                        false => format!("c{}", n % 3),
                    },
                ))),
                "maybe" => Arc::new(StringArray::from_iter(
                    rows.clone()
                        .map(|n| (n % 5 > 0).then(|| format!("m{}", n % 7))),
                )),
                "price" => {
                    let values = rows.clone().map(|n| i128::from(n % 10) * 1_000 / 3);
                    let array = Decimal128Array::from_iter_values(values);
                    Arc::new(array.with_precision_and_scale(12, 3).unwrap())
                }
                "at" => Arc::new(
                    TimestampMicrosecondArray::from_iter_values(
                        rows.clone().map(|n| n * 1_000_000),
                    )
                    .with_timezone("UTC"),
                ),
                _ => new_null_array(field.data_type(), count),
            }
        });
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap();
        let rows = u32::try_from(count).unwrap();
        let entries = vec![DraftEntry {
            partition: PartitionId(0),
            rows,
            stamp: None,
        }];
        let draft = Draft::encode(def.id, def.schema_version(), entries, batch).unwrap();
        append_and_wait(
            self.log.as_ref(),
            Append {
                frames: vec![draft],
            },
        )
        .unwrap();
    }

    pub(super) fn flush(&self, stream: &str) {
        self.history.flush(self.def(stream).id).unwrap();
    }

    pub(super) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(super) fn frontier(&self) -> Seq {
        self.log.frontier()
    }

    pub(super) fn question(sql: &str) -> Question {
        Question {
            tenant: TenantId::ONLY,
            sql: sql.to_owned(),
            rights: Rights::Write,
            wait: None,
            time_max: None,
            request: None,
        }
    }

    pub(super) async fn asked(&self, question: Question) -> Result<String, QueryError> {
        let mut answered = self.engine.ask(question).await?;
        let mut writer = RowWriter::new(ResultFormat::Ndjson, Arc::clone(&answered.schema));
        let mut out = writer.begin()?.to_vec();
        while let Some(batch) = answered.rows.next().await {
            out.extend(writer.batch(&batch?)?);
        }
        out.extend(writer.end(&answered.position)?);
        Ok(String::from_utf8(out).unwrap())
    }

    /// The answer as NDJSON.
    pub(super) async fn ask(&self, sql: &str) -> String {
        match self.asked(Self::question(sql)).await {
            Ok(answer) => answer,
            Err(error) => panic!(
                "{sql}\n{}\n{}",
                error.problem(),
                mainstem_kernel::fault::chain(&error)
            ),
        }
    }

    pub(super) async fn problem(&self, sql: &str) -> Problem {
        match self.asked(Self::question(sql)).await {
            Ok(answer) => panic!("{sql} was answered: {answer}"),
            Err(error) => error.problem(),
        }
    }

    pub(super) async fn code(&self, sql: &str) -> Code {
        self.problem(sql).await.code
    }
}
