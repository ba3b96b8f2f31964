//! A Spark, topics and a folder to test with.

use std::{collections::BTreeMap, fs, io, path::PathBuf, sync::Arc, thread, time::Duration};

use arrow::{array::AsArray, datatypes::Int64Type};
use mainstem_kernel::{
    ByteSize, Spawn,
    spawn::{TaskBody, ThreadBody},
};

use super::super::{QueryParts, Spark};
use crate::{
    config::SparkConfig,
    kafka::{
        KafkaConfig, NewMessage, Output, Topics,
        topic::{Cleanup, Wanted},
    },
};

pub(super) const TIME: Duration = Duration::from_secs(60);

/// Starts what it is given, watched by nobody.
#[derive(Debug)]
pub(super) struct Unwatched;

impl Spawn for Unwatched {
    #[expect(clippy::disallowed_methods, reason = "this starts threads of tests")]
    fn thread(&self, _name: &str, body: ThreadBody) -> io::Result<()> {
        drop(thread::spawn(body));
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "this starts tasks of tests")]
    fn task(&self, _name: &str, body: TaskBody) {
        drop(tokio::spawn(body));
    }
}

/// Spark, in a session that no other test has; `None` if there is none.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
pub(super) async fn spark(test: &str) -> Option<Spark> {
    let Ok(address) = std::env::var("MAINSTEM_SPARK") else {
        println!("SKIPPED {test}: MAINSTEM_SPARK names no Spark (cargo xtask cluster up)");
        return None;
    };
    let config = config(&address, &format!("test-{test}-{}", uuid::Uuid::new_v4()));
    Some(Spark::open(config, Arc::new(Unwatched)).await.unwrap())
}

pub(super) fn config(address: &str, session: &str) -> SparkConfig {
    SparkConfig {
        address: address.to_owned(),
        session: session.to_owned(),
        connect_max: Duration::from_secs(5),
        command_max: Duration::from_secs(120),
        state_partitions: 2,
        trigger_rows_max: 100_000,
    }
}

/// Spark, Kafka and a folder that both can use.
pub(super) struct Bed {
    pub(super) spark: Spark,
    pub(super) kafka: KafkaConfig,
    pub(super) folder: PathBuf,
    topics: Topics,
}

impl Bed {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    pub(super) async fn open(test: &str) -> Option<Self> {
        let spark = spark(test).await?;
        let Ok(brokers) = std::env::var("MAINSTEM_KAFKA") else {
            println!("SKIPPED {test}: MAINSTEM_KAFKA names no brokers (cargo xtask cluster up)");
            return None;
        };
        let brokers: Vec<String> = brokers.split(',').map(str::to_owned).collect();
        let is_large = brokers.len() >= 3;
        let kafka = KafkaConfig {
            brokers,
            topic_prefix: spark.config().session.clone(),
            replicas: if is_large { 3 } else { 1 },
            in_sync_min: if is_large { 2 } else { 1 },
            connect_max: Duration::from_secs(5),
            acknowledge_max: Duration::from_secs(10),
            queue_size_max: ByteSize::mib(64),
            requests_max: 1_000,
            request_keep: Duration::from_secs(3_600),
        };
        Some(Self {
            topics: Topics::new(&kafka).unwrap(),
            folder: std::env::temp_dir().join(&kafka.topic_prefix),
            spark,
            kafka,
        })
    }

    /// Removes all topics and files.
    pub(super) fn clear(&self) {
        self.topics.forget(&self.kafka.topic_prefix).unwrap();
        fs::remove_dir_all(&self.folder).unwrap();
    }

    /// A topic with two partitions.
    pub(super) fn topic(&self, name: &str, cleanup: Cleanup) -> String {
        let name = format!("{}-{name}", self.kafka.topic_prefix);
        let wanted = Wanted {
            name: name.clone(),
            partitions: 2,
            replicas: self.kafka.replicas,
            in_sync_min: self.kafka.in_sync_min,
            cleanup,
            record_bytes_max: 1 << 20,
            versions_kept: Duration::ZERO,
        };
        self.topics.ensure(&wanted, None).unwrap();
        name
    }

    /// Writes records in one transaction, to both partitions in turn.
    pub(super) fn write(&self, topic: &str, values: &[String]) {
        let mut output = Output::open(&self.kafka, topic, TIME).unwrap();
        let mut transaction = output.begin().unwrap();
        for (value, number) in values.iter().zip(0_u16..) {
            transaction
                .send(&message(topic, value, number % 2))
                .unwrap();
        }
        transaction.commit().unwrap();
    }

    /// Writes records in a transaction that is given up.
    pub(super) fn give_up(&self, topic: &str, values: &[String]) {
        let mut output = Output::open(&self.kafka, topic, TIME).unwrap();
        let mut transaction = output.begin().unwrap();
        for value in values {
            transaction.send(&message(topic, value, 0)).unwrap();
        }
        transaction.written().unwrap();
    }

    pub(super) fn parts(&self, name: &str) -> QueryParts<'_> {
        QueryParts {
            name: name.to_owned(),
            checkpoint: self.path(&format!("checkpoints/{name}")),
            kafka: &self.kafka,
            spark: self.spark.config(),
        }
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// All records of a topic as a relation, read in batch.
    pub(super) async fn relation(&self, name: &str, topic: &str) {
        let sql = format!(
            "CREATE OR REPLACE TEMPORARY VIEW `{name}` USING kafka OPTIONS \
             (`kafka.bootstrap.servers` '{}', subscribe '{topic}', \
             `kafka.isolation.level` 'read_committed')",
            self.kafka.brokers.join(",")
        );
        self.spark.run(&sql).await.unwrap();
    }

    /// The one number that a question has as its answer.
    pub(super) async fn number(&self, sql: &str) -> i64 {
        let mut answer = self.spark.ask(sql, TIME).await.unwrap();
        let rows = answer.next().await.unwrap().unwrap();
        rows.column(0).as_primitive::<Int64Type>().value(0)
    }

    /// The texts that a question has as its answer, in order.
    pub(super) async fn texts(&self, sql: &str) -> Vec<String> {
        let mut answer = self.spark.ask(sql, TIME).await.unwrap();
        let mut texts = Vec::new();
        while let Some(rows) = answer.next().await.unwrap() {
            let column = rows.column(0).as_string::<i32>();
            texts.extend(column.iter().map(|text| text.unwrap().to_owned()));
        }
        texts.sort();
        texts
    }
}

fn message<'a>(topic: &'a str, value: &'a str, partition: u16) -> NewMessage<'a> {
    NewMessage {
        topic,
        partition: Some(partition),
        key: None,
        value: Some(value.as_bytes()),
        headers: &[],
    }
}

/// Files of an application.
pub(super) fn files(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    let files = list.iter();
    let files = files.map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    files.collect()
}
