//! All definitions, as a fold over stream 0 of the log; versions; nothing else holds a schema.
//!
//! It never parses SQL and never decides what should change: `app` hands it a finished
//! `ChangeSet`, it makes that durable in one frame and folds it in.

mod catalog;
mod change;
mod definition;
mod definitions;
mod errors;
mod evolve;
mod fold;
mod letters;
#[cfg(test)]
mod samples;

pub use catalog::Catalog;
pub use change::{Change, ChangeSet, FORMAT};
pub use definition::{
    AppDef, Deduplicate, Durability, SchemaEntry, StreamDef, StreamSpec, Watermark,
};
pub use definitions::{Definitions, KEPT_AFTER_DROP, REVISIONS_MAX, Revision};
pub use errors::{CatalogError, FoldError};
pub use fold::fold;
pub use letters::{DEAD_LETTERS_SUFFIX, dead_letters_name};
