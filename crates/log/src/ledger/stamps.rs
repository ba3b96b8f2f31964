//! `Stamps`: what each sender sent last, so that a repetition is recognised.
//!
//! It never looks at rows, and all time is that of seqs.

use std::time::Duration;

use mainstem_kernel::{Epoch, PartitionId, ProducerId, Seq, StreamId};

use super::recent::Recent;
use crate::append::{DraftEntry, Stamp};

/// Runs of a Kafka producer that are recognised when they come again; Kafka's number.
pub(crate) const RUNS: usize = 5;
/// Sequences of Kafka producers are 31 bits wide and then start again at 0.
const SEQUENCE_MASK: u32 = 0x7fff_ffff;

/// How much is remembered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StampLimits {
    /// Of each kind of sender.
    pub(crate) producers_max: usize,
    /// How long requests are remembered.
    pub(crate) request_keep: Duration,
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestSlot {
    pub(crate) check: u32,
    pub(crate) rows: u32,
    pub(crate) rejected: u32,
}

/// A loader's last request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoadSlot {
    pub(crate) first: u64,
    pub(crate) next: u64,
}

/// A run of a Kafka producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: u32,
    pub(crate) last: u32,
    pub(crate) seq: Seq,
}

/// A Kafka producer in one partition; the last run first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerSlot {
    pub(crate) epoch: Epoch,
    pub(crate) runs: [Option<Run>; RUNS],
}

/// Whether an entry can be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    New,
    Repeated { seq: Seq, rows: u64, rejected: u64 },
    OtherBody,
    Gap { expected: u64, found: u64 },
    Fenced,
}

type SenderKey = (StreamId, ProducerId);
type RunKey = (StreamId, PartitionId, ProducerId);

#[derive(Debug)]
enum Undo {
    Request(SenderKey, Option<(Seq, RequestSlot)>),
    Load(SenderKey, Option<(Seq, LoadSlot)>),
    Producer(RunKey, Option<(Seq, ProducerSlot)>),
}

/// What each sender sent last.
#[derive(Debug)]
pub(crate) struct Stamps {
    pub(crate) requests: Recent<SenderKey, RequestSlot>,
    pub(crate) loads: Recent<SenderKey, LoadSlot>,
    pub(crate) producers: Recent<RunKey, ProducerSlot>,
    undo: Vec<Undo>,
    limits: StampLimits,
}

impl Stamps {
    pub(crate) fn new(limits: StampLimits) -> Self {
        Self {
            requests: Recent::new(),
            loads: Recent::new(),
            producers: Recent::new(),
            undo: Vec::new(),
            limits,
        }
    }

    pub(crate) fn next_row(&self, stream: StreamId, producer: ProducerId) -> Option<u64> {
        self.loads
            .get(&(stream, producer))
            .map(|(_, slot)| slot.next)
    }

    /// Judges an entry of the frame `seq` and records it if it is new.
    pub(crate) fn admit(&mut self, stream: StreamId, seq: Seq, entry: &DraftEntry) -> Verdict {
        let verdict = self.judge(stream, seq, entry);
        if verdict == Verdict::New {
            self.record(stream, seq, entry);
        }
        verdict
    }

    fn judge(&self, stream: StreamId, seq: Seq, entry: &DraftEntry) -> Verdict {
        match entry.stamp {
            None => Verdict::New,
            Some(Stamp::Request {
                producer, check, ..
            }) => {
                let known = self.requests.get(&(stream, producer));
                judge_request(known.filter(|(at, _)| *at >= self.since(seq)), seq, check)
            }
            Some(Stamp::Load { producer, .. }) => {
                judge_load(self.loads.get(&(stream, producer)), seq, entry)
            }
            Some(Stamp::Producer {
                producer,
                epoch,
                first_sequence,
            }) => {
                let known = self.producers.get(&(stream, entry.partition, producer));
                let run = run(seq, first_sequence, entry.rows);
                known.map_or(Verdict::New, |(_, slot)| judge_run(slot, (epoch, run)))
            }
        }
    }

    /// Records an entry of the frame `seq`, whatever was known before.
    pub(crate) fn record(&mut self, stream: StreamId, seq: Seq, entry: &DraftEntry) {
        match entry.stamp {
            None => {}
            Some(Stamp::Request {
                producer,
                check,
                rejected,
            }) => {
                let key = (stream, producer);
                let same = self.requests.get(&key).filter(|(at, _)| *at == seq);
                let slot = match same {
                    Some((_, slot)) => RequestSlot {
                        check,
                        rows: slot.rows.saturating_add(entry.rows),
                        rejected: slot.rejected.max(rejected),
                    },
                    None => RequestSlot {
                        check,
                        rows: entry.rows,
                        rejected,
                    },
                };
                let before = self.requests.put(key, seq, slot);
                self.undo.push(Undo::Request(key, before));
            }
            Some(Stamp::Load {
                producer,
                first,
                span,
                ..
            }) => {
                let key = (stream, producer);
                let slot = LoadSlot {
                    first,
                    next: first.saturating_add(u64::from(span)),
                };
                let before = self.loads.put(key, seq, slot);
                self.undo.push(Undo::Load(key, before));
            }
            Some(Stamp::Producer {
                producer,
                epoch,
                first_sequence,
            }) => {
                let key = (stream, entry.partition, producer);
                let known = self
                    .producers
                    .get(&key)
                    .filter(|(_, slot)| slot.epoch == epoch);
                let mut runs = known.map_or([None; RUNS], |(_, slot)| slot.runs);
                runs.rotate_right(1);
                if let Some(newest) = runs.first_mut() {
                    *newest = Some(run(seq, first_sequence, entry.rows));
                }
                let before = self.producers.put(key, seq, ProducerSlot { epoch, runs });
                self.undo.push(Undo::Producer(key, before));
            }
        }
    }

    /// Up to where `undo_to` can go back later.
    pub(crate) const fn mark(&self) -> usize {
        self.undo.len()
    }

    /// Takes back what was recorded since the mark.
    pub(crate) fn undo_to(&mut self, mark: usize) {
        for undo in self.undo.drain(mark.min(self.undo.len())..).rev() {
            match undo {
                Undo::Request(key, before) => self.requests.put_back(key, before),
                Undo::Load(key, before) => self.loads.put_back(key, before),
                Undo::Producer(key, before) => self.producers.put_back(key, before),
            }
        }
    }

    /// What was recorded is durable: forgets what is too old or too much as of `now`.
    pub(crate) fn settle(&mut self, now: Seq) {
        self.undo.clear();
        let max = self.limits.producers_max;
        self.requests.forget(max, self.since(now));
        self.loads.forget(max, Seq::ZERO);
        self.producers.forget(max, Seq::ZERO);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.undo.clear();
        self.requests.clear();
        self.loads.clear();
        self.producers.clear();
    }

    /// The oldest request that is still recognised at `now`.
    fn since(&self, now: Seq) -> Seq {
        let keep = u64::try_from(self.limits.request_keep.as_millis()).unwrap_or(u64::MAX);
        Seq::from_millis(now.millis().saturating_sub(keep))
    }
}

fn judge_request(known: Option<(Seq, RequestSlot)>, seq: Seq, check: u32) -> Verdict {
    match known {
        Some((_, slot)) if slot.check != check => Verdict::OtherBody,
        Some((at, slot)) if at != seq => Verdict::Repeated {
            seq: at,
            rows: u64::from(slot.rows),
            rejected: u64::from(slot.rejected),
        },
        Some(_) | None => Verdict::New,
    }
}

fn judge_load(known: Option<(Seq, LoadSlot)>, seq: Seq, entry: &DraftEntry) -> Verdict {
    let Some(Stamp::Load {
        first,
        span,
        rejected,
        ..
    }) = entry.stamp
    else {
        return Verdict::New;
    };
    let end = first.saturating_add(u64::from(span));
    let (at, slot) = known.unwrap_or((Seq::ZERO, LoadSlot { first: 0, next: 0 }));
    let is_same_request = at == seq && slot == LoadSlot { first, next: end };
    if first == slot.next || is_same_request {
        Verdict::New
    } else if end <= slot.next {
        let rows = u64::from(span.saturating_sub(rejected));
        Verdict::Repeated {
            seq: at,
            rows,
            rejected: u64::from(rejected),
        }
    } else {
        Verdict::Gap {
            expected: slot.next,
            found: first,
        }
    }
}

/// Source: `ProducerAppendInfo.checkProducerEpoch` and `checkSequence` of Apache Kafka 4.
fn judge_run(slot: ProducerSlot, (epoch, run): (Epoch, Run)) -> Verdict {
    if epoch < slot.epoch {
        return Verdict::Fenced;
    }
    let next = if epoch > slot.epoch {
        0
    } else {
        let same = |known: &Run| known.first == run.first && known.last == run.last;
        if let Some(known) = slot.runs.iter().flatten().find(|known| same(known)) {
            let rows =
                u64::from(run.last.wrapping_sub(run.first) & SEQUENCE_MASK).saturating_add(1);
            return Verdict::Repeated {
                seq: known.seq,
                rows,
                rejected: 0,
            };
        }
        let last = slot
            .runs
            .iter()
            .flatten()
            .next()
            .map_or(SEQUENCE_MASK, |known| known.last);
        last.wrapping_add(1) & SEQUENCE_MASK
    };
    if run.first == next {
        return Verdict::New;
    }
    Verdict::Gap {
        expected: u64::from(next),
        found: u64::from(run.first),
    }
}

/// The run of `rows` rows that begins at `first`.
const fn run(seq: Seq, first: u32, rows: u32) -> Run {
    let last = first.wrapping_add(rows.saturating_sub(1)) & SEQUENCE_MASK;
    Run { first, last, seq }
}
