//! What is read, and what the log still has.

use mainstem_kernel::{Answer, Code, Fault, Seq, StreamId};

use crate::frame::Frame;

/// Where to read, and how much.
#[derive(Clone, Copy, Debug)]
pub struct ReadFrom {
    /// Only frames with a greater seq.
    pub after: Seq,
    /// Only frames up to and including this seq; `Seq::MAX` for all.
    pub through: Seq,
    /// About how many bytes of rows at most; at least one frame is given.
    pub bytes_max: usize,
}

/// Some frames of one stream.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// In order of seq.
    pub frames: Vec<Frame>,
    /// Everything of the stream up to here is in `frames` or was before `after`; ask on from here.
    pub through: Seq,
    /// Whether this reaches the frontier (or the `through` that was asked for).
    pub is_end: bool,
}

/// What the log still holds of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Seq of the first frame.
    pub first: Seq,
    /// Seq of the last frame.
    pub last: Seq,
    /// Rows.
    pub rows: u64,
    /// Bytes as the journal keeps them.
    pub bytes: u64,
}

/// Why the log cannot give what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Caller: read history up to `first`, then ask again.
    #[error("stream {stream} was trimmed up to {trimmed}")]
    Trimmed {
        /// The stream.
        stream: StreamId,
        /// Everything up to and including this is only in history.
        trimmed: Seq,
    },
}

impl Fault for ReadError {
    fn answer(&self) -> Answer {
        match self {
            Self::Trimmed { .. } => Answer::caller(Code::Log001),
        }
    }
}
