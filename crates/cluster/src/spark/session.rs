//! `Spark`: our session, and statements in it.

use std::{sync::Arc, time::Duration};

use mainstem_kernel::spawn::SharedSpawn;
use mainstem_sql::spark::SETTINGS;
use spark_connect_proto::{
    CreateDataFrameViewCommand, Plan, Relation, Sql, WithWatermark, command::CommandType, plan,
    relation::RelType,
};
use uuid::Uuid;

use super::{Answer, SparkError, client::Client, deed::Deed};
use crate::config::SparkConfig;

/// The versions that views and questions were tried on.
const VERSION: &str = "3.5.";

/// How files of history are written: as one machine does, so that every program reads them.
const FILES: [(&str, &str); 5] = [
    ("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS"),
    ("spark.sql.parquet.compression.codec", "zstd"),
    // A table of Delta has a few thousand files: fifty tasks to know them are slower than four, and
    // ten thousand to list them as they are removed take minutes.
    ("spark.databricks.delta.snapshotPartitions", "4"),
    (
        "spark.sql.sources.parallelPartitionDiscovery.parallelism",
        "32",
    ),
    // A folder that is emptied is empty then.
    ("mapreduce.fileoutputcommitter.marksuccessfuljobs", "false"),
];

/// How rows of Cassandra are joined: read, then joined by Spark. The connector's own join by key
/// filters behind an outer join what was asked to be filtered before it, and so loses rows.
const JOINS: [(&str, &str); 1] = [("directJoinSetting", "off")];

/// Our session in Spark. Cloned freely: all clones are the same session.
#[derive(Clone, Debug)]
pub struct Spark {
    pub(super) client: Client,
    config: Arc<SparkConfig>,
    spawn: SharedSpawn,
}

impl Spark {
    /// Connects. Works with one that is gone for a while afterwards: each call connects again if
    /// it has to.
    ///
    /// # Errors
    /// `Address`, `Unreachable`, or `Version`.
    pub async fn open(config: SparkConfig, spawn: SharedSpawn) -> Result<Self, SparkError> {
        let client = Client::new(&config)?;
        let found = client.version().await?;
        if !found.starts_with(VERSION) {
            return Err(SparkError::Version {
                address: client.authority().to_owned(),
                found,
            });
        }
        let spark = Self {
            client,
            config: Arc::new(config),
            spawn,
        };
        spark.settle().await?;
        Ok(spark)
    }

    /// How Spark is reached.
    #[must_use]
    pub fn config(&self) -> &SparkConfig {
        &self.config
    }

    pub(super) const fn spawn(&self) -> &SharedSpawn {
        &self.spawn
    }

    /// The settings that what we spell relies on. A Spark that was started again does not have
    /// them, and says nothing about it: so they are set before each statement, which takes a
    /// millisecond.
    pub(super) async fn settle(&self) -> Result<(), SparkError> {
        let mut settings: Vec<(&str, String)> = SETTINGS
            .iter()
            .map(|(key, value)| (*key, (*value).to_owned()))
            .collect();
        let partitions = self.config.state_partitions.to_string();
        settings.push(("spark.sql.shuffle.partitions", partitions));
        let fixed = FILES.into_iter().chain(JOINS);
        settings.extend(fixed.map(|(key, value)| (key, value.to_owned())));
        self.client.set(&settings).await
    }

    /// Asks in Spark SQL. The answer comes piece by piece; one that is dropped before its end is
    /// stopped in Spark too, and so is one that is not whole after `time_max`.
    ///
    /// # Errors
    /// As Spark says, by name; `Late`.
    ///
    /// # Cancel safety
    /// Dropping this future stops the question in Spark.
    pub async fn ask(&self, sql: &str, time_max: Duration) -> Result<Answer, SparkError> {
        self.settle().await?;
        Answer::begin(self, (Deed::new("answer", sql), time_max), question(sql)).await
    }

    /// Executes a statement that has no answer, such as one that makes or drops something.
    ///
    /// # Errors
    /// As Spark says, by name; `Late`.
    pub async fn run(&self, sql: &str) -> Result<(), SparkError> {
        self.settle().await?;
        let deed = Deed::new("execute", sql);
        let done = self.client.command((&deed, question(sql)), |_| Some(()));
        done.await.map(drop)
    }

    /// Gives a relation a name in our session.
    pub(super) async fn name(&self, name: &str, relation: Relation) -> Result<(), SparkError> {
        let view = CreateDataFrameViewCommand {
            input: Some(relation),
            name: name.to_owned(),
            is_global: false,
            replace: true,
        };
        let deed = Deed::new("plan", name);
        let plan = command(CommandType::CreateDataframeView(view));
        let done = self.client.command((&deed, plan), |_| Some(()));
        done.await.map(drop)
    }
}

/// A new id for an execution.
pub(super) fn operation() -> Uuid {
    Uuid::new_v4()
}

fn question(sql: &str) -> Plan {
    Plan {
        op_type: Some(plan::OpType::Root(sql_relation(sql))),
    }
}

pub(super) fn command(command: CommandType) -> Plan {
    let command = spark_connect_proto::Command {
        command_type: Some(command),
    };
    Plan {
        op_type: Some(plan::OpType::Command(command)),
    }
}

/// A question as a relation. Over streams it has to be one: as a command Spark would execute it.
pub(super) fn sql_relation(sql: &str) -> Relation {
    relation(RelType::Sql(Sql {
        query: sql.to_owned(),
        ..Default::default()
    }))
}

pub(super) fn watermarked(input: Relation, column: &str, delay: Duration) -> Relation {
    relation(RelType::WithWatermark(Box::new(WithWatermark {
        input: Some(Box::new(input)),
        event_time: column.to_owned(),
        delay_threshold: format!("{} milliseconds", delay.as_millis()),
    })))
}

pub(super) const fn relation(kind: RelType) -> Relation {
    Relation {
        common: None,
        rel_type: Some(kind),
    }
}
