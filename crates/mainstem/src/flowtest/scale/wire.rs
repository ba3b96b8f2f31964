//! What a server answers, as a case knows it.

use mainstem_node::Heard;
use serde::Deserialize;
use serde_json::{json, value::RawValue};

/// An answer, each value as it was spelled.
#[derive(Deserialize)]
struct Answer<'a> {
    columns: Vec<AnswerColumn>,
    #[serde(borrow)]
    rows: Vec<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct AnswerColumn {
    name: String,
}

/// What became of rows.
#[derive(Debug, Deserialize)]
pub(super) struct Ack {
    pub(super) rejected: u64,
    pub(super) position: String,
    pub(super) rejects: Vec<Reject>,
}

/// Why a row was refused.
#[derive(Debug, Deserialize)]
pub(super) struct Reject {
    /// Row of the request, from 0.
    pub(super) row: u64,
    pub(super) code: String,
    pub(super) reason: String,
}

/// A row as the object that a file would have.
fn object(columns: &[String], row: &[&RawValue]) -> String {
    let fields = columns.iter().zip(row);
    let fields = fields.map(|(name, value)| format!("{}: {}", json!(name), value.get()));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
}

/// The rows of an answer as the objects that a file would have.
pub(super) fn heard(body: &[u8]) -> Result<Heard, serde_json::Error> {
    let answer: Answer<'_> = serde_json::from_slice(body)?;
    let columns: Vec<String> = answer.columns.into_iter().map(|one| one.name).collect();
    let rows = answer.rows.iter().map(|row| object(&columns, row));
    Ok(Heard {
        rows: rows.collect(),
        columns,
    })
}

#[cfg(test)]
mod tests {
    use super::heard;

    #[test]
    fn rows_are_objects_with_values_as_they_were_spelled() {
        let body =
            br#"{"columns":[{"name":"a","type":"NUMERIC(4, 2)"},{"name":"b \"q\"","type":"JSON"}],
            "rows":[["1.50",{"x": 1.10}],[null,2]]}"#;
        let heard = heard(body).unwrap();
        assert_eq!(heard.columns, ["a", "b \"q\""]);
        let rows = [
            r#"{"a": "1.50", "b \"q\"": {"x": 1.10}}"#,
            r#"{"a": null, "b \"q\"": 2}"#,
        ];
        assert_eq!(heard.rows, rows);
    }
}
