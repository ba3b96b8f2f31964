//! Splits a file into statements. It never looks into them.

use mainstem_kernel::{ByteSize, Code, Place, Problem};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::cursor::{Told, mistake, place_of};
use crate::dialect::MainstemDialect;

/// Largest text that is read.
pub(crate) const TEXT_BYTES_MAX: usize = 1 << 20;

/// One statement.
#[derive(Debug)]
pub(crate) struct Statement {
    /// Without white space, comments and the semicolon; never empty.
    pub(crate) tokens: Vec<TokenWithSpan>,
    /// Where it ends.
    pub(crate) end: Location,
    /// As it was written, without the semicolon.
    pub(crate) text: String,
}

impl Statement {
    /// The text between two places of the file, both within the statement.
    pub(crate) fn slice(&self, from: Location, to: Location) -> &str {
        let start = self
            .tokens
            .first()
            .map_or(Location::new(1, 1), |token| token.span.start);
        let lines = line_starts(&self.text);
        let byte = |at: Location| {
            let line = at.line.saturating_sub(start.line).saturating_add(1);
            let column = match line {
                1 => at.column.saturating_sub(start.column).saturating_add(1),
                _ => at.column,
            };
            byte_of(&self.text, &lines, Location::new(line, column))
        };
        self.text.get(byte(from)..byte(to)).unwrap_or_default()
    }
}

/// The statements of a text, and the mistake that stopped the reading, if one did. What stands
/// before the mistake's statement is given all the same.
pub(crate) fn statements(file: &str, text: &str) -> (Vec<Statement>, Option<Problem>) {
    if text.len() > TEXT_BYTES_MAX {
        return (Vec::new(), Some(too_large(file, text.len())));
    }
    let dialect = MainstemDialect::default();
    let mut tokens = Vec::new();
    let stopped = Tokenizer::new(&dialect, text)
        .tokenize_with_location_into_buf(&mut tokens)
        .err();
    let problem = stopped.map(|error| {
        mistake(
            Code::Sql001,
            place_of(file, error.location),
            lowered(&error.message),
        )
        .hint("close the quote or comment that begins here")
    });
    let lines = line_starts(text);
    let mut found = Vec::new();
    let mut rest = Vec::new();
    for token in tokens {
        match token.token {
            Token::Whitespace(_) | Token::EOF => {}
            Token::SemiColon => {
                found.extend(finish(&mut rest, token.span.start, text, &lines));
            }
            _ => rest.push(token),
        }
    }
    // What a broken quote cut off is not a statement.
    if problem.is_none() {
        let end = rest
            .last()
            .map_or(Location::new(1, 1), |token| token.span.end);
        found.extend(finish(&mut rest, end, text, &lines));
    }
    (found, problem)
}

fn too_large(file: &str, bytes: usize) -> Problem {
    let place = Place {
        file: file.to_owned(),
        line: 1,
        column: 1,
    };
    let (size, limit) = (ByteSize::from(bytes), ByteSize::from(TEXT_BYTES_MAX));
    mistake(
        Code::Sql010,
        place,
        format!("text has {size}, the limit is {limit}"),
    )
    .hint("split it into several files")
}

/// A message in our style: lower case, no full stop.
fn lowered(message: &str) -> String {
    let mut chars = message.trim_end_matches('.').chars();
    chars
        .next()
        .map(|first| first.to_lowercase().chain(chars).collect())
        .unwrap_or_default()
}

fn finish(
    tokens: &mut Vec<TokenWithSpan>,
    end: Location,
    text: &str,
    lines: &[usize],
) -> Option<Statement> {
    let start = tokens.first()?.span.start;
    let range = byte_of(text, lines, start)..byte_of(text, lines, end);
    let text = text.get(range).unwrap_or_default().trim_end().to_owned();
    Some(Statement {
        tokens: std::mem::take(tokens),
        end,
        text,
    })
}

/// Byte offset of each line's beginning.
fn line_starts(text: &str) -> Vec<usize> {
    let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    [0].into_iter()
        .chain(breaks.map(|(at, _)| at.saturating_add(1)))
        .collect()
}

/// Byte offset of a location: columns are counted in characters.
fn byte_of(text: &str, lines: &[usize], location: Location) -> usize {
    let line = usize::try_from(location.line)
        .unwrap_or(1)
        .saturating_sub(1);
    let column = usize::try_from(location.column)
        .unwrap_or(1)
        .saturating_sub(1);
    let start = lines.get(line).copied().unwrap_or(text.len());
    let rest = text.get(start..).unwrap_or_default();
    let within = rest
        .char_indices()
        .nth(column)
        .map_or(rest.len(), |(at, _)| at);
    start.saturating_add(within)
}
