//! Whether an append may go in, judged by its stamps alone; pure.

use std::collections::HashSet;

use crate::{
    Append, AppendError, Repeated,
    producers::{ProducerKey, Producers, Verdict},
};

/// Judges every stamped entry of an append against what is known.
///
/// # Errors
/// The first conflict, gap or fenced producer; else all repetitions together.
pub(crate) fn judge(producers: &Producers, append: &Append) -> Result<(), AppendError> {
    let mut repeated = Vec::new();
    let mut seen = HashSet::new();
    for (frame, draft) in append.frames.iter().enumerate() {
        for (index, entry) in draft.entries.iter().enumerate() {
            let Some(stamp) = entry.stamp else {
                continue;
            };
            let key = ProducerKey::of(draft.stream, entry.partition, stamp);
            // Further entries of a request that is new follow its first one.
            if key.partition.is_none() && seen.contains(&(key, entry.stamp_identity())) {
                continue;
            }
            match producers.judge(&key, stamp) {
                Verdict::New => {
                    seen.insert((key, entry.stamp_identity()));
                }
                Verdict::Repeated(first) => repeated.push(Repeated {
                    frame,
                    entry: index,
                    seq: first.seq,
                    rows: first.rows,
                    rejected: u64::from(first.stamp.rejected()),
                }),
                Verdict::Conflict => {
                    return Err(AppendError::Conflict { stream: draft.stream });
                }
                Verdict::Gap { expected, found } => {
                    return Err(AppendError::Gap { stream: draft.stream, expected, found });
                }
                Verdict::Fenced => return Err(AppendError::Fenced { stream: draft.stream }),
            }
        }
    }
    if repeated.is_empty() { Ok(()) } else { Err(AppendError::Repeated(repeated)) }
}
