//! What is read, and what the log still has.
//!
//! It never knows where rows are kept, beyond what an error has to name.

use std::{io, path::PathBuf};

use arrow::error::ArrowError;
use mainstem_kernel::{Answer, Blame, Code, Fault, Retry, Seq, StreamId};

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
    /// Caller: read history up to `trimmed`, then ask again.
    #[error("stream {stream} was trimmed up to {trimmed}")]
    Trimmed {
        /// The stream.
        stream: StreamId,
        /// Everything up to and including this is only in history.
        trimmed: Seq,
    },
    /// Node: the disk did not give the bytes; it may later.
    #[error("could not read journal file \"{}\"", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the disk said.
        #[source]
        source: io::Error,
    },
    /// Node: the bytes are not those that were written; a backup has them, if anything has.
    #[error(
        "journal file \"{}\" is damaged at byte {offset}: a frame of stream {stream}, seq {seq}",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the frame begins.
        offset: u64,
        /// The frame's stream.
        stream: StreamId,
        /// The frame's seq.
        seq: Seq,
    },
    /// Node: the bytes are as they were written, but are no rows; this is a defect.
    #[error("could not decode the frame of stream {stream} at seq {seq}")]
    Decode {
        /// The frame's stream.
        stream: StreamId,
        /// The frame's seq.
        seq: Seq,
        /// What Arrow said.
        #[source]
        source: ArrowError,
    },
}

impl Fault for ReadError {
    fn answer(&self) -> Answer {
        match self {
            Self::Trimmed { .. } => Answer::caller(Code::Log014),
            Self::Io { .. } => Answer::node(Code::Log015),
            Self::Damaged { .. } => Answer {
                code: Code::Log016,
                blame: Blame::Node,
                retry: Retry::Never,
            },
            Self::Decode { .. } => Answer {
                code: Code::Log017,
                blame: Blame::Node,
                retry: Retry::Never,
            },
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Damaged { .. } => Some(
                "check the disk; restore the last backup beside this node and compare".to_owned(),
            ),
            Self::Trimmed { .. } | Self::Io { .. } | Self::Decode { .. } => None,
        }
    }
}
