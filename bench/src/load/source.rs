//! `Source`: the requests of a load, and when each is due.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    time::Duration,
};

use mainstem_kernel::{Clock, clock::SystemClock};

use super::{Amount, Load, Target, as_f64};
use crate::{
    client::Request,
    events::{Body, EVENT_BYTES, Maker},
};

/// Bytes of bodies built beforehand and sent over and over.
const CYCLE_BYTES: usize = 32 << 20;
/// And at most this many bodies.
const CYCLE_MAX: usize = 4_096;

/// Where requests come from.
pub(super) enum Source {
    /// Built beforehand, sent in turn.
    Cycle {
        requests: Vec<(Rc<Request>, u64)>,
        next: Cell<usize>,
    },
    /// Built when they are sent.
    Fresh {
        maker: RefCell<Maker>,
        /// Made, and not yet sent.
        made: RefCell<VecDeque<Body>>,
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
                let mut maker = Maker::new(load.of, 1, SystemClock.now());
                let bodies = (0..count).flat_map(|_| maker.bodies(load.events_per_request));
                let requests = bodies.map(|body| {
                    let stream = body.stream.unwrap_or(target.stream);
                    let request = Request::events(stream, target.key, &body.lines);
                    (Rc::new(request), body.events as u64)
                });
                Self::Cycle {
                    requests: requests.collect(),
                    next: Cell::new(0),
                }
            }
            Amount::Events { count, first } => Self::Fresh {
                maker: RefCell::new(Maker::new(load.of, 2, first)),
                made: RefCell::default(),
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
                let (request, events) = &requests[place];
                Some(Due {
                    request: Rc::clone(request),
                    events: *events,
                    at: None,
                })
            }
            Self::Fresh {
                maker,
                made,
                left,
                pace,
                stream,
                key,
            } => {
                let mut made = made.borrow_mut();
                if made.is_empty() {
                    let events = left.get().min(events_per_request as u64);
                    left.set(left.get() - events);
                    let events = usize::try_from(events).ok()?;
                    made.extend(maker.borrow_mut().bodies(events));
                }
                let body = made.pop_front().filter(|body| body.events > 0)?;
                let events = body.events as u64;
                let stream = body.stream.unwrap_or(stream);
                Some(Due {
                    request: Rc::new(Request::events(stream, key, &body.lines)),
                    events,
                    at: pace.as_ref().map(|pace| pace.due(events)),
                })
            }
        }
    }
}
