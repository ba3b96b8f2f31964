//! Sends batches one after the other and does not give up at a break or a full server.
//!
//! A batch that was sent twice is recognised by its number, so that sending again is safe.

use std::time::Duration;

use mainstem_kernel::{Clock, clock::SystemClock};
use reqwest::{Method, Response, header};
use serde::Deserialize;

use super::batch::Batch;
use crate::{
    args::RowFormat,
    client::{Server, path_part},
    errors::CliError,
    failure::Outcome,
};

/// First wait after a break; it doubles up to `WAIT_MAX`.
const WAIT_MIN: Duration = Duration::from_millis(100);
/// Longest wait between two attempts.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How long one batch is tried.
const PATIENCE_MINUTES: u64 = 5;
/// An answer must come within this time.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// What became of a batch.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::command) struct Ack {
    pub(in crate::command) accepted: u64,
    pub(in crate::command) rejected: u64,
    pub(in crate::command) position: String,
    #[serde(default)]
    pub(in crate::command) rejects: Vec<Reject>,
}

/// Why a row was rejected.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::command) struct Reject {
    /// Row of the request, from 0.
    pub(in crate::command) row: u64,
    pub(in crate::command) code: String,
    pub(in crate::command) reason: String,
}

/// Sends the batches of one file to one stream.
#[derive(Debug)]
pub(in crate::command) struct Sender {
    server: Server,
    path: String,
    producer: String,
    content_type: &'static str,
}

/// What an attempt came to.
enum Attempt {
    Acknowledged(Ack),
    /// Worth another try, after this long if the server said so.
    Again {
        why: String,
        wait: Option<Duration>,
    },
}

impl Sender {
    pub(in crate::command) fn new(
        server: Server,
        stream: &str,
        producer: &str,
        format: RowFormat,
    ) -> Self {
        let content_type = match format {
            RowFormat::Csv => "text/csv",
            RowFormat::Ndjson => "application/x-ndjson",
            RowFormat::Json => "application/json",
        };
        let path = format!("/v1/streams/{}/events", path_part(stream));
        Self {
            server,
            path,
            producer: producer.to_owned(),
            content_type,
        }
    }

    /// Sends a batch until it is acknowledged or refused for good. `waits` is told why it takes
    /// longer.
    pub(in crate::command) async fn send(
        &self,
        batch: &Batch,
        waits: impl Fn(&str),
    ) -> Outcome<Ack> {
        let patience = Duration::from_secs(60 * PATIENCE_MINUTES);
        let deadline = SystemClock.monotonic().saturating_add(patience);
        let mut pause = WAIT_MIN;
        loop {
            let (why, wait) = match self.attempt(batch).await? {
                Attempt::Acknowledged(ack) => return checked(batch, ack),
                Attempt::Again { why, wait } => (why, wait),
            };
            let wait = wait.unwrap_or(pause);
            pause = pause.saturating_mul(2).min(WAIT_MAX);
            if SystemClock.monotonic().saturating_add(wait) > deadline {
                return Err(CliError::GaveUp {
                    minutes: PATIENCE_MINUTES,
                    last: why,
                }
                .into());
            }
            waits(&why);
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt(&self, batch: &Batch) -> Outcome<Attempt> {
        let request = self
            .server
            .request(Method::POST, &self.path)
            .header(header::CONTENT_TYPE, self.content_type)
            .header("Mainstem-Producer", &self.producer)
            .header("Mainstem-First-Row", batch.first)
            .timeout(ANSWER_TIME_MAX)
            .body(batch.body.clone());
        let response = match request.send().await {
            Ok(response) => response,
            Err(source) => return Ok(again(source)),
        };
        let status = response.status();
        if status.is_success() {
            return match response.bytes().await {
                Ok(body) => match serde_json::from_slice(&body) {
                    Ok(ack) => Ok(Attempt::Acknowledged(ack)),
                    Err(_source) => {
                        let url = self.server.url.clone();
                        Err(CliError::Foreign {
                            url,
                            status: status.as_u16(),
                        }
                        .into())
                    }
                },
                Err(source) => Ok(again(source)),
            };
        }
        let wait = retry_after(&response);
        let failure = self.server.refusal(response).await;
        match status.as_u16() {
            429 | 500 | 502 | 503 | 504 => {
                let why = failure.problems.first().map(|shown| shown.message.clone());
                Ok(Attempt::Again {
                    why: why.unwrap_or_else(|| status.to_string()),
                    wait,
                })
            }
            _ => Err(failure),
        }
    }
}

/// Numbers go on from what was sent, so both sides have to count alike.
fn checked(batch: &Batch, ack: Ack) -> Outcome<Ack> {
    let (first, sent) = (batch.first, u64::from(batch.rows));
    let counted = ack.accepted.saturating_add(ack.rejected);
    match counted == sent {
        true => Ok(ack),
        false => Err(CliError::Miscounted {
            first,
            sent,
            counted,
        }
        .into()),
    }
}

fn again(source: reqwest::Error) -> Attempt {
    let why = mainstem_kernel::fault::chain(&source.without_url());
    Attempt::Again { why, wait: None }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response
        .headers()
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds).min(WAIT_MAX.saturating_mul(12)))
}
