//! `Rates`: how many rows come in a second, from two looks at how many there are. It keeps the counts
//! of the last looks alone, however often it is asked.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;

/// Looks that are closer than this share an answer.
const CLOSE: Duration = Duration::from_millis(500);
/// What is older says nothing of now.
const OLD: Duration = Duration::from_secs(30);

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Counted {
    /// The rows of a stream, or what a view tells.
    Object(String),
    /// What comes out of an operator of one version of a view.
    Operator {
        /// Of all views, this version alone has the number.
        version: u64,
        /// Its place in the plan.
        place: usize,
    },
}

/// How many rows there are of each.
pub(crate) type Counts = BTreeMap<Counted, u64>;

/// What was seen last.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    at: Duration,
    counts: Counts,
    rates: BTreeMap<Counted, f64>,
}

impl Rates {
    /// Rows per second of each, as of a time of the monotonic clock; nothing where it has not looked
    /// a moment ago.
    pub(crate) fn look(&self, now: Duration, counts: Counts) -> BTreeMap<Counted, f64> {
        let mut seen = self.0.lock();
        let since = now.saturating_sub(seen.at);
        if since < CLOSE && !seen.counts.is_empty() {
            return seen.rates.clone();
        }
        let before = std::mem::replace(&mut seen.counts, counts);
        seen.at = now;
        seen.rates = match since > OLD || before.is_empty() {
            true => BTreeMap::new(),
            false => seen
                .counts
                .iter()
                .filter_map(|(counted, count)| {
                    let before = *before.get(counted)?;
                    let more = match counted {
                        // Rows may have been forgotten meanwhile.
                        Counted::Object(_) => count.saturating_sub(before),
                        // A count that begins anew says nothing.
                        Counted::Operator { .. } => count.checked_sub(before)?,
                    };
                    Some((counted.clone(), more as f64 / since.as_secs_f64()))
                })
                .collect(),
        };
        seen.rates.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_came_between_two_looks() {
        let rates = Rates::default();
        let look = |millis, rows| {
            let counted = Counted::Object("a".to_owned());
            let counts = Counts::from([(counted.clone(), rows)]);
            let rates = rates.look(Duration::from_millis(millis), counts);
            rates.get(&counted).map(|rate| rate.round())
        };
        assert_eq!(look(10_000, 500), None, "nothing to compare with");
        assert_eq!(look(10_100, 900), None, "too close");
        assert_eq!(look(12_000, 2_500), Some(1_000.0));
        assert_eq!(look(12_100, 9_999), Some(1_000.0), "the same look still");
        assert_eq!(look(13_000, 100), Some(0.0), "rows were forgotten");
        assert_eq!(look(60_000, 200), None, "too long ago");
    }

    #[test]
    fn a_count_that_begins_anew_or_is_of_another_version_gives_no_rate() {
        let rates = Rates::default();
        let operator = |version| Counted::Operator { version, place: 2 };
        let look = |seconds, version, rows| {
            let counts = Counts::from([(operator(version), rows)]);
            let rates = rates.look(Duration::from_secs(seconds), counts);
            rates.get(&operator(version)).copied()
        };
        assert_eq!(look(10, 7, 500), None);
        assert_eq!(look(12, 7, 700), Some(100.0));
        assert_eq!(look(14, 7, 20), None, "it was opened again");
        assert_eq!(look(16, 7, 60), Some(20.0));
        assert_eq!(look(18, 8, 90), None, "the view was changed");
        assert_eq!(look(20, 8, 90), Some(0.0));
    }
}
