//! A row of the answer, as text. Never a decision about what differs.

use datafusion::arrow::array::{Array, RecordBatch};

/// Bytes of a value that are shown.
const TEXT_BYTES_MAX: usize = 4_096;

/// One row of an answer.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) key: RecordBatch,
    pub(super) difference: &'static str,
    pub(super) column: Option<String>,
    pub(super) view: Option<String>,
    pub(super) batch: Option<String>,
}

impl Line {
    /// Bytes in memory.
    pub(super) fn size(&self) -> usize {
        let texts = [&self.column, &self.view, &self.batch];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let key: usize = self
            .key
            .columns()
            .iter()
            .map(|c| c.get_array_memory_size())
            .sum();
        size_of::<Self>().saturating_add(texts).saturating_add(key)
    }
}

/// A value as far as it is shown.
pub(super) fn shortened(text: String) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    let mut end = TEXT_BYTES_MAX;
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}
