//! Receives bodies: bounded in size and patience, with as few copies as can be, and never an
//! allocation that a client has only announced.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Incoming};
use mainstem_kernel::ByteSize;

use super::{errors::HttpError, patience::Phase};

/// The first buffer of a body, whatever length was announced.
const FIRST_BUFFER_MAX: usize = 512 << 10;
/// The first buffer of a body of unknown length.
const FIRST_BUFFER: usize = 64 << 10;
/// A body that came at once is taken without a copy from this size on. A smaller one is copied,
/// because it would keep the connection's whole read buffer in memory.
const NO_COPY_MIN: usize = 8 << 10;

/// Memory for all bodies that are under way.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: ByteSize,
    used: AtomicU64,
}

impl Budget {
    /// Nothing is used yet.
    pub(crate) fn new(limit: ByteSize) -> Self {
        Self {
            limit,
            used: AtomicU64::new(0),
        }
    }
}

#[cfg(test)]
impl Budget {
    /// Bytes that are held at present.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

/// A part of the budget; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Held {
    /// Nothing yet.
    pub(crate) fn none(budget: &Arc<Budget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            bytes: 0,
        }
    }

    /// Takes so much that it holds at least `bytes`.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), HttpError> {
        let more = ByteSize::from(bytes).0.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let limit = self.budget.limit;
        let before = self.budget.used.fetch_add(more, Ordering::Relaxed);
        self.bytes = self.bytes.saturating_add(more);
        match before.saturating_add(more) > limit.0 {
            true => Err(HttpError::BodiesFull { limit }),
            false => Ok(()),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Receives a whole body of at most `limit` bytes.
///
/// # Errors
/// Too large, stalled, broken, or no memory is left for it.
pub(crate) async fn collect(
    body: &mut Incoming,
    phase: &Phase,
    limit: ByteSize,
    held: &mut Held,
) -> Result<Bytes, HttpError> {
    let announced = body.size_hint();
    if announced.lower() > limit.0 {
        return Err(HttpError::BodyTooLarge { limit });
    }
    phase.body_begins();
    let bytes = receive(body, phase, limit, held).await;
    phase.body_ends();
    bytes
}

async fn receive(
    body: &mut Incoming,
    phase: &Phase,
    limit: ByteSize,
    held: &mut Held,
) -> Result<Bytes, HttpError> {
    let Some(first) = next(body, phase).await? else {
        return Ok(Bytes::new());
    };
    held.grow_to(first.len())?;
    if body.is_end_stream() && first.len() >= NO_COPY_MIN {
        return Ok(first);
    }
    let exact = body
        .size_hint()
        .exact()
        .map(|rest| ByteSize(rest).as_usize());
    let expected = exact.map_or(FIRST_BUFFER, |rest| rest.saturating_add(first.len()));
    let mut whole = BytesMut::with_capacity(expected.min(FIRST_BUFFER_MAX));
    whole.extend_from_slice(&first);
    drop(first);
    while !body.is_end_stream() {
        let Some(part) = next(body, phase).await? else {
            break;
        };
        let size = whole.len().saturating_add(part.len());
        if ByteSize::from(size) > limit {
            return Err(HttpError::BodyTooLarge { limit });
        }
        held.grow_to(size)?;
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}

/// The next bytes; `None` at the end. Trailers are passed over.
async fn next(body: &mut Incoming, phase: &Phase) -> Result<Option<Bytes>, HttpError> {
    loop {
        let frame = poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
            // The socket keeps the time; the limit is filled in by whoever knows it.
            Poll::Pending if phase.is_stalled() => Poll::Ready(Err(HttpError::BodyStalled {
                limit: Duration::ZERO,
            })),
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(Ok(None)),
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Ok(Some(frame))),
            Poll::Ready(Some(Err(source))) => Poll::Ready(Err(HttpError::BodyBroken { source })),
        });
        match frame.await? {
            None => return Ok(None),
            Some(frame) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_for_bodies_is_given_back() {
        let budget = Arc::new(Budget::new(ByteSize(100)));
        let mut first = Held::none(&budget);
        first.grow_to(60).unwrap();
        first.grow_to(50).unwrap();
        let mut second = Held::none(&budget);
        assert!(matches!(
            second.grow_to(41),
            Err(HttpError::BodiesFull { .. })
        ));
        drop(second);
        drop(first);
        Held::none(&budget).grow_to(100).unwrap();
        assert_eq!(budget.used(), 0);
    }
}
