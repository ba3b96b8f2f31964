//! Clients that write events to whichever gateway answers, each event until it was acknowledged.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use mainstem_kernel::{Clock, clock::SystemClock};
use tokio::{task::JoinSet, time};

use super::ledger::{Ledger, Page};
use crate::client::{Connection, Request};

/// A request that takes longer has an outcome that nobody knows. Longer than a node takes to say
/// that its engines do not answer.
const ANSWER_MAX: Duration = Duration::from_secs(12);
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// From one request of a client to the next, and from a refusal to the next attempt.
const PACE: Duration = Duration::from_millis(50);
/// After so many requests a client returns to its own door, whether that was struck or not.
const RETURN_AFTER: u64 = 20;
/// How often it is looked whether a door serves again.
const POLL: Duration = Duration::from_millis(20);
/// Events of one request.
const EVENTS_MAX: u64 = 20;
/// Time between two events of a client.
const STEP_MILLIS: u64 = 10;

/// The gateways, and which of them a client takes.
#[derive(Debug)]
pub(crate) struct Doors {
    all: Vec<(SocketAddr, String)>,
}

impl Doors {
    pub(crate) fn new(all: Vec<(SocketAddr, String)>) -> Self {
        Self { all }
    }

    /// The door of an attempt: another one each time.
    pub(crate) fn of(&self, attempt: usize) -> (SocketAddr, &str) {
        let (address, key) = &self.all[self.number(attempt)];
        (*address, key)
    }

    /// Which door that is.
    fn number(&self, attempt: usize) -> usize {
        attempt % self.all.len()
    }

    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }
}

/// What all clients share.
#[derive(Debug)]
struct Shared {
    is_over: AtomicBool,
    acked: AtomicU64,
    /// Requests that each door has acknowledged.
    served: Vec<AtomicU64>,
    /// Longest refusal of this round, in microseconds.
    refused: AtomicU64,
    /// What clients were told in this round.
    codes: Mutex<BTreeSet<String>>,
}

impl Shared {
    /// Whoever panicked with it has not broken it: codes are added one by one.
    fn codes(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All clients, in a thread of their own.
#[derive(Debug)]
pub(crate) struct Crowd {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<Ledger>>,
}

impl Crowd {
    /// Starts so many clients.
    pub(crate) fn start(doors: &Arc<Doors>, clients: u64) -> Result<Self> {
        let shared = Arc::new(Shared {
            is_over: AtomicBool::new(false),
            acked: AtomicU64::new(0),
            served: (0..doors.count()).map(|_| AtomicU64::new(0)).collect(),
            refused: AtomicU64::new(0),
            codes: Mutex::default(),
        });
        let (for_thread, doors) = (Arc::clone(&shared), Arc::clone(doors));
        let thread = thread::Builder::new()
            .name("clients".to_owned())
            .spawn(move || write_all(&for_thread, &doors, clients))?;
        Ok(Self { shared, thread })
    }

    pub(crate) fn acked_events(&self) -> u64 {
        self.shared.acked.load(Ordering::Acquire)
    }

    /// Whether a door acknowledges events from now on; waits that long for it.
    pub(crate) fn serves(&self, door: usize, max: Duration) -> bool {
        let Some(served) = self.shared.served.get(door) else {
            return false;
        };
        let (before, begin) = (served.load(Ordering::Acquire), SystemClock.monotonic());
        while SystemClock.monotonic() - begin < max {
            if served.load(Ordering::Acquire) > before {
                return true;
            }
            thread::sleep(POLL);
        }
        false
    }

    pub(crate) fn begin_round(&self) {
        self.shared.refused.store(0, Ordering::Release);
        self.shared.codes().clear();
    }

    /// The codes of all refusals since the round began.
    pub(crate) fn codes(&self) -> BTreeSet<String> {
        self.shared.codes().clone()
    }

    /// The longest that a client was refused since the round began.
    pub(crate) fn end_round(&self) -> Duration {
        Duration::from_micros(self.shared.refused.load(Ordering::Acquire))
    }

    /// Lets every client finish what it has begun.
    pub(crate) fn stop(self) -> Result<Ledger> {
        self.shared.is_over.store(true, Ordering::Release);
        match self.thread.join() {
            Ok(ledger) => ledger,
            Err(_panicked) => bail!("the thread of the clients has panicked"),
        }
    }
}

fn write_all(shared: &Arc<Shared>, doors: &Arc<Doors>, clients: u64) -> Result<Ledger> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for id in 0..clients {
            let client = Client {
                id,
                page: Page::default(),
                requests: 0,
                attempt: usize::try_from(id)?,
                connection: None,
                doors: Arc::clone(doors),
                shared: Arc::clone(shared),
            };
            tasks.spawn(client.write());
        }
        let mut pages = BTreeMap::new();
        while let Some(ended) = tasks.join_next().await {
            let (id, page) = ended??;
            pages.insert(id, page);
        }
        Ok(Ledger { pages })
    })
}

/// One client, and its page of the ledger.
struct Client {
    id: u64,
    page: Page,
    /// That were acknowledged.
    requests: u64,
    /// Which door comes next.
    attempt: usize,
    connection: Option<Connection>,
    doors: Arc<Doors>,
    shared: Arc<Shared>,
}

/// How an attempt ended.
#[derive(Debug)]
enum Attempt {
    Acknowledged,
    /// Nothing was written.
    Refused(String),
    /// It may have been written.
    Unknown(String),
}

impl Client {
    async fn write(mut self) -> Result<(u64, Page)> {
        let own = usize::try_from(self.id)?;
        while !self.shared.is_over.load(Ordering::Acquire) {
            let is_away = self.doors.number(self.attempt) != self.doors.number(own);
            if is_away && self.requests.is_multiple_of(RETURN_AFTER) {
                (self.attempt, self.connection) = (own, None);
            }
            let count = 1 + (self.page.acked * 7 + self.id) % EVENTS_MAX;
            self.send(count).await?;
            time::sleep(PACE).await;
        }
        Ok((self.id, self.page))
    }

    /// Sends events until they are acknowledged.
    async fn send(&mut self, count: u64) -> Result<()> {
        let body = events(self.id, self.page.acked, count);
        let mut refused_since = None;
        loop {
            let begin = SystemClock.monotonic();
            let why = match self.attempt(&body, count).await? {
                Attempt::Acknowledged => break,
                Attempt::Refused(why) => why,
                Attempt::Unknown(why) => {
                    self.page.unknown += count;
                    why
                }
            };
            let since = *refused_since.get_or_insert(begin);
            let refused = SystemClock.monotonic() - since;
            // Whoever waits for minutes waits for ever: then the proof has failed.
            if refused > Duration::from_secs(300) {
                bail!("client {} was refused for {refused:?}: {why}", self.id);
            }
            self.connection = None;
            self.attempt += 1;
            time::sleep(PACE).await;
        }
        if let Some(since) = refused_since {
            let refused = SystemClock.monotonic() - since;
            self.page.refused_max = self.page.refused_max.max(refused);
            let micros = u64::try_from(refused.as_micros()).unwrap_or(u64::MAX);
            self.shared.refused.fetch_max(micros, Ordering::AcqRel);
        }
        self.requests += 1;
        if let Some(served) = self.shared.served.get(self.doors.number(self.attempt)) {
            served.fetch_add(1, Ordering::AcqRel);
        }
        self.page.acked += count;
        self.shared.acked.fetch_add(count, Ordering::AcqRel);
        Ok(())
    }

    async fn attempt(&mut self, body: &str, count: u64) -> Result<Attempt> {
        let (address, key) = self.doors.of(self.attempt);
        let (id, first) = (self.id, self.page.acked);
        let head =
            format!("content-type: application/x-ndjson\r\nidempotency-key: {id}-{first}\r\n");
        let request = Request::new(
            "POST /v1/streams/ledger/events",
            key,
            &head,
            body.as_bytes(),
        );
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => match time::timeout(CONNECT_MAX, Connection::open(address)).await {
                Ok(Ok(connection)) => self.connection.insert(connection),
                Ok(Err(error)) => return Ok(Attempt::Refused(format!("{error:#}"))),
                Err(_late) => return Ok(Attempt::Refused("no connection came about".to_owned())),
            },
        };
        let answer = match time::timeout(ANSWER_MAX, connection.exchange(&request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Ok(Attempt::Unknown(format!("{error:#}"))),
            Err(_late) => return Ok(Attempt::Unknown(format!("no answer in {ANSWER_MAX:?}"))),
        };
        let text = String::from_utf8_lossy(answer.body);
        self.shared.codes().extend(code(answer.body));
        match answer.status {
            200 => {
                let accepted = format!("\"accepted\":{count}");
                if !text.contains(&accepted) {
                    bail!("client {id}: {count} events were sent, and the answer was {text}");
                }
                Ok(Attempt::Acknowledged)
            }
            429 | 503 if answer.retry_after.is_none() => {
                bail!("client {id}: refused without a word of when to come again: {text}")
            }
            429 => Ok(Attempt::Refused(format!("429 {text}"))),
            // The log may have taken it before it stopped to answer.
            503 => Ok(Attempt::Unknown(format!("503 {text}"))),
            status => bail!("client {id}: status {status}: {text}"),
        }
    }
}

/// The code of a problem.
fn code(body: &[u8]) -> Option<String> {
    let problem: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(problem["code"].as_str()?.to_owned())
}

/// Events of a client from `first` on, a line each.
fn events(client: u64, first: u64, count: u64) -> String {
    let mut lines = String::new();
    for n in first..first + count {
        let millis = n * STEP_MILLIS;
        let (seconds, millis) = (millis / 1_000, millis % 1_000);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        lines.push_str(&format!(
            "{{\"event_id\":\"{client}-{n}\",\"client\":{client},\"n\":{n},\
             \"at\":\"2026-03-01T{hour:02}:{minute:02}:{second:02}.{millis:03}Z\"}}\n"
        ));
    }
    lines
}

/// One request on a connection of its own.
pub(crate) fn ask_once(address: SocketAddr, request: &Request) -> Result<(u16, Vec<u8>)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let exchange = async {
            let mut connection = Connection::open(address).await?;
            let answer = connection.exchange(request).await?;
            Ok((answer.status, answer.body.to_vec()))
        };
        let answer = time::timeout(ANSWER_MAX * 3, exchange).await;
        answer.context("no answer came")?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_its_code() {
        let body = br#"{"code":"CLUS-006","message":"x"}"#;
        assert_eq!(code(body).as_deref(), Some("CLUS-006"));
        assert_eq!(code(br#"{"accepted":3}"#), None);
        assert_eq!(code(b"busy"), None);
    }

    #[test]
    fn events_describe_themselves() {
        let lines = events(3, 6_000, 2);
        let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        assert_eq!(first["event_id"], "3-6000");
        assert_eq!(first["at"], "2026-03-01T00:01:00.000Z");
        assert_eq!(lines.lines().count(), 2);
    }
}
