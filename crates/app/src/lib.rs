//! Check, plan, apply and rollback of applications; the only writer of the catalog.
//!
//! It never touches a row.

use std::{collections::BTreeMap, sync::Arc};

use mainstem_catalog::Catalog;
use mainstem_kernel::{Answer, AppName, Code, Fault, Problem, TenantId};
use serde::{Deserialize, Serialize};

/// An application's folder as text.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Source {
    /// Name: from `mainstem.toml`, else the folder's.
    pub name: AppName,
    /// Version from `mainstem.toml`.
    pub version: Option<String>,
    /// SQL files by name.
    pub files: BTreeMap<String, String>,
}

/// What an apply would do, as a tree that can be printed and sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The application.
    pub app: AppName,
    /// Names what it was planned on and what it does; `apply` refuses another.
    pub fingerprint: String,
    /// What changes; empty if nothing does.
    pub steps: Vec<Step>,
    /// Changes that were made by other means since the last apply.
    pub drift: Vec<String>,
}

/// One change of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// Kind and name: `stream "purchases"`.
    pub object: String,
    /// One line per part: `+ column channel TEXT`.
    pub details: Vec<String>,
    /// Whether data is lost, at once or after the seven days.
    pub destructive: bool,
}

/// What a step does to its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is new.
    Create,
    /// It changes in place.
    Alter,
    /// It goes.
    Drop,
    /// It was dropped and comes back with its data.
    Restore,
    /// It gets another name.
    Rename,
}

/// What an apply or rollback did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// What was done.
    pub plan: Plan,
    /// The application's revision from now on.
    pub revision: u32,
}

/// Finds every mistake without a node.
///
/// # Errors
/// All mistakes at once, each with its place.
pub fn check(_source: &Source) -> Result<(), Vec<Problem>> {
    unimplemented!("owner: app")
}

/// Plans and applies applications.
#[derive(Debug)]
pub struct Apps {}

impl Apps {
    /// Makes it over a catalog.
    #[must_use]
    pub fn open(_catalog: Arc<Catalog>) -> Arc<Self> {
        unimplemented!("owner: app")
    }

    /// What an apply would change.
    ///
    /// # Errors
    /// `Mistakes` of the source, or that a change is not allowed.
    pub fn plan(&self, _tenant: TenantId, _source: &Source) -> Result<Plan, AppError> {
        unimplemented!("owner: app")
    }

    /// Does what the plan of that fingerprint says; blocks until it is durable.
    ///
    /// # Errors
    /// `Stale` when the plan is another by now.
    pub fn apply(
        &self,
        _tenant: TenantId,
        _source: &Source,
        _fingerprint: &str,
    ) -> Result<Applied, AppError> {
        unimplemented!("owner: app")
    }

    /// What a rollback to the revision before would change.
    ///
    /// # Errors
    /// When there is no revision before.
    pub fn plan_rollback(&self, _tenant: TenantId, _app: &str) -> Result<Plan, AppError> {
        unimplemented!("owner: app")
    }

    /// Goes back to the revision before, as one more apply; blocks until it is durable.
    ///
    /// # Errors
    /// `Stale` when the plan is another by now.
    pub fn rollback(
        &self,
        _tenant: TenantId,
        _app: &str,
        _fingerprint: &str,
    ) -> Result<Applied, AppError> {
        unimplemented!("owner: app")
    }
}

/// Why an application could not be planned or applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// Caller: correct them.
    #[error("application \"{app}\" has {} mistakes", .problems.len())]
    Mistakes {
        /// The application.
        app: AppName,
        /// All of them.
        problems: Vec<Problem>,
    },
}

impl Fault for AppError {
    fn answer(&self) -> Answer {
        match self {
            Self::Mistakes { .. } => Answer::caller(Code::Log001),
        }
    }
}
