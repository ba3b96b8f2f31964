//! JSON bodies: one object per line, one object, or an array of objects.
//!
//! On a line of its own a wrong row ends at the end of the line. In an array it ends where the
//! value ends; if that cannot be told, the rest of the body is one dead letter.

use bytes::Bytes;

use super::{
    PartLimit, Progress, is_text,
    rows::Rows,
    scan::Scan,
    without_mark,
    wrong::{Read, Wrong},
};
use crate::letters::Letters;

/// A JSON body that is being decoded.
#[derive(Debug)]
pub(crate) struct JsonBody {
    body: Bytes,
    form: Form,
    pos: usize,
    /// Rows so far, refused ones included.
    row: u64,
    /// Whether all of it is UTF-8.
    is_text: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Each line is a row.
    Lines,
    /// The body is a row.
    One,
    /// Each element of an array is a row.
    Array,
}

impl JsonBody {
    /// A row per line.
    pub(crate) fn lines(body: Bytes) -> Self {
        let body = without_mark(body);
        let is_text = is_text(&body);
        Self {
            body,
            form: Form::Lines,
            pos: 0,
            row: 0,
            is_text,
        }
    }

    /// One object, or an array.
    pub(crate) fn document(body: Bytes) -> Self {
        let mut this = Self::lines(body);
        let mut scan = Scan::new(&this.body, 0);
        scan.blank();
        this.form = Form::One;
        if scan.peek() == b'[' {
            this.form = Form::Array;
            scan.skip(1);
            scan.blank();
            if scan.eat(b"]") {
                // Whatever follows is no row of the array.
                this.form = Form::One;
            }
        }
        this.pos = scan.pos();
        this
    }

    /// Number of the next row.
    pub(crate) const fn row(&self) -> u64 {
        self.row
    }

    /// Decodes the next rows.
    pub(crate) fn part(
        &mut self,
        rows: &mut Rows,
        letters: &mut Letters,
        limit: PartLimit,
    ) -> Progress {
        let last = self.row + limit.rows_max as u64;
        let nested_max = rows.nested_size() + limit.bytes_max;
        // A share of the body's pointer, so that `self` stays free.
        let body = self.body.clone();
        while self.row < last {
            let mut scan = Scan::new(&body, self.pos);
            scan.blank();
            self.pos = scan.pos();
            if scan.is_end() {
                return Progress::Finished;
            }
            let before = rows.len();
            match self.read(&body, rows) {
                Ok(end) => self.pos = end,
                Err(wrong) => {
                    rows.rollback(before);
                    self.refuse(&body, *wrong, letters, rows.event_size_max());
                }
            }
            self.row += 1;
            if rows.nested_size() > nested_max {
                break;
            }
        }
        Progress::More
    }

    /// Reads the row that begins at `pos`; gives where the next one may begin.
    #[inline(always)]
    fn read(&self, body: &[u8], rows: &mut Rows) -> Read<usize> {
        // Not to be drawn into a huge row before it is known to be one.
        let longest = self.pos.saturating_add(rows.event_size_max());
        let end = match self.form {
            Form::Lines => self.line_end(body),
            Form::One | Form::Array => longest.min(body.len()),
        };
        if end > longest {
            return Err(Wrong::too_large(end - self.pos, rows.event_size_max()));
        }
        let mut scan = Scan::new(body.get(..end).unwrap_or(body), self.pos);
        rows.object(&mut scan)?;
        if !self.is_text && std::str::from_utf8(scan.since(self.pos)).is_err() {
            return Err(Wrong::not_utf8());
        }
        if self.form == Form::Lines {
            scan.blank();
            return if scan.is_end() {
                Ok(end + 1)
            } else {
                Err(scan.wrong("the end of the line"))
            };
        }
        self.after(body, scan.pos())
    }

    /// Where the line that begins at `pos` ends.
    #[inline(always)]
    fn line_end(&self, body: &[u8]) -> usize {
        let rest = body.get(self.pos..).unwrap_or_default();
        memchr::memchr(b'\n', rest).map_or(body.len(), |at| self.pos + at)
    }

    /// Skips what stands behind the row of a document that ended at `end`.
    fn after(&self, body: &[u8], end: usize) -> Read<usize> {
        let mut scan = Scan::new(body, end);
        scan.blank();
        if self.form == Form::Array {
            // What follows the array, if anything, is refused as one more row.
            scan.more(b']', "',' or ']'")?;
        } else if !scan.is_end() {
            return Err(scan.wrong("the end"));
        }
        Ok(scan.pos())
    }

    /// Keeps the row that begins at `pos` as a dead letter and goes on behind it.
    #[cold]
    fn refuse(&mut self, body: &[u8], wrong: Wrong, letters: &mut Letters, size_max: usize) {
        let (end, next) = self.extent(body);
        let payload = body.get(self.pos..end).unwrap_or_default().trim_ascii_end();
        let wrong = if payload.len() > size_max {
            *Wrong::too_large(payload.len(), size_max)
        } else if std::str::from_utf8(payload).is_err() {
            *Wrong::not_utf8()
        } else {
            wrong
        };
        letters.push(self.row, wrong, payload);
        self.pos = next;
    }

    /// Where the wrong row at `pos` ends, and where the next one begins.
    fn extent(&self, body: &[u8]) -> (usize, usize) {
        let all = (body.len(), body.len());
        match self.form {
            Form::One => all,
            Form::Lines => {
                let end = self.line_end(body);
                (end, end + 1)
            }
            Form::Array => loose_end(body, self.pos)
                .and_then(|end| Some((end, self.after(body, end).ok()?)))
                .unwrap_or(all),
        }
    }
}

/// Where a value ends that may be no JSON: at the bracket that closes its first one, or before
/// the next comma or closing bracket. Strings are skipped.
fn loose_end(body: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut pos = start;
    while let Some(byte) = body.get(pos) {
        match byte {
            b'"' => {
                pos += 1;
                while *body.get(pos)? != b'"' {
                    pos += if body.get(pos) == Some(&b'\\') { 2 } else { 1 };
                }
            }
            b'{' | b'[' => depth += 1,
            b',' | b']' if depth == 0 => return Some(pos),
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(pos + 1);
                }
            }
            _ => {}
        }
        pos += 1;
    }
    None
}
