//! Questions that a move asks of either server.

use serde::Deserialize;
use serde_json::{json, value::RawValue};

use crate::{
    client::{Server, path_part},
    failure::Outcome,
};

/// Rows of a page: what either side holds in memory at once.
const PAGE_ROWS: usize = 5_000;

/// An answer whose values are as the server spelled them.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) columns: Vec<AnswerColumn>,
    pub(super) rows: Vec<Vec<Box<RawValue>>>,
    /// Where the next page begins, if it is one and there are more.
    #[serde(default)]
    pub(super) next: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AnswerColumn {
    pub(super) name: String,
}

/// Asks, at a position or later.
pub(super) async fn ask(server: &Server, sql: &str, position: Option<&str>) -> Outcome<Answer> {
    let path = match position {
        Some(position) => format!("/v1/sql?wait={}", path_part(position)),
        None => "/v1/sql".to_owned(),
    };
    server.post(&path, &json!({ "query": sql })).await
}

/// Rows of a table in the order of its key, behind an earlier page, at a position or later.
pub(super) async fn page(
    server: &Server,
    table: &str,
    (after, position): (Option<&str>, Option<&str>),
) -> Outcome<Answer> {
    let mut path = format!("/v1/tables/{}/rows?limit={PAGE_ROWS}", path_part(table));
    for (name, value) in [("after", after), ("wait", position)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", path_part(value)));
        }
    }
    server.get(&path).await
}

/// How many rows an object has.
pub(super) async fn count(server: &Server, object: &str, position: Option<&str>) -> Outcome<u64> {
    let sql = format!("SELECT count(*) AS n FROM {}", quoted(object));
    let answer = ask(server, &sql, position).await?;
    let value = answer.rows.first().and_then(|row| row.first());
    Ok(value
        .and_then(|value| value.get().parse().ok())
        .unwrap_or_default())
}

/// A name as SQL takes it, whatever it is.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
