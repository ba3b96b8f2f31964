//! `Form`: a short INSERT of one row of literals, taken apart without parsing it. Clients send the
//! same statement over and over with other values; to read and compile it each time costs several
//! times what it takes to write the row.
//!
//! The text is scanned up to the literals behind VALUES and no further; what is not plain there, such
//! as a comment, a quoted name or an escape, has no form. What a form means is learned from the
//! parser: a compiled statement is kept for a form only if the parser has read the same values at
//! the same place. Texts of one form have the same tokens but for the contents of literals, so that
//! they are parsed alike.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use mainstem_catalog::Definitions;
use mainstem_kernel::{Place, TenantId};
use parking_lot::RwLock;

use super::{Write, insert::Kept};

/// Forms that are kept; beyond that all are forgotten.
const KEPT_MAX: usize = 256;
/// Longer ones are compiled anew, in bytes without the values.
const NAME_MAX: usize = 1_024;

/// Statements that were compiled before, by their form.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    kept: RwLock<HashMap<String, Arc<Kept>>>,
}

impl Forms {
    /// How many are kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.kept.read().len()
    }

    /// The statement of a text of a form that was compiled before.
    pub(crate) fn write(&self, defs: (&Definitions, TenantId), form: &Form) -> Option<Write> {
        let kept = self.kept.read().get(&form.name).map(Arc::clone)?;
        kept.write(defs, form)
    }

    /// Keeps what a text of a form was compiled to, if it may be.
    pub(crate) fn keep(&self, form: Form, write: &mut Write) {
        let Some(kept) = write.kept.take().filter(|kept| kept.is_of(&form)) else {
            return;
        };
        let mut all = self.kept.write();
        if all.len() >= KEPT_MAX {
            all.clear();
        }
        all.insert(form.name, Arc::new(kept));
    }
}

/// A text taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// The text with the kinds of literals in their place.
    name: String,
    /// What each literal says; `None` for NULL.
    pub(super) values: Vec<Option<String>>,
    /// Where the first literal is.
    line: u32,
    column: u32,
}

impl Form {
    /// `None` if the text is longer, or another statement.
    pub(crate) fn of(sql: &str) -> Option<Self> {
        let mut scan = Scan {
            text: sql,
            at: behind_values(sql)?,
        };
        scan.space();
        scan.eat(b'(')?;
        let mut name = sql.get(..scan.at)?.to_owned();
        scan.space();
        // To the parser a number begins behind its sign.
        let sign = usize::from(scan.peek() == Some(b'-'));
        let (line, column) = place_at(sql.get(..scan.at + sign)?);
        let mut values = Vec::new();
        loop {
            let (kind, value) = scan.literal()?;
            name.push(kind);
            values.push(value);
            scan.space();
            match scan.next()? {
                b',' => scan.space(),
                b')' => break,
                _ => return None,
            }
        }
        let rest = sql.get(scan.at..)?;
        write!(name, "){rest}").ok()?;
        let is_short = name.len() <= NAME_MAX;
        is_short.then_some(Self {
            name,
            values,
            line,
            column,
        })
    }

    /// Where the first literal is.
    pub(super) const fn place(&self) -> Place {
        Place {
            file: String::new(),
            line: self.line,
            column: self.column,
        }
    }
}

/// Where the text behind VALUES begins, if nothing but plain words stands before it.
fn behind_values(sql: &str) -> Option<usize> {
    let verb = sql.trim_ascii_start().get(..6)?;
    if !verb.eq_ignore_ascii_case("INSERT") {
        return None;
    }
    let mut word = 0;
    for (at, byte) in sql.bytes().enumerate() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' => {}
            b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')' | b',' | b'.' => {
                if sql.get(word..at)?.eq_ignore_ascii_case("VALUES") {
                    return Some(at);
                }
                word = at + 1;
            }
            _ => return None,
        }
    }
    None
}

/// The line and column behind a text of ASCII.
fn place_at(before: &str) -> (u32, u32) {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let lines = before.bytes().filter(|byte| *byte == b'\n').count();
    let last = before.rsplit('\n').next().unwrap_or_default();
    (number(lines + 1), number(last.len() + 1))
}

/// A place in a text.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn space(&mut self) {
        self.run(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    }

    /// The bytes that are of a kind.
    fn run(&mut self, is_it: fn(u8) -> bool) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(is_it) {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// A literal: its kind, and what it says.
    fn literal(&mut self) -> Option<(char, Option<String>)> {
        match self.peek()? {
            b'\'' => Some(('s', Some(self.string()?))),
            b'-' => {
                self.at += 1;
                Some(('m', Some(format!("-{}", self.number()?))))
            }
            b'0'..=b'9' => Some(('n', Some(self.number()?.to_owned()))),
            _ => {
                let word = self.run(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                let is = |wanted: &str| word.eq_ignore_ascii_case(wanted);
                match () {
                    () if is("NULL") => Some(('z', None)),
                    () if is("TRUE") => Some(('b', Some("true".to_owned()))),
                    () if is("FALSE") => Some(('b', Some("false".to_owned()))),
                    () => None,
                }
            }
        }
    }

    /// Digits, and digits behind a point.
    fn number(&mut self) -> Option<&'a str> {
        let start = self.at;
        let whole = self.run(|byte| byte.is_ascii_digit());
        if self.peek() == Some(b'.') {
            self.at += 1;
            let behind = self.run(|byte| byte.is_ascii_digit());
            if behind.is_empty() {
                return None;
            }
        }
        let number = self.text.get(start..self.at)?;
        (!whole.is_empty()).then_some(number)
    }

    /// A text in quotes, which are doubled within.
    fn string(&mut self) -> Option<String> {
        self.eat(b'\'')?;
        let mut text = String::new();
        loop {
            let part = self.run(|byte| !matches!(byte, b'\'' | b'\\'));
            text.push_str(part);
            self.eat(b'\'')?;
            if self.peek() != Some(b'\'') {
                return Some(text);
            }
            self.at += 1;
            text.push('\'');
        }
    }
}

#[cfg(test)]
mod tests;
