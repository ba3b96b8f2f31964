//! Questions of a node of many: they wait for no engine. As long as one that is needed has not been
//! reached, what needs it is refused by name.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use mainstem_catalog::Object;
use mainstem_kernel::{Answer, Blame, Code, Fault, Reached, Retry, TenantId};
use mainstem_sql::{Answered, Page, Paged, QueryError, Question, Questions, SharedQuestions};
use tokio::{sync::watch, time::timeout};

/// A question that comes before the engines were reached waits so long for them.
const REACHED_WITHIN: Duration = Duration::from_secs(5);

/// Questions, as soon as they can be answered.
#[derive(Debug)]
pub(super) struct Asked {
    answering: watch::Sender<Option<SharedQuestions>>,
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
        Arc::new(Self {
            answering: watch::Sender::new(None),
        })
    }

    /// From now on questions are answered.
    pub(super) fn answer_by(&self, questions: SharedQuestions) {
        self.answering.send_replace(Some(questions));
    }

    async fn questions(&self) -> Result<SharedQuestions, QueryError> {
        let mut answering = self.answering.subscribe();
        let reached = timeout(REACHED_WITHIN, answering.wait_for(Option::is_some)).await;
        let reached = reached.ok().and_then(Result::ok);
        let questions = reached.and_then(|questions| questions.as_ref().map(Arc::clone));
        questions.ok_or_else(|| QueryError::Engine(Arc::new(Away)))
    }
}

#[async_trait]
impl Questions for Asked {
    async fn ask(self: Arc<Self>, question: Question) -> Result<Answered, QueryError> {
        self.questions().await?.ask(question).await
    }

    async fn row_by_key(
        self: Arc<Self>,
        object: (TenantId, Object<'_>),
        values: &[String],
        wait: Option<Reached>,
    ) -> Result<Option<Answered>, QueryError> {
        self.questions()
            .await?
            .row_by_key(object, values, wait)
            .await
    }

    async fn page(
        self: Arc<Self>,
        object: (TenantId, Object<'_>),
        page: Page,
    ) -> Result<Option<Paged>, QueryError> {
        self.questions().await?.page(object, page).await
    }
}
