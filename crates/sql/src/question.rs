//! Parses a question: sqlparser's grammar, after the words that only we have were taken out.
//!
//! `FOR SYSTEM_TIME AS OF PROCTIME()` behind a name and `TIME ZONE` before a zone leave a mark
//! at the place of the name and of the zone; so does `PARTITION BY` behind the name in `SESSION(…)`. Nothing here knows what a name stands for.

use std::collections::{BTreeMap, BTreeSet};

use mainstem_kernel::{Code, Place, Problem};
use sqlparser::{
    ast::{Ident, Query},
    parser::Parser,
    tokenizer::{Location, Token, TokenWithSpan},
};

use crate::{
    declare::{Told, is_word, mistake, place_of},
    dialect::MainstemDialect,
    error::from_parser,
    pattern,
};

/// Deepest nesting of expressions and subqueries.
pub(crate) const NESTED_MAX: usize = 64;

/// A parsed question.
#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    pub(crate) query: Box<Query>,
    pub(crate) marks: Marks,
}

/// What was said of names and texts by the words that were taken out, by line and column.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    /// Names followed by FOR SYSTEM_TIME AS OF PROCTIME().
    proctime: BTreeSet<(u64, u64)>,
    /// Texts preceded by TIME ZONE.
    zones: BTreeSet<(u64, u64)>,
    /// Names in SESSION(…) followed by PARTITION BY, and its columns.
    partitions: BTreeMap<(u64, u64), Vec<Ident>>,
}

impl Marks {
    /// Whether the name that begins here is read as of arrival.
    pub(crate) fn is_proctime(&self, start: Location) -> bool {
        self.proctime.contains(&at(start))
    }

    /// The columns of PARTITION BY behind the name that begins here.
    pub(crate) fn partition_of(&self, start: Location) -> &[Ident] {
        self.partitions.get(&at(start)).map_or(&[], Vec::as_slice)
    }

    /// Whether the text that begins here is a time zone.
    pub(crate) fn is_zone(&self, start: Location) -> bool {
        self.zones.contains(&at(start))
    }
}

fn at(location: Location) -> (u64, u64) {
    (location.line, location.column)
}

/// Parses the tokens of one question; `end` is where they end.
///
/// # Errors
/// When the grammar is broken.
pub(crate) fn parse(tokens: &[TokenWithSpan], end: Place) -> Result<Parsed, Problem> {
    let (tokens, marks) = without_ours(tokens, &end.file)?;
    let (tokens, withins) = pattern::without_ours(tokens, &end.file)?;
    let dialect = MainstemDialect::default();
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(NESTED_MAX)
        .with_tokens_with_locations(tokens);
    let mut query = parser
        .parse_query()
        .and_then(|query| parser.expect_token(&Token::EOF).map(|_| query))
        .map_err(|error| in_file(from_parser(&error, &end), &end.file))?;
    pattern::rewrite(&mut query, &withins, &end.file)?;
    Ok(Parsed { query, marks })
}

/// A problem of a text as one of the file that holds the text.
pub(crate) fn in_file(error: crate::QueryError, file: &str) -> Problem {
    let mut problem = mainstem_kernel::Fault::problem(&error);
    if let Some(place) = &mut problem.position {
        file.clone_into(&mut place.file);
    }
    problem
}

/// Takes our own words out.
fn without_ours(
    tokens: &[TokenWithSpan],
    file: &str,
) -> Result<(Vec<TokenWithSpan>, Marks), Problem> {
    let mut marks = Marks::default();
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut rest = tokens;
    while let Some((token, behind)) = rest.split_first() {
        if begins(rest, &["FOR", "SYSTEM_TIME"]) {
            rest = as_of(rest, file)?;
            marks.proctime.extend(named(&kept));
        } else if begins(rest, &["TIME", "ZONE"])
            && matches!(kept.last().map(|t| &t.token), Some(Token::Comma))
        {
            rest = rest.get(2..).unwrap_or_default();
            marks
                .zones
                .extend(rest.first().map(|zone| at(zone.span.start)));
        } else if begins(rest, &["PARTITION", "BY"]) && is_in_session(&kept) {
            let (columns, behind) = columns(rest.get(2..).unwrap_or_default(), file)?;
            marks
                .partitions
                .extend(named(&kept).map(|name| (name, columns)));
            rest = behind;
        } else {
            kept.push(token.clone());
            rest = behind;
        }
    }
    Ok((kept, marks))
}

/// Whether the last token is the name in `SESSION(name`.
fn is_in_session(kept: &[TokenWithSpan]) -> bool {
    matches!(kept, [.., session, paren, _]
        if is_word(Some(&session.token), "SESSION") && paren.token == Token::LParen)
}

/// The columns behind PARTITION BY: one, or several in parentheses; and what follows.
fn columns<'a>(
    tokens: &'a [TokenWithSpan],
    file: &str,
) -> Result<(Vec<Ident>, &'a [TokenWithSpan]), Problem> {
    let expected = |tokens: &[TokenWithSpan]| {
        let start = tokens.first().map_or(Location::empty(), |t| t.span.start);
        let message = "expected a column, or several in parentheses, and then the event time";
        mistake(Code::Sql001, place_of(file, start), message)
            .hint("write SESSION(stream PARTITION BY (a, b), time_column, INTERVAL '30 minutes')")
    };
    let column = |tokens: &'a [TokenWithSpan]| match tokens.split_first() {
        Some((
            TokenWithSpan {
                token: Token::Word(word),
                span,
            },
            behind,
        )) => Ok((
            Ident {
                value: word.value.clone(),
                quote_style: word.quote_style,
                span: *span,
            },
            behind,
        )),
        _ => Err(expected(tokens)),
    };
    let mut rest = match tokens.split_first() {
        Some((first, behind)) if first.token == Token::LParen => behind,
        _ => {
            let (only, behind) = column(tokens)?;
            return Ok((vec![only], behind));
        }
    };
    let mut columns = Vec::new();
    loop {
        let (next, behind) = column(rest)?;
        columns.push(next);
        rest = match behind.split_first() {
            Some((comma, behind)) if comma.token == Token::Comma => behind,
            Some((paren, behind)) if paren.token == Token::RParen => return Ok((columns, behind)),
            _ => return Err(expected(behind)),
        };
    }
}

/// Where the name before begins. A name in a schema begins with the schema's.
fn named(kept: &[TokenWithSpan]) -> Option<(u64, u64)> {
    let (last, before) = kept.split_last()?;
    match before {
        [.., schema, dot] if dot.token == Token::Period => Some(at(schema.span.start)),
        _ => Some(at(last.span.start)),
    }
}

fn begins(tokens: &[TokenWithSpan], words: &[&str]) -> bool {
    tokens.len() >= words.len()
        && tokens
            .iter()
            .zip(words)
            .all(|(token, word)| is_word(Some(&token.token), word))
}

/// Passes FOR SYSTEM_TIME AS OF PROCTIME().
fn as_of<'a>(tokens: &'a [TokenWithSpan], file: &str) -> Result<&'a [TokenWithSpan], Problem> {
    let place = |index: usize| {
        let token = tokens.get(index).or(tokens.last());
        place_of(file, token.map_or(Location::empty(), |t| t.span.start))
    };
    let words = ["FOR", "SYSTEM_TIME", "AS", "OF"];
    if !begins(tokens, &words) {
        let message = "expected FOR SYSTEM_TIME AS OF PROCTIME()";
        return Err(mistake(Code::Sql001, place(2), message));
    }
    let rest = tokens.get(words.len()..).unwrap_or_default();
    let is_proctime = begins(rest, &["PROCTIME"])
        && matches!(rest.get(1).map(|t| &t.token), Some(Token::LParen))
        && matches!(rest.get(2).map(|t| &t.token), Some(Token::RParen));
    match is_proctime {
        true => Ok(rest.get(3..).unwrap_or_default()),
        false => {
            let message = "a join as of another time than PROCTIME() is not built yet";
            Err(mistake(Code::Sql002, place(words.len()), message)
                .detail("A lookup takes the table's row as it is when the event arrives.")
                .hint("write FOR SYSTEM_TIME AS OF PROCTIME()"))
        }
    }
}
