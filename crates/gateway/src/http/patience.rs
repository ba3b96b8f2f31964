//! `PatientIo`: a socket that is not waited for without end, with one timer per connection.
//!
//! It never looks into the bytes. What it waits for is told by `Phase`:
//!
//! | phase | waits | then |
//! |---|---|---|
//! | fresh: no key was seen | `head` from the start on, trickled bytes or not | breaks the connection |
//! | trusted: idle after a request with the key | `IDLE_MAX`, and `head` from the first byte on | breaks the connection |
//! | body: a request's body comes | `head` between two parts | stalled: the request is refused |
//! | busy: the answer is made or sent, or it became a WebSocket | for ever | |
//! | any, while the client does not take the answer | `WRITE_MAX` between two parts | breaks the connection |

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep_until},
};

/// A connection of a client with the key may be idle this long.
const IDLE_MAX: Duration = Duration::from_secs(75);
/// A client that takes nothing of its answer for this long is gone.
const WRITE_MAX: Duration = Duration::from_secs(60);

const FRESH: u8 = 0;
const TRUSTED: u8 = 1;
const BODY: u8 = 2;
const BUSY: u8 = 3;
const STALLED: u8 = 4;

/// What a connection is waiting for; shared by the socket and the request under way.
#[derive(Debug, Default)]
pub(crate) struct Phase(AtomicU8);

impl Phase {
    /// A request's body is about to come.
    pub(crate) fn body_begins(&self) {
        self.0.store(BODY, Ordering::Relaxed);
    }

    /// The request is complete; what comes now is the answer.
    pub(crate) fn body_ends(&self) {
        self.0.store(BUSY, Ordering::Relaxed);
    }

    /// Whether the body did not come in time.
    pub(crate) fn is_stalled(&self) -> bool {
        self.0.load(Ordering::Relaxed) == STALLED
    }
}

/// Held while a request is under way; the connection is idle once it is dropped.
#[derive(Debug)]
pub(crate) struct Busy {
    phase: Arc<Phase>,
    after: u8,
}

impl Busy {
    /// A request begins.
    pub(crate) fn new(phase: &Arc<Phase>) -> Self {
        phase.0.store(BUSY, Ordering::Relaxed);
        Self {
            phase: Arc::clone(phase),
            after: FRESH,
        }
    }

    /// The connection becomes something else, which keeps its own time.
    pub(crate) fn for_ever(&mut self) {
        self.after = BUSY;
    }

    /// Whether the request bore the key.
    pub(crate) fn trust_if(&mut self, has_key: bool) {
        self.after = if has_key { TRUSTED } else { FRESH };
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.phase.0.store(self.after, Ordering::Relaxed);
    }
}

/// A socket with a limited patience.
#[derive(Debug)]
pub(crate) struct PatientIo {
    io: TokioIo<TcpStream>,
    phase: Arc<Phase>,
    head_max: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Since when the present phase is waited in, and which it is.
    reading: Option<(u8, Instant)>,
    /// In the trusted phase: a part of the next head has come.
    in_head: bool,
    writing: Option<Instant>,
    /// One of the connections that there may be, whatever it becomes.
    _slot: OwnedSemaphorePermit,
}

impl PatientIo {
    /// Watches over a socket.
    pub(crate) fn new(
        (stream, slot): (TcpStream, OwnedSemaphorePermit),
        phase: Arc<Phase>,
        head_max: Duration,
    ) -> Self {
        Self {
            io: TokioIo::new(stream),
            _slot: slot,
            phase,
            head_max,
            sleep: None,
            reading: None,
            in_head: false,
            writing: None,
        }
    }

    /// Bytes came.
    fn note_read(&mut self) {
        let phase = self.phase.0.load(Ordering::Relaxed);
        match self.reading {
            // The head as a whole has a limit, so its parts change nothing.
            Some((FRESH, _)) if phase == FRESH => {}
            Some((TRUSTED, _)) if phase == TRUSTED && self.in_head => {}
            Some((TRUSTED, _)) if phase == TRUSTED => {
                self.in_head = true;
                self.reading = Some((TRUSTED, Instant::now()));
            }
            _ => self.reading = None,
        }
    }

    /// Nothing comes: waits on, or gives up.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let phase = self.phase.0.load(Ordering::Relaxed);
        let since = match self.reading {
            Some((seen, since)) if seen == phase => since,
            _ => {
                self.in_head = false;
                let now = Instant::now();
                self.reading = Some((phase, now));
                now
            }
        };
        let limit = match phase {
            TRUSTED if !self.in_head => IDLE_MAX,
            FRESH | TRUSTED | BODY => self.head_max,
            _ => return Poll::Pending,
        };
        match self.poll_until(since + limit, cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) if phase == BODY => {
                // The request under way is polled next, and finds out.
                self.phase.0.store(STALLED, Ordering::Relaxed);
                Poll::Pending
            }
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
        }
    }

    /// The client takes nothing: waits on, or gives up.
    fn poll_write_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let since = *self.writing.get_or_insert_with(Instant::now);
        match self.poll_until(since + WRITE_MAX, cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
        }
    }

    /// Ready once it is `deadline`. The timer is only moved when it rings too early, so that a
    /// busy connection hardly ever touches it.
    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

impl Read for PatientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.io).poll_read(cx, buf) {
            Poll::Pending => self.poll_patience(cx),
            ready @ Poll::Ready(_) => {
                self.note_read();
                ready
            }
        }
    }
}

impl Write for PatientIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.io).poll_write(cx, buf) {
            Poll::Pending => self.poll_write_patience(cx),
            ready @ Poll::Ready(_) => {
                self.writing = None;
                ready
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.io).poll_write_vectored(cx, bufs) {
            Poll::Pending => self.poll_write_patience(cx),
            ready @ Poll::Ready(_) => {
                self.writing = None;
                ready
            }
        }
    }
}
