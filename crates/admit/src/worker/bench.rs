//! `Bench`: what a worker needs to turn payloads of one stream into a frame.

use std::sync::Arc;

use arrow::{array::RecordBatch, compute::concat_batches, error::ArrowError};
use bytes::Bytes;
use mainstem_kernel::{ProducerId, Timestamp, metrics::Metrics};

use crate::{
    AdmitError, Format,
    decode::{PartLimit, Progress, Rows, Source},
    errors::encode,
    letters::Letters,
    request::Request,
    sheet::{Route, Run, Sheet},
    stamp::Seed,
    submission::{Span, Submission, Target},
};

/// The columns of one stream, and who sent the rows in them.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) target: Target,
    keys: Vec<usize>,
    rows: Rows,
    letters: Letters,
    spans: Vec<Span>,
    /// Rows that came as columns, and those that came before them.
    pieces: Vec<RecordBatch>,
    piece_rows: usize,
    limit: PartLimit,
    /// Partition of the next frame, if no column chooses it.
    turn: u16,
}

impl Bench {
    pub(super) fn new(target: Target, limit: PartLimit) -> Self {
        let spec = &target.stream.spec;
        let place = |name: &_| {
            spec.columns
                .0
                .iter()
                .position(|column| column.name == *name)
        };
        let keys = spec.partition_by.iter().filter_map(place).collect();
        let rows = Rows::new(&target.stream);
        let limit = limit.for_width(rows.width());
        Self {
            keys,
            rows,
            letters: Letters::default(),
            spans: Vec::new(),
            pieces: Vec::new(),
            piece_rows: 0,
            limit,
            turn: 0,
            target,
        }
    }

    /// Gets ready for a frame: event times after `latest` are refused.
    /// About `bytes` of payload are coming.
    pub(super) fn begin(&mut self, latest: Timestamp, bytes: usize) {
        self.rows.begin(latest, bytes);
    }

    /// Looks at a payload's beginning.
    ///
    /// # Errors
    /// When it cannot be read as a whole.
    pub(super) fn open(&self, format: Format, body: Bytes) -> Result<Source, AdmitError> {
        Source::open(format, body, &self.rows)
    }

    /// Whether a body of so many bytes may be more than one part takes. No row has less than two
    /// bytes.
    pub(super) fn may_take_parts(&self, bytes: usize) -> bool {
        bytes / 2 >= self.limit.rows_max
            || bytes.saturating_mul(self.rows.growth()) >= self.limit.bytes_max
    }

    /// Rows so far, dead letters included.
    fn len(&self) -> usize {
        self.piece_rows + self.rows.len() + self.letters.len()
    }

    /// Whether the frame is large enough.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.limit.rows_max
    }

    /// Whether there are rows of that sender already.
    pub(super) fn has(&self, producer: ProducerId) -> bool {
        self.spans
            .iter()
            .any(|span| span.seed.is_some_and(|seed| seed.producer() == producer))
    }

    /// Decodes the next part of a payload.
    ///
    /// # Errors
    /// When the payload cannot be read any further.
    pub(super) fn part(
        &mut self,
        source: &mut Source,
        request: &Arc<Request>,
        seed: Option<Seed>,
    ) -> Result<Progress, AdmitError> {
        let (rows, letters) = (self.piece_rows + self.rows.len(), self.letters.len());
        let before = self.rows.len();
        let read = source.part(&mut self.rows, &mut self.letters, self.limit);
        let progress = read.inspect_err(|_error| self.rows.rollback(before))?;
        if let Some(piece) = source.take_piece() {
            self.end_piece().map_err(encode)?;
            self.piece_rows += piece.num_rows();
            self.pieces.push(piece);
        }
        let span = Span {
            request: Arc::clone(request),
            seed,
            rows: self.piece_rows + self.rows.len() - rows,
            letters: letters..self.letters.len(),
            rejects: self.letters.take_named(),
        };
        if span.rows > 0 || !span.letters.is_empty() {
            request.begin();
            self.spans.push(span);
        }
        Ok(progress)
    }

    /// Turns the rows so far into a piece.
    fn end_piece(&mut self) -> Result<(), ArrowError> {
        if self.rows.len() > 0 {
            let piece = self.rows.finish()?;
            self.piece_rows += piece.num_rows();
            self.pieces.push(piece);
        }
        Ok(())
    }

    /// Everything that was decoded, ready to be encoded; nothing is left here.
    pub(super) fn finish(&mut self, metrics: &Metrics) -> Option<Submission> {
        let spans = std::mem::take(&mut self.spans);
        if spans.is_empty() {
            return None;
        }
        self.letters.count(metrics);
        let is_slow = |span: &&Span| !span.letters.is_empty();
        metrics
            .slow_decodes
            .inc_by(spans.iter().filter(is_slow).count() as u64);
        let frames = self.frames(&spans);
        let spans = spans.into_iter().map(Some).collect();
        let mut submission = Submission {
            target: self.target.clone(),
            spans,
            sheet: None,
            letters: None,
        };
        match frames {
            Ok((sheet, letters)) => {
                submission.sheet = sheet;
                submission.letters = letters;
                Some(submission)
            }
            Err(source) => {
                let source = Arc::new(source);
                submission.fail(|| AdmitError::Encode {
                    source: Arc::clone(&source),
                });
                None
            }
        }
    }

    fn frames(
        &mut self,
        spans: &[Span],
    ) -> Result<(Option<Sheet>, Option<RecordBatch>), ArrowError> {
        let letters = match self.letters.len() {
            0 => None,
            _ => Some(self.letters.finish(&self.target.letters)?),
        };
        if self.pieces.is_empty() && self.rows.len() == 0 && spans.iter().all(|s| s.seed.is_none())
        {
            return Ok((None, letters));
        }
        let batch = if self.pieces.is_empty() {
            self.rows.finish()?
        } else {
            self.end_piece()?;
            self.piece_rows = 0;
            let pieces = std::mem::take(&mut self.pieces);
            match <[RecordBatch; 1]>::try_from(pieces) {
                Ok([piece]) => piece,
                Err(pieces) => concat_batches(&self.rows.schema(), &pieces)?,
            }
        };
        let partitions = self.target.stream.spec.partitions;
        let route = Route {
            keys: &self.keys,
            partitions,
            turn: self.turn,
        };
        self.turn = (self.turn + 1) % partitions.max(1);
        Ok((Some(Sheet::sort(batch, &runs(spans), route)?), letters))
    }
}

/// Who sent which rows: neighbours that carry no stamp need not be told apart.
fn runs(spans: &[Span]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (owner, span) in spans.iter().enumerate() {
        match (span.seed, runs.last_mut()) {
            (None, Some(last)) if last.stamp.is_none() => last.rows += span.rows,
            (None, _) => runs.push(Run {
                rows: span.rows,
                stamp: None,
                owner: None,
            }),
            (Some(seed), _) => {
                let stamp = seed.stamp(span.rows + span.letters.len(), span.letters.len());
                runs.push(Run {
                    rows: span.rows,
                    stamp: Some(stamp),
                    owner: Some(owner),
                });
            }
        }
    }
    runs
}
