//! What clients were told, kept outside of everything that is killed.

use std::{collections::BTreeMap, time::Duration};

/// A client's page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// Events that were acknowledged: 0, 1, 2, … up to this one, which is not.
    pub(crate) acked: u64,
    /// Events of requests whose outcome the client never learned, each time that it was so. It has
    /// sent all of them again until they were acknowledged.
    pub(crate) unknown: u64,
    /// Longest time from the begin of an attempt that failed to the next acknowledgement.
    pub(crate) refused_max: Duration,
}

/// All pages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) pages: BTreeMap<u64, Page>,
}

/// What a view says of a client, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) events: u64,
    pub(crate) numbers: u64,
}

impl Page {
    /// What the acknowledged events come to.
    pub(crate) fn counted(&self) -> Counted {
        Counted {
            events: self.acked,
            numbers: self.acked * self.acked.saturating_sub(1) / 2,
        }
    }
}

impl Ledger {
    pub(crate) fn acked_events(&self) -> u64 {
        self.pages.values().map(|page| page.acked).sum()
    }

    pub(crate) fn unknown_events(&self) -> u64 {
        self.pages.values().map(|page| page.unknown).sum()
    }

    pub(crate) fn refused_max(&self) -> Duration {
        let all = self.pages.values().map(|page| page.refused_max);
        all.max().unwrap_or_default()
    }

    /// What a view that counts by client gets wrong; `is_exact` where events that are sent again are
    /// recognised wherever they arrive.
    pub(crate) fn mistakes(&self, view: &BTreeMap<u64, Counted>, is_exact: bool) -> Vec<String> {
        let mut mistakes = Vec::new();
        for (client, page) in &self.pages {
            let found = view.get(client).copied().unwrap_or_default();
            let wanted = page.counted();
            let more = if is_exact { 0 } else { page.unknown };
            if found.events < wanted.events {
                mistakes.push(format!(
                    "client {client}: {} acknowledged events are lost ({} of {})",
                    wanted.events - found.events,
                    found.events,
                    wanted.events
                ));
            } else if found.events > wanted.events + more {
                mistakes.push(format!(
                    "client {client}: {} events are counted that nobody sent again ({} of {} + {more})",
                    found.events - wanted.events - more,
                    found.events,
                    wanted.events
                ));
            } else if found.numbers < wanted.numbers
                || (found.events == wanted.events && found.numbers != wanted.numbers)
            {
                mistakes.push(format!(
                    "client {client}: numbers add up to {}, not to {}",
                    found.numbers, wanted.numbers
                ));
            }
        }
        let strangers = view
            .keys()
            .filter(|client| !self.pages.contains_key(client));
        mistakes.extend(strangers.map(|client| format!("client {client} never wrote")));
        mistakes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: (u64, u64), unknown: u64, is_exact: bool) -> String {
        let page = Page {
            acked: 4,
            unknown,
            ..Page::default()
        };
        let ledger = Ledger {
            pages: [(1, page)].into(),
        };
        let (events, numbers) = found;
        let view = [(1, Counted { events, numbers })].into();
        ledger.mistakes(&view, is_exact).join("; ")
    }

    #[test]
    fn what_is_acknowledged_is_there_once() {
        assert_eq!(check((4, 6), 0, true), "");
        assert!(check((3, 6), 0, true).contains("1 acknowledged events are lost"));
        assert!(check((5, 9), 2, true).contains("1 events are counted that nobody sent"));
        assert!(check((4, 7), 0, true).contains("numbers add up to 7, not to 6"));
    }

    #[test]
    fn what_was_sent_again_elsewhere_may_be_there_twice_where_nobody_recognises_it() {
        assert_eq!(check((6, 9), 2, false), "");
        assert!(check((7, 12), 2, false).contains("1 events are counted"));
        assert!(check((6, 5), 2, false).contains("numbers add up to 5"));
    }
}
