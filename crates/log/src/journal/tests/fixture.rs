//! Data that released versions wrote opens. `examples/fixture.rs` wrote it.

use mainstem_disk::write_new_durably;
use mainstem_kernel::{Epoch, PartitionId, ProducerId, SchemaVersion};

use super::{
    world::{FOLDER, World, config, put, read},
    *,
};
use crate::{
    Stamp,
    contract::{draft, entry, numbers},
};

const V1: [(&str, &[u8]); 2] = [
    (
        "00000001.journal",
        include_bytes!("../../../tests/fixtures/v1/00000001.journal"),
    ),
    (
        "00000002.journal",
        include_bytes!("../../../tests/fixtures/v1/00000002.journal"),
    ),
];

#[test]
fn version_1_opens() {
    let world = World::new(config());
    mainstem_disk::Disk::create_dirs(&world.disk, Path::new(FOLDER)).unwrap();
    for (name, bytes) in V1 {
        write_new_durably(&world.disk, &Path::new(FOLDER).join(name), bytes).unwrap();
    }
    let mut journal = world.open();
    assert_eq!(journal.files.len(), 2);
    let (own, other) = (StreamId(16), StreamId(17));
    let frames = read(&journal, own, Seq::ZERO).unwrap();
    assert_eq!(numbers(&frames), (0..63).collect::<Vec<_>>());
    assert!(frames.iter().all(|frame| frame.schema == SchemaVersion(3)));
    let request = Stamp::Request {
        producer: ProducerId(11),
        check: 12,
        rejected: 13,
    };
    let load = Stamp::Load {
        producer: ProducerId(21),
        first: 0,
        span: 50,
        rejected: 0,
    };
    let run = Stamp::Producer {
        producer: ProducerId(31),
        epoch: Epoch(2),
        first_sequence: 7,
    };
    let stamps: Vec<_> = frames[0]
        .entries
        .iter()
        .filter_map(|run| run.stamp)
        .collect();
    assert_eq!(stamps, [request, load, run]);
    let partitions: Vec<_> = frames[0].entries.iter().map(|run| run.partition).collect();
    assert_eq!(partitions, [0, 1, 2].map(PartitionId));
    assert_eq!(frames[6].entries[0].first_offset.0, 5);
    let texts = frames[0].batch.column(1);
    assert_eq!((texts.null_count(), texts.len()), (19, 57));
    let large = read(&journal, other, Seq::ZERO).unwrap();
    assert_eq!(numbers(&large), (1_000..1_500).collect::<Vec<_>>());

    assert_eq!(journal.next_row(own, ProducerId(21)), Some(50));
    for (partition, stamp, rows) in [(0, request, 4), (1, load, 50), (2, run, 3)] {
        let again = draft(own, 0, &[entry(partition, rows, Some(stamp))]);
        let error = put(&mut journal, vec![again]).unwrap_err();
        assert!(matches!(error, AppendError::Repeated(_)), "{error}");
    }
    let next = put(&mut journal, vec![draft(own, 0, &[entry(3, 1, None)])]).unwrap();
    assert_eq!(next.first_offsets[0][0].0, 6);
}
