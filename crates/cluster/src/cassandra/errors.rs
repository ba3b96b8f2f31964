//! Why rows did not get into Cassandra, or out of it.

use std::time::Duration;

use mainstem_kernel::{Answer, Blame, Code, Fault, Retry};

use crate::errors::Source;

/// Why rows did not get into Cassandra, or out of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CassandraError {
    /// Dependency: passes once a node can be reached.
    #[error("none of the Cassandra nodes {nodes} could be reached")]
    Unreachable {
        /// The nodes that were asked.
        nodes: String,
        /// What the client said.
        #[source]
        source: Source,
    },
    /// Operator: another Cassandra is needed.
    #[error("Cassandra at {nodes} is version {found}, expected 5.0 or newer")]
    Version {
        /// The nodes that were asked.
        nodes: String,
        /// Its version.
        found: String,
    },
    /// Dependency: some of the rows may be there; giving them again completes them.
    #[error("Cassandra did not answer for table \"{table}\" within {} s", .limit.as_secs())]
    Unacknowledged {
        /// The table.
        table: String,
        /// How long it had.
        limit: Duration,
        /// What the client said last.
        #[source]
        source: Source,
    },
    /// Operator: what Cassandra said has to be mended.
    #[error("Cassandra refused to {doing} \"{name}\"")]
    Refused {
        /// What was asked for.
        doing: &'static str,
        /// The table or keyspace.
        name: String,
        /// What Cassandra said.
        #[source]
        source: Source,
    },
    /// Operator: somebody has changed the table.
    #[error("column \"{column}\" of table \"{table}\" is {found}, its view needs {wanted}")]
    Table {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// As it is there.
        found: String,
        /// As it has to be.
        wanted: String,
    },
    /// Caller: the view cannot be kept in Cassandra.
    #[error(
        "column \"{column}\" of view \"{view}\" cannot be part of a key in Cassandra: {reason}"
    )]
    Key {
        /// The view.
        view: String,
        /// The column.
        column: String,
        /// Why.
        reason: &'static str,
    },
    /// Caller: a defect of whoever made the rows.
    #[error("rows do not fit table \"{table}\": {reason}")]
    Shape {
        /// The table.
        table: String,
        /// What was expected.
        reason: String,
    },
}

impl Fault for CassandraError {
    fn answer(&self) -> Answer {
        let dependency = |code| Answer {
            code,
            blame: Blame::Dependency,
            retry: Retry::Backoff,
        };
        match self {
            Self::Unreachable { .. } => dependency(Code::Clus020),
            Self::Version { .. } => dependency(Code::Clus114),
            Self::Unacknowledged { .. } => dependency(Code::Clus021),
            Self::Refused { .. } => dependency(Code::Clus022),
            Self::Table { .. } => dependency(Code::Clus023),
            Self::Key { .. } => Answer::caller(Code::Clus024),
            Self::Shape { .. } => Answer::caller(Code::Clus025),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreachable { .. } => {
                "see whether the nodes run, and compare cluster.cassandra with their \
                 broadcast_rpc_address"
                    .to_owned()
            }
            Self::Version { .. } => "run Apache Cassandra 5.0".to_owned(),
            Self::Unacknowledged { .. } => {
                "nothing is lost: rows wait in their topic; see whether enough nodes run for \
                 LOCAL_QUORUM (nodetool status)"
                    .to_owned()
            }
            Self::Refused { .. } => {
                "the source has what Cassandra said; most often rights are missing".to_owned()
            }
            Self::Table { table, .. } => {
                format!("drop table \"{table}\": its view fills a new one")
            }
            Self::Key { column, .. } => {
                format!("declare \"{column}\" NOT NULL where it comes from, or filter NULLs out")
            }
            Self::Shape { .. } => return None,
        })
    }
}
