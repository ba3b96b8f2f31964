//! An application on a broker, without the rest of a node.

use std::{sync::Arc, time::Duration};

use mainstem_catalog::Definitions;
use mainstem_kernel::{StreamId, TenantId, key::partition_of};
use rdkafka::{
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
};

use crate::{
    kafka::{
        KafkaConfig, NewMessage, Output, Topics,
        client::{Words, settings},
        topic::{TABLE_PARTITIONS, Wanted, input_name_of, name_of},
        whole::read_partition,
    },
    rows::fixture::declared,
    worker::{Workers, fixture, fixture::until},
};

/// What most tests declare.
pub(super) const DECLARED: &str = "
CREATE STREAM readings (vehicle_id TEXT NOT NULL, n BIGINT NOT NULL)
  PARTITION BY (vehicle_id) WITH (partitions = 4);
CREATE STREAM events (id TEXT, n BIGINT) DEDUPLICATE BY (id) WITHIN '1 hour'
  WITH (partitions = 2);
CREATE TABLE vehicles (vehicle_id TEXT PRIMARY KEY, model TEXT NOT NULL);
CREATE MATERIALIZED VIEW seen AS SELECT r.vehicle_id, v.model, r.n FROM readings r
  JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v ON v.vehicle_id = r.vehicle_id WHERE r.n > 0;
";

/// An application on a broker.
pub(super) struct Bed {
    pub(super) kafka: KafkaConfig,
    pub(super) definitions: Arc<Definitions>,
}

impl Bed {
    /// The application, with all its topics.
    pub(super) fn open(test: &str, sql: &str) -> Option<Self> {
        let prefix = format!("test-worker-{test}-{}", uuid::Uuid::new_v4().simple());
        let bed = Self::of(test, prefix, sql)?;
        bed.make_topics();
        Some(bed)
    }

    /// The application of a prefix, whose topics are there.
    pub(super) fn of(test: &str, prefix: String, sql: &str) -> Option<Self> {
        Some(Self {
            kafka: fixture::kafka(test, prefix)?,
            definitions: Arc::new(declared(sql)),
        })
    }

    fn make_topics(&self) {
        let topics = Topics::new(&self.kafka).unwrap();
        let ensure = |wanted: &Wanted| topics.ensure(wanted, None).unwrap();
        for stream in self.definitions.streams.values() {
            ensure(&Wanted::of(stream, &self.kafka));
            if stream.spec.deduplicate.is_some() {
                ensure(&Wanted::of_unique(stream, &self.kafka));
            }
        }
        for table in self.definitions.tables.values() {
            ensure(&Wanted::of_table(table, &self.kafka));
        }
        let source = self.definitions.stream(TenantId::ONLY, "readings").unwrap();
        for view in self.definitions.views.values() {
            let source = Wanted::of(source, &self.kafka);
            ensure(&Wanted::of_input(view, &source, &self.kafka));
        }
    }

    /// Workers as a node has them.
    pub(super) fn workers(&self) -> Arc<Workers> {
        fixture::workers(&self.kafka, &self.definitions)
    }

    fn id(&self, name: &str) -> StreamId {
        let streams = self.definitions.streams.values();
        let streams = streams.map(|def| (def.id, def.spec.name.as_str()));
        let views = self.definitions.views.values();
        let views = views.map(|def| (def.id, def.spec.name.as_str()));
        let tables = self.definitions.tables.values();
        let tables = tables.map(|def| (def.id, def.spec.name.as_str()));
        let mut all = streams.chain(views).chain(tables);
        all.find(|(_, own)| *own == name).unwrap().0
    }

    fn topic(&self, name: &str, suffix: &str) -> String {
        let id = self.id(name);
        let own = mainstem_kernel::StreamName::new(name).unwrap();
        match suffix {
            "-input" => input_name_of(&self.kafka, id, &own),
            suffix => format!("{}{suffix}", name_of(&self.kafka, id, &own)),
        }
    }

    /// Writes records in one transaction; when it returns they are acknowledged.
    fn write(&self, topic: &str, records: &[(String, Option<String>)], partitions: u16) {
        let name = format!(
            "{}-{}",
            self.kafka.topic_prefix,
            uuid::Uuid::new_v4().simple()
        );
        let mut output = Output::open(&self.kafka, &name, Duration::from_secs(5)).unwrap();
        let mut transaction = output.begin().unwrap();
        for (key, value) in records {
            let message = NewMessage {
                topic,
                partition: Some(partition_of(key.as_bytes(), partitions)),
                key: Some(key.as_bytes()),
                value: value.as_ref().map(String::as_bytes),
                headers: &[("mainstem-seq", b"65536")],
            };
            transaction.send(&message).unwrap();
        }
        transaction.commit().unwrap();
    }

    /// Rows of the table, as its owner writes them.
    pub(super) fn table(&self, rows: &[(&str, Option<&str>)]) {
        let record = |(id, model): &(&str, Option<&str>)| {
            let value =
                model.map(|model| format!("{{\"vehicle_id\":\"{id}\",\"model\":\"{model}\"}}"));
            (format!("{{\"vehicle_id\":\"{id}\"}}"), value)
        };
        let records: Vec<_> = rows.iter().map(record).collect();
        self.write(&self.topic("vehicles", ""), &records, TABLE_PARTITIONS);
    }

    /// Rows of the stream, as doors write them.
    pub(super) fn readings(&self, rows: &[(&str, i64)]) {
        let record = |(id, n): &(&str, i64)| {
            let value = format!("{{\"vehicle_id\":\"{id}\",\"n\":{n}}}");
            ((*id).to_owned(), Some(value))
        };
        let records: Vec<_> = rows.iter().map(record).collect();
        self.write(&self.topic("readings", ""), &records, 4);
    }

    /// Rows of the stream with DEDUPLICATE BY.
    pub(super) fn events(&self, rows: &[(&str, i64)]) {
        let record = |(id, n): &(&str, i64)| {
            let value = format!("{{\"id\":\"{id}\",\"n\":{n}}}");
            ((*id).to_owned(), Some(value))
        };
        let records: Vec<_> = rows.iter().map(record).collect();
        self.write(&self.topic("events", ""), &records, 2);
    }

    /// All records of a topic, by partition, each in order.
    pub(super) fn lines(&self, name: &str, suffix: &str) -> Vec<String> {
        let topic = self.topic(name, suffix);
        let consumer: BaseConsumer<Words> =
            BaseConsumer::from_config_and_context(&settings(&self.kafka), Words).unwrap();
        let metadata = consumer.fetch_metadata(Some(&topic), Duration::from_secs(5));
        let mut lines = Vec::new();
        for partition in metadata.unwrap().topics()[0].partitions() {
            let each = |_: Option<&[u8]>, value: Option<&[u8]>| {
                let value = value.unwrap_or_default();
                lines.push(String::from_utf8(value.to_vec()).unwrap());
            };
            read_partition(&self.kafka, (&topic, partition.id()), each).unwrap();
        }
        lines
    }

    /// The same, once there are so many.
    pub(super) fn wait_for(&self, name: &str, suffix: &str, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        until(&format!("{count} records of {name}{suffix}"), || {
            lines = self.lines(name, suffix);
            lines.len() >= count
        });
        lines
    }

    /// The rows that the view's query reads are these, whatever their order over partitions.
    pub(super) fn expect_input(&self, rows: &[(&str, i64, &str)]) {
        let mut found = self.wait_for("seen", "-input", rows.len());
        let row = |(id, n, model): &(&str, i64, &str)| {
            format!(
                "{{\"vehicle_id\":\"{id}\",\"n\":{n},\"vehicle_id_2\":\"{id}\",\"model\":\"{model}\"}}"
            )
        };
        let mut expected: Vec<String> = rows.iter().map(row).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
}
