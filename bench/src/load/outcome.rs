//! What came of a load: counts, latencies, and what it cost both sides.

use std::time::Duration;

use anyhow::Result;
use mainstem_kernel::{Clock, clock::SystemClock};

use crate::usage::{Spent, Usage};

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Events acknowledged, or requests answered; all of them.
    pub(crate) accepted: u64,
    /// The same in the counted time.
    pub(crate) counted: u64,
    /// The counted time.
    pub(crate) seconds: f64,
    /// From sending to acknowledgement, in µs, shortest first; of the counted time.
    pub(crate) latencies: Vec<u32>,
    /// Requests answered with 429, and sent again.
    pub(crate) throttled: u64,
    /// Position of each connection's last acknowledgement.
    pub(crate) positions: Vec<String>,
    /// What the server used in the counted time.
    pub(crate) server: Spent,
    /// What this process used in the counted time.
    pub(crate) generator: Spent,
}

impl Outcome {
    /// Events, or answers, per second.
    pub(crate) fn rate(&self) -> f64 {
        as_f64(self.counted) / self.seconds
    }

    /// The latency that this share of requests did not exceed, in ms.
    pub(crate) fn latency_millis(&self, share: f64) -> f64 {
        percentile(&self.latencies, share)
    }
}

/// What this share of sorted µs does not exceed, in ms.
pub(crate) fn percentile(micros: &[u32], share: f64) -> f64 {
    let last = micros.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a length is a length"
    )]
    let place = (as_f64(last as u64) * share).round() as usize;
    micros
        .get(place)
        .map_or(f64::NAN, |micros| f64::from(*micros) / 1e3)
}

/// Counts lie far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts lie far below 2^53")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

/// Clock and processor time at a moment.
pub(crate) struct Moment {
    pid: u32,
    at: Duration,
    server: Usage,
    generator: Usage,
}

impl Moment {
    pub(crate) fn now(pid: u32) -> Result<Self> {
        let (server, generator) = (Usage::of(pid)?, Usage::of(std::process::id())?);
        Ok(Self {
            pid,
            at: SystemClock.monotonic(),
            server,
            generator,
        })
    }

    pub(crate) fn until_now(&self, outcome: &mut Outcome) -> Result<()> {
        let now = Self::now(self.pid)?;
        outcome.seconds = (now.at - self.at).as_secs_f64();
        outcome.server = now.server.since(&self.server);
        outcome.generator = now.generator.since(&self.generator);
        Ok(())
    }
}
