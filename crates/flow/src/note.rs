//! `Note`: what a checkpoint says of views beyond their rows and state: how far each is.
//!
//! # Format 1
//!
//! JSON of `Note`. Fields may be added within a format only if an older program may ignore them; a
//! newer format is refused. A watermark has a fourth number where its stream rested before its first row;
//! programs from before that refuse such a note, since they could not go on from there.

use std::collections::BTreeMap;

use bytes::Bytes;
use mainstem_kernel::{ProducerId, Seq, StreamId};
use serde::{Deserialize, Serialize};

use crate::{errors::FlowError, watermark::KeptWatermark};

/// The format that this program writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// How far views are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) format: u32,
    /// Views that are at the checkpoint's frontier.
    pub(crate) live: Vec<StreamId>,
    /// Event time of what the live views read.
    pub(crate) watermarks: Vec<(StreamId, KeptWatermark)>,
    pub(crate) builds: Vec<BuildNote>,
    /// Views that stand still, and up to where everything is in them: for older programs.
    pub(crate) paused: Vec<(StreamId, Seq)>,
    /// The same, with what they need to go on from there.
    #[serde(default)]
    pub(crate) rested: Vec<BuildNote>,
    /// Number of each sender's next row.
    pub(crate) numbers: Vec<(StreamId, ProducerId, u64)>,
    /// Views and tables that are gone; their rows may still be in the store.
    pub(crate) forgotten: Vec<StreamId>,
    /// Views and tables that have rows.
    pub(crate) known: Vec<StreamId>,
}

/// How far a view is that is built, or stands still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BuildNote {
    pub(crate) view: StreamId,
    pub(crate) at: Seq,
    pub(crate) watermarks: Vec<(StreamId, KeptWatermark)>,
    pub(crate) rows_read: u64,
}

impl Note {
    pub(crate) fn encode(&self) -> Bytes {
        let note = Self {
            format: FORMAT,
            ..self.clone()
        };
        // Numbers and lists of numbers: nothing that JSON cannot hold.
        serde_json::to_vec(&note).unwrap_or_default().into()
    }

    /// Where views that stand still go on.
    pub(crate) fn rested_by_view(&self) -> BTreeMap<StreamId, BuildNote> {
        let rested = self.rested.iter();
        rested.map(|kept| (kept.view, kept.clone())).collect()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FlowError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let note: Self = serde_json::from_slice(bytes).map_err(|_json| FlowError::Note)?;
        if note.format > FORMAT {
            return Err(FlowError::Note);
        }
        Ok(note)
    }
}
