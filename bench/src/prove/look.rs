//! What the views say: read through any gateway, compared with the ledger, and watched for rows that
//! go back.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use mainstem_kernel::{Clock, clock::SystemClock};
use serde_json::Value;

use super::{
    client::{Doors, ask_once},
    ledger::{Counted, Ledger},
};
use crate::client::Request;

const POLL: Duration = Duration::from_millis(250);
/// The views, each with its key.
const VIEWS: [(&str, &str); 2] = [("by_client", "client"), ("by_tier", "tier")];

/// Reads views and asks questions, of one gateway after the other.
#[derive(Debug)]
pub(crate) struct Eyes {
    doors: Arc<Doors>,
}

/// What was compared at the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compared {
    /// Rows of views that were read.
    pub(crate) rows: usize,
    /// Rows of the stream, as a question counts them; with events that were sent twice.
    pub(crate) stream: u64,
    /// Events that the views count.
    pub(crate) counted: u64,
    /// What is wrong.
    pub(crate) mistakes: Vec<String>,
}

impl Eyes {
    pub(crate) fn new(doors: Arc<Doors>) -> Result<Self> {
        ensure!(doors.count() > 0, "there is no gateway");
        Ok(Self { doors })
    }

    /// The rows of an answer in SQL, of the first gateway that answers.
    pub(crate) fn sql(&self, question: &str) -> Result<Vec<Value>> {
        let mut said = String::new();
        for attempt in 0..self.doors.count() {
            let (address, key) = self.doors.of(attempt);
            let body = serde_json::json!({ "query": question }).to_string();
            let head = "content-type: application/json\r\naccept: application/x-ndjson\r\n";
            let request = Request::new("POST /v1/sql", key, head, body.as_bytes());
            match ask_once(address, &request) {
                Ok((200, body)) => return lines(&body),
                Ok((status, body)) => said = format!("{status} {}", String::from_utf8_lossy(&body)),
                Err(error) => said = format!("{error:#}"),
            }
        }
        bail!("{question}: {said}")
    }

    /// What a view counts, by its first column.
    fn view(&self, name: &str, key: &str) -> Result<BTreeMap<String, Counted>> {
        let mut said = String::new();
        for attempt in 0..self.doors.count() {
            match read(&self.doors, attempt, (name, key)) {
                Ok(rows) => return Ok(rows),
                Err(error) => said = format!("{error:#}"),
            }
        }
        bail!("view {name}: {said}")
    }

    /// How long it took until both views had counted so many events; `None` if they did not.
    pub(crate) fn caught_up(&self, events: u64, max: Duration) -> Result<Option<Duration>> {
        let begin = SystemClock.monotonic();
        loop {
            // While everything is away, nothing answers: that is waited for, too.
            let counted = |view: Result<BTreeMap<String, Counted>>| {
                view.map_or(0, |rows| rows.values().map(|row| row.events).sum::<u64>())
            };
            let least = counted(self.view("by_client", "client"))
                .min(counted(self.view("by_tier", "tier")));
            let waited = SystemClock.monotonic() - begin;
            if least >= events {
                return Ok(Some(waited));
            }
            if waited > max {
                return Ok(None);
            }
            thread::sleep(POLL);
        }
    }

    /// Everything that was acknowledged is counted once: by client, by tier, and in the stream.
    pub(crate) fn compare(&self, ledger: &Ledger, is_exact: bool) -> Result<Compared> {
        let by_client = self.view("by_client", "client")?;
        let by_tier = self.view("by_tier", "tier")?;
        let mut compared = Compared {
            rows: by_client.len() + by_tier.len(),
            ..Compared::default()
        };
        let total = |rows: &BTreeMap<String, Counted>| Counted {
            events: rows.values().map(|row| row.events).sum(),
            numbers: rows.values().map(|row| row.numbers).sum(),
        };
        let (clients, tiers) = (total(&by_client), total(&by_tier));
        compared.counted = clients.events;
        let mut view = BTreeMap::new();
        for (client, counted) in by_client {
            view.insert(client.parse().context("a client is a number")?, counted);
        }
        compared.mistakes = ledger.mistakes(&view, is_exact);
        if clients != tiers {
            compared
                .mistakes
                .push(format!("by_client has {clients:?}, by_tier {tiers:?}"));
        }
        self.compare_stream(clients, is_exact, &mut compared)?;
        Ok(compared)
    }

    /// The views count every row of the stream once.
    fn compare_stream(
        &self,
        views: Counted,
        is_exact: bool,
        compared: &mut Compared,
    ) -> Result<()> {
        let question =
            "SELECT count(*) AS events, count(DISTINCT event_id) AS different FROM ledger";
        let rows = self.sql(question)?;
        let row = rows.first().context("a count has one row")?;
        let (events, different) = (number(&row["events"])?, number(&row["different"])?);
        compared.stream = events;
        let wanted = if is_exact { different } else { events };
        if views.events != wanted {
            let found = views.events;
            compared.mistakes.push(format!(
                "the stream has {events} rows, {different} different ones; views count {found}"
            ));
        }
        Ok(())
    }
}

fn read(
    doors: &Doors,
    attempt: usize,
    (name, key): (&str, &str),
) -> Result<BTreeMap<String, Counted>> {
    let (address, secret) = doors.of(attempt);
    let start = format!("GET /v1/views/{name}/rows?limit=100000");
    let head = "accept: application/x-ndjson\r\n";
    let (status, body) = ask_once(address, &Request::new(&start, secret, head, b""))?;
    let text = || String::from_utf8_lossy(&body);
    ensure!(status == 200, "status {status}: {}", text());
    let mut rows = BTreeMap::new();
    for row in lines(&body)? {
        let counted = Counted {
            events: number(&row["events"])?,
            numbers: number(&row["numbers"])?,
        };
        let of = match &row[key] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        ensure!(
            rows.insert(of, counted).is_none(),
            "{name} has two rows of one key: {row}"
        );
    }
    Ok(rows)
}

fn lines(body: &[u8]) -> Result<Vec<Value>> {
    let text = String::from_utf8_lossy(body);
    let rows = text.lines().filter(|line| !line.is_empty());
    rows.map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
        .collect()
}

/// A number as answers spell it: large ones, and those of NUMERIC, are texts.
pub(crate) fn number(value: &Value) -> Result<u64> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.parse().with_context(|| format!("{value} is no count"))
}

/// Looks all the time whether a row goes back.
#[derive(Debug)]
pub(crate) struct Watch {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Watched>,
}

/// What was seen meanwhile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched {
    /// Answers.
    pub(crate) looks: u64,
    /// Attempts without an answer.
    pub(crate) refusals: u64,
    /// Rows that were older than before.
    pub(crate) mistakes: Vec<String>,
}

impl Watch {
    pub(crate) fn start(doors: &Arc<Doors>) -> Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (until, doors) = (Arc::clone(&is_over), Arc::clone(doors));
        let thread = thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || watch(&doors, &until))?;
        Ok(Self { is_over, thread })
    }

    pub(crate) fn stop(self) -> Result<Watched> {
        self.is_over.store(true, Ordering::Release);
        match self.thread.join() {
            Ok(watched) => Ok(watched),
            Err(_panicked) => bail!("the thread of the watch has panicked"),
        }
    }
}

fn watch(doors: &Doors, is_over: &AtomicBool) -> Watched {
    let mut watched = Watched::default();
    let mut before: [BTreeMap<String, Counted>; 2] = Default::default();
    let mut attempt = 0;
    while !is_over.load(Ordering::Acquire) {
        attempt += 1;
        for (view, before) in VIEWS.into_iter().zip(&mut before) {
            match read(doors, attempt, view) {
                Ok(rows) => {
                    watched.looks += 1;
                    watched.mistakes.extend(gone_back(view, before, &rows));
                    *before = rows;
                }
                Err(_refused) => watched.refusals += 1,
            }
        }
        thread::sleep(POLL);
    }
    watched
}

/// Rows that are older than they were, or gone.
fn gone_back(
    (_, key): (&str, &str),
    before: &BTreeMap<String, Counted>,
    now: &BTreeMap<String, Counted>,
) -> Vec<String> {
    let is_older = |(value, old): (&String, &Counted)| {
        let new = now.get(value).copied().unwrap_or_default();
        let is_older = new.events < old.events || new.numbers < old.numbers;
        is_older.then(|| format!("{key} {value} went back from {old:?} to {new:?}"))
    };
    before.iter().filter_map(is_older).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_rows_that_go_back() {
        let rows = |events| -> BTreeMap<String, Counted> {
            let numbers = 0;
            [("1".to_owned(), Counted { events, numbers })].into()
        };
        let check = |before, now| gone_back(VIEWS[0], &before, &now).len();
        assert_eq!(check(rows(3), rows(3)), 0);
        assert_eq!(check(rows(3), rows(4)), 0);
        assert_eq!(check(rows(4), rows(3)), 1);
        assert_eq!(check(rows(4), BTreeMap::new()), 1);
    }

    #[test]
    fn reads_numbers_in_both_spellings() {
        assert_eq!(number(&serde_json::json!(7)).unwrap(), 7);
        assert_eq!(
            number(&serde_json::json!("12345678901234567")).unwrap(),
            12_345_678_901_234_567
        );
        assert!(number(&Value::Null).is_err());
    }
}
