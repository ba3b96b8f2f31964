//! A stream whose rows others write, on a broker, without the rest of a node.

use std::{
    process::{Child, Command},
    sync::Arc,
    thread,
    time::Duration,
};

use mainstem_catalog::Definitions;
use mainstem_kernel::{
    ByteSize, Clock as _, TenantId,
    clock::SystemClock,
    spawn::{Spawn, TaskBody, ThreadBody},
};
use rdkafka::{
    Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, CommitMode, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
};
use tokio::sync::watch;

use crate::{
    kafka::{
        KafkaConfig, Topics,
        client::{Words, settings, wait},
        topic::{Wanted, name_of},
        whole::read_partition,
    },
    rows::fixture::declared,
    worker::{Workers, WorkersConfig, WorkersParts, foreign_group_of},
};

const DEADLINE: Duration = Duration::from_secs(60);
/// Tells a process of this test whose stream it works for.
const CHILD: &str = "MAINSTEM_TEST_FOREIGN";
const PARTITIONS: u16 = 2;

pub(super) struct Bed {
    kafka: KafkaConfig,
    definitions: Arc<Definitions>,
    theirs: String,
}

/// A process that works, until it is killed.
pub(super) struct Process(Child);

impl Process {
    pub(super) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Plain threads.
#[derive(Debug)]
struct Threads;

impl Spawn for Threads {
    #[expect(clippy::disallowed_methods, reason = "nobody supervises a test")]
    fn thread(&self, _name: &str, body: ThreadBody) -> std::io::Result<()> {
        thread::spawn(body);
        Ok(())
    }

    fn task(&self, name: &str, _body: TaskBody) {
        panic!("{name}: workers have no tasks");
    }
}

/// Goes on until it is so.
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = SystemClock.monotonic();
    while !is_so() {
        let waited = SystemClock.monotonic().saturating_sub(start);
        assert!(waited < DEADLINE, "not within {DEADLINE:?}: {what}");
        thread::yield_now();
    }
}

#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Bed {
    /// The stream, with its own topics; theirs is not there yet.
    pub(super) fn open(test: &str) -> Option<Self> {
        let Some(brokers) = variable("MAINSTEM_KAFKA") else {
            println!("SKIPPED {test}: MAINSTEM_KAFKA names no brokers (cargo xtask cluster up)");
            return None;
        };
        let prefix = format!("test-{test}-{}", uuid::Uuid::new_v4().simple());
        let bed = Self::of(&brokers, prefix);
        let topics = Topics::new(&bed.kafka).unwrap();
        for stream in bed.definitions.streams.values() {
            let wanted = Wanted::of(stream, &bed.kafka);
            topics.ensure(&wanted, None).unwrap();
        }
        Some(bed)
    }

    /// That of another process, in one that it has started.
    pub(super) fn of_process() -> Option<Self> {
        Some(Self::of(&variable("MAINSTEM_KAFKA")?, variable(CHILD)?))
    }

    fn of(brokers: &str, prefix: String) -> Self {
        let theirs = format!("theirs.{prefix}");
        let sql = format!(
            "CREATE FOREIGN STREAM readings (device TEXT NOT NULL, n BIGINT) \
             FROM TOPIC '{theirs}' FORMAT JSON PARTITION BY (device) \
             WITH (partitions = {PARTITIONS});"
        );
        Self {
            kafka: KafkaConfig {
                brokers: brokers.split(',').map(str::to_owned).collect(),
                topic_prefix: prefix,
                replicas: 1,
                in_sync_min: 1,
                connect_max: Duration::from_secs(5),
                acknowledge_max: Duration::from_secs(10),
                queue_size_max: ByteSize::mib(64),
                requests_max: 1_000,
                request_keep: Duration::from_secs(3_600),
            },
            definitions: Arc::new(declared(&sql)),
            theirs,
        }
    }

    /// Workers as a node has them.
    pub(super) fn workers(&self) -> Arc<Workers> {
        let (sender, definitions) = watch::channel(Arc::clone(&self.definitions));
        // Whoever follows definitions lives as long as the node.
        std::mem::forget(sender);
        let workers = Workers::start(WorkersParts {
            config: WorkersConfig {
                kafka: self.kafka.clone(),
                session_max: Duration::from_secs(3),
                transaction_max: Duration::from_secs(4),
                lookup_size_max: ByteSize::mib(64),
                seen_size_max: ByteSize::mib(64),
                ahead_max: Duration::from_secs(3_600),
            },
            definitions,
            spawn: Arc::new(Threads),
            clock: Arc::new(SystemClock),
            instance: uuid::Uuid::new_v4().simple().to_string(),
        });
        let workers = workers.unwrap();
        until("the work is begun", || !workers.health().is_empty());
        workers
    }

    /// A process that works.
    pub(super) fn process(&self) -> Process {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--nocapture",
                "--exact",
                "worker::foreign::contract::worker_process",
            ])
            .env(CHILD, &self.kafka.topic_prefix)
            .spawn();
        Process(child.unwrap())
    }

    fn admin(&self) -> AdminClient<Words> {
        AdminClient::from_config_and_context(&settings(&self.kafka), Words).unwrap()
    }

    pub(super) fn make_theirs(&self, partitions: i32) {
        let topic = NewTopic::new(&self.theirs, partitions, TopicReplication::Fixed(1));
        let made = wait(self.admin().create_topics([&topic], &AdminOptions::new()));
        assert!(made.unwrap()[0].is_ok());
    }

    /// Gives their topic more partitions.
    pub(super) fn widen(&self, partitions: usize) {
        let wider = NewPartitions::new(&self.theirs, partitions);
        let made = wait(
            self.admin()
                .create_partitions([&wider], &AdminOptions::new()),
        );
        assert!(made.unwrap()[0].is_ok());
    }

    /// Deletes the first records of a partition of theirs.
    pub(super) fn trim(&self, partition: i32, first: i64) {
        let mut before = TopicPartitionList::new();
        let place = Offset::Offset(first);
        before
            .add_partition_offset(&self.theirs, partition, place)
            .unwrap();
        let deleted = wait(self.admin().delete_records(&before, &AdminOptions::new()));
        assert_eq!(deleted.unwrap().count(), 1);
    }

    /// A plain producer: each record into the partition of its number, if there are so many.
    pub(super) fn produce(&self, records: &[(usize, Option<String>)]) {
        let producer = settings(&self.kafka).set("acks", "all").create();
        let producer: BaseProducer = producer.unwrap();
        let limit = Duration::from_secs(10);
        let metadata = producer.client().fetch_metadata(Some(&self.theirs), limit);
        let partitions = metadata.unwrap().topics()[0].partitions().len();
        for (number, value) in records {
            let mut record = BaseRecord::<'_, [u8], String>::to(&self.theirs)
                .partition(i32::try_from(number % partitions).unwrap());
            record.payload = value.as_ref();
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(limit).unwrap();
    }

    fn group(&self) -> (BaseConsumer<Words>, String) {
        let stream = self.definitions.stream(TenantId::ONLY, "readings").unwrap();
        let group = foreign_group_of(&self.kafka, stream.id);
        let mut settings = settings(&self.kafka);
        settings.set("group.id", &group);
        let consumer = BaseConsumer::from_config_and_context(&settings, Words);
        (consumer.unwrap(), group)
    }

    /// A member that ended is missed after its session.
    pub(super) fn wait_until_nobody_reads(&self) {
        let (consumer, group) = self.group();
        until("the group is empty", || {
            let groups = consumer.fetch_group_list(Some(&group), Duration::from_secs(5));
            groups.is_ok_and(|list| list.groups().iter().all(|group| group.members().is_empty()))
        });
    }

    /// Moves the group, which nobody may be a member of.
    pub(super) fn move_group(&self, partition: i32, next: i64) {
        self.wait_until_nobody_reads();
        let (consumer, _) = self.group();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.theirs, partition, Offset::Offset(next))
            .unwrap();
        consumer.commit(&list, CommitMode::Sync).unwrap();
    }

    fn lines(&self, name: &str, partitions: u16) -> Vec<String> {
        let stream = self.definitions.stream(TenantId::ONLY, name);
        let stream = stream.unwrap();
        let topic = name_of(&self.kafka, stream.id, &stream.spec.name);
        let mut lines = Vec::new();
        for partition in 0..i32::from(partitions) {
            let each = |_: Option<&[u8]>, value: Option<&[u8]>| {
                lines.push(String::from_utf8(value.unwrap_or_default().to_vec()).unwrap());
            };
            read_partition(&self.kafka, (&topic, partition), each).unwrap();
        }
        lines
    }

    /// What the stream's own topic holds.
    pub(super) fn rows(&self) -> Vec<String> {
        self.lines("readings", PARTITIONS)
    }

    /// What its dead letters hold.
    pub(super) fn letters(&self) -> Vec<String> {
        self.lines("readings_dead_letters", 1)
    }

    /// Leaves nothing behind.
    pub(super) fn forget(&self) {
        let topics = Topics::new(&self.kafka).unwrap();
        topics.forget(&self.kafka.topic_prefix).unwrap();
        topics.forget(&self.theirs).unwrap();
    }
}
