//! Rows as server-sent events. It never reads anything.

use std::fmt::Display;

use arrow::array::{Array, RecordBatch};
use bytes::Bytes;
use mainstem_catalog::StreamDef;
use mainstem_kernel::{Position, Problem, types::EXTRA_COLUMN};
use mainstem_log::Frame;

/// The rows of frames, each frame's last with its position.
///
/// # Errors
/// What does not fit, in words.
pub(super) fn frames(stream: &StreamDef, frames: &[Frame]) -> Result<Bytes, String> {
    let mut text = Vec::new();
    for frame in frames {
        let rows = stream
            .evolve(&frame.batch, frame.schema)
            .map_err(|error| error.to_string())?;
        let rows = without_empty_extra(&rows)?;
        let last = rows.num_rows().saturating_sub(1);
        let position = Position::at(frame.seq);
        let each = |row, json: &[u8]| push(&mut text, &[json], (row == last).then_some(position));
        mainstem_sql::objects(&rows, each).map_err(|error| error.to_string())?;
    }
    Ok(text.into())
}

/// Appends an event, whose data are these parts.
pub(super) fn push(text: &mut Vec<u8>, data: &[&[u8]], position: Option<impl Display>) {
    if let Some(position) = position {
        text.extend_from_slice(format!("id: {position}\n").as_bytes());
    }
    text.extend_from_slice(b"data: ");
    for part in data {
        text.extend_from_slice(part);
    }
    text.extend_from_slice(b"\n\n");
}

/// Nothing but where to resume: browsers keep the id of an event without data.
pub(super) fn mark(position: impl Display) -> Bytes {
    format!(": up to {position}\nid: {position}\n\n").into()
}

/// Why the feed ends.
pub(super) fn problem(problem: &Problem) -> Bytes {
    let json = serde_json::to_string(problem).unwrap_or_default();
    format!("event: problem\ndata: {json}\n\n").into()
}

/// Rows of typed streams hardly ever have undeclared fields: then the column is left out.
pub(super) fn without_empty_extra(rows: &RecordBatch) -> Result<RecordBatch, String> {
    let schema = rows.schema();
    let extra = schema
        .fields()
        .iter()
        .position(|field| field.name() == EXTRA_COLUMN);
    let is_empty = |index: &usize| rows.column(*index).null_count() == rows.num_rows();
    match extra.filter(is_empty) {
        None => Ok(rows.clone()),
        Some(extra) => {
            let kept: Vec<_> = (0..rows.num_columns())
                .filter(|index| *index != extra)
                .collect();
            rows.project(&kept).map_err(|error| error.to_string())
        }
    }
}
