//! `Request`: a request under way. It answers when nobody works on it any more, and never twice.
//!
//! Each part of a body that is handed to the log holds a share of the request. When the last
//! share is gone, the sum of what the parts became is the answer; a share that went without
//! saying what became of its part means that nobody knows, and that is what is answered.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use mainstem_kernel::{Reached, metrics::Metrics};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::{Ack, AdmitError, REJECTS_NAMED_MAX, Reject};

/// What a caller waits for.
pub(crate) type Reply = Result<Ack, AdmitError>;

/// Payload bytes of requests that are not answered yet.
#[derive(Debug)]
pub(crate) struct Load {
    bytes: AtomicU64,
    limit: u64,
    metrics: Arc<Metrics>,
}

impl Load {
    pub(crate) const fn new(limit: u64, metrics: Arc<Metrics>) -> Self {
        Self {
            bytes: AtomicU64::new(0),
            limit,
            metrics,
        }
    }

    /// Makes room for `bytes`; `None` if there is none. The first request always finds room.
    pub(crate) fn take(self: &Arc<Self>, bytes: u64) -> Option<Held> {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let held = Held {
            load: Arc::clone(self),
            bytes,
        };
        self.metrics
            .admit_queue_bytes
            .inc_by(i64::try_from(bytes).unwrap_or(i64::MAX));
        (before == 0 || before.saturating_add(bytes) <= self.limit).then_some(held)
    }
}

/// Room that a request takes until it is answered.
#[derive(Debug)]
pub(crate) struct Held {
    load: Arc<Load>,
    bytes: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.load.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        let bytes = i64::try_from(self.bytes).unwrap_or(i64::MAX);
        self.load.metrics.admit_queue_bytes.dec_by(bytes);
    }
}

/// What became of one part of a request.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    pub(crate) rejects: Vec<Reject>,
    pub(crate) position: Reached,
    pub(crate) repeated: bool,
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Request {
    /// Given back before the answer, so that whoever has it finds the room free.
    held: Option<Held>,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    caller: Option<oneshot::Sender<Reply>>,
    /// Parts that were handed over, and that were answered.
    begun: u32,
    ended: u32,
    /// Whether the body was read to its end.
    is_complete: bool,
    error: Option<AdmitError>,
    sum: Ack,
}

impl Request {
    /// A request that `caller` waits for. `now` is the position of a request without rows.
    pub(crate) fn new(caller: oneshot::Sender<Reply>, held: Held, now: Reached) -> Arc<Self> {
        let sum = Ack {
            accepted: 0,
            rejected: 0,
            position: now,
            rejects: Vec::new(),
            repeated: false,
        };
        let state = State {
            caller: Some(caller),
            begun: 0,
            ended: 0,
            is_complete: false,
            error: None,
            sum,
        };
        let metrics = Arc::clone(&held.load.metrics);
        Arc::new(Self {
            held: Some(held),
            metrics,
            state: Mutex::new(state),
        })
    }

    /// A part is handed over.
    pub(crate) fn begin(&self) {
        self.state.lock().begun += 1;
    }

    /// The body was read to its end.
    pub(crate) fn complete(&self) {
        self.state.lock().is_complete = true;
    }

    /// A part is durable.
    pub(crate) fn end(&self, outcome: Outcome) {
        let mut state = self.state.lock();
        state.ended += 1;
        let is_first = state.ended == 1;
        let sum = &mut state.sum;
        sum.accepted += outcome.accepted;
        sum.rejected += outcome.rejected;
        let room = REJECTS_NAMED_MAX.saturating_sub(sum.rejects.len());
        sum.rejects.extend(outcome.rejects.into_iter().take(room));
        // Parts may be made durable out of order only when one of them is a repetition.
        sum.position = if is_first {
            outcome.position
        } else {
            sum.position.clone().join(outcome.position)
        };
        sum.repeated = outcome.repeated && (is_first || sum.repeated);
        if !outcome.repeated {
            self.metrics.admitted_rows.inc_by(outcome.accepted);
        }
    }

    /// The request failed. The first failure is the answer.
    pub(crate) fn fail(&self, error: AdmitError) {
        let mut state = self.state.lock();
        state.ended += 1;
        state.error.get_or_insert(error);
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let bytes = self.held.take().map_or(0, |held| held.bytes);
        let state = self.state.get_mut();
        let Some(caller) = state.caller.take() else {
            return;
        };
        let whole = state.is_complete && state.begun <= state.ended;
        let reply = match state.error.take() {
            Some(error) => Err(error),
            None if whole => {
                self.metrics.admitted_bytes.inc_by(bytes);
                let none = Ack {
                    accepted: 0,
                    rejected: 0,
                    position: state.sum.position.clone(),
                    rejects: Vec::new(),
                    repeated: false,
                };
                Ok(std::mem::replace(&mut state.sum, none))
            }
            // Nobody began to work on it, so nothing of it was kept.
            None if state.begun == 0 => Err(AdmitError::Closed),
            None => Err(AdmitError::Unknown),
        };
        // Whoever asked may have gone: what is durable stays durable.
        drop(caller.send(reply));
    }
}
