//! Questions: from a request to the engine, and its rows to the socket as they come.

use std::{io, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use hyper::{
    StatusCode,
    header::{ACCEPT, HeaderMap, HeaderValue},
};
use mainstem_kernel::{Fault, Reached, fault::chain};
use mainstem_sql::{Answered, QueryError, Question, ResultFormat, Rights, RowWriter, Rows};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    answer::{self, NEXT, POSITION, Reply},
    call::{Call, Outcome, short_header, shorten},
    errors::{ANSWER_TYPES, HttpError},
    events::IDEMPOTENCY_KEY,
    wait,
};

/// An answer up to this size is sent whole, so that an error on the way has its own status.
const WHOLE_MAX: usize = 64 << 10;

/// An answer that broke off is given this long to reach the socket before it is cut.
const FLUSH_WAIT: Duration = Duration::from_millis(100);

/// A question.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Question)]
pub(crate) struct QuestionBody {
    /// One SELECT, EXPLAIN or SHOW; or INSERT, UPDATE and DELETE on tables, several of them and of
    /// SELECT … FOR UPDATE between BEGIN and COMMIT.
    query: String,
    /// Longest time in milliseconds, if less than the server's own limit.
    #[serde(default)]
    timeout_ms: Option<u64>,
}

/// An answer that is not yet written out.
struct Answer {
    format: ResultFormat,
    writer: RowWriter,
    rows: Rows,
    position: Reached,
}

/// Where the writing of an answer stands.
enum Stage {
    /// What is written already comes first.
    Written(Bytes, Answer),
    Rows(Answer),
    Broken,
    Over,
}

/// `POST /v1/sql`.
pub(crate) async fn ask(mut call: Call) -> Outcome {
    let format = negotiate(&call.head.headers)?;
    let wait = call.wait()?;
    let key = short_header(
        &call.head.headers,
        &IDEMPOTENCY_KEY,
        "header \"Idempotency-Key\"",
    )?;
    let request = key.map(str::to_owned);
    let sent: QuestionBody = call.json().await?;
    if let Some(position) = &wait {
        wait::reach(&call.door, position).await?;
    }
    let question = Question {
        tenant: call.tenant(),
        sql: sent.query,
        rights: Rights::Write,
        wait,
        time_max: sent.timeout_ms.map(Duration::from_millis),
        request,
    };
    reply(&call, question, format).await
}

/// The answer of a question.
pub(crate) async fn reply(call: &Call, question: Question, format: ResultFormat) -> Outcome {
    let questions = Arc::clone(&call.door.parts.questions);
    deliver(questions.ask(question).await?, format).await
}

/// An answer, once its rows begin to come.
pub(crate) async fn deliver(answered: Answered, format: ResultFormat) -> Outcome {
    deliver_page(answered, None, format).await
}

/// The same, with where its rows go on, if they do.
pub(crate) async fn deliver_page(
    answered: Answered,
    next: Option<String>,
    format: ResultFormat,
) -> Outcome {
    let shown = HeaderValue::from_str(&answered.position.to_string());
    let goes_on = next.as_deref().map(HeaderValue::from_str).transpose();
    let writer = RowWriter::new(format, answered.schema).with_next(next);
    let answer = Answer {
        format,
        writer,
        rows: answered.rows,
        position: answered.position,
    };
    let mut reply = write(answer).await?;
    if let Ok(value) = shown {
        reply.headers_mut().insert(POSITION, value);
    }
    if let Ok(Some(value)) = goes_on {
        reply.headers_mut().insert(NEXT, value);
    }
    Ok(reply)
}

/// A small answer whole, a large one in chunks.
async fn write(mut answer: Answer) -> Result<Reply, QueryError> {
    let media = answer.format.media_type();
    let mut written = BytesMut::from(answer.writer.begin()?.as_ref());
    while written.len() < WHOLE_MAX {
        match answer.rows.next().await {
            Some(batch) => written.extend_from_slice(&answer.writer.batch(&batch?)?),
            None => {
                written.extend_from_slice(&answer.writer.end(&answer.position)?);
                return Ok(answer::whole(StatusCode::OK, media, written));
            }
        }
    }
    let stage = Stage::Written(written.freeze(), answer);
    Ok(answer::chunks(
        media,
        Box::pin(stream::unfold(stage, next_chunk)),
    ))
}

/// The next bytes of an answer. They may be none: then the chunk is left out.
async fn next_chunk(mut stage: Stage) -> Option<(io::Result<Bytes>, Stage)> {
    loop {
        match stage {
            Stage::Written(bytes, answer) => return Some((Ok(bytes), Stage::Rows(answer))),
            Stage::Rows(mut answer) => {
                let (chunk, is_end) = match answer.rows.next().await {
                    Some(batch) => (batch.and_then(|batch| answer.writer.batch(&batch)), false),
                    None => (answer.writer.end(&answer.position), true),
                };
                match chunk {
                    Ok(bytes) if bytes.is_empty() && is_end => return None,
                    Ok(bytes) if bytes.is_empty() => stage = Stage::Rows(answer),
                    Ok(bytes) if is_end => return Some((Ok(bytes), Stage::Over)),
                    Ok(bytes) => return Some((Ok(bytes), Stage::Rows(answer))),
                    Err(error) => return Some((Ok(broken(answer.format, &error)), Stage::Broken)),
                }
            }
            // The connection ends without the last chunk: nobody takes this for a whole answer.
            Stage::Broken => {
                // hyper drops what it has not yet sent when a body fails.
                tokio::time::sleep(FLUSH_WAIT).await;
                let error = io::Error::other("question failed after a part of its answer was sent");
                return Some((Err(error), Stage::Over));
            }
            Stage::Over => return None,
        }
    }
}

/// The last thing in an answer that broke off, where the format has room for it.
fn broken(format: ResultFormat, error: &QueryError) -> Bytes {
    let code = error.answer().code;
    tracing::warn!(%code, error = chain(error), "question failed while its answer was sent");
    let problem = serde_json::to_string(&error.problem()).unwrap_or_default();
    match format {
        ResultFormat::Json => format!("],\"error\":{problem}}}\n").into(),
        ResultFormat::Ndjson => format!("{{\"error\":{problem}}}\n").into(),
        ResultFormat::Csv | ResultFormat::Arrow => Bytes::new(),
    }
}

/// The format that `Accept` likes best; JSON if it does not care.
pub(crate) fn negotiate(headers: &HeaderMap) -> Result<ResultFormat, HttpError> {
    let mut best: Option<(u32, ResultFormat)> = None;
    let mut sent = Vec::new();
    for value in headers.get_all(ACCEPT) {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        for range in text.split(',') {
            let (media, weight) = weigh(range);
            let Some(format) = format_of(media) else {
                continue;
            };
            if weight > 0 && best.is_none_or(|(other, _)| weight > other) {
                best = Some((weight, format));
            }
        }
        sent.push(text);
    }
    match best {
        Some((_, format)) => Ok(format),
        None if sent.is_empty() => Ok(ResultFormat::Json),
        None => Err(HttpError::NotAcceptable {
            found: shorten(&sent.join(", ")),
            allowed: ANSWER_TYPES,
        }),
    }
}

/// A media range and its weight in thousandths (RFC 9110, section 12.4.2: at most three digits).
pub(crate) fn weigh(range: &str) -> (&str, u32) {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    let Some(weight) = weight else {
        return (media, 1000);
    };
    let (whole, digits) = weight.split_once('.').unwrap_or((weight, ""));
    let thousandths = format!("{digits:0<3}").parse().unwrap_or(1000);
    (media, if whole == "0" { thousandths } else { 1000 })
}

fn format_of(media: &str) -> Option<ResultFormat> {
    match media.to_ascii_lowercase().as_str() {
        "application/json" | "application/*" | "*/*" => Some(ResultFormat::Json),
        "application/x-ndjson" | "application/ndjson" => Some(ResultFormat::Ndjson),
        "text/csv" | "text/*" => Some(ResultFormat::Csv),
        "application/vnd.apache.arrow.stream" => Some(ResultFormat::Arrow),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_the_one_that_is_liked_best() {
        let check = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            negotiate(&headers).ok()
        };
        assert_eq!(negotiate(&HeaderMap::new()).unwrap(), ResultFormat::Json);
        assert_eq!(check("*/*"), Some(ResultFormat::Json));
        assert_eq!(check("text/csv"), Some(ResultFormat::Csv));
        assert_eq!(check("text/html, text/csv;q=0.5"), Some(ResultFormat::Csv));
        assert_eq!(
            check("text/csv;q=0.5, application/x-ndjson"),
            Some(ResultFormat::Ndjson)
        );
        assert_eq!(check("text/csv;q=0, image/png"), None);
        assert_eq!(check("text/html"), None);
    }
}
