//! Writes to tables: one sequencer per application decides them in order, so that each is decided
//! on what all before it left. That is how a voucher is redeemed once.
//!
//! A batch of waiting writes becomes one append: one frame of effects per table. All are answered
//! after its sync, also those that changed nothing and those that were refused: what they were
//! decided on is durable then. The next batch is decided on the frontier's rows and, over them, on
//! effects that are durable and that no step has taken in yet. Neighbours in a batch that are one
//! statement with other values, each about a row of its own, are decided as columns: see `together`.
//!
//! It never evaluates a condition by itself: [`Decide`] objects come from `sql`.

mod book;
mod decide;
mod decider;
mod effects;
mod errors;
mod flight;
mod sequencer;
mod together;
mod writer;

pub use decide::{Alike, Decide, Effects, Met, Read, Seen, Statement, Target, Transaction};
pub use decider::{Batch, Decider, DeciderConfig};
pub use errors::WriteError;
pub use sequencer::Sequencer;
pub use writer::{Outcome, WriteDone, Writer, WriterConfig, WriterParts, Written};
