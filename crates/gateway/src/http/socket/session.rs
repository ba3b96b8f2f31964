//! One WebSocket, from its handshake to its end: writes what a feed says, hears what the client says,
//! and knows when the client is gone. It holds one chunk of the feed and one answer to a ping.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use mainstem_kernel::Fault;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::frame::{self, CloseCode, Reader, Said, Unfit};
use crate::http::{errors::HttpError, stopped};

/// How long is waited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// A client that takes nothing, or says nothing after a ping, for this long is closed.
    pub(super) silence_max: Duration,
    /// A ping is sent when the client has said nothing for this long.
    pub(super) ping_after: Duration,
    /// A close, and the client's answer to it, take no longer.
    pub(super) closing_max: Duration,
}

/// What counts at the door.
pub(super) const TIMES: Times = Times {
    silence_max: Duration::from_secs(30),
    ping_after: Duration::from_secs(20),
    closing_max: Duration::from_secs(5),
};

/// What is read at once; clients have little to say.
const READ_BYTES: usize = 512;

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The client wished it.
    Client,
    /// The client is gone.
    Gone,
    /// The server stops.
    Stopped,
    /// The feed cannot go on, and said why.
    Feed,
    /// The client took nothing, or was silent.
    Slow,
    /// The client said what it may not.
    Unfit,
}

impl Ended {
    /// One word.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gone => "gone",
            Self::Stopped => "stopped",
            Self::Feed => "feed",
            Self::Slow => "slow",
            Self::Unfit => "unfit",
        }
    }
}

/// What is being written.
#[derive(Debug, Default)]
struct Outgoing {
    bytes: Bytes,
    written: usize,
    /// Goes before the next chunk.
    answer: Option<Vec<u8>>,
}

impl Outgoing {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    fn put(&mut self, bytes: impl Into<Bytes>) {
        self.bytes = bytes.into();
        self.written = 0;
    }

    /// What has to be written before a close can stand.
    fn open_frame(&self) -> &[u8] {
        let end = frame::boundary(&self.bytes, self.written);
        self.bytes.get(self.written..end).unwrap_or_default()
    }
}

impl Times {
    /// Until when a client may say nothing, or take nothing.
    fn patience(
        self,
        (heard, moved): (Instant, Instant),
        (is_idle, is_asked): (bool, bool),
    ) -> Instant {
        match (is_idle, is_asked) {
            (true, false) => heard + self.ping_after,
            (true, true) => heard + self.ping_after + self.silence_max,
            (false, _) => moved + self.silence_max,
        }
    }
}

/// Serves a feed until one side ends it.
///
/// # Cancel safety
/// Dropping it drops the connection; the client resumes.
pub(super) async fn run(
    socket: impl AsyncRead + AsyncWrite + Send,
    chunks: impl Stream<Item = Bytes> + Send,
    mut shutdown: watch::Receiver<bool>,
    times: Times,
) -> Ended {
    let (mut input, mut output) = split(socket);
    let mut chunks = pin!(chunks);
    let mut reader = Reader::default();
    let mut part = [0; READ_BYTES];
    let mut out = Outgoing::default();
    let (mut heard, mut moved) = (Instant::now(), Instant::now());
    let mut is_asked = false;
    let (ended, last) = loop {
        if out.rest().is_empty() {
            if let Some(answer) = out.answer.take() {
                out.put(answer);
            }
            moved = Instant::now();
        }
        let is_idle = out.rest().is_empty();
        let patience = times.patience((heard, moved), (is_idle, is_asked));
        tokio::select! {
            biased;
            () = stopped(&mut shutdown) => break (Ended::Stopped, stopping()),
            read = input.read(&mut part) => match read {
                Err(_) | Ok(0) => return Ended::Gone,
                Ok(count) => {
                    heard = Instant::now();
                    is_asked = false;
                    reader.take(part.get(..count).unwrap_or_default());
                    match hear(&mut reader, &mut out) {
                        Ok(false) => {}
                        Ok(true) => break (Ended::Client, frame::close(CloseCode::Normal, "")),
                        Err(unfit) => break (Ended::Unfit, refusal(unfit)),
                    }
                }
            },
            written = output.write(out.rest()), if !is_idle => match written {
                Err(_) | Ok(0) => return Ended::Gone,
                Ok(count) => {
                    out.written = out.written.saturating_add(count);
                    moved = Instant::now();
                }
            },
            chunk = chunks.next(), if is_idle => match chunk {
                Some(chunk) => out.put(chunk),
                // Its last message has said why, and a close with it.
                None if !*shutdown.borrow() => break (Ended::Feed, Vec::new()),
                None => break (Ended::Stopped, stopping()),
            },
            () = sleep_until(patience) => match is_idle && !is_asked {
                true => {
                    is_asked = true;
                    out.put(frame::ping());
                }
                false => break (Ended::Slow, slow(times.silence_max)),
            },
        }
    };
    let close = [out.open_frame(), last.as_slice()].concat();
    let is_mutual = ended == Ended::Client;
    let closing = async {
        output.write_all(&close).await?;
        output.shutdown().await?;
        // The client's answer, and whatever it said before it saw the close.
        while !is_mutual && input.read(&mut part).await? > 0 {}
        std::io::Result::Ok(())
    };
    let closed = timeout(times.closing_max, closing).await;
    if let Ok(Err(error)) | Err(error) = closed.map_err(std::io::Error::from) {
        tracing::debug!(%error, "websocket did not close as it should");
    }
    ended
}

/// Hears all whole frames; true if the client wishes to end.
fn hear(reader: &mut Reader, out: &mut Outgoing) -> Result<bool, Unfit> {
    while let Some(said) = reader.next()? {
        match said {
            // Of several pings the last is answered (section 5.5.3).
            Said::Ping(payload) => out.answer = Some(frame::pong(&payload)),
            Said::Pong => {}
            Said::Close => return Ok(true),
        }
    }
    Ok(false)
}

fn stopping() -> Vec<u8> {
    frame::close(CloseCode::Away, "the server stops; go on from the last id")
}

fn slow(limit: Duration) -> Vec<u8> {
    frame::close(
        CloseCode::Again,
        &in_words(&HttpError::FeedStalled { limit }),
    )
}

fn refusal(unfit: Unfit) -> Vec<u8> {
    let code = match unfit {
        Unfit::Protocol => CloseCode::Protocol,
        Unfit::Message => CloseCode::Unsupported,
    };
    frame::close(code, &in_words(&HttpError::FeedSpokenTo))
}

/// A problem in the few bytes that a close has.
fn in_words(error: &dyn Fault) -> String {
    let problem = error.problem();
    format!("{}: {}", problem.code, problem.message)
}
