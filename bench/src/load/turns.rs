//! `Turns`: requests of several connections, none far ahead of the first that is not acknowledged.
//!
//! Events of a load are made in event time. A connection that has to wait would else leave its
//! events so far behind those of the others that they come late.

use std::{cell::RefCell, collections::BTreeSet};

use tokio::sync::Notify;

/// The turns that were taken and are not done.
pub(super) struct Turns {
    /// How many turns may be before another; any, if it is not given.
    ahead_max: Option<u64>,
    under_way: RefCell<(u64, BTreeSet<u64>)>,
    done: Notify,
}

impl Turns {
    pub(super) fn new(ahead_max: Option<u64>) -> Self {
        Self {
            ahead_max,
            under_way: RefCell::default(),
            done: Notify::new(),
        }
    }

    /// The next turn: it is that of the request that was just made.
    pub(super) fn take(&self) -> u64 {
        let mut under_way = self.under_way.borrow_mut();
        let turn = under_way.0;
        under_way.0 += 1;
        under_way.1.insert(turn);
        turn
    }

    /// Waits until this turn may be had. The first of all never waits.
    pub(super) async fn come(&self, turn: u64) {
        while !self.may_come(turn) {
            self.done.notified().await;
        }
    }

    /// The request of this turn was acknowledged.
    pub(super) fn done(&self, turn: u64) {
        self.under_way.borrow_mut().1.remove(&turn);
        self.done.notify_waiters();
    }

    fn may_come(&self, turn: u64) -> bool {
        let first = self.under_way.borrow().1.first().copied();
        self.ahead_max
            .zip(first)
            .is_none_or(|(ahead_max, first)| turn - first < ahead_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_far_ahead_of_the_first_that_is_under_way() {
        let turns = Turns::new(Some(2));
        let [first, second, third] = [turns.take(), turns.take(), turns.take()];
        assert!(turns.may_come(first) && turns.may_come(second) && !turns.may_come(third));
        turns.done(second);
        assert!(!turns.may_come(third), "the first is still under way");
        turns.done(first);
        assert!(turns.may_come(third));
        assert!(Turns::new(None).may_come(7));
    }
}
