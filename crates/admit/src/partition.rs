//! Which partition a row belongs to: a hash of the canonical text of its key columns. It allocates
//! nothing per row.

use arrow::array::{Array, AsArray, RecordBatch};
use mainstem_kernel::key::{partition_of, write_key};

/// The partition of each row.
pub(crate) fn partitions(batch: &RecordBatch, keys: &[usize], count: u16) -> Vec<u16> {
    let single = match keys {
        [key] => batch.columns().get(*key),
        _ => None,
    };
    if let Some(texts) = single.and_then(|column| column.as_string_opt::<i32>()) {
        let (bytes, nulls) = (texts.value_data(), texts.nulls());
        let bounds = texts.value_offsets().array_windows::<2>();
        return bounds
            .enumerate()
            .map(|(row, [from, to])| {
                let is_null = nulls.is_some_and(|nulls| nulls.is_null(row));
                let range = usize::try_from(*from).unwrap_or(0)..usize::try_from(*to).unwrap_or(0);
                let text = if is_null {
                    &[]
                } else {
                    bytes.get(range).unwrap_or_default()
                };
                partition_of(text, count)
            })
            .collect();
    }
    let mut text = Vec::with_capacity(64);
    let columns: Vec<&dyn Array> = keys
        .iter()
        .filter_map(|key| batch.columns().get(*key))
        .map(|c| &**c)
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            text.clear();
            write_key(&columns, row, &mut text);
            partition_of(&text, count)
        })
        .collect()
}

#[cfg(test)]
mod tests;
