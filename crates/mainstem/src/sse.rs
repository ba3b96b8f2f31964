//! Server-sent events: from bytes as they come to whole events.
//!
//! Source: HTML Standard, section 9.2.6 "Interpreting an event stream"; `retry:` is left out.

/// Longest line that is kept; a longer one is cut off, which the caller sees as broken JSON.
const LINE_BYTES_MAX: usize = 16 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Where to resume after it.
    pub(crate) id: Option<String>,
    /// Its kind; empty for a plain message.
    pub(crate) kind: String,
    /// Its lines.
    pub(crate) data: String,
}

/// Collects bytes until events are whole.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
}

impl Parser {
    /// Takes the next bytes and returns the events that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
            self.line.extend(part.iter().take(room));
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                events.extend(self.take_line(String::from_utf8_lossy(&line).trim_end()));
            }
        }
        events
    }

    fn take_line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            "id" => self.event.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.event.kind),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_whole_wherever_the_bytes_are_cut() {
        let text = b": hello\n\nid: p1\ndata: {\"a\":1}\n\nevent: gap\r\ndata: x\r\ndata:y\r\n\r\n";
        let expected = vec![
            Event {
                id: Some("p1".into()),
                kind: String::new(),
                data: "{\"a\":1}".into(),
            },
            Event {
                id: None,
                kind: "gap".into(),
                data: "x\ny".into(),
            },
        ];
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let events: Vec<_> = text
                .chunks(size)
                .flat_map(|part| parser.push(part))
                .collect();
            assert_eq!(events, expected, "cut every {size} bytes");
        }
    }
}
