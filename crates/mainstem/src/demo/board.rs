//! `Board`: the numbers of the demo, written by many and read by whoever shows them.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use mainstem_gateway::Status;
use parking_lot::Mutex;

use crate::args::Demo;

/// Seconds of the curve.
pub(super) const CURVE_SECONDS: usize = 120;
/// Latencies that percentiles are taken of.
const LATENCIES_MAX: usize = 2_000;

/// The numbers of the demo.
#[derive(Debug)]
pub(super) struct Board {
    /// Where the server listens.
    pub(super) url: String,
    /// The data folder, as it can be typed.
    pub(super) data: String,
    pub(super) vehicles: u32,
    /// On the monotonic clock.
    pub(super) started: Duration,
    acked: AtomicU64,
    rejected: AtomicU64,
    waits: AtomicU64,
    latencies: Mutex<VecDeque<Duration>>,
    probed: Mutex<Probed>,
    trouble: Mutex<Option<String>>,
}

/// What the server last told.
#[derive(Clone, Debug, Default)]
pub(super) struct Probed {
    /// `GET /v1/status`.
    pub(super) status: Option<Status>,
    /// Answers of the questions, by their order.
    pub(super) answers: Vec<Answer>,
}

/// One question and its newest answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) title: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    pub(super) took: Duration,
}

/// Sums and percentiles at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    pub(super) acked: u64,
    pub(super) rejected: u64,
    pub(super) waits: u64,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
}

impl Board {
    pub(super) fn new(options: &Demo, url: &str, data: &str, started: Duration) -> Self {
        Self {
            url: url.to_owned(),
            data: data.to_owned(),
            vehicles: options.vehicles,
            started,
            acked: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            latencies: Mutex::default(),
            probed: Mutex::default(),
            trouble: Mutex::default(),
        }
    }

    /// A request was acknowledged.
    pub(super) fn ack(&self, accepted: u64, rejected: u64, took: Duration) {
        self.acked.fetch_add(accepted, Ordering::Relaxed);
        self.rejected.fetch_add(rejected, Ordering::Relaxed);
        *self.trouble.lock() = None;
        let mut latencies = self.latencies.lock();
        if latencies.len() == LATENCIES_MAX {
            latencies.pop_front();
        }
        latencies.push_back(took);
    }

    /// The server asked to wait, or did not answer.
    pub(super) fn wait(&self, why: String) {
        self.waits.fetch_add(1, Ordering::Relaxed);
        *self.trouble.lock() = Some(why);
    }

    /// What stands against sending, if anything does.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }

    pub(super) fn note_status(&self, status: Status) {
        self.probed.lock().status = Some(status);
    }

    pub(super) fn note_answer(&self, index: usize, answer: Answer) {
        let mut probed = self.probed.lock();
        if probed.answers.len() <= index {
            probed.answers.resize_with(index + 1, Answer::default);
        }
        if let Some(slot) = probed.answers.get_mut(index) {
            *slot = answer;
        }
    }

    pub(super) fn probed(&self) -> Probed {
        self.probed.lock().clone()
    }

    pub(super) fn reading(&self) -> Reading {
        let mut sorted: Vec<_> = self.latencies.lock().iter().copied().collect();
        sorted.sort_unstable();
        let at = |percent: usize| {
            let index = sorted.len().saturating_sub(1) * percent / 100;
            sorted.get(index).copied().unwrap_or_default()
        };
        Reading {
            acked: self.acked.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
            waits: self.waits.load(Ordering::Relaxed),
            p50: at(50),
            p99: at(99),
        }
    }
}
