//! Feeds of a node of many for its doors.

use std::sync::Arc;

use mainstem_cluster::feeds::{Begin, Feed, Feeds};
use mainstem_gateway::{FeedBegin, RemoteEvent, RemoteFeed, RemoteFeeds};
use mainstem_kernel::{Fault as _, Offsets, Problem, StreamId};
use tokio::runtime::Handle;

/// Feeds of a node of many.
#[derive(Debug)]
pub(super) struct ClusterFeeds {
    pub(super) feeds: Arc<Feeds>,
    /// Clients of brokers are closed here: that takes a moment.
    pub(super) runtime: Handle,
}

/// One that is open.
struct Open {
    feed: Option<Feed>,
    runtime: Handle,
}

impl RemoteFeeds for ClusterFeeds {
    fn follow(&self, object: StreamId, begin: FeedBegin) -> Result<Box<dyn RemoteFeed>, Problem> {
        let begin = match begin {
            FeedBegin::Earliest => Begin::Earliest,
            FeedBegin::Now => Begin::Now,
            FeedBegin::At(place) => Begin::At(place),
        };
        let feed = self.feeds.follow(object, &begin);
        Ok(Box::new(Open {
            feed: Some(feed.map_err(|error| error.problem())?),
            runtime: self.runtime.clone(),
        }))
    }
}

impl RemoteFeed for Open {
    fn read(&mut self) -> Result<Vec<RemoteEvent>, Problem> {
        let Some(feed) = &mut self.feed else {
            return Ok(Vec::new());
        };
        let told = feed.read().map_err(|error| error.problem())?;
        Ok(told.into_iter().map(|one| (one.data, one.place)).collect())
    }

    fn place(&self) -> Offsets {
        let feed = self.feed.as_ref();
        feed.map_or_else(Offsets::default, |feed| feed.place().clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(feed) = self.feed.take() {
            drop(self.runtime.spawn_blocking(move || drop(feed)));
        }
    }
}
