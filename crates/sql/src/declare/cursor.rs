//! A place in the tokens of one statement, and the verbs to go on from there.
//!
//! It knows words and places; it never knows what a statement means.

use mainstem_kernel::{Code, Place, Problem};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Word};

/// Adds the second and third part to a problem.
pub(crate) trait Told: Sized {
    /// Full sentences.
    fn detail(self, detail: impl Into<String>) -> Self;
    /// The next step.
    fn hint(self, hint: impl Into<String>) -> Self;
    /// The next step, if there is one.
    fn hint_if(self, hint: Option<String>) -> Self;
}

impl Told for Problem {
    fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn hint_if(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

/// A mistake at a place.
pub(crate) fn mistake(code: Code, place: Place, message: impl Into<String>) -> Problem {
    Problem {
        code,
        message: message.into(),
        detail: None,
        hint: None,
        position: Some(place),
    }
}

/// A location of the tokenizer as a place in a file.
pub(crate) fn place_of(file: &str, location: Location) -> Place {
    // A location that the parser does not know is 0.
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).max(1);
    Place {
        file: file.to_owned(),
        line: number(location.line),
        column: number(location.column),
    }
}

/// A name as it was written, and where.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// Folded to lower case unless it was quoted.
    pub(crate) text: String,
    /// Where.
    pub(crate) place: Place,
}

/// The tokens of one statement, without white space, comments and the semicolon.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    file: &'a str,
    tokens: &'a [TokenWithSpan],
    at: usize,
    end: Location,
}

impl<'a> Cursor<'a> {
    /// At the first token; `end` is where the statement ends.
    pub(crate) fn new(file: &'a str, tokens: &'a [TokenWithSpan], end: Location) -> Self {
        Self {
            file,
            tokens,
            at: 0,
            end,
        }
    }

    /// The next token.
    pub(crate) fn peek(&self) -> Option<&'a Token> {
        self.peek_at(0)
    }

    /// The token `ahead` behind the next.
    pub(crate) fn peek_at(&self, ahead: usize) -> Option<&'a Token> {
        self.tokens
            .get(self.at.saturating_add(ahead))
            .map(|token| &token.token)
    }

    /// Whether everything is read.
    pub(crate) fn is_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// Where the next token is.
    pub(crate) fn place(&self) -> Place {
        place_of(self.file, self.location())
    }

    /// Where the next token is, in the file.
    pub(crate) fn location(&self) -> Location {
        let next = self.tokens.get(self.at);
        next.map_or(self.end, |token| token.span.start)
    }

    /// The file.
    pub(crate) const fn file(&self) -> &'a str {
        self.file
    }

    /// The tokens from here up to where `later` is.
    pub(crate) fn until(&self, later: &Self) -> &'a [TokenWithSpan] {
        self.tokens.get(self.at..later.at).unwrap_or_default()
    }

    /// Goes on by one token.
    pub(crate) fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// Whether the next words, unquoted, are these; in upper case.
    pub(crate) fn at_words(&self, words: &[&str]) -> bool {
        words
            .iter()
            .enumerate()
            .all(|(ahead, word)| is_word(self.peek_at(ahead), word))
    }

    /// Passes these words if they come next.
    pub(crate) fn eat_words(&mut self, words: &[&str]) -> bool {
        let found = self.at_words(words);
        if found {
            self.at = self.at.saturating_add(words.len());
        }
        found
    }

    /// Passes the token if it comes next.
    pub(crate) fn eat(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        if found {
            self.step();
        }
        found
    }

    /// Passes these words.
    ///
    /// # Errors
    /// When something else comes next.
    pub(crate) fn expect_words(&mut self, words: &[&str]) -> Result<(), Problem> {
        if self.eat_words(words) {
            Ok(())
        } else {
            Err(self.expected(&words.join(" ")))
        }
    }

    /// Passes the token.
    ///
    /// # Errors
    /// When something else comes next.
    pub(crate) fn expect(&mut self, token: &Token) -> Result<(), Problem> {
        if self.eat(token) {
            Ok(())
        } else {
            Err(self.expected(&format!("\"{token}\"")))
        }
    }

    /// Passes a name.
    ///
    /// # Errors
    /// When something else comes next.
    pub(crate) fn name(&mut self, what: &str) -> Result<Written, Problem> {
        let place = self.place();
        match self.peek() {
            Some(Token::Word(word)) => {
                self.step();
                Ok(Written {
                    text: folded(word),
                    place,
                })
            }
            _ => Err(self.expected(what)),
        }
    }

    /// Passes a text in single quotes.
    ///
    /// # Errors
    /// When something else comes next.
    pub(crate) fn text(&mut self, what: &str) -> Result<Written, Problem> {
        let place = self.place();
        match self.peek() {
            Some(Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text)) => {
                self.step();
                Ok(Written {
                    text: text.clone(),
                    place,
                })
            }
            _ => Err(self.expected(what)),
        }
    }

    /// "expected …, found …" at the next token.
    pub(crate) fn expected(&self, what: &str) -> Problem {
        let found = match self.peek() {
            Some(token) => format!("\"{}\"", shortened(&token.to_string())),
            None => "the end of the statement".to_owned(),
        };
        mistake(
            Code::Sql001,
            self.place(),
            format!("expected {what}, found {found}"),
        )
    }

    /// Goes on to the next comma or closing parenthesis of this level, or to the end.
    pub(crate) fn skip_item(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.peek() {
            match token {
                Token::Comma if depth == 0 => return,
                Token::RParen if depth == 0 => return,
                Token::LParen => depth = depth.saturating_add(1),
                Token::RParen => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.step();
        }
    }
}

/// Whether a token is that unquoted word.
pub(crate) fn is_word(token: Option<&Token>, word: &str) -> bool {
    matches!(token, Some(Token::Word(Word { value, quote_style: None, .. })) if value.eq_ignore_ascii_case(word))
}

/// A name as PostgreSQL folds it.
pub(crate) fn folded(word: &Word) -> String {
    match word.quote_style {
        Some(_) => word.value.clone(),
        None => word.value.to_lowercase(),
    }
}

/// A token in a message, cut to a readable length.
pub(crate) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    if text.chars().count() <= CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(CHARS_MAX).chain(['…']).collect()
}
