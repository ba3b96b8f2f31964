//! Reads the type of a column. It never decides what a type can be used for.

use mainstem_kernel::{Code, ColumnName, ColumnType, Problem};
use sqlparser::tokenizer::Token;

use super::{
    cursor::{Cursor, Told, Written, mistake},
    recognise::column_name,
};
use crate::nearest::nearest;

/// Deepest nesting of rows and arrays.
const DEPTH_MAX: usize = 16;

/// Types by the names that PostgreSQL has for them.
const NAMES: [(&str, ColumnType); 21] = [
    ("boolean", ColumnType::Boolean),
    ("bool", ColumnType::Boolean),
    ("smallint", ColumnType::SmallInt),
    ("int2", ColumnType::SmallInt),
    ("integer", ColumnType::Integer),
    ("int", ColumnType::Integer),
    ("int4", ColumnType::Integer),
    ("bigint", ColumnType::BigInt),
    ("int8", ColumnType::BigInt),
    ("real", ColumnType::Real),
    ("float4", ColumnType::Real),
    ("double", ColumnType::Double),
    ("float8", ColumnType::Double),
    ("float", ColumnType::Double),
    ("text", ColumnType::Text),
    ("bytea", ColumnType::Bytea),
    ("uuid", ColumnType::Uuid),
    ("date", ColumnType::Date),
    ("timestamptz", ColumnType::TimestampTz),
    ("json", ColumnType::Json),
    (
        "numeric",
        ColumnType::Numeric {
            precision: 38,
            scale: 0,
        },
    ),
];

/// Types of other systems, and ours for the purpose.
const ELSEWHERE: [(&str, &str); 24] = [
    ("varchar", "TEXT"),
    ("char", "TEXT"),
    ("character", "TEXT"),
    ("bpchar", "TEXT"),
    ("string", "TEXT"),
    ("clob", "TEXT"),
    ("citext", "TEXT"),
    ("jsonb", "JSON"),
    ("variant", "JSON"),
    ("map", "JSON"),
    ("hstore", "JSON"),
    ("blob", "BYTEA"),
    ("bytes", "BYTEA"),
    ("binary", "BYTEA"),
    ("varbinary", "BYTEA"),
    ("datetime", "TIMESTAMPTZ"),
    ("timestamp", "TIMESTAMPTZ"),
    ("tinyint", "SMALLINT"),
    ("serial", "BIGINT"),
    ("bigserial", "BIGINT"),
    ("money", "NUMERIC(19, 4)"),
    ("time", "TEXT"),
    ("interval", "BIGINT, in a unit that the column's name says"),
    ("struct", "ROW(name TYPE, …)"),
];

/// Reads a type.
///
/// # Errors
/// When there is none, or none that we have.
pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<ColumnType, Problem> {
    nested(cursor, 0)
}

fn nested(cursor: &mut Cursor<'_>, depth: usize) -> Result<ColumnType, Problem> {
    let place = cursor.place();
    if depth > DEPTH_MAX {
        let message = format!("type is nested deeper than {DEPTH_MAX} levels");
        return Err(mistake(Code::Sql010, place, message).hint("keep the inner part as JSON"));
    }
    let mut ty = match cursor.at_words(&["ROW"]) {
        true => row(cursor, depth)?,
        false => {
            let name = cursor.name("a type")?;
            named(cursor, &name)?
        }
    };
    let mut levels = depth;
    while is_array(cursor)? {
        levels = levels.saturating_add(1);
        if levels > DEPTH_MAX {
            let message = format!("type is nested deeper than {DEPTH_MAX} levels");
            return Err(mistake(Code::Sql010, place, message).hint("keep it as JSON"));
        }
        ty = ColumnType::Array(Box::new(ty));
    }
    Ok(ty)
}

/// Passes `[]` or ARRAY.
fn is_array(cursor: &mut Cursor<'_>) -> Result<bool, Problem> {
    if cursor.eat_words(&["ARRAY"]) {
        return Ok(true);
    }
    if !cursor.eat(&Token::LBracket) {
        return Ok(false);
    }
    if let Some(Token::Number(..)) = cursor.peek() {
        return Err(cursor
            .expected("\"]\"")
            .hint("arrays have no length: write T[]"));
    }
    cursor.expect(&Token::RBracket)?;
    Ok(true)
}

/// ROW(name type, …).
fn row(cursor: &mut Cursor<'_>, depth: usize) -> Result<ColumnType, Problem> {
    cursor.step();
    cursor.expect(&Token::LParen)?;
    let mut fields: Vec<(ColumnName, ColumnType)> = Vec::new();
    loop {
        let name = cursor.name("the name of a field")?;
        let checked = column_name(&name)?;
        if fields.iter().any(|(other, _)| *other == checked) {
            let message = format!("field \"{checked}\" is declared twice");
            return Err(mistake(Code::Sql006, name.place, message));
        }
        fields.push((checked, nested(cursor, depth.saturating_add(1))?));
        if cursor.at_words(&["NOT", "NULL"]) {
            return Err(
                mistake(Code::Sql008, cursor.place(), "a field of a row may be NULL")
                    .hint("leave NOT NULL out, or make the field a column"),
            );
        }
        if !cursor.eat(&Token::Comma) {
            break;
        }
    }
    cursor.expect(&Token::RParen)?;
    Ok(ColumnType::Row(fields))
}

fn named(cursor: &mut Cursor<'_>, name: &Written) -> Result<ColumnType, Problem> {
    let ty = match name.text.as_str() {
        "numeric" | "decimal" | "dec" => return numeric(cursor, name),
        "double" => {
            cursor.eat_words(&["PRECISION"]);
            ColumnType::Double
        }
        "timestamp" if cursor.eat_words(&["WITH", "TIME", "ZONE"]) => ColumnType::TimestampTz,
        text => match NAMES.iter().find(|(known, _)| *known == text) {
            Some((_, ty)) => ty.clone(),
            None => return Err(unknown(name)),
        },
    };
    if cursor.peek() == Some(&Token::LParen) {
        return Err(cursor
            .expected("no \"(\" here")
            .hint(format!("{ty} has no length: write {ty}")));
    }
    Ok(ty)
}

fn unknown(name: &Written) -> Problem {
    let problem = mistake(
        Code::Sql003,
        name.place.clone(),
        format!("there is no type \"{}\"", name.text),
    );
    if let Some((_, ours)) = ELSEWHERE.iter().find(|(theirs, _)| *theirs == name.text) {
        return problem.hint(format!("use {ours}"));
    }
    let known = NAMES.iter().map(|(known, _)| *known);
    let near = nearest(&name.text, known.chain(["row", "decimal"]));
    problem.hint(match near {
        Some(near) => format!("did you mean {}?", near.to_uppercase()),
        None => "types: BOOLEAN, SMALLINT, INTEGER, BIGINT, REAL, DOUBLE PRECISION, \
                 NUMERIC(p, s), TEXT, BYTEA, UUID, DATE, TIMESTAMPTZ, JSON, T[], ROW(name T, …)"
            .to_owned(),
    })
}

/// NUMERIC(p) and NUMERIC(p, s).
fn numeric(cursor: &mut Cursor<'_>, name: &Written) -> Result<ColumnType, Problem> {
    if !cursor.eat(&Token::LParen) {
        let message = "NUMERIC needs its number of digits";
        return Err(mistake(Code::Sql003, name.place.clone(), message)
            .hint("write NUMERIC(p, s): p digits in all, s of them after the point"));
    }
    let precision = digits(cursor, 1, 38)?;
    let scale = match cursor.eat(&Token::Comma) {
        true => digits(cursor, 0, precision)?,
        false => 0,
    };
    cursor.expect(&Token::RParen)?;
    Ok(ColumnType::Numeric {
        precision,
        scale: i8::try_from(scale).unwrap_or(0),
    })
}

fn digits(cursor: &mut Cursor<'_>, least: u8, most: u8) -> Result<u8, Problem> {
    let place = cursor.place();
    let number = match cursor.peek() {
        Some(Token::Number(number, _)) => number.parse::<u8>().ok(),
        _ => return Err(cursor.expected("a number of digits")),
    };
    cursor.step();
    number
        .filter(|n| (least..=most).contains(n))
        .ok_or_else(|| {
            mistake(
                Code::Sql003,
                place,
                format!("expected {least} to {most} digits"),
            )
            .detail("NUMERIC has at most 38 digits, and no more after the point than in all.")
        })
}
