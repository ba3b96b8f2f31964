use std::collections::BTreeMap;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, new_null_array};
use mainstem_app::{Apps, OneMachine, Source};
use mainstem_catalog::Stage;
use mainstem_disk::RealDisk;
use mainstem_history::{HistoryConfig, HistoryParts};
use mainstem_kernel::{ByteSize, PartitionId, Seq, StreamId, Timestamp, clock::ManualClock};
use mainstem_log::{Append, Draft, DraftEntry, MemoryLog, append_and_wait};
use mainstem_table::{Transaction, WriteDone, WriteError};
use tokio::runtime::Runtime;

use super::*;

const SQL: &str = "
CREATE STREAM orders (shop TEXT NOT NULL, pieces BIGINT NOT NULL);
CREATE TABLE shops (shop TEXT PRIMARY KEY, town TEXT);
CREATE MATERIALIZED VIEW totals AS
SELECT shop, count(*) AS n, sum(pieces) AS pieces FROM orders GROUP BY shop EMIT ON UPDATE;
CREATE MATERIALIZED VIEW placed AS
SELECT o.shop, o.pieces, s.town FROM orders o
JOIN shops FOR SYSTEM_TIME AS OF PROCTIME() s ON s.shop = o.shop;
";
/// Of another application.
const COUNTS: &str = "
CREATE STREAM clicks (shop TEXT NOT NULL, pieces BIGINT NOT NULL);
CREATE MATERIALIZED VIEW counted AS SELECT shop, count(*) AS n FROM clicks GROUP BY shop EMIT ON UPDATE;
";
const PATIENT: Duration = Duration::from_secs(60);

/// What outlives a start.
struct Ground {
    _folder: tempfile::TempDir,
    parts: ApplicationsParts,
    supervisor: Arc<Supervisor>,
    runtime: Runtime,
}

fn ground() -> Ground {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let metrics = Metrics::new();
    let supervisor = Supervisor::new(runtime.handle().clone(), Arc::clone(&metrics));
    let clock: SharedClock = Arc::new(ManualClock::at(Timestamp(1_700_000_000_000_000)));
    let log: SharedLog = Arc::new(MemoryLog::new(Arc::clone(&clock)));
    let history = History::open(
        HistoryParts {
            disk: Arc::new(RealDisk),
            folder: folder.path().join("history"),
            log: Arc::clone(&log),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
        },
        HistoryConfig {
            file_size_max: ByteSize::mib(64),
            memory_max: ByteSize::mib(64),
        },
    );
    let parts = ApplicationsParts {
        disk: Arc::new(RealDisk),
        store: folder.path().join("store"),
        redo: folder.path().join("redo"),
        catalog: Catalog::open(Arc::clone(&log)).unwrap(),
        log,
        history: history.unwrap(),
        clock,
        spawn: Arc::<Supervisor>::clone(&supervisor),
        metrics,
    };
    Ground {
        _folder: folder,
        parts,
        supervisor,
        runtime,
    }
}

impl Ground {
    fn start(&self) -> Arc<Applications> {
        let settings = crate::Config::defaults().unwrap();
        let shares = crate::Shares::split(&settings).unwrap();
        Applications::new(self.parts.clone(), settings.applications(shares))
    }

    fn apply(&self, sql: &str) {
        self.apply_as("retail", sql);
    }

    fn apply_as(&self, name: &str, sql: &str) {
        let apps = Apps::open(Arc::clone(&self.parts.catalog), Arc::new(OneMachine));
        let source = Source {
            name: AppName::new(name).unwrap(),
            version: None,
            files: BTreeMap::from([("a.sql".to_owned(), sql.to_owned())]),
        };
        let plan = apps.plan(TenantId::ONLY, &source).unwrap();
        let applied = apps.apply(TenantId::ONLY, &source, &plan.fingerprint);
        applied.unwrap();
    }

    fn id(&self, name: &str) -> StreamId {
        let definitions = self.parts.catalog.definitions();
        definitions.object(TenantId::ONLY, name).unwrap().id()
    }

    /// An order of some pieces, in a frame of its own.
    fn order(&self, shop: &str, pieces: i64) -> Seq {
        self.append("orders", shop, pieces)
    }

    fn append(&self, stream: &str, shop: &str, pieces: i64) -> Seq {
        let definitions = self.parts.catalog.definitions();
        let def = definitions.stream(TenantId::ONLY, stream).unwrap();
        let schema = def.spec.columns.body_schema();
        let extra = schema.field(2).data_type();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![shop])),
            Arc::new(Int64Array::from(vec![pieces])),
            new_null_array(extra, 1),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns);
        let entry = DraftEntry {
            partition: PartitionId(0),
            rows: 1,
            stamp: None,
        };
        let draft = Draft::encode(def.id, def.schema_version(), vec![entry], batch.unwrap());
        let append = Append {
            frames: vec![draft.unwrap()],
        };
        append_and_wait(self.parts.log.as_ref(), append)
            .unwrap()
            .last()
    }

    /// Rows of a keyed view once everything up to `seq` is in it.
    fn rows(&self, applications: &Applications, name: &str, seq: Seq) -> usize {
        self.rows_as("retail", applications, (name, seq))
    }

    fn rows_as(&self, app: &str, applications: &Applications, (name, seq): (&str, Seq)) -> usize {
        let rows = self.running(app, applications);
        assert!(rows.tables.wait(seq, PATIENT));
        let pointer = rows.tables.pointer();
        let range = mainstem_store::KeyRange::all();
        let scan = pointer.scan(self.id(name), &range, 1_000).unwrap();
        scan.map(|batch| batch.unwrap().num_rows()).sum()
    }

    fn running(&self, app: &str, applications: &Applications) -> AppRows {
        let app = AppName::new(app).unwrap();
        let rows = applications.rows_of(TenantId::ONLY, &app);
        rows.unwrap_or_else(|| panic!("it does not run: {:?}", applications.health()))
    }
}

/// Rounds of steps until views are live, at most.
const ROUNDS_MAX: usize = 10_000;

#[test]
fn an_application_runs_its_views_and_goes_on_after_a_stop() {
    let ground = ground();
    ground.apply("CREATE STREAM orders (shop TEXT NOT NULL, pieces BIGINT NOT NULL);");
    let applications = ground.start();
    applications.follow();
    assert!(
        applications.health().is_empty(),
        "streams need no rows by key"
    );

    ground.order("early", 1);
    ground.apply(SQL);
    applications.follow();
    let seq = ground.order("a", 2);
    assert_eq!(ground.rows(&applications, "totals", seq), 2);
    // They are ready as soon as a checkpoint has them, which is taken beside the steps.
    let mut is_live = false;
    for _ in 0..ROUNDS_MAX {
        let seq = ground.order("b", 3);
        assert_eq!(ground.rows(&applications, "totals", seq), 3);
        applications.swap();
        let definitions = ground.parts.catalog.definitions();
        let mut views = definitions.views.values();
        is_live = views.all(|def| def.stage == Stage::Live);
        if is_live {
            break;
        }
    }
    assert!(is_live);
    applications.measure();
    let metrics = ground.parts.metrics.encode();
    let counted = metrics.contains("mainstem_flow_rows_total{app=\"retail\"} ");
    assert!(counted, "{metrics}");
    applications.close(&ground.supervisor, PATIENT);
    assert!(ground.supervisor.poisoned().is_none());
    drop(applications);

    let applications = ground.start();
    applications.follow();
    let seq = ground.parts.log.frontier();
    assert_eq!(ground.rows(&applications, "totals", seq), 3);
    let seq = ground.order("c", 1);
    assert_eq!(ground.rows(&applications, "totals", seq), 4);
    let (_, health) = applications.health().remove(0);
    let health = health.unwrap();
    assert!(health.rows <= 2, "nothing is computed again: {health:?}");
    applications.close(&ground.supervisor, PATIENT);
}

#[test]
fn a_panic_in_a_thread_of_one_application_pauses_it_and_no_other() {
    let ground = ground();
    ground.apply(SQL);
    ground.apply_as("counts", COUNTS);
    let applications = ground.start();
    applications.follow();
    let seq = ground.order("a", 1);
    assert_eq!(ground.rows(&applications, "totals", seq), 1);

    let writer = ground.running("retail", &applications).writer;
    let defect: WriteDone = Box::new(|_| panic!("a defect in an answer"));
    writer.submit(Transaction::default(), defect);
    assert!(ground.supervisor.join_within("writer-retail", PATIENT));
    let write = writer.commit(Transaction::default());
    let refused = ground.runtime.block_on(write).unwrap_err();
    assert!(matches!(refused, WriteError::Closed), "{refused}");

    // The others go on, and the node is as well as it was.
    ground.append("clicks", "a", 1);
    let seq = ground.append("clicks", "b", 1);
    let count = ground.rows_as("counts", &applications, ("counted", seq));
    assert_eq!(count, 2);
    assert!(ground.supervisor.poisoned().is_none());
    let problems = applications.health();
    let problem = |name: &str| {
        let found = problems.iter().find(|(app, _)| app.as_str() == name);
        found.unwrap().1.as_ref().unwrap().problem.clone()
    };
    let paused = problem("retail").unwrap();
    assert_eq!(paused.code.as_str(), "FLOW-006");
    assert!(paused.message.contains("a defect in an answer"));
    assert!(problem("counts").is_none());
    let named: Vec<String> = applications
        .paused()
        .iter()
        .map(|(app, _)| app.to_string())
        .collect();
    assert_eq!(named, ["retail"]);
    applications.measure();
    let metrics = ground.parts.metrics.encode();
    for line in [
        "mainstem_application_paused{app=\"retail\"} 1",
        "mainstem_application_paused{app=\"counts\"} 0",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    applications.close(&ground.supervisor, PATIENT);
    drop(applications);

    // A start brings it back, with all that was acknowledged.
    let applications = ground.start();
    applications.follow();
    let seq = ground.order("c", 1);
    assert_eq!(ground.rows(&applications, "totals", seq), 2);
    applications.close(&ground.supervisor, PATIENT);
}

#[test]
fn an_application_that_cannot_be_opened_is_named_and_the_node_goes_on() {
    let ground = ground();
    ground.apply(SQL);
    let redo = ground.parts.redo.join("1-retail");
    let disk = ground.parts.disk.as_ref();
    disk.create_dirs(&redo).unwrap();
    let file = redo.join(format!("{:020}.redo", 1));
    mainstem_disk::write_durably(disk, &file, b"no redo").unwrap();
    let applications = ground.start();
    applications.follow();
    applications.follow();
    let health = applications.health();
    let problem = health[0].1.as_ref().unwrap_err();
    assert_eq!(problem.code.as_str(), "TABLE-003", "{problem}");
    let app = AppName::new("retail").unwrap();
    assert!(applications.rows_of(TenantId::ONLY, &app).is_none());
}
