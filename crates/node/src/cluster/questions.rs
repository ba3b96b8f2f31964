//! Questions of a node of many: they wait for no engine. As long as one that is needed has not been
//! reached, what needs it is refused by name.

use std::sync::Arc;

use async_trait::async_trait;
use mainstem_catalog::Object;
use mainstem_kernel::{Answer, Blame, Code, Fault, Reached, Retry, TenantId};
use mainstem_sql::{Answered, Page, Paged, QueryError, Question, Questions, SharedQuestions};
use parking_lot::RwLock;

/// Questions, as soon as they can be answered.
#[derive(Debug, Default)]
pub(super) struct Asked {
    answering: RwLock<Option<SharedQuestions>>,
}

/// Dependency: passes once the engine is there.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the engines that answer questions have not been reached yet")]
struct Away;

impl Fault for Away {
    fn answer(&self) -> Answer {
        Answer {
            code: Code::Clus044,
            blame: Blame::Dependency,
            retry: Retry::Backoff,
        }
    }

    fn hint(&self) -> Option<String> {
        Some("`mainstem status` says which; events are taken meanwhile".to_owned())
    }
}

impl Asked {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// From now on questions are answered.
    pub(super) fn answer_by(&self, questions: SharedQuestions) {
        *self.answering.write() = Some(questions);
    }

    fn questions(&self) -> Result<SharedQuestions, QueryError> {
        let answering = self.answering.read().as_ref().map(Arc::clone);
        answering.ok_or_else(|| QueryError::Engine(Arc::new(Away)))
    }
}

#[async_trait]
impl Questions for Asked {
    async fn ask(self: Arc<Self>, question: Question) -> Result<Answered, QueryError> {
        self.questions()?.ask(question).await
    }

    async fn row_by_key(
        self: Arc<Self>,
        object: (TenantId, Object<'_>),
        values: &[String],
        wait: Option<Reached>,
    ) -> Result<Option<Answered>, QueryError> {
        self.questions()?.row_by_key(object, values, wait).await
    }

    async fn page(
        self: Arc<Self>,
        object: (TenantId, Object<'_>),
        page: Page,
    ) -> Result<Option<Paged>, QueryError> {
        self.questions()?.page(object, page).await
    }
}
