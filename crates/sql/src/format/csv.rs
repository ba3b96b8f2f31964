//! CSV by RFC 4180, with one line feed per row: a header, then the rows.

use datafusion::arrow::{array::RecordBatch, datatypes::Schema, error::ArrowError};

use super::cell::{Cell, Style};

/// The header line.
pub(super) fn head(schema: &Schema) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, field) in schema.fields().iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let start = out.len();
        out.extend_from_slice(field.name().as_bytes());
        quote(&mut out, start);
    }
    out.push(b'\n');
    out
}

/// A line per row.
pub(super) fn lines(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let columns = batch.columns().iter().zip(batch.schema_ref().fields());
    let cells = columns.map(|(array, field)| Cell::new(array, field));
    let cells = cells.collect::<Result<Vec<_>, _>>()?;
    let mut out = Vec::new();
    for row in 0..batch.num_rows() {
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            if cell.is_null(row) {
                continue;
            }
            let start = out.len();
            cell.value(&mut out, row, Style::Csv)?;
            quote(&mut out, start);
        }
        out.push(b'\n');
    }
    Ok(out)
}

/// Quotes what was written since `start` if it must be. An empty text is quoted: NULL is not.
fn quote(out: &mut Vec<u8>, start: usize) {
    let value = out.get(start..).unwrap_or_default();
    let special = |byte: &u8| matches!(byte, b',' | b'"' | b'\n' | b'\r');
    if !value.is_empty() && !value.iter().any(special) {
        return;
    }
    let value = value.to_vec();
    out.truncate(start);
    out.push(b'"');
    for byte in value {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}
