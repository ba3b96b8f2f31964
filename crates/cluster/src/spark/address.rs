//! Addresses of Spark Connect. Pure.
//!
//! `sc://HOST[:PORT][/;KEY=VALUE;…]`, as Spark Connect's own clients spell it
//! (spark/connector/connect/docs/client-connection-string.md). Known keys are `use_ssl`, `token`
//! and `user_id`; all others are sent as headers, as those clients do.

use std::fmt;

use super::SparkError;

/// The port if none is given.
const PORT: &str = "15002";
/// Sessions are of a user; all nodes are one.
const USER: &str = "mainstem";

/// Where Spark is, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// `host:port`.
    pub(super) authority: String,
    pub(super) is_encrypted: bool,
    /// Whose sessions are used.
    pub(super) user: String,
    /// Proves who we are.
    pub(super) token: Option<String>,
    /// Sent with every request.
    pub(super) headers: Vec<(String, String)>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("authority", &self.authority)
            .field("is_encrypted", &self.is_encrypted)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, SparkError> {
        let fail = |reason| SparkError::Address { reason };
        let rest = text
            .strip_prefix("sc://")
            .ok_or_else(|| fail("it begins with sc://"))?;
        let (authority, tail) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.is_empty() || authority.contains(['@', '?', ';', ' ']) {
            return Err(fail("behind sc:// is HOST:PORT"));
        }
        let mut address = Self {
            authority: with_port(authority).ok_or_else(|| fail("a port is 1 to 65535"))?,
            is_encrypted: false,
            user: USER.to_owned(),
            token: None,
            headers: Vec::new(),
        };
        if tail.is_empty() {
            return Ok(address);
        }
        let settings = tail
            .strip_prefix(';')
            .ok_or_else(|| fail("behind HOST:PORT/ is ;KEY=VALUE"))?;
        for setting in settings.split(';') {
            let (key, value) = setting
                .split_once('=')
                .ok_or_else(|| fail("a setting is KEY=VALUE"))?;
            address.set(key, value).map_err(fail)?;
        }
        match address.token.is_some() && !address.is_encrypted && !address.is_local() {
            true => Err(fail("a token needs use_ssl=true")),
            false => Ok(address),
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
        match (key, value) {
            ("use_ssl", "true") => self.is_encrypted = true,
            ("use_ssl", "false") => self.is_encrypted = false,
            ("use_ssl", _) => return Err("use_ssl is true or false"),
            ("token", token) => self.token = Some(token.to_owned()),
            ("user_id", user) => user.clone_into(&mut self.user),
            ("session_id", _) => return Err("the session follows from the prefix of topics"),
            (key, value) => self.headers.push((key.to_owned(), value.to_owned())),
        }
        Ok(())
    }

    fn is_local(&self) -> bool {
        ["localhost:", "127.0.0.1:", "[::1]:"]
            .iter()
            .any(|host| self.authority.starts_with(host))
    }

    /// For gRPC.
    pub(super) fn uri(&self) -> String {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }
}

fn with_port(authority: &str) -> Option<String> {
    // `[::1]` has colons of its own.
    let from = authority.rfind(']').map_or(0, |end| end.saturating_add(1));
    let port = authority.get(from..)?.rsplit_once(':');
    match port {
        None => Some(format!("{authority}:{PORT}")),
        Some((_, port)) => {
            let port: u16 = port.parse().ok()?;
            (port > 0).then(|| authority.to_owned())
        }
    }
}

#[cfg(test)]
mod tests;
