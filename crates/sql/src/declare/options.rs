//! WITH (option = value, …) of a stream. Defaults live in the statement's reader.

use std::time::Duration;

use mainstem_catalog::{Durability, StreamSpec};
use mainstem_kernel::{ByteSize, Code, Place, Problem};
use sqlparser::tokenizer::Token;

use super::{
    cursor::{Cursor, Told, Written, mistake},
    span,
};
use crate::nearest::did_you_mean;

/// Partitions of a stream if it does not say.
pub(crate) const PARTITIONS: u16 = 8;
/// Largest event if the stream does not say.
pub(crate) const EVENT_SIZE_MAX: ByteSize = ByteSize::kib(32);

const NAMES: [&str; 4] = ["retention", "partitions", "durability", "event_size_max"];
/// Options of the language that are not built yet.
const UNBUILT: [&str; 4] = ["ttl", "idle_timeout", "region", "sealed"];
const PARTITIONS_MAX: u16 = 1_024;
const RETENTION_MIN: Duration = Duration::from_secs(60);
const EVENT_SIZES: std::ops::RangeInclusive<u64> = 64..=(8 << 20);

/// Reads the options after WITH into the spec.
///
/// # Errors
/// When the grammar is broken; other mistakes go to `problems`.
pub(crate) fn read(
    cursor: &mut Cursor<'_>,
    spec: &mut StreamSpec,
    problems: &mut Vec<Problem>,
) -> Result<(), Problem> {
    cursor.expect(&Token::LParen)?;
    let mut seen: Vec<String> = Vec::new();
    loop {
        let name = cursor.name("the name of an option")?;
        cursor.expect(&Token::Eq)?;
        let value = value(cursor)?;
        if seen.contains(&name.text) {
            let message = format!("option \"{}\" stands twice", name.text);
            problems.push(mistake(Code::Sql006, name.place.clone(), message));
        }
        if let Err(problem) = set(spec, &name, &value) {
            problems.push(problem);
        }
        seen.push(name.text);
        if !cursor.eat(&Token::Comma) {
            break;
        }
    }
    cursor.expect(&Token::RParen)
}

/// A value as text, and where.
fn value(cursor: &mut Cursor<'_>) -> Result<Written, Problem> {
    let place = cursor.place();
    match cursor.peek() {
        Some(Token::Number(number, _)) => {
            let text = number.clone();
            cursor.step();
            Ok(Written { text, place })
        }
        Some(Token::Word(_)) => cursor.name("a value"),
        Some(Token::Minus) => Err(cursor.expected("a value above zero")),
        _ => cursor.text("a value, such as '90 days' or 8"),
    }
}

fn set(spec: &mut StreamSpec, name: &Written, value: &Written) -> Result<(), Problem> {
    match name.text.as_str() {
        "retention" => spec.retention = retention(value)?,
        "partitions" => spec.partitions = partitions(value)?,
        "durability" => spec.durability = durability(value)?,
        "event_size_max" => spec.event_size_max = event_size(value)?,
        other => return Err(unknown(other, &name.place)),
    }
    Ok(())
}

fn unknown(name: &str, place: &Place) -> Problem {
    if UNBUILT.contains(&name) {
        let message = format!("option \"{name}\" is not built yet");
        return mistake(Code::Sql002, place.clone(), message).hint("leave it out");
    }
    mistake(
        Code::Sql004,
        place.clone(),
        format!("a stream has no option \"{name}\""),
    )
    .hint_if(did_you_mean(name, NAMES))
}

fn unfit(value: &Written, expected: &str) -> Problem {
    let message = format!("expected {expected}, found \"{}\"", value.text);
    mistake(Code::Sql004, value.place.clone(), message)
}

/// `None` for ever.
fn retention(value: &Written) -> Result<Option<Duration>, Problem> {
    if ["for ever", "forever"].contains(&value.text.to_lowercase().as_str()) {
        return Ok(None);
    }
    match span::read(&value.text) {
        Some(span) if span >= RETENTION_MIN => Ok(Some(span)),
        Some(_) => Err(unfit(value, "a retention of at least 1 minute")),
        None => {
            Err(unfit(value, "a span of time").hint("write '90 days', '2 years' or 'for ever'"))
        }
    }
}

fn partitions(value: &Written) -> Result<u16, Problem> {
    let number = value.text.parse::<u16>().ok();
    number
        .filter(|n| (1..=PARTITIONS_MAX).contains(n))
        .ok_or_else(|| {
            unfit(value, &format!("1 to {PARTITIONS_MAX} partitions"))
                .hint("partitions are for Kafka clients; on one machine they do not add speed")
        })
}

fn durability(value: &Written) -> Result<Durability, Problem> {
    match value.text.to_lowercase().as_str() {
        "strict" => Ok(Durability::Strict),
        "relaxed" => Ok(Durability::Relaxed),
        _ => Err(unfit(value, "'strict' or 'relaxed'")
            .hint("strict acknowledges after the sync, relaxed before it")),
    }
}

fn event_size(value: &Written) -> Result<ByteSize, Problem> {
    let size = value.text.parse::<ByteSize>().map_err(|error| {
        mistake(Code::Sql004, value.place.clone(), error.to_string())
            .hint("units are B, KiB, MiB and GiB")
    })?;
    if EVENT_SIZES.contains(&size.0) {
        return Ok(size);
    }
    let (least, most) = (ByteSize(*EVENT_SIZES.start()), ByteSize(*EVENT_SIZES.end()));
    Err(unfit(value, &format!("{least} to {most}")))
}
