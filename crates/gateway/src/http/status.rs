//! The node's own affairs: status, flush, backup, metrics, readiness.

use std::{path::PathBuf, sync::Arc};

use hyper::StatusCode;
use mainstem_kernel::Position;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Doors;

use super::{
    answer,
    call::{Call, Outcome, find_stream},
    errors::HttpError,
    problem::Refusal,
};

/// Media type of `/metrics`.
pub(crate) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is to be written to history.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Flush {
    /// One stream; all if it is missing.
    #[serde(default)]
    stream: Option<String>,
}

/// Answer to a flush.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Flushed {
    /// Everything up to here is in history.
    #[schema(value_type = String)]
    position: Position,
}

/// Where a copy is to be written.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backup {
    /// Absolute path on the node's machine; absent or empty.
    #[schema(value_type = String)]
    folder: PathBuf,
}

/// `GET /v1/status`. It asks the disk, so it runs where it may take its time.
pub(crate) async fn status(call: Call) -> Outcome {
    let control = Arc::clone(&call.door.parts.control);
    let status = tokio::task::spawn_blocking(move || control.status()).await;
    Ok(answer::json(
        &status.map_err(|source| HttpError::Panicked { source })?,
    ))
}

/// `POST /v1/flush`.
pub(crate) async fn flush(mut call: Call) -> Outcome {
    let Flush { stream } = call.json().await?;
    if let Some(stream) = &stream {
        find_stream(&call.door, call.tenant(), stream)?;
    }
    let flushed = call.door.parts.control.flush(stream).await;
    let position = flushed.map_err(Refusal::of_node)?;
    Ok(answer::json(&Flushed { position }))
}

/// `POST /v1/backup`.
pub(crate) async fn backup(mut call: Call) -> Outcome {
    let Backup { folder } = call.json().await?;
    if !folder.is_absolute() {
        return Err(HttpError::Value {
            what: "field \"folder\"",
            expected: "an absolute path on the node's machine".to_owned(),
            found: folder.display().to_string(),
        }
        .into());
    }
    let summary = call
        .door
        .parts
        .control
        .backup(folder)
        .await
        .map_err(Refusal::of_node)?;
    Ok(answer::json(&summary))
}

/// Answer to a change of the doors.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DoorsChanged)]
pub(crate) struct DoorsChanged {
    /// The newest position that was written before.
    #[schema(value_type = String)]
    position: Position,
}

/// `POST /v1/doors`.
pub(crate) async fn doors(mut call: Call) -> Outcome {
    let doors: Doors = call.json().await?;
    let changed = call.door.parts.control.doors(doors).await;
    let position = changed.map_err(Refusal::of_node)?;
    Ok(answer::json(&DoorsChanged { position }))
}

/// `GET /metrics`.
pub(crate) async fn metrics(call: Call) -> Outcome {
    Ok(answer::whole(
        StatusCode::OK,
        OPENMETRICS,
        call.door.parts.metrics.encode(),
    ))
}

/// `GET /readyz`.
pub(crate) async fn ready(call: Call) -> Outcome {
    match call.door.parts.control.ready() {
        Ok(readiness) => Ok(answer::json(&readiness)),
        Err(problem) => Err(Refusal::not_ready(problem)),
    }
}
