//! Who appended what under which stamp: recognises repetitions; a pure table without a clock.

use std::collections::{BTreeMap, HashMap};

use mainstem_kernel::{PartitionId, ProducerId, Seq, StreamId};

use crate::append::Stamp;

/// What numbers the rows: a stream's requests and loaders, or one partition's Kafka producers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ProducerKey {
    pub(crate) stream: StreamId,
    /// `None` for stamps that cover a whole request.
    pub(crate) partition: Option<PartitionId>,
    pub(crate) producer: ProducerId,
}

impl ProducerKey {
    pub(crate) fn of(stream: StreamId, partition: PartitionId, stamp: Stamp) -> Self {
        match stamp {
            Stamp::Producer { producer, .. } => {
                Self { stream, partition: Some(partition), producer }
            }
            Stamp::Request { producer, .. } | Stamp::Load { producer, .. } => {
                Self { stream, partition: None, producer }
            }
        }
    }
}

/// The last thing known of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerState {
    /// The last stamp.
    pub(crate) stamp: Stamp,
    /// Seq of the frame that holds it.
    pub(crate) seq: Seq,
    /// Rows under this stamp, over all of its entries.
    pub(crate) rows: u64,
}

/// What a stamp means for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Append it.
    New,
    /// It is there already.
    Repeated(ProducerState),
    /// The same idempotency key with another body.
    Conflict,
    /// The next row or sequence is another.
    Gap { expected: u64, found: u64 },
    /// A newer incarnation of the producer is known.
    Fenced,
}

/// All producers, bounded by number; the one that was longest silent goes first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Producers {
    states: HashMap<ProducerKey, ProducerState>,
    /// By the seq of the last stamp, oldest first.
    by_age: BTreeMap<(Seq, ProducerKey), ()>,
    max: usize,
}

impl Producers {
    pub(crate) fn bounded(max: usize) -> Self {
        Self { max, ..Self::default() }
    }

    pub(crate) fn get(&self, key: &ProducerKey) -> Option<&ProducerState> {
        self.states.get(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ProducerKey, &ProducerState)> {
        self.by_age.keys().filter_map(|(_, key)| self.states.get_key_value(key))
    }

    pub(crate) fn len(&self) -> usize {
        self.states.len()
    }

    /// The row number that a loader goes on from.
    pub(crate) fn next_row(&self, key: &ProducerKey) -> Option<u64> {
        match self.states.get(key)?.stamp {
            Stamp::Load { first, span, .. } => Some(first.saturating_add(u64::from(span))),
            Stamp::Producer { .. } | Stamp::Request { .. } => None,
        }
    }

    /// What `stamp` means for an entry of `rows` rows.
    pub(crate) fn judge(&self, key: &ProducerKey, stamp: Stamp) -> Verdict {
        let known = self.states.get(key).copied();
        match (stamp, known.map(|known| (known, known.stamp))) {
            (Stamp::Request { .. }, None) => Verdict::New,
            (Stamp::Request { check, .. }, Some((state, Stamp::Request { check: first, .. }))) => {
                if check == first { Verdict::Repeated(state) } else { Verdict::Conflict }
            }
            (Stamp::Load { first, .. }, None) => gap_or_new(0, first),
            (Stamp::Load { first, .. }, Some((state, Stamp::Load { first: f, span, .. }))) => {
                let next = f.saturating_add(u64::from(span));
                if first < next { Verdict::Repeated(state) } else { gap_or_new(next, first) }
            }
            (Stamp::Producer { first_sequence, .. }, None) => {
                gap_or_new(0, u64::from(first_sequence))
            }
            (
                Stamp::Producer { epoch, first_sequence, .. },
                Some((state, Stamp::Producer { epoch: known, first_sequence: last, .. })),
            ) => match epoch.cmp(&known) {
                std::cmp::Ordering::Less => Verdict::Fenced,
                std::cmp::Ordering::Greater => gap_or_new(0, u64::from(first_sequence)),
                std::cmp::Ordering::Equal => {
                    // Kafka's sequences wrap after 2³¹ − 1.
                    let next = u64::from(last).saturating_add(state.rows) % (1 << 31);
                    if first_sequence == last {
                        Verdict::Repeated(state)
                    } else {
                        gap_or_new(next, u64::from(first_sequence))
                    }
                }
            },
            // Another kind of stamp under the same hash: as good as another body.
            (_, Some(_)) => Verdict::Conflict,
        }
    }

    /// Remembers a stamp whose frame is durable. Entries of one request add up.
    pub(crate) fn record(&mut self, key: ProducerKey, stamp: Stamp, seq: Seq, rows: u64) {
        let mut state = ProducerState { stamp, seq, rows };
        if let Some(known) = self.states.get(&key) {
            if known.seq == seq && known.stamp == stamp {
                state.rows = state.rows.saturating_add(known.rows);
            }
            self.by_age.remove(&(known.seq, key));
        }
        self.states.insert(key, state);
        self.by_age.insert((seq, key), ());
        while self.states.len() > self.max {
            self.forget_oldest();
        }
    }

    /// Forgets idempotency keys that are older than `before`.
    pub(crate) fn expire_requests(&mut self, before: Seq) {
        let old: Vec<_> = self.by_age.range(..(before, ProducerKey::LEAST)).map(|(k, ())| *k).collect();
        for (seq, key) in old {
            if matches!(self.states.get(&key), Some(ProducerState { stamp: Stamp::Request { .. }, .. })) {
                self.by_age.remove(&(seq, key));
                self.states.remove(&key);
            }
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(((_, key), ())) = self.by_age.pop_first() {
            self.states.remove(&key);
        }
    }
}

impl ProducerKey {
    const LEAST: Self = Self { stream: StreamId(0), partition: None, producer: ProducerId(0) };
}

fn gap_or_new(expected: u64, found: u64) -> Verdict {
    if expected == found { Verdict::New } else { Verdict::Gap { expected, found } }
}
