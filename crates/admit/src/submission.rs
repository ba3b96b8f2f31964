//! `Submission`: rows on their way to the log, and who waits for them.
//!
//! It never waits itself. If the log says that some requests were appended before, those are
//! answered as the first time and the rest is appended again.

use std::{ops::Range, sync::Arc};

use arrow::{array::RecordBatch, error::ArrowError};
use mainstem_catalog::StreamDef;
use mainstem_kernel::{PartitionId, Reached};
use mainstem_log::{Append, AppendError, Draft, DraftEntry, Earlier, Refusal};

use crate::{
    AdmitError, Reject,
    request::{Outcome, Request},
    sheet::{Sheet, keep},
    stamp::Seed,
};

/// A stream and the one of its dead letters.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) stream: Arc<StreamDef>,
    pub(crate) letters: Arc<StreamDef>,
}

impl Target {
    /// Whether both are the same streams in the same version.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.stream, &other.stream) && Arc::ptr_eq(&self.letters, &other.letters)
    }
}

/// The rows of one part of one request.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) request: Arc<Request>,
    pub(crate) seed: Option<Seed>,
    /// Accepted rows.
    pub(crate) rows: usize,
    /// Its rows in the frame of dead letters.
    pub(crate) letters: Range<usize>,
    /// The first of them, in words.
    pub(crate) rejects: Vec<Reject>,
}

/// Rows on their way to the log.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) target: Target,
    /// `None` once a span is answered.
    pub(crate) spans: Vec<Option<Span>>,
    /// Rows of the stream, if there are any, or stamps without rows.
    pub(crate) sheet: Option<Sheet>,
    /// Rows of its dead letters, if there are any.
    pub(crate) letters: Option<RecordBatch>,
}

impl Submission {
    /// Encodes the rows: that is most of the work of an append.
    ///
    /// # Errors
    /// When Arrow cannot encode the rows.
    pub(crate) fn encode(&self) -> Result<Append, ArrowError> {
        let mut frames = Vec::with_capacity(2);
        // Dead letters first: then the seq of the stream's own frame covers both.
        if let Some(letters) = &self.letters {
            let rows = u32::try_from(letters.num_rows()).unwrap_or(u32::MAX);
            let entry = DraftEntry {
                partition: PartitionId(0),
                rows,
                stamp: None,
            };
            let stream = &self.target.letters;
            let (id, version) = (stream.id, stream.schema_version());
            frames.push(Draft::encode(id, version, vec![entry], letters.clone())?);
        }
        if let Some(sheet) = &self.sheet {
            let stream = &self.target.stream;
            let (id, version) = (stream.id, stream.schema_version());
            frames.push(Draft::encode(
                id,
                version,
                sheet.entries.clone(),
                sheet.batch.clone(),
            )?);
        }
        Ok(Append { frames })
    }

    /// Tells every request that its rows are durable.
    pub(crate) fn answer(self, reached: &Reached) {
        for span in self.spans.into_iter().flatten() {
            span.request.end(Outcome {
                accepted: span.rows as u64,
                rejected: span.letters.len() as u64,
                rejects: span.rejects,
                position: reached.clone(),
                repeated: false,
            });
        }
    }

    /// Tells every request that nothing of this was kept.
    pub(crate) fn fail(self, error: impl Fn() -> AdmitError) {
        for span in self.spans.into_iter().flatten() {
            span.request.fail(error());
        }
    }

    fn fail_encode(self, source: ArrowError) {
        let source = Arc::new(source);
        self.fail(|| AdmitError::Encode {
            source: Arc::clone(&source),
        });
    }

    /// Answers the requests that were appended before, and gives what is left of it.
    pub(crate) fn settle(mut self, list: &[Earlier]) -> Option<Self> {
        let main = usize::from(self.letters.is_some());
        let owners = self
            .sheet
            .as_ref()
            .map(|sheet| sheet.owners.clone())
            .unwrap_or_default();
        let mut is_any = false;
        for repeated in list {
            let owner = owners.get(repeated.entry).copied().flatten();
            let Some(owner) = owner.filter(|_| repeated.frame == main) else {
                continue;
            };
            let Some(span) = self.spans.get_mut(owner).and_then(Option::take) else {
                continue;
            };
            is_any = true;
            span.request.end(Outcome {
                accepted: repeated.rows,
                rejected: repeated.rejected,
                rejects: span.rejects,
                position: repeated.reached.clone(),
                repeated: true,
            });
        }
        if !is_any {
            // It names nothing that is ours: not to be tried for ever.
            self.fail(|| AdmitError::Log {
                source: Arc::new(AppendError::Repeated(Vec::new())),
            });
            return None;
        }
        self.rest()
    }

    /// Takes it apart, so that a request that the log refuses does not hold up the others: every
    /// stamped request alone, and all that carry no stamp together.
    pub(crate) fn split(mut self, refused: &Refusal) -> Vec<Self> {
        let is_stamped = |span: &Option<Span>| span.as_ref().is_some_and(|s| s.seed.is_some());
        if self.spans.iter().flatten().count() <= 1 || !self.spans.iter().any(is_stamped) {
            self.fail(|| refusal(refused));
            return Vec::new();
        }
        let mut parts = Vec::new();
        for at in 0..self.spans.len() {
            if !self.spans.get(at).is_some_and(is_stamped) {
                continue;
            }
            let mut spans: Vec<Option<Span>> = self.spans.iter().map(|_| None).collect();
            if let (Some(to), Some(from)) = (spans.get_mut(at), self.spans.get_mut(at)) {
                std::mem::swap(to, from);
            }
            let target = self.target.clone();
            let (sheet, letters) = (self.sheet.clone(), self.letters.clone());
            parts.extend(
                Self {
                    target,
                    spans,
                    sheet,
                    letters,
                }
                .rest(),
            );
        }
        parts.extend(self.rest());
        parts
    }

    /// Only the rows of the spans that are still there.
    fn rest(mut self) -> Option<Self> {
        if self.spans.iter().all(Option::is_none) {
            return None;
        }
        let is_there = |span: usize| self.spans.get(span).is_some_and(Option::is_some);
        let has_unstamped = self.spans.iter().flatten().any(|span| span.seed.is_none());
        let is_kept = |owner: Option<usize>| owner.map_or(has_unstamped, is_there);
        let ranges: Vec<_> = self
            .spans
            .iter()
            .flatten()
            .map(|s| s.letters.clone())
            .collect();
        let sheet = self
            .sheet
            .as_ref()
            .map(|sheet| sheet.keep(is_kept))
            .transpose();
        let letters = self
            .letters
            .as_ref()
            .map(|letters| keep(letters, &ranges))
            .transpose();
        match (sheet, letters) {
            (Ok(sheet), Ok(letters)) => {
                self.sheet = sheet.flatten();
                self.letters = letters.filter(|letters| letters.num_rows() > 0);
            }
            (Err(source), _) | (_, Err(source)) => {
                self.fail_encode(source);
                return None;
            }
        }
        let mut first = 0;
        for span in self.spans.iter_mut().flatten() {
            let rows = span.letters.len();
            span.letters = first..first + rows;
            first += rows;
        }
        Some(self)
    }
}

/// What a request is told when the log refuses it.
pub(crate) fn refusal(refused: &Refusal) -> AdmitError {
    match refused {
        Refusal::Conflict => AdmitError::KeyReused,
        Refusal::Gap { expected, found } => AdmitError::Gap {
            expected: *expected,
            found: *found,
        },
        // Those of a repetition are answered, so it is never what a request is told.
        Refusal::Repeated(_) => AdmitError::Unknown,
        Refusal::Fault(source) => AdmitError::Log {
            source: Arc::clone(source),
        },
    }
}
