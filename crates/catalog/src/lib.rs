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
mod object;
#[cfg(test)]
mod samples;

pub use catalog::Catalog;
pub use change::{CHANGE_COLUMN, Change, ChangeSet, FORMAT};
pub use definition::{
    AppDef, DELETED_COLUMN, Deduplicate, Durability, Emit, Foreign, SchemaEntry, Stage, StreamDef,
    StreamSpec, TableDef, TableSpec, ViewDef, ViewSpec, Watermark,
};
pub use definitions::{Definitions, KEPT_AFTER_DROP, KEPT_AFTER_REPLACED, REVISIONS_MAX, Revision};
pub use errors::{CatalogError, FoldError};
pub use fold::{fold, preview};
pub use letters::{DEAD_LETTERS_SUFFIX, LATE_SUFFIX, dead_letters_name, late_name};
pub use object::{Kind, Label, Object};
