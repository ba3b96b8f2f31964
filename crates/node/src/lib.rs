//! Opens everything in order, supervises, budgets memory and shuts down in reverse.
//!
//! It never looks at a row and never speaks a protocol.

mod applications;
mod backup;
mod care;
#[cfg(feature = "cluster")]
mod cluster;
pub mod config;
mod control;
mod errors;
mod folder;
mod gate;
mod health;
mod journal;
mod lobby;
mod memory;
mod moving;
mod node;
mod pace;
mod parts;
mod rehearsal;
mod runtimes;
mod supervisor;
mod terms;
mod trial;

pub use backup::restore;
pub use config::{Config, ConfigError, DEFAULT_TOML, SettingError, settings_page};
pub use errors::{CopyError, NodeError};
pub use folder::{ENDPOINT_FILE, KEY_FILE};
pub use health::Obstacle;
pub use memory::Shares;
pub use node::{Engines, Node, Options};
pub use rehearsal::{Heard, Rehearsal, RehearsalError};
pub use terms::BeyondOneMachine;
pub use trial::Trial;
