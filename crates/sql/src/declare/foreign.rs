//! FROM TOPIC and FORMAT: where the rows of a foreign stream come from.
//!
//! It never knows whether there is such a topic: who reads it does.

use mainstem_catalog::{Foreign, StreamSpec};
use mainstem_kernel::{Code, Problem};

use super::cursor::{Cursor, Told, Written, mistake};

/// Longest name of a topic that Kafka takes, in bytes.
const TOPIC_BYTES_MAX: usize = 249;

/// Formats that others write in, and are not read.
const UNREAD: [&str; 7] = [
    "AVRO", "PROTOBUF", "CSV", "RAW", "DEBEZIUM", "CANAL", "TEXT",
];

/// Who writes the rows of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Clients, through our doors.
    #[default]
    Clients,
    /// Others, into a topic of their own.
    Foreign,
}

impl Origin {
    /// Whether such a stream can have the clause.
    pub(crate) fn has(self, clause: &str) -> bool {
        self == Self::Foreign || !["FROM", "FORMAT"].contains(&clause)
    }
}

/// STREAM after CREATE FOREIGN.
///
/// # Errors
/// When something else comes next.
pub(crate) fn stream(cursor: &mut Cursor<'_>) -> Result<(), Problem> {
    cursor.expect_words(&["STREAM"]).map_err(|problem| {
        problem.hint("what others write is a stream: CREATE FOREIGN STREAM name (…) FROM TOPIC 'name' FORMAT JSON")
    })
}

/// TOPIC 'name' after FROM.
///
/// # Errors
/// When something else comes next, or no topic can have that name.
pub(crate) fn topic(cursor: &mut Cursor<'_>) -> Result<Written, Problem> {
    cursor
        .expect_words(&["TOPIC"])
        .map_err(|problem| problem.hint("write FROM TOPIC 'name'"))?;
    let topic = cursor.text("the name of a topic in single quotes")?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_name = (1..=TOPIC_BYTES_MAX).contains(&topic.text.len())
        && topic.text.bytes().all(is_plain)
        && ![".", ".."].contains(&topic.text.as_str());
    if is_name {
        return Ok(topic);
    }
    let message = format!("\"{}\" cannot be the name of a topic", topic.text);
    Err(mistake(Code::Sql004, topic.place, message).hint(format!(
        "Kafka takes 1 to {TOPIC_BYTES_MAX} of a-z, A-Z, 0-9, \".\", \"_\" and \"-\""
    )))
}

/// JSON after FORMAT.
///
/// # Errors
/// When another format comes next.
pub(crate) fn format(cursor: &mut Cursor<'_>) -> Result<(), Problem> {
    if let Some(format) = UNREAD.iter().find(|word| cursor.at_words(&[word])) {
        let message = format!("FORMAT {format} is not built yet");
        return Err(mistake(Code::Sql002, cursor.place(), message)
            .hint("a record is one JSON object: FORMAT JSON"));
    }
    cursor
        .expect_words(&["JSON"])
        .map_err(|problem| problem.hint("write FORMAT JSON"))
}

/// Takes the topic over into the spec; a foreign stream must have one.
///
/// # Errors
/// When it has none.
pub(crate) fn settle(
    cursor: &Cursor<'_>,
    (origin, topic): (Origin, Option<&Written>),
    spec: &mut StreamSpec,
) -> Result<(), Problem> {
    if origin == Origin::Foreign && topic.is_none() {
        return Err(cursor
            .expected("FROM TOPIC 'name'")
            .hint("name the topic that the rows of a foreign stream come from"));
    }
    spec.foreign = topic.map(|topic| Foreign {
        topic: topic.text.clone(),
    });
    Ok(())
}
