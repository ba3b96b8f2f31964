//! Writers and their pages of the ledger: what they sent, and what of it was acknowledged.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::Notify;

use crate::world::Server;

/// Event time between two events of a writer.
const STEP_MILLIS: u64 = 10;

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0) % n
    }
}

pub(super) fn mix(value: u64) -> u64 {
    let mut z = value;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What event `n` of a writer has to say, below 2⁵².
pub(super) fn proof(writer: u64, n: u64) -> u64 {
    mix(writer << 48 | n) >> 12
}

/// When event `n` of a writer happened: milliseconds of the first of March 2026.
pub(super) fn millis(n: u64) -> u64 {
    n * STEP_MILLIS
}

fn event(writer: u64, n: u64) -> String {
    let (seconds, millis) = (millis(n) / 1_000, millis(n) % 1_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let proof = proof(writer, n);
    format!(
        "{{\"writer\":{writer},\"n\":{n},\"proof\":{proof},\
         \"at\":\"2026-03-01T{hour:02}:{minute:02}:{second:02}.{millis:03}Z\"}}\n"
    )
}

/// How a writer's requests are recognised when they are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamped {
    Not,
    ByKey,
    ByRow,
}

/// One writer and its page of the ledger.
pub(super) struct Writer {
    pub(super) id: u64,
    pub(super) stamped: Stamped,
    random: Random,
    next: u64,
    /// First event and number of events of requests without an answer.
    pub(super) open: Vec<(u64, u64)>,
    /// The same of acknowledged requests.
    pub(super) acked: Vec<(u64, u64)>,
    /// Position of the last acknowledgement; positions of one log sort as texts.
    pub(super) position: String,
}

impl Writer {
    pub(super) fn new(id: u64, seed: u64) -> Self {
        let stamped =
            [Stamped::Not, Stamped::ByKey, Stamped::ByRow][usize::try_from(id % 3).unwrap()];
        let random = Random(mix(seed ^ id));
        Self {
            id,
            stamped,
            random,
            next: 0,
            open: Vec::new(),
            acked: Vec::new(),
            position: String::new(),
        }
    }

    /// Sends until the server is gone. What is open and stamped goes first.
    pub(super) async fn write(mut self, server: Target, acks: Arc<Acks>) -> Self {
        let again = match self.stamped {
            Stamped::Not => Vec::new(),
            Stamped::ByKey | Stamped::ByRow => std::mem::take(&mut self.open),
        };
        let mut again = again.into_iter();
        loop {
            let (first, count) = again.next().unwrap_or_else(|| {
                let first = self.next;
                let count = 1 + self.random.below(300);
                self.next += count;
                (first, count)
            });
            if let Some(position) = server.send(&self, first, count).await {
                self.acked.push((first, count));
                self.position = position;
                acks.count();
            } else {
                self.open.push((first, count));
                self.open.extend(again);
                return self;
            }
        }
    }

    pub(super) fn events(parts: &[(u64, u64)]) -> u64 {
        parts.iter().map(|(_, count)| count).sum()
    }
}

/// Counts acknowledgements and tells when there are enough.
pub(super) struct Acks {
    pub(super) left: AtomicU64,
    pub(super) enough: Notify,
}

impl Acks {
    fn count(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.enough.notify_one();
        }
    }
}

/// Where writers send to.
#[derive(Clone)]
pub(super) struct Target {
    http: reqwest::Client,
    url: String,
    key: String,
}

impl Target {
    pub(super) fn new(server: &Server) -> Self {
        let http = reqwest::Client::new();
        Self {
            http,
            url: server.url.clone(),
            key: server.key.clone(),
        }
    }

    /// Sends some events; their position if they were acknowledged. A refusal is a failure of the
    /// test.
    pub(super) async fn send(&self, writer: &Writer, first: u64, count: u64) -> Option<String> {
        let id = writer.id;
        let body: String = (first..first + count).map(|n| event(id, n)).collect();
        let request = self
            .http
            .post(format!("{}/v1/streams/ledger/events", self.url))
            .bearer_auth(&self.key)
            .header("Content-Type", "application/x-ndjson")
            .body(body);
        let request = match writer.stamped {
            Stamped::Not => request,
            Stamped::ByKey => request.header("Idempotency-Key", format!("{id}/{first}")),
            Stamped::ByRow => request
                .header("Mainstem-Producer", format!("writer-{id}"))
                .header("Mainstem-First-Row", first),
        };
        let response = request.send().await.ok()?;
        let status = response.status();
        let text = response.text().await.ok()?;
        assert!(
            status.is_success(),
            "writer {id}, events from {first}: {status} {text}"
        );
        assert!(
            text.contains(&format!("\"accepted\":{count}")),
            "{count} events: {text}"
        );
        let ack: serde_json::Value = serde_json::from_str(&text).unwrap();
        Some(ack["position"].as_str().unwrap().to_owned())
    }

    /// The changes of a view from a position on, or its rows and then its changes; `None` if the
    /// server is gone.
    pub(super) async fn changes(
        &self,
        view: &str,
        position: Option<&str>,
    ) -> Option<reqwest::Response> {
        let url = format!("{}/v1/views/{view}/changes?from=earliest", self.url);
        let request = self.http.get(url).bearer_auth(&self.key);
        let request = match position {
            Some(position) => request.header("Last-Event-ID", position),
            None => request,
        };
        let response = request.send().await.ok()?;
        assert!(response.status().is_success(), "{}", response.status());
        Some(response)
    }

    pub(super) async fn flush(&self) {
        let url = format!("{}/v1/flush", self.url);
        let request = self.http.post(url).bearer_auth(&self.key).body("{}");
        // It may meet the kill.
        let _outcome = request
            .header("Content-Type", "application/json")
            .send()
            .await;
    }
}
