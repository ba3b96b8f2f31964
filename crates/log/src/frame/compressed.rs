//! The buffers of a batch, compressed.
//!
//! Arrow's writer does this as well, and what it writes and this are read alike. It copies each
//! buffer before it compresses it and three times behind that, with 100 KiB of working memory for
//! each; frames have many small buffers. Here a buffer is compressed from where it lies to where the
//! body is put together, with working memory that a thread keeps. Which buffers a batch has is for
//! Arrow to say: this takes its uncompressed messages and writes them anew.
//!
//! # Format
//!
//! Arrow IPC (<https://arrow.apache.org/docs/format/Columnar.html>), `BodyCompression` with
//! `LZ4_FRAME`: a buffer is its length before compression as `i64`, or -1 if it follows as it is, and
//! one LZ4 frame (<https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>) of independent
//! blocks without checksums or content size. A buffer of no bytes stays one.

mod rope;

use std::cell::RefCell;

use arrow::{
    buffer::Buffer,
    error::ArrowError,
    ipc::{
        self, BodyCompressionBuilder, BodyCompressionMethod, CompressionType, FieldNode,
        MessageBuilder, MessageHeader, MetadataVersion, RecordBatch, RecordBatchBuilder,
        root_as_message,
    },
};
use bytes::Bytes;
use flatbuffers::FlatBufferBuilder;
use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};

use self::rope::Rope;
use super::ALIGNMENT;

/// What a message begins with, before the length of its metadata.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Of continuation and length.
const PREFIX_BYTES: usize = 8;
/// What a stream ends with: a message of no length.
const END: [u8; PREFIX_BYTES] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
/// What stands there if the buffer was not compressed.
const AS_IT_IS: i64 = -1;
/// Magic number and flags: version 1, independent blocks.
const FRAME_HEAD: [u8; 5] = [0x04, 0x22, 0x4d, 0x18, 0x60];
/// Sizes of blocks, what they are called, and the checksum of flags and name: the second byte of their
/// XXH32.
const BLOCKS: [(usize, [u8; 2]); 3] = [
    (64 << 10, [0x40, 0x82]),
    (256 << 10, [0x50, 0xfb]),
    (1 << 20, [0x60, 0x51]),
];
const LARGEST: (usize, [u8; 2]) = (4 << 20, [0x70, 0x73]);
/// In the length of a block: it was not compressed.
const BLOCK_AS_IT_IS: u32 = 1 << 31;
/// A thread keeps no more working memory than this.
const SCRATCH_MOST: usize = 2 << 20;

/// What a thread works with.
struct Scratch {
    body: Vec<u8>,
    /// Where a block is compressed to; as long as the longest yet.
    block: Vec<u8>,
    table: CompressTable,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        body: Vec::new(),
        block: Vec::new(),
        table: CompressTable::large(),
    });
}

/// The stream of a schema and a batch that was encoded without compression, with its buffers
/// compressed.
///
/// # Errors
/// When it is no such stream.
pub(super) fn compressed(parts: &[Buffer]) -> Result<Bytes, ArrowError> {
    let mut rope = Rope::new(parts);
    let schema = rope.message()?;
    let plain = rope.message()?;
    let message = root_as_message(&plain).map_err(|error| odd(&error.to_string()))?;
    let batch = message.header_as_record_batch();
    let batch = batch.ok_or_else(|| odd("its second message is no batch"))?;
    SCRATCH.with_borrow_mut(|scratch| {
        let buffers = scratch.fill(&batch, &mut rope);
        let whole = buffers.map(|buffers| {
            let metadata = framed(&metadata(&batch, &buffers, scratch.body.len()));
            let schema = framed(&schema);
            let parts: [&[u8]; 4] = [&schema, &metadata, &scratch.body, &END];
            Bytes::from(parts.concat())
        });
        scratch.forget();
        whole
    })
}

/// A message that says where the compressed buffers are.
fn metadata(batch: &RecordBatch<'_>, buffers: &[ipc::Buffer], length: usize) -> Vec<u8> {
    let mut to = FlatBufferBuilder::new();
    let mut compression = BodyCompressionBuilder::new(&mut to);
    compression.add_method(BodyCompressionMethod::BUFFER);
    compression.add_codec(CompressionType::LZ4_FRAME);
    let compression = compression.finish();
    let nodes: Vec<FieldNode> = batch.nodes().iter().flatten().copied().collect();
    let counts: Vec<i64> = batch.variadicBufferCounts().iter().flatten().collect();
    let nodes = to.create_vector(&nodes);
    let buffers = to.create_vector(buffers);
    let counts = (!counts.is_empty()).then(|| to.create_vector(&counts));
    let mut header = RecordBatchBuilder::new(&mut to);
    header.add_length(batch.length());
    header.add_nodes(nodes);
    header.add_buffers(buffers);
    header.add_compression(compression);
    if let Some(counts) = counts {
        header.add_variadicBufferCounts(counts);
    }
    let header = header.finish().as_union_value();
    let mut message = MessageBuilder::new(&mut to);
    message.add_version(MetadataVersion::V5);
    message.add_header_type(MessageHeader::RecordBatch);
    message.add_bodyLength(as_i64(length));
    message.add_header(header);
    let message = message.finish();
    to.finish(message, None);
    to.finished_data().to_vec()
}

/// Metadata with what stands before it, so long that a body behind it is aligned.
fn framed(metadata: &[u8]) -> Vec<u8> {
    let length = PREFIX_BYTES.saturating_add(metadata.len());
    let length = length.next_multiple_of(ALIGNMENT);
    let stated = length.saturating_sub(PREFIX_BYTES);
    let stated = u32::try_from(stated).unwrap_or(u32::MAX);
    let mut framed = Vec::with_capacity(length);
    framed.extend_from_slice(&CONTINUATION);
    framed.extend_from_slice(&stated.to_le_bytes());
    framed.extend_from_slice(metadata);
    framed.resize(length, 0);
    framed
}

impl Scratch {
    /// The body of a batch; gives where its buffers lie.
    fn fill(
        &mut self,
        batch: &RecordBatch<'_>,
        rope: &mut Rope<'_>,
    ) -> Result<Vec<ipc::Buffer>, ArrowError> {
        self.body.clear();
        let mut buffers = Vec::new();
        let mut at = 0;
        for buffer in batch.buffers().iter().flatten() {
            let (offset, length) = (as_usize(buffer.offset())?, as_usize(buffer.length())?);
            let padding = offset.checked_sub(at);
            rope.skip(padding.ok_or_else(|| odd("its buffers overlap"))?)?;
            buffers.push(self.put(rope.slice(length)?)?);
            at = offset.saturating_add(length);
        }
        Ok(buffers)
    }

    /// Puts a buffer at the end of the body; gives where it lies, without what aligns the next.
    fn put(&mut self, bytes: &[u8]) -> Result<ipc::Buffer, ArrowError> {
        let start = self.body.len();
        if !bytes.is_empty() {
            self.compress(bytes)?;
            if self.body.len().saturating_sub(start) > bytes.len() {
                self.body.truncate(start);
                self.body.extend_from_slice(&AS_IT_IS.to_le_bytes());
                self.body.extend_from_slice(bytes);
            }
        }
        let end = self.body.len();
        self.body.resize(end.next_multiple_of(ALIGNMENT), 0);
        let length = end.saturating_sub(start);
        Ok(ipc::Buffer::new(as_i64(start), as_i64(length)))
    }

    fn compress(&mut self, bytes: &[u8]) -> Result<(), ArrowError> {
        let fits = BLOCKS.iter().find(|(size, _)| bytes.len() <= *size);
        let (size, name) = fits.unwrap_or(&LARGEST);
        let length = as_i64(bytes.len()).to_le_bytes();
        self.body.extend_from_slice(&length);
        self.body.extend_from_slice(&FRAME_HEAD);
        self.body.extend_from_slice(name);
        for block in bytes.chunks(*size) {
            let room = get_maximum_output_size(block.len());
            if self.block.len() < room {
                self.block.resize(room, 0);
            }
            let length = compress_into_with_table(block, &mut self.block, &mut self.table)
                .map_err(|error| odd(&error.to_string()))?;
            let packed = self.block.get(..length).unwrap_or_default();
            let (bytes, mark) = match packed.len() < block.len() {
                true => (packed, 0),
                false => (block, BLOCK_AS_IT_IS),
            };
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX) | mark;
            self.body.extend_from_slice(&length.to_le_bytes());
            self.body.extend_from_slice(bytes);
        }
        self.body.extend_from_slice(&0_u32.to_le_bytes());
        Ok(())
    }

    /// Lets go of memory that only a very large body needed.
    fn forget(&mut self) {
        for memory in [&mut self.body, &mut self.block] {
            if memory.capacity() > SCRATCH_MOST {
                *memory = Vec::new();
            }
        }
    }
}

fn as_usize(number: i64) -> Result<usize, ArrowError> {
    usize::try_from(number).map_err(|_negative| odd("a buffer lies nowhere"))
}

fn as_i64(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// That Arrow has not encoded a batch as it should.
fn odd(what: &str) -> ArrowError {
    ArrowError::IpcError(format!("a batch was encoded oddly: {what}"))
}

#[cfg(test)]
mod tests;
