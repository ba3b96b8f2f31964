//! Why Spark did not do what it was asked for.

use std::time::Duration;

use mainstem_kernel::{Answer, Blame, Code, Fault, Retry};

use crate::errors::Source;

/// Why Spark did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SparkError {
    /// Operator: the setting has to be mended.
    #[error("the address of Spark is sc://HOST:PORT or sc://HOST:PORT/;KEY=VALUE: {reason}")]
    Address {
        /// What was expected.
        reason: &'static str,
    },
    /// Dependency: passes once Spark runs.
    #[error("Spark at {address} could not be reached")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// What the client said.
        #[source]
        source: Source,
    },
    /// Operator: another Spark is needed.
    #[error("Spark at {address} is version {found}, expected 3.5")]
    Version {
        /// Where it is.
        address: String,
        /// Its version.
        found: String,
    },
    /// Operator: Spark was started without one of the packages.
    #[error("Spark has no {package}, which is needed to {doing} \"{name}\"")]
    Package {
        /// What was asked for.
        doing: &'static str,
        /// The query, or the beginning of the question.
        name: String,
        /// What is missing.
        package: &'static str,
    },
    /// Operator: what Spark said has to be mended.
    #[error("Spark refused to {doing} \"{name}\"")]
    Refused {
        /// What was asked for.
        doing: &'static str,
        /// The query, or the beginning of the question.
        name: String,
        /// What Spark said.
        #[source]
        source: Source,
    },
    /// Caller: ask for less, or give it more time.
    #[error("Spark did not {doing} \"{name}\" within {} s; it was told to stop", .limit.as_secs())]
    Late {
        /// What was asked for.
        doing: &'static str,
        /// The query, or the beginning of the question.
        name: String,
        /// How long it had.
        limit: Duration,
    },
    /// Operator: the query is started again with a pause; what it says has to be mended.
    #[error("the Spark query of \"{name}\" has stopped by itself")]
    Failed {
        /// The query.
        name: String,
        /// What Spark said.
        #[source]
        source: Source,
    },
    /// Dependency: Spark was started again, or somebody stopped the query; it is started again.
    #[error("Spark does not run a query \"{name}\"")]
    Gone {
        /// The query, or its id.
        name: String,
    },
    /// Dependency: this Spark is not the one we know.
    #[error("Spark answered what cannot be read: {reason}")]
    Answer {
        /// What was expected.
        reason: String,
    },
}

impl Fault for SparkError {
    fn answer(&self) -> Answer {
        let dependency = |code| Answer {
            code,
            blame: Blame::Dependency,
            retry: Retry::Backoff,
        };
        match self {
            Self::Address { .. } => dependency(Code::Clus050),
            Self::Unreachable { .. } => dependency(Code::Clus051),
            Self::Version { .. } => dependency(Code::Clus052),
            Self::Package { .. } => dependency(Code::Clus053),
            Self::Refused { .. } => dependency(Code::Clus054),
            Self::Late { .. } => Answer::caller(Code::Clus055),
            Self::Failed { .. } => dependency(Code::Clus056),
            Self::Gone { .. } => dependency(Code::Clus057),
            Self::Answer { .. } => dependency(Code::Clus058),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Address { .. } => "write cluster.spark as sc://127.0.0.1:15002".to_owned(),
            Self::Unreachable { .. } => {
                "see whether the Connect server of Spark runs, and compare cluster.spark with its \
                 spark.connect.grpc.binding.address and port; queries go on from their \
                 checkpoints when it is back"
                    .to_owned()
            }
            Self::Version { .. } => "run Apache Spark 3.5 with Scala 2.12".to_owned(),
            Self::Package { package, .. } => {
                format!("add {package} to spark.jars.packages, or to spark.jars with all it needs")
            }
            Self::Refused { .. } => {
                "the source has what Spark said; most often a file or a right is missing".to_owned()
            }
            Self::Late { .. } => "ask for less, or raise the time limit".to_owned(),
            Self::Failed { name, .. } => format!(
                "the source has what Spark said; \"{name}\" goes on from its checkpoint once that \
                 is mended, nothing is lost until then"
            ),
            Self::Gone { .. } => "it is started again from its checkpoint".to_owned(),
            Self::Answer { .. } => "run Apache Spark 3.5 with Scala 2.12".to_owned(),
        })
    }
}
