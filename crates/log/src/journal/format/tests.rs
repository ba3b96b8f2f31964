//! Headers survive the way to bytes and back, and every flipped bit is found.

use mainstem_kernel::{Epoch, Offset, PartitionId, ProducerId};

use super::*;
use crate::Stamp;

const FILE: FileHeader = FileHeader {
    journal: 1,
    generation: 2,
    first_group: 3,
};

const GROUP: GroupHeader = GroupHeader {
    flags: FLAG_CARRY,
    journal: 0x0123_4567_89ab_cdef,
    generation: 7,
    number: 42,
    length: 5_000,
    frames: 3,
    first: Seq(90),
    last: Seq(99),
    behind: 5,
};

fn entries() -> Vec<Entry> {
    let stamps = [
        None,
        Some(Stamp::Producer {
            producer: ProducerId(1),
            epoch: Epoch(2),
            first_sequence: 3,
        }),
        Some(Stamp::Request {
            producer: ProducerId(4),
            check: u32::MAX,
            rejected: 5,
        }),
        Some(Stamp::Load {
            producer: ProducerId(6),
            first: 1 << 40,
            span: 7,
            rejected: 8,
        }),
    ];
    let entry = |stamp| Entry {
        partition: PartitionId(3),
        first_offset: Offset(1 << 50),
        offset_span: 11,
        rows: 11,
        stamp,
    };
    stamps.map(entry).to_vec()
}

fn header() -> FrameHeader {
    FrameHeader {
        length: u32::try_from(frame_length(4, 5)).unwrap(),
        body_length: 5,
        body_crc: crc32c::crc32c(b"body!"),
        entries: 4,
        seq: Seq(5),
        prev: Seq(4),
        stream: StreamId(16),
        schema: SchemaVersion(2),
        key: KeyId(9),
        rows: 44,
        memory: 77,
    }
}

fn frame() -> Vec<u8> {
    let mut bytes = Vec::new();
    header().encode(&entries(), &mut bytes);
    bytes.extend_from_slice(b"body!");
    bytes.resize(frame_length(4, 5), 0);
    bytes
}

#[test]
fn headers_stand_where_the_page_says() {
    let file = FILE.encode();
    assert_eq!((file.len(), &file[..8]), (PAGE, &b"MSTMJRNL"[..]));
    assert_eq!((file[8], file[16], file[24], file[32]), (1, 1, 2, 3));
    assert_eq!(FileHeader::parse(&file), Parsed::Valid(FILE));

    let group = GROUP.encode();
    assert_eq!((group.len(), &group[..4]), (GROUP_HEADER, &b"MGRP"[..]));
    assert_eq!((group[4], group[6], group[16], group[24]), (1, 2, 7, 42));
    assert_eq!((group[36], group[40], group[48], group[56]), (3, 90, 99, 5));
    assert_eq!(GroupHeader::parse(&group), Parsed::Valid(GROUP));
    assert_eq!((GROUP.size(), GROUP.oldest()), (8_192, 2));

    let frame = frame();
    assert_eq!(frame.len(), 264, "64 + 4 × 48 + 5, up to a multiple of 8");
    assert_eq!(
        (frame[20], frame[24], frame[32], frame[40], frame[52]),
        (4, 5, 4, 16, 44)
    );
    assert_eq!(FrameHeader::parse(&frame), Parsed::Valid(header()));
    assert_eq!(header().body(&frame), Some(&b"body!"[..]));
    assert_eq!(
        parse_entries(&frame[FRAME_HEADER..FRAME_HEADER + 4 * ENTRY]),
        Some(entries())
    );
}

#[test]
fn every_flipped_bit_is_found() {
    let is_found = |bytes: &[u8]| {
        let frame = FrameHeader::parse(bytes).valid();
        FileHeader::parse(bytes).valid().is_none()
            && GroupHeader::parse(bytes).valid().is_none()
            && frame.is_none_or(|frame| frame.body(bytes).is_none())
    };
    // Reserved bytes of a file's header and a frame's padding are not covered.
    for (bytes, covered) in [(FILE.encode(), 44), (GROUP.encode(), 64), (frame(), 261)] {
        for bit in 0..covered * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(is_found(&flipped), "bit {bit} of {covered} bytes");
        }
        for cut in 0..covered {
            assert!(is_found(&bytes[..cut]), "cut at {cut} of {covered}");
        }
    }
}

#[test]
fn newer_versions_are_named() {
    let mut file = FILE.encode();
    file[8] = 2;
    let crc = crc32c::crc32c(&file[..40]);
    file[40..44].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(FileHeader::parse(&file), Parsed::Newer(2));
    let mut group = GROUP.encode();
    group[4] = 3;
    let crc = crc32c::crc32c(&group[..60]);
    group[60..].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(GroupHeader::parse(&group), Parsed::Newer(3));
}
