//! Who keeps the rows by key of applications: handed in, because this crate runs none.

use std::{fmt::Debug, sync::Arc};

use mainstem_kernel::{AppName, TenantId};
use mainstem_table::{Tables, Writer};

/// Shared by engines.
pub type SharedRowSource = Arc<dyn RowSource>;

/// Who keeps the rows by key of applications.
pub trait RowSource: Debug + Send + Sync {
    /// Those of one application; `None` while it does not run.
    fn rows_of(&self, tenant: TenantId, app: &AppName) -> Option<AppRows>;
}

/// The rows by key of one application.
#[derive(Clone, Debug)]
pub struct AppRows {
    /// What is read.
    pub tables: Arc<Tables>,
    /// Where writes are handed in.
    pub writer: Arc<Writer>,
}

/// Keeps none: for a node that runs no application.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRows;

impl RowSource for NoRows {
    fn rows_of(&self, _tenant: TenantId, _app: &AppName) -> Option<AppRows> {
        None
    }
}
