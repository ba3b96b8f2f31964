//! DEFAULT of a column: an expression that names no column, kept as text.

use std::ops::ControlFlow;

use mainstem_kernel::{Code, Column, Place, Problem};
use sqlparser::{
    ast::{Expr, Value, Visit, Visitor},
    parser::Parser,
    tokenizer::{Token, TokenWithSpan, Tokenizer},
};

use super::cursor::{Cursor, Told, mistake, place_of};
use crate::{
    dialect::MainstemDialect,
    error::{QueryError, from_parser},
    question::{NESTED_MAX, in_file},
    write,
};

/// A default that was read.
#[derive(Debug)]
pub(super) struct Default {
    expr: Expr,
    place: Place,
}

/// Reads the expression behind DEFAULT, up to what else may follow a column.
///
/// # Errors
/// When it is none, or one that cannot be known without a row.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Default, Problem> {
    let place = cursor.place();
    let start = cursor.clone();
    skip(cursor);
    let tokens = start.until(cursor).to_vec();
    if tokens.is_empty() {
        return Err(cursor.expected("an expression"));
    }
    let expr = parse(tokens, &cursor.place()).map_err(|error| in_file(error, cursor.file()))?;
    match expr.visit(&mut Names) {
        ControlFlow::Continue(()) => Ok(Default { expr, place }),
        ControlFlow::Break(what) => {
            let message = format!("a default cannot depend on {what}");
            Err(mistake(Code::Sql009, place, message)
                .detail("It is what a column is before anything else is known of its row.")
                .hint("such as DEFAULT 0, DEFAULT 'new' or DEFAULT now()"))
        }
    }
}

/// Passes an expression: up to a comma or parenthesis of this level, or to a clause of a column.
fn skip(cursor: &mut Cursor<'_>) {
    const CLAUSES: [&[&str]; 10] = [
        &["NOT", "NULL"],
        &["NULL"],
        &["PRIMARY", "KEY"],
        &["DEFAULT"],
        &["UNIQUE"],
        &["CHECK"],
        &["REFERENCES"],
        &["CONSTRAINT"],
        &["PERSONAL"],
        &["GENERATED"],
    ];
    let (mut depth, mut is_first, mut is_behind_is) = (0_usize, true, false);
    while let Some(token) = cursor.peek() {
        match token {
            Token::Comma | Token::RParen if depth == 0 => return,
            Token::LParen | Token::LBracket => depth = depth.saturating_add(1),
            Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
            _ if depth == 0
                && !is_first
                && !is_behind_is
                && CLAUSES.iter().any(|words| cursor.at_words(words)) =>
            {
                return;
            }
            _ => {}
        }
        // IS NULL and IS NOT NULL belong to the expression.
        is_behind_is = cursor.at_words(&["IS"]) || (is_behind_is && cursor.at_words(&["NOT"]));
        is_first = false;
        cursor.step();
    }
}

fn parse(tokens: Vec<TokenWithSpan>, end: &Place) -> Result<Expr, QueryError> {
    let dialect = MainstemDialect::default();
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(NESTED_MAX)
        .with_tokens_with_locations(tokens);
    parser
        .parse_expr()
        .and_then(|expr| parser.expect_token(&Token::EOF).map(|_| expr))
        .map_err(|error| from_parser(&error, end))
}

/// A default as it was kept.
///
/// # Errors
/// Never, in practice: it was read when it was declared.
pub(crate) fn default_of(text: &str) -> Result<Expr, QueryError> {
    let dialect = MainstemDialect::default();
    let end = place_of("", sqlparser::tokenizer::Location::new(1, 1));
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location();
    let tokens = tokens.map_err(|error| QueryError::broken(error.to_string()))?;
    let is_space = |token: &TokenWithSpan| matches!(token.token, Token::Whitespace(_));
    parse(
        tokens
            .into_iter()
            .filter(|token| !is_space(token))
            .collect(),
        &end,
    )
}

/// Finds what only a row, a question or an asker could say.
struct Names;

impl Visitor for Names {
    type Break = &'static str;

    fn pre_visit_query(&mut self, _: &sqlparser::ast::Query) -> ControlFlow<&'static str> {
        ControlFlow::Break("a question")
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<&'static str> {
        match expr {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
                ControlFlow::Break("another column")
            }
            Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => {
                ControlFlow::Break("a parameter")
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

impl Default {
    /// Its text, if it is a value that the column can have.
    ///
    /// # Errors
    /// When it does not plan, or does not fit.
    pub(super) fn checked(&self, column: &Column) -> Result<String, Problem> {
        let checked = write::check_default(&self.expr, column, &self.place);
        checked.map_err(|error| {
            let mut problem = in_file(error, &self.place.file);
            problem.position.get_or_insert_with(|| self.place.clone());
            problem
        })?;
        Ok(self.expr.to_string())
    }
}
