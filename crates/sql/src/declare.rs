//! Reads an application's files: what they declare, or all of their mistakes at once.
//!
//! sqlparser gives the tokens, the grammar is our own: its parser does not know streams. Nothing
//! here knows what is declared already; that is the business of `app`.

mod check;
mod cursor;
mod options;
mod recognise;
mod show;
mod span;
mod split;
mod stream;
mod types;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use mainstem_catalog::StreamSpec;
use mainstem_kernel::{Place, Problem};

pub use show::show;

pub(crate) use cursor::{Cursor, Told, is_word, mistake, place_of};
pub(crate) use recognise::unbuilt_in_query;
pub(crate) use span::write as span_text;
pub(crate) use split::statements;

/// What a statement of an application declares.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Declaration {
    /// CREATE STREAM.
    Stream(StreamSpec),
    /// RENAME a TO b, of a stream.
    RenameStream {
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// RENAME stream.a TO b, of a column.
    RenameColumn {
        /// The stream.
        stream: String,
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
