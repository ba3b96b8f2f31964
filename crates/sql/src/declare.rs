//! Reads an application's files: what they declare, or all of their mistakes at once.
//!
//! sqlparser gives the tokens, the grammar is our own: its parser does not know streams. Nothing
//! here knows what is declared already; that is the business of `app`.

mod check;
mod column;
mod cursor;
mod default;
mod emit;
mod foreign;
mod interval;
mod options;
mod recognise;
mod show;
mod span;
mod split;
mod stream;
mod table;
mod types;
mod view;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use mainstem_catalog::{StreamSpec, TableSpec};
use mainstem_kernel::{Code, Place, Problem};

pub use show::{show, show_table, show_view};
pub use view::ViewText;

pub(crate) use cursor::{Cursor, Told, is_word, mistake, place_of};
pub(crate) use default::default_of;
pub(crate) use emit::write as emit_text;
pub(crate) use recognise::unbuilt_in_query;
pub(crate) use show::quoted;
pub(crate) use span::{read as read_span, unit as span_unit, write as span_text};
pub(crate) use split::{Statement, statements};

/// What a statement of an application declares.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Declaration {
    /// CREATE STREAM.
    Stream(StreamSpec),
    /// CREATE TABLE.
    Table(TableSpec),
    /// CREATE MATERIALIZED VIEW; `plan_view` plans it, with everything beside it known.
    View(Box<ViewText>),
    /// RENAME a TO b, of an object of any kind.
    RenameObject {
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// RENAME object.a TO b, of a column.
    RenameColumn {
        /// The object, by its new name.
        object: String,
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
}

/// A declaration and where it stands.
#[derive(Clone, Debug)]
pub struct Declared {
    /// What.
    pub declaration: Declaration,
    /// Where its statement begins.
    pub place: Place,
}

/// Reads an application's files, in name order.
///
/// # Errors
/// All mistakes at once, each with its place, in the order of the files.
pub fn declarations(files: &BTreeMap<String, String>) -> Result<Vec<Declared>, Vec<Problem>> {
    let mut declared = Vec::new();
    let mut problems = Vec::new();
    for (file, text) in files {
        let (statements, stopped) = statements(file, text);
        for statement in &statements {
            let mut cursor = Cursor::new(file, &statement.tokens, statement.end);
            let place = cursor.place();
            match recognise::declaration(&mut cursor, statement, &mut problems) {
                Ok(declaration) => declared.push(Declared { declaration, place }),
                Err(problem) => problems.push(problem),
            }
        }
        problems.extend(stopped);
    }
    check::across(&declared, problems.is_empty(), &mut problems);
    if problems.is_empty() {
        return Ok(declared);
    }
    problems.sort_by(|a, b| a.position.cmp(&b.position));
    Err(problems)
}

/// Reads the statement of one view again, as the catalog keeps it.
///
/// # Errors
/// When it is not one CREATE MATERIALIZED VIEW.
pub fn view_text(sql: &str) -> Result<ViewText, Vec<Problem>> {
    let files = BTreeMap::from([(String::new(), sql.to_owned())]);
    let mut declared = declarations(&files)?;
    let place = Place {
        file: String::new(),
        line: 1,
        column: 1,
    };
    match (declared.pop(), declared.is_empty()) {
        (
            Some(Declared {
                declaration: Declaration::View(text),
                ..
            }),
            true,
        ) => Ok(*text),
        _ => {
            let message = "expected one CREATE MATERIALIZED VIEW";
            Err(vec![mistake(Code::Sql001, place, message)])
        }
    }
}
