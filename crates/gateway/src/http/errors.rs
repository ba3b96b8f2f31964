//! `HttpError`: what the door itself refuses, before anything behind it is asked.

use std::time::Duration;

use mainstem_catalog::Kind;
use mainstem_kernel::{Answer, Blame, ByteSize, Code, Fault, Place, Reached, Retry};

/// How long a client waits before it asks a full server again.
const BUSY_WAIT: Duration = Duration::from_secs(1);

/// Why the door refused a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum HttpError {
    /// Caller: send the key.
    #[error("the request bears no key")]
    KeyMissing,
    /// Caller: send the server's key.
    #[error("the key is not this server's")]
    KeyWrong,
    /// Caller: correct the path.
    #[error("there is no route \"{path}\"")]
    NoRoute {
        path: String,
        near: Option<&'static str>,
    },
    /// Caller: use another method.
    #[error("route \"{path}\" has no method {method}")]
    Method {
        path: &'static str,
        method: String,
        allowed: &'static str,
    },
    /// Caller: send one of the formats that are read.
    #[error("content type \"{found}\" is not read here")]
    ContentType {
        found: String,
        allowed: &'static str,
    },
    /// Caller: compress the body as gzip or zstd, or not at all.
    #[error("content encoding \"{found}\" is not read here")]
    ContentEncoding { found: String },
    /// Caller: send less at once.
    #[error("body is larger than {limit}")]
    BodyTooLarge { limit: ByteSize },
    /// Caller: send less at once, or less compressed.
    #[error("body grows to more than {ratio} times its size when it is decompressed")]
    Bomb { ratio: u64 },
    /// Caller: compress it again.
    #[error("body is not whole {encoding}")]
    Compressed {
        encoding: &'static str,
        source: std::io::Error,
    },
    /// Caller: send it again.
    #[error("body stopped for {}", crate::http::errors::span(*.limit))]
    BodyStalled { limit: Duration },
    /// Caller: send it again.
    #[error("body ended early or is not framed as HTTP/1.1 says")]
    BodyBroken { source: hyper::Error },
    /// Caller: accept one of the formats that there are.
    #[error("answers are not given as \"{found}\"")]
    NotAcceptable {
        found: String,
        allowed: &'static str,
    },
    /// Caller: correct the JSON.
    #[error("body is not the JSON that is expected: {reason}")]
    Json {
        reason: String,
        place: Option<Place>,
    },
    /// Caller: correct the header or parameter.
    #[error("{what} is not understood: expected {expected}, found \"{found}\"")]
    Value {
        what: &'static str,
        expected: String,
        found: String,
    },
    /// Node: the bodies under way use up their share of memory.
    #[error("bodies under way use up the {limit} that are set aside for them")]
    BodiesFull { limit: ByteSize },
    /// Node: too many readers.
    #[error("{limit} change feeds are open, which is the limit")]
    FeedsFull { limit: usize },
    /// Node: too many connections.
    #[error("{limit} connections are open, which is the limit")]
    ConnectionsFull { limit: usize },
    /// Node: what was waited for did not come.
    #[error("position {position} was not reached within {}", crate::http::errors::span(*.limit))]
    NotReached { position: Reached, limit: Duration },
    /// Caller: take a position that this installation gave.
    #[error("position {position} is of another installation")]
    Elsewhere { position: Reached },
    /// Caller: ask a node of one machine.
    #[error("{what} is not there beyond one machine yet")]
    NotYet { what: &'static str },
    /// Caller: correct the name, or apply an application that declares it.
    #[error("there is no {kind} \"{name}\"")]
    NoObject {
        kind: Kind,
        name: String,
        near: Option<String>,
    },
    /// Caller: escape the UTF-8 bytes of the name.
    #[error("a part of the path is not UTF-8")]
    PathText,
    /// Node: a defect; everything else goes on.
    #[error("the request broke the part that answers it")]
    Panicked { source: tokio::task::JoinError },
    /// Caller: take what comes, or connect again and go on from the last id.
    #[error("the client took nothing of the feed, or answered no ping, for {} s", .limit.as_secs())]
    FeedStalled { limit: Duration },
    /// Caller: send no messages; control frames alone are heard.
    #[error("feeds take no messages, and frames as RFC 6455 says")]
    FeedSpokenTo,
    /// Node: rows could not be read; the feed can be taken up again.
    #[error("feed of \"{name}\" cannot go on")]
    Feed { name: String, reason: String },
}

impl Fault for HttpError {
    fn answer(&self) -> Answer {
        match self {
            Self::KeyMissing => Answer::caller(Code::Http001),
            Self::KeyWrong => Answer::caller(Code::Http002),
            Self::NoRoute { .. } => Answer::caller(Code::Http003),
            Self::Method { .. } => Answer::caller(Code::Http004),
            Self::ContentType { .. } => Answer::caller(Code::Http005),
            Self::ContentEncoding { .. } => Answer::caller(Code::Http006),
            Self::BodyTooLarge { .. } => Answer::caller(Code::Http007),
            Self::Bomb { .. } => Answer::caller(Code::Http008),
            Self::Compressed { .. } => Answer::caller(Code::Http009),
            Self::BodyStalled { .. } => again(Code::Http010),
            Self::BodyBroken { .. } => again(Code::Http011),
            Self::NotAcceptable { .. } => Answer::caller(Code::Http012),
            Self::Json { .. } => Answer::caller(Code::Http013),
            Self::Value { .. } => Answer::caller(Code::Http014),
            Self::BodiesFull { .. } => Answer::busy(Code::Http015, BUSY_WAIT),
            Self::FeedsFull { .. } => Answer::busy(Code::Http016, BUSY_WAIT),
            Self::ConnectionsFull { .. } => Answer::node(Code::Http017),
            Self::NotReached { .. } => Answer::node(Code::Http018),
            Self::NoObject { .. } => Answer::caller(Code::Http019),
            Self::NotYet { .. } => Answer::caller(Code::Clus040),
            Self::Elsewhere { .. } => Answer::caller(Code::Clus041),
            Self::PathText => Answer::caller(Code::Http020),
            Self::Feed { .. } => Answer::node(Code::Http021),
            Self::FeedStalled { .. } => again(Code::Http023),
            Self::FeedSpokenTo => Answer::caller(Code::Http024),
            Self::Panicked { .. } => Answer {
                code: Code::Http022,
                blame: Blame::Node,
                retry: Retry::Never,
            },
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Feed { reason, .. } => Some(reason.clone()),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::KeyMissing => "send the header \"Authorization: Bearer KEY\"; the key is in the \
                 file admin.key of the server's data folder"
                .to_owned(),
            Self::KeyWrong => "the key is in the file admin.key of the server's data folder; each \
                 data folder has its own"
                .to_owned(),
            Self::NoRoute {
                near: Some(near), ..
            } => format!("did you mean \"{near}\"?"),
            Self::NoRoute { near: None, .. } => "GET /openapi.json lists every route".to_owned(),
            Self::Method { allowed, .. } => format!("use {allowed}"),
            Self::ContentType { found, allowed } => content_type_hint(found, allowed),
            Self::ContentEncoding { .. } => "use gzip or zstd, or none".to_owned(),
            Self::BodyTooLarge { .. } => {
                "send fewer rows per request; some thousand are best".to_owned()
            }
            Self::Bomb { .. } => {
                "send the rows in smaller requests: below 1 MiB any ratio is fine".to_owned()
            }
            Self::Compressed { .. } => "is it compressed, and only once?".to_owned(),
            Self::BodyStalled { .. } | Self::BodyBroken { .. } => {
                "nothing was kept; send the request again".to_owned()
            }
            Self::NotAcceptable { allowed, .. } => format!("accept one of {allowed}"),
            Self::NoObject {
                near: Some(near), ..
            } => format!("did you mean \"{near}\"?"),
            Self::NoObject {
                kind: Kind::Stream, ..
            } => "GET /v1/streams lists the streams; \"mainstem apply FOLDER\" declares them"
                .to_owned(),
            Self::NoObject { kind, .. } => {
                format!("SHOW {}S lists them", kind.to_string().to_uppercase())
            }
            Self::PathText => "escape the UTF-8 bytes of a name, such as %C3%A4".to_owned(),
            Self::BodiesFull { .. } | Self::FeedsFull { .. } => "try again in a second".to_owned(),
            Self::ConnectionsFull { .. } => "keep connections open and use them again".to_owned(),
            Self::NotReached { .. } => "is the position from this server?".to_owned(),
            Self::Elsewhere { .. } => {
                "take the position of an acknowledgement or answer of this installation".to_owned()
            }
            Self::NotYet { .. } => {
                "`mainstem explain-error CLUS-040` says what to do instead".to_owned()
            }
            Self::Panicked { .. } => "the node's log says more; please report it".to_owned(),
            Self::Feed { .. } => "connect again with Last-Event-ID".to_owned(),
            Self::FeedStalled { .. } => "connect again with ?from= and the last id".to_owned(),
            Self::FeedSpokenTo => "ask with POST /v1/sql, send with POST …/events".to_owned(),
            Self::Json { .. } => "GET /openapi.json shows the fields of every body".to_owned(),
            Self::Value { .. } => return None,
        })
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Json { place, .. } => place.clone(),
            _ => None,
        }
    }
}

/// What questions are answered as.
pub(crate) const ANSWER_TYPES: &str =
    "application/json, application/x-ndjson, text/csv, application/vnd.apache.arrow.stream";

/// The caller's connection is to blame, and the same request can pass.
fn again(code: Code) -> Answer {
    Answer {
        code,
        blame: Blame::Caller,
        retry: Retry::Backoff,
    }
}

fn content_type_hint(found: &str, allowed: &str) -> String {
    let curl = match found {
        "application/x-www-form-urlencoded" => {
            "; curl sends this type by itself: add -H 'Content-Type: application/json'"
        }
        _ => "",
    };
    format!("send one of {allowed}{curl}")
}

/// A span of time as people write it: `10 s`, `50 ms`.
fn span(span: Duration) -> String {
    match span.subsec_millis() {
        0 => format!("{} s", span.as_secs()),
        _ => format!("{} ms", span.as_millis()),
    }
}
