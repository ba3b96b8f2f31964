//! The connection to a server: finds it, bears the key, and turns refusals into failures.
//!
//! It never knows what a command does with an answer.

use std::{path::Path, time::Duration};

use mainstem_disk::{Disk, RealDisk};
use mainstem_node::{ENDPOINT_FILE, KEY_FILE};
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    args::Target,
    errors::CliError,
    failure::{Failure, Outcome, Shown},
};

/// Where commands look when nothing says where the server is.
pub(crate) const DATA_DEFAULT: &str = "./data";
/// A connection must come about within this time.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// A server and the right to ask it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    http: reqwest::Client,
    /// Without a slash at its end.
    pub(crate) url: String,
    key: String,
}

/// A refusal as a server sends it: problem+json, with all mistakes if there are several.
#[derive(Debug, Deserialize)]
struct Refusal {
    #[serde(flatten)]
    shown: Shown,
    #[serde(default)]
    problems: Vec<Shown>,
}

impl Server {
    /// Finds the server: what was typed, else the environment, else `./data`.
    pub(crate) fn find(target: &Target) -> Outcome<Self> {
        let (mut url, mut key) = (target.url.clone(), target.key.clone());
        if let Some(data) = &target.data {
            url = url.or_else(|| read_line(&data.join(ENDPOINT_FILE)));
            key = key.or_else(|| read_line(&data.join(KEY_FILE)));
        } else {
            url = url.or_else(|| environment("MAINSTEM_URL"));
            key = key.or_else(|| environment("MAINSTEM_KEY"));
        }
        let data = target.data.as_deref().unwrap_or(Path::new(DATA_DEFAULT));
        let endpoint = data.join(ENDPOINT_FILE);
        let url = url.or_else(|| read_line(&endpoint));
        let url = url.ok_or(CliError::NoServer {
            looked_at: endpoint,
        })?;
        let key = key.or_else(|| read_line(&data.join(KEY_FILE)));
        let key = key.ok_or_else(|| CliError::NoKey { url: url.clone() })?;
        Self::at(&url, &key)
    }

    /// The server at a URL.
    pub(crate) fn at(url: &str, key: &str) -> Outcome<Self> {
        let url = match url {
            url if url.contains("://") => url.to_owned(),
            address => format!("http://{address}"),
        };
        let url = url.trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIME_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("mainstem/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|source| CliError::Unreachable {
                url: url.clone(),
                source,
            })?;
        Ok(Self {
            http,
            url,
            key: key.to_owned(),
        })
    }

    /// A request that bears the key.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.url);
        self.http.request(method, url).bearer_auth(&self.key)
    }

    /// Sends a request; only answers of success come back.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Outcome<Response> {
        let response = request
            .send()
            .await
            .map_err(|source| self.unreachable(source))?;
        match response.status() {
            status if status.is_success() => Ok(response),
            _ => Err(self.refusal(response).await),
        }
    }

    /// Sends a request and reads the JSON of its answer.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Outcome<T> {
        let response = self.send(request).await?;
        let status = response.status();
        let body = response
            .bytes()
            .await
            .map_err(|source| self.unreachable(source))?;
        Ok(serde_json::from_slice(&body).map_err(|_source| self.foreign(status))?)
    }

    /// `GET` of a path, as JSON.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Outcome<T> {
        self.ask(self.request(Method::GET, path)).await
    }

    /// `POST` of JSON to a path, answered by JSON.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Outcome<T> {
        self.ask(self.post_request(path, body)).await
    }

    /// A `POST` of JSON.
    pub(crate) fn post_request(&self, path: &str, body: &serde_json::Value) -> RequestBuilder {
        self.request(Method::POST, path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.to_string())
    }

    /// What a refusal says.
    pub(crate) async fn refusal(&self, response: Response) -> Failure {
        let status = response.status();
        let body = response.bytes().await.unwrap_or_default();
        match serde_json::from_slice::<Refusal>(&body) {
            Ok(refusal) if refusal.problems.is_empty() => Failure {
                problems: vec![refusal.shown],
            },
            Ok(refusal) => Failure {
                problems: refusal.problems,
            },
            Err(_source) => self.foreign(status).into(),
        }
    }

    /// The connection did not come about, or broke.
    pub(crate) fn unreachable(&self, source: reqwest::Error) -> CliError {
        CliError::Unreachable {
            url: self.url.clone(),
            source: source.without_url(),
        }
    }

    fn foreign(&self, status: StatusCode) -> CliError {
        CliError::Foreign {
            url: self.url.clone(),
            status: status.as_u16(),
        }
    }
}

/// A name as part of a path: names hold letters, digits and underscores, all else is escaped.
pub(crate) fn path_part(name: &str) -> String {
    let mut part = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' => {
                part.push(char::from(byte));
            }
            _ => part.push_str(&format!("%{byte:02X}")),
        }
    }
    part
}

/// The one line of a small file, if it is there.
fn read_line(path: &Path) -> Option<String> {
    let text = String::from_utf8(RealDisk.read(path).ok()?).ok()?;
    Some(text.trim().to_owned()).filter(|line| !line.is_empty())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command line is where the environment enters"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_cannot_leave_its_part_of_the_path() {
        assert_eq!(path_part("purchases"), "purchases");
        assert_eq!(path_part("../v1/x?y"), "..%2Fv1%2Fx%3Fy");
    }

    #[test]
    fn an_address_alone_is_a_url() {
        assert_eq!(
            Server::at("localhost:7400", "k").unwrap().url,
            "http://localhost:7400"
        );
        assert_eq!(
            Server::at("https://x.example/", "k").unwrap().url,
            "https://x.example"
        );
    }
}
