//! `Failure`: what a failed command prints, wherever it comes from.
//!
//! It knows the three parts of a problem and nothing about exit codes beyond "it failed".

use std::fmt;

use mainstem_kernel::{Code, Fault, Place, Problem, fault::chain};
use serde::Deserialize;

use crate::errors::CliError;

/// One problem as it is printed. A newer server may send codes that this program does not know,
/// so the code is text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Shown {
    /// Stable code.
    pub(crate) code: String,
    /// One line.
    pub(crate) message: String,
    /// Full sentences.
    #[serde(default)]
    pub(crate) detail: Option<String>,
    /// The next step.
    #[serde(default)]
    pub(crate) hint: Option<String>,
    /// Where in the user's text.
    #[serde(default)]
    pub(crate) position: Option<ShownPlace>,
    /// The line of the user's text, with a caret under the column.
    #[serde(skip)]
    pub(crate) excerpt: Option<String>,
}

/// A place as a server sends it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct ShownPlace {
    /// File; empty for a statement that came without one.
    #[serde(default)]
    pub(crate) file: String,
    /// Line, from 1.
    pub(crate) line: u32,
    /// Column, from 1.
    pub(crate) column: u32,
}

impl From<Place> for ShownPlace {
    fn from(place: Place) -> Self {
        Self {
            file: place.file,
            line: place.line,
            column: place.column,
        }
    }
}

impl From<Problem> for Shown {
    fn from(problem: Problem) -> Self {
        Self {
            code: problem.code.to_string(),
            message: problem.message,
            detail: problem.detail,
            hint: problem.hint,
            position: problem.position.map(ShownPlace::from),
            excerpt: None,
        }
    }
}

impl Shown {
    /// Puts the line of `text` under the problem, with a caret under its column, and names the
    /// file as `shown_as`.
    pub(crate) fn excerpt_from(&mut self, text: &str, shown_as: &str) {
        let Some(place) = &mut self.position else {
            return;
        };
        shown_as.clone_into(&mut place.file);
        let index = place.line.saturating_sub(1) as usize;
        let Some(line) = text.lines().nth(index) else {
            return;
        };
        let before = line.chars().take(place.column.saturating_sub(1) as usize);
        // Tabs stay tabs, so that the caret stands under its character.
        let blank: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let number = place.line.to_string();
        let gutter = " ".repeat(number.len());
        self.excerpt = Some(format!(
            " {gutter} |\n {number} | {line}\n {gutter} | {blank}^"
        ));
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.message)?;
        match &self.position {
            Some(place) if place.file.is_empty() => {
                write!(f, "\n  --> line {}, column {}", place.line, place.column)?;
            }
            Some(place) => write!(f, "\n  --> {}:{}:{}", place.file, place.line, place.column)?,
            None => {}
        }
        if let Some(excerpt) = &self.excerpt {
            write!(f, "\n{excerpt}")?;
        }
        if let Some(detail) = &self.detail {
            write!(f, "\ndetail: {detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// Why a command ends with exit code 1.
#[derive(Debug, Default)]
pub(crate) struct Failure {
    /// What is printed, in order; nothing when whoever read standard output went away.
    pub(crate) problems: Vec<Shown>,
}

impl Failure {
    /// All mistakes at once.
    pub(crate) fn all(problems: Vec<Problem>) -> Self {
        Self {
            problems: problems.into_iter().map(Shown::from).collect(),
        }
    }

    /// Whether it is one problem, and that one.
    pub(crate) fn is(&self, code: Code) -> bool {
        matches!(self.problems.as_slice(), [only] if only.code == code.as_str())
    }

    /// One fault of any crate. Here the reader is also the operator, so that without a detail
    /// of its own the chain of sources is shown.
    pub(crate) fn of(fault: &dyn Fault) -> Self {
        let mut shown = Shown::from(fault.problem());
        if let (None, Some(source)) = (&shown.detail, fault.source()) {
            shown.detail = Some(format!("Because: {}.", chain(source)));
        }
        Self {
            problems: vec![shown],
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, shown) in self.problems.iter().enumerate() {
            write!(f, "{}{shown}", if i == 0 { "" } else { "\n\n" })?;
        }
        Ok(())
    }
}

impl From<CliError> for Failure {
    fn from(error: CliError) -> Self {
        match error {
            // `mainstem tail s | head` is no failure of anybody.
            CliError::Write { source } if source.kind() == std::io::ErrorKind::BrokenPipe => {
                Self::default()
            }
            error => Self::of(&error),
        }
    }
}

impl From<mainstem_node::NodeError> for Failure {
    fn from(error: mainstem_node::NodeError) -> Self {
        Self::of(&error)
    }
}

impl From<mainstem_node::ConfigError> for Failure {
    fn from(error: mainstem_node::ConfigError) -> Self {
        Self::of(&error)
    }
}

impl From<mainstem_node::CopyError> for Failure {
    fn from(error: mainstem_node::CopyError) -> Self {
        Self::of(&error)
    }
}

/// What every command returns.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_has_its_caret_under_the_column() {
        let mut shown = Shown {
            code: "SQL-001".to_owned(),
            message: "expected a type, found \",\"".to_owned(),
            detail: None,
            hint: Some("a column is a name and a type: country TEXT".to_owned()),
            position: Some(ShownPlace {
                file: "shop.sql".to_owned(),
                line: 2,
                column: 10,
            }),
            excerpt: None,
        };
        shown.excerpt_from(
            "CREATE STREAM s (\n\tcountry , n BIGINT\n)",
            "apps/shop/shop.sql",
        );
        let expected = "error[SQL-001]: expected a type, found \",\"
  --> apps/shop/shop.sql:2:10
   |
 2 | \tcountry , n BIGINT
   | \t        ^
hint: a column is a name and a type: country TEXT";
        assert_eq!(shown.to_string(), expected);
    }

    #[test]
    fn a_place_behind_the_end_of_the_text_has_no_excerpt() {
        let mut shown = Shown::from(Fault::problem(&CliError::NoQuestion));
        shown.position = Some(ShownPlace {
            file: String::new(),
            line: 9,
            column: 1,
        });
        shown.excerpt_from("one line", "a.sql");
        assert_eq!(shown.excerpt, None);
    }
}
