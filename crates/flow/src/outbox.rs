//! `Outbox`: rows of stream views, dead letters and late rows between a step and the log.
//!
//! Rows are numbered by sender: rows that the log has already had of a sender, because they were
//! computed once before, are left out. So a rebuild appends nothing twice. It never appends.

use std::collections::BTreeMap;

use datafusion::arrow::{array::RecordBatch, compute::concat_batches, error::ArrowError};
use mainstem_kernel::{ProducerId, SchemaVersion, StreamId};
use mainstem_log::Log;
use mainstem_table::Outgoing;

/// Which rows of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rows,
    Letters,
    Late,
}

/// Rows that wait for the next checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    senders: BTreeMap<(StreamId, ProducerId), Sender>,
}

#[derive(Debug, Default)]
struct Sender {
    /// Number of the next row.
    next: u64,
    /// The log has had the rows before this one.
    known: u64,
    waiting: Vec<RecordBatch>,
}

/// Whom the log knows as the sender of a view's rows.
pub(crate) fn producer(view: StreamId, kind: Kind) -> ProducerId {
    let kind = match kind {
        Kind::Rows => 1,
        Kind::Letters => 2,
        Kind::Late => 3,
    };
    ProducerId(u64::from(view.0) << 8 | kind)
}

impl Outbox {
    /// Goes on with the numbers that a note has kept.
    pub(crate) fn restore(&mut self, kept: &[(StreamId, ProducerId, u64)]) {
        for (stream, producer, next) in kept {
            self.senders.entry((*stream, *producer)).or_default().next = *next;
        }
    }

    /// The number of each sender's next row.
    pub(crate) fn numbers(&self) -> Vec<(StreamId, ProducerId, u64)> {
        let senders = self.senders.iter();
        senders
            .map(|((stream, producer), sender)| (*stream, *producer, sender.next))
            .collect()
    }

    /// Learns from the log what it has had of a sender; to be called before its first row.
    fn sender(&mut self, log: &dyn Log, stream: StreamId, producer: ProducerId) -> &mut Sender {
        let sender = self.senders.entry((stream, producer)).or_default();
        if sender.known == 0 {
            sender.known = log.next_row(stream, producer).unwrap_or(0).max(sender.next);
        }
        sender
    }

    /// Takes rows; gives those that the log has not had.
    pub(crate) fn put(
        &mut self,
        log: &dyn Log,
        (stream, producer): (StreamId, ProducerId),
        rows: RecordBatch,
    ) -> Option<RecordBatch> {
        let sender = self.sender(log, stream, producer);
        let count = rows.num_rows();
        let behind = sender.known.saturating_sub(sender.next);
        let old = usize::try_from(behind).unwrap_or(usize::MAX).min(count);
        sender.next += old as u64;
        if old == count {
            return None;
        }
        let rows = rows.slice(old, count - old);
        sender.waiting.push(rows.clone());
        Some(rows)
    }

    /// Whether something waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.senders
            .values()
            .all(|sender| sender.waiting.is_empty())
    }

    /// Takes out all that waits, numbered.
    pub(crate) fn seal(&mut self) -> Result<Vec<Outgoing>, ArrowError> {
        let mut all = Vec::new();
        for ((stream, producer), sender) in &mut self.senders {
            let waiting = std::mem::take(&mut sender.waiting);
            let Some(first) = waiting.first() else {
                continue;
            };
            let rows = concat_batches(&first.schema(), &waiting)?;
            let count = rows.num_rows() as u64;
            all.push(Outgoing {
                stream: *stream,
                // Streams beside views, and of views, have had one version of their columns.
                schema: SchemaVersion(1),
                producer: *producer,
                first: sender.next,
                rows,
            });
            sender.next += count;
            sender.known = sender.known.max(sender.next);
        }
        Ok(all)
    }

    /// Forgets the senders of a view.
    pub(crate) fn forget(&mut self, view: StreamId) {
        let own = [Kind::Rows, Kind::Letters, Kind::Late].map(|kind| producer(view, kind));
        self.senders
            .retain(|(_, producer), _| !own.contains(producer));
    }

    /// Rows of a view are counted from the first again.
    pub(crate) fn begin_again(&mut self, view: StreamId) {
        let own = [Kind::Rows, Kind::Letters, Kind::Late].map(|kind| producer(view, kind));
        for ((_, producer), sender) in &mut self.senders {
            if own.contains(producer) {
                sender.known = sender.known.max(sender.next);
                sender.next = 0;
                sender.waiting.clear();
            }
        }
    }
}
