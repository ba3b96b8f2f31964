//! Change feeds: the rows of a stream, and of a view that is one, from history and then as they
//! arrive; changes of rows by key are in `keyed`. Nothing is kept for a slow reader: what it has not
//! taken is read again from the log.
//!
//! They come as server-sent events, or as messages of a WebSocket to who asks for one (`socket`).
//!
//! One event per row, `data:` is the row as JSON. `id:` is a position and comes with the last
//! row of a frame alone, so that who resumes there gets no row twice and misses none. While
//! nothing comes, a comment with the newest position is sent every 15 s.
//!
//! Source of the format: HTML Standard, section 9.2.

mod event;
mod keyed;
mod past;
mod remote;

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use hyper::header::HeaderName;
use mainstem_catalog::{Kind, Object, StreamDef};
use mainstem_kernel::{Fault, Position, Seq, StreamId, fault::chain, metrics::Metrics};
use mainstem_log::{Chunk, ReadError, ReadFrom, SharedLog};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinError,
};

use super::{
    Door, answer,
    call::{Call, Outcome, local, no_object, parse_seq, short_header},
    errors::HttpError,
    routes::FROM,
    socket, stopped,
};
use event::Form;
use past::Past;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// A comment is sent when nothing else was for this long.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// About how much is read from the log at once.
const CHUNK_BYTES_MAX: usize = 256 << 10;

/// Bounds and counts the feeds that are open.
#[derive(Debug)]
pub(crate) struct Feeds {
    slots: Arc<Semaphore>,
    limit: usize,
    metrics: Arc<Metrics>,
}

/// One open feed.
#[derive(Debug)]
struct Slot {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl Feeds {
    /// None is open.
    pub(crate) fn new(limit: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            slots: Arc::new(Semaphore::new(limit)),
            limit,
            metrics,
        })
    }

    fn open(&self) -> Result<Slot, HttpError> {
        let permit = Arc::clone(&self.slots).try_acquire_owned();
        let permit = permit.map_err(|_full| HttpError::FeedsFull { limit: self.limit })?;
        self.metrics.feeds_open.inc();
        Ok(Slot {
            _permit: permit,
            metrics: Arc::clone(&self.metrics),
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.metrics.feeds_open.dec();
    }
}

/// A feed under way.
struct Feed {
    door: Arc<Door>,
    stream: StreamId,
    name: String,
    /// Everything up to here was sent.
    cursor: Seq,
    /// Rows below what the log still has, while there are such.
    past: Option<Past>,
    frontier: watch::Receiver<Seq>,
    log: SharedLog,
    shutdown: watch::Receiver<bool>,
    stage: Stage,
    form: Form,
    _slot: Slot,
}

type ReadAnswer = Result<Chunk, ReadError>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Begin,
    Rows,
    Over,
}

/// `GET /v1/streams/{stream}/changes`.
pub(crate) async fn follow(call: Call) -> Outcome {
    let stream = call.stream()?;
    follow_stream(call, &stream)
}

/// `GET /v1/tables/{table}/changes`.
pub(crate) async fn follow_table(call: Call) -> Outcome {
    let definitions = call.door.parts.catalog.definitions();
    match definitions.table(call.tenant(), &call.name) {
        Some(def) => keyed::follow(call, keyed::Followed::of_table(def)),
        None => Err(no_object(&definitions, call.tenant(), (Kind::Table, &call.name)).into()),
    }
}

/// `GET /v1/views/{view}/changes`.
pub(crate) async fn follow_view(call: Call) -> Outcome {
    let definitions = call.door.parts.catalog.definitions();
    let Some(def) = definitions.view(call.tenant(), &call.name) else {
        return Err(no_object(&definitions, call.tenant(), (Kind::View, &call.name)).into());
    };
    match def.stream() {
        Some(stream) => follow_stream(call, &stream),
        None => keyed::follow(call, keyed::Followed::of_view(def)),
    }
}

fn follow_stream(call: Call, stream: &StreamDef) -> Outcome {
    if call.door.parts.feeds.is_some() {
        return remote::follow(call, (stream.id, stream.spec.name.to_string()));
    }
    let log = Arc::clone(&local(&call.door, FEEDS)?.log);
    let frontier = log.watch();
    let cursor = begin(&call, *frontier.borrow())?;
    let slot = call.door.feeds.open()?;
    let feed = Feed {
        stream: stream.id,
        name: stream.spec.name.to_string(),
        cursor,
        past: None,
        frontier,
        log,
        shutdown: call.door.shutdown.clone(),
        stage: Stage::Begin,
        form: Form::of(&call.head.headers),
        _slot: slot,
        door: Arc::clone(&call.door),
    };
    let chunks = stream::unfold(feed, |mut feed| async move {
        let chunk = feed.next().await?;
        Some((chunk, feed))
    });
    send(call, chunks)
}

/// Answers with what a feed says, in the form that the request wishes.
fn send(mut call: Call, chunks: impl Stream<Item = Bytes> + Send + 'static) -> Outcome {
    match Form::of(&call.head.headers) {
        Form::Messages => socket::open(&mut call, chunks),
        Form::Events => {
            let chunks = Box::pin(chunks.map(io::Result::Ok));
            Ok(answer::chunks("text/event-stream", chunks))
        }
    }
}

/// After which seq the feed begins.
fn begin(call: &Call, frontier: Seq) -> Result<Seq, HttpError> {
    if let Some(id) = short_header(&call.head.headers, &LAST_EVENT_ID, LAST_EVENT_ID_NAME)? {
        return parse_seq(LAST_EVENT_ID_NAME, id.to_owned());
    }
    match call.parameter(FROM.name)?.as_deref() {
        None | Some("now") => Ok(frontier),
        Some("earliest") => Ok(Seq::ZERO),
        Some(text) => from(text),
    }
}

/// A position as `?from=` gives it.
fn from(text: &str) -> Result<Seq, HttpError> {
    match parse_seq(FROM_NAME, text.to_owned()) {
        Err(HttpError::Value { what, found, .. }) => Err(HttpError::Value {
            what,
            expected: "earliest, now, or a position as an earlier answer gave it".to_owned(),
            found,
        }),
        parsed => parsed,
    }
}

const FROM_NAME: &str = "parameter \"from\"";
/// What is told of feeds beyond one machine.
const FEEDS: &str = "a feed of changes";
const LAST_EVENT_ID_NAME: &str = "header \"Last-Event-ID\"";

impl Feed {
    /// The next bytes of the feed; `None` once it is over.
    async fn next(&mut self) -> Option<Bytes> {
        match self.stage {
            Stage::Begin => {
                self.stage = Stage::Rows;
                Some(self.form.mark(Position::at(self.cursor)))
            }
            Stage::Rows => match self.rows().await {
                Ok(bytes) => bytes,
                Err(error) => {
                    self.stage = Stage::Over;
                    tracing::warn!(stream = self.name, error = chain(&error), "feed ended");
                    Some(self.form.problem(&error.problem()))
                }
            },
            Stage::Over => None,
        }
    }

    async fn rows(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            if *self.shutdown.borrow() {
                return Ok(None);
            }
            if let Some(past) = &mut self.past {
                match past.next(&self.door, self.cursor).await? {
                    past::Next::Rows(bytes) => return Ok(Some(bytes)),
                    past::Next::Through(seq) => self.cursor = self.cursor.max(seq),
                    past::Next::Over => self.past = None,
                }
                continue;
            }
            let frontier = *self.frontier.borrow_and_update();
            let read = self.read(frontier).await;
            let chunk = match read.map_err(|source| HttpError::Panicked { source })? {
                Ok(chunk) => chunk,
                Err(ReadError::Trimmed { trimmed, .. }) => {
                    self.past = Some(Past::new((self.definition()?, self.form), trimmed));
                    continue;
                }
                Err(error) => return Err(self.unreadable(&error)),
            };
            self.cursor = self.cursor.max(chunk.through);
            if !chunk.frames.is_empty() {
                let stream = self.definition()?;
                let bytes = self.form.frames(&stream, &chunk.frames);
                return Ok(Some(bytes.map_err(|reason| self.broken(reason))?));
            }
            if chunk.is_end
                && let Some(bytes) = self.wait().await
            {
                return Ok(Some(bytes));
            }
        }
    }

    /// What the log has beyond the cursor, or up to where it was trimmed. It may ask the disk.
    fn read(&self, frontier: Seq) -> impl Future<Output = Result<ReadAnswer, JoinError>> + use<> {
        let log = Arc::clone(&self.log);
        let (stream, after) = (self.stream, self.cursor);
        // The common case: other streams moved the frontier.
        let is_other = log
            .extent(stream)
            .is_some_and(|extent| extent.last <= after);
        let from = ReadFrom {
            after,
            through: Seq::MAX,
            bytes_max: CHUNK_BYTES_MAX,
        };
        async move {
            if is_other {
                return Ok(Ok(Chunk {
                    frames: Vec::new(),
                    through: frontier,
                    is_end: true,
                }));
            }
            tokio::task::spawn_blocking(move || log.read(stream, from)).await
        }
    }

    /// Waits for more; gives a comment when that takes long.
    async fn wait(&mut self) -> Option<Bytes> {
        let cursor = self.cursor;
        tokio::select! {
            biased;
            () = stopped(&mut self.shutdown) => None,
            _ = self.frontier.wait_for(|frontier| *frontier > cursor) => None,
            () = tokio::time::sleep(HEARTBEAT) => Some(self.form.mark(Position::at(cursor))),
        }
    }

    /// The stream as it is now; a feed ends when its stream does.
    fn definition(&self) -> Result<Arc<StreamDef>, HttpError> {
        let definitions = self.door.parts.catalog.definitions();
        let stream = match definitions.by_id(self.stream) {
            Some(Object::Stream(def)) => Some(Arc::clone(def)),
            Some(Object::View(def)) if def.is_running() => def.stream().map(Arc::new),
            _ => None,
        };
        stream
            .filter(|def| def.dropped.is_none())
            .ok_or_else(|| self.broken("It was dropped or replaced.".to_owned()))
    }

    fn unreadable(&self, error: &ReadError) -> HttpError {
        tracing::warn!(
            stream = self.name,
            error = chain(error),
            "feed could not read the log"
        );
        self.broken("The node's log says more.".to_owned())
    }

    fn broken(&self, reason: String) -> HttpError {
        HttpError::Feed {
            name: self.name.clone(),
            reason,
        }
    }
}
