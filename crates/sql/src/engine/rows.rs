//! The rows of an answer under their limits: time, panics, and the count of what runs.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use datafusion::{arrow::array::RecordBatch, execution::SendableRecordBatchStream};
use futures::Stream;
use mainstem_kernel::{
    Fault,
    clock::SharedClock,
    metrics::{Metrics, ReasonLabel},
};

use super::limits::Turn;
use crate::error::{QueryError, from_engine};

/// A query under way: counted, and measured when it ends.
#[derive(Debug)]
pub(crate) struct Running {
    #[expect(dead_code, reason = "given back on drop")]
    turn: Turn,
    metrics: Arc<Metrics>,
    clock: SharedClock,
    started: Duration,
    outcome: &'static str,
}

impl Running {
    pub(crate) fn start(turn: Turn, metrics: Arc<Metrics>, clock: SharedClock) -> Self {
        metrics.queries_running.inc();
        let started = clock.monotonic();
        Self {
            turn,
            metrics,
            clock,
            started,
            outcome: "cancelled",
        }
    }

    /// Notes how it ended.
    pub(crate) fn ended(&mut self, error: Option<&QueryError>) {
        self.outcome = error.map_or("answered", |error| error.answer().code.as_str());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let taken = self.clock.monotonic().saturating_sub(self.started);
        self.metrics.queries_running.dec();
        self.metrics.query_seconds.observe(taken.as_secs_f64());
        let label = ReasonLabel {
            reason: self.outcome.to_owned(),
        };
        self.metrics.queries.get_or_create(&label).inc();
    }
}

/// Rows as they come, until their time is over.
pub(crate) struct LimitedRows {
    /// Taken away at the end, so that what it holds is free at once.
    inner: Option<SendableRecordBatchStream>,
    deadline: Pin<Box<tokio::time::Sleep>>,
    limit: Duration,
    running: Option<Running>,
}

impl LimitedRows {
    pub(crate) fn new(
        inner: SendableRecordBatchStream,
        (deadline, limit): (tokio::time::Instant, Duration),
        running: Running,
    ) -> Self {
        let deadline = Box::pin(tokio::time::sleep_until(deadline));
        Self {
            inner: Some(inner),
            deadline,
            limit,
            running: Some(running),
        }
    }

    fn end(&mut self, error: Option<QueryError>) -> Poll<Option<Result<RecordBatch, QueryError>>> {
        if let Some(error) = &error {
            log_cause(error);
        }
        if let Some(mut running) = self.running.take() {
            running.ended(error.as_ref());
        }
        self.inner = None;
        Poll::Ready(error.map(Err))
    }
}

impl Stream for LimitedRows {
    type Item = Result<RecordBatch, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else {
            return Poll::Ready(None);
        };
        if this.deadline.as_mut().poll(cx).is_ready() {
            let limit = this.limit;
            return this.end(Some(QueryError::Timeout { limit }));
        }
        match catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll_next(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(Some(Ok(batch)))) => Poll::Ready(Some(Ok(batch))),
            Ok(Poll::Ready(Some(Err(error)))) => this.end(Some(from_engine(error))),
            Ok(Poll::Ready(None)) => this.end(None),
            Err(panic) => this.end(Some(panicked(panic.as_ref()))),
        }
    }
}

/// A panic of the SQL engine as an error.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> QueryError {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    QueryError::broken(text.unwrap_or_else(|| "a panic without words".to_owned()))
}

/// Operators read the cause in the log; whoever asked does not.
pub(crate) fn log_cause(error: &QueryError) {
    if matches!(
        error,
        QueryError::Unreadable { .. } | QueryError::Broken { .. }
    ) {
        let error = mainstem_kernel::fault::chain(error);
        tracing::warn!(error, "query failed");
    }
}
