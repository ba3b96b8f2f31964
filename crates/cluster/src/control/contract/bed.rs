//! Topics, a keyspace, definitions, and a Spark that does what it is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use mainstem_catalog::{Catalog, Change, Stage};
use mainstem_kernel::{
    ByteSize, Clock as _, Seq, StreamId, Timestamp,
    clock::{ManualClock, SharedClock, SystemClock},
};
use mainstem_log::SharedLog;
use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer};
use scylla::client::{session::Session, session_builder::SessionBuilder};
use tokio::runtime::Runtime;

use super::super::{
    Batch, ControlParts, EngineFault, HistoryOf, Need, QueryEngine, QueryTopics, Run,
    fixture::{self, SHOP},
    leading::Leading,
};
use crate::{
    ClusterConfig, ClusterError,
    cassandra::CassandraConfig,
    config::{Role, Roles, SparkConfig},
    kafka::{DefinitionLog, KafkaConfig, NewMessage, Output, Topics, client::settings},
    progress::{Query, read_once},
};

/// Definitions over real topics.
pub(super) struct Bed {
    pub(super) config: ClusterConfig,
    pub(super) spark: Arc<FakeSpark>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) runtime: Runtime,
    pub(super) catalog: Arc<Catalog>,
}

#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
pub(super) fn named(test: &str, variable: &str) -> Option<Vec<String>> {
    let Ok(list) = std::env::var(variable) else {
        println!("SKIPPED {test}: {variable} names none (cargo xtask cluster test)");
        return None;
    };
    Some(list.split(',').map(str::to_owned).collect())
}

pub(super) fn config(test: &str) -> Option<ClusterConfig> {
    let brokers = named(test, "MAINSTEM_KAFKA")?;
    let nodes = named(test, "MAINSTEM_CASSANDRA")?;
    let id = uuid::Uuid::new_v4().simple().to_string();
    let prefix = format!("test-control-{test}-{id}");
    let has_three = |list: &[String]| list.len() >= 3;
    Some(ClusterConfig {
        kafka: KafkaConfig {
            replicas: if has_three(&brokers) { 3 } else { 1 },
            in_sync_min: if has_three(&brokers) { 2 } else { 1 },
            brokers,
            topic_prefix: prefix.clone(),
            connect_max: Duration::from_secs(5),
            acknowledge_max: Duration::from_secs(10),
            queue_size_max: ByteSize::mib(64),
            requests_max: 1_000,
            request_keep: Duration::from_secs(3_600),
        },
        cassandra: CassandraConfig {
            replicas: if has_three(&nodes) { 3 } else { 1 },
            nodes,
            keyspace: format!("control_{}", id.get(..12).unwrap()),
            connect_max: Duration::from_secs(10),
            acknowledge_max: Duration::from_secs(30),
            in_flight_max: 16,
        },
        spark: SparkConfig {
            address: "sc://127.0.0.1:1".to_owned(),
            session: prefix,
            connect_max: Duration::from_secs(5),
            command_max: Duration::from_secs(60),
            state_partitions: 2,
            trigger_rows_max: 10_000,
        },
        folder: String::new(),
        roles: Roles::new(Role::ALL),
    })
}

impl Bed {
    /// The shop, and what else is declared.
    pub(super) fn open(test: &str, sql: &[&str]) -> Option<Self> {
        Some(Self::over(config(test)?, sql))
    }

    pub(super) fn over(config: ClusterConfig, sql: &[&str]) -> Self {
        let log: SharedLog = DefinitionLog::open(&config.kafka).unwrap();
        let bed = Self {
            catalog: Catalog::open(log).unwrap(),
            spark: FakeSpark::over(&config.kafka),
            clock: Arc::new(ManualClock::at(SystemClock.now())),
            runtime: Runtime::new().unwrap(),
            config,
        };
        bed.change(fixture::begin());
        for text in [SHOP].iter().chain(sql) {
            bed.declare(text);
        }
        bed
    }

    pub(super) fn declare(&self, sql: &str) {
        fixture::declare(sql, |change| {
            self.change(change(&self.catalog.definitions()))
        });
    }

    pub(super) fn change(&self, change: Change) {
        let set = fixture::set(vec![change]);
        self.catalog.apply(set, self.seq()).unwrap();
    }

    pub(super) fn seq(&self) -> Seq {
        self.catalog.definitions().seq
    }

    /// The newest version of a view.
    pub(super) fn view(&self, name: &str) -> StreamId {
        let definitions = self.catalog.definitions();
        let mut views = definitions.views.values().rev();
        views.find(|def| def.spec.name.as_str() == name).unwrap().id
    }

    pub(super) fn stage(&self, id: StreamId) -> Stage {
        self.catalog.definitions().views[&id].stage
    }

    pub(super) fn is_forgotten(&self, id: StreamId) -> bool {
        !self.catalog.definitions().views.contains_key(&id)
    }

    pub(super) fn system_clock(&self) -> SharedClock {
        Arc::new(SystemClock)
    }

    pub(super) fn parts(&self, node: &str, clock: SharedClock) -> ControlParts {
        ControlParts {
            config: self.config.clone(),
            catalog: Arc::clone(&self.catalog),
            engine: Arc::<FakeSpark>::clone(&self.spark),
            clock,
            runtime: self.runtime.handle().clone(),
            node: node.to_owned(),
            instance: format!("{node}-{}", uuid::Uuid::new_v4()),
        }
    }

    /// A node that has taken over.
    pub(super) fn leading(&self, node: &str) -> Leading {
        let clock = Arc::<ManualClock>::clone(&self.clock);
        let parts = Arc::new(self.parts(node, clock));
        let mut leading = Leading::open(&parts).unwrap();
        leading.remember(read_once(&self.config.kafka).unwrap());
        leading
    }

    /// So many rows into a stream.
    pub(super) fn send(&self, stream: &str, rows: i64) {
        let topic = self.topic(stream);
        let name = format!("{}-sender", self.config.kafka.topic_prefix);
        let mut output = Output::open(&self.config.kafka, &name, Duration::from_secs(10)).unwrap();
        let mut transaction = output.begin().unwrap();
        for row in 0..rows {
            let value = format!(
                r#"{{"country":"at","product":"p{row}","amount":1,"paid_at":"2026-01-01T00:00:00Z"}}"#
            );
            let message = NewMessage {
                topic: &topic,
                partition: Some(0),
                key: None,
                value: Some(value.as_bytes()),
                headers: &[],
            };
            transaction.send(&message).unwrap();
        }
        transaction.commit().unwrap();
    }

    fn topic(&self, stream: &str) -> String {
        let definitions = self.catalog.definitions();
        let mut streams = definitions.streams.values();
        let def = streams
            .find(|def| def.spec.name.as_str() == stream)
            .unwrap();
        format!("{}-{}-{stream}", self.config.kafka.topic_prefix, def.id)
    }

    pub(super) fn topics_of(&self, id: StreamId) -> Vec<String> {
        let prefix = format!("{}-{id}-", self.config.kafka.topic_prefix);
        let names = Topics::new(&self.config.kafka).unwrap().names().unwrap();
        names
            .into_iter()
            .filter(|name| name.starts_with(&prefix))
            .collect()
    }

    pub(super) fn has_table(&self, id: StreamId) -> bool {
        let keyspace = &self.config.cassandra.keyspace;
        let text = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
        let found = self.runtime.block_on(async {
            let session = session(&self.config.cassandra).await.unwrap();
            session.query_unpaged(text, (keyspace,)).await.unwrap()
        });
        let found = found.into_rows_result().unwrap();
        let suffix = format!("_{id}");
        let mut names = found.rows::<(String,)>().unwrap().map(Result::unwrap);
        names.any(|(name,)| name.ends_with(&suffix))
    }
}

async fn session(config: &CassandraConfig) -> Option<Session> {
    let nodes = SessionBuilder::new().known_nodes(&config.nodes);
    nodes.build().await.ok()
}

impl Drop for Bed {
    /// Topics and the keyspace go; what does not, is empty.
    fn drop(&mut self) {
        let prefix = format!("{}-", self.config.kafka.topic_prefix);
        let forgotten = Topics::new(&self.config.kafka).map(|topics| topics.forget(&prefix));
        let keyspace = self.config.cassandra.keyspace.clone();
        let config = self.config.cassandra.clone();
        let dropped = self.runtime.block_on(async {
            let text = format!("DROP KEYSPACE IF EXISTS \"{keyspace}\"");
            session(&config).await?.query_unpaged(text, ()).await.ok()
        });
        if !matches!(forgotten, Ok(Ok(()))) || dropped.is_none() {
            println!("{prefix} and {keyspace} are left behind");
        }
    }
}

/// What it was told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Started(Query),
    Stopped(String),
}

/// A Spark that does what it is told.
#[derive(Debug)]
pub(super) struct FakeSpark {
    kafka: KafkaConfig,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    active: BTreeMap<Query, (Run, QueryTopics)>,
    batches: BTreeMap<String, Batch>,
    failures: BTreeMap<String, String>,
    deeds: Vec<Deed>,
    lost: BTreeSet<(Query, u16)>,
    emptied: Vec<(HistoryOf, u16)>,
    expired: Vec<(StreamId, String)>,
    is_gone: bool,
    runs: u32,
}

impl FakeSpark {
    fn over(kafka: &KafkaConfig) -> Arc<Self> {
        Arc::new(Self {
            kafka: kafka.clone(),
            state: Mutex::default(),
        })
    }

    pub(super) fn is_active(&self, query: Query) -> bool {
        self.state.lock().active.contains_key(&query)
    }

    pub(super) fn deeds(&self) -> Vec<Deed> {
        self.state.lock().deeds.clone()
    }

    /// A batch with everything that its topic holds.
    pub(super) fn reads_all(&self, query: Query) {
        let mut state = self.state.lock();
        let (run, topics) = state.active[&query].clone();
        let next = topics.inputs.iter().flat_map(|topic| {
            let ends = ends(&self.kafka, topic).into_iter();
            ends.map(|(part, end)| ((topic.clone(), part), end))
        });
        let batch = Batch {
            next: next.collect(),
            watermark: Some(Timestamp(0)),
            ..Batch::default()
        };
        state.batches.insert(run.run, batch);
    }

    pub(super) fn fail(&self, query: Query, words: &str) {
        let mut state = self.state.lock();
        let (run, _) = state.active.remove(&query).unwrap();
        state.failures.insert(run.run, words.to_owned());
    }

    /// What a query has done is gone.
    pub(super) fn lose(&self, query: Query, generation: u16) {
        self.state.lock().lost.insert((query, generation));
    }

    /// As a query was started.
    pub(super) fn started_with(&self, query: Query) -> Option<QueryTopics> {
        let state = self.state.lock();
        state.active.get(&query).map(|(_, topics)| topics.clone())
    }

    /// Of which objects everything is deleted, and up to which generation.
    pub(super) fn emptied(&self) -> Vec<(HistoryOf, u16)> {
        self.state.lock().emptied.clone()
    }

    /// Days that were taken out of histories.
    pub(super) fn expired(&self) -> Vec<(StreamId, String)> {
        self.state.lock().expired.clone()
    }

    pub(super) fn is_gone(&self, is_gone: bool) {
        let mut state = self.state.lock();
        state.active.clear();
        state.is_gone = is_gone;
    }

    fn fault(words: &str) -> EngineFault {
        Box::new(ClusterError::Refused {
            doing: "run",
            topic: words.to_owned(),
            source: words.into(),
        })
    }
}

impl QueryEngine for FakeSpark {
    fn active(&self) -> Result<BTreeMap<Query, Run>, EngineFault> {
        let state = self.state.lock();
        if state.is_gone {
            return Err(Self::fault("nobody is there"));
        }
        let active = state.active.iter();
        Ok(active
            .map(|(query, (run, _))| (*query, run.clone()))
            .collect())
    }

    fn last_batch(&self, run: &Run) -> Result<Option<Batch>, EngineFault> {
        Ok(self.state.lock().batches.get(&run.run).cloned())
    }

    fn failure(&self, run: &Run) -> Result<Option<EngineFault>, EngineFault> {
        let state = self.state.lock();
        Ok(state.failures.get(&run.run).map(|words| Self::fault(words)))
    }

    fn start(&self, query: Query, _need: &Need, topics: &QueryTopics) -> Result<Run, EngineFault> {
        let mut state = self.state.lock();
        state.runs += 1;
        let run = Run {
            id: query.to_string(),
            run: format!("{query} {}", state.runs),
        };
        state.active.insert(query, (run.clone(), topics.clone()));
        state.deeds.push(Deed::Started(query));
        Ok(run)
    }

    fn stop(&self, run: &Run) -> Result<(), EngineFault> {
        let mut state = self.state.lock();
        state.active.retain(|_, (active, _)| active != run);
        state.deeds.push(Deed::Stopped(run.run.clone()));
        Ok(())
    }

    fn has_checkpoint(&self, query: Query, generation: u16) -> Result<bool, EngineFault> {
        Ok(!self.state.lock().lost.contains(&(query, generation)))
    }

    fn written(&self, _history: &HistoryOf) -> Result<BTreeMap<u16, u64>, EngineFault> {
        Ok(BTreeMap::from([(0, 3)]))
    }

    fn expire(&self, history: &HistoryOf, day: &str) -> Result<(), EngineFault> {
        let expired = (history.stream, day.to_owned());
        self.state.lock().expired.push(expired);
        Ok(())
    }

    fn forget(&self, history: &HistoryOf, generation: u16) -> Result<(), EngineFault> {
        let emptied = (history.clone(), generation);
        self.state.lock().emptied.push(emptied);
        Ok(())
    }
}

/// Where each partition of a topic ends.
fn ends(kafka: &KafkaConfig, topic: &str) -> Vec<(u16, u64)> {
    let client: BaseConsumer = settings(kafka).create().unwrap();
    let metadata = client
        .fetch_metadata(Some(topic), kafka.connect_max)
        .unwrap();
    let partitions = metadata.topics()[0].partitions().iter();
    let end = |partition: i32| {
        let (_, end) = client
            .fetch_watermarks(topic, partition, kafka.connect_max)
            .unwrap();
        (
            u16::try_from(partition).unwrap(),
            u64::try_from(end).unwrap(),
        )
    };
    partitions.map(|partition| end(partition.id())).collect()
}
