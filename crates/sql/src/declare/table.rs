//! CREATE TABLE: its grammar, and what one statement alone can get wrong.

use std::{collections::BTreeMap, time::Duration};

use mainstem_catalog::TableSpec;
use mainstem_kernel::{Code, Columns, Place, Problem};
use sqlparser::tokenizer::Token;

use super::{
    column::{self, Complete},
    cursor::{Cursor, Told, Written, mistake},
    default::{self, Default},
    options::{self, Given},
    recognise::{created, object_name},
    split::Statement,
};

/// Columns of a key at most.
const KEY_COLUMNS_MAX: usize = 32;
const TTL_MIN: Duration = Duration::from_secs(1);

const OPTIONS: [&str; 1] = ["ttl"];
/// Options of the language that are not built yet.
const UNBUILT: [&str; 3] = ["region", "sealed", "retention"];

/// What is known before all columns are.
#[derive(Debug, Default)]
struct Named {
    complete: Complete,
    key: Vec<Written>,
    /// Where the key was declared first.
    key_place: Option<Place>,
    /// Columns that say NULL.
    nullable: Vec<Written>,
    defaults: Vec<(String, Default)>,
}

/// Reads the rest of a statement after CREATE TABLE.
///
/// # Errors
/// When the grammar is broken; other mistakes go to `problems`.
pub(crate) fn read(
    cursor: &mut Cursor<'_>,
    statement: &Statement,
    problems: &mut Vec<Problem>,
) -> Result<TableSpec, Problem> {
    let written = created(cursor, "the name of a table")?;
    let mut own = Vec::new();
    let mut spec = TableSpec {
        name: object_name(&written)?,
        columns: Columns::default(),
        key: Vec::new(),
        defaults: BTreeMap::new(),
        ttl: None,
        sql: statement.text.clone(),
    };
    if cursor.at_words(&["AS"]) {
        return Err(computed(cursor));
    }
    let mut named = Named::default();
    cursor.expect(&Token::LParen).map_err(|problem| {
        problem.hint("declare the columns: CREATE TABLE name (id TEXT PRIMARY KEY, …)")
    })?;
    let read = items(cursor, &mut spec, &mut named, &mut own)
        .and_then(|()| clauses(cursor, &mut spec, &mut own));
    match read {
        Ok(()) => resolve(&mut spec, &named, &written, &mut own),
        Err(problem) => own.push(problem),
    }
    // A broken statement is not a declaration: others must not be measured by it.
    let last = own.pop();
    problems.append(&mut own);
    last.map_or(Ok(spec), Err)
}

fn computed(cursor: &Cursor<'_>) -> Problem {
    mistake(Code::Sql009, cursor.place(), "a table is not computed")
        .detail("Its rows are written; what is computed of other rows is a view.")
        .hint("CREATE MATERIALIZED VIEW name AS SELECT …")
}

/// The columns and the key, in parentheses. A broken one is noted and passed over.
fn items(
    cursor: &mut Cursor<'_>,
    spec: &mut TableSpec,
    named: &mut Named,
    problems: &mut Vec<Problem>,
) -> Result<(), Problem> {
    if cursor.peek() == Some(&Token::RParen) {
        return Err(cursor.expected("at least one column"));
    }
    loop {
        let start = cursor.clone();
        let item = match cursor.at_words(&["PRIMARY", "KEY"]) {
            true => primary_key(cursor, named),
            false => table_constraint(cursor)
                .and_then(|()| column(cursor, spec, named))
                .inspect_err(|_| named.complete = Complete::Lost),
        };
        if let Err(problem) = item {
            problems.push(problem);
            *cursor = start;
            cursor.skip_item();
        }
        if column::is_last(cursor)? {
            return Ok(());
        }
    }
}

/// PRIMARY KEY (a, b).
fn primary_key(cursor: &mut Cursor<'_>, named: &mut Named) -> Result<(), Problem> {
    let place = cursor.place();
    cursor.expect_words(&["PRIMARY", "KEY"])?;
    let columns = column::list(cursor)?;
    declare_key(columns, place, named)
}

fn declare_key(columns: Vec<Written>, place: Place, named: &mut Named) -> Result<(), Problem> {
    if let Some(first) = &named.key_place {
        return Err(
            mistake(Code::Sql006, place, "a second PRIMARY KEY is given")
                .detail(format!("The first stands at {first}."))
                .hint("declare a key of several columns as PRIMARY KEY (a, b)"),
        );
    }
    named.key_place = Some(place);
    named.key = columns;
    Ok(())
}

/// name TYPE [NOT NULL | NULL] [DEFAULT expression] [PRIMARY KEY], in any order.
fn column(cursor: &mut Cursor<'_>, spec: &mut TableSpec, named: &mut Named) -> Result<(), Problem> {
    let begun = column::begin(cursor)?;
    let written = Written {
        text: begun.name.as_str().to_owned(),
        place: begun.place.clone(),
    };
    let mut nullable = true;
    let mut key = None;
    loop {
        let place = cursor.place();
        if cursor.eat_words(&["NOT", "NULL"]) {
            nullable = false;
        } else if cursor.eat_words(&["NULL"]) {
            named.nullable.push(written.clone());
        } else if cursor.eat_words(&["PRIMARY", "KEY"]) {
            key = Some(place);
        } else if cursor.eat_words(&["DEFAULT"]) {
            if named.defaults.iter().any(|(name, _)| *name == written.text) {
                let message = "a second DEFAULT is given";
                return Err(mistake(Code::Sql006, place, message).hint("leave one of them out"));
            }
            named
                .defaults
                .push((written.text.clone(), default::read(cursor)?));
        } else {
            break;
        }
    }
    column_end(cursor)?;
    begun.add(&mut spec.columns, "table", nullable)?;
    match key {
        Some(place) => declare_key(vec![written], place, named),
        None => Ok(()),
    }
}

/// What may not follow a column, by name.
fn column_end(cursor: &Cursor<'_>) -> Result<(), Problem> {
    if matches!(cursor.peek(), Some(Token::Comma | Token::RParen)) {
        return Ok(());
    }
    let unbuilt = |what: &str| {
        let message = format!("{what} is not built yet");
        mistake(Code::Sql002, cursor.place(), message)
    };
    let at = |word: &str| cursor.at_words(&[word]);
    if at("PERSONAL") {
        return Err(unbuilt("PERSONAL").detail("Columns are not sealed by this version."));
    }
    if at("GENERATED") {
        return Err(unbuilt("a generated column").hint("write the value with the row"));
    }
    if at("REFERENCES") {
        return Err(foreign(cursor));
    }
    if at("UNIQUE") || at("CHECK") || at("CONSTRAINT") {
        return Err(unbuilt("a constraint of a column").hint("leave it out"));
    }
    Err(cursor.expected("NOT NULL, DEFAULT, PRIMARY KEY, \",\" or \")\""))
}

/// Constraints that stand among the columns and are not PRIMARY KEY.
fn table_constraint(cursor: &Cursor<'_>) -> Result<(), Problem> {
    let is_list = |ahead| cursor.peek_at(ahead) == Some(&Token::LParen);
    if cursor.at_words(&["FOREIGN", "KEY"]) {
        return Err(foreign(cursor));
    }
    let constrains = cursor.at_words(&["CONSTRAINT"])
        || ((cursor.at_words(&["UNIQUE"]) || cursor.at_words(&["CHECK"])) && is_list(1));
    if constrains {
        let message = "a constraint of a table is not built yet";
        return Err(mistake(Code::Sql002, cursor.place(), message)
            .hint("PRIMARY KEY (a, b) keeps rows apart; leave others out"));
    }
    if cursor.at_words(&["WATERMARK", "FOR"]) {
        return Err(
            mistake(Code::Sql009, cursor.place(), "a table has no watermark")
                .detail("A table's rows change; events with a time of their own are a stream.")
                .hint("CREATE STREAM, if rows are only added"),
        );
    }
    Ok(())
}

fn foreign(cursor: &Cursor<'_>) -> Problem {
    mistake(
        Code::Sql009,
        cursor.place(),
        "tables do not refer to each other",
    )
    .detail("A row may arrive before the row that it refers to.")
    .hint("leave it out; a LEFT JOIN shows what is missing")
}

/// Everything behind the columns.
fn clauses(
    cursor: &mut Cursor<'_>,
    spec: &mut TableSpec,
    problems: &mut Vec<Problem>,
) -> Result<(), Problem> {
    if cursor.eat_words(&["WITH"]) {
        options::each(cursor, problems, |given| set(spec, given))?;
    }
    if cursor.is_end() {
        return Ok(());
    }
    let unbuilt = ["SUBJECT", "MIRRORED", "GLOBAL", "KEEP"];
    if let Some(word) = unbuilt.into_iter().find(|word| cursor.at_words(&[word])) {
        let message = format!("{word} is not built yet");
        return Err(mistake(Code::Sql002, cursor.place(), message).hint("leave the clause out"));
    }
    if cursor.at_words(&["PARTITION"]) {
        let message = "a table is partitioned by its key";
        return Err(mistake(Code::Sql009, cursor.place(), message).hint("leave PARTITION BY out"));
    }
    if cursor.at_words(&["TTL"]) {
        return Err(cursor
            .expected("WITH or \";\"")
            .hint("write WITH (ttl = '90 days')"));
    }
    if cursor.at_words(&["AS"]) {
        return Err(computed(cursor));
    }
    Err(cursor
        .expected("WITH or \";\"")
        .hint("end the statement before it with \";\""))
}

fn set(spec: &mut TableSpec, Given { name, value }: &Given) -> Result<(), Problem> {
    match name.text.as_str() {
        "ttl" => {
            spec.ttl = options::forever_or(value, TTL_MIN, "a ttl")?;
            Ok(())
        }
        _ => Err(options::unknown("table", name, (&OPTIONS, &UNBUILT))),
    }
}

/// Checks the key, now that all columns are known.
fn resolve(spec: &mut TableSpec, named: &Named, table: &Written, problems: &mut Vec<Problem>) {
    let object = format!("table \"{}\"", spec.name);
    if named.key_place.is_none() && named.complete == Complete::All {
        let message = format!("{object} has no key");
        problems.push(
            mistake(Code::Sql008, table.place.clone(), message)
                .detail("Writes find the row that they change by its key.")
                .hint("declare one: id TEXT PRIMARY KEY, or PRIMARY KEY (a, b)"),
        );
    }
    if named.key.len() > KEY_COLUMNS_MAX {
        let message = format!("a key has at most {KEY_COLUMNS_MAX} columns");
        problems.push(mistake(Code::Sql010, table.place.clone(), message));
    }
    for written in &named.key {
        let column = column::named(&spec.columns, written, &object, named.complete)
            .and_then(|found| column::key(found, written, "key by"));
        match column {
            Ok(column) if spec.key.contains(&column) => {
                let message = format!("column \"{column}\" stands twice in the key");
                problems.push(mistake(Code::Sql006, written.place.clone(), message));
            }
            Ok(column) => spec.key.push(column),
            Err(problem) => problems.extend(problem),
        }
    }
    for column in &mut spec.columns.0 {
        column.nullable &= !spec.key.contains(&column.name);
    }
    for (name, default) in &named.defaults {
        let Some(column) = spec.columns.get(name) else {
            continue;
        };
        match default.checked(column) {
            Ok(text) => {
                spec.defaults.insert(column.name.clone(), text);
            }
            Err(problem) => problems.push(problem),
        }
    }
    for written in &named.nullable {
        if spec.key.iter().any(|key| key.as_str() == written.text) {
            let message = format!("column \"{}\" of the key may not be NULL", written.text);
            problems
                .push(mistake(Code::Sql008, written.place.clone(), message).hint("leave NULL out"));
        }
    }
}
