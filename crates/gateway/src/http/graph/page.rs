//! The page that shows a graph while it changes. It holds no data and no key: whoever opens it gives
//! the key, and the page asks the same routes as everybody else with it.

use std::sync::OnceLock;

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::{
    StatusCode,
    header::{CONTENT_SECURITY_POLICY, HeaderValue},
};
use ring::digest::{SHA256, digest};

use crate::http::answer::{self, Reply};

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");

/// `GET /graph`.
pub(crate) fn page() -> Reply {
    let (text, policy) = document();
    let mut reply = answer::whole(StatusCode::OK, "text/html; charset=utf-8", text.as_str());
    let headers = reply.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
    reply
}

/// The page, and what a browser may do with it: run this one script and ask this server.
fn document() -> &'static (String, HeaderValue) {
    static DOCUMENT: OnceLock<(String, HeaderValue)> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let hash = BASE64_STANDARD.encode(digest(&SHA256, SCRIPT.as_bytes()));
        let policy = format!(
            "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; \
             script-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        );
        let policy = HeaderValue::from_str(&policy);
        let nothing = HeaderValue::from_static("default-src 'none'");
        (PAGE.replace("SCRIPT", SCRIPT), policy.unwrap_or(nothing))
    })
}
