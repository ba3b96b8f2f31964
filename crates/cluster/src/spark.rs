//! What is computed on Apache Spark: streaming queries for views and history, and answers to
//! questions, through Spark Connect.
//!
//! It never decides what a view means (`lower` and `mainstem_sql::spark` spell it) and never keeps
//! anything: queries, their state and their checkpoints are Spark's.
//!
//! All nodes of a cluster share one session, whose id follows from `SparkConfig::session`: whichever
//! node has control sees and stops the queries that another has started. A Spark that was started
//! again has a new session of the same id, without queries; it takes them up from their checkpoints
//! when they are started again.
//!
//! Spark has to be a 3.5 with the Kafka source, Delta and the Cassandra connector. The messages are
//! those of Apache Spark's own Rust client, which is newer than the server: fields that 3.5 does not
//! know are not used.

mod address;
#[cfg(feature = "engines")]
mod answer;
#[cfg(feature = "engines")]
mod client;
#[cfg(test)]
mod contract;
#[cfg(feature = "engines")]
mod deed;
mod errors;
#[cfg(feature = "engines")]
mod keeping;
pub mod progress;
#[cfg(feature = "engines")]
mod queries;
pub mod record;
#[cfg(feature = "engines")]
mod session;
pub mod spec;

#[cfg(feature = "engines")]
pub use answer::Answer;
pub use errors::SparkError;
pub use progress::Progress;
#[cfg(feature = "engines")]
pub use queries::{QueryId, Running};
#[cfg(feature = "engines")]
pub use session::Spark;
pub use spec::{HistoryQuery, QueryParts, QuerySpec, ViewInput, ViewQuery};
