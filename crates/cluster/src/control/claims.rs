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
pub(super) const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(5);
/// Ends that are remembered.
const ENDS_MAX: u32 = 64;

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

/// Where the input of a query ended a moment ago, and where its rows are that it was computed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    recent: VecDeque<End>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct End {
    at: Duration,
    input: Offsets,
    /// Where the rows that were made of it end, once all of it is read.
    changes: Option<Offsets>,
}

impl Ends {
    /// Where the input ends now. What was noted longer ago than `within` is forgotten.
    pub(super) fn note(&mut self, (now, within): (Duration, Duration), input: Offsets) {
        let is_old = |end: &End| now.saturating_sub(end.at) > within;
        while self.recent.front().is_some_and(is_old) {
            self.recent.pop_front();
        }
        // Few are remembered, whatever the time is.
        let step = within / ENDS_MAX;
        let last = self.recent.back();
        if last.is_none_or(|last| now.saturating_sub(last.at) >= step) {
            self.recent.push_back(End {
                at: now,
                input,
                changes: None,
            });
        }
    }

    /// The query has read up to `read`, and what it has made of that is below `changes`.
    pub(super) fn read(&mut self, read: &Offsets, changes: &Offsets) {
        for end in &mut self.recent {
            if end.changes.is_none() && read.covers(&end.input) {
                end.changes = Some(changes.clone());
            }
        }
    }

    /// Whether all that was made of the input up to a moment ago is below `kept`.
    #[must_use]
    pub(super) fn are_kept(&self, kept: &Offsets) -> bool {
        let mut made = self.recent.iter().filter_map(|end| end.changes.as_ref());
        made.any(|changes| kept.covers(changes))
    }
}
