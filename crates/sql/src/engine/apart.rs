//! Questions run on a runtime of their own: one that computes for long keeps no door waiting.
//!
//! The asker holds the two ends of channels and the task. Dropping them aborts the task, which
//! gives back what it held.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use datafusion::arrow::{array::RecordBatch, datatypes::SchemaRef};
use futures::{Stream, StreamExt};
use mainstem_kernel::Reached;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{Answered, Engine, Question};
use crate::error::QueryError;

/// Batches that wait for the asker; the next is computed meanwhile.
const AHEAD: usize = 1;

/// What is said when the rows end before the task has.
const ENDED_EARLY: &str = "computing the answer ended early";

/// What is known before the first row.
type Head = Result<(SchemaRef, Reached), QueryError>;

/// Asks on the runtime, and passes the rows on.
pub(crate) async fn ask(
    runtime: &Handle,
    engine: Arc<Engine>,
    question: Question,
) -> Result<Answered, QueryError> {
    let (head, begun) = oneshot::channel();
    let (rows, coming) = mpsc::channel(AHEAD);
    let task = Task(runtime.spawn(run(engine, question, head, rows)));
    let gone = |_| QueryError::broken("the runtime of questions has ended");
    let (schema, position) = begun.await.map_err(gone)??;
    Ok(Answered {
        schema,
        rows: Box::pin(PassedRows {
            coming,
            task: Some(task),
        }),
        position,
    })
}

async fn run(
    engine: Arc<Engine>,
    question: Question,
    head: oneshot::Sender<Head>,
    rows: mpsc::Sender<Result<RecordBatch, QueryError>>,
) {
    let (told, answered) = match engine.ask_here(question).await {
        Ok(answered) => {
            let known = (Arc::clone(&answered.schema), answered.position.clone());
            (Ok(known), Some(answered))
        }
        Err(error) => (Err(error), None),
    };
    if head.send(told).is_err() {
        return;
    }
    let Some(mut answered) = answered else { return };
    while let Some(batch) = answered.rows.next().await {
        if rows.send(batch).await.is_err() {
            return;
        }
    }
}

/// A task that ends with its asker.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Rows that another runtime computes.
#[derive(Debug)]
struct PassedRows {
    coming: mpsc::Receiver<Result<RecordBatch, QueryError>>,
    /// `None` when how it ended has been told.
    task: Option<Task>,
}

impl Stream for PassedRows {
    type Item = Result<RecordBatch, QueryError>;

    /// The rows, and an error at their end if the task did not come to its own: what it did not
    /// compute must not look like an answer.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(batch) = ready!(self.coming.poll_recv(cx)) {
            return Poll::Ready(Some(batch));
        }
        let Some(task) = &mut self.task else {
            return Poll::Ready(None);
        };
        let ended = ready!(Pin::new(&mut task.0).poll(cx));
        self.task = None;
        Poll::Ready(ended.err().map(|_| Err(QueryError::broken(ENDED_EARLY))))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Schema;

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_an_error_and_not_an_end() {
        let (rows, coming) = mpsc::channel(AHEAD);
        let task = Handle::current().spawn(async move {
            let empty = RecordBatch::new_empty(Arc::new(Schema::empty()));
            assert!(
                rows.send(Ok(empty)).await.is_err(),
                "the asker still listens"
            );
        });
        let task = Some(Task(task));
        let mut passed = PassedRows { coming, task };
        assert!(passed.next().await.unwrap().is_ok());
        assert!(passed.next().await.unwrap().is_err());
        assert!(passed.next().await.is_none());
    }
}
