//! Ids, types, positions, faults, limits, metric names, and the clock and spawn traits; no I/O.
//!
//! Every other crate may use this one, and this one uses none of them.
//!
//! # Glossary
//!
//! One word, one thing. Words in the last column are refused by `cargo xtask tidy`
//! outside the crates that speak a foreign protocol.
//!
//! | word | means | not |
//! |---|---|---|
//! | stream | an append-only sequence of rows, declared in SQL | topic |
//! | partition | one ordered part of a stream | shard |
//! | offset | a row's place in its partition; increasing, not dense | |
//! | seq | 64-bit hybrid logical clock on every frame of the log | LSN |
//! | frame | the rows of one stream that were appended together | |
//! | group | the frames that one sync made durable; the atom of commit | |
//! | journal file | one file of the log | segment |
//! | frontier | the greatest seq up to which everything is durable and visible | |
//! | position | the frontier as an opaque token for clients | |
//! | dead letter | a row that was refused, kept with the reason | |
//! | application | a folder of SQL, owned by one tenant | project |
//! | session | a connection; a session window is always written in full | |
//! | node | one running process | server, instance |

pub mod clock;
pub mod fault;
pub mod ids;
pub mod key;
pub mod metrics;
pub mod offsets;
pub mod position;
pub mod seq;
pub mod size;
pub mod spawn;
pub mod time;
pub mod types;

pub use clock::Clock;
pub use fault::{Answer, Blame, Code, Fault, Place, Problem, Retry};
pub use ids::{
    AppName, ColumnName, Epoch, KeyId, Offset, PartitionId, ProducerId, SchemaVersion, StreamId,
    StreamName, TenantId,
};
pub use offsets::Offsets;
pub use position::{Position, Reached};
pub use seq::Seq;
pub use size::ByteSize;
pub use spawn::Spawn;
pub use time::Timestamp;
pub use types::{Column, ColumnType, Columns};
