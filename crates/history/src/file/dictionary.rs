//! How a file's columns are encoded, chosen by its first rows. Pure.
//!
//! A dictionary costs a hash per value and pays when values repeat, so each column is sampled
//! first. `_offset` rises by one most of the time: as differences it takes next to nothing.

use std::collections::HashSet;

use arrow::{
    array::{ArrayRef, RecordBatch, UInt32Array},
    compute::take,
    error::ArrowError,
    row::{RowConverter, SortField},
};
use mainstem_kernel::types::{OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN};
use parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    file::properties::WriterProperties,
    schema::types::ColumnPath,
};

use super::GROUP_ROWS_MAX;

/// Rows that are looked at.
const SAMPLE_ROWS: usize = 2_048;
/// Of 100 sampled values at most so many may be distinct for a dictionary.
const DISTINCT_PERCENT_MAX: usize = 75;

/// Properties of a file that begins with these rows.
pub(super) fn properties(sample: &RecordBatch) -> WriterProperties {
    let zstd = ZstdLevel::try_new(1).unwrap_or_default();
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(zstd))
        .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
        .set_created_by(concat!("mainstem ", env!("CARGO_PKG_VERSION")).to_owned());
    for (field, array) in sample.schema_ref().fields().iter().zip(sample.columns()) {
        let path = ColumnPath::from(field.name().as_str());
        if field.name() == OFFSET_COLUMN {
            builder = builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        } else if !field.data_type().is_nested() {
            builder = builder.set_column_dictionary_enabled(path, repeats(field.name(), array));
        }
    }
    builder.build()
}

/// Whether a column's values repeat enough.
fn repeats(name: &str, array: &ArrayRef) -> bool {
    matches!(name, SEQ_COLUMN | PARTITION_COLUMN) || sample_repeats(array).unwrap_or(true)
}

fn sample_repeats(array: &ArrayRef) -> Result<bool, ArrowError> {
    let rows = array.len();
    let step = (rows / SAMPLE_ROWS).max(1);
    let picks = (0..rows)
        .step_by(step)
        .filter_map(|row| u32::try_from(row).ok());
    let picks = UInt32Array::from_iter_values(picks);
    let sample = take(array, &picks, None)?;
    let converter = RowConverter::new(vec![SortField::new(array.data_type().clone())])?;
    let rows = converter.convert_columns(&[sample])?;
    let distinct: HashSet<&[u8]> = rows.iter().map(|row| row.data()).collect();
    Ok(distinct.len() * 100 <= rows.num_rows() * DISTINCT_PERCENT_MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn takes_a_dictionary_where_values_repeat() {
        let rows = 10_000;
        let few = StringArray::from_iter_values((0..rows).map(|i| format!("model {}", i % 7)));
        let many = StringArray::from_iter_values((0..rows).map(|i| format!("event {i}")));
        let offset = Int64Array::from_iter_values(0..rows);
        let batch = RecordBatch::try_from_iter([
            ("few", Arc::new(few) as ArrayRef),
            ("many", Arc::new(many)),
            (OFFSET_COLUMN, Arc::new(offset)),
        ]);
        let properties = properties(&batch.unwrap());
        assert!(properties.dictionary_enabled(&ColumnPath::from("few")));
        assert!(!properties.dictionary_enabled(&ColumnPath::from("many")));
        assert!(!properties.dictionary_enabled(&ColumnPath::from(OFFSET_COLUMN)));
    }
}
