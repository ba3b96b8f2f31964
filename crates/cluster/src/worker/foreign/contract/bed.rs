//! A stream whose rows others write, on a broker, without the rest of a node.

use std::{
    process::{Child, Command},
    sync::Arc,
    time::Duration,
};

use mainstem_catalog::Definitions;
use mainstem_kernel::TenantId;
use rdkafka::{
    Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, CommitMode, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
};

use crate::{
    kafka::{
        KafkaConfig, Topics,
        client::{Words, settings, wait},
        topic::{Wanted, name_of},
        whole::read_partition,
    },
    rows::fixture::declared,
    worker::{Workers, fixture, fixture::until, foreign_group_of},
};

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

#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Bed {
    /// The stream, with its own topics; theirs is not there yet.
    pub(super) fn open(test: &str) -> Option<Self> {
        let prefix = format!("test-{test}-{}", uuid::Uuid::new_v4().simple());
        let bed = Self::of(test, prefix)?;
        let topics = Topics::new(&bed.kafka).unwrap();
        for stream in bed.definitions.streams.values() {
            let wanted = Wanted::of(stream, &bed.kafka);
            topics.ensure(&wanted, None).unwrap();
        }
        Some(bed)
    }

    /// That of another process, in one that it has started.
    pub(super) fn of_process() -> Option<Self> {
        Self::of("worker_process", variable(CHILD)?)
    }

    fn of(test: &str, prefix: String) -> Option<Self> {
        let theirs = format!("theirs.{prefix}");
        let sql = format!(
            "CREATE FOREIGN STREAM readings (device TEXT NOT NULL, n BIGINT) \
             FROM TOPIC '{theirs}' FORMAT JSON PARTITION BY (device) \
             WITH (partitions = {PARTITIONS});"
        );
        Some(Self {
            kafka: fixture::kafka(test, prefix)?,
            definitions: Arc::new(declared(&sql)),
            theirs,
        })
    }

    /// Workers as a node has them.
    pub(super) fn workers(&self) -> Arc<Workers> {
        let workers = fixture::workers(&self.kafka, &self.definitions);
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
