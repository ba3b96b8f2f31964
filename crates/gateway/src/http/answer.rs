//! `Reply`: an answer on its way to the socket, whole or in chunks.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::Stream;
use hyper::{
    Response, StatusCode,
    body::{Body, Frame, SizeHint},
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
        X_CONTENT_TYPE_OPTIONS,
    },
};

use super::patience::Busy;

/// An answer.
pub(crate) type Reply = Response<AnswerBody>;

/// The chunks of an answer as they come; an error ends the connection uncleanly, so that nobody
/// takes half an answer for a whole one.
pub(crate) type Chunks = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// The position that an answer shows.
pub(crate) const POSITION: HeaderName = HeaderName::from_static("mainstem-position");

/// Where the rows of an answer go on.
pub(crate) const NEXT: HeaderName = HeaderName::from_static("mainstem-next");

/// The body of an answer.
pub(crate) struct AnswerBody {
    content: Content,
    /// The connection counts as busy until this is dropped.
    pub(crate) busy: Option<Busy>,
}

enum Content {
    Whole(Bytes),
    Chunks(Chunks),
    Over,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.content {
            Content::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.content = Content::Over;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Content::Chunks(chunks) => chunks
                .as_mut()
                .poll_next(cx)
                .map(|next| next.map(|chunk| chunk.map(Frame::data))),
            Content::Over => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Chunks(_) => false,
            Content::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            Content::Chunks(_) => SizeHint::default(),
            Content::Over => SizeHint::with_exact(0),
        }
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody").finish_non_exhaustive()
    }
}

/// A whole answer.
pub(crate) fn whole(status: StatusCode, media: &'static str, bytes: impl Into<Bytes>) -> Reply {
    reply(status, media, Content::Whole(bytes.into()))
}

/// An answer of success as JSON. Types of ours always have a JSON form.
pub(crate) fn json<T: serde::Serialize + ?Sized>(value: &T) -> Reply {
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    whole(StatusCode::OK, "application/json", bytes)
}

/// An answer of success that comes in chunks.
pub(crate) fn chunks(media: &'static str, chunks: Chunks) -> Reply {
    let mut reply = reply(StatusCode::OK, media, Content::Chunks(chunks));
    reply
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

fn reply(status: StatusCode, media: &'static str, content: Content) -> Reply {
    let mut reply = Response::new(AnswerBody {
        content,
        busy: None,
    });
    *reply.status_mut() = status;
    // Room for what hyper adds, so that the map is allocated once.
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Whatever a browser makes of an answer, it loads and runs nothing.
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    *reply.headers_mut() = headers;
    reply
}

/// A short text.
pub(crate) fn text(text: &'static str) -> Reply {
    whole(StatusCode::OK, "text/plain; charset=utf-8", text)
}
