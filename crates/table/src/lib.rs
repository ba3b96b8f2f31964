//! Rows by key: tables and keyed views, their overlay and frontier pointer, redo files, applier,
//! write sequencer, expiry and change feeds.
//!
//! It never parses SQL and never computes a view: conditions come in as compiled [`Decide`]
//! objects, rows of views from `flow`.
//!
//! # One application, from a write to the store
//!
//! 1. [`Writer`] hands a transaction to the [`Sequencer`], which decides it and appends its effects.
//! 2. `flow` reads the effects, makes [`Changed`] of them, computes views, and calls
//!    [`Tables::advance`]: readers of [`Tables::pointer`] see the step, and feeds go on.
//! 3. `flow` calls [`Tables::seal`] and [`Tables::commit`]: a redo file. Outgoing rows are appended.
//! 4. The [`Applier`] puts it into the store, and the layers go.

mod changed;
mod codec;
mod errors;
mod layer;
mod pointer;
mod redo;
mod schema;
mod stack;
mod tables;
mod write;

pub use changed::Changed;
pub use codec::{ENCODING, ROW_KEY_BYTES_MAX, RowCodec, RowHasher, RowKeys};
pub use errors::TableError;
pub use pointer::{Found, Pointer, Scan, StreamRows};
pub use redo::{AppId, Checkpoint, Outgoing, REDO_FORMAT, StateDelta};
pub use schema::TableSchema;
pub use tables::{
    Applier, Changes, Committed, Expired, Opened, Room, Sealed, Start, Step, Tables, TablesConfig,
    TablesParts,
};
pub use write::{
    Alike, Batch, Decide, Decider, DeciderConfig, Effects, Met, Outcome, Read, Seen, Sequencer,
    Statement, Target, Transaction, WriteDone, WriteError, Writer, WriterConfig, WriterParts,
    Written,
};
