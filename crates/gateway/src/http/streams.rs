//! What streams there are, and where loaders go on.

use mainstem_catalog::{Durability, StreamDef};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    answer,
    call::{Call, Outcome},
};

/// A stream as clients see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stream)]
pub(crate) struct StreamBody {
    /// Name.
    name: String,
    /// The application that declares it.
    app: String,
    /// Whether it keeps the rows of another stream that did not fit.
    is_dead_letters: bool,
    /// Columns, in order.
    columns: Vec<ColumnBody>,
    /// Version of the columns, from 1.
    schema_version: u32,
    /// Columns whose value chooses the partition; none: by request.
    partition_by: Vec<String>,
    /// Number of partitions.
    partitions: u16,
    /// The column of event time, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    watermark: Option<WatermarkBody>,
    /// How long rows are kept; missing: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_seconds: Option<u64>,
    /// strict: acknowledged after the sync; relaxed: before.
    durability: &'static str,
    /// Largest event.
    event_size_bytes_max: u64,
    /// The statement that declares it.
    sql: String,
}

/// A column.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Column)]
pub(crate) struct ColumnBody {
    /// Name.
    name: String,
    /// Type as SQL writes it.
    #[serde(rename = "type")]
    ty: String,
    /// Whether NULL is allowed.
    nullable: bool,
}

/// Event time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Watermark)]
pub(crate) struct WatermarkBody {
    /// The column.
    column: String,
    /// How late a row may be.
    delay_ms: u64,
}

/// Where a loader goes on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NextRow {
    /// Number of the next row; 0 if nothing has come yet.
    next_row: u64,
}

impl StreamBody {
    pub(crate) fn of(stream: &StreamDef) -> Self {
        let spec = &stream.spec;
        let columns = spec.columns.0.iter().map(|column| ColumnBody {
            name: column.name.to_string(),
            ty: column.ty.to_string(),
            nullable: column.nullable,
        });
        Self {
            name: spec.name.to_string(),
            app: stream.app.to_string(),
            is_dead_letters: stream.dead_letters.is_none(),
            columns: columns.collect(),
            schema_version: stream.schema_version().0,
            partition_by: spec.partition_by.iter().map(ToString::to_string).collect(),
            partitions: spec.partitions,
            watermark: spec.watermark.as_ref().map(|watermark| WatermarkBody {
                column: watermark.column.to_string(),
                delay_ms: u64::try_from(watermark.delay.as_millis()).unwrap_or(u64::MAX),
            }),
            retention_seconds: spec.retention.map(|span| span.as_secs()),
            durability: match spec.durability {
                Durability::Strict => "strict",
                Durability::Relaxed => "relaxed",
            },
            event_size_bytes_max: spec.event_size_max.0,
            sql: spec.sql.clone(),
        }
    }
}

/// `GET /v1/streams`.
pub(crate) async fn list(call: Call) -> Outcome {
    let definitions = call.door.parts.catalog.definitions();
    let own = definitions
        .names
        .iter()
        .filter(|((tenant, _), _)| *tenant == call.tenant());
    let own = own.filter_map(|(_, id)| definitions.streams.get(id));
    let streams: Vec<_> = own.map(|stream| StreamBody::of(stream)).collect();
    Ok(answer::json(&streams))
}

/// `GET /v1/streams/{stream}`.
pub(crate) async fn describe(call: Call) -> Outcome {
    Ok(answer::json(&StreamBody::of(&*call.stream()?)))
}

/// `GET /v1/streams/{stream}/producers/{producer}`.
pub(crate) async fn next_row(call: Call) -> Outcome {
    let admission = &call.door.parts.admission;
    let next_row = admission.next_row(call.tenant(), &call.name, &call.second)?;
    Ok(answer::json(&NextRow { next_row }))
}
