//! `Source`: the requests of a load, and when each is due.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use mainstem_kernel::{Clock, clock::SystemClock};

use super::{Amount, Load, STEP_MICROS, Target, as_f64};
use crate::{
    client::Request,
    events::{EVENT_BYTES, EventMaker},
};

/// Bytes of bodies built beforehand and sent over and over.
const CYCLE_BYTES: usize = 32 << 20;
/// And at most this many bodies.
const CYCLE_MAX: usize = 4_096;

/// Where requests come from.
pub(super) enum Source {
    /// Built beforehand, sent in turn.
    Cycle {
        requests: Vec<Rc<Request>>,
        next: Cell<usize>,
    },
    /// Built when they are sent.
    Fresh {
        maker: Box<RefCell<EventMaker>>,
        left: Cell<u64>,
        pace: Option<Pace>,
        stream: String,
        key: String,
    },
}

/// A request, the events in it, and the moment before which it is not sent.
pub(super) struct Due {
    pub(super) request: Rc<Request>,
    pub(super) events: u64,
    pub(super) at: Option<Duration>,
}

/// So many events each second, whether the server has answered the ones before or not.
pub(super) struct Pace {
    per_second: f64,
    begin: Duration,
    sent: Cell<u64>,
}

impl Pace {
    fn due(&self, events: u64) -> Duration {
        let sent = self.sent.replace(self.sent.get() + events);
        self.begin + Duration::from_secs_f64(as_f64(sent) / self.per_second)
    }
}

impl Source {
    pub(super) fn new(load: Load, target: Target<'_>) -> Self {
        match load.amount {
            Amount::Time { .. } => {
                let body_bytes = load.events_per_request * EVENT_BYTES;
                let count = (CYCLE_BYTES / body_bytes).clamp(load.connections, CYCLE_MAX);
                let mut maker = EventMaker::new(1, load.keys, (SystemClock.now(), STEP_MICROS));
                let requests = (0..count).map(|_| {
                    let body = maker.body(load.events_per_request);
                    Rc::new(Request::events(target.stream, target.key, &body))
                });
                Self::Cycle {
                    requests: requests.collect(),
                    next: Cell::new(0),
                }
            }
            Amount::Events { count, first } => Self::Fresh {
                maker: Box::new(RefCell::new(EventMaker::new(
                    2,
                    load.keys,
                    (first, STEP_MICROS),
                ))),
                left: Cell::new(count),
                pace: load.per_second.map(|per_second| Pace {
                    per_second,
                    begin: SystemClock.monotonic(),
                    sent: Cell::new(0),
                }),
                stream: target.stream.to_owned(),
                key: target.key.to_owned(),
            },
        }
    }

    /// The next request; `None` at the end.
    pub(super) fn next(&self, events_per_request: usize) -> Option<Due> {
        match self {
            Self::Cycle { requests, next } => {
                let place = next.get();
                next.set((place + 1) % requests.len());
                Some(Due {
                    request: Rc::clone(&requests[place]),
                    events: events_per_request as u64,
                    at: None,
                })
            }
            Self::Fresh {
                maker,
                left,
                pace,
                stream,
                key,
            } => {
                let events = left.get().min(events_per_request as u64);
                if events == 0 {
                    return None;
                }
                left.set(left.get() - events);
                let body = maker.borrow_mut().body(usize::try_from(events).ok()?);
                Some(Due {
                    request: Rc::new(Request::events(stream, key, &body)),
                    events,
                    at: pace.as_ref().map(|pace| pace.due(events)),
                })
            }
        }
    }
}
