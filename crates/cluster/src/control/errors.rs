//! Why what is declared does not run, or whoever is in control does not get on.

use mainstem_catalog::CatalogError;
use mainstem_kernel::{Answer, Blame, Code, Fault, Retry, StreamId, StreamName, fault::chain};

use super::engine::EngineFault;
use crate::{ClusterError, cassandra::CassandraError, lower::LowerError, progress::Query};

/// Why what is declared does not run, or whoever is in control does not get on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Operator: it is started again by itself; if it goes on, Spark has to be mended.
    #[error("query \"{query}\" has failed: {}", chain(fault.as_ref()))]
    Failed {
        /// Which one.
        query: Query,
        /// What Spark said.
        fault: EngineFault,
    },
    /// Operator: Spark forgot the query; it is started again at once.
    #[error("query \"{query}\" does not run any more, and Spark does not say why")]
    Vanished {
        /// Which one.
        query: Query,
    },
    /// Operator: what the query has done is gone, and others have read its rows.
    #[error(
        "what query \"{query}\" has done is gone from the folder of checkpoints, and \"{reader}\" \
         has read its rows"
    )]
    Lost {
        /// Which one.
        query: Query,
        /// A view that reads it.
        reader: StreamName,
    },
    /// Dependency: passes once Spark does it.
    #[error("Spark did not {doing}: {}", chain(fault.as_ref()))]
    Chore {
        /// What it was to do.
        doing: &'static str,
        /// What stands against it.
        fault: EngineFault,
    },
    /// Nobody: another node does the work.
    #[error("another node has taken over control")]
    Superseded {
        /// What Kafka said.
        #[source]
        source: ClusterError,
    },
    /// Caller: declare it in another way, or apply it with this version of the program.
    #[error("view \"{view}\" does not run beyond one machine")]
    Refused {
        /// The view.
        view: StreamName,
        /// Why.
        #[source]
        source: Box<LowerError>,
    },
    /// Caller: the view below it has to run first.
    #[error("what view \"{view}\" reads does not run")]
    Input {
        /// The view.
        view: StreamName,
        /// What it reads.
        id: StreamId,
    },
    /// Dependency: passes once Spark answers.
    #[error("Spark was not asked how queries are: {}", chain(fault.as_ref()))]
    Spark {
        /// What stands against it.
        fault: EngineFault,
    },
    /// Dependency: Kafka.
    #[error(transparent)]
    Kafka(#[from] ClusterError),
    /// Dependency: Cassandra.
    #[error(transparent)]
    Cassandra(#[from] CassandraError),
    /// Node: definitions were not changed; it is tried again.
    #[error("definitions were not changed")]
    Catalog(#[from] CatalogError),
}

impl Fault for ControlError {
    fn answer(&self) -> Answer {
        let dependency = |code| Answer {
            code,
            blame: Blame::Dependency,
            retry: Retry::Backoff,
        };
        match self {
            Self::Failed { .. } | Self::Vanished { .. } => dependency(Code::Clus060),
            Self::Lost { .. } => dependency(Code::Clus064),
            Self::Superseded { .. } => Answer::node(Code::Clus062),
            Self::Refused { source, .. } if matches!(**source, LowerError::Retention { .. }) => {
                source.answer()
            }
            Self::Refused { .. } | Self::Input { .. } => Answer::caller(Code::Clus063),
            Self::Spark { fault } | Self::Chore { fault, .. } => fault.answer(),
            Self::Kafka(source) => source.answer(),
            Self::Cassandra(source) => source.answer(),
            Self::Catalog(source) => source.answer(),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Refused { source, .. } => Some(format!("{source}.")),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Failed { fault, .. } => Some(fault.hint().unwrap_or_else(|| {
                "it is started again from its checkpoint by itself; the log of Spark's driver \
                 says more"
                    .to_owned()
            })),
            Self::Vanished { .. } => Some(
                "it is started again from its checkpoint by itself; see whether Spark was \
                 restarted"
                    .to_owned(),
            ),
            Self::Lost { reader, .. } => Some(format!(
                "bring the folder back; or apply the application without the two, then with them, so \
                 that both they and \"{reader}\" are built anew"
            )),
            Self::Superseded { .. } => {
                Some("nothing has to be done: this node waits for its turn".to_owned())
            }
            Self::Refused { source, .. } => source.hint(),
            Self::Input { .. } => Some("see what stands against the view that it reads".to_owned()),
            Self::Spark { fault } | Self::Chore { fault, .. } => fault.hint(),
            Self::Kafka(source) => source.hint(),
            Self::Cassandra(source) => source.hint(),
            Self::Catalog(source) => source.hint(),
        }
    }
}
