//! `Call`: a request that was let in, with what its path and headers say.

use std::sync::Arc;

use bytes::Bytes;
use hyper::{
    body::Incoming,
    header::{HeaderMap, HeaderName},
    http::request::Parts,
};
use mainstem_catalog::{Definitions, Kind, Object, StreamDef};
use mainstem_kernel::{ByteSize, Place, Reached, Seq, TenantId};
use serde::de::DeserializeOwned;

use super::{
    Door,
    answer::Reply,
    body::{self, Held},
    errors::HttpError,
    patience::Phase,
    problem::Refusal,
    routes::WAIT,
};
use crate::Local;

/// What every handler returns.
pub(crate) type Outcome = Result<Reply, Refusal>;

/// Largest JSON body of the routes that take no events.
const JSON_SIZE_MAX: ByteSize = ByteSize::mib(4);

/// A request that was let in.
#[derive(Debug)]
pub(crate) struct Call {
    /// What all connections share.
    pub(crate) door: Arc<Door>,
    /// Method, path, headers.
    pub(crate) head: Parts,
    /// Not read yet.
    pub(crate) body: Incoming,
    /// The connection's.
    pub(crate) phase: Arc<Phase>,
    /// The first `{…}` of the path, its percent signs resolved.
    pub(crate) name: String,
    /// The second `{…}` of the path.
    pub(crate) second: String,
}

impl Call {
    /// On whose behalf. The one key there is belongs to the one tenant there is.
    #[expect(
        clippy::unused_self,
        reason = "keys of other tenants come with the crate guard"
    )]
    pub(crate) fn tenant(&self) -> TenantId {
        TenantId::ONLY
    }

    /// The stream that the path names.
    pub(crate) fn stream(&self) -> Result<Arc<StreamDef>, HttpError> {
        find_stream(&self.door, self.tenant(), &self.name)
    }

    /// A parameter of the URL.
    pub(crate) fn parameter(&self, name: &str) -> Result<Option<String>, HttpError> {
        let query = self.head.uri.query().unwrap_or_default();
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        match pairs.into_iter().find(|(key, _)| *key == name) {
            Some((_, value)) => decode(&value.replace('+', " "))
                .map(Some)
                .ok_or(HttpError::PathText),
            None => Ok(None),
        }
    }

    /// Every value of a parameter of the URL, in order.
    pub(crate) fn parameters(&self, name: &str) -> Result<Vec<String>, HttpError> {
        let query = self.head.uri.query().unwrap_or_default();
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let values = pairs.filter(|(key, _)| *key == name);
        let values = values.map(|(_, value)| decode(&value.replace('+', " ")));
        let values: Option<Vec<String>> = values.collect();
        values.ok_or(HttpError::PathText)
    }

    /// `?wait=`: the position that an answer must have reached.
    pub(crate) fn wait(&self) -> Result<Option<Reached>, HttpError> {
        self.parameter(WAIT.name)?
            .map(|text| parse_position("parameter \"wait\"", text))
            .transpose()
    }

    /// Receives the body.
    pub(crate) async fn collect(
        &mut self,
        limit: ByteSize,
        held: &mut Held,
    ) -> Result<Bytes, HttpError> {
        let body = body::collect(&mut self.body, &self.phase, limit, held).await;
        let limit = self.door.config.read_time_max;
        body.map_err(|error| match error {
            HttpError::BodyStalled { .. } => HttpError::BodyStalled { limit },
            error => error,
        })
    }

    /// Receives the body of a route that takes JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&mut self) -> Result<T, HttpError> {
        let mut held = Held::none(&self.door.bodies);
        let bytes = self.collect(JSON_SIZE_MAX, &mut held).await?;
        // No body at all is the same as one without fields.
        let bytes = if bytes.is_empty() {
            Bytes::from_static(b"{}")
        } else {
            bytes
        };
        serde_json::from_slice(&bytes).map_err(json_error)
    }
}

/// What only one machine has.
///
/// # Errors
/// `NotYet` where there are many.
pub(crate) fn local<'a>(door: &'a Door, what: &'static str) -> Result<&'a Local, HttpError> {
    door.parts.local.as_ref().ok_or(HttpError::NotYet { what })
}

/// A place in the order of one machine, as a client sent it.
pub(crate) fn parse_seq(what: &'static str, text: String) -> Result<Seq, HttpError> {
    let reached = parse_position(what, text)?;
    match reached.position() {
        Some(position) => Ok(position.seq()),
        None => Err(HttpError::Elsewhere { position: reached }),
    }
}

/// The stream of that name, or what is near.
pub(crate) fn find_stream(
    door: &Door,
    tenant: TenantId,
    name: &str,
) -> Result<Arc<StreamDef>, HttpError> {
    let definitions = door.parts.catalog.definitions();
    let found = definitions.stream(tenant, name).map(Arc::clone);
    found.ok_or_else(|| no_object(&definitions, tenant, (Kind::Stream, name)))
}

/// That there is no object of that kind and name, and what is near.
pub(crate) fn no_object(
    definitions: &Definitions,
    tenant: TenantId,
    (kind, name): (Kind, &str),
) -> HttpError {
    let mine = definitions.names.iter();
    let mine = mine.filter(|((owner, _), id)| {
        *owner == tenant && definitions.by_id(**id).map(Object::kind) == Some(kind)
    });
    let near = mine
        .map(|((_, known), _)| known.as_str())
        .find(|known| is_near(known, name));
    HttpError::NoObject {
        kind,
        name: shorten(name),
        near: near.map(str::to_owned),
    }
}

/// Whether one may have been meant for the other: but for case, one edit at most, or an s.
pub(crate) fn is_near(known: &str, written: &str) -> bool {
    let (a, b) = (known.to_ascii_lowercase(), written.to_ascii_lowercase());
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let ahead = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (a.split_at(ahead).1, b.split_at(ahead).1);
    let behind = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    // What is left differs: one letter more, less or other, or two that changed places.
    let rest = a.len().max(b.len()).saturating_sub(behind);
    rest <= 1 || (rest == 2 && a.len() == b.len() && a.first() == b.get(1) && b.first() == a.get(1))
}

/// What a person is shown of what was sent.
pub(crate) fn shorten(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A position as a client sent it.
pub(crate) fn parse_position(what: &'static str, text: String) -> Result<Reached, HttpError> {
    text.parse().map_err(|_source| HttpError::Value {
        what,
        expected: "a position as an earlier answer gave it".to_owned(),
        found: shorten(&text),
    })
}

/// A header as visible ASCII of 1 to 255 bytes.
pub(crate) fn short_header<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    what: &'static str,
) -> Result<Option<&'a str>, HttpError> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .ok()
        .filter(|text| (1..=255).contains(&text.len()));
    text.map(Some).ok_or_else(|| HttpError::Value {
        what,
        expected: "1 to 255 visible ASCII characters".to_owned(),
        found: shorten(&String::from_utf8_lossy(value.as_bytes())),
    })
}

/// Resolves the percent signs of a part of a URL; `None` if that is no text.
pub(crate) fn decode(part: &str) -> Option<String> {
    if !part.contains('%') {
        return Some(part.to_owned());
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex = behind.first_chunk::<2>().filter(|_| *first == b'%');
        let byte = hex.and_then(|hex| Some((digit(hex[0])? << 4) | digit(hex[1])?));
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() {
            behind.split_at(2).1
        } else {
            behind
        };
    }
    String::from_utf8(bytes).ok()
}

fn digit(hex: u8) -> Option<u8> {
    char::from(hex)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

fn json_error(error: serde_json::Error) -> HttpError {
    let line = u32::try_from(error.line()).unwrap_or(u32::MAX);
    let column = u32::try_from(error.column()).unwrap_or(u32::MAX);
    let text = error.to_string();
    // The place is told apart from the reason.
    let reason = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(reason, _)| reason);
    let place = (line > 0).then_some(Place {
        file: String::new(),
        line,
        column,
    });
    HttpError::Json {
        reason: reason.to_owned(),
        place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_are_resolved_to_text_or_refused() {
        assert_eq!(decode("a%20b").as_deref(), Some("a b"));
        assert_eq!(decode("%C3%A4").as_deref(), Some("ä"));
        assert_eq!(decode("100%").as_deref(), Some("100%"));
        assert_eq!(decode("%zz%4").as_deref(), Some("%zz%4"));
        assert_eq!(decode("%00").as_deref(), Some("\0"));
        assert_eq!(decode("%ff"), None);
    }

    #[test]
    fn near_is_one_slip_of_the_hand() {
        for near in [
            "purchase",
            "purchasess",
            "Purchases",
            "pruchases",
            "purchasex",
            "purcases",
        ] {
            assert!(is_near("purchases", near), "{near}");
        }
        for far in ["purch", "readings", "", "prchase"] {
            assert!(!is_near("purchases", far), "{far}");
        }
    }
}
