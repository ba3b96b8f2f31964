//! `Rates`: how many rows come in a second, from two looks at how many there are. It keeps the counts
//! of the last looks alone, however often it is asked.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;

/// Looks that are closer than this share an answer.
const CLOSE: Duration = Duration::from_millis(500);
/// What is older says nothing of now.
const OLD: Duration = Duration::from_secs(30);

/// Counts by name.
pub(crate) type Counts = BTreeMap<String, u64>;

/// What was seen last.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    at: Duration,
    counts: Counts,
    rates: BTreeMap<String, f64>,
}

impl Rates {
    /// Rows per second by name, as of a time of the monotonic clock; nothing where it has not looked
    /// a moment ago.
    pub(crate) fn look(&self, now: Duration, counts: Counts) -> BTreeMap<String, f64> {
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
                .filter_map(|(name, count)| {
                    // Rows may have been forgotten meanwhile, or the count begun anew.
                    let more = count.saturating_sub(*before.get(name)?);
                    Some((name.clone(), more as f64 / since.as_secs_f64()))
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
            let counts = Counts::from([("a".to_owned(), rows)]);
            let rates = rates.look(Duration::from_millis(millis), counts);
            rates.get("a").map(|rate| rate.round())
        };
        assert_eq!(look(10_000, 500), None, "nothing to compare with");
        assert_eq!(look(10_100, 900), None, "too close");
        assert_eq!(look(12_000, 2_500), Some(1_000.0));
        assert_eq!(look(12_100, 9_999), Some(1_000.0), "the same look still");
        assert_eq!(look(13_000, 100), Some(0.0), "rows were forgotten");
        assert_eq!(look(60_000, 200), None, "too long ago");
    }
}
