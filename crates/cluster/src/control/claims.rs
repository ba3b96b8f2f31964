//! `Claims`: which rows of streams a query has seen that does not read the streams themselves, but
//! what a worker or another query has made of them; and whether it has caught up. Pure.
//!
//! Whoever makes its input is at some places of streams, and what it has made of the rows below
//! them ends somewhere in the topic between the two. Once the query has read up to there, it stands
//! for these places, too.

use std::{collections::VecDeque, time::Duration};

use mainstem_kernel::Offsets;

/// Claims that wait at once; further ones take the place of the last.
const CLAIMS_MAX: usize = 64;
/// Whoever has seen everything up to so long ago has caught up.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(5);
/// Ends that are remembered.
const ENDS_MAX: usize = 64;

/// What a query has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    waiting: VecDeque<(Offsets, Offsets)>,
    /// The places of streams that it stands for.
    pub(super) reached: Offsets,
}

impl Claims {
    /// Those of a query that stood for `reached`.
    #[must_use]
    pub(super) const fn from(reached: Offsets) -> Self {
        Self {
            waiting: VecDeque::new(),
            reached,
        }
    }

    /// Whoever has read up to `end` of the input has seen the streams up to `places`.
    pub(super) fn claim(&mut self, end: Offsets, places: Offsets) {
        if self.reached.covers(&places) {
            return;
        }
        let is_full = self.waiting.len() >= CLAIMS_MAX;
        match self.waiting.back_mut() {
            Some((last, claimed)) if last.covers(&end) => claimed.join(&places),
            Some(last) if is_full => *last = (end, places),
            _ => self.waiting.push_back((end, places)),
        }
    }

    /// The query has read up to `input`.
    pub(super) fn read(&mut self, input: &Offsets) {
        while let Some((end, _)) = self.waiting.front() {
            if !input.covers(end) {
                return;
            }
            if let Some((_, places)) = self.waiting.pop_front() {
                self.reached.join(&places);
            }
        }
    }
}

/// Where topics ended a moment ago.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    recent: VecDeque<(Duration, Offsets)>,
}

impl Ends {
    /// Where they end now.
    pub(super) fn note(&mut self, now: Duration, ends: Offsets) {
        let is_recent = |at: Duration| now.saturating_sub(at) <= CAUGHT_UP_WITHIN;
        while self.recent.len() >= ENDS_MAX
            || self.recent.front().is_some_and(|(at, _)| !is_recent(*at))
        {
            self.recent.pop_front();
        }
        self.recent.push_back((now, ends));
    }

    /// Whether all of it up to a moment ago is behind `places`.
    #[must_use]
    pub(super) fn is_behind(&self, places: &Offsets) -> bool {
        let oldest = self.recent.front();
        oldest.is_some_and(|(_, ends)| places.covers(ends))
    }
}
