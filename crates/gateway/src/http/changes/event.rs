//! Rows as events, in the form that a client takes: server-sent events, or messages of a WebSocket,
//! with the same fields. It never reads anything.

use std::fmt::Display;

use arrow::array::{Array, RecordBatch};
use bytes::Bytes;
use hyper::header::HeaderMap;
use mainstem_catalog::StreamDef;
use mainstem_kernel::{Position, Problem, types::EXTRA_COLUMN};
use mainstem_log::Frame;

use crate::http::socket::{
    self,
    frame::{self, CloseCode},
};

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As server-sent events.
    Events,
    /// As messages of a WebSocket, in frames.
    Messages,
}

impl Form {
    /// What a request wishes.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        match socket::is_wanted(headers) {
            true => Self::Messages,
            false => Self::Events,
        }
    }

    /// The rows of frames, each frame's last with its position.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub(super) fn frames(self, stream: &StreamDef, frames: &[Frame]) -> Result<Bytes, String> {
        let mut text = Vec::new();
        for frame in frames {
            let rows = stream
                .evolve(&frame.batch, frame.schema)
                .map_err(|error| error.to_string())?;
            let rows = without_empty_extra(&rows)?;
            let last = rows.num_rows().saturating_sub(1);
            let position = Position::at(frame.seq);
            let each = |row, json: &[u8]| {
                self.push(&mut text, &[json], (row == last).then_some(position));
            };
            mainstem_sql::objects(&rows, each).map_err(|error| error.to_string())?;
        }
        Ok(text.into())
    }

    /// Appends an event, whose data are these parts.
    pub(super) fn push(self, text: &mut Vec<u8>, data: &[&[u8]], position: Option<impl Display>) {
        match self {
            Self::Events => {
                if let Some(position) = position {
                    text.extend_from_slice(format!("id: {position}\n").as_bytes());
                }
                text.extend_from_slice(b"data: ");
                for part in data {
                    text.extend_from_slice(part);
                }
                text.extend_from_slice(b"\n\n");
            }
            Self::Messages => {
                let id = position.map(|position| format!("\"id\":\"{position}\","));
                let id = id.unwrap_or_default();
                let mut parts: Vec<&[u8]> = Vec::with_capacity(data.len().saturating_add(4));
                parts.extend([b"{".as_slice(), id.as_bytes(), b"\"data\":"]);
                parts.extend(data);
                parts.push(b"}");
                frame::text(text, &parts);
            }
        }
    }

    /// Nothing but where to resume: browsers keep the id of an event without data.
    pub(super) fn mark(self, position: impl Display) -> Bytes {
        match self {
            Self::Events => format!(": up to {position}\nid: {position}\n\n").into(),
            Self::Messages => {
                let mut text = Vec::new();
                let message = format!("{{\"id\":\"{position}\"}}");
                frame::text(&mut text, &[message.as_bytes()]);
                text.into()
            }
        }
    }

    /// That rows which are there come first. A WebSocket shows by its handshake that it is open.
    pub(super) fn rows_first(self) -> Bytes {
        match self {
            Self::Events => Bytes::from_static(b": rows\n\n"),
            Self::Messages => Bytes::new(),
        }
    }

    /// Why the feed ends.
    pub(super) fn problem(self, problem: &Problem) -> Bytes {
        let json = serde_json::to_string(problem).unwrap_or_default();
        match self {
            Self::Events => format!("event: problem\ndata: {json}\n\n").into(),
            Self::Messages => {
                let mut text = Vec::new();
                let message = format!("{{\"event\":\"problem\",\"data\":{json}}}");
                frame::text(&mut text, &[message.as_bytes()]);
                let reason = format!("{}: {}", problem.code, problem.message);
                text.extend(frame::close(CloseCode::Broken, &reason));
                text.into()
            }
        }
    }
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
