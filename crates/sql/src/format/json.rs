//! JSON: one document of columns and rows, or an object per row.

use datafusion::arrow::{array::RecordBatch, datatypes::Schema, error::ArrowError};

use super::{
    cell::{Cell, text},
    type_name,
};

/// `{"columns":[…],"rows":[`
pub(super) fn head(schema: &Schema) -> Vec<u8> {
    let mut out = b"{\"columns\":[".to_vec();
    for (index, field) in schema.fields().iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"name\":");
        text(&mut out, field.name());
        out.extend_from_slice(b",\"type\":");
        text(&mut out, &type_name(field));
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"rows\":[");
    out
}

fn cells(batch: &RecordBatch) -> Result<Vec<Cell>, ArrowError> {
    let schema = batch.schema_ref();
    batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(a, field)| Cell::new(a, field))
        .collect()
}

/// Rows as arrays, each after a comma but the first of all.
pub(super) fn rows(batch: &RecordBatch, first: &mut bool) -> Result<Vec<u8>, ArrowError> {
    let cells = cells(batch)?;
    let mut out = Vec::with_capacity(room(batch));
    for row in 0..batch.num_rows() {
        out.extend_from_slice(if std::mem::take(first) { b"[" } else { b",\n[" });
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            cell.json(&mut out, row)?;
        }
        out.push(b']');
    }
    Ok(out)
}

/// Rows as objects, each on its line.
pub(super) fn lines(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut lines = Vec::with_capacity(room(batch));
    each(batch, |_, object| {
        lines.extend_from_slice(object);
        lines.push(b'\n');
    })?;
    Ok(lines)
}

/// Rows as objects, one by one.
pub(super) fn each(
    batch: &RecordBatch,
    mut each: impl FnMut(usize, &[u8]),
) -> Result<(), ArrowError> {
    let cells = cells(batch)?;
    let keys: Vec<Vec<u8>> = batch
        .schema_ref()
        .fields()
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let mut key = if index == 0 {
                b"{".to_vec()
            } else {
                b",".to_vec()
            };
            text(&mut key, field.name());
            key.push(b':');
            key
        })
        .collect();
    let mut out = Vec::new();
    for row in 0..batch.num_rows() {
        out.clear();
        for (key, cell) in keys.iter().zip(&cells) {
            out.extend_from_slice(key);
            cell.json(&mut out, row)?;
        }
        if keys.is_empty() {
            out.push(b'{');
        }
        out.push(b'}');
        each(row, &out);
    }
    Ok(())
}

/// About how many bytes the rows will take.
fn room(batch: &RecordBatch) -> usize {
    let cells = batch.num_rows().saturating_mul(batch.num_columns());
    cells.saturating_mul(12).saturating_add(64)
}
