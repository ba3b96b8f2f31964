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
        let longest = self
            .pos
            .saturating_add(rows.event_size_max())
            .min(body.len());
        let mut scan = Scan::new(body.get(..longest).unwrap_or(body), self.pos);
        rows.object(&mut scan)?;
        if !self.is_text && std::str::from_utf8(scan.since(self.pos)).is_err() {
            return Err(Wrong::not_utf8());
        }
        self.after(body, scan.pos())
    }

    /// Skips what stands behind the row that ended at `end`.
    #[inline(always)]
    fn after(&self, body: &[u8], end: usize) -> Read<usize> {
        let mut scan = Scan::new(body, end);
        while matches!(scan.peek(), b' ' | b'\t' | b'\r') {
            scan.skip(1);
        }
        match (self.form, scan.peek()) {
            (Form::Lines, b'\n') => scan.skip(1),
            _ if self.form != Form::Array && scan.is_end() => {}
            (Form::Lines, _) => return Err(scan.wrong("the end of the line")),
            (Form::One, _) => {
                scan.blank();
                if !scan.is_end() {
                    return Err(scan.wrong("the end"));
                }
            }
            (Form::Array, _) => {
                if !scan.more(b']', "',' or ']'")? {
                    // What follows, if anything, is refused as one more row.
                    scan.blank();
                }
            }
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
        let rest = body.get(self.pos..).unwrap_or_default();
        let all = (body.len(), body.len());
        match self.form {
            Form::One => all,
            Form::Lines => match memchr::memchr(b'\n', rest) {
                Some(at) => (self.pos + at, self.pos + at + 1),
                None => all,
            },
            Form::Array => {
                let mut scan = Scan::new(body, self.pos);
                if scan.value(1).is_err() {
                    return all;
                }
                let end = scan.pos();
                self.after(body, end).map_or(all, |next| (end, next))
            }
        }
    }
}
