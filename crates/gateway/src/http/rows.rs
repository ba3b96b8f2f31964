//! The rows of tables and views by their key: a question that is written for whoever has only a key.

use mainstem_catalog::{Kind, Object};
use mainstem_sql::{Question, Rights, rows_by_key};

use super::{
    call::{Call, Outcome, no_object, shorten},
    errors::HttpError,
    sql, wait,
};

/// Rows of an answer, unless the request says otherwise.
const ROWS_USUAL: usize = 1_000;
/// Most rows of an answer.
const ROWS_MAX: usize = 100_000;

/// `GET /v1/tables/{table}/rows`.
pub(crate) async fn of_table(call: Call) -> Outcome {
    find(call, Kind::Table).await
}

/// `GET /v1/views/{view}/rows`.
pub(crate) async fn of_view(call: Call) -> Outcome {
    find(call, Kind::View).await
}

async fn find(call: Call, kind: Kind) -> Outcome {
    let format = sql::negotiate(&call.head.headers)?;
    let position = call.wait()?;
    let keys = call.parameters("key")?;
    let limit = limit(&call)?;
    if let Some(position) = position {
        wait::reach(&call.door, position).await?;
    }
    let definitions = call.door.parts.catalog.definitions();
    let found = definitions.object(call.tenant(), &call.name);
    let found = found.filter(|object: &Object<'_>| object.kind() == kind);
    let object = found.ok_or_else(|| no_object(&definitions, call.tenant(), (kind, &call.name)))?;
    let engine = &call.door.parts.engine;
    if let Some(row) = engine.row_by_key((call.tenant(), object), &keys, position)? {
        return sql::deliver(row, format).await;
    }
    let question = Question {
        tenant: call.tenant(),
        sql: rows_by_key(object, &keys, limit)?,
        rights: Rights::Read,
        wait: position,
        time_max: None,
    };
    sql::reply(&call, question, format).await
}

fn limit(call: &Call) -> Result<usize, HttpError> {
    let Some(text) = call.parameter("limit")? else {
        return Ok(ROWS_USUAL);
    };
    let limit = text
        .parse()
        .ok()
        .filter(|limit| (1..=ROWS_MAX).contains(limit));
    limit.ok_or_else(|| HttpError::Value {
        what: "parameter \"limit\"",
        expected: format!("a number from 1 to {ROWS_MAX}"),
        found: shorten(&text),
    })
}
