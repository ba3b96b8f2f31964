//! Who may come in: whoever bears the key. It never says by its timing how much of a key was
//! right, and never logs one.

use std::hint::black_box;

use hyper::header::{AUTHORIZATION, HeaderMap, SEC_WEBSOCKET_PROTOCOL};

use super::{errors::HttpError, socket};

/// What a route lets people do. The one key there is may do everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    /// Anybody, without a key.
    Open,
    /// Send events.
    Write,
    /// Read rows and definitions.
    Read,
    /// Change definitions.
    Define,
    /// Look after the node.
    Operate,
}

/// Lets a request pass, or says what its key lacks.
pub(crate) fn check(
    permission: Permission,
    headers: &HeaderMap,
    admin_key: &str,
) -> Result<(), HttpError> {
    if permission == Permission::Open {
        return Ok(());
    }
    let key = match headers.get(AUTHORIZATION) {
        Some(sent) => {
            let (scheme, key) = sent
                .as_bytes()
                .split_at_checked(7)
                .ok_or(HttpError::KeyMissing)?;
            if !scheme.eq_ignore_ascii_case(b"bearer ") {
                return Err(HttpError::KeyMissing);
            }
            key
        }
        None => key_of_socket(headers).ok_or(HttpError::KeyMissing)?,
    };
    match is_equal(key.trim_ascii(), admin_key.as_bytes()) {
        true => Ok(()),
        false => Err(HttpError::KeyWrong),
    }
}

/// Compares in a time that depends on the lengths alone.
fn is_equal(sent: &[u8], key: &[u8]) -> bool {
    // An empty key would let everybody in.
    if sent.len() != key.len() || key.is_empty() {
        return false;
    }
    let differences = sent
        .iter()
        .zip(key)
        .fold(0, |all, (a, b)| black_box(all | (a ^ b)));
    black_box(differences) == 0
}

/// The key of a browser that wishes a WebSocket: it can send no header but this one.
fn key_of_socket(headers: &HeaderMap) -> Option<&[u8]> {
    if !socket::is_wanted(headers) {
        return None;
    }
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
    let mut names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    names.find_map(|name| {
        name.trim_ascii()
            .strip_prefix(socket::KEY_PROTOCOL.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn only_the_whole_key_opens() {
        let check_key = |sent: Option<&'static str>, key: &str| {
            let mut headers = HeaderMap::new();
            if let Some(sent) = sent {
                headers.insert(AUTHORIZATION, HeaderValue::from_static(sent));
            }
            match check(Permission::Read, &headers, key) {
                Ok(()) => "in",
                Err(HttpError::KeyMissing) => "missing",
                Err(_) => "wrong",
            }
        };
        assert_eq!(check_key(Some("Bearer secret"), "secret"), "in");
        assert_eq!(check_key(Some("bearer secret "), "secret"), "in");
        assert_eq!(check_key(Some("Bearer secre"), "secret"), "wrong");
        assert_eq!(check_key(Some("Bearer secrets"), "secret"), "wrong");
        assert_eq!(check_key(Some("Bearer Secret"), "secret"), "wrong");
        assert_eq!(check_key(Some("Bearer "), ""), "wrong");
        assert_eq!(check_key(Some("Basic secret"), "secret"), "missing");
        assert_eq!(check_key(Some(""), "secret"), "missing");
        assert_eq!(check_key(None, "secret"), "missing");
    }

    #[test]
    fn the_key_of_a_browser_counts_for_websockets_alone() {
        use hyper::header::UPGRADE;

        let mut headers = HeaderMap::new();
        let protocols = "mainstem.feed, mainstem.key.secret";
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocols));
        let is_in = |headers: &HeaderMap, key| check(Permission::Read, headers, key).is_ok();
        assert!(!is_in(&headers, "secret"));
        headers.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        assert!(is_in(&headers, "secret"));
        assert!(!is_in(&headers, "secrets"));
        // The header goes before.
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer other"));
        assert!(!is_in(&headers, "secret"));
    }
}
