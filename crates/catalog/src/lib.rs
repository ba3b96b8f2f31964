//! All definitions, as a fold over stream 0 of the log; versions; nothing else holds a schema.
//!
//! It never parses SQL and never decides what should change: `app` hands it a finished
//! `ChangeSet`, it makes that durable in one frame and folds it in.

mod change;
mod definition;
mod fold;

pub use change::{Change, ChangeSet};
pub use definition::{
    AppDef, Deduplicate, Definitions, Durability, SchemaEntry, StreamDef, StreamSpec, Watermark,
};
pub use fold::{Catalog, CatalogError};
