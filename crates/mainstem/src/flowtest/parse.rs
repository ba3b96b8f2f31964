//! From the text of a `.flow` file to a script, or to all mistakes in it. Decisions only.

mod step;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use mainstem_kernel::{Code, Place, Problem, Timestamp};

use super::script::{Case, RowLines, Script, Step};

/// Reads a file; `name` stands in the places of mistakes.
pub(crate) fn parse(name: &str, text: &str) -> Result<Script, Vec<Problem>> {
    let mut parser = Parser {
        name,
        lines: text.lines().collect(),
        at: 0,
        problems: Vec::new(),
        names: BTreeSet::new(),
        open: None,
        cases: Vec::new(),
    };
    while let Some(line) = parser.next() {
        parser.statement(line);
    }
    parser.end_case();
    match parser.problems.is_empty() {
        true => Ok(Script {
            cases: parser.cases,
        }),
        false => Err(parser.problems),
    }
}

/// A line of the file.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    /// From 1.
    number: u32,
    /// With its blanks.
    whole: &'a str,
}

/// A case that is being read.
#[derive(Debug)]
struct OpenCase {
    name: String,
    line: u32,
    /// Of the last `at`.
    now: Option<Timestamp>,
    start: Option<Timestamp>,
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Parser<'a> {
    name: &'a str,
    lines: Vec<&'a str>,
    /// Lines that were read.
    at: usize,
    problems: Vec<Problem>,
    names: BTreeSet<String>,
    open: Option<OpenCase>,
    cases: Vec<Case>,
}

impl<'a> Line<'a> {
    fn text(self) -> &'a str {
        self.whole.trim()
    }

    /// Where a part of this line begins, from 1, in characters.
    fn column(self, part: &str) -> u32 {
        let offset = part.as_ptr().addr().checked_sub(self.whole.as_ptr().addr());
        let before = offset.and_then(|offset| self.whole.get(..offset));
        let before = before.map_or(0, |before| before.chars().count());
        u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
    }
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Option<Line<'a>> {
        let line = self.peek()?;
        self.at += 1;
        Some(line)
    }

    fn peek(&self) -> Option<Line<'a>> {
        let whole = *self.lines.get(self.at)?;
        let number = u32::try_from(self.at + 1).unwrap_or(u32::MAX);
        Some(Line { number, whole })
    }

    /// A line that begins something.
    fn statement(&mut self, line: Line<'a>) {
        let text = line.text();
        let (word, rest) = words::first(text);
        match word {
            "" => {}
            _ if word.starts_with('#') => {}
            "case" => self.begin_case(line, rest),
            _ if text.starts_with('{') => {
                let hint = "rows are directly below `send STREAM` or `expect VIEW`";
                self.mistake((line, text), "this row belongs to no step".to_owned(), hint);
            }
            _ if words::STEPS.contains(&word) => self.step(line, word, rest),
            _ => {
                let message = format!("expected a step, found \"{word}\"");
                self.mistake((line, word), message, words::STEPS_HINT);
            }
        }
    }

    fn begin_case(&mut self, line: Line<'a>, name: &'a str) {
        self.end_case();
        if name.is_empty() {
            let message = "expected the name of the case".to_owned();
            let hint = "such as: case a late order corrects its hour";
            self.mistake((line, line.text()), message, hint);
        } else if !self.names.insert(name.to_owned()) {
            let message = format!("there is another case \"{name}\" in this file");
            self.mistake((line, name), message, "give one of them another name");
        }
        self.open = Some(OpenCase {
            name: name.to_owned(),
            line: line.number,
            now: None,
            start: None,
            steps: Vec::new(),
        });
    }

    fn end_case(&mut self) {
        let Some(open) = self.open.take() else { return };
        match open.start {
            Some(start) => self.cases.push(Case {
                name: open.name,
                start,
                steps: open.steps,
            }),
            // What was wrong with its first step has been told.
            None if self.is_mistaken_since(open.line) => {}
            None => {
                let message = format!("case \"{}\" has no steps", open.name);
                self.problem((open.line, 1), message, words::AT_HINT);
            }
        }
    }

    fn is_mistaken_since(&self, line: u32) -> bool {
        let mut places = self.problems.iter().filter_map(|it| it.position.as_ref());
        places.any(|place| place.line >= line)
    }

    /// The rows below a step.
    fn rows(&mut self) -> RowLines {
        let mut rows = RowLines {
            before: self.at,
            lines: Vec::new(),
        };
        while let Some(line) = self.peek().filter(|line| line.text().starts_with('{')) {
            self.at += 1;
            rows.lines.push(line.text().to_owned());
        }
        rows
    }

    fn mistake(&mut self, (line, part): (Line<'a>, &str), message: String, hint: &str) {
        self.problem((line.number, line.column(part)), message, hint);
    }

    fn problem(&mut self, (line, column): (u32, u32), message: String, hint: &str) {
        self.problems.push(Problem {
            code: Code::Cli017,
            message,
            detail: None,
            hint: Some(hint.to_owned()),
            position: Some(Place {
                file: self.name.to_owned(),
                line,
                column,
            }),
        });
    }
}
