//! A checkpoint from bytes: nothing is believed that no checksum covers. No I/O.

use std::sync::Arc;

use arrow::{
    array::{Array, BinaryArray, BooleanArray, RecordBatch, UInt64Array},
    buffer::ScalarBuffer,
};
use bytes::Bytes;
use mainstem_kernel::{AppName, ByteSize, ProducerId, SchemaVersion, Seq, StreamId, TenantId};
use mainstem_log::frame::decode_body;

use super::{
    ALIGNMENT, AppId, CRC_AT, HEADER_BYTES, KIND_NOTE, KIND_OUTGOING, KIND_ROWS, KIND_STATE, MAGIC,
    Mark, NAME_AT, Outgoing, PLACE_BYTES, REDO_FORMAT, Redo,
};
use crate::{
    codec::{ENCODING, RowHasher},
    layer::{Layer, LayerParts, STATE_VERSION, merge},
};

/// Why bytes are no redo file of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// What is wrong with them.
    Damaged(&'static str),
    /// Their format.
    Newer(u16),
}

use Unreadable::{Damaged, Newer};

/// Header and directory of a file.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) app: AppId,
    pub(crate) mark: Mark,
    pub(crate) places: Vec<Place>,
}

/// Where a section is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    kind: u8,
    stream: StreamId,
    version: SchemaVersion,
    crc: u32,
    offset: u64,
    length: u64,
    producer: ProducerId,
    first: u64,
}

impl Header {
    /// Bytes of header and directory, from the first bytes of a file.
    pub(crate) fn length(bytes: &[u8]) -> Result<usize, Unreadable> {
        let head = bytes
            .get(..HEADER_BYTES)
            .ok_or(Damaged("it is too short"))?;
        if head.get(..8) != Some(&MAGIC) {
            return Err(Damaged("it does not begin as one"));
        }
        let format = u16_at(head, 8);
        let encoding = u16_at(head, 10);
        if format > REDO_FORMAT || encoding > ENCODING {
            return Err(Newer(format.max(encoding)));
        }
        let sections = ByteSize(u32_at(head, 12).into()).as_usize();
        let directory = sections.checked_mul(PLACE_BYTES);
        let length = directory.and_then(|length| length.checked_add(HEADER_BYTES));
        length.ok_or(Damaged("its header is not what was written"))
    }

    /// Header and directory from at least `length` bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let length = Self::length(bytes)?;
        let too_short = Damaged("it is too short for its directory");
        let (head, directory) = bytes
            .get(..length)
            .and_then(|bytes| bytes.split_at_checked(HEADER_BYTES))
            .ok_or(too_short)?;
        let (covered, _) = head.split_at_checked(CRC_AT).ok_or(too_short)?;
        let crc = crc32c::crc32c_append(crc32c::crc32c(covered), directory);
        if crc != u32_at(head, CRC_AT) {
            return Err(Damaged("its header is not what was written"));
        }
        let name = head.get(NAME_AT).map_or(0, |length| usize::from(*length));
        let name = head.get(NAME_AT + 1..NAME_AT + 1 + name);
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        let name = name.and_then(|name| AppName::new(name).ok());
        let mark = Mark {
            number: u64_at(head, 16),
            through: Seq(u64_at(head, 24)),
            previous: Seq(u64_at(head, 32)),
            sent: u64_at(head, 40),
        };
        let app = AppId {
            tenant: TenantId(u32_at(head, 48)),
            name: name.ok_or(Damaged("it names no application"))?,
        };
        let places = directory.chunks_exact(PLACE_BYTES).map(Place::decode);
        Ok(Self {
            app,
            mark,
            places: places.collect(),
        })
    }

    /// Where the rows of a table are.
    pub(crate) fn table(&self, table: StreamId) -> Option<Place> {
        let is_it = |place: &&Place| place.kind == KIND_ROWS && place.stream == table;
        self.places.iter().find(is_it).copied()
    }
}

impl Place {
    fn decode(bytes: &[u8]) -> Self {
        Self {
            kind: bytes.first().copied().unwrap_or_default(),
            stream: StreamId(u32_at(bytes, 4)),
            version: SchemaVersion(u32_at(bytes, 8)),
            crc: u32_at(bytes, 12),
            offset: u64_at(bytes, 16),
            length: u64_at(bytes, 24),
            producer: ProducerId(u64_at(bytes, 32)),
            first: u64_at(bytes, 40),
        }
    }

    /// Where its body begins, and how long it is.
    pub(crate) const fn extent(&self) -> (u64, u64) {
        (self.offset, self.length)
    }

    /// Checks a body against its checksum.
    pub(crate) fn check(&self, body: &[u8]) -> Result<(), Unreadable> {
        let is_whole = ByteSize::from(body.len()).0 == self.length
            && self.offset.is_multiple_of(ByteSize::from(ALIGNMENT).0)
            && crc32c::crc32c(body) == self.crc;
        if is_whole {
            Ok(())
        } else {
            Err(Damaged("a section of it is not what was written"))
        }
    }

    /// The layer of a body of rows or state that was checked.
    pub(crate) fn layer(&self, body: &Bytes, hasher: &RowHasher) -> Result<Layer, Unreadable> {
        let version = match self.kind {
            KIND_STATE => STATE_VERSION,
            _ => self.version,
        };
        let batch = batch_of(body)?;
        let parts =
            parts_of(&batch, version).ok_or(Damaged("a section of it has other columns"))?;
        let built = parts.build_hashing(hasher);
        built.map_err(|_row| Damaged("a key comes twice in it"))
    }
}

impl Redo {
    /// A whole file.
    pub(crate) fn decode(bytes: &Bytes, hasher: &RowHasher) -> Result<(AppId, Self), Unreadable> {
        let header = Header::decode(bytes)?;
        let mut redo = Self {
            mark: header.mark,
            tables: Vec::new(),
            state: None,
            outgoing: Vec::new(),
            note: Bytes::new(),
        };
        let mut state = Vec::new();
        for place in &header.places {
            let body = body_of(bytes, place)?;
            match place.kind {
                KIND_ROWS => {
                    let layer = place.layer(&body, hasher)?;
                    redo.tables.push((place.stream, Arc::new(layer)));
                }
                KIND_STATE => state.push(place.layer(&body, hasher)?),
                KIND_NOTE => redo.note = body,
                KIND_OUTGOING => redo.outgoing.push(Outgoing {
                    stream: place.stream,
                    schema: place.version,
                    producer: place.producer,
                    first: place.first,
                    rows: batch_of(&body)?,
                    body,
                }),
                _ => return Err(Damaged("it has a section of an unknown kind")),
            }
        }
        redo.state = state_of(state, hasher)?.map(Arc::new);
        Ok((header.app, redo))
    }
}

/// The state of all sections.
fn state_of(sections: Vec<Layer>, hasher: &RowHasher) -> Result<Option<Layer>, Unreadable> {
    let sections: Vec<&Layer> = sections.iter().collect();
    if sections.is_empty() {
        return Ok(None);
    }
    let keys = sections.iter().map(|layer| layer.len()).sum::<usize>();
    let merged = merge(&sections, hasher).map_err(|_source| Damaged("it has too many keys"))?;
    if merged.len() != keys {
        return Err(Damaged("a key comes twice in it"));
    }
    Ok(Some(merged))
}

/// The bytes of a section, checked.
fn body_of(bytes: &Bytes, place: &Place) -> Result<Bytes, Unreadable> {
    let start = ByteSize(place.offset).as_usize();
    let end = start.checked_add(ByteSize(place.length).as_usize());
    let end = end.filter(|end| start <= *end && *end <= bytes.len());
    let end = end.ok_or(Damaged("it is too short for its sections"))?;
    let body = bytes.slice(start..end);
    place.check(&body)?;
    Ok(body)
}

fn batch_of(body: &Bytes) -> Result<RecordBatch, Unreadable> {
    decode_body(body).map_err(|_source| Damaged("a section of it holds no columns"))
}

fn parts_of(batch: &RecordBatch, version: SchemaVersion) -> Option<LayerParts> {
    let column = |name: &str| batch.column_by_name(name).map(|column| column.as_any());
    let strings = |name: &str| column(name)?.downcast_ref::<BinaryArray>().cloned();
    let deleted: &BooleanArray = column("deleted")?.downcast_ref()?;
    let written = match version {
        STATE_VERSION => ScalarBuffer::from(Vec::new()),
        _ => {
            let written: &UInt64Array = column("written")?.downcast_ref()?;
            written.values().clone()
        }
    };
    let parts = LayerParts {
        version,
        keys: strings("key")?,
        values: strings("value")?.into(),
        deleted: deleted.values().clone(),
        written,
    };
    (parts.is_whole() && deleted.null_count() == 0).then_some(parts)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    array_at(bytes, at).map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    array_at(bytes, at).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    array_at(bytes, at).map_or(0, u64::from_le_bytes)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
