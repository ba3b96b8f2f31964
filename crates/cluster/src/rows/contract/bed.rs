//! Engines, an application and its topics to test with.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::Arc,
    time::Duration,
};

use arrow::array::{AsArray, RecordBatch, StringArray};
use mainstem_catalog::{Change, ChangeSet, Definitions, Object, preview};
use mainstem_kernel::{
    AppName, ByteSize, ColumnType, Seq, Spawn, StreamId, TenantId,
    clock::SystemClock,
    key::partition_of,
    spawn::{SharedSpawn, TaskBody, ThreadBody},
};
use tokio::{runtime::Handle, sync::watch};

use crate::{
    cassandra::{CassandraConfig, RowTable, Rows},
    kafka::{KafkaConfig, NewMessage, Output, Topics, Writer, topic::Wanted},
    rows::{Followed, Relation, RowWriter, RowWriterParts, fixture::declared},
};

/// Partitions of the topic of a view.
pub(super) const PARTITIONS: u16 = 4;
/// How long anything may take that is waited for.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

const DECLARED: &str = "
CREATE STREAM readings (device TEXT NOT NULL, at TIMESTAMPTZ NOT NULL, n BIGINT NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds') PARTITION BY (device);
CREATE TABLE owners (device TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE MATERIALIZED VIEW sums AS SELECT device, count(*) AS n FROM readings GROUP BY device
  EMIT ON UPDATE;
CREATE MATERIALIZED VIEW minutes AS
  SELECT window_start, window_end, device, sum(n) AS n
  FROM TUMBLE(readings, at, INTERVAL '1 minute') GROUP BY window_start, window_end, device
  EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 hour';
";

/// Plain threads.
#[derive(Debug)]
struct Threads;

impl Spawn for Threads {
    #[expect(clippy::disallowed_methods, reason = "tests have no supervisor")]
    fn thread(&self, _name: &str, body: ThreadBody) -> io::Result<()> {
        std::thread::spawn(body);
        Ok(())
    }

    fn task(&self, name: &str, _body: TaskBody) {
        panic!("row writers start no task \"{name}\"");
    }
}

pub(super) fn threads() -> SharedSpawn {
    Arc::new(Threads)
}

/// Where a bed is: another process that knows it lies in the same.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) kafka: Vec<String>,
    pub(super) cassandra: Vec<String>,
    pub(super) name: String,
}

/// An application on real engines.
pub(super) struct Bed {
    pub(super) kafka: KafkaConfig,
    pub(super) rows: Arc<Rows>,
    pub(super) definitions: watch::Sender<Arc<Definitions>>,
    output: Output,
}

/// The engines; `None` if there are none.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
pub(super) fn place(test: &str) -> Option<Place> {
    let engine = |name: &str| {
        let list = std::env::var(name).ok()?;
        Some(list.split(',').map(str::to_owned).collect())
    };
    let (Some(kafka), Some(cassandra)) = (engine("MAINSTEM_KAFKA"), engine("MAINSTEM_CASSANDRA"))
    else {
        println!("SKIPPED {test}: MAINSTEM_KAFKA and MAINSTEM_CASSANDRA name no engines");
        return None;
    };
    let (id, ..) = uuid::Uuid::new_v4().as_fields();
    Some(Place {
        kafka,
        cassandra,
        name: format!("rows_{id:08x}"),
    })
}

pub(super) fn kafka(place: &Place) -> KafkaConfig {
    let is_large = place.kafka.len() >= 3;
    KafkaConfig {
        brokers: place.kafka.clone(),
        topic_prefix: format!("test-{}", place.name),
        replicas: if is_large { 3 } else { 1 },
        in_sync_min: if is_large { 2 } else { 1 },
        connect_max: Duration::from_secs(5),
        acknowledge_max: Duration::from_secs(10),
        queue_size_max: ByteSize::mib(64),
        requests_max: 1_000,
        request_keep: Duration::from_secs(3_600),
    }
}

pub(super) async fn rows(place: &Place) -> Arc<Rows> {
    let config = CassandraConfig {
        replicas: if place.cassandra.len() >= 3 { 3 } else { 1 },
        nodes: place.cassandra.clone(),
        keyspace: place.name.clone(),
        connect_max: Duration::from_secs(5),
        acknowledge_max: Duration::from_secs(3),
        in_flight_max: 64,
    };
    Arc::new(Rows::open(config).await.unwrap())
}

impl Bed {
    /// The application, its topics and its tables.
    pub(super) async fn make(place: &Place) -> Self {
        let bed = Self::enter(place).await;
        let topics = Topics::new(&bed.kafka).unwrap();
        let defs = bed.defs();
        for stream in defs.streams.values() {
            topics.of_stream(stream).unwrap();
        }
        for view in defs.views.values() {
            let wanted = Wanted::of_view(view, PARTITIONS, &bed.kafka);
            topics.ensure(&wanted, None).unwrap();
        }
        for table in defs.tables.values() {
            topics
                .ensure(&Wanted::of_table(table, &bed.kafka), None)
                .unwrap();
        }
        bed
    }

    /// The same, made by somebody else.
    pub(super) async fn enter(place: &Place) -> Self {
        let kafka = kafka(place);
        let name = format!("{}-{}", kafka.topic_prefix, uuid::Uuid::new_v4().simple());
        Self {
            output: Output::open(&kafka, &name, Duration::from_secs(10)).unwrap(),
            rows: rows(place).await,
            definitions: watch::Sender::new(Arc::new(declared(DECLARED))),
            kafka,
        }
    }

    pub(super) fn defs(&self) -> Arc<Definitions> {
        Arc::clone(&self.definitions.borrow())
    }

    /// All views are swapped in from now on.
    pub(super) fn live(&self) -> Arc<Definitions> {
        let mut defs = Definitions::clone(&self.defs());
        for id in self.defs().views.keys() {
            let set = ChangeSet {
                tenant: TenantId::ONLY,
                app: AppName::new("shop").unwrap(),
                changes: vec![Change::SwapView { id: *id }],
            };
            let seq = Seq(defs.seq.0 + 1);
            defs = preview(defs, &set, seq).unwrap();
        }
        self.definitions.send_replace(Arc::new(defs));
        self.defs()
    }

    pub(super) fn id(&self, name: &str) -> StreamId {
        self.defs().object(TenantId::ONLY, name).unwrap().id()
    }

    pub(super) fn relation(&self, name: &str) -> Arc<Relation> {
        let followed = Followed::of(&self.defs());
        assert!(followed.failed.is_empty(), "{:?}", followed.failed);
        Arc::clone(&followed.relations[&self.id(name)])
    }

    pub(super) fn writer(&self) -> Arc<RowWriter> {
        let streams = self.defs();
        let find = move |id: StreamId| streams.streams.get(&id).cloned();
        let letters = Writer::open(&self.kafka, Arc::new(find), Arc::new(SystemClock)).unwrap();
        RowWriter::start(RowWriterParts {
            kafka: self.kafka.clone(),
            rows: Arc::clone(&self.rows),
            definitions: self.definitions.subscribe(),
            letters: Arc::new(letters),
            runtime: Handle::current(),
            spawn: threads(),
            metrics: mainstem_kernel::metrics::Metrics::new(),
            instance: uuid::Uuid::new_v4().to_string(),
        })
        .unwrap()
    }

    /// Records of an object, each where its key belongs; committed when it returns. Where each
    /// partition ends then.
    pub(super) fn send(
        &mut self,
        name: &str,
        records: &[(String, Option<String>)],
    ) -> BTreeMap<u16, u64> {
        let topic = format!("{}-{}-{name}", self.kafka.topic_prefix, self.id(name).0);
        let mut transaction = self.output.begin().unwrap();
        for (key, value) in records {
            let message = NewMessage {
                topic: &topic,
                partition: Some(partition_of(key.as_bytes(), PARTITIONS)),
                key: Some(key.as_bytes()),
                value: value.as_deref().map(str::as_bytes),
                headers: &[],
            };
            transaction.send(&message).unwrap();
        }
        let ends = transaction.commit().unwrap();
        let ends = ends.into_iter();
        ends.map(|(place, next)| (place.partition.0, next.0))
            .collect()
    }

    /// What the table of an object has of some devices, column by column as text.
    pub(super) async fn there(&self, name: &str, devices: &[String]) -> HashMap<String, String> {
        let table = RowTable::of(&self.relation(name).table, self.rows.keyspace()).unwrap();
        let target = self.rows.create(table).await.unwrap();
        let field = ColumnType::Text.field("device", false);
        let schema = arrow::datatypes::Schema::new(vec![field]);
        let keys = Arc::new(StringArray::from_iter_values(devices));
        let keys = RecordBatch::try_new(Arc::new(schema), vec![keys]).unwrap();
        let found = self.rows.read(&target, &keys).await.unwrap();
        let mut there = HashMap::new();
        let names = found
            .rows
            .column_by_name("device")
            .unwrap()
            .as_string::<i32>();
        mainstem_sql::objects(&found.rows, |row, json| {
            let json = String::from_utf8(json.to_vec()).unwrap();
            there.insert(names.value(row).to_owned(), json);
        })
        .unwrap();
        there
    }

    /// Removes what it made in Cassandra.
    pub(super) async fn leave(self) {
        for relation in Followed::of(&self.defs()).relations.values() {
            self.rows.forget(relation.id).await.unwrap();
        }
        self.rows.forget_keyspace().await.unwrap();
    }
}

/// An object of the application.
pub(super) fn object<'a>(defs: &'a Definitions, name: &str) -> Object<'a> {
    defs.object(TenantId::ONLY, name).unwrap()
}

/// Waits until it is so.
pub(super) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let start = tokio::time::Instant::now();
    while !is_so().await {
        assert!(
            start.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}"
        );
        tokio::time::sleep(PAUSE).await;
    }
}
