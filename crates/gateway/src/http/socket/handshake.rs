//! The opening handshake of RFC 6455, section 4.2: which requests wish a WebSocket, and the answer.
//! It never opens anything.

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::{
    StatusCode,
    header::{
        CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
        SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::http::{
    answer::{self, Reply},
    call::shorten,
    errors::HttpError,
};

/// Behind the client's key; section 1.3.
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// What the messages of feeds are called.
const PROTOCOL: &str = "mainstem.feed";
/// Browsers cannot send the header `Authorization`: they name this protocol, too, with the key behind
/// it.
pub(in crate::http) const KEY_PROTOCOL: &str = "mainstem.key.";

/// Whether a request wishes a WebSocket.
pub(in crate::http) fn is_wanted(headers: &HeaderMap) -> bool {
    has(headers, &UPGRADE, "websocket")
}

/// Whether a header lists a word.
fn has(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let mut words = texts.flat_map(|text| text.split(',')).map(str::trim);
    words.any(|found| found.eq_ignore_ascii_case(word))
}

/// The answer to a handshake.
///
/// # Errors
/// `Value` when the request is none.
pub(super) fn answer(headers: &HeaderMap) -> Result<Reply, HttpError> {
    let text = |name: &HeaderName| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    };
    if !has(headers, &CONNECTION, "upgrade") {
        let found = text(&CONNECTION);
        return Err(unfit("header \"Connection\"", "upgrade", found));
    }
    let version = text(&SEC_WEBSOCKET_VERSION);
    if version != "13" {
        return Err(unfit("header \"Sec-WebSocket-Version\"", "13", version));
    }
    let key = text(&SEC_WEBSOCKET_KEY).trim();
    let is_key = BASE64_STANDARD
        .decode(key)
        .is_ok_and(|bytes| bytes.len() == 16);
    if !is_key {
        let expected = "16 bytes in base64";
        return Err(unfit("header \"Sec-WebSocket-Key\"", expected, key));
    }
    let mut reply = answer::whole(StatusCode::SWITCHING_PROTOCOLS, "", "");
    let headers_out = reply.headers_mut();
    headers_out.remove(CONTENT_TYPE);
    headers_out.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers_out.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept(key)) {
        headers_out.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if has(headers, &SEC_WEBSOCKET_PROTOCOL, PROTOCOL) {
        let protocol = HeaderValue::from_static(PROTOCOL);
        headers_out.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    Ok(reply)
}

/// What proves to a client that its handshake was understood.
pub(super) fn accept(key: &str) -> String {
    let both = format!("{key}{MAGIC}");
    BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, both.as_bytes()))
}

fn unfit(what: &'static str, expected: &str, found: &str) -> HttpError {
    HttpError::Value {
        what,
        expected: expected.to_owned(),
        found: shorten(found),
    }
}
