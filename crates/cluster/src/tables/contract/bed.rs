//! An application whose tables are written through a real broker.

use std::{collections::BTreeMap, io, sync::Arc, thread, time::Duration};

use arrow::array::RecordBatch;
use futures::StreamExt;
use mainstem_catalog::{Catalog, Change, ChangeSet};
use mainstem_disk::TwinDisk;
use mainstem_kernel::{
    AppName, ByteSize, Clock as _, Fault as _, Offsets, Reached, Spawn, TenantId, Timestamp,
    clock::{ManualClock, SystemClock},
    spawn::{SharedSpawn, TaskBody, ThreadBody},
};
use mainstem_log::{MemoryLog, SharedLog};
use mainstem_sql::{Declaration, QueryError, Question, Rights, declarations, objects};
use mainstem_store::MemoryStore;
use mainstem_table::{AppId, DeciderConfig, TablesParts};
use rdkafka::Message as _;

use super::super::{Owners, OwnersParts, TableWrites, TableWritesParts, WritesConfig, scan::scan};
use crate::{
    ClusterError,
    kafka::{KafkaConfig, topic::Wanted},
};

/// How long anything may take that is waited for.
pub(super) const DEADLINE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(5);

const DECLARED: &str = "
CREATE TABLE vouchers (code TEXT PRIMARY KEY, redeemed_by TEXT, left_over INTEGER NOT NULL);
CREATE TABLE owners (name TEXT, n BIGINT, at TIMESTAMPTZ, PRIMARY KEY (name, n));
CREATE TABLE sessions (id TEXT PRIMARY KEY, n INTEGER) WITH (ttl = '2 seconds');
";

/// Plain threads.
#[derive(Debug)]
struct Threads;

impl Spawn for Threads {
    #[expect(clippy::disallowed_methods, reason = "tests have no supervisor")]
    fn thread(&self, _name: &str, body: ThreadBody) -> io::Result<()> {
        thread::spawn(body);
        Ok(())
    }

    fn task(&self, name: &str, _body: TaskBody) {
        panic!("writes start no task \"{name}\"");
    }
}

/// An application and its door.
pub(super) struct Bed {
    pub(super) config: WritesConfig,
    pub(super) catalog: Arc<Catalog>,
    pub(super) door: Arc<TableWrites>,
}

/// What a test is told of a write.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Heard {
    pub(super) rows: String,
    pub(super) offsets: Offsets,
}

/// The broker; `None` if there is none.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
fn broker(test: &str) -> Option<Vec<String>> {
    let Ok(brokers) = std::env::var("MAINSTEM_KAFKA") else {
        println!("SKIPPED {test}: MAINSTEM_KAFKA names no broker (cargo xtask cluster up)");
        return None;
    };
    Some(brokers.split(',').map(str::to_owned).collect())
}

/// Definitions that are the same in each process, to the seq.
fn catalog() -> Arc<Catalog> {
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let log: SharedLog = Arc::new(MemoryLog::new(Arc::new(clock)));
    let catalog = Catalog::open(log).unwrap();
    let files = BTreeMap::from([("a.sql".to_owned(), DECLARED.to_owned())]);
    let changes = declarations(&files).unwrap().into_iter();
    let changes = changes.map(|declared| match declared.declaration {
        Declaration::Table(spec) => Change::CreateTable(spec),
        other => panic!("{other:?}"),
    });
    let set = ChangeSet {
        tenant: TenantId::ONLY,
        app: AppName::new("shop").unwrap(),
        changes: changes.collect(),
    };
    catalog.apply(set, catalog.definitions().seq).unwrap();
    catalog
}

fn spawn() -> SharedSpawn {
    Arc::new(Threads)
}

impl Bed {
    pub(super) fn new(test: &str) -> Option<Self> {
        let name = format!("test-{test}-{}", uuid::Uuid::new_v4().simple());
        Some(Self::of(broker(test)?, &name))
    }

    /// The bed of another process.
    pub(super) fn at(prefix: &str) -> Option<Self> {
        Some(Self::of(broker(prefix)?, prefix))
    }

    fn of(brokers: Vec<String>, prefix: &str) -> Self {
        let is_large = brokers.len() >= 3;
        let kafka = KafkaConfig {
            brokers,
            topic_prefix: prefix.to_owned(),
            replicas: if is_large { 3 } else { 1 },
            in_sync_min: if is_large { 2 } else { 1 },
            connect_max: Duration::from_secs(5),
            acknowledge_max: Duration::from_secs(20),
            queue_size_max: ByteSize::mib(64),
            requests_max: 100_000,
            request_keep: Duration::from_secs(3_600),
        };
        let config = WritesConfig {
            kafka,
            answer_max: Duration::from_secs(30),
            waiting_max: 20_000,
            session_max: Duration::from_secs(6),
            decider: DeciderConfig {
                batch_size_max: ByteSize::mib(1),
                statement_rows_max: 10_000,
            },
            rows_size_max: ByteSize::mib(64),
            expire_interval: Duration::from_millis(200),
        };
        let catalog = catalog();
        let parts = TableWritesParts {
            config: config.clone(),
            catalog: Arc::clone(&catalog),
            clock: Arc::new(SystemClock),
            spawn: spawn(),
        };
        Self {
            door: TableWrites::open(parts).unwrap(),
            config,
            catalog,
        }
    }

    /// Starts what owns the tables, or stands by.
    pub(super) fn owners(&self, instance: &str) -> Arc<Owners> {
        let rows = |app: &AppId| TablesParts {
            disk: Arc::new(TwinDisk::new()),
            folder: "tables".into(),
            store: Arc::new(MemoryStore::new()),
            app: app.clone(),
            clock: Arc::new(SystemClock),
        };
        let parts = OwnersParts {
            config: self.config.clone(),
            catalog: Arc::clone(&self.catalog),
            clock: Arc::new(SystemClock),
            spawn: spawn(),
            rows: Arc::new(rows),
            instance: format!("{}-{instance}", self.config.kafka.topic_prefix),
        };
        Owners::start(parts).unwrap()
    }

    /// Writes under a key.
    pub(super) async fn keyed(&self, sql: &str, key: Option<&str>) -> Result<Heard, QueryError> {
        let question = Question {
            tenant: TenantId::ONLY,
            sql: sql.to_owned(),
            rights: Rights::Write,
            wait: None,
            time_max: None,
            request: key.map(str::to_owned),
        };
        let answered = self.door.write(&question).await?;
        let mut answered = answered.expect("the text writes");
        let Reached::Offsets(offsets) = answered.position.clone() else {
            panic!("there are no seqs at scale");
        };
        let mut rows = Vec::new();
        while let Some(batch) = answered.rows.next().await {
            rows.extend(lines(&batch?));
        }
        Ok(Heard {
            rows: rows.join("\n"),
            offsets,
        })
    }

    /// Writes; the rows of the answer.
    pub(super) async fn write(&self, sql: &str) -> String {
        match self.keyed(sql, None).await {
            Ok(heard) => heard.rows,
            Err(error) => error.problem().to_string(),
        }
    }

    /// What the topic of a table comes to: of each key the last value, by key.
    pub(super) fn kept(&self, table: &str) -> BTreeMap<String, String> {
        let defs = self.catalog.definitions();
        let id = defs.object(TenantId::ONLY, table).unwrap().id();
        let def = &defs.tables[&id];
        let topic = Wanted::of_table(def, &self.config.kafka).name;
        let mut kept = BTreeMap::new();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        scan(&self.config.kafka, &topic, |message| {
            let key = text(message.key().unwrap());
            match message.payload() {
                Some(value) => kept.insert(key, text(value)),
                None => kept.remove(&key),
            };
            Ok::<(), ClusterError>(())
        })
        .unwrap();
        kept
    }
}

fn lines(batch: &RecordBatch) -> Vec<String> {
    let mut lines = Vec::new();
    let each = |_: usize, row: &[u8]| lines.push(String::from_utf8(row.to_vec()).unwrap());
    objects(batch, each).unwrap();
    lines
}

/// Waits for something to become true.
pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = SystemClock.monotonic() + DEADLINE;
    while !is_so() {
        assert!(
            SystemClock.monotonic() < end,
            "waited too long until {what}"
        );
        tokio::time::sleep(PAUSE).await;
    }
}
