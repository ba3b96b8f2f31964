//! The snapshot at the beginning of every file: what all frames before it amount to.
//!
//! Body of the snapshot frame; lists are in no particular order but senders, the oldest first:
//!
//! ```text
//! version      4  1
//! streams      4  so many of {stream 4, partitions 4, last seq 8, trimmed seq 8,
//!                             partitions × {partition 2, reserved 6, next offset 8}}
//! requests     4  so many of {stream 4, check 4, producer 8, seq 8, rows 4, rejected 4}
//! loads        4  so many of {stream 4, reserved 4, producer 8, seq 8, first row 8, next row 8}
//! producers    4  so many of {stream 4, partition 2, epoch 2, producer 8, seq 8,
//!                             5 × {seq 8 (0 = none), first sequence 4, last sequence 4}}
//! ```

use std::collections::HashMap;

use mainstem_kernel::{Epoch, Offset, PartitionId, ProducerId, Seq, StreamId};

use super::format::{Reader, Writer};
use crate::ledger::{Ledger, LoadSlot, ProducerSlot, RequestSlot, Run};

const VERSION: u32 = 1;
/// Room for one of anything; a guess for the buffer.
const ITEM_BYTES: usize = 64;

/// Up to where each stream was given up.
pub(crate) type Trimmed = HashMap<StreamId, Seq>;

/// The ledger as bytes.
pub(crate) fn encode(ledger: &Ledger, trimmed: &Trimmed) -> Vec<u8> {
    let stamps = ledger.stamps();
    let items = ledger.streams().len().saturating_add(stamps.requests.len());
    let mut bytes = Vec::with_capacity(items.saturating_mul(ITEM_BYTES));
    let mut to = Writer(&mut bytes);
    to.u32(VERSION).u32(count(ledger.streams().len()));
    for (stream, state) in ledger.streams() {
        to.u32(stream.0)
            .u32(count(state.partitions().count()))
            .u64(state.last.0)
            .u64(trimmed.get(stream).map_or(0, |seq| seq.0));
        for (partition, next) in state.partitions() {
            to.u16(partition.0).bytes(&[0; 6]).u64(next.0);
        }
    }
    to.u32(count(stamps.requests.len()));
    for ((stream, producer), seq, slot) in stamps.requests.iter() {
        to.u32(stream.0)
            .u32(slot.check)
            .u64(producer.0)
            .u64(seq.0)
            .u32(slot.rows);
        to.u32(slot.rejected);
    }
    to.u32(count(stamps.loads.len()));
    for ((stream, producer), seq, slot) in stamps.loads.iter() {
        to.u32(stream.0)
            .u32(0)
            .u64(producer.0)
            .u64(seq.0)
            .u64(slot.first)
            .u64(slot.next);
    }
    to.u32(count(stamps.producers.len()));
    for ((stream, partition, producer), seq, slot) in stamps.producers.iter() {
        to.u32(stream.0)
            .u16(partition.0)
            .u16(slot.epoch.0)
            .u64(producer.0)
            .u64(seq.0);
        for run in slot.runs {
            let run = run.unwrap_or(Run {
                first: 0,
                last: 0,
                seq: Seq::ZERO,
            });
            to.u64(run.seq.0).u32(run.first).u32(run.last);
        }
    }
    bytes
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Puts what a snapshot says into the ledger; `None` if the bytes are no snapshot of ours.
pub(crate) fn restore(bytes: &[u8], ledger: &mut Ledger, trimmed: &mut Trimmed) -> Option<()> {
    let mut from = Reader(bytes);
    if from.u32()? != VERSION {
        return None;
    }
    for _ in 0..from.u32()? {
        let (stream, partitions) = (StreamId(from.u32()?), from.u32()?);
        let last = Seq(from.u64()?);
        trimmed.insert(stream, Seq(from.u64()?));
        let mut next = Vec::new();
        for _ in 0..partitions {
            let partition = PartitionId(from.u16()?);
            from.bytes::<6>()?;
            next.push((partition, Offset(from.u64()?)));
        }
        ledger.restore(stream, last, &next);
    }
    let stamps = ledger.stamps_mut();
    stamps.clear();
    for _ in 0..from.u32()? {
        let (stream, check) = (StreamId(from.u32()?), from.u32()?);
        let (producer, seq) = (ProducerId(from.u64()?), Seq(from.u64()?));
        let slot = RequestSlot {
            check,
            rows: from.u32()?,
            rejected: from.u32()?,
        };
        stamps.requests.put((stream, producer), seq, slot);
    }
    for _ in 0..from.u32()? {
        let stream = StreamId(from.u32()?);
        from.u32()?;
        let (producer, seq) = (ProducerId(from.u64()?), Seq(from.u64()?));
        let slot = LoadSlot {
            first: from.u64()?,
            next: from.u64()?,
        };
        stamps.loads.put((stream, producer), seq, slot);
    }
    for _ in 0..from.u32()? {
        let (stream, partition) = (StreamId(from.u32()?), PartitionId(from.u16()?));
        let epoch = Epoch(from.u16()?);
        let (producer, seq) = (ProducerId(from.u64()?), Seq(from.u64()?));
        let mut slot = ProducerSlot {
            epoch,
            runs: Default::default(),
        };
        for run in &mut slot.runs {
            let found = Run {
                seq: Seq(from.u64()?),
                first: from.u32()?,
                last: from.u32()?,
            };
            *run = (found.seq > Seq::ZERO).then_some(found);
        }
        stamps
            .producers
            .put((stream, partition, producer), seq, slot);
    }
    from.0.is_empty().then_some(())
}
