//! The same application on Apache Kafka, Apache Spark and Apache Cassandra.
//!
//! It never decides what a row means, and never keeps what is not in one of the three. Without the
//! feature `engines` it holds only what is pure: what is written, how it is named and judged.

#![cfg_attr(
    not(feature = "engines"),
    allow(dead_code, reason = "what is pure is called by what speaks to engines")
)]

pub mod asking;
pub mod cassandra;
pub mod config;
pub mod control;
mod errors;
#[cfg(feature = "engines")]
pub mod feeds;
#[cfg(feature = "engines")]
mod forget;
pub mod kafka;
pub mod lower;
pub mod progress;
pub mod rows;
pub mod spark;
pub mod tables;
pub mod worker;

pub use config::ClusterConfig;
pub use errors::ClusterError;
#[cfg(feature = "engines")]
pub use forget::forget;
