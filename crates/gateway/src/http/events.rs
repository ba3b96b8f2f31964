//! Events in: from a request's body to admission, and its answer. It never looks at a row but
//! to tell JSON from NDJSON where the sender did not.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use mainstem_admit::{Ack, Format, Identity, Payload, Reject};
use mainstem_kernel::{Code, Reached};
use serde::{Serialize, de::IgnoredAny};

use super::{
    answer,
    body::Held,
    call::{Call, Outcome, short_header, shorten},
    errors::HttpError,
    unpack::{Encoding, Limits, unpack},
};

pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PRODUCER: HeaderName = HeaderName::from_static("mainstem-producer");
const FIRST_ROW: HeaderName = HeaderName::from_static("mainstem-first-row");

/// What events come as.
const EVENT_TYPES: &str =
    "application/json, application/x-ndjson, text/csv, application/vnd.apache.arrow.stream";

/// Compressed bodies up to this size are decompressed where they are: it takes less time than
/// to wake another thread.
const UNPACK_INLINE_MAX: usize = 4 << 10;

/// Answer to events.
#[derive(Serialize)]
struct AckBody<'a> {
    accepted: u64,
    rejected: u64,
    position: &'a Reached,
    rejects: Rejects<'a>,
    repeated: bool,
}

struct Rejects<'a>(&'a [Reject]);

#[derive(Serialize)]
struct RejectBody<'a> {
    row: u64,
    code: Code,
    reason: &'a str,
}

impl Serialize for Rejects<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|reject| RejectBody {
            row: reject.row,
            code: reject.code,
            reason: &reject.reason,
        }))
    }
}

/// `POST /v1/streams/{stream}/events`. Rows that do not fit never make it an error.
pub(crate) async fn send(mut call: Call) -> Outcome {
    let format = format_of(&call.head.headers)?;
    let identity = identity_of(&call.head.headers)?;
    let encoding = Encoding::of(&call.head.headers)?;
    let mut held = Held::none(&call.door.bodies);
    let body = call
        .collect(call.door.config.body_size_max, &mut held)
        .await?;
    let received = call.door.parts.clock.monotonic();
    let body = match encoding {
        Encoding::Identity => body,
        _ => unpacked(&call, encoding, body, held).await?,
    };
    let format = format.unwrap_or_else(|| sniff(&body));
    let tenant = call.tenant();
    let payload = Payload {
        tenant,
        stream: call.name,
        format,
        body,
        identity,
    };
    let parts = &call.door.parts;
    let ack = parts.admission.admit(payload).await?;
    let took = parts.clock.monotonic().saturating_sub(received);
    parts.metrics.ack_seconds.observe(took.as_secs_f64());
    Ok(reply(&ack))
}

fn reply(ack: &Ack) -> answer::Reply {
    let body = AckBody {
        accepted: ack.accepted,
        rejected: ack.rejected,
        position: &ack.position,
        rejects: Rejects(&ack.rejects),
        repeated: ack.repeated,
    };
    answer::json(&body)
}

/// The body decompressed, on a thread that may take its time.
async fn unpacked(
    call: &Call,
    encoding: Encoding,
    packed: Bytes,
    mut held: Held,
) -> Result<Bytes, HttpError> {
    let config = &call.door.config;
    let limits = Limits {
        size: config.decoded_size_max,
        ratio: config.decompression_ratio_max,
    };
    if packed.len() <= UNPACK_INLINE_MAX {
        return unpack(encoding, &packed, limits, &mut held);
    }
    let work = move || unpack(encoding, &packed, limits, &mut held);
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|source| Err(HttpError::Panicked { source }))
}

/// The format that `Content-Type` names; `None` if there is none.
fn format_of(headers: &HeaderMap) -> Result<Option<Format>, HttpError> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(None);
    };
    let bytes = value.as_bytes();
    let media = bytes
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    let is = |name: &str| media.eq_ignore_ascii_case(name.as_bytes());
    let found = if is("application/json") {
        Format::Json
    } else if is("application/x-ndjson") || is("application/ndjson") {
        Format::Ndjson
    } else if is("text/csv") {
        Format::Csv
    } else if is("application/vnd.apache.arrow.stream") {
        Format::Arrow
    } else {
        let found = shorten(&String::from_utf8_lossy(media));
        return Err(HttpError::ContentType {
            found,
            allowed: EVENT_TYPES,
        });
    };
    Ok(Some(found))
}

/// JSON, unless the first line is a value of its own and more follows.
fn sniff(body: &[u8]) -> Format {
    let body = body.trim_ascii();
    let end = body
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(body.len());
    let (first, rest) = body.split_at(end);
    if first.starts_with(b"[") || rest.is_empty() {
        return Format::Json;
    }
    match serde_json::from_slice::<IgnoredAny>(first) {
        Ok(_) => Format::Ndjson,
        Err(_) => Format::Json,
    }
}

/// How the sender wants a repetition to be recognised.
fn identity_of(headers: &HeaderMap) -> Result<Identity, HttpError> {
    let key = short_header(headers, &IDEMPOTENCY_KEY, "header \"Idempotency-Key\"")?;
    let producer = short_header(headers, &PRODUCER, "header \"Mainstem-Producer\"")?;
    let first = short_header(headers, &FIRST_ROW, "header \"Mainstem-First-Row\"")?;
    match (key, producer, first) {
        (None, None, None) => Ok(Identity::None),
        (Some(key), None, None) => Ok(Identity::Key(key.to_owned())),
        (None, Some(producer), Some(first)) => match first.parse() {
            Ok(first) => Ok(Identity::Load {
                producer: producer.to_owned(),
                first,
            }),
            Err(_) => Err(HttpError::Value {
                what: "header \"Mainstem-First-Row\"",
                expected: "a row number from 0".to_owned(),
                found: shorten(first),
            }),
        },
        _ => {
            let names = [
                (key, "Idempotency-Key"),
                (producer, "Mainstem-Producer"),
                (first, "Mainstem-First-Row"),
            ];
            let sent = names
                .iter()
                .filter(|(value, _)| value.is_some())
                .map(|(_, name)| *name);
            Err(HttpError::Value {
                what: "set of headers",
                expected: "Idempotency-Key alone, or Mainstem-Producer with Mainstem-First-Row"
                    .to_owned(),
                found: sent.collect::<Vec<_>>().join(", "),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn what_nobody_named_is_told_by_its_first_line() {
        assert_eq!(sniff(b"{\"a\":1}"), Format::Json);
        assert_eq!(sniff(b"{\"a\":1}\n"), Format::Json);
        assert_eq!(sniff(b"{\"a\":1}\n{\"a\":2}\n"), Format::Ndjson);
        assert_eq!(sniff(b"{\"a\":1}\r\n{broken\n"), Format::Ndjson);
        assert_eq!(sniff(b"{\n  \"a\": 1\n}"), Format::Json);
        assert_eq!(sniff(b" [{\"a\":1},\n{\"a\":2}]"), Format::Json);
        assert_eq!(sniff(b""), Format::Json);
    }

    #[test]
    fn the_content_type_is_taken_without_its_parameters() {
        let check = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(text));
            format_of(&headers).ok().flatten()
        };
        assert_eq!(check("application/json; charset=utf-8"), Some(Format::Json));
        assert_eq!(check("Text/CSV"), Some(Format::Csv));
        assert_eq!(
            check("application/vnd.apache.arrow.stream"),
            Some(Format::Arrow)
        );
        assert_eq!(check("application/x-www-form-urlencoded"), None);
        assert_eq!(check(""), None);
    }

    #[test]
    fn a_sender_is_known_by_its_key_or_by_its_rows() {
        let check = |sent: &[(HeaderName, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in sent {
                headers.insert(name.clone(), HeaderValue::from_static(value));
            }
            identity_of(&headers)
        };
        assert_eq!(check(&[]).unwrap(), Identity::None);
        assert_eq!(
            check(&[(IDEMPOTENCY_KEY, "k")]).unwrap(),
            Identity::Key("k".to_owned())
        );
        assert_eq!(
            check(&[(PRODUCER, "f"), (FIRST_ROW, "7")]).unwrap(),
            Identity::Load {
                producer: "f".to_owned(),
                first: 7
            }
        );
        assert!(check(&[(PRODUCER, "f")]).is_err());
        assert!(check(&[(PRODUCER, "f"), (FIRST_ROW, "-1")]).is_err());
        assert!(check(&[(PRODUCER, "f"), (FIRST_ROW, "0"), (IDEMPOTENCY_KEY, "k")]).is_err());
        assert!(check(&[(IDEMPOTENCY_KEY, "")]).is_err());
    }
}
