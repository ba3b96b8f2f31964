//! Columns of streams and tables: `name TYPE`, and how they are collected. What may follow a
//! column is its owner's.

use mainstem_kernel::{Code, Column, ColumnName, ColumnType, Columns, Place, Problem};

use sqlparser::tokenizer::Token;

use super::{
    cursor::{Cursor, Told, Written, mistake},
    recognise::column_name,
    types,
};
use crate::nearest::did_you_mean;

/// Columns at most; PostgreSQL's limit.
const COLUMNS_MAX: usize = 1_600;

/// A column whose end was not read yet.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) name: ColumnName,
    pub(crate) ty: ColumnType,
    pub(crate) place: Place,
}

/// name TYPE.
pub(crate) fn begin(cursor: &mut Cursor<'_>) -> Result<Begun, Problem> {
    let written = cursor.name("the name of a column")?;
    let name = column_name(&written)?;
    let ty = types::read(cursor)?;
    Ok(Begun {
        name,
        ty,
        place: written.place,
    })
}

impl Begun {
    /// Adds it to the columns of a `kind` of object.
    ///
    /// # Errors
    /// When its name is taken, or there are too many.
    pub(crate) fn add(
        self,
        columns: &mut Columns,
        kind: &str,
        nullable: bool,
    ) -> Result<(), Problem> {
        let Self { name, ty, place } = self;
        if columns.get(name.as_str()).is_some() {
            let message = format!("column \"{name}\" is declared twice");
            return Err(
                mistake(Code::Sql006, place, message).hint("unquoted names fold to lower case")
            );
        }
        if columns.0.len() >= COLUMNS_MAX {
            let message = format!("a {kind} has at most {COLUMNS_MAX} columns");
            return Err(mistake(Code::Sql010, place, message).hint("keep rare fields in one JSON"));
        }
        let id = u32::try_from(columns.0.len().saturating_add(1)).unwrap_or(u32::MAX);
        columns.0.push(Column {
            id,
            name,
            ty,
            nullable,
        });
        Ok(())
    }
}

/// The column that a clause of an object names; no problem if it may be one that did not read.
///
/// # Errors
/// When there is none.
pub(crate) fn named<'a>(
    columns: &'a Columns,
    written: &Written,
    object: &str,
    complete: Complete,
) -> Result<&'a Column, Option<Problem>> {
    columns.get(&written.text).ok_or_else(|| {
        let names = columns.0.iter().map(|column| column.name.as_str());
        let message = format!("{object} has no column \"{}\"", written.text);
        matches!(complete, Complete::All).then(|| {
            mistake(Code::Sql007, written.place.clone(), message)
                .hint_if(did_you_mean(&written.text, names))
        })
    })
}

/// Whether all columns did read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Complete {
    /// They did.
    #[default]
    All,
    /// One did not: a missing one is not news.
    Lost,
}

/// Checks that rows can be keyed by a column.
///
/// # Errors
/// When equal values of its type do not always look the same.
pub(crate) fn key(
    column: &Column,
    written: &Written,
    verb: &str,
) -> Result<ColumnName, Option<Problem>> {
    if column.ty.is_key() {
        return Ok(column.name.clone());
    }
    let message = format!("cannot {verb} \"{}\", which is {}", column.name, column.ty);
    Err(Some(
        mistake(Code::Sql008, written.place.clone(), message)
            .detail("Equal values of this type do not always have the same text.")
            .hint("use a column of a type such as TEXT, BIGINT, NUMERIC, UUID or DATE"),
    ))
}

/// Passes the next item of a list in parentheses: true at its end.
///
/// # Errors
/// When neither a comma nor the end comes.
pub(crate) fn is_last(cursor: &mut Cursor<'_>) -> Result<bool, Problem> {
    if cursor.eat(&Token::RParen) {
        return Ok(true);
    }
    match cursor.eat(&Token::Comma) {
        true => Ok(false),
        false => Err(cursor.expected("\",\" or \")\"")),
    }
}

/// (a, b, …).
pub(crate) fn list(cursor: &mut Cursor<'_>) -> Result<Vec<Written>, Problem> {
    cursor.expect(&Token::LParen)?;
    let mut names = Vec::new();
    loop {
        names.push(cursor.name("the name of a column")?);
        if !cursor.eat(&Token::Comma) {
            break;
        }
    }
    cursor.expect(&Token::RParen)?;
    Ok(names)
}
