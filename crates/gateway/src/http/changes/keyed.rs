//! The changes of rows by key as server-sent events: of each checkpoint the rows as they are after
//! it, one event per key. Only what survives a crash is sent.
//!
//! `data:` is `{"op":"upsert","key":{…},"after":{…}}` or `{"op":"delete","key":{…}}`. `id:` is a
//! position and comes with the last change of a checkpoint. Who resumes there misses nothing; a
//! change may come twice, with the same row. `from=earliest` sends the rows that are there first.
//! `EMIT ON UPDATE EVERY` paces the feed: then a key has one event per span, of its last change.

mod told;

use std::{io, sync::Arc};

use bytes::Bytes;
use futures::stream;
use mainstem_kernel::{Fault, Position, Seq, fault::chain};
use mainstem_sql::AppRows;
use mainstem_store::KeyRange;
use mainstem_table::{Scan, TableError, Tables};
use tokio::{sync::watch, time::Instant};

pub(super) use told::Followed;

use super::{
    CHUNK_BYTES_MAX, HEARTBEAT, HttpError, LAST_EVENT_ID, LAST_EVENT_ID_NAME, Slot, Stage, event,
};
use crate::http::{
    answer,
    call::{Call, Outcome, parse_position, short_header, shorten},
    problem::Refusal,
    routes::FROM,
    stopped,
};

/// Rows of a first event.
const SCAN_ROWS: usize = 1_000;
/// About how much is read at once where changes are paced: more of it comes at another pace.
const PACED_BYTES_MAX: usize = 16 << 20;

/// A feed under way.
struct Feed {
    followed: Arc<Followed>,
    tables: Arc<Tables>,
    /// Everything up to here was sent.
    cursor: Seq,
    /// Rows that are there, while they are sent.
    rows: Option<Box<Scan>>,
    /// No change is told before.
    pause: Option<Instant>,
    committed: watch::Receiver<Seq>,
    shutdown: watch::Receiver<bool>,
    stage: Stage,
    _slot: Slot,
}

/// Where a feed begins.
enum Begin {
    Rows,
    After(Seq),
}

/// Follows a table or a view whose rows change.
pub(super) fn follow(call: Call, followed: Followed) -> Outcome {
    let AppRows { tables, .. } = call
        .door
        .parts
        .engine
        .rows_of(call.tenant(), &followed.app)?;
    let committed = tables.watch_committed();
    let now = *committed.borrow();
    let (cursor, rows) = match begin(&call, now)? {
        Begin::After(seq) => (seq, None),
        // What changes between the two comes again, as it is then.
        Begin::Rows => {
            let scan = tables
                .pointer()
                .scan(followed.id, &KeyRange::all(), SCAN_ROWS);
            (now, Some(Box::new(scan.map_err(Refusal::from)?)))
        }
    };
    let feed = Feed {
        followed: Arc::new(followed),
        tables,
        cursor,
        rows,
        pause: None,
        committed,
        shutdown: call.door.shutdown.clone(),
        stage: Stage::Begin,
        _slot: call.door.feeds.open()?,
    };
    let chunks = stream::unfold(feed, |mut feed| async move {
        let chunk = feed.next().await?;
        Some((io::Result::Ok(chunk), feed))
    });
    Ok(answer::chunks("text/event-stream", Box::pin(chunks)))
}

fn begin(call: &Call, committed: Seq) -> Result<Begin, HttpError> {
    if let Some(id) = short_header(&call.head.headers, &LAST_EVENT_ID, LAST_EVENT_ID_NAME)? {
        let position = parse_position(LAST_EVENT_ID_NAME, id.to_owned())?;
        return Ok(Begin::After(position.seq()));
    }
    match call.parameter(FROM.name)?.as_deref() {
        None | Some("now") => Ok(Begin::After(committed)),
        Some("earliest") => Ok(Begin::Rows),
        Some(text) => {
            let position: Result<Position, _> = text.parse();
            let position = position.map_err(|_source| HttpError::Value {
                what: "parameter \"from\"",
                expected: "earliest, now, or a position as an earlier answer gave it".to_owned(),
                found: shorten(text),
            });
            position.map(|position| Begin::After(position.seq()))
        }
    }
}

impl Feed {
    /// The next bytes of the feed; `None` once it is over.
    async fn next(&mut self) -> Option<Bytes> {
        match self.stage {
            Stage::Begin => {
                self.stage = Stage::Rows;
                // Who loses the connection among the first rows begins again with them.
                match self.rows {
                    Some(_) => Some(Bytes::from_static(b": rows\n\n")),
                    None => Some(event::mark(Position::at(self.cursor))),
                }
            }
            Stage::Rows => match self.changes().await {
                Ok(bytes) => bytes,
                Err(problem) => {
                    self.stage = Stage::Over;
                    Some(problem)
                }
            },
            Stage::Over => None,
        }
    }

    /// The next events, or the problem that ends the feed.
    async fn changes(&mut self) -> Result<Option<Bytes>, Bytes> {
        loop {
            if *self.shutdown.borrow() {
                return Ok(None);
            }
            if let Some(bytes) = self.first().await? {
                return Ok(Some(bytes));
            }
            let committed = *self.committed.borrow_and_update();
            if committed <= self.cursor {
                if let Some(bytes) = self.wait().await {
                    return Ok(Some(bytes));
                }
                continue;
            }
            if !self.is_due().await {
                continue;
            }
            let (tables, followed) = (Arc::clone(&self.tables), Arc::clone(&self.followed));
            let after = self.cursor;
            // It may read redo files.
            let read = tokio::task::spawn_blocking(move || {
                let paced = followed.every.is_some();
                let bytes = if paced {
                    PACED_BYTES_MAX
                } else {
                    CHUNK_BYTES_MAX
                };
                let changes = tables.changes(followed.id, after, bytes)?;
                Ok::<_, TableError>((changes.through, followed.events(&changes.entries)))
            });
            let read = read.await;
            let read = read.map_err(|source| self.over(&HttpError::Panicked { source }))?;
            let (through, events) = read.map_err(|error| self.over(&error))?;
            let events = events.map_err(|reason| self.broken(reason))?;
            self.cursor = self.cursor.max(through);
            if !events.is_empty() {
                self.pause = self.followed.every.map(|every| Instant::now() + every);
                return Ok(Some(events));
            }
        }
    }

    /// Waits until changes may be told again; false if the node stops before.
    async fn is_due(&mut self) -> bool {
        let Some(pause) = self.pause.take() else {
            return true;
        };
        tokio::select! {
            biased;
            () = stopped(&mut self.shutdown) => false,
            () = tokio::time::sleep_until(pause) => true,
        }
    }

    /// Some of the rows that are there; then the position behind which changes follow.
    async fn first(&mut self) -> Result<Option<Bytes>, Bytes> {
        let Some(mut scan) = self.rows.take() else {
            return Ok(None);
        };
        let read = tokio::task::spawn_blocking(move || {
            let batch = scan.next();
            (scan, batch)
        });
        let read = read
            .await
            .map_err(|source| self.over(&HttpError::Panicked { source }))?;
        match read {
            (scan, Some(batch)) => {
                self.rows = Some(scan);
                let batch = batch.map_err(|error| self.over(&error))?;
                let rows = self.followed.rows(&batch);
                rows.map(Some).map_err(|reason| self.broken(reason))
            }
            (_, None) => Ok(Some(event::mark(Position::at(self.cursor)))),
        }
    }

    /// Waits for more; gives a comment when that takes long.
    async fn wait(&mut self) -> Option<Bytes> {
        let cursor = self.cursor;
        tokio::select! {
            biased;
            () = stopped(&mut self.shutdown) => None,
            _ = self.committed.wait_for(|committed| *committed > cursor) => None,
            () = tokio::time::sleep(HEARTBEAT) => Some(event::mark(Position::at(cursor))),
        }
    }

    fn broken(&self, reason: String) -> Bytes {
        self.over(&HttpError::Feed {
            name: self.followed.name.clone(),
            reason,
        })
    }

    /// The last event, and a line for the operator.
    fn over(&self, error: &dyn Fault) -> Bytes {
        tracing::warn!(
            name = self.followed.name,
            error = chain(error),
            "feed ended"
        );
        event::problem(&error.problem())
    }
}
