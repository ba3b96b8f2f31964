//! `Reader`: the rows of one stream from some seq on: history while the log no longer has them, then
//! the log. Each row is given once, in the order of the log.
//!
//! It never waits and never reads further than it is told.

use std::{collections::VecDeque, sync::Arc};

use mainstem_catalog::StreamDef;
use mainstem_history::{History, Replay};
use mainstem_kernel::Seq;
use mainstem_log::{Extent, ReadError, ReadFrom, SharedLog};

use super::{Piece, SourceColumn};
use crate::errors::FlowError;

/// Where rows are read.
#[derive(Clone, Debug)]
pub(crate) struct ReaderParts {
    pub(crate) log: SharedLog,
    pub(crate) history: Arc<History>,
}

/// Reads one stream.
#[derive(Debug)]
pub(crate) struct Reader {
    parts: ReaderParts,
    def: Arc<StreamDef>,
    wanted: Vec<SourceColumn>,
    /// Everything up to here was taken.
    after: Seq,
    /// Everything up to here was taken or is in `pieces`.
    through: Seq,
    pieces: VecDeque<Piece>,
    bytes: usize,
    replay: Option<Replay>,
}

impl Reader {
    /// Begins behind `after`.
    pub(crate) fn new(parts: ReaderParts, def: Arc<StreamDef>, after: Seq) -> Self {
        Self {
            parts,
            def,
            wanted: Vec::new(),
            after,
            through: after,
            pieces: VecDeque::new(),
            bytes: 0,
            replay: None,
        }
    }

    pub(crate) fn wanted(&self) -> &[SourceColumn] {
        &self.wanted
    }

    /// Which definition it reads by.
    pub(crate) fn def(&self) -> &Arc<StreamDef> {
        &self.def
    }

    /// Reads these columns too, from where it is.
    pub(crate) fn want(&mut self, columns: &[SourceColumn]) {
        let missing = columns.iter().filter(|c| !self.wanted.contains(c));
        let missing: Vec<SourceColumn> = missing.copied().collect();
        if !missing.is_empty() {
            self.wanted.extend(missing);
            self.begin_again();
        }
    }

    /// The stream has another definition.
    pub(crate) fn redefine(&mut self, def: Arc<StreamDef>) {
        self.def = def;
        self.begin_again();
    }

    /// What was read and not taken is read again.
    fn begin_again(&mut self) {
        self.pieces.clear();
        self.bytes = 0;
        self.through = self.after;
        self.replay = None;
    }

    /// Everything up to here can be taken.
    pub(crate) fn through(&self) -> Seq {
        self.through
    }

    /// Rows that are still to be read, as far as is known.
    pub(crate) fn rows_left(&self) -> u64 {
        let pinned = || {
            let pinned = self.parts.history.pin(self.def.id)?;
            let files = pinned
                .files
                .iter()
                .filter(|file| file.first_seq > self.through);
            Some(files.map(|file| file.rows).sum())
        };
        let archived = match &self.replay {
            Some(replay) => replay.rows_left(),
            None => pinned().unwrap_or(0),
        };
        let extent = self.parts.log.extent(self.def.id);
        archived + extent.map_or(0, |extent| rows_behind(extent, self.through))
    }

    /// Reads on up to `end`, until about `bytes_max` wait to be taken.
    ///
    /// # Errors
    /// What log and history say; `Missing` when neither has some rows.
    pub(crate) fn fill(&mut self, end: Seq, bytes_max: usize) -> Result<(), FlowError> {
        // However much waits, one can always go on: what waits may all be of one seq.
        while self.through < end && (self.bytes < bytes_max || self.through <= self.after) {
            if self.replay.is_some() {
                self.read_history()?;
            } else {
                self.read_log(end, bytes_max)?;
            }
        }
        Ok(())
    }

    fn read_log(&mut self, end: Seq, bytes_max: usize) -> Result<(), FlowError> {
        let from = ReadFrom {
            after: self.through,
            through: end,
            bytes_max: bytes_max.saturating_sub(self.bytes).max(1),
        };
        match self.parts.log.read(self.def.id, from) {
            Ok(chunk) => {
                let frames = chunk.frames.iter().filter(|f| f.batch.num_rows() > 0);
                for frame in frames {
                    let piece = Piece::of_frame(frame, &self.def, &self.wanted)?;
                    self.put(piece);
                }
                let through = if chunk.is_end { end } else { chunk.through };
                self.through = self.through.max(through);
                Ok(())
            }
            Err(ReadError::Trimmed { trimmed, .. }) => self.begin_history(trimmed),
            Err(error) => Err(error.into()),
        }
    }

    fn begin_history(&mut self, trimmed: Seq) -> Result<(), FlowError> {
        let wanted = self.wanted.iter();
        let names: Vec<Vec<String>> = wanted.map(|column| column.names(&self.def)).collect();
        let (stream, after) = (self.def.id, self.through);
        let replay = self.parts.history.replay(stream, after, &names);
        let missing = FlowError::Missing {
            stream: self.def.spec.name.clone(),
            after,
            trimmed,
        };
        let replay = replay.ok_or_else(|| FlowError::Missing {
            stream: self.def.spec.name.clone(),
            after,
            trimmed,
        })?;
        if replay.archived() < trimmed {
            return Err(missing);
        }
        self.replay = Some(replay);
        Ok(())
    }

    fn read_history(&mut self) -> Result<(), FlowError> {
        let Some(replay) = &mut self.replay else {
            return Ok(());
        };
        match replay.next_rows()? {
            Some(rows) => {
                let piece = Piece::of_history(&rows, &self.def, &self.wanted)?;
                // The next rows may have the same seq as the last of these.
                let whole = Seq(piece.last().0.saturating_sub(1));
                self.put(piece);
                self.through = self.through.max(whole);
            }
            None => {
                self.through = self.through.max(replay.archived());
                self.replay = None;
            }
        }
        Ok(())
    }

    fn put(&mut self, piece: Piece) {
        self.bytes += piece.size();
        self.pieces.push_back(piece);
    }

    /// Takes the rows up to `through`, which must have been read.
    pub(crate) fn take(&mut self, through: Seq) -> Vec<Piece> {
        let mut taken = Vec::new();
        while let Some(piece) = self.pieces.pop_front() {
            if piece.last() <= through {
                self.bytes = self.bytes.saturating_sub(piece.size());
                taken.push(piece);
                continue;
            }
            let size = piece.size();
            let (front, rest) = piece.split(through);
            self.bytes = self.bytes.saturating_sub(size) + rest.size();
            if front.rows() > 0 {
                taken.push(front);
            }
            self.pieces.push_front(rest);
            break;
        }
        self.after = self.after.max(through);
        self.through = self.through.max(through);
        taken
    }
}

/// About how many rows of the log are behind a seq.
fn rows_behind(extent: Extent, through: Seq) -> u64 {
    let whole = extent.last.0.saturating_sub(extent.first.0);
    let left = extent.last.0.saturating_sub(through.0);
    if left > whole {
        return extent.rows;
    }
    let rows = u128::from(extent.rows) * u128::from(left) / u128::from(whole.max(1));
    u64::try_from(rows).unwrap_or(u64::MAX)
}
