//! Which statement it is: what is built is read, what is not built yet is refused by its name,
//! and everything else is told where it belongs.

use mainstem_catalog::DEAD_LETTERS_SUFFIX;
use mainstem_kernel::{Code, Problem};
use sqlparser::tokenizer::Token;

use super::{
    Declaration,
    cursor::{Cursor, Told, Written, mistake},
    foreign::{self, Origin},
    split::Statement,
    stream, table, view,
};
use crate::nearest::nearest;

/// Kinds of objects of the language that are not built yet, as they follow CREATE.
const KINDS: [&[&str]; 12] = [
    &["VIEW"],
    &["SINK"],
    &["ALERT"],
    &["SEARCH", "INDEX"],
    &["MODEL"],
    &["SEGMENT"],
    &["CAMPAIGN"],
    &["HANDLER"],
    &["FUNCTION"],
    &["SOURCE"],
    &["VOUCHER"],
    &["ROLE"],
];

/// Words between CREATE and the kind that are not built yet.
const QUALITIES: [&str; 5] = ["GLOBAL", "MIRRORED", "PERSONAL", "SEALED", "PINNED"];

/// Other statements of the language that are not built yet.
const STATEMENTS: [&[&str]; 9] = [
    &["VERIFY", "VIEW"],
    &["BACKTEST", "ALERT"],
    &["SUBJECT"],
    &["ERASE", "SUBJECT"],
    &["GRANT"],
    &["REVOKE"],
    &["MIRROR"],
    &["PAUSE"],
    &["RESUME"],
];

/// Statements that ask or write instead of declaring.
const ASKING: [&str; 6] = ["SELECT", "WITH", "VALUES", "EXPLAIN", "SHOW", "DESCRIBE"];
const WRITING: [&str; 8] = [
    "INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "TRUNCATE", "BEGIN", "COMMIT",
];

/// Reads one statement of an application.
///
/// # Errors
/// The mistake that ended the reading; mistakes that did not are in `problems`.
pub(crate) fn declaration(
    cursor: &mut Cursor<'_>,
    statement: &Statement,
    problems: &mut Vec<Problem>,
) -> Result<Declaration, Problem> {
    if cursor.at_words(&["CREATE"]) {
        return create(cursor, statement, problems);
    }
    if cursor.eat_words(&["RENAME"]) {
        return rename(cursor);
    }
    Err(misplaced(cursor))
}

fn create(
    cursor: &mut Cursor<'_>,
    statement: &Statement,
    problems: &mut Vec<Problem>,
) -> Result<Declaration, Problem> {
    let start = cursor.place();
    cursor.step();
    if cursor.at_words(&["OR", "REPLACE"]) {
        return Err(mistake(
            Code::Sql001,
            cursor.place(),
            "expected CREATE without OR REPLACE",
        )
        .hint("change the statement itself: apply compares it with what is declared"));
    }
    if let Some(quality) = QUALITIES.iter().find(|word| cursor.at_words(&[word])) {
        return Err(unbuilt(&format!("CREATE {quality}"), cursor)
            .hint("leave the word out: on one site every object is local"));
    }
    if cursor.eat_words(&["FOREIGN"]) {
        foreign::stream(cursor)?;
        let read = stream::read(cursor, statement, (Origin::Foreign, problems));
        return read.map(Declaration::Stream);
    }
    if cursor.eat_words(&["STREAM"]) {
        let read = stream::read(cursor, statement, (Origin::Clients, problems));
        return read.map(Declaration::Stream);
    }
    if cursor.eat_words(&["TABLE"]) {
        return table::read(cursor, statement, problems).map(Declaration::Table);
    }
    if cursor.eat_words(&["MATERIALIZED", "VIEW"]) {
        let text = view::read(cursor, statement, problems)?;
        return Ok(Declaration::View(Box::new(text)));
    }
    if cursor.at_words(&["EXTERNAL"]) {
        return Err(
            mistake(Code::Sql009, start, "external tables are not offered")
                .detail("SQL reads and writes nothing outside the streams.")
                .hint("CREATE STREAM, and load the file with `mainstem load`"),
        );
    }
    if let Some(kind) = KINDS.iter().find(|kind| cursor.at_words(kind)) {
        return Err(unbuilt(&format!("CREATE {}", kind.join(" ")), cursor).hint(instead(kind)));
    }
    let problem = cursor.expected("STREAM, TABLE or MATERIALIZED VIEW");
    Err(match cursor.peek() {
        Some(Token::Word(word)) => {
            let kinds = KINDS.iter().filter_map(|kind| kind.first().copied());
            let near = nearest(
                &word.value,
                kinds.chain(["STREAM", "TABLE", "MATERIALIZED"]),
            );
            problem.hint_if(near.map(|near| format!("did you mean \"CREATE {near}\"?")))
        }
        _ => problem,
    })
}

fn unbuilt(what: &str, cursor: &Cursor<'_>) -> Problem {
    mistake(
        Code::Sql002,
        cursor.place(),
        format!("{what} is not built yet"),
    )
}

/// What to do today instead of an object that is not built yet.
fn instead(kind: &[&str]) -> &'static str {
    match kind {
        ["VIEW"] => "CREATE MATERIALIZED VIEW computes as events arrive",
        ["SINK" | "ALERT" | "HANDLER"] => {
            "follow the stream's changes: GET /v1/streams/{name}/changes"
        }
        ["SEARCH", ..] => "filter with LIKE or with regular expressions",
        _ => {
            "this version has streams, tables and views: CREATE STREAM, TABLE, MATERIALIZED VIEW; RENAME"
        }
    }
}

/// RENAME a TO b, or RENAME object.a TO b.
fn rename(cursor: &mut Cursor<'_>) -> Result<Declaration, Problem> {
    let first = cursor.name("the name of an object or of its column")?;
    let second = match cursor.eat(&Token::Period) {
        true => Some(cursor.name("the name of a column")?),
        false => None,
    };
    cursor.expect_words(&["TO"])?;
    let to = cursor.name("the new name")?;
    if cursor.eat(&Token::Period) {
        return Err(mistake(
            Code::Sql001,
            to.place,
            "expected a new name without an object",
        )
        .hint("write RENAME object.old TO new"));
    }
    if !cursor.is_end() {
        return Err(cursor.expected("\";\""));
    }
    match second {
        None => {
            object_name(&first)?;
            object_name(&to)?;
            Ok(Declaration::RenameObject {
                from: first.text,
                to: to.text,
            })
        }
        Some(from) => {
            object_name(&first)?;
            column_name(&from)?;
            column_name(&to)?;
            Ok(Declaration::RenameColumn {
                object: first.text,
                from: from.text,
                to: to.text,
            })
        }
    }
}

/// The name of a new object.
///
/// # Errors
/// When something else comes next, as IF NOT EXISTS.
pub(crate) fn created(cursor: &mut Cursor<'_>, what: &str) -> Result<Written, Problem> {
    if cursor.at_words(&["IF", "NOT", "EXISTS"]) {
        return Err(cursor
            .expected(what)
            .hint("leave IF NOT EXISTS out: applying twice changes nothing"));
    }
    cursor.name(what)
}

/// Checks the name of an object.
///
/// # Errors
/// When it is reserved or cannot be a name.
pub(crate) fn object_name(name: &Written) -> Result<mainstem_kernel::StreamName, Problem> {
    let reserved = |why: &str, hint: &str| {
        Err(mistake(
            Code::Sql005,
            name.place.clone(),
            format!("name \"{}\" is reserved", name.text),
        )
        .detail(why)
        .hint(hint))
    };
    if name.text.starts_with('_') {
        return reserved(
            "Names that begin with \"_\" belong to Mainstem.",
            "begin with a letter",
        );
    }
    if name.text.ends_with(DEAD_LETTERS_SUFFIX) {
        return reserved(
            "Every stream and view has its dead letters beside it, under its name and this suffix.",
            "choose another ending",
        );
    }
    mainstem_kernel::StreamName::new(&name.text)
        .map_err(|error| mistake(Code::Sql005, name.place.clone(), error.to_string()))
}

/// Checks the name of a column.
///
/// # Errors
/// When it is reserved or cannot be a name.
pub(crate) fn column_name(name: &Written) -> Result<mainstem_kernel::ColumnName, Problem> {
    if name.text.starts_with('_') {
        let message = format!("name \"{}\" is reserved", name.text);
        return Err(mistake(Code::Sql005, name.place.clone(), message)
            .detail("Columns that begin with \"_\" belong to Mainstem, such as _seq and _extra.")
            .hint("begin with a letter"));
    }
    mainstem_kernel::ColumnName::new(&name.text)
        .map_err(|error| mistake(Code::Sql005, name.place.clone(), error.to_string()))
}

/// A statement that is no declaration of this version.
fn misplaced(cursor: &Cursor<'_>) -> Problem {
    let at = |words: &[&str]| cursor.at_words(words);
    if let Some(words) = STATEMENTS.iter().find(|words| at(words)) {
        return unbuilt(&words.join(" "), cursor)
            .hint("this version has streams, tables and views: CREATE STREAM, TABLE, MATERIALIZED VIEW; RENAME");
    }
    let outside = |message: String| mistake(Code::Sql009, cursor.place(), message);
    if let Some(word) = ASKING.iter().find(|word| at(&[word])) {
        return outside(format!("{word} does not belong in an application"))
            .detail("The files of an application declare what is; they do not ask.")
            .hint("ask with `mainstem sql \"…\"`");
    }
    if let Some(word) = WRITING.iter().find(|word| at(&[word])) {
        return outside(format!("{word} does not belong in an application"))
            .detail("The files of an application declare what is; they do not write rows.")
            .hint("send rows with `mainstem load` or POST /v1/streams/{name}/events");
    }
    if at(&["DROP"]) {
        return outside("DROP does not belong in an application".to_owned())
            .detail("What the files no longer declare is dropped by the next apply.")
            .hint("remove the CREATE statement from the files");
    }
    if at(&["ALTER"]) {
        return outside("ALTER does not belong in an application".to_owned())
            .detail("The files declare what is; apply finds the difference.")
            .hint("change the CREATE statement; write RENAME object.a TO b for a new name");
    }
    let problem = cursor.expected("CREATE or RENAME");
    let near = match cursor.peek() {
        Some(Token::Word(word)) => nearest(&word.value, ["CREATE", "RENAME"]),
        _ => None,
    };
    problem.hint_if(near.map(|near| format!("did you mean \"{near}\"?")))
}

/// Refuses, in a question, the parts of the language that are not built yet.
pub(crate) fn unbuilt_in_query(cursor: &Cursor<'_>) -> Vec<Problem> {
    let mut cursor = cursor.clone();
    let mut found = Vec::new();
    let mut before: Option<&Token> = None;
    while let Some(token) = cursor.peek() {
        found.extend(unbuilt_here(&cursor, before));
        before = Some(token);
        cursor.step();
    }
    found
}

/// Windows that are table functions.
const WINDOWS: [&str; 5] = ["TUMBLE", "HOP", "SESSION", "CUMULATE", "SLIDE"];

fn unbuilt_here(cursor: &Cursor<'_>, before: Option<&Token>) -> Option<Problem> {
    let from = |word| super::is_word(before, word);
    let in_from = from("FROM") || from("JOIN") || before == Some(&Token::Comma);
    if in_from
        && cursor.peek_at(1) == Some(&Token::LParen)
        && let Some(window) = WINDOWS.iter().find(|window| cursor.at_words(&[window]))
    {
        return Some(unbuilt(&format!("table function {window}"), cursor).hint(
            "group by tumble_start(column, INTERVAL '1 minute') to ask for windows of time",
        ));
    }
    if ["ON", "CHANGES", "FINAL"]
        .iter()
        .any(|word| cursor.at_words(&["EMIT", word]))
    {
        return Some(unbuilt("EMIT", cursor).hint("a question answers once: leave EMIT out"));
    }
    if cursor.at_words(&["FOR", "SYSTEM_TIME"]) {
        return Some(
            unbuilt("FOR SYSTEM_TIME AS OF", cursor)
                .hint("join with the last row per key: row_number() OVER (PARTITION BY …)"),
        );
    }
    None
}
