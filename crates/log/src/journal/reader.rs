//! Frames from their files: read without a lock, checked, and only then decoded.

use std::{io, sync::Arc};

use bytes::Bytes;
use mainstem_kernel::StreamId;

use super::{
    format::{FRAME_HEADER, FrameHeader, Parsed, parse_entries},
    index::FrameRef,
};
use crate::{Frame, ReadError, frame::decode_body};

/// The rows of a frame, from memory or from its file.
///
/// # Errors
/// `Io`, `Damaged` or `Decode`.
pub(crate) fn read_frame(stream: StreamId, frame: &FrameRef) -> Result<Frame, ReadError> {
    if let Some(cached) = &frame.cached {
        return Ok(Frame::clone(cached));
    }
    let (header, bytes) = read_bytes(stream, frame)?;
    let damaged = || damaged(stream, frame);
    let body_at = header.body_at().ok_or_else(damaged)?;
    let entries = bytes
        .get(FRAME_HEADER..body_at)
        .and_then(parse_entries)
        .ok_or_else(damaged)?;
    let body_length = usize::try_from(header.body_length).unwrap_or(usize::MAX);
    let body = bytes.slice(body_at..body_at.saturating_add(body_length));
    let batch = decode_body(&body).map_err(|source| ReadError::Decode {
        stream,
        seq: frame.seq,
        source,
    })?;
    Ok(Frame {
        seq: header.seq,
        stream,
        schema: header.schema,
        key: header.key,
        entries: entries.into(),
        batch,
    })
}

/// The bytes of a frame as they stand in its file, with both checksums compared.
///
/// # Errors
/// `Io` or `Damaged`.
pub(crate) fn read_bytes(
    stream: StreamId,
    frame: &FrameRef,
) -> Result<(FrameHeader, Bytes), ReadError> {
    let length = usize::try_from(frame.spot.length).unwrap_or(usize::MAX);
    let mut bytes = vec![0; length];
    match frame.file.slot.file.read_at(&mut bytes, frame.spot.at) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(damaged(stream, frame));
        }
        Err(source) => {
            let path = frame.file.path().to_owned();
            return Err(ReadError::Io { path, source });
        }
    }
    match FrameHeader::parse(&bytes) {
        Parsed::Valid(header)
            if header.seq == frame.seq
                && header.stream == stream
                && header.length == frame.spot.length
                && header.body(&bytes).is_some() =>
        {
            Ok((header, Bytes::from(bytes)))
        }
        Parsed::Valid(_) | Parsed::Nothing | Parsed::Newer(_) => Err(damaged(stream, frame)),
    }
}

fn damaged(stream: StreamId, frame: &FrameRef) -> ReadError {
    let path = Arc::clone(&frame.file).path().to_owned();
    ReadError::Damaged {
        path,
        offset: frame.spot.at,
        stream,
        seq: frame.seq,
    }
}
