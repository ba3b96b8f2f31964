//! `ClusterConfig`: how a node reaches the three engines, and what it does among the others.
//!
//! It never reads a file: `node` makes it of its settings.

use std::{collections::BTreeSet, time::Duration};

use crate::{cassandra::CassandraConfig, kafka::KafkaConfig};

/// How a node reaches the three engines, and what it does among the others.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Streams, changes and definitions.
    pub kafka: KafkaConfig,
    /// Rows by key.
    pub cassandra: CassandraConfig,
    /// Views, history and questions.
    pub spark: SparkConfig,
    /// A path or URI that Spark and all nodes share, without a slash at its end: history is under
    /// `FOLDER/history`, Spark keeps its checkpoints under `FOLDER/checkpoints`.
    pub folder: String,
    /// What this node does.
    pub roles: Roles,
}

/// How Spark is reached, and what is asked of it.
#[derive(Clone, Debug)]
pub struct SparkConfig {
    /// `sc://HOST[:PORT][/;use_ssl=true;token=…]` of its Connect door.
    pub address: String,
    /// What all nodes of this cluster share, and no other cluster does: the prefix of its topics.
    pub session: String,
    /// How long it has to answer the first time.
    pub connect_max: Duration,
    /// How long a command may take: starting or stopping a query, reading how far it is.
    pub command_max: Duration,
    /// Partitions of a query's state, fixed when its checkpoint begins.
    pub state_partitions: u16,
    /// Rows that one query takes from its topics at once.
    pub trigger_rows_max: u64,
}

/// What a node does among the others. Any number of nodes may have the same role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Takes events and questions.
    Doors,
    /// Looks up, deduplicates and decides writes on tables.
    Workers,
    /// Writes rows of views and tables to Cassandra.
    Rows,
    /// Starts and stops Spark's queries, while no other node does.
    Control,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Doors, Self::Workers, Self::Rows, Self::Control];

    /// As settings write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Doors => "doors",
            Self::Workers => "workers",
            Self::Rows => "rows",
            Self::Control => "control",
        }
    }
}

/// The roles of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles(BTreeSet<Role>);

impl Roles {
    /// These.
    #[must_use]
    pub fn new(roles: impl IntoIterator<Item = Role>) -> Self {
        Self(roles.into_iter().collect())
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }
}

impl ClusterConfig {
    /// Where Delta tables of history are. Clusters of several prefixes may share a folder.
    #[must_use]
    pub fn history(&self) -> String {
        format!("{}/{}/history", self.folder, self.kafka.topic_prefix)
    }

    /// Where Spark keeps what a query has done, by name of the query.
    #[must_use]
    pub fn checkpoint(&self, query: &str) -> String {
        let prefix = &self.kafka.topic_prefix;
        format!("{}/{prefix}/checkpoints/{query}", self.folder)
    }
}
