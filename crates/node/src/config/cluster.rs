//! Settings of `serve --engine cluster`, judged as a whole: each alone may be anything.

#![cfg_attr(
    not(feature = "cluster"),
    allow(dead_code, reason = "nobody judges them without engines")
)]

use std::time::Duration;

use mainstem_cluster::{
    ClusterConfig,
    cassandra::CassandraConfig,
    config::{Role, Roles, SparkConfig},
    kafka::KafkaConfig,
};
#[cfg(feature = "cluster")]
use mainstem_cluster::{tables::WritesConfig, worker::WorkersConfig};
use mainstem_kernel::{Answer, ByteSize, Code, Fault};
#[cfg(feature = "cluster")]
use mainstem_table::DeciderConfig;
use serde::Deserialize;

use super::{Config, Span};
use crate::memory::Shares;

/// Longest prefix of topics: Kafka takes names of 249, and a stream's has 63.
const PREFIX_MAX: usize = 64;
/// Longest name of a keyspace that Cassandra takes.
const KEYSPACE_MAX: usize = 48;

/// A worker or owner that is not heard of for as long is replaced.
#[cfg(feature = "cluster")]
const SESSION_MAX: Duration = Duration::from_secs(3);
/// What a worker has not committed for as long, the broker ends.
#[cfg(feature = "cluster")]
const TRANSACTION_MAX: Duration = Duration::from_secs(5);
/// How often rows are looked through for those that have outlived their time.
#[cfg(feature = "cluster")]
const EXPIRE_INTERVAL: Duration = Duration::from_secs(1);

/// Engines beyond one machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterSettings {
    /// Some Kafka brokers.
    pub kafka: Vec<String>,
    /// Replicas of every topic.
    pub kafka_replicas: u16,
    /// How many of them have a row before it is acknowledged.
    pub kafka_in_sync_min: u16,
    /// What all topics begin with.
    pub topic_prefix: String,
    /// Some Cassandra nodes.
    pub cassandra: Vec<String>,
    /// Copies of every row in each data centre.
    pub cassandra_replicas: u16,
    /// Where all tables are.
    pub keyspace: String,
    /// Spark's Connect door.
    pub spark: String,
    /// What Spark and all nodes share.
    pub folder: String,
    /// What this node does.
    pub roles: Vec<RoleSetting>,
    /// How long an engine has to answer the first time.
    pub connect_max: Span,
    /// How long rows of clients wait for enough replicas, before they are refused.
    pub append_max: Span,
    /// How long all else waits for an engine.
    pub acknowledge_max: Span,
    /// Statements on Cassandra that are under way at once.
    pub in_flight_max: usize,
    /// Partitions of the state of one of Spark's queries.
    pub state_partitions: u16,
    /// Rows that one of Spark's queries takes at once.
    pub trigger_rows_max: u64,
}

/// What a node does among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleSetting {
    /// Takes events and questions.
    Doors,
    /// Looks up, deduplicates, decides writes.
    Workers,
    /// Writes rows to Cassandra.
    Rows,
    /// Starts and stops Spark's queries.
    Control,
}

impl From<RoleSetting> for Role {
    fn from(role: RoleSetting) -> Self {
        match role {
            RoleSetting::Doors => Self::Doors,
            RoleSetting::Workers => Self::Workers,
            RoleSetting::Rows => Self::Rows,
            RoleSetting::Control => Self::Control,
        }
    }
}

/// Operator: correct the setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("setting \"cluster.{name}\": {reason}")]
pub struct SettingError {
    name: &'static str,
    reason: String,
}

impl Fault for SettingError {
    fn answer(&self) -> Answer {
        Answer::caller(Code::Clus043)
    }

    fn hint(&self) -> Option<String> {
        Some(
            "`mainstem serve --print-config` tells of every setting; `cargo xtask cluster up` \
             writes a file that fits the engines that it starts"
                .to_owned(),
        )
    }
}

fn expected(name: &'static str, reason: impl Into<String>) -> SettingError {
    SettingError {
        name,
        reason: reason.into(),
    }
}

impl Config {
    /// For `cluster`.
    ///
    /// # Errors
    /// The first setting that is missing, or does not go together with the others.
    pub(crate) fn cluster(&self, shares: Shares) -> Result<ClusterConfig, SettingError> {
        self.cluster.judge()?;
        let ClusterSettings {
            kafka,
            kafka_replicas,
            kafka_in_sync_min,
            topic_prefix,
            cassandra,
            cassandra_replicas,
            keyspace,
            spark,
            folder,
            roles,
            connect_max,
            append_max: _,
            acknowledge_max,
            in_flight_max,
            state_partitions,
            trigger_rows_max,
        } = self.cluster.clone();
        Ok(ClusterConfig {
            kafka: KafkaConfig {
                brokers: kafka,
                topic_prefix: topic_prefix.clone(),
                replicas: kafka_replicas,
                in_sync_min: kafka_in_sync_min,
                connect_max: connect_max.0,
                acknowledge_max: acknowledge_max.0,
                queue_size_max: ByteSize(shares.admission.0 / 2),
                requests_max: self.journal.producers_max,
                request_keep: self.journal.request_keep.0,
            },
            cassandra: CassandraConfig {
                nodes: cassandra,
                keyspace,
                replicas: cassandra_replicas,
                connect_max: connect_max.0,
                acknowledge_max: acknowledge_max.0,
                in_flight_max,
            },
            spark: SparkConfig {
                address: spark,
                session: topic_prefix,
                connect_max: connect_max.0,
                command_max: acknowledge_max.0,
                state_partitions,
                trigger_rows_max,
            },
            folder: folder.trim_end_matches('/').to_owned(),
            roles: Roles::new(roles.into_iter().map(Role::from)),
        })
    }
}

/// What parts of a node of many may take.
#[cfg(feature = "cluster")]
#[derive(Clone, Debug)]
pub(crate) struct ClusterLimits {
    /// Writes to tables.
    pub(crate) writes: WritesConfig,
    /// Lookups and deduplication.
    pub(crate) workers: WorkersConfig,
    /// Questions.
    pub(crate) sql: mainstem_sql::SqlConfig,
}

#[cfg(feature = "cluster")]
impl Config {
    /// For the roles of a node of many: owners of tables have half of what tables and views have on
    /// one machine, and rows that were seen the other half.
    pub(crate) fn cluster_limits(&self, shares: Shares, engines: &ClusterConfig) -> ClusterLimits {
        let writer = self.applications(shares).writer;
        let half = ByteSize(shares.views.0 / 2);
        ClusterLimits {
            writes: WritesConfig {
                kafka: engines.kafka.clone(),
                answer_max: self.sql.query_time_max.0,
                waiting_max: self.table.queue_max,
                session_max: SESSION_MAX,
                decider: DeciderConfig {
                    batch_size_max: writer.batch_size_max,
                    statement_rows_max: writer.statement_rows_max,
                },
                rows_size_max: half,
                expire_interval: EXPIRE_INTERVAL,
            },
            workers: WorkersConfig {
                kafka: engines.kafka.clone(),
                session_max: SESSION_MAX,
                transaction_max: TRANSACTION_MAX,
                lookup_size_max: shares.lookups,
                seen_size_max: half,
                ahead_max: self.admit(shares).ahead_max,
            },
            sql: self.sql(shares),
        }
    }
}

impl ClusterSettings {
    fn judge(&self) -> Result<(), SettingError> {
        for (name, addresses) in [("kafka", &self.kafka), ("cassandra", &self.cassandra)] {
            let is_address = |text: &String| {
                let parts = text.rsplit_once(':');
                parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
            };
            if addresses.is_empty() {
                return Err(expected(name, "is missing"));
            }
            if let Some(odd) = addresses.iter().find(|text| !is_address(text)) {
                return Err(expected(
                    name,
                    format!("expected \"host:port\", found \"{odd}\""),
                ));
            }
        }
        if !self.spark.starts_with("sc://") {
            let found = &self.spark;
            let reason = match found.as_str() {
                "" => "is missing".to_owned(),
                _ => format!("expected \"sc://host:port\", found \"{found}\""),
            };
            return Err(expected("spark", reason));
        }
        if self.folder.trim_end_matches('/').is_empty() {
            return Err(expected("folder", "is missing"));
        }
        self.judge_names()?;
        self.judge_numbers()
    }

    fn judge_names(&self) -> Result<(), SettingError> {
        let is_plain = |text: &str, others: &str| {
            let is_one =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || others.contains(c);
            !text.is_empty() && text.chars().all(is_one)
        };
        if !is_plain(&self.topic_prefix, "-_.") || self.topic_prefix.len() > PREFIX_MAX {
            let reason = format!("expected 1 to {PREFIX_MAX} of a-z, 0-9, \"-\", \"_\" and \".\"");
            return Err(expected("topic_prefix", reason));
        }
        if !is_plain(&self.keyspace, "_") || self.keyspace.len() > KEYSPACE_MAX {
            let reason = format!("expected 1 to {KEYSPACE_MAX} of a-z, 0-9 and \"_\"");
            return Err(expected("keyspace", reason));
        }
        Ok(())
    }

    fn judge_numbers(&self) -> Result<(), SettingError> {
        if self.kafka_in_sync_min == 0 || self.kafka_in_sync_min > self.kafka_replicas {
            let reason = format!(
                "expected 1 to the {} of kafka_replicas",
                self.kafka_replicas
            );
            return Err(expected("kafka_in_sync_min", reason));
        }
        for (name, number) in [
            ("cassandra_replicas", u64::from(self.cassandra_replicas)),
            ("in_flight_max", self.in_flight_max as u64),
            ("state_partitions", u64::from(self.state_partitions)),
            ("trigger_rows_max", self.trigger_rows_max),
            ("roles", self.roles.len() as u64),
        ] {
            if number == 0 {
                return Err(expected(name, "expected at least one"));
            }
        }
        let second = Duration::from_secs(1);
        for (name, span) in [
            ("connect_max", self.connect_max.0),
            ("append_max", self.append_max.0),
            ("acknowledge_max", self.acknowledge_max.0),
        ] {
            if span < second {
                return Err(expected(name, "expected at least \"1 s\""));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const WHOLE: &str = "[cluster]\nkafka = [\"a:9092\"]\ncassandra = [\"b:9042\"]\n\
                         spark = \"sc://c:15002\"\nfolder = \"/lake/\"\n";

    fn read(text: &str) -> Result<ClusterConfig, String> {
        let config = Config::read(Path::new("m.toml"), text).unwrap();
        let shares = Shares::split(&config).unwrap();
        config.cluster(shares).map_err(|error| {
            assert_eq!(error.answer().code, Code::Clus043);
            error.to_string()
        })
    }

    #[test]
    fn what_is_missing_or_does_not_go_together_is_named() {
        let whole = read(WHOLE).unwrap();
        assert_eq!(whole.history(), "/lake/mainstem/history");
        assert!(Role::ALL.iter().all(|role| whole.roles.has(*role)));
        let check = |from: &str, to: &str, expected: &str| {
            assert!(WHOLE.contains(from), "{from}");
            let found = read(&WHOLE.replace(from, to)).unwrap_err();
            assert_eq!(found, format!("setting \"cluster.{expected}"));
        };
        check("kafka = [\"a:9092\"]", "", "kafka\": is missing");
        check(
            "a:9092",
            "a",
            "kafka\": expected \"host:port\", found \"a\"",
        );
        check(
            "b:9042",
            ":9042",
            "cassandra\": expected \"host:port\", found \":9042\"",
        );
        check("spark = \"sc://c:15002\"", "", "spark\": is missing");
        check(
            "sc://",
            "http://",
            "spark\": expected \"sc://host:port\", found \"http://c:15002\"",
        );
        check("/lake/", "/", "folder\": is missing");
        let two = "folder = \"/l\"\nkafka_replicas = 1";
        check(
            "folder = \"/lake/\"",
            two,
            "kafka_in_sync_min\": expected 1 to the 1 of kafka_replicas",
        );
        let roles = "folder = \"/l\"\nroles = []";
        check(
            "folder = \"/lake/\"",
            roles,
            "roles\": expected at least one",
        );
        let keyspace = "folder = \"/l\"\nkeyspace = \"Main\"";
        check(
            "folder = \"/lake/\"",
            keyspace,
            "keyspace\": expected 1 to 48 of a-z, 0-9 and \"_\"",
        );
    }

    #[test]
    fn a_node_has_the_roles_that_it_is_given() {
        let text = format!("{WHOLE}roles = [\"rows\"]\n");
        let roles = read(&text).unwrap().roles;
        assert!(roles.has(Role::Rows) && !roles.has(Role::Doors));
    }
}
