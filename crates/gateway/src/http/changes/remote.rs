//! Feeds of a node of many: rows and changes as the node reads them, from any
//! place that a feed on any node has told of.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::stream;
use mainstem_catalog::Object;
use mainstem_kernel::{Fault, Problem, Reached, StreamId};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{HEARTBEAT, HttpError, LAST_EVENT_ID, LAST_EVENT_ID_NAME, Slot, event::Form, send};
use crate::{
    FeedBegin, RemoteFeed,
    http::{
        Door,
        call::{Call, Outcome, parse_position},
        problem::Refusal,
        routes::FROM,
        stopped,
    },
};

/// How long it is waited where nothing has come.
const PAUSE: Duration = Duration::from_millis(25);

/// A feed under way.
struct Feed {
    door: Arc<Door>,
    object: StreamId,
    name: String,
    remote: Option<Box<dyn RemoteFeed>>,
    begin: FeedBegin,
    /// When something was sent last.
    sent: Instant,
    shutdown: watch::Receiver<bool>,
    is_over: bool,
    form: Form,
    _slot: Slot,
}

/// Follows a stream, a table or a view.
pub(super) fn follow(call: Call, (object, name): (StreamId, String)) -> Outcome {
    let begin = begin(&call)?;
    let feed = Feed {
        _slot: call.door.feeds.open()?,
        shutdown: call.door.shutdown.clone(),
        form: Form::of(&call.head.headers),
        door: Arc::clone(&call.door),
        remote: None,
        sent: Instant::now(),
        is_over: false,
        object,
        name,
        begin,
    };
    let chunks = stream::unfold(feed, |mut feed| async move {
        let chunk = feed.next().await?;
        Some((chunk, feed))
    });
    send(call, chunks)
}

fn begin(call: &Call) -> Result<FeedBegin, Refusal> {
    if let Some(id) = call.head.headers.get(&LAST_EVENT_ID) {
        // As long as the stream has partitions; what is no text is no place either.
        let id = String::from_utf8_lossy(id.as_bytes());
        return Ok(at(LAST_EVENT_ID_NAME, &id)?);
    }
    match call.parameter(FROM.name)?.as_deref() {
        None | Some("now") => Ok(FeedBegin::Now),
        Some("earliest") => Ok(FeedBegin::Earliest),
        Some(text) => Ok(at(super::FROM_NAME, text)?),
    }
}

fn at(what: &'static str, text: &str) -> Result<FeedBegin, HttpError> {
    match parse_position(what, text.to_owned())? {
        Reached::Offsets(place) => Ok(FeedBegin::At(place)),
        position @ Reached::Seq(_) => Err(HttpError::Elsewhere { position }),
    }
}

impl Feed {
    /// The next bytes of the feed; none once it is over.
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        match self.told().await {
            Ok(bytes) => bytes,
            Err(problem) => {
                self.is_over = true;
                tracing::warn!(name = self.name, code = %problem.code, problem.message, "feed ended");
                Some(self.form.problem(&problem))
            }
        }
    }

    async fn told(&mut self) -> Result<Option<Bytes>, Problem> {
        if self.remote.is_none() {
            return self.open().await.map(Some);
        }
        loop {
            if *self.shutdown.borrow() {
                return Ok(None);
            }
            let Some(remote) = &mut self.remote else {
                return Ok(None);
            };
            let events = remote.read()?;
            if !events.is_empty() {
                let mut text = Vec::new();
                for (data, place) in &events {
                    self.form
                        .push(&mut text, &[data.as_slice()], place.as_ref());
                }
                self.sent = Instant::now();
                return Ok(Some(text.into()));
            }
            if self.sent.elapsed() >= HEARTBEAT {
                self.sent = Instant::now();
                let mark = self.form.mark(remote.place());
                self.is_there().map_err(|error| error.problem())?;
                return Ok(Some(mark));
            }
            tokio::select! {
                biased;
                () = stopped(&mut self.shutdown) => return Ok(None),
                () = sleep(PAUSE) => {}
            }
        }
    }

    /// Asks the brokers where it begins, and tells of it.
    async fn open(&mut self) -> Result<Bytes, Problem> {
        let (door, object, begin) = (Arc::clone(&self.door), self.object, self.begin.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let feeds = door.parts.feeds.as_ref();
            feeds.map(|feeds| feeds.follow(object, begin)).transpose()
        });
        let opened = opened
            .await
            .map_err(|source| HttpError::Panicked { source }.problem())?;
        let remote = opened?.ok_or_else(|| HttpError::NotYet { what: super::FEEDS }.problem())?;
        let mark = self.form.mark(remote.place());
        self.remote = Some(remote);
        Ok(mark)
    }

    /// A feed ends when what it follows does.
    fn is_there(&self) -> Result<(), HttpError> {
        let definitions = self.door.parts.catalog.definitions();
        let is_there = match definitions.by_id(self.object) {
            Some(Object::Stream(def)) => def.dropped.is_none(),
            Some(Object::Table(def)) => def.dropped.is_none(),
            Some(Object::View(def)) => def.is_running(),
            None => false,
        };
        match is_there {
            true => Ok(()),
            false => Err(HttpError::Feed {
                name: self.name.clone(),
                reason: "It was dropped or replaced.".to_owned(),
            }),
        }
    }
}
