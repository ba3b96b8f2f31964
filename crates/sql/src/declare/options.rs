//! WITH (option = value, …): the list, the values that several kinds of objects have, and the
//! options of a stream. Defaults live in the statement's reader.

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

const NAMES: [&str; 5] = [
    "retention",
    "partitions",
    "durability",
    "event_size_max",
    "idle_timeout",
];
/// Options of the language that are not built yet.
const UNBUILT: [&str; 3] = ["ttl", "region", "sealed"];
const PARTITIONS_MAX: u16 = 1_024;
const RETENTION_MIN: Duration = Duration::from_secs(60);
const IDLE_TIMEOUTS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(7 * 86_400);
const EVENT_SIZES: std::ops::RangeInclusive<u64> = 64..=(8 << 20);

/// One option as it was written.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) name: Written,
    pub(crate) value: Written,
}

/// Reads the options after WITH into the spec; gives `idle_timeout`, which is the watermark's, and
/// where it stands.
///
/// # Errors
/// When the grammar is broken; other mistakes go to `problems`.
pub(crate) fn read(
    cursor: &mut Cursor<'_>,
    spec: &mut StreamSpec,
    problems: &mut Vec<Problem>,
) -> Result<Option<(Place, Duration)>, Problem> {
    let mut idle = None;
    each(cursor, problems, |given| {
        if given.name.text == "idle_timeout" {
            idle = Some((given.name.place.clone(), idle_timeout(&given.value)?));
            return Ok(());
        }
        set(spec, given)
    })?;
    Ok(idle)
}

/// Reads a list of options, each of which is `taken`.
///
/// # Errors
/// When the grammar is broken; other mistakes go to `problems`.
pub(crate) fn each(
    cursor: &mut Cursor<'_>,
    problems: &mut Vec<Problem>,
    mut taken: impl FnMut(&Given) -> Result<(), Problem>,
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
        seen.push(name.text.clone());
        if let Err(problem) = taken(&Given { name, value }) {
            problems.push(problem);
        }
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

fn set(spec: &mut StreamSpec, Given { name, value }: &Given) -> Result<(), Problem> {
    match name.text.as_str() {
        "retention" => spec.retention = forever_or(value, RETENTION_MIN, "a retention")?,
        "partitions" => spec.partitions = partitions(value)?,
        "durability" => spec.durability = durability(value)?,
        "event_size_max" => spec.event_size_max = event_size(value)?,
        _ => return Err(unknown("stream", name, (&NAMES, &UNBUILT))),
    }
    Ok(())
}

/// An option that a kind of object does not have: `known` it has, `unbuilt` it will have.
pub(crate) fn unknown(
    kind: &str,
    name: &Written,
    (known, unbuilt): (&[&'static str], &[&str]),
) -> Problem {
    let Written { text, place } = name;
    if unbuilt.contains(&text.as_str()) {
        let message = format!("option \"{text}\" is not built yet");
        return mistake(Code::Sql002, place.clone(), message).hint("leave it out");
    }
    let message = format!("a {kind} has no option \"{text}\"");
    mistake(Code::Sql004, place.clone(), message).hint_if(did_you_mean(text, known.iter().copied()))
}

/// "expected …, found …".
pub(crate) fn unfit(value: &Written, expected: &str) -> Problem {
    let message = format!("expected {expected}, found \"{}\"", value.text);
    mistake(Code::Sql004, value.place.clone(), message)
}

/// A span of at least `least`; `None` for ever.
///
/// # Errors
/// When it is no span, or a shorter one.
pub(crate) fn forever_or(
    value: &Written,
    least: Duration,
    what: &str,
) -> Result<Option<Duration>, Problem> {
    if ["for ever", "forever"].contains(&value.text.to_lowercase().as_str()) {
        return Ok(None);
    }
    match span::read(&value.text) {
        Some(span) if span >= least => Ok(Some(span)),
        Some(_) => {
            let least = span::write(least);
            Err(unfit(value, &format!("{what} of at least {least}")))
        }
        None => {
            Err(unfit(value, "a span of time").hint("write '90 days', '2 years' or 'for ever'"))
        }
    }
}

fn idle_timeout(value: &Written) -> Result<Duration, Problem> {
    let span = span::read(&value.text);
    let fits = |span: &Duration| {
        // The log tells arrival to the millisecond.
        IDLE_TIMEOUTS.contains(span) && span.subsec_nanos().is_multiple_of(1_000_000)
    };
    span.filter(fits).ok_or_else(|| {
        unfit(value, "a span of 1 second to 7 days, in whole milliseconds")
            .hint("write '30 seconds': so long no row comes before event time goes on by itself")
    })
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
