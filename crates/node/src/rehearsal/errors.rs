//! Why a rehearsal did not go on: what the part says that refused.

use mainstem_admit::AdmitError;
use mainstem_app::AppError;
use mainstem_catalog::CatalogError;
use mainstem_flow::FlowError;
use mainstem_kernel::{Answer, Fault, Place};
use mainstem_sql::QueryError;
use mainstem_table::TableError;

use crate::errors::NodeError;

/// Why a rehearsal did not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RehearsalError {
    /// Operator: what the node says.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Caller: correct the application.
    #[error(transparent)]
    App(#[from] AppError),
    /// Operator: what the catalog says.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Caller: correct the name of the stream, or send less.
    #[error(transparent)]
    Admit(#[from] AdmitError),
    /// Caller: correct the statement.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Operator: what rows by key say.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Operator: what views say.
    #[error(transparent)]
    Flow(#[from] FlowError),
}

impl RehearsalError {
    fn part(&self) -> &dyn Fault {
        match self {
            Self::Node(error) => error,
            Self::App(error) => error,
            Self::Catalog(error) => error,
            Self::Admit(error) => error,
            Self::Query(error) => error,
            Self::Table(error) => error,
            Self::Flow(error) => error,
        }
    }
}

impl Fault for RehearsalError {
    fn answer(&self) -> Answer {
        self.part().answer()
    }

    fn detail(&self) -> Option<String> {
        self.part().detail()
    }

    fn hint(&self) -> Option<String> {
        self.part().hint()
    }

    fn place(&self) -> Option<Place> {
        self.part().place()
    }
}
