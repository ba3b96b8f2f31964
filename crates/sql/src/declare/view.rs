//! CREATE MATERIALIZED VIEW: its head and its EMIT clause; the question between them is
//! sqlparser's. What the question may be is decided when it is planned, with all objects known.

use mainstem_catalog::Emit;
use mainstem_kernel::{Code, Place, Problem, StreamName};
use sqlparser::tokenizer::Token;

use super::{
    cursor::{Cursor, Told, Written, mistake},
    emit,
    options::{self, Given},
    recognise::{created, object_name},
    split::Statement,
};
use crate::question::{self, Parsed};

/// Values of one group that COUNT(DISTINCT …) may be allowed to hold.
const DISTINCT_MAX: std::ops::RangeInclusive<u64> = 1..=100_000_000;

const OPTIONS: [&str; 1] = ["distinct_max"];
/// Options of the language that are not built yet.
const UNBUILT: [&str; 4] = ["ttl", "retention", "partitions", "idle_timeout"];

/// A CREATE MATERIALIZED VIEW that was read and is not planned yet.
#[derive(Clone, Debug)]
pub struct ViewText {
    /// Its name.
    pub name: StreamName,
    /// Different values per group that each COUNT(DISTINCT …) may hold, if declared.
    pub distinct_max: Option<u64>,
    /// The EMIT clause, if it has one.
    pub emit: Option<Emit>,
    /// The question, as it was written.
    pub query: String,
    /// The statement, as it was written.
    pub sql: String,
    /// Where its parts stand.
    pub(crate) places: Places,
    /// The question, parsed.
    pub(crate) parsed: Parsed,
}

/// Where the parts of a statement stand.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) file: String,
    pub(crate) name: Place,
    /// Of the EMIT clause; where it could stand if there is none.
    pub(crate) emit: Place,
}

/// Reads the rest of a statement after CREATE MATERIALIZED VIEW.
///
/// # Errors
/// When the grammar is broken; other mistakes go to `problems`.
pub(crate) fn read(
    cursor: &mut Cursor<'_>,
    statement: &Statement,
    problems: &mut Vec<Problem>,
) -> Result<ViewText, Problem> {
    let written = created(cursor, "the name of a view")?;
    let name = object_name(&written)?;
    let mut own = Vec::new();
    let mut distinct_max = None;
    if cursor.eat_words(&["WITH"]) {
        options::each(cursor, &mut own, |given| set(&mut distinct_max, given))?;
    }
    if cursor.peek() == Some(&Token::LParen) {
        let message = "a list of columns behind the name of a view is not built yet";
        return Err(mistake(Code::Sql002, cursor.place(), message)
            .hint("name the columns in the SELECT: expression AS name"));
    }
    cursor.expect_words(&["AS"])?;
    let (query, parsed) = asked(cursor, statement)?;
    let emit_place = cursor.place();
    let emit = match emit::is_next(cursor) {
        true => Some(emit::read(cursor, &mut own)?),
        false => None,
    };
    let last = own.pop();
    problems.append(&mut own);
    let places = Places {
        file: cursor.file().to_owned(),
        name: written.place,
        emit: emit_place,
    };
    let text = ViewText {
        name,
        distinct_max,
        emit,
        query,
        sql: statement.text.clone(),
        places,
        parsed,
    };
    last.map_or(Ok(text), Err)
}

/// The question up to EMIT or the end.
fn asked(cursor: &mut Cursor<'_>, statement: &Statement) -> Result<(String, Parsed), Problem> {
    let asks = ["SELECT", "WITH"].iter().any(|w| cursor.at_words(&[w]));
    if !asks && cursor.peek() != Some(&Token::LParen) {
        return Err(cursor.expected("SELECT"));
    }
    let start = cursor.clone();
    let mut depth = 0_usize;
    while let Some(token) = cursor.peek() {
        match token {
            Token::LParen => depth = depth.saturating_add(1),
            Token::RParen => depth = depth.saturating_sub(1),
            _ if depth == 0 && emit::is_next(cursor) => break,
            _ => {}
        }
        cursor.step();
    }
    let tokens = start.until(cursor);
    // What is said behind it in a comment is not part of it.
    let end = tokens.last().map_or(start.location(), |last| last.span.end);
    let text = statement.slice(start.location(), end);
    let parsed = question::parse(tokens, cursor.place())?;
    Ok((text.trim_end().to_owned(), parsed))
}

fn set(distinct_max: &mut Option<u64>, Given { name, value }: &Given) -> Result<(), Problem> {
    match name.text.as_str() {
        "distinct_max" => {
            *distinct_max = Some(most(value)?);
            Ok(())
        }
        _ => Err(options::unknown("view", name, (&OPTIONS, &UNBUILT))),
    }
}

fn most(value: &Written) -> Result<u64, Problem> {
    let digits: String = value.text.chars().filter(|c| *c != '_').collect();
    let number = digits.parse::<u64>().ok();
    number
        .filter(|number| DISTINCT_MAX.contains(number))
        .ok_or_else(|| {
            let (least, most) = (DISTINCT_MAX.start(), DISTINCT_MAX.end());
            let expected = format!("{least} to {most} values per group");
            options::unfit(value, &expected).hint(
                "it is how many different values one group of an aggregate with DISTINCT may have",
            )
        })
}
