//! `Lines`: objects of JSON, one a line, written without a step between.
//!
//! Texts are written as they are: what makes them has no quotes, backslashes or line ends in them.

use mainstem_kernel::Timestamp;

const SECOND: i64 = 1_000_000;
/// Bytes of `2026-01-01T00:00:00`.
const TO_THE_SECOND: usize = 19;

/// Lines of one stream.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    events: usize,
}

impl Lines {
    /// Begins an object; its fields follow.
    pub(super) fn begin(&mut self) -> &mut Self {
        self.bytes.push(b'{');
        self
    }

    pub(super) fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.name(name);
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.extend_from_slice(b"\",");
        self
    }

    pub(super) fn number(&mut self, name: &str, number: usize) -> &mut Self {
        self.name(name);
        digits(&mut self.bytes, number);
        self.bytes.push(b',');
        self
    }

    /// To the millisecond.
    pub(super) fn time(&mut self, name: &str, (at, second): (Timestamp, &mut Second)) -> &mut Self {
        self.name(name);
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(second.of(at));
        self.bytes.push(b'.');
        let millis = at.0.rem_euclid(SECOND) / 1_000;
        let digit = |of: i64| b'0' + u8::try_from(millis / of % 10).unwrap_or(0);
        self.bytes
            .extend_from_slice(&[digit(100), digit(10), digit(1)]);
        self.bytes.extend_from_slice(b"Z\",");
        self
    }

    /// Ends an object that has fields.
    pub(super) fn end(&mut self) {
        self.bytes.pop();
        self.bytes.extend_from_slice(b"}\n");
        self.events += 1;
    }

    /// What was written.
    pub(super) fn into_body(self, stream: &'static str) -> super::Body {
        super::Body {
            stream: Some(stream),
            events: self.events,
            lines: self.bytes,
        }
    }

    fn name(&mut self, name: &str) {
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b"\":");
    }
}

/// The second of the last time as text: most times are in the same one.
#[derive(Debug)]
pub(super) struct Second {
    number: i64,
    text: String,
}

impl Second {
    pub(super) const fn new() -> Self {
        Self {
            number: i64::MIN,
            text: String::new(),
        }
    }

    fn of(&mut self, at: Timestamp) -> &[u8] {
        let number = at.0.div_euclid(SECOND);
        if number != self.number {
            self.number = number;
            self.text = Timestamp(number * SECOND).to_string();
            self.text.truncate(TO_THE_SECOND);
        }
        self.text.as_bytes()
    }
}

fn digits(bytes: &mut Vec<u8>, mut number: usize) {
    let begin = bytes.len();
    loop {
        bytes.push(b'0' + u8::try_from(number % 10).unwrap_or(0));
        number /= 10;
        if number == 0 {
            break;
        }
    }
    bytes[begin..].reverse();
}
