//! `sql`: one question, its answer on standard output.

use std::io::{IsTerminal, Read};

use futures::StreamExt;
use mainstem_disk::{Disk, RealDisk};
use mainstem_kernel::{Clock, clock::SystemClock};
use reqwest::header;
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use crate::{
    args::{AnswerFormat, Sql, Target},
    client::{Server, path_part},
    errors::CliError,
    failure::Outcome,
    screen::{self, thousands},
    table,
};

/// Rows that a table shows at most; more is for programs.
const TABLE_ROWS_MAX: usize = 1_000;
/// Longest statement that is read from standard input.
const STATEMENT_BYTES_MAX: u64 = 1 << 20;

/// An answer as JSON, its values as the server spelled them.
#[derive(Debug, Deserialize)]
struct Answer {
    columns: Vec<AnswerColumn>,
    rows: Vec<Vec<Box<RawValue>>>,
}

#[derive(Debug, Deserialize)]
struct AnswerColumn {
    name: String,
    #[serde(rename = "type")]
    ty: String,
}

/// Asks and prints.
pub(crate) async fn sql(target: &Target, options: &Sql) -> Outcome {
    let query = statement(options)?;
    let server = Server::find(target)?;
    let mut body = json!({ "query": query });
    if let Some(seconds) = options.timeout {
        body["timeout_ms"] = json!(seconds.saturating_mul(1_000));
    }
    let path = match &options.wait {
        Some(position) => format!("/v1/sql?wait={}", path_part(position)),
        None => "/v1/sql".to_owned(),
    };
    let request = server
        .post_request(&path, &body)
        .header(header::ACCEPT, accept(options.format));
    let started = SystemClock.monotonic();
    let sent = screen::while_waiting("waiting for the answer", server.send(request)).await;
    let response = sent.map_err(|mut failure| {
        for shown in &mut failure.problems {
            let file = options.file.as_ref().map(|path| path.display().to_string());
            shown.excerpt_from(&query, &file.unwrap_or_default());
        }
        failure
    })?;
    match options.format {
        AnswerFormat::Table => {
            let body = response.bytes();
            let body = screen::while_waiting("reading the answer", body).await;
            let body = body.map_err(|source| server.unreachable(source))?;
            let rows = print_table(&body, &server.url)?;
            let took = SystemClock.monotonic().saturating_sub(started);
            let s = if rows == 1 { "" } else { "s" };
            screen::note(&format!(
                "{} row{s} in {:.3} s",
                thousands(rows),
                took.as_secs_f64()
            ));
        }
        AnswerFormat::Json | AnswerFormat::Ndjson | AnswerFormat::Csv | AnswerFormat::Arrow => {
            let mut parts = response.bytes_stream();
            while let Some(part) = parts.next().await {
                screen::print(&part.map_err(|source| server.unreachable(source))?)?;
            }
            screen::flush()?;
        }
    }
    Ok(())
}

/// What `Accept` asks for.
fn accept(format: AnswerFormat) -> &'static str {
    match format {
        AnswerFormat::Table | AnswerFormat::Json => "application/json",
        AnswerFormat::Ndjson => "application/x-ndjson",
        AnswerFormat::Csv => "text/csv",
        AnswerFormat::Arrow => "application/vnd.apache.arrow.stream",
    }
}

/// The statement: typed, in a file, or on standard input.
fn statement(options: &Sql) -> Result<String, CliError> {
    let query = match (&options.query, &options.file) {
        (Some(query), _) if query != "-" => query.clone(),
        (None, Some(path)) => {
            let read = RealDisk.read(path).and_then(|bytes| {
                String::from_utf8(bytes)
                    .map_err(|source| std::io::Error::new(std::io::ErrorKind::InvalidData, source))
            });
            read.map_err(|source| CliError::Read {
                path: path.clone(),
                source,
            })?
        }
        (typed, _) => {
            if typed.is_none() && std::io::stdin().is_terminal() {
                return Err(CliError::NoQuestion);
            }
            let mut text = String::new();
            let mut limited = std::io::stdin().lock().take(STATEMENT_BYTES_MAX);
            let read = limited.read_to_string(&mut text);
            read.map_err(|source| CliError::Read {
                path: "-".into(),
                source,
            })?;
            text
        }
    };
    match query.trim() {
        "" => Err(CliError::NoQuestion),
        _ => Ok(query),
    }
}

/// Prints the first rows as a table and returns how many there are.
fn print_table(body: &[u8], url: &str) -> Result<u64, CliError> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_source| CliError::Foreign {
        url: url.to_owned(),
        status: 200,
    })?;
    let head: Vec<_> = answer
        .columns
        .iter()
        .map(|c| (c.name.as_str(), is_number(&c.ty)))
        .collect();
    let shown = answer.rows.iter().take(TABLE_ROWS_MAX);
    let rows = shown.map(|row| row.iter().map(|value| spell(value)).collect());
    screen::print(format!("{}\n", table::render(&head, rows)).as_bytes())?;
    screen::flush()?;
    let count = answer.rows.len();
    if count > TABLE_ROWS_MAX {
        screen::note(&format!(
            "the first {} rows are shown; --format csv prints all",
            thousands(TABLE_ROWS_MAX as u64)
        ));
    }
    Ok(u64::try_from(count).unwrap_or(u64::MAX))
}

fn is_number(ty: &str) -> bool {
    ["SMALLINT", "INTEGER", "BIGINT", "REAL", "DOUBLE", "NUMERIC"]
        .iter()
        .any(|number| ty.starts_with(number) && !ty.ends_with("[]"))
}

/// A JSON value as a person reads it: texts without quotes, NULL as nothing.
fn spell(value: &RawValue) -> String {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).unwrap_or_else(|_source| text.to_owned()),
        Some(b'n') => String::new(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_people_write_them() {
        let check = |json: &str, expected: &str| {
            let value: Box<RawValue> = serde_json::from_str(json).unwrap();
            assert_eq!(spell(&value), expected);
        };
        check("null", "");
        check("8187806.364", "8187806.364");
        check("\"a \\\"b\\\"\"", "a \"b\"");
        check("[1, 2]", "[1, 2]");
    }

    #[test]
    fn only_numbers_stand_on_the_right() {
        assert!(is_number("NUMERIC(12, 3)") && is_number("DOUBLE PRECISION"));
        assert!(!is_number("TEXT") && !is_number("BIGINT[]"));
    }
}
