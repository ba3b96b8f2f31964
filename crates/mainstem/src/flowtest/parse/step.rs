//! The steps of a case, one method each.

use serde_json::{Map, Value};

use super::{
    super::script::{Action, Asked, RowLines, Step},
    Line, Parser,
    words::{self, AT_HINT, TIME_HINT},
};

const SEND_HINT: &str =
    "such as: send orders; or, if rows are to be refused: send orders rejecting 1";

impl<'a> Parser<'a> {
    /// A line that begins with the word of a step.
    pub(super) fn step(&mut self, line: Line<'a>, word: &'a str, rest: &'a str) {
        let (rejecting, rest) = match word {
            "write" => words::rejecting(rest),
            _ => (None, rest),
        };
        let action = match word {
            "at" => self.time(line, rest),
            "send" => self.send(line, rest),
            "write" => self.write((line, word), rejecting, rest),
            "expect" => self.expect(line, rest),
            _ => self.restart(line, rest),
        };
        let (column, rest_column) = (line.column(word), line.column(rest));
        let Some(open) = &mut self.open else {
            let message = format!("\"{word}\" is outside of a case");
            let hint = "a case begins with its name: case orders add up";
            return self.mistake((line, word), message, hint);
        };
        let is_first = open.steps.is_empty() && open.start.is_none();
        if let Some(Action::At(time)) = &action {
            open.start.get_or_insert(*time);
        }
        let is_late = is_first && word != "at";
        if let Some(action) = action {
            open.steps.push(Step {
                line: line.number,
                column,
                rest_column,
                action,
            });
        }
        if is_late {
            let message = format!("\"{word}\" comes before the time of its case");
            self.mistake((line, word), message, AT_HINT);
        }
    }

    fn time(&mut self, line: Line<'a>, rest: &'a str) -> Option<Action> {
        let now = self.open.as_ref().and_then(|open| open.now);
        let Some(time) = words::time(rest, now) else {
            let message = match (rest.is_empty(), rest.starts_with('+'), now) {
                (true, _, _) => "expected a time".to_owned(),
                (_, true, None) => format!("\"{rest}\" comes after no time"),
                _ => format!("expected a time, found \"{rest}\""),
            };
            self.mistake((line, rest), message, TIME_HINT);
            return None;
        };
        if now.is_some_and(|now| time < now) {
            let message = format!("\"{rest}\" is before the time of the step before");
            let hint = "the clock never goes back; a row may have any time of its own";
            self.mistake((line, rest), message, hint);
            return None;
        }
        if let Some(open) = &mut self.open {
            open.now = Some(time);
        }
        Some(Action::At(time))
    }

    fn send(&mut self, line: Line<'a>, rest: &'a str) -> Option<Action> {
        let rows = self.rows();
        let (stream, more) = words::first(rest);
        let (word, count) = words::first(more);
        let rejecting = match (word, count.parse::<u64>()) {
            ("", _) => Some(0),
            ("rejecting", Ok(count)) => Some(count),
            _ => None,
        };
        if !words::is_name(stream) {
            let message = "expected the name of a stream".to_owned();
            self.mistake((line, rest), message, SEND_HINT);
            return None;
        }
        let Some(rejecting) = rejecting else {
            let message = format!("expected rows on lines of their own, found \"{more}\"");
            self.mistake((line, more), message, SEND_HINT);
            return None;
        };
        if rows.lines.is_empty() {
            let message = format!("nothing is sent to \"{stream}\"");
            let hint = "write rows below it, each a JSON object on a line of its own";
            self.mistake((line, line.text()), message, hint);
            return None;
        }
        Some(Action::Send {
            stream: stream.to_owned(),
            rejecting,
            rows,
        })
    }

    fn write(
        &mut self,
        (line, word): (Line<'a>, &'a str),
        rejecting: Option<&'a str>,
        rest: &'a str,
    ) -> Option<Action> {
        let sql = self.sql(line, rest)?;
        if !words::begins_write(&sql) {
            let message = format!("expected a statement that writes after \"{word}\"");
            let hint = "INSERT, UPDATE or DELETE; or several between BEGIN and COMMIT;";
            self.mistake((line, rest), message, hint);
            return None;
        }
        let rejecting = match rejecting.map(|code| (code, code.parse())) {
            None => None,
            Some((_, Ok(code))) => Some(code),
            Some((code, Err(_unknown))) => {
                let message = format!("there is no error code \"{code}\"");
                let hint = "`mainstem explain-error` lists all codes";
                self.mistake((line, code), message, hint);
                return None;
            }
        };
        Some(Action::Write { sql, rejecting })
    }

    fn expect(&mut self, line: Line<'a>, rest: &'a str) -> Option<Action> {
        let asked = if words::is_name(rest) && !words::begins_question(rest) {
            Some(Asked::Object(rest.to_owned()))
        } else {
            let sql = self.sql(line, rest);
            sql.map(|sql| Asked::Question {
                is_ordered: words::is_ordered(&sql),
                sql,
            })
        };
        let rows = self.rows();
        self.check_rows(&rows);
        Some(Action::Expect {
            asked: asked?,
            rows,
        })
    }

    fn check_rows(&mut self, rows: &RowLines) {
        for (index, row) in rows.lines.iter().enumerate() {
            let Err(error) = serde_json::from_str::<Map<String, Value>>(row) else {
                continue;
            };
            let at = rows.before + index;
            let whole = self.lines.get(at).copied().unwrap_or_default();
            let blank = whole.len() - whole.trim_start().len();
            let column = u32::try_from(blank + error.column()).unwrap_or(u32::MAX);
            let line = u32::try_from(at + 1).unwrap_or(u32::MAX);
            let words = error.to_string();
            let words = words.split(" at line ").next().unwrap_or_default();
            let message = format!("this row is no JSON object: {words}");
            let hint = "a row is one object on one line: {\"country\": \"Norway\", \"orders\": 2}";
            self.problem((line, column.max(1)), message, hint);
        }
    }

    /// A statement up to its semicolon, which may be some lines below.
    fn sql(&mut self, line: Line<'a>, rest: &'a str) -> Option<String> {
        let mut sql = rest.to_owned();
        while !words::is_whole(&sql) {
            let is_end = |next: &Line<'_>| next.text().starts_with('{') || next.text() == "restart";
            let Some(next) = self.peek().filter(|next| !is_end(next)) else {
                let message = "this statement has no end".to_owned();
                let hint = "a statement ends with a semicolon at the end of a line";
                self.mistake((line, line.text()), message, hint);
                return None;
            };
            self.at += 1;
            sql.push('\n');
            sql.push_str(next.whole.trim_end());
        }
        sql.pop();
        if sql.trim().is_empty() {
            let message = "expected a statement before \";\"".to_owned();
            let hint = "such as: expect SELECT count(*) AS n FROM orders;";
            self.mistake((line, line.text()), message, hint);
            return None;
        }
        Some(sql)
    }

    fn restart(&mut self, line: Line<'a>, rest: &'a str) -> Option<Action> {
        if rest.is_empty() {
            return Some(Action::Restart);
        }
        let message = format!("expected nothing after \"restart\", found \"{rest}\"");
        self.mistake(
            (line, rest),
            message,
            "put the next step on a line of its own",
        );
        None
    }
}
