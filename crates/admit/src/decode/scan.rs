//! `Scan`: reads JSON (RFC 8259) piece by piece, strictly. It never allocates for a good value
//! and never looks beyond the slice that it was given.
//!
//! A row is read once, from left to right, straight into columns: there is no tape and no tree.
//! Eight bytes at a time are searched for the end of a string.

use mainstem_kernel::Code;

use super::wrong::{Read, Wrong};

/// How deep arrays and objects may be nested.
pub(crate) const DEPTH_MAX: usize = 64;

/// A place in a JSON text.
#[derive(Clone, Debug)]
pub(crate) struct Scan<'a> {
    bytes: &'a [u8],
    pos: usize,
}

/// A string between its quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece<'a> {
    /// As it stands in the text.
    Plain(&'a [u8]),
    /// With escapes that have still to be resolved.
    Escaped(&'a [u8]),
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Marks the bytes of a word that end a run of plain characters: quote, backslash, control.
/// The lowest mark is exact; marks above it may be false.
#[inline(always)]
const fn specials(word: u64) -> u64 {
    let quote = word ^ (ONES * 0x22);
    let slash = word ^ (ONES * 0x5c);
    let marks = (quote.wrapping_sub(ONES) & !quote)
        | (slash.wrapping_sub(ONES) & !slash)
        | (word.wrapping_sub(ONES * 0x20) & !word);
    marks & HIGHS
}

impl<'a> Scan<'a> {
    pub(crate) const fn new(bytes: &'a [u8], pos: usize) -> Self {
        Self { bytes, pos }
    }

    /// Where it is.
    #[inline(always)]
    pub(crate) const fn pos(&self) -> usize {
        self.pos
    }

    /// The text from `start` up to here.
    #[inline(always)]
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.pos).unwrap_or_default()
    }

    /// The next byte; 0, which begins nothing in JSON, at the end.
    #[inline(always)]
    pub(crate) fn peek(&self) -> u8 {
        self.bytes.get(self.pos).copied().unwrap_or(0)
    }

    #[inline(always)]
    pub(crate) const fn skip(&mut self, count: usize) {
        self.pos += count;
    }

    #[inline(always)]
    pub(crate) fn is_end(&self) -> bool {
        self.pos >= self.bytes.len()
    }

    /// Skips blanks.
    #[inline(always)]
    pub(crate) fn blank(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.pos += 1;
        }
    }

    /// Skips `pattern` if the text goes on with it. Patterns are short: a call to compare them
    /// would cost more than comparing.
    #[inline(always)]
    pub(crate) fn eat(&mut self, pattern: &[u8]) -> bool {
        let Some(text) = self.bytes.get(self.pos..self.pos + pattern.len()) else {
            return false;
        };
        let (words, rest) = text.as_chunks::<8>();
        let (expected, expected_rest) = pattern.as_chunks::<8>();
        let is_same =
            |(a, b): (&[u8; 8], &[u8; 8])| u64::from_le_bytes(*a) == u64::from_le_bytes(*b);
        let found = words.iter().zip(expected).all(is_same)
            && rest.iter().zip(expected_rest).all(|(a, b)| a == b);
        if found {
            self.pos += pattern.len();
        }
        found
    }

    /// Skips one byte that must be there.
    #[inline(always)]
    pub(crate) fn expect(&mut self, byte: u8, name: &str) -> Read<()> {
        if self.peek() == byte {
            self.pos += 1;
            return Ok(());
        }
        Err(self.wrong(name))
    }

    /// The text does not go on as it must.
    #[cold]
    pub(crate) fn wrong(&self, expected: &str) -> Box<Wrong> {
        Wrong::syntax(expected, self.bytes.get(self.pos).copied(), self.pos)
    }

    /// Reads a string from behind its opening quote to behind its closing one.
    #[inline(always)]
    pub(crate) fn string(&mut self) -> Read<Piece<'a>> {
        let start = self.pos;
        self.plain();
        if self.peek() == b'"' {
            let piece = self.since(start);
            self.pos += 1;
            return Ok(Piece::Plain(piece));
        }
        self.escaped(start)
    }

    /// Skips to the next quote, backslash or control character.
    #[inline(always)]
    fn plain(&mut self) {
        while let Some(chunk) = self
            .bytes
            .get(self.pos..)
            .and_then(|rest| rest.first_chunk::<8>())
        {
            let marks = specials(u64::from_le_bytes(*chunk));
            if marks != 0 {
                self.pos += (marks.trailing_zeros() / 8) as usize;
                return;
            }
            self.pos += 8;
        }
        while !self.is_end() && !matches!(self.peek(), b'"' | b'\\' | 0..0x20) {
            self.pos += 1;
        }
    }

    /// The rest of a string that is not plain.
    #[cold]
    fn escaped(&mut self, start: usize) -> Read<Piece<'a>> {
        loop {
            match self.peek() {
                b'"' => break,
                b'\\' => self.escape()?,
                _ => return Err(self.wrong("the rest of a string")),
            }
            self.plain();
        }
        let piece = self.since(start);
        self.pos += 1;
        Ok(Piece::Escaped(piece))
    }

    /// Skips and checks one escape; surrogates must come in pairs.
    fn escape(&mut self) -> Read<()> {
        self.pos += 1;
        match self.peek() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.pos += 1,
            b'u' => {
                let unit = self.unit()?;
                if (0xdc00..0xe000).contains(&unit) {
                    return Err(Wrong::new(
                        Code::Admit020,
                        "expected text, found half a surrogate",
                    ));
                }
                if (0xd800..0xdc00).contains(&unit) {
                    let paired = self.eat(b"\\") && self.peek() == b'u';
                    if !paired || !(0xdc00..0xe000).contains(&self.unit()?) {
                        let reason = "expected text, found half a surrogate";
                        return Err(Wrong::new(Code::Admit020, reason));
                    }
                }
            }
            _ => return Err(self.wrong("an escape")),
        }
        Ok(())
    }

    /// Skips `uXXXX` and gives its number.
    fn unit(&mut self) -> Read<u32> {
        self.pos += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let digit = char::from(self.peek()).to_digit(16);
            unit = unit * 16 + digit.ok_or_else(|| self.wrong("a hexadecimal digit"))?;
            self.pos += 1;
        }
        Ok(unit)
    }

    /// Skips one value and checks that it is JSON; gives its text.
    pub(crate) fn value(&mut self, depth: usize) -> Read<&'a [u8]> {
        let start = self.pos;
        match self.peek() {
            b'"' => {
                self.pos += 1;
                self.string()?;
            }
            b'{' => self.object(depth)?,
            b'[' => self.array(depth)?,
            b't' if self.eat(b"true") => {}
            b'f' if self.eat(b"false") => {}
            b'n' if self.eat(b"null") => {}
            b'-' | b'0'..=b'9' => self.number()?,
            _ => return Err(self.wrong("a value")),
        }
        Ok(self.since(start))
    }

    /// Skips a number.
    fn number(&mut self) -> Read<()> {
        super::number::Number::read(self).map(|_number| ())
    }

    fn object(&mut self, depth: usize) -> Read<()> {
        self.nest(depth)?;
        if self.eat(b"}") {
            return Ok(());
        }
        loop {
            self.expect(b'"', "a name in quotes")?;
            self.string()?;
            self.blank();
            self.expect(b':', "':'")?;
            self.blank();
            self.value(depth + 1)?;
            if self.more(b'}', "',' or '}'")? {
                continue;
            }
            return Ok(());
        }
    }

    fn array(&mut self, depth: usize) -> Read<()> {
        self.nest(depth)?;
        if self.eat(b"]") {
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            if self.more(b']', "',' or ']'")? {
                continue;
            }
            return Ok(());
        }
    }

    /// Skips an opening bracket.
    #[inline(always)]
    pub(crate) fn nest(&mut self, depth: usize) -> Read<()> {
        if depth >= DEPTH_MAX {
            return Err(Wrong::too_deep(DEPTH_MAX));
        }
        self.pos += 1;
        self.blank();
        Ok(())
    }

    /// Skips a comma, and says that more comes; or the closing bracket.
    #[inline(always)]
    pub(crate) fn more(&mut self, close: u8, expected: &str) -> Read<bool> {
        self.blank();
        let byte = self.peek();
        if byte == b',' {
            self.pos += 1;
            self.blank();
            return Ok(true);
        }
        if byte == close {
            self.pos += 1;
            return Ok(false);
        }
        Err(self.wrong(expected))
    }
}

/// Resolves the escapes of a string that `Scan` has checked, into `out`.
pub(crate) fn unescape(piece: &[u8], out: &mut Vec<u8>) {
    let mut rest = piece;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain);
        let letter = escape.get(1).copied().unwrap_or(0);
        let mut used = 2;
        match letter {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let high = hex(escape.get(2..6));
                used = 6;
                let code = if (0xd800..0xdc00).contains(&high) {
                    used = 12;
                    0x10000 + ((high - 0xd800) << 10) + (hex(escape.get(8..12)) & 0x3ff)
                } else {
                    high
                };
                let char = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => out.push(other),
        }
        rest = escape.get(used..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

fn hex(digits: Option<&[u8]>) -> u32 {
    let digits = digits.unwrap_or_default();
    digits.iter().fold(0, |sum, b| {
        sum * 16 + char::from(*b).to_digit(16).unwrap_or(0)
    })
}
