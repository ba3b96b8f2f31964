//! A checkpoint as bytes. The format is in `redo.rs`. No I/O.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, BinaryArray, BooleanArray, RecordBatch, UInt64Array},
    datatypes::{DataType, Field, Schema},
    error::ArrowError,
};
use bytes::Bytes;
use mainstem_kernel::{ByteSize, SchemaVersion, StreamId};
use mainstem_log::frame::encode_body;

use super::{
    ALIGNMENT, AppId, CRC_AT, HEADER_BYTES, KIND_NOTE, KIND_OUTGOING, KIND_ROWS, KIND_STATE, MAGIC,
    Mark, NAME_AT, PLACE_BYTES, REDO_FORMAT, Redo,
};
use crate::{
    codec::ENCODING,
    errors::TableError,
    layer::{Layer, LayerParts, STATE_VERSION},
};

/// Bytes of values in one section of state: they are put together for it, and are no more in memory
/// as such once they are compressed.
const STATE_SECTION_BYTES: usize = 4 << 20;

/// A section before it has a place.
struct Section {
    kind: u8,
    stream: StreamId,
    version: SchemaVersion,
    producer: u64,
    first: u64,
    body: Bytes,
}

impl Section {
    fn new(kind: u8, stream: StreamId, version: SchemaVersion, body: Bytes) -> Self {
        Self {
            kind,
            stream,
            version,
            producer: 0,
            first: 0,
            body,
        }
    }
}

/// The file of a checkpoint, as parts to be written one after the other.
pub(crate) fn encode(app: &AppId, redo: &Redo) -> Result<Vec<Bytes>, TableError> {
    let none = (StreamId(0), SchemaVersion(0));
    let mut sections = Vec::new();
    for (table, layer) in &redo.tables {
        let body = layer_body((redo.mark, layer), 0..layer.len())?;
        sections.push(Section::new(KIND_ROWS, *table, layer.version(), body));
    }
    if let Some(state) = &redo.state {
        for rows in state.portions(STATE_SECTION_BYTES) {
            let body = layer_body((redo.mark, state), rows)?;
            sections.push(Section::new(KIND_STATE, none.0, none.1, body));
        }
    }
    if !redo.note.is_empty() {
        let note = redo.note.clone();
        sections.push(Section::new(KIND_NOTE, none.0, none.1, note));
    }
    for outgoing in &redo.outgoing {
        let body = outgoing.body.clone();
        sections.push(Section {
            producer: outgoing.producer.0,
            first: outgoing.first,
            ..Section::new(KIND_OUTGOING, outgoing.stream, outgoing.schema, body)
        });
    }
    Ok(assemble(app, redo.mark, sections))
}

fn assemble(app: &AppId, mark: Mark, sections: Vec<Section>) -> Vec<Bytes> {
    let mut offset = align(HEADER_BYTES + sections.len() * PLACE_BYTES);
    let mut directory = Vec::with_capacity(sections.len() * PLACE_BYTES);
    let mut bodies = Vec::with_capacity(sections.len() * 2);
    for section in sections {
        let length = section.body.len();
        directory.extend_from_slice(&[section.kind, 0, 0, 0]);
        directory.extend_from_slice(&section.stream.0.to_le_bytes());
        directory.extend_from_slice(&section.version.0.to_le_bytes());
        directory.extend_from_slice(&crc32c::crc32c(&section.body).to_le_bytes());
        directory.extend_from_slice(&ByteSize::from(offset).0.to_le_bytes());
        directory.extend_from_slice(&ByteSize::from(length).0.to_le_bytes());
        directory.extend_from_slice(&section.producer.to_le_bytes());
        directory.extend_from_slice(&section.first.to_le_bytes());
        bodies.push(section.body);
        let end = align(offset + length);
        bodies.push(Bytes::from(vec![0; end - offset - length]));
        offset = end;
    }
    let mut head = header(app, mark, directory.len() / PLACE_BYTES);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&head), &directory);
    head.extend_from_slice(&crc.to_le_bytes());
    head.extend_from_slice(&directory);
    head.resize(align(head.len()), 0);
    let mut parts = vec![Bytes::from(head)];
    parts.extend(bodies.into_iter().filter(|part| !part.is_empty()));
    parts
}

/// The header without its CRC.
fn header(app: &AppId, mark: Mark, sections: usize) -> Vec<u8> {
    let name = app.name.as_str();
    let mut head = Vec::with_capacity(HEADER_BYTES);
    head.extend_from_slice(&MAGIC);
    head.extend_from_slice(&REDO_FORMAT.to_le_bytes());
    head.extend_from_slice(&ENCODING.to_le_bytes());
    head.extend_from_slice(&u32::try_from(sections).unwrap_or(u32::MAX).to_le_bytes());
    for number in [mark.number, mark.through.0, mark.previous.0, mark.sent] {
        head.extend_from_slice(&number.to_le_bytes());
    }
    head.extend_from_slice(&app.tenant.0.to_le_bytes());
    debug_assert_eq!(head.len(), NAME_AT);
    head.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    head.extend_from_slice(name.as_bytes());
    head.resize(CRC_AT, 0);
    head
}

fn align(offset: usize) -> usize {
    offset.next_multiple_of(ALIGNMENT)
}

/// Rows of a layer as the body of a section.
fn layer_body((mark, layer): (Mark, &Layer), rows: Range<usize>) -> Result<Bytes, TableError> {
    let parts = layer.parts();
    let values = parts.values.packed(rows.clone())?;
    let batch = layer_batch(&parts, (values, rows));
    batch
        .and_then(|batch| encode_body(&batch))
        .map_err(|source| TableError::Encode {
            number: mark.number,
            source,
        })
}

/// Rows of a layer as columns.
fn layer_batch(
    parts: &LayerParts,
    (values, rows): (BinaryArray, Range<usize>),
) -> Result<RecordBatch, ArrowError> {
    let (start, length) = (rows.start, rows.len());
    let mut fields = vec![
        Field::new("key", DataType::Binary, false),
        Field::new("value", DataType::Binary, false),
        Field::new("deleted", DataType::Boolean, false),
    ];
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(parts.keys.slice(start, length)),
        Arc::new(values),
        Arc::new(BooleanArray::new(parts.deleted.slice(start, length), None)),
    ];
    if parts.version != STATE_VERSION {
        let written = UInt64Array::new(parts.written.slice(start, length), None);
        fields.push(Field::new("written", written.data_type().clone(), false));
        columns.push(Arc::new(written));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}
