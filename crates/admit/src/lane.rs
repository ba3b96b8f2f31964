//! `Lanes`: the queues of the workers, and which of them a payload goes into.
//!
//! Small payloads of one stream go to one worker, so that they share a frame. Large ones go
//! where least is waiting.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crossbeam_channel::{Receiver, Sender, bounded};
use mainstem_kernel::StreamId;

use crate::worker::{Job, Message};

/// Payloads that a queue holds; their bytes are limited for all workers together.
const LANE_JOBS_MAX: usize = 8192;

/// From this size on a payload needs no company.
const LARGE_BYTES: usize = 64 << 10;

/// With more waiting than this a worker gets no company for its small payloads.
const CROWDED_BYTES: usize = 512 << 10;

/// The queues of the workers.
#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: Vec<Lane>,
    turn: AtomicUsize,
}

#[derive(Debug)]
struct Lane {
    jobs: Sender<Message>,
    bytes: Arc<AtomicUsize>,
}

/// Counts a payload among those that wait for a worker.
#[derive(Debug)]
pub(crate) struct Waiting {
    lane: Arc<AtomicUsize>,
    bytes: usize,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.lane.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The lane that a payload goes into.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) lane: usize,
    pub(crate) waiting: Waiting,
}

impl Lanes {
    /// Queues for that many workers, with their other ends.
    pub(crate) fn new(count: usize) -> (Self, Vec<Receiver<Message>>) {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..count.max(1)).map(|_| bounded(LANE_JOBS_MAX)).unzip();
        let lanes = senders
            .into_iter()
            .map(|jobs| Lane {
                jobs,
                bytes: Arc::default(),
            })
            .collect();
        (
            Self {
                lanes,
                turn: AtomicUsize::new(0),
            },
            receivers,
        )
    }

    /// Chooses a worker for a payload.
    pub(crate) fn choose(&self, stream: StreamId, bytes: usize) -> Choice {
        let home = stream.0 as usize % self.lanes.len();
        let waiting = |lane: usize| {
            self.lanes
                .get(lane)
                .map_or(usize::MAX, |l| l.bytes.load(Ordering::Relaxed))
        };
        let lane = if bytes < LARGE_BYTES && waiting(home) < CROWDED_BYTES {
            home
        } else {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let lanes = (0..self.lanes.len()).map(|i| (turn.wrapping_add(i)) % self.lanes.len());
            lanes.min_by_key(|lane| waiting(*lane)).unwrap_or(home)
        };
        let counter = self
            .lanes
            .get(lane)
            .map(|l| Arc::clone(&l.bytes))
            .unwrap_or_default();
        counter.fetch_add(bytes, Ordering::Relaxed);
        Choice {
            lane,
            waiting: Waiting {
                lane: counter,
                bytes,
            },
        }
    }

    /// Sends a job to the lane that was chosen for it; `false` if the queue is full.
    pub(crate) fn send(&self, lane: usize, job: Job) -> bool {
        let lane = self.lanes.get(lane);
        lane.is_some_and(|lane| lane.jobs.try_send(Message::Job(Box::new(job))).is_ok())
    }

    /// Tells every worker that nothing more comes.
    pub(crate) fn stop(&self) {
        for lane in &self.lanes {
            // A worker that is gone need not be told.
            drop(lane.jobs.send(Message::Stop));
        }
    }
}
