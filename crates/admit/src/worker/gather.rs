//! Gathering: how long a worker waits for more before it goes to work.

use std::{sync::Arc, time::Duration};

use crossbeam_channel::{TryRecvError, select};

use super::{FLIGHTS_MAX, Job, Message, Worker};

/// Payload that makes a frame large enough: more per frame saves little.
const ENOUGH_BYTES: usize = 128 << 10;

/// Payloads in one drain, so that a flood of tiny ones cannot make an endless one.
const JOBS_MAX: usize = 4096;

/// While an append is under way a worker looks this often for more. To be woken by each small
/// payload would cost more than the payload does.
const GLANCE: Duration = Duration::from_micros(100);

/// Payloads in hand.
#[derive(Debug, Default)]
struct Hand {
    jobs: Vec<Job>,
    bytes: usize,
}

impl Worker {
    /// What to work on next; `None` when there will be nothing more.
    pub(super) fn gather(&mut self) -> Option<Vec<Job>> {
        let mut hand = Hand::default();
        while hand.jobs.is_empty() && !self.is_stopping {
            self.wait(&mut hand);
        }
        self.take_waiting(&mut hand);
        if self.in_flight > 0 && self.has_room(&hand, ENOUGH_BYTES) {
            self.linger(&mut hand);
        }
        while self.in_flight >= FLIGHTS_MAX {
            if self.has_room(&hand, self.shared.config.frame_bytes_max.as_usize()) {
                self.wait(&mut hand);
            } else if self.ended.recv().is_ok() {
                self.flight_ended();
            }
        }
        (!hand.jobs.is_empty()).then_some(hand.jobs)
    }

    /// Waits for a payload or for the end of an append.
    fn wait(&mut self, hand: &mut Hand) {
        select! {
            recv(self.jobs) -> message => self.put(hand, message.unwrap_or(Message::Stop)),
            recv(self.ended) -> _ => self.flight_ended(),
        }
    }

    /// Waits for more payloads while the appends under way go on.
    fn linger(&mut self, hand: &mut Hand) {
        let clock = Arc::clone(&self.shared.clock);
        let begin = clock.monotonic();
        while self.in_flight > 0 && self.has_room(hand, ENOUGH_BYTES) {
            let passed = clock.monotonic().saturating_sub(begin);
            let left = self.shared.config.gather_max.saturating_sub(passed);
            if left.is_zero() {
                return;
            }
            if self.ended.recv_timeout(left.min(GLANCE)).is_ok() {
                self.flight_ended();
            }
            self.take_waiting(hand);
        }
    }

    /// Takes what is there, without waiting.
    fn take_waiting(&mut self, hand: &mut Hand) {
        let limit = self.shared.config.frame_bytes_max.as_usize();
        while self.ended.try_recv().is_ok() {
            self.flight_ended();
        }
        while self.has_room(hand, limit) {
            match self.jobs.try_recv() {
                Ok(message) => self.put(hand, message),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    fn has_room(&self, hand: &Hand, bytes: usize) -> bool {
        !self.is_stopping && hand.bytes < bytes && hand.jobs.len() < JOBS_MAX
    }

    fn put(&mut self, hand: &mut Hand, message: Message) {
        match message {
            Message::Job(job) => {
                hand.bytes += job.body.len();
                hand.jobs.push(*job);
            }
            Message::Stop => self.is_stopping = true,
        }
    }
}
