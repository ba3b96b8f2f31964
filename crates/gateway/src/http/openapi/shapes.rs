//! The schemas of bodies and answers. Types of other crates, which know nothing of OpenAPI, are
//! mirrored here; a test holds the mirrors to what is really sent.

mod graph;

use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

use crate::{
    AppStatus, BackupSummary, Doors, KeptStatus, OperatorStatus, PausedApp, Readiness, Standing,
    Status, StreamStatus, ViewStatus,
    http::{
        apps::{AppSource, Rollback},
        sql::QuestionBody,
        status::{Backup, DoorsChanged, Flush, Flushed},
        streams::{ColumnBody, NextRow, StreamBody, WatermarkBody},
    },
};

/// Answer to events.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a schema alone")]
struct Ack {
    /// Rows that are durable in the stream.
    accepted: u64,
    /// Rows that are durable in its dead letters.
    rejected: u64,
    /// Where a reader sees all of them: give it as `wait`.
    position: String,
    /// The first ten rejected rows.
    rejects: Vec<Reject>,
    /// Whether this is the first answer to the same request, given again.
    repeated: bool,
}

/// Why one row was rejected.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a schema alone")]
struct Reject {
    /// Row of the request, from 0.
    row: u64,
    /// What is wrong with it; `mainstem explain-error` explains it.
    code: String,
    /// In words.
    reason: String,
}

/// Answer to a question.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a schema alone")]
struct Answer {
    /// Names and SQL types.
    columns: Vec<AnswerColumn>,
    /// Values in the order of the columns. BIGINT beyond 2^53 and NUMERIC are strings.
    rows: Vec<Vec<Value>>,
    /// What the answer shows.
    position: String,
    /// Where rows by key go on, if there are more: give it as `after`.
    next: Option<String>,
}

/// A column of an answer.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a schema alone")]
struct AnswerColumn {
    /// Name.
    name: String,
    /// Type as SQL writes it.
    #[schema(rename = "type")]
    ty: String,
}

/// What an apply would do.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a schema alone")]
struct Plan {
    /// The application.
    app: String,
    /// Names what it was planned on and what it does; apply refuses another.
    fingerprint: String,
    /// What changes; empty if nothing does.
    steps: Vec<Step>,
    /// Changes that were made by other means since the last apply.
    drift: Vec<String>,
}

/// One change of a plan.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a schema alone")]
struct Step {
    /// create, alter, drop, restore, rename or rebuild.
    action: String,
    /// Kind and name.
    object: String,
    /// One line per part.
    details: Vec<String>,
    /// Whether data is lost, at once or after seven days.
    destructive: bool,
}

/// What an apply or rollback did.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a schema alone")]
struct Applied {
    /// What was done.
    plan: Plan,
    /// The application's revision from now on.
    revision: u32,
}

/// An error, in PostgreSQL's three parts.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a schema alone")]
struct Problem {
    /// Stable code; `mainstem explain-error` explains it.
    code: String,
    /// One line.
    message: String,
    /// Full sentences.
    detail: Option<String>,
    /// The next step.
    hint: Option<String>,
    /// Where in the text that was sent.
    position: Option<Place>,
    /// All mistakes, if there are several.
    #[schema(no_recursion)]
    problems: Option<Vec<Problem>>,
}

/// A place in a text.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a schema alone")]
struct Place {
    /// File; empty for a statement that came without one.
    file: String,
    /// Line, from 1.
    line: u32,
    /// Column in characters, from 1.
    column: u32,
}

pub(super) fn add<T: PartialSchema>(schemas: &mut Map<String, Value>, name: &str) {
    let schema = serde_json::to_value(T::schema()).unwrap_or_default();
    schemas.insert(name.to_owned(), schema);
}

/// All schemas by name.
pub(super) fn schemas() -> Value {
    let mut all = Map::new();
    add::<Ack>(&mut all, "Ack");
    add::<Reject>(&mut all, "Reject");
    add::<QuestionBody>(&mut all, "Question");
    add::<Answer>(&mut all, "Answer");
    add::<AnswerColumn>(&mut all, "AnswerColumn");
    add::<StreamBody>(&mut all, "Stream");
    add::<ColumnBody>(&mut all, "Column");
    add::<WatermarkBody>(&mut all, "Watermark");
    add::<NextRow>(&mut all, "NextRow");
    add::<AppStatus>(&mut all, "App");
    add::<AppSource>(&mut all, "AppSource");
    add::<Rollback>(&mut all, "Rollback");
    add::<Plan>(&mut all, "Plan");
    add::<Step>(&mut all, "Step");
    add::<Applied>(&mut all, "Applied");
    add::<Status>(&mut all, "Status");
    add::<StreamStatus>(&mut all, "StreamStatus");
    add::<ViewStatus>(&mut all, "ViewStatus");
    add::<OperatorStatus>(&mut all, "OperatorStatus");
    add::<PausedApp>(&mut all, "PausedApp");
    add::<KeptStatus>(&mut all, "KeptStatus");
    add::<Readiness>(&mut all, "Readiness");
    add::<Standing>(&mut all, "Standing");
    add::<Flush>(&mut all, "Flush");
    add::<Flushed>(&mut all, "Flushed");
    add::<Backup>(&mut all, "Backup");
    add::<BackupSummary>(&mut all, "BackupSummary");
    add::<Doors>(&mut all, "Doors");
    add::<DoorsChanged>(&mut all, "DoorsChanged");
    graph::add(&mut all);
    add::<Problem>(&mut all, "Problem");
    add::<Place>(&mut all, "Place");
    Value::Object(all)
}

/// An example of a schema.
pub(super) fn example(schema: &str) -> Value {
    const POSITION: &str = "p1-019ab3c4d5e60000";
    const FINGERPRINT: &str = "5f2c9d0e";
    let plan = json!({
        "app": "shop",
        "fingerprint": FINGERPRINT,
        "steps": [{
            "action": "create",
            "object": "stream \"orders\"",
            "details": ["+ column order_id TEXT NOT NULL"],
            "destructive": false,
        }],
        "drift": [],
    });
    match schema {
        "Ack" => json!({
            "accepted": 1, "rejected": 1, "position": POSITION, "repeated": false,
            "rejects": [{
                "row": 1, "code": "ADMIT-021",
                "reason": "column \"celsius\" expects DOUBLE PRECISION, found \"warm\"",
            }],
        }),
        "Question" => json!({ "query": "SELECT count(*) AS n FROM readings", "timeout_ms": 5000 }),
        "Answer" => json!({
            "columns": [{ "name": "n", "type": "BIGINT" }], "rows": [[42]], "position": POSITION,
        }),
        "NextRow" => json!({ "next_row": 20000 }),
        "AppSource" => json!({
            "version": "1.0.0", "files": { "shop.sql": "CREATE STREAM orders (order_id TEXT);" },
        }),
        "Rollback" => json!({ "fingerprint": FINGERPRINT }),
        "Applied" => json!({ "plan": plan, "revision": 1 }),
        "Plan" => plan,
        "Flush" => json!({ "stream": "readings" }),
        "Flushed" => json!({ "position": POSITION }),
        "Backup" => json!({ "folder": "/backups/2026-11-21" }),
        "BackupSummary" => json!({
            "folder": "/backups/2026-11-21", "files": 12, "bytes": 734003, "position": POSITION,
        }),
        "Doors" => json!({ "state": "paused", "milliseconds": 10_000 }),
        "DoorsChanged" => json!({ "position": POSITION }),
        "Stream" => json!({
            "name": "readings", "app": "fleet", "is_dead_letters": false,
            "columns": [{ "name": "celsius", "type": "DOUBLE PRECISION", "nullable": false }],
            "schema_version": 1, "partition_by": ["device_id"], "partitions": 8,
            "durability": "strict", "event_size_bytes_max": 32768,
            "sql": "CREATE STREAM readings (…)",
        }),
        "Status" => json!({
            "version": "0.1.0", "uptime_seconds": 60, "position": POSITION, "problem": null,
            "memory_resident_bytes": 180_000_000, "memory_budget_bytes": 8_000_000_000_u64,
            "journal_bytes": 67_108_864, "journal_live_bytes": 1_048_576,
            "history_files": 3, "history_bytes": 52_428_800,
            "apps": [{ "name": "fleet", "version": "1.0.0", "revision": 2 }],
            "streams": [{
                "name": "readings", "app": "fleet", "history_rows": 1_000_000, "log_rows": 5000,
                "bytes": 53_477_376, "dead_letters": 0,
            }],
            "views": [{
                "name": "minute_by_device", "app": "fleet", "state": "live", "percent": null,
                "remaining_seconds": null, "behind_ms": 2, "rows": 1440, "dead_letters": 0,
                "late": 3, "state_bytes": 65536, "groups": 240, "version": 7,
                "operators": [{ "rows": 1440, "state_bytes": 65536 }], "problem": null,
            }],
            "paused": [],
        }),
        "Graph" => graph::example(),
        _ => Value::Null,
    }
}
