//! The changes of rows by key, as soon as they are visible: of each key the
//! row as it is, one event for all changes that come together.
//!
//! `data:` is `{"op":"upsert","key":{…},"after":{…}}` or `{"op":"delete","key":{…}}`. `id:` is a
//! position and comes with the last of the changes that lead to it. Who resumes there misses
//! nothing, whatever has crashed meanwhile; a change may come twice, the second time with the same
//! row or a newer one. `from=earliest` sends the rows that are there first. Changes are gathered
//! for a moment, so that a key that changes all the time has one event per moment; `EMIT ON UPDATE
//! EVERY` makes that moment longer.

mod told;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::stream;
use mainstem_kernel::{Fault, Position, Seq, fault::chain};
use mainstem_sql::AppRows;
use mainstem_store::KeyRange;
use mainstem_table::{Scan, TableError, Tables};
use tokio::{sync::watch, time::Instant};

pub(super) use told::Followed;

use super::{
    FEEDS, HEARTBEAT, HttpError, LAST_EVENT_ID, LAST_EVENT_ID_NAME, Slot, Stage, event::Form, from,
    remote, send,
};
use crate::http::{
    call::{Call, Outcome, local, parse_seq, short_header},
    problem::Refusal,
    routes::FROM,
    stopped,
};

/// Rows of a first event.
const SCAN_ROWS: usize = 1_000;
/// How long changes are gathered after the last that were told.
const GATHER: Duration = Duration::from_millis(20);
/// About how much of them is read at once.
const GATHERED_BYTES_MAX: usize = 2 << 20;
/// The same where the view itself paces its changes: of each key one event per pace.
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
    /// Told when there may be more.
    moved: watch::Receiver<Seq>,
    shutdown: watch::Receiver<bool>,
    stage: Stage,
    form: Form,
    _slot: Slot,
}

/// Where a feed begins.
enum Begin {
    Rows,
    After(Seq),
}

/// Follows a table or a view whose rows change.
pub(super) fn follow(call: Call, followed: Followed) -> Outcome {
    if call.door.parts.feeds.is_some() {
        return remote::follow(call, (followed.id, followed.name));
    }
    let local = local(&call.door, FEEDS)?;
    let AppRows { tables, .. } = local.engine.rows_of(call.tenant(), &followed.app)?;
    let mut moved = tables.follow();
    let now = *moved.borrow_and_update();
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
        moved,
        shutdown: call.door.shutdown.clone(),
        stage: Stage::Begin,
        form: Form::of(&call.head.headers),
        _slot: call.door.feeds.open()?,
    };
    let chunks = stream::unfold(feed, |mut feed| async move {
        let chunk = feed.next().await?;
        Some((chunk, feed))
    });
    send(call, chunks)
}

fn begin(call: &Call, now: Seq) -> Result<Begin, HttpError> {
    if let Some(id) = short_header(&call.head.headers, &LAST_EVENT_ID, LAST_EVENT_ID_NAME)? {
        let seq = parse_seq(LAST_EVENT_ID_NAME, id.to_owned())?;
        return Ok(Begin::After(seq));
    }
    match call.parameter(FROM.name)?.as_deref() {
        None | Some("now") => Ok(Begin::After(now)),
        Some("earliest") => Ok(Begin::Rows),
        Some(text) => from(text).map(Begin::After),
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
                    Some(_) => Some(self.form.rows_first()),
                    None => Some(self.form.mark(Position::at(self.cursor))),
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
            if !self.is_due().await {
                continue;
            }
            // What comes while it reads is read at once.
            let now = *self.moved.borrow_and_update();
            let (tables, followed) = (Arc::clone(&self.tables), Arc::clone(&self.followed));
            let (after, form) = (self.cursor, self.form);
            // It may read redo files.
            let read = tokio::task::spawn_blocking(move || {
                let changes = tables.changes(followed.id, after, followed.bytes_max())?;
                Ok::<_, TableError>((changes.through, followed.events(&changes, form)))
            });
            let read = read.await;
            let read = read.map_err(|source| self.over(&HttpError::Panicked { source }))?;
            let (through, events) = read.map_err(|error| self.over(&error))?;
            let events = events.map_err(|reason| self.broken(reason))?;
            self.cursor = self.cursor.max(through);
            if !events.is_empty() {
                self.gather(through >= now);
                return Ok(Some(events));
            }
            if through == after
                && let Some(bytes) = self.wait().await
            {
                return Ok(Some(bytes));
            }
        }
    }

    /// No change is told for a while, unless it has to catch up.
    fn gather(&mut self, is_close: bool) {
        let pause = match self.followed.every {
            Some(every) => Some(every),
            None => is_close.then_some(GATHER),
        };
        self.pause = pause.map(|pause| Instant::now() + pause);
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
                let rows = self.followed.rows(&batch, self.form);
                rows.map(Some).map_err(|reason| self.broken(reason))
            }
            (_, None) => Ok(Some(self.form.mark(Position::at(self.cursor)))),
        }
    }

    /// Waits for more; gives a comment when that takes long.
    async fn wait(&mut self) -> Option<Bytes> {
        let cursor = self.cursor;
        tokio::select! {
            biased;
            () = stopped(&mut self.shutdown) => None,
            _ = self.moved.changed() => None,
            () = tokio::time::sleep(HEARTBEAT) => Some(self.form.mark(Position::at(cursor))),
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
        self.form.problem(&error.problem())
    }
}
