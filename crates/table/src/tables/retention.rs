//! Which redo files are kept. One goes when the store has it, its outgoing rows are appended, and
//! feeds have enough without it. The oldest goes first, so that files have no gap.

use super::{Inner, Tables};
use crate::redo::Mark;

/// A redo file that is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeptFile {
    pub(super) mark: Mark,
    pub(super) bytes: u64,
}

impl KeptFile {
    pub(super) const fn new(mark: Mark, bytes: u64) -> Self {
        Self { mark, bytes }
    }
}

impl Tables {
    /// Removes files that nobody needs any more. One that cannot be removed is tried again later.
    pub(super) fn remove_files(&self) {
        let applied = self.pointer().applied;
        loop {
            let spare = self.inner.lock().spare_file(applied, self);
            let Some(number) = spare else { return };
            if let Err(error) = self.redo.remove(number) {
                tracing::warn!(number, %error, "could not remove a redo file");
                return;
            }
            self.inner.lock().files.pop_front();
        }
    }
}

impl Inner {
    /// The oldest file, if nobody needs it any more.
    fn spare_file(&self, applied: u64, tables: &Tables) -> Option<u64> {
        let oldest = self.files.front()?;
        let number = oldest.mark.number;
        let bytes: u64 = self.files.iter().map(|file| file.bytes).sum();
        let config = &tables.config;
        let is_much = self.files.len() > config.redo_files_max || bytes > config.redo_size_max.0;
        (is_much && number <= applied && number <= self.sent).then_some(number)
    }
}
