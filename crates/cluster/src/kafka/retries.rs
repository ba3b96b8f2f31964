//! `Retries`: requests that this node has written or is writing, so that one that comes again is
//! answered as the first time. Bounded in number and time; the oldest are forgotten first.
//!
//! It never knows what another node has written: there `DEDUPLICATE BY` helps.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use mainstem_kernel::{Offsets, ProducerId, StreamId, Timestamp};
use mainstem_log::Stamp;

/// Which request it is. A loader's requests differ in their first row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RequestId {
    pub(crate) stream: StreamId,
    pub(crate) producer: ProducerId,
    pub(crate) first: u64,
}

impl RequestId {
    pub(crate) fn new(stream: StreamId, stamp: Stamp) -> Self {
        let (producer, first) = match stamp {
            Stamp::Producer {
                producer,
                first_sequence,
                ..
            } => (producer, u64::from(first_sequence)),
            Stamp::Request { producer, .. } => (producer, 0),
            Stamp::Load {
                producer, first, ..
            } => (producer, first),
        };
        Self {
            stream,
            producer,
            first,
        }
    }
}

/// What the first answer said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answered {
    /// Tells a body from another one under the same key.
    pub(crate) check: u32,
    pub(crate) rows: u64,
    pub(crate) rejected: u64,
    pub(crate) offsets: Offsets,
}

/// What is known of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing: it is being written from now on.
    New,
    /// It is being written.
    UnderWay,
    /// It was written.
    Written(Answered),
    /// Another body was written under this key.
    Conflict,
}

#[derive(Debug)]
enum State {
    UnderWay { check: u32 },
    Written(Answered),
}

/// Requests that were written or are being written.
#[derive(Debug)]
pub(crate) struct Retries {
    requests_max: usize,
    keep: Duration,
    states: HashMap<RequestId, State>,
    /// Those that were written, by time.
    order: VecDeque<(Timestamp, RequestId)>,
}

impl Retries {
    pub(crate) fn new(requests_max: usize, keep: Duration) -> Self {
        Self {
            requests_max,
            keep,
            states: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// What is known of a request.
    pub(crate) fn look(&self, id: RequestId, check: u32) -> Known {
        match self.states.get(&id) {
            None => Known::New,
            Some(State::UnderWay { check: other }) if *other == check => Known::UnderWay,
            Some(State::Written(answered)) if answered.check == check => {
                Known::Written(answered.clone())
            }
            Some(State::UnderWay { .. } | State::Written(_)) => Known::Conflict,
        }
    }

    /// It is being written from now on.
    pub(crate) fn begin(&mut self, id: RequestId, check: u32) {
        self.states.insert(id, State::UnderWay { check });
    }

    /// It was written.
    pub(crate) fn end(&mut self, id: RequestId, answered: Answered, now: Timestamp) {
        self.states.insert(id, State::Written(answered));
        self.order.push_back((now, id));
        self.forget(now);
    }

    /// It was not written, or nobody knows: it may be written again.
    pub(crate) fn fail(&mut self, id: RequestId) {
        self.states.remove(&id);
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some((at, id)) = self.order.front().copied() {
            if self.order.len() <= self.requests_max && now.since(at) <= self.keep {
                break;
            }
            self.order.pop_front();
            self.states.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn id(producer: u64) -> RequestId {
        RequestId {
            stream: StreamId(16),
            producer: ProducerId(producer),
            first: 0,
        }
    }

    fn answered(check: u32) -> Answered {
        Answered {
            check,
            rows: 3,
            ..Answered::default()
        }
    }

    #[test]
    fn a_request_is_new_then_under_way_then_written() {
        let mut retries = Retries::new(10, HOUR);
        assert_eq!(retries.look(id(1), 7), Known::New);
        retries.begin(id(1), 7);
        assert_eq!(retries.look(id(1), 7), Known::UnderWay);
        assert_eq!(retries.look(id(1), 8), Known::Conflict);
        retries.end(id(1), answered(7), Timestamp(0));
        assert_eq!(retries.look(id(1), 7), Known::Written(answered(7)));
        assert_eq!(retries.look(id(1), 8), Known::Conflict);
        assert_eq!(retries.look(id(2), 7), Known::New);
    }

    #[test]
    fn what_failed_may_be_written_again() {
        let mut retries = Retries::new(10, HOUR);
        retries.begin(id(1), 7);
        retries.fail(id(1));
        assert_eq!(retries.look(id(1), 8), Known::New);
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let mut retries = Retries::new(2, HOUR);
        for producer in 1..=3 {
            retries.begin(id(producer), 7);
            retries.end(id(producer), answered(7), Timestamp(0));
        }
        assert_eq!(retries.look(id(1), 7), Known::New);
        assert_eq!(retries.look(id(2), 7), Known::Written(answered(7)));
        let later = Timestamp(0).plus(HOUR + HOUR);
        retries.begin(id(4), 7);
        retries.end(id(4), answered(7), later);
        assert_eq!(retries.look(id(3), 7), Known::New);
        assert_eq!(retries.states.len(), 1);
    }
}
