//! The rows of one stream: from the feed of this server through the door of the other.
//!
//! The feed is in the order of the log, so views there meet the rows as they were met here. It
//! never ends by itself: whoever started it looks at its progress.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use mainstem_kernel::Code;
use reqwest::{Method, header};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::{
    super::load::{Batch, Sender},
    errors::MoveError,
    notebook::{Notebook, Place},
};
use crate::{
    args::RowFormat,
    client::{Server, path_part},
    failure::{Failure, Outcome},
    sse::{Event, Parser},
};

/// Rows of one request.
const BATCH_ROWS_MAX: u32 = 20_000;
/// Bytes of one request.
const BATCH_BYTES_MAX: usize = 2 << 20;
/// A batch is sent when nothing has come for this long.
const GATHER: Duration = Duration::from_millis(10);
/// Waits after a break, growing to this.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Breaks in a row, without a row between, before it gives up.
const BREAKS_MAX: u32 = 30;
/// The field of what a stream does not declare.
const EXTRA: &str = "_extra";

/// Carries a stream.
#[derive(Debug)]
pub(super) struct Carrier {
    pub(super) here: Server,
    pub(super) there: Server,
    pub(super) stream: String,
    pub(super) notebook: Arc<Notebook>,
    /// Rows that the other server has acknowledged.
    pub(super) progress: watch::Sender<u64>,
}

/// Answer of `GET /v1/streams/{s}/producers/{name}`.
#[derive(Debug, Deserialize)]
struct NextRow {
    next_row: u64,
}

/// Rows that are sent together, and where the feed stands behind them.
#[derive(Debug, Default)]
struct Gathered {
    body: Vec<u8>,
    rows: u32,
    after: Option<String>,
    since: u64,
}

impl Carrier {
    /// Carries rows until it is dropped.
    pub(super) async fn carry(self) -> Outcome {
        let mut place = self.taken_up().await?;
        let producer = self.notebook.producer(place.run);
        let sender = Sender::new(
            self.there.clone(),
            &self.stream,
            &producer,
            RowFormat::Ndjson,
        );
        let mut breaks = 0_u32;
        loop {
            let before = place.rows;
            match self.follow(&sender, &mut place).await {
                Err(failure) if breaks >= BREAKS_MAX => return Err(failure),
                Err(failure) if !is_break(&failure) => return Err(failure),
                Err(_) | Ok(()) => {}
            }
            breaks = if place.rows == before { breaks + 1 } else { 0 };
            let wait = Duration::from_millis(100).saturating_mul(1 << breaks.min(5));
            tokio::time::sleep(wait.min(WAIT_MAX)).await;
        }
    }

    /// Where the last run ended, also if its last batch arrived without being noted.
    async fn taken_up(&self) -> Outcome<Place> {
        let mut place = self.notebook.stream(&self.stream);
        if place.run > 0 {
            let path = format!(
                "/v1/streams/{}/producers/{}",
                path_part(&self.stream),
                path_part(&self.notebook.producer(place.run))
            );
            let known: NextRow = self.there.get(&path).await?;
            let arrived = place.base.saturating_add(known.next_row);
            let unnoted = arrived.saturating_sub(place.rows);
            place.rows = place.rows.saturating_add(unnoted);
            place.since = place.since.saturating_add(unnoted);
        }
        place.run = place.run.saturating_add(1);
        place.base = place.rows;
        self.notebook.note(&self.stream, &place)?;
        self.progress.send_replace(place.rows);
        Ok(place)
    }

    /// One connection, until it breaks.
    async fn follow(&self, sender: &Sender, place: &mut Place) -> Outcome {
        let path = format!(
            "/v1/streams/{}/changes?from=earliest",
            path_part(&self.stream)
        );
        let mut request = self.here.request(Method::GET, &path);
        if let Some(after) = &place.after {
            request = request.header("Last-Event-ID", after);
        }
        let request = request.header(header::ACCEPT, "text/event-stream");
        let response = self.here.send(request).await?;
        let mut parser = Parser::default();
        let mut parts = response.bytes_stream();
        let mut skip = place.since;
        let mut gathered = Gathered::behind(place);
        loop {
            let next = tokio::time::timeout(GATHER, parts.next()).await;
            let part = match next {
                Err(_quiet) => {
                    self.send(sender, &mut gathered, place).await?;
                    match parts.next().await {
                        Some(part) => part,
                        None => return Ok(()),
                    }
                }
                Ok(Some(part)) => part,
                Ok(None) => return self.send(sender, &mut gathered, place).await,
            };
            let part = part.map_err(|source| self.here.unreachable(source))?;
            for event in parser.push(&part) {
                if !matches!(event.kind.as_str(), "" | "message") {
                    continue;
                }
                gathered.take(event, &mut skip);
                if gathered.is_full() {
                    self.send(sender, &mut gathered, place).await?;
                }
            }
        }
    }

    /// Sends what was gathered until it is acknowledged, and notes it.
    async fn send(&self, sender: &Sender, gathered: &mut Gathered, place: &mut Place) -> Outcome {
        if gathered.rows > 0 {
            let batch = Batch {
                first: place.rows.saturating_sub(place.base),
                rows: gathered.rows,
                body: Bytes::from(std::mem::take(&mut gathered.body)),
            };
            let ack = sender.send(&batch, |_why| {}).await?;
            if let Some(reject) = ack.rejects.first() {
                return Err(MoveError::Refused {
                    stream: self.stream.clone(),
                    reason: format!("{}: {}", reject.code, reject.reason),
                }
                .into());
            }
            place.rows = place.rows.saturating_add(u64::from(gathered.rows));
            gathered.rows = 0;
            place.after.clone_from(&gathered.after);
            place.since = gathered.since;
            self.notebook.note(&self.stream, place)?;
            self.progress.send_replace(place.rows);
        }
        Ok(())
    }
}

impl Gathered {
    /// None, behind a place whose rows come again.
    fn behind(place: &Place) -> Self {
        Self {
            after: place.after.clone(),
            ..Self::default()
        }
    }

    /// Takes a row; the first ones that come again are left out.
    fn take(&mut self, event: Event, skip: &mut u64) {
        match *skip {
            0 => {
                self.body.extend_from_slice(&flat(&event.data));
                self.body.push(b'\n');
                self.rows += 1;
            }
            _ => *skip -= 1,
        }
        self.since += 1;
        if event.id.is_some() {
            self.after = event.id;
            self.since = 0;
        }
    }

    fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS_MAX || self.body.len() >= BATCH_BYTES_MAX
    }
}

/// Whether a connection broke, which passes.
fn is_break(failure: &Failure) -> bool {
    let code = Code::Cli002.as_str();
    failure.problems.iter().any(|shown| shown.code == code)
}

/// A row as its sender spelled it: undeclared fields beside the others.
fn flat(row: &str) -> Vec<u8> {
    if !row.contains("\"_extra\":") {
        return row.as_bytes().to_vec();
    }
    let parse = |text| serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(text);
    let Ok(mut fields) = parse(row) else {
        return row.as_bytes().to_vec();
    };
    if let Some(extra) = fields.remove(EXTRA)
        && let Ok(extra) = parse(extra.get())
    {
        fields.extend(extra);
    }
    serde_json::to_vec(&fields).unwrap_or_else(|_never| row.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(data: &str, id: Option<&str>) -> Event {
        Event {
            id: id.map(str::to_owned),
            kind: String::new(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn undeclared_fields_stand_beside_the_others_again() {
        let flat = |row| String::from_utf8(flat(row)).unwrap();
        assert_eq!(flat("{\"a\":1.50}"), "{\"a\":1.50}");
        assert_eq!(
            flat("{\"a\":1.50,\"_extra\":{\"b\":1e400,\"c\":{}}}"),
            "{\"a\":1.50,\"b\":1e400,\"c\":{}}"
        );
        assert_eq!(flat("{\"a\":1,\"_extra\":null}"), "{\"a\":1}");
    }

    #[test]
    fn what_comes_again_is_left_out_and_the_place_is_behind_what_was_taken() {
        let place = Place {
            after: Some("p1".to_owned()),
            since: 2,
            rows: 12,
            ..Place::default()
        };
        let mut gathered = Gathered::behind(&place);
        let mut skip = place.since;
        for (data, id) in [("{1}", None), ("{2}", None), ("{3}", None)] {
            gathered.take(row(data, id), &mut skip);
        }
        assert_eq!(
            (gathered.body.as_slice(), gathered.rows),
            (&b"{3}\n"[..], 1)
        );
        assert_eq!((gathered.after.as_deref(), gathered.since), (Some("p1"), 3));
        gathered.take(row("{4}", Some("p2")), &mut skip);
        assert_eq!((gathered.after.as_deref(), gathered.since), (Some("p2"), 0));
    }
}
