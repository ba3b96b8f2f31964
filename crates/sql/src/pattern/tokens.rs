//! Words of patterns that sqlparser's grammar lacks: `WITHIN INTERVAL '…'` behind PATTERN (…) leaves a mark at
//! the place of the pattern's first symbol, `?` becomes `{0,1}`, and a column of MEASURES that is not given a
//! name has its own.

use std::collections::BTreeMap;

use mainstem_kernel::{Code, Problem};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use crate::declare::{Told as _, is_word, mistake, place_of, read_span, span_unit};

/// µs of WITHIN by the place of the first symbol of its pattern.
#[derive(Clone, Debug, Default)]
pub(crate) struct Withins(BTreeMap<(u64, u64), i64>);

impl Withins {
    pub(super) fn of(&self, first: Location) -> Option<i64> {
        self.0.get(&(first.line, first.column)).copied()
    }
}

/// Takes these words out.
///
/// # Errors
/// When WITHIN does not say how long.
pub(crate) fn without_ours(
    tokens: Vec<TokenWithSpan>,
    file: &str,
) -> Result<(Vec<TokenWithSpan>, Withins), Problem> {
    let mut withins = Withins::default();
    let is_pattern = |token: &TokenWithSpan| is_word(Some(&token.token), "MATCH_RECOGNIZE");
    if !tokens.iter().any(is_pattern) {
        return Ok((tokens, withins));
    }
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut rest = tokens.as_slice();
    while let Some((token, behind)) = rest.split_first() {
        kept.push(token.clone());
        rest = behind;
        let opens = behind
            .first()
            .is_some_and(|next| next.token == Token::LParen);
        if is_word(Some(&token.token), "MEASURES") {
            rest = measures(rest, &mut kept);
        } else if is_word(Some(&token.token), "PATTERN") && opens {
            let (pattern, behind) = parenthesized(rest);
            kept.extend(pattern.iter().flat_map(optional));
            rest = behind;
            if let Some((within_us, behind)) = within(rest, file)? {
                let mut symbols = pattern.iter();
                let first = symbols.find(|token| matches!(token.token, Token::Word(_)));
                let first = first.map(|first| first.span.start);
                withins
                    .0
                    .extend(first.map(|first| ((first.line, first.column), within_us)));
                rest = behind;
            }
        }
    }
    Ok((kept, withins))
}

/// Puts measures behind `kept`, each with a name; gives what is behind them.
fn measures<'a>(tokens: &'a [TokenWithSpan], kept: &mut Vec<TokenWithSpan>) -> &'a [TokenWithSpan] {
    const BEHIND: [&str; 4] = ["ONE", "ALL", "AFTER", "PATTERN"];
    let (mut depth, mut begin) = (0_usize, 0_usize);
    for (at, token) in tokens.iter().enumerate() {
        let is_behind = BEHIND.iter().any(|word| is_word(Some(&token.token), word));
        match token.token {
            Token::LParen => depth = depth.saturating_add(1),
            Token::RParen if depth == 0 => return tokens.get(begin..).unwrap_or_default(),
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Comma if depth == 0 => {
                kept.extend(tokens.get(begin..at).into_iter().flat_map(with_name));
                kept.push(token.clone());
                begin = at.saturating_add(1);
            }
            _ if depth == 0 && is_behind => {
                kept.extend(tokens.get(begin..at).into_iter().flat_map(with_name));
                return tokens.get(at..).unwrap_or_default();
            }
            _ => {}
        }
    }
    tokens.get(begin..).unwrap_or_default()
}

/// `x` as `x AS x`, and `A.x` as `A.x AS x`.
fn with_name(measure: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut named = measure.to_vec();
    let column = match measure {
        [column] => Some(column),
        [_, dot, column] if dot.token == Token::Period => Some(column),
        _ => None,
    };
    if let Some(column) = column.filter(|column| matches!(column.token, Token::Word(_))) {
        named.push(TokenWithSpan {
            token: Token::make_keyword("AS"),
            span: column.span,
        });
        named.push(column.clone());
    }
    named
}

/// What is in parentheses, with these, and what is behind them.
fn parenthesized(tokens: &[TokenWithSpan]) -> (&[TokenWithSpan], &[TokenWithSpan]) {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.token {
            Token::LParen => depth = depth.saturating_add(1),
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return tokens.split_at(at.saturating_add(1));
        }
    }
    (tokens, &[])
}

/// `?` as the grammar knows it.
fn optional(token: &TokenWithSpan) -> Vec<TokenWithSpan> {
    let is_mark = match &token.token {
        Token::Question => true,
        Token::Placeholder(text) => text == "?",
        _ => false,
    };
    if !is_mark {
        return vec![token.clone()];
    }
    let number = |text: &str| Token::Number(text.to_owned(), false);
    let written = [
        Token::LBrace,
        number("0"),
        Token::Comma,
        number("1"),
        Token::RBrace,
    ];
    let written = written.into_iter();
    written
        .map(|written| TokenWithSpan {
            token: written,
            span: token.span,
        })
        .collect()
}

/// `WITHIN INTERVAL '…' [UNIT]` in µs, and what is behind.
fn within<'a>(
    tokens: &'a [TokenWithSpan],
    file: &str,
) -> Result<Option<(i64, &'a [TokenWithSpan])>, Problem> {
    let [first, behind @ ..] = tokens else {
        return Ok(None);
    };
    if !is_word(Some(&first.token), "WITHIN") {
        return Ok(None);
    }
    let wrong = || {
        let place = place_of(file, first.span.start);
        mistake(Code::Sql004, place, "expected WITHIN INTERVAL '…'")
            .hint("write PATTERN (A B) WITHIN INTERVAL '10 minutes'")
    };
    let [interval, text, behind @ ..] = behind else {
        return Err(wrong());
    };
    let Token::SingleQuotedString(text) = &text.token else {
        return Err(wrong());
    };
    if !is_word(Some(&interval.token), "INTERVAL") {
        return Err(wrong());
    }
    let unit = match behind.first().map(|token| &token.token) {
        Some(Token::Word(word)) if span_unit(&word.value).is_some() => Some(word.value.as_str()),
        _ => None,
    };
    let (span, behind) = match unit {
        Some(unit) => (
            read_span(&format!("{} {unit}", text.trim())),
            behind.get(1..).unwrap_or_default(),
        ),
        None => (read_span(text), behind),
    };
    let micros = span.and_then(|span| i64::try_from(span.as_micros()).ok());
    let micros = micros.filter(|micros| *micros > 0).ok_or_else(wrong)?;
    Ok(Some((micros, behind)))
}
