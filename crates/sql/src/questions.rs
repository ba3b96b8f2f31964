//! `Questions`: whatever answers questions: the engine of one machine, or engines beyond it.
//!
//! It never decides who may ask.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;
use mainstem_catalog::Object;
use mainstem_kernel::{Reached, TenantId};

use crate::{Answered, Engine, Page, Paged, QueryError, Question};

/// Whatever answers questions, as parts share it.
pub type SharedQuestions = Arc<dyn Questions>;

/// Whatever answers questions.
#[async_trait]
pub trait Questions: Debug + Send + Sync {
    /// Plans and starts a question.
    ///
    /// # Errors
    /// When the statement is not understood, not allowed, or does not plan.
    ///
    /// # Cancel safety
    /// Dropping the future gives everything back, unless it writes: then it is written or not.
    async fn ask(self: Arc<Self>, question: Question) -> Result<Answered, QueryError>;

    /// The row of an object with this whole key, given as text in the order of the key, if it is
    /// known without planning a question; else ask one. With `wait` it waits until rows are not
    /// older than that.
    ///
    /// # Errors
    /// When rows are not there in time, or cannot be read.
    ///
    /// # Cancel safety
    /// It changes nothing.
    async fn row_by_key(
        self: Arc<Self>,
        object: (TenantId, Object<'_>),
        values: &[String],
        wait: Option<Reached>,
    ) -> Result<Option<Answered>, QueryError>;

    /// Rows of an object by their key, from where an earlier page ended; `None` if its rows have no
    /// key.
    ///
    /// # Errors
    /// When the key or `after` does not fit, or rows are not there in time.
    ///
    /// # Cancel safety
    /// It changes nothing.
    async fn page(
        self: Arc<Self>,
        object: (TenantId, Object<'_>),
        page: Page,
    ) -> Result<Option<Paged>, QueryError>;
}

#[async_trait]
impl Questions for Engine {
    async fn ask(self: Arc<Self>, question: Question) -> Result<Answered, QueryError> {
        Self::ask(&self, question).await
    }

    async fn row_by_key(
        self: Arc<Self>,
        object: (TenantId, Object<'_>),
        values: &[String],
        wait: Option<Reached>,
    ) -> Result<Option<Answered>, QueryError> {
        Self::row_by_key(&self, object, values, wait).await
    }

    async fn page(
        self: Arc<Self>,
        object: (TenantId, Object<'_>),
        page: Page,
    ) -> Result<Option<Paged>, QueryError> {
        Self::page(&self, object, page).await
    }
}
