//! The only crate that parses and plans SQL: dialect, function table, ad-hoc execution.
//!
//! It never writes, and a query reads nothing but registered streams.

mod declare;
mod dialect;
mod engine;
mod error;
pub mod format;
pub mod functions;
mod nearest;
mod question;
pub mod view;

pub use declare::{
    Declaration, Declared, ViewText, declarations, show, show_table, show_view, view_text,
};
pub use engine::{Answered, Engine, Question, Rows, SqlConfig, SqlParts};
pub use error::QueryError;
pub use format::{ResultFormat, RowWriter, objects};
pub use view::{PlannedView, ViewEngine, plan_view};
