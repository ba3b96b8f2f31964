//! Spans of time within a statement: INTERVAL '…', or just '…' where nothing else can stand.

use std::time::Duration;

use mainstem_kernel::{Code, Problem};
use sqlparser::tokenizer::Token;

use super::{
    cursor::{Cursor, Told, Written, mistake},
    span,
};

/// A span as it was written, and its length if it is one.
pub(crate) struct Span {
    span: Option<Duration>,
    text: Written,
}

/// INTERVAL '…' or INTERVAL '…' UNIT.
pub(crate) fn interval(cursor: &mut Cursor<'_>) -> Result<Span, Problem> {
    cursor.expect_words(&["INTERVAL"])?;
    let text = cursor.text("a span of time in single quotes, such as '10 seconds'")?;
    let unit = match cursor.peek() {
        Some(Token::Word(word)) if span::unit(&word.value).is_some() => {
            cursor.step();
            span::unit(&word.value)
        }
        _ => None,
    };
    let span = match unit {
        Some(unit) => span::scaled(text.text.trim(), unit).map(Duration::from_micros),
        None => span::read(&text.text),
    };
    Ok(Span { span, text })
}

/// '…' or INTERVAL '…'.
pub(crate) fn within(cursor: &mut Cursor<'_>) -> Result<Span, Problem> {
    if cursor.at_words(&["INTERVAL"]) {
        return interval(cursor);
    }
    let text = cursor.text("a span of time in single quotes, such as '1 hour'")?;
    Ok(Span {
        span: span::read(&text.text),
        text,
    })
}

impl Span {
    /// Its length; a mistake is noted and the bound taken instead, so that the reading goes on.
    pub(crate) fn bounded(self, most: Duration, problems: &mut Vec<Problem>) -> Duration {
        self.between(Duration::ZERO, most, problems)
    }

    /// As `bounded`, with a least length.
    pub(crate) fn between(
        self,
        least: Duration,
        most: Duration,
        problems: &mut Vec<Problem>,
    ) -> Duration {
        let Self { span, text } = self;
        let unfit = |message: String| mistake(Code::Sql004, text.place.clone(), message);
        match span {
            Some(span) if span > most => {
                let most = span::write(most);
                problems.push(unfit(format!(
                    "expected at most {most}, found \"{}\"",
                    text.text
                )));
            }
            Some(span) if span < least => {
                let least = span::write(least);
                problems.push(unfit(format!(
                    "expected at least {least}, found \"{}\"",
                    text.text
                )));
            }
            Some(span) => return span,
            None => problems.push(
                unfit(format!("expected a span of time, found \"{}\"", text.text))
                    .hint("write '10 seconds', '1 day 12 hours', '1.5 hours'"),
            ),
        }
        most
    }
}
