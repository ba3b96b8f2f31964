//! WebSockets: feeds as messages instead of server-sent events (RFC 6455, version 13, no extensions).
//!
//! The server speaks, the client listens. A message is a text of JSON with the fields that an event
//! has as server-sent events: `{"id":"p1-…","data":{…}}`; `id` is where to resume (`?from=`) and comes
//! with the last row of what belongs together, as there; alone, `{"id":"p1-…"}`, it says how far the
//! feed is while nothing comes. What ends a feed is `{"event":"problem","data":{…}}`, then a close.
//!
//! Of the client only control frames are read: pings are answered, anything else is refused. So no
//! buffer is larger than a control frame, whatever a client sends or announces. Nothing is kept for a
//! slow client: what it has not taken is read again from the log; one that takes nothing for a while
//! is closed by name and resumes. It never knows what a feed tells.
//!
//! | closed with | why |
//! |---|---|
//! | 1000 | the client wished it |
//! | 1001 | the server stops |
//! | 1002, 1003 | the client broke the protocol, or sent a message (HTTP-024) |
//! | 1011 | the feed cannot go on: the message before says why |
//! | 1013 | the client took nothing for 30 s, or answered no ping (HTTP-023) |

pub(super) mod frame;
mod handshake;
mod session;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use futures::Stream;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use mainstem_kernel::metrics::ReasonLabel;

use super::{
    Door,
    answer::Reply,
    call::{Call, Outcome},
    errors::HttpError,
};

pub(super) use handshake::{KEY_PROTOCOL, is_wanted};

/// Answers a request that wishes a WebSocket; what the feed says goes there from then on. The chunks
/// are whole messages in frames.
///
/// # Errors
/// `Value` when the request is no handshake.
pub(super) fn open(call: &mut Call, chunks: impl Stream<Item = Bytes> + Send + 'static) -> Outcome {
    let reply: Reply = handshake::answer(&call.head.headers)?;
    let Some(upgrade) = call.head.extensions.remove::<OnUpgrade>() else {
        return Err(HttpError::Value {
            what: "header \"Connection\"",
            expected: "upgrade, over HTTP/1.1".to_owned(),
            found: String::new(),
        }
        .into());
    };
    let door = std::sync::Arc::clone(&call.door);
    let task = async move {
        match upgrade.await {
            Ok(upgraded) => converse(&door, TokioIo::new(upgraded), chunks).await,
            Err(error) => tracing::debug!(%error, "connection did not become a WebSocket"),
        }
    };
    call.door.parts.spawn.task("websocket feed", Box::pin(task));
    Ok(reply)
}

async fn converse(
    door: &Door,
    socket: TokioIo<hyper::upgrade::Upgraded>,
    chunks: impl Stream<Item = Bytes> + Send,
) {
    let ended = session::run(socket, chunks, door.shutdown.clone(), session::TIMES).await;
    let reason = ended.reason().to_owned();
    tracing::debug!(reason, "websocket feed ended");
    let ended = &door.parts.metrics.feeds_ended;
    ended.get_or_create(&ReasonLabel { reason }).inc();
}
