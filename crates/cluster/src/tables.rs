//! Writes to tables at scale: statements in a topic with one order, decided by whoever owns it.
//! Why so: `docs/decisions/0012-tables-are-written-by-one-owner.md`.
//!
//! It never decides by itself what a statement does: `sql` compiles it and `table::Decider` decides,
//! as on one machine.
//!
//! # Topics
//!
//! `P` is the prefix of the cluster, `APP` the name of the application.
//!
//! | topic | written by | holds |
//! |---|---|---|
//! | `P-APP-writes`, one partition | doors | statements (`statement`) |
//! | `P-APP-answers`, several | the owner | what became of them (`answer`), in the partition of the door that asked |
//! | `P-APP-requests`, compacted | the owner | answers of statements that came with an Idempotency-Key |
//! | `P-ID-NAME` of a table, compacted | the owner | rows (`rows`) |
//!
//! # The way of a statement
//!
//! 1. `Door` compiles it, to find mistakes and the application, and appends its text.
//! 2. `Owner` (consumer group and transactional id `P-APP-writes`) compiles and decides a batch of them.
//! 3. Changed rows, answers, remembered answers and the offset behind the batch become visible in one
//!    transaction of Kafka. Then the owner takes the rows in.
//! 4. The door reads its answer.
//!
//! # Invariants
//!
//! * Nobody decides on rows unless everything that was ever committed is in them: the transactional id
//!   is taken before rows are read, and an earlier owner can commit nothing from then on.
//! * What is answered is committed; what is not committed is nowhere, in no memory either.
//! * Statements are decided in the order of their offsets, each once.

mod answer;
#[cfg(feature = "engines")]
mod batch;
#[cfg(test)]
mod contract;
#[cfg(feature = "engines")]
mod door;
mod errors;
#[cfg(feature = "engines")]
mod held;
#[cfg(feature = "engines")]
mod owner;
#[cfg(feature = "engines")]
mod owners;
mod requests;
mod rows;
#[cfg(feature = "engines")]
mod scan;
#[cfg(feature = "engines")]
mod state;
mod statement;
mod topics;

use std::time::Duration;

use mainstem_kernel::ByteSize;
use mainstem_table::DeciderConfig;

use crate::kafka::KafkaConfig;

#[cfg(feature = "engines")]
pub use door::{TableWrites, TableWritesParts};
pub use errors::TablesError;
#[cfg(feature = "engines")]
pub use owners::{OwnerHealth, Owners, OwnersParts, RowsOf};
#[cfg(feature = "engines")]
pub(crate) use rows::RowsRead;
pub use statement::SEQ_HEADER;

/// How writes to tables are taken and decided.
#[derive(Clone, Debug)]
pub struct WritesConfig {
    /// Where statements, answers and rows are.
    pub kafka: KafkaConfig,
    /// Longest time that a door waits for an answer.
    pub answer_max: Duration,
    /// Statements of one door that wait for their answers.
    pub waiting_max: usize,
    /// An owner that is not heard of for as long is replaced.
    pub session_max: Duration,
    /// What one transaction, and one statement, may do.
    pub decider: DeciderConfig,
    /// Memory of all rows of one application: beyond it nothing is written.
    pub rows_size_max: ByteSize,
    /// How long rows are looked through for those that have outlived their time.
    pub expire_interval: Duration,
}
