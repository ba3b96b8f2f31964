//! Views on one machine: operators, steps, buckets, watermarks, redo, rebuilds.
//!
//! It never parses SQL, and never writes a row of a table that is not a view.

mod aggregate;
mod aside;
mod buckets;
pub mod change;
mod errors;
mod evaluate;
mod group_by;
mod grouping;
mod hash;
mod keys;
mod pane;
mod pool;
#[cfg(test)]
mod samples;
mod slots;
mod stage;
mod state;
mod table;
mod view;
mod watermark;

pub use aside::{Aside, Late, Letter, late_rows, letter_rows};
pub use buckets::Moment;
pub use errors::FlowError;
pub use pool::Pool;
pub use state::{SharedState, StateChange, StateSource};
pub use table::{LookupTable, Tables};
pub use view::{Output, Pipeline, StepParts, View};
pub use watermark::{Trace, Watermarks};
