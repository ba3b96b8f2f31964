//! The only crate that parses and plans SQL: dialect, function table, ad-hoc execution.
//!
//! It never appends by itself: writes are handed to `table`, compiled. A question reads nothing but
//! declared objects.

pub mod beyond;
mod declare;
mod dialect;
mod engine;
mod error;
pub mod format;
pub mod functions;
mod nearest;
mod page;
pub mod pattern;
mod question;
mod questions;
mod rows;
pub mod sketch;
pub mod spark;
pub mod view;
mod write;

pub use declare::{
    Declaration, Declared, ViewText, declarations, show, show_table, show_view, view_text,
};
pub use engine::{Answered, Engine, Question, Rights, Rows, SqlConfig, SqlParts, plan_lines};
pub use error::QueryError;
pub use format::{ResultFormat, RowWriter, objects};
pub use page::{After, NotAfter, Page, Paged, first_rows, key_columns};
pub use questions::{Questions, SharedQuestions};
pub use rows::{AppRows, NoRows, RowSource, SharedRowSource};
pub use view::{PlannedView, ViewEngine, plan_view};
pub use write::{CompiledWrite, Compiler, Reading, WriteText};
