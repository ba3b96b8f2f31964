//! Rows of tables and views, from their topics of changes into Cassandra, and out of it.
//!
//! It never computes a row and never decides a write: it makes what others have published be found
//! by key.
//!
//! | part | does |
//! |---|---|
//! | `Relation` | how records of an object read, and which table in Cassandra is its own |
//! | `decode` | records as rows at their versions |
//! | `RowWriter` | from topics to Cassandra, any number of them at once |
//! | `Frontiers` | whether what was acknowledged is among the rows, and waiting until it is |
//! | `RowReader` | rows by key, one or page by page, without those of windows that are open |
//!
//! # Invariants
//!
//! * The offsets that the group `PREFIX-rows` has committed say that everything below them is with
//!   a quorum, or among the dead letters.
//! * No older row ever comes to lie over a newer one (`cassandra`), whoever writes, and how often.
//! * A row that cannot be kept stops no other.

#[cfg(test)]
mod contract;
#[cfg(feature = "engines")]
pub(crate) mod decode;
mod errors;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(feature = "engines")]
mod followed;
#[cfg(feature = "engines")]
mod frontiers;
#[cfg(feature = "engines")]
mod reader;
mod relation;
#[cfg(feature = "engines")]
mod writer;

pub use errors::RowsError;
#[cfg(feature = "engines")]
pub use followed::Followed;
#[cfg(feature = "engines")]
pub use frontiers::{FrontierParts, Frontiers};
#[cfg(feature = "engines")]
pub use reader::RowReader;
pub use relation::{GENERATION_COLUMN, OpenWindows, Relation, STREAM_KEY_COLUMN};
#[cfg(feature = "engines")]
pub use writer::{RowWriter, RowWriterParts, RowWriterStatus, group_name};
