//! The rows of tables and views by their key, for whoever has only a key: one of them, or page by
//! page in the order of the key.

use std::sync::Arc;

use mainstem_catalog::{Kind, Object};
use mainstem_sql::{After, Page, Question, Rights, first_rows};

use super::{
    call::{Call, Outcome, no_object, shorten},
    errors::HttpError,
    routes::{AFTER, KEY, LIMIT},
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
    let keys = call.parameters(KEY.name)?;
    let limit = limit(&call)?;
    let after = after(&call)?;
    if let Some(position) = &position {
        wait::reach(&call.door, position).await?;
    }
    let definitions = call.door.parts.catalog.definitions();
    let found = definitions.object(call.tenant(), &call.name);
    let found = found.filter(|object: &Object<'_>| object.kind() == kind);
    let object = found.ok_or_else(|| no_object(&definitions, call.tenant(), (kind, &call.name)))?;
    let questions = &call.door.parts.questions;
    if after.is_none()
        && let Some(row) = Arc::clone(questions)
            .row_by_key((call.tenant(), object), &keys, position.clone())
            .await?
    {
        return sql::deliver(row, format).await;
    }
    let page = Page {
        key: keys,
        after,
        limit,
        wait: position.clone(),
    };
    let (key, is_first) = (page.key.clone(), page.after.is_none());
    let paged = Arc::clone(questions).page((call.tenant(), object), page);
    if let Some(paged) = paged.await? {
        let next = paged.next.map(|next| next.to_string());
        return sql::deliver_page(paged.answered, next, format).await;
    }
    // A view whose rows are a stream: they have no key to go on from.
    if !is_first {
        return Err(HttpError::Value {
            what: "parameter \"after\"",
            expected: "nothing: these rows have no key to go on from".to_owned(),
            found: "a value".to_owned(),
        }
        .into());
    }
    let question = Question {
        tenant: call.tenant(),
        sql: first_rows(object, &key, limit)?,
        rights: Rights::Read,
        wait: position,
        time_max: None,
        request: None,
    };
    sql::reply(&call, question, format).await
}

/// `?after=`: where an earlier answer ended.
fn after(call: &Call) -> Result<Option<After>, HttpError> {
    let Some(text) = call.parameter(AFTER.name)? else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_source| HttpError::Value {
        what: "parameter \"after\"",
        expected: "what an earlier answer gave as \"next\"".to_owned(),
        found: shorten(&text),
    })
}

fn limit(call: &Call) -> Result<usize, HttpError> {
    let Some(text) = call.parameter(LIMIT.name)? else {
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
