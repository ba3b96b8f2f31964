//! Views on one machine: operators, steps, buckets, watermarks, redo, rebuilds.
//!
//! It never parses SQL, and never writes a row of a table that is not a view. The way of a row is
//! told at [`Application`].

mod aggregate;
mod apart;
mod application;
mod aside;
mod buckets;
mod change;
mod columns;
mod entries;
mod errors;
mod evaluate;
mod group_by;
mod grouping;
mod hash;
mod idle;
mod keys;
mod matching;
mod moment;
mod note;
mod outbox;
mod pairs;
mod pane;
mod pool;
mod ranked;
mod running;
#[cfg(test)]
mod samples;
mod slots;
mod source;
mod stage;
mod state;
mod table;
mod tally;
mod track;
mod unit;
mod view;
mod watermark;

pub use apart::{Apart, ApartTables, Ran};
pub use application::{
    Application, ApplicationParts, FlowConfig, Health, Steps, ViewHealth, schemas,
};
pub use errors::FlowError;
