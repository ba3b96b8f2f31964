//! Which question it is: one statement, or the statements of one transaction.

mod writing;

use std::ops::ControlFlow;

use mainstem_kernel::{Code, Place, Problem};
use sqlparser::{
    ast::{
        DescribeAlias, Expr, LockType, Query, Statement as Ast, Value, ValueWithSpan, Visit,
        Visitor, visit_expressions,
    },
    parser::Parser,
    tokenizer::{Location, Token},
};

use crate::{
    declare::{Cursor, Statement, Told, mistake, place_of, statements, unbuilt_in_query},
    dialect::MainstemDialect,
    error::{QueryError, from_parser},
    pattern,
    write::Written,
};

/// A question that was understood.
#[derive(Debug)]
pub(crate) enum Asked {
    /// SELECT, WITH, VALUES, EXPLAIN.
    Query(Box<Ast>),
    /// INSERT, UPDATE, DELETE; several of them between BEGIN and COMMIT.
    Write(Vec<Written>),
    /// SHOW STREAMS.
    Streams,
    /// SHOW TABLES.
    Tables,
    /// SHOW VIEWS.
    Views,
    /// SHOW FUNCTIONS.
    Functions,
    /// SHOW COLUMNS FROM s, DESCRIBE s.
    Columns(Named),
    /// SHOW CREATE STREAM s, TABLE t, VIEW v.
    Create(Named),
    /// EXPLAIN VIEW v.
    ExplainView(Named),
    /// VERIFY VIEW v.
    Verify(Named),
}

/// An object as a question names it.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) place: Place,
}

/// A write up to this size is small, in bytes.
const SMALL_WRITE_MAX: usize = 4 << 10;

/// Whether it surely is a short statement that writes and asks nothing.
pub(crate) fn is_small_write(sql: &str) -> bool {
    let has = |word: &str| {
        let words = sql.as_bytes().windows(word.len());
        words
            .into_iter()
            .any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    };
    let start = sql.trim_start();
    let begins = |verb: &str| {
        let first = start.get(..verb.len());
        first.is_some_and(|first| first.eq_ignore_ascii_case(verb))
    };
    sql.len() <= SMALL_WRITE_MAX
        && ["INSERT", "UPDATE", "DELETE"].into_iter().any(begins)
        && !has("SELECT")
}

/// Reads one statement, or those of one transaction.
///
/// # Errors
/// When it is none, more than one, or one that is not built yet.
pub(crate) fn read(sql: &str) -> Result<Asked, QueryError> {
    let (mut found, stopped) = statements("", sql);
    if let Some(problem) = stopped {
        return Err(problem.into());
    }
    let start = Place {
        file: String::new(),
        line: 1,
        column: 1,
    };
    if let Some(written) = writing::read(&found)? {
        return Ok(Asked::Write(written));
    }
    let Some(statement) = found.pop() else {
        return Err(
            mistake(Code::Sql001, start, "expected a question, found nothing")
                .hint("such as SELECT count(*) FROM stream, or SHOW STREAMS")
                .into(),
        );
    };
    let mut cursor = Cursor::new("", &statement.tokens, statement.end);
    if !found.is_empty() {
        return Err(
            mistake(Code::Sql020, cursor.place(), "expected one statement")
                .detail("A second statement begins here.")
                .hint("ask them one by one")
                .into(),
        );
    }
    if let Some(shown) = shown(&mut cursor)? {
        return Ok(shown);
    }
    refuse_writing(&cursor)?;
    if let Some(problem) = unbuilt_in_query(&cursor).into_iter().next() {
        return Err(problem.into());
    }
    let place = cursor.place();
    let ast = parsed(&statement)?;
    refuse_locks(&ast, &place)?;
    reading(ast, place)
}

/// Refuses FOR UPDATE and FOR SHARE anywhere in a question.
///
/// # Errors
/// When it has one.
pub(crate) fn refuse_locks(ast: &Ast, place: &Place) -> Result<(), QueryError> {
    match ast.visit(&mut Locks) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(lock) => {
            let message = format!("FOR {lock} outside of a transaction");
            Err(mistake(Code::Sql047, place.clone(), message)
                .detail("It reads rows of a table as other statements of its transaction see them.")
                .hint("send BEGIN; SELECT … FOR UPDATE; UPDATE …; COMMIT; as one body")
                .into())
        }
    }
}

/// Finds the first lock of a question.
struct Locks;

impl Visitor for Locks {
    type Break = LockType;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<LockType> {
        match query.locks.first() {
            Some(lock) => ControlFlow::Break(lock.lock_type),
            None => ControlFlow::Continue(()),
        }
    }
}

/// Refuses parameters, which nobody gives a value.
fn refuse_parameters(ast: &Ast, place: &Place) -> Result<(), QueryError> {
    let found = visit_expressions(ast, |expr| match expr {
        Expr::Value(ValueWithSpan {
            value: Value::Placeholder(name),
            ..
        }) => ControlFlow::Break(name.clone()),
        _ => ControlFlow::Continue(()),
    });
    match found {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(name) => {
            let message = format!("parameter \"{name}\" is not built yet");
            Err(mistake(Code::Sql002, place.clone(), message)
                .hint("write the value itself; quotes within a text are doubled: 'it''s'")
                .into())
        }
    }
}

/// A statement as sqlparser reads it.
fn parsed(statement: &Statement) -> Result<Ast, QueryError> {
    let end = place_of("", statement.end);
    let dialect = MainstemDialect::default();
    let (tokens, withins) = pattern::without_ours(statement.tokens.clone(), "")?;
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(NESTED_MAX)
        .with_tokens_with_locations(tokens);
    let mut ast = parser
        .parse_statement()
        .map_err(|error| from_parser(&error, &end))?;
    parser
        .expect_token(&Token::EOF)
        .map_err(|error| from_parser(&error, &end))?;
    let start = Cursor::new("", &statement.tokens, statement.end).place();
    refuse_parameters(&ast, &start)?;
    pattern::rewrite(&mut ast, &withins, "")?;
    Ok(ast)
}

/// Deepest nesting of expressions and subqueries.
const NESTED_MAX: usize = 64;

fn reading(ast: Ast, place: Place) -> Result<Asked, QueryError> {
    match &ast {
        Ast::Query(_) => Ok(Asked::Query(Box::new(ast))),
        Ast::Explain {
            statement,
            describe_alias: DescribeAlias::Explain,
            ..
        } => match statement.as_ref() {
            Ast::Query(_) => Ok(Asked::Query(Box::new(ast))),
            _ => Err(unknown_statement(place).into()),
        },
        _ => Err(unknown_statement(place).into()),
    }
}

/// Refuses statements that write, of someone who may only read.
pub(crate) fn only_reading(statements: &[Written]) -> Problem {
    let first = statements.first().map(|written| written.place.clone());
    let place = first.unwrap_or_else(|| place_of("", Location::new(1, 1)));
    mistake(Code::Sql020, place, "only questions are answered here")
        .detail("Whoever asks may read and may not write.")
}

fn unknown_statement(place: Place) -> Problem {
    mistake(Code::Sql020, place, "only questions are answered here").detail(
        "SELECT, WITH, VALUES, EXPLAIN, SHOW, DESCRIBE and VERIFY VIEW read; INSERT, UPDATE and DELETE write \
         to tables; nothing else is offered.",
    )
}

/// Says where to go with statements that do not read.
fn refuse_writing(cursor: &Cursor<'_>) -> Result<(), QueryError> {
    let asking = ["SELECT", "WITH", "VALUES", "EXPLAIN", "TABLE", "FROM"];
    if asking.iter().any(|word| cursor.at_words(&[word])) || cursor.peek() == Some(&Token::LParen) {
        return Ok(());
    }
    let problem = unknown_statement(cursor.place());
    let at = |words: &[&str]| words.iter().any(|word| cursor.at_words(&[word]));
    let hint = if at(&["CREATE", "DROP", "ALTER", "RENAME"]) {
        "change the application's files and `mainstem apply` them"
    } else if at(&["COPY", "LOAD"]) {
        "send rows with `mainstem load` or POST /v1/streams/{name}/events"
    } else if at(&["MERGE", "TRUNCATE"]) {
        "INSERT … ON CONFLICT, UPDATE and DELETE write the rows of tables"
    } else if at(&["SET", "RESET", "BEGIN", "COMMIT", "ROLLBACK"]) {
        "every question stands alone: there is no session to set"
    } else {
        let near = match cursor.peek() {
            Some(Token::Word(word)) => {
                let ours = ["SHOW", "DESCRIBE", "VERIFY"];
                crate::nearest::nearest(&word.value, asking.into_iter().chain(ours))
            }
            _ => None,
        };
        let hint = near.map(|near| format!("did you mean \"{near}\"?"));
        return Err(problem.hint_if(hint).into());
    };
    Err(problem.hint(hint).into())
}

/// SHOW … and DESCRIBE …, which are ours.
fn shown(cursor: &mut Cursor<'_>) -> Result<Option<Asked>, QueryError> {
    let asked = if cursor.eat_words(&["DESCRIBE"]) || cursor.eat_words(&["DESC"]) {
        eat_kind(cursor);
        Asked::Columns(named(cursor)?)
    } else if cursor.eat_words(&["EXPLAIN", "VIEW"])
        || cursor.eat_words(&["EXPLAIN", "MATERIALIZED", "VIEW"])
    {
        Asked::ExplainView(named(cursor)?)
    } else if cursor.eat_words(&["VERIFY"]) {
        let _is_long = cursor.eat_words(&["MATERIALIZED"]);
        cursor.expect_words(&["VIEW"])?;
        Asked::Verify(named(cursor)?)
    } else if cursor.eat_words(&["SHOW"]) {
        if cursor.eat_words(&["STREAMS"]) {
            Asked::Streams
        } else if cursor.eat_words(&["TABLES"]) {
            Asked::Tables
        } else if cursor.eat_words(&["VIEWS"]) || cursor.eat_words(&["MATERIALIZED", "VIEWS"]) {
            Asked::Views
        } else if cursor.eat_words(&["FUNCTIONS"]) {
            Asked::Functions
        } else if cursor.eat_words(&["COLUMNS"]) {
            if !cursor.eat_words(&["IN"]) {
                cursor.expect_words(&["FROM"])?;
            }
            Asked::Columns(named(cursor)?)
        } else if cursor.eat_words(&["CREATE"]) {
            if !eat_kind(cursor) {
                return Err(cursor.expected("STREAM, TABLE or VIEW").into());
            }
            Asked::Create(named(cursor)?)
        } else {
            return Err(cursor
                .expected("STREAMS, TABLES, VIEWS, FUNCTIONS, COLUMNS FROM or CREATE STREAM")
                .into());
        }
    } else {
        return Ok(None);
    };
    if !cursor.is_end() {
        return Err(cursor.expected("the end of the statement").into());
    }
    Ok(Some(asked))
}

/// Passes what kind of object is named; whether it was said.
fn eat_kind(cursor: &mut Cursor<'_>) -> bool {
    let kinds = [
        &["STREAM"][..],
        &["TABLE"],
        &["VIEW"],
        &["MATERIALIZED", "VIEW"],
    ];
    kinds.iter().any(|words| cursor.eat_words(words))
}

fn named(cursor: &mut Cursor<'_>) -> Result<Named, Problem> {
    let written = cursor.name("the name of a stream, table or view")?;
    Ok(Named {
        name: written.text,
        place: written.place,
    })
}
