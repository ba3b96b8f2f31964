use arrow::array::{ArrayRef, Int64Array};
use mainstem_log::frame::encode_body;

use super::*;
use crate::{
    codec::RowHasher,
    layer::{LayerParts, STATE_VERSION, Strings, merge},
};

fn layer(version: SchemaVersion, rows: u8, hasher: &RowHasher) -> Arc<Layer> {
    let (mut keys, mut values) = (Strings::with_capacity(0, 0), Strings::with_capacity(0, 0));
    for n in 0..rows {
        keys.push(&[b'k', n]).unwrap();
        values.push(&vec![n; usize::from(n)]).unwrap();
    }
    let written = if version == STATE_VERSION {
        Vec::new()
    } else {
        (0..u64::from(rows)).collect()
    };
    let parts = LayerParts {
        version,
        keys: keys.finish(),
        values: values.finish().into(),
        deleted: (0..rows).map(|n| n % 3 == 0).collect(),
        written: written.into(),
    };
    Arc::new(parts.build_hashing(hasher).unwrap())
}

fn app() -> AppId {
    AppId {
        tenant: TenantId(3),
        name: AppName::new("shop").unwrap(),
    }
}

fn outgoing(first: u64) -> Outgoing {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let rows = RecordBatch::try_from_iter([("n", column)]).unwrap();
    Outgoing {
        stream: StreamId(40),
        schema: SchemaVersion(2),
        producer: ProducerId(99),
        first,
        body: encode_body(&rows).unwrap(),
        rows,
    }
}

fn redo(hasher: &RowHasher) -> Redo {
    Redo {
        mark: Mark {
            number: 5,
            through: Seq(500),
            previous: Seq(400),
            sent: 4,
        },
        tables: vec![
            (StreamId(16), layer(SchemaVersion(1), 50, hasher)),
            (StreamId(17), layer(SchemaVersion(3), 0, hasher)),
        ],
        state: Some(layer(STATE_VERSION, 9, hasher)),
        outgoing: vec![outgoing(7), outgoing(10)],
        note: Bytes::from_static(b"where it was"),
    }
}

fn bytes(redo: &Redo) -> Bytes {
    Bytes::from(encode(&app(), redo).unwrap().concat())
}

/// What can be compared of a checkpoint.
fn shown(redo: &Redo) -> String {
    let layer = |layer: &Arc<Layer>| {
        let row = |row| {
            let value = (!layer.is_deleted(row)).then(|| layer.value(row));
            (layer.key(row), value, layer.written(row))
        };
        let rows: Vec<_> = (0..layer.len()).map(row).collect();
        format!("{:?} {rows:?}", layer.version())
    };
    let tables: Vec<_> = redo.tables.iter().map(|(id, l)| (*id, layer(l))).collect();
    let state = redo.state.as_ref().map(layer);
    format!(
        "{:?}",
        (redo.mark, tables, state, &redo.outgoing, &redo.note)
    )
}

#[test]
fn a_checkpoint_comes_back_as_it_was() {
    let hasher = RowHasher::default();
    let redo = redo(&hasher);
    let (found_app, found) = Redo::decode(&bytes(&redo), &hasher).unwrap();
    assert_eq!((found_app, shown(&found)), (app(), shown(&redo)));
    let nothing = Redo {
        mark: redo.mark,
        tables: Vec::new(),
        state: None,
        outgoing: Vec::new(),
        note: Bytes::new(),
    };
    let (_, found) = Redo::decode(&bytes(&nothing), &hasher).unwrap();
    assert_eq!(shown(&found), shown(&nothing));
}

#[test]
fn every_changed_byte_is_noticed_or_means_nothing() {
    let hasher = RowHasher::default();
    let redo = redo(&hasher);
    let whole = bytes(&redo);
    let mut harmless = 0;
    for at in 0..whole.len() {
        let mut changed = whole.to_vec();
        changed[at] ^= 1 << (at % 8);
        match Redo::decode(&Bytes::from(changed), &hasher) {
            Err(_) => {}
            Ok((_, found)) => {
                assert_eq!(shown(&found), shown(&redo), "byte {at}");
                harmless += 1;
            }
        }
    }
    assert!(harmless < 64 * 7, "only padding is not covered: {harmless}");
    for end in 0..whole.len() - 64 {
        assert!(Redo::decode(&whole.slice(..end), &hasher).is_err(), "{end}");
    }
}

#[test]
fn large_state_comes_back_from_several_sections() {
    let hasher = RowHasher::default();
    let mut keys = Strings::with_capacity(0, 0);
    (0..9).for_each(|n| keys.push(&[b's', n]).unwrap());
    let value = |n: u8| Bytes::from(vec![n; if n == 7 { 0 } else { 1 << 20 }]);
    let parts = LayerParts {
        version: STATE_VERSION,
        keys: keys.finish(),
        values: (0..9).map(value).collect(),
        deleted: (0..9).map(|n| n == 7).collect(),
        written: Vec::new().into(),
    };
    let state = Arc::new(parts.build_hashing(&hasher).unwrap());
    let redo = Redo {
        state: Some(Arc::clone(&state)),
        ..redo(&hasher)
    };
    let file = bytes(&redo);
    let (_, found) = Redo::decode(&file, &hasher).unwrap();
    assert_eq!(shown(&found), shown(&redo));
    let small = self::redo(&hasher);
    let sections = |file: &Bytes| Header::decode(file).unwrap().places.len();
    assert_eq!(sections(&file), sections(&bytes(&small)) + 1);
    for row in 0..state.len() {
        let of_layer = merge(&[&state], &hasher).unwrap().shared_value(row);
        let is_shared = of_layer.as_ptr() == state.shared_value(row).as_ptr();
        assert!(is_shared || of_layer.is_empty(), "merging copies state");
    }
}

#[test]
fn a_newer_format_is_told_from_damage() {
    let hasher = RowHasher::default();
    let mut newer = bytes(&redo(&hasher)).to_vec();
    newer[8] = 3;
    let error = Redo::decode(&Bytes::from(newer), &hasher).unwrap_err();
    assert_eq!(error, decode::Unreadable::Newer(3));
}

#[test]
fn a_file_of_format_1_is_read() {
    let hasher = RowHasher::default();
    let redo = redo(&hasher);
    let mut older = bytes(&redo).to_vec();
    older[8] = 1;
    let end = Header::length(&older).unwrap();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&older[..CRC_AT]), &older[HEADER_BYTES..end]);
    older[CRC_AT..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    let (_, found) = Redo::decode(&Bytes::from(older), &hasher).unwrap();
    assert_eq!(shown(&found), shown(&redo));
}
