//! Entries as bytes.

use mainstem_kernel::{Epoch, Offset, PartitionId, ProducerId};

use super::{ENTRY, Reader, Writer};
use crate::{append::Stamp, frame::Entry};

/// Puts an entry behind what `to` holds.
pub(super) fn encode_entry(entry: &Entry, to: &mut Vec<u8>) {
    let (kind, epoch, producer, first, span, rejected) = match entry.stamp {
        None => (0, 0, 0, 0, 0, 0),
        Some(Stamp::Producer {
            producer,
            epoch,
            first_sequence,
        }) => (1, epoch.0, producer.0, u64::from(first_sequence), 0, 0),
        Some(Stamp::Request {
            producer,
            check,
            rejected,
        }) => (2, 0, producer.0, u64::from(check), 0, rejected),
        Some(Stamp::Load {
            producer,
            first,
            span,
            rejected,
        }) => (3, 0, producer.0, first, span, rejected),
    };
    let mut out = Writer(to);
    out.u16(entry.partition.0)
        .bytes(&[kind, 0])
        .u32(entry.rows)
        .u64(entry.first_offset.0);
    out.u32(entry.offset_span)
        .u16(epoch)
        .u16(0)
        .u64(producer)
        .u64(first);
    out.u32(span).u32(rejected);
}

/// All entries of `bytes`; `None` if one of them says what no writer writes.
pub(crate) fn parse_entries(bytes: &[u8]) -> Option<Vec<Entry>> {
    bytes.chunks(ENTRY).map(parse_entry).collect()
}

fn parse_entry(bytes: &[u8]) -> Option<Entry> {
    let mut from = Reader(bytes);
    let partition = PartitionId(from.u16()?);
    let kind = from.u8()?;
    from.u8()?;
    let rows = from.u32()?;
    let first_offset = Offset(from.u64()?);
    let offset_span = from.u32()?;
    let epoch = Epoch(from.u16()?);
    from.u16()?;
    let producer = ProducerId(from.u64()?);
    let first = from.u64()?;
    let span = from.u32()?;
    let rejected = from.u32()?;
    let small = || u32::try_from(first).ok();
    let stamp = match kind {
        0 => None,
        1 => Some(Stamp::Producer {
            producer,
            epoch,
            first_sequence: small()?,
        }),
        2 => Some(Stamp::Request {
            producer,
            check: small()?,
            rejected,
        }),
        3 => Some(Stamp::Load {
            producer,
            first,
            span,
            rejected,
        }),
        _ => return None,
    };
    Some(Entry {
        partition,
        first_offset,
        offset_span,
        rows,
        stamp,
    })
}
