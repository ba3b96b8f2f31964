//! Check, plan, apply and rollback of applications; the only writer of the catalog.
//!
//! It never touches a row.

mod apps;
mod check;
mod describe;
mod drift;
mod errors;
mod evolution;
mod goal;
pub mod graph;
mod names;
pub mod picture;
mod plan;
mod steps;
mod terms;
mod views;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use mainstem_kernel::AppName;
use serde::{Deserialize, Serialize};

pub use apps::Apps;
pub use check::{Checked, CheckedView, check, checked};
pub use errors::AppError;
pub use plan::{Action, Applied, Piece, Plan, Step};
pub use terms::{AnyEngine, OneMachine, Terms};

/// An application's folder as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Name: from `mainstem.toml`, else the folder's.
    pub name: AppName,
    /// Version from `mainstem.toml`.
    pub version: Option<String>,
    /// SQL files by name.
    pub files: BTreeMap<String, String>,
}
