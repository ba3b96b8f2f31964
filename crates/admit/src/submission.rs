//! `Submission`: rows on their way to the log, and who waits for them.
//!
//! It never waits itself. If the log says that some requests were appended before, those are
//! answered as the first time and the rest is appended again.

use std::{ops::Range, sync::Arc};

use arrow::{array::RecordBatch, error::ArrowError};
use mainstem_catalog::StreamDef;
use mainstem_kernel::{PartitionId, Position};
use mainstem_log::{Append, AppendError, Appended, Draft, DraftEntry, Repeated};

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
    pub(crate) fn answer(self, appended: &Appended) {
        let position = Position::at(appended.last());
        for span in self.spans.into_iter().flatten() {
            span.request.end(Outcome {
                accepted: span.rows as u64,
                rejected: span.letters.len() as u64,
                rejects: span.rejects,
                position,
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

    /// Answers the requests that were appended before, and gives what is left of it.
    pub(crate) fn settle(mut self, list: Vec<Repeated>) -> Option<Self> {
        let main = usize::from(self.letters.is_some());
        let owners = self
            .sheet
            .as_ref()
            .map(|sheet| sheet.owners.clone())
            .unwrap_or_default();
        let mut dropped = vec![false; self.spans.len()];
        for repeated in &list {
            let owner = owners.get(repeated.entry).copied().flatten();
            let Some(owner) = owner.filter(|_| repeated.frame == main) else {
                continue;
            };
            let Some(span) = self.spans.get_mut(owner).and_then(Option::take) else {
                continue;
            };
            if let Some(dropped) = dropped.get_mut(owner) {
                *dropped = true;
            }
            span.request.end(Outcome {
                accepted: repeated.rows,
                rejected: repeated.rejected,
                rejects: span.rejects,
                position: Position::at(repeated.seq),
                repeated: true,
            });
            self.take_letters(span.letters);
        }
        if !dropped.contains(&true) {
            // It names nothing that is ours: not to be tried for ever.
            let source = Arc::new(AppendError::Repeated(list));
            self.fail(|| AdmitError::Log {
                source: Arc::clone(&source),
            });
            return None;
        }
        self.without(&dropped)
    }

    /// What is left without the rows of some spans.
    fn without(mut self, dropped: &[bool]) -> Option<Self> {
        let is_dropped = |span: usize| dropped.get(span).copied().unwrap_or(false);
        if let Some(sheet) = self.sheet.take() {
            match sheet.without(is_dropped) {
                Ok(sheet) => self.sheet = (!sheet.entries.is_empty()).then_some(sheet),
                Err(source) => {
                    let source = Arc::new(source);
                    self.fail(|| AdmitError::Encode {
                        source: Arc::clone(&source),
                    });
                    return None;
                }
            }
        }
        (self.sheet.is_some() || self.letters.is_some()).then_some(self)
    }

    /// Takes a range of dead letters out; the ranges of the other spans move up.
    fn take_letters(&mut self, range: Range<usize>) {
        let Some(letters) = self.letters.take() else {
            return;
        };
        let rest = [0..range.start, range.end..letters.num_rows()];
        let kept = if range.is_empty() {
            Ok(letters)
        } else {
            keep(&letters, &rest)
        };
        self.letters = kept.ok().filter(|letters| letters.num_rows() > 0);
        for span in self.spans.iter_mut().flatten() {
            if span.letters.start >= range.end {
                let (start, end) = (span.letters.start, span.letters.end);
                span.letters = start - range.len()..end - range.len();
            }
        }
    }

    /// Takes one request out and fails it; gives what is left.
    pub(crate) fn expel(mut self, entry: usize, error: AdmitError) -> Option<Self> {
        let owner = self
            .sheet
            .as_ref()
            .and_then(|s| s.owners.get(entry).copied().flatten());
        let mut dropped = vec![false; self.spans.len()];
        let owner = owner?;
        let span = self.spans.get_mut(owner).and_then(Option::take)?;
        *dropped.get_mut(owner)? = true;
        span.request.fail(error);
        self.take_letters(span.letters);
        self.without(&dropped)
    }
}

#[cfg(test)]
mod tests;
