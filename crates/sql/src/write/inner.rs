//! Questions inside of statements that write: taken out before anything is compiled, and put back
//! as values once they are answered. Nothing here asks them.
//!
//! # What they see
//!
//! All questions of one request are asked at one frontier, behind everything that was acknowledged
//! before the request came, and before the sequencer decides: they never see what the request itself
//! writes. Rows that the statements write to are not taken from there: the sequencer decides on the
//! newest. If a question has read a table that the request writes to, or reads `FOR UPDATE`, and
//! that table was written to in between, the request is asked and decided again. Other tables,
//! streams and views may have changed since the frontier: this is snapshot isolation.

use std::{mem, ops::ControlFlow};

use datafusion::{
    arrow::{
        array::{ArrayRef, RecordBatch, RecordBatchOptions},
        compute::cast,
        datatypes::{DataType, Field, FieldRef, Schema},
        error::ArrowError,
    },
    common::ScalarValue,
};
use mainstem_kernel::{Code, Place, Problem, Seq, StreamId};
use sqlparser::ast::{
    Expr, Insert, Query, SetExpr, Spanned, Statement as Ast, UnaryOperator, Value, VisitMut,
    VisitorMut,
};

use super::{
    Written,
    target::{place_within, unbuilt_at},
};
use crate::{
    declare::{Told, mistake},
    error::{QueryError, from_engine},
};

/// Statements that are written together, without the questions inside of them.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) statements: Vec<Written>,
    pub(crate) inner: Vec<Inner>,
}

/// A question inside of a statement that writes.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) ast: Ast,
    pub(crate) wanted: Wanted,
    /// The number of the statement that it stands in.
    pub(crate) statement: usize,
    pub(crate) place: Place,
}

/// What a question stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The rows of an INSERT.
    Rows,
    /// One value; NULL if there is no row.
    Value,
    /// The values that IN compares with.
    List,
    /// Whether there is a row.
    Existence,
}

/// What is known of a question that was asked.
#[derive(Debug)]
pub(crate) enum Answer {
    /// As `Wanted::Rows`.
    Rows(RecordBatch),
    /// One value.
    Value(ScalarValue, FieldRef),
    /// Values of one column.
    List(Vec<ScalarValue>),
}

/// What is known of all questions of a request.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) answers: Vec<Answer>,
    /// For each question what it has read.
    pub(crate) reads: Vec<Vec<StreamId>>,
    /// What they were asked at.
    pub(crate) frontier: Seq,
}

/// Takes the questions out of statements.
///
/// # Errors
/// When one stands where none can.
pub(crate) fn take_out(mut statements: Vec<Written>) -> Result<Prepared, QueryError> {
    let mut inner = Vec::new();
    for (number, written) in statements.iter_mut().enumerate() {
        let mut taker = Taker {
            statement: number,
            start: written.place.clone(),
            is_outside: false,
            inner: &mut inner,
        };
        if let Ast::Insert(insert) = &mut written.ast
            && let Some(source) = source(insert)
        {
            written.source = Some(taker.note(*source, Wanted::Rows));
        }
        // VALUES and SELECT … FOR UPDATE are questions to the parser.
        taker.is_outside = matches!(&written.ast, Ast::Query(_))
            || matches!(&written.ast, Ast::Insert(insert) if insert.source.is_some());
        if let ControlFlow::Break(problem) = written.ast.visit(&mut taker) {
            return Err(QueryError::text(*problem));
        }
    }
    Ok(Prepared { statements, inner })
}

/// The question that gives the rows of an INSERT, unless they are given by plain VALUES.
fn source(insert: &mut Insert) -> Option<Box<Query>> {
    let query = insert.source.as_ref()?;
    let is_plain = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && matches!(query.body.as_ref(), SetExpr::Values(_));
    match is_plain {
        true => None,
        false => insert.source.take(),
    }
}

/// Takes the questions out of one statement.
struct Taker<'a> {
    statement: usize,
    /// Where the statement begins.
    start: Place,
    /// Whether the statement itself comes next.
    is_outside: bool,
    inner: &'a mut Vec<Inner>,
}

impl Taker<'_> {
    /// Notes a question and gives its number.
    fn note(&mut self, query: Query, wanted: Wanted) -> usize {
        self.inner.push(Inner {
            place: place_within(&query, &self.start),
            ast: Ast::Query(Box::new(query)),
            wanted,
            statement: self.statement,
        });
        self.inner.len().saturating_sub(1)
    }

    /// What stands for a question from now on.
    fn mark(&mut self, query: Query, wanted: Wanted) -> Expr {
        let span = query.span();
        let number = self.note(query, wanted);
        Expr::Value(Value::Placeholder(mark(number)).with_span(span))
    }
}

impl VisitorMut for Taker<'_> {
    type Break = Box<Problem>;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        match mem::take(&mut self.is_outside) {
            true => ControlFlow::Continue(()),
            false => {
                let problem =
                    unbuilt_at("a question of this form", place_within(query, &self.start));
                ControlFlow::Break(Box::new(problem))
            }
        }
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let is_one = |expr: &Expr| matches!(expr, Expr::Subquery(_));
        if let Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } = expr
            && is_one(right)
        {
            let problem = unbuilt_at(
                "ANY or ALL of a question",
                place_within(right.as_ref(), &self.start),
            );
            let problem = problem.hint("write IN (SELECT …), or compare with (SELECT max(…) …)");
            return ControlFlow::Break(Box::new(problem));
        }
        let nothing = Expr::Value(Value::Null.into());
        let taken = match mem::replace(expr, nothing) {
            Expr::Subquery(query) => self.mark(*query, Wanted::Value),
            Expr::Exists { subquery, negated } => {
                let mark = self.mark(*subquery, Wanted::Existence);
                match negated {
                    true => Expr::UnaryOp {
                        op: UnaryOperator::Not,
                        expr: Box::new(mark),
                    },
                    false => mark,
                }
            }
            Expr::InSubquery {
                expr,
                subquery,
                negated,
            } => Expr::InList {
                list: vec![self.mark(*subquery, Wanted::List)],
                expr,
                negated,
            },
            other => other,
        };
        *expr = taken;
        ControlFlow::Continue(())
    }
}

/// What stands for the question of a number. The text of a request holds no such marks.
fn mark(number: usize) -> String {
    format!("${}", number.saturating_add(1))
}

/// The number of the question that a mark stands for.
pub(super) fn number_of(mark: &str) -> Option<usize> {
    mark.strip_prefix('$')?
        .parse::<usize>()
        .ok()?
        .checked_sub(1)
}

impl Wanted {
    /// How many rows have to be read.
    pub(crate) fn rows_max(self, limit: usize) -> usize {
        match self {
            Self::Rows | Self::List => limit,
            // One more than there may be.
            Self::Value => 2,
            Self::Existence => 1,
        }
    }

    /// Whether more rows are a mistake of their own, and not just left unread.
    pub(crate) const fn is_limited(self) -> bool {
        matches!(self, Self::Rows | Self::List)
    }
}

impl Inner {
    /// What its rows mean.
    ///
    /// # Errors
    /// When it has more than one column or row and stands for a value.
    pub(crate) fn answer(&self, rows: &RecordBatch) -> Result<Answer, QueryError> {
        let many = |what: String| {
            mistake(Code::Sql045, self.place.clone(), what)
                .detail("It stands for one value, or for one value per row behind IN.")
        };
        let scalar =
            |values: &ArrayRef, row| ScalarValue::try_from_array(values, row).map_err(from_engine);
        if self.wanted == Wanted::Existence {
            let exists = ScalarValue::Boolean(Some(rows.num_rows() > 0));
            let field = Field::new("", DataType::Boolean, false);
            return Ok(Answer::Value(exists, field.into()));
        }
        let rows = plain(rows).map_err(|error| from_engine(error.into()))?;
        if self.wanted == Wanted::Rows {
            return Ok(Answer::Rows(rows));
        }
        let ([values], [field]) = (rows.columns(), rows.schema_ref().fields().as_ref()) else {
            let message = format!(
                "a question gives {} columns, expected one",
                rows.num_columns()
            );
            return Err(many(message).hint("SELECT one column").into());
        };
        let field = FieldRef::clone(field);
        match (self.wanted, rows.num_rows()) {
            (Wanted::List, count) => {
                let values = (0..count).map(|row| scalar(values, row));
                Ok(Answer::List(values.collect::<Result<_, _>>()?))
            }
            (_, 0) => {
                let null = ScalarValue::try_new_null(values.data_type()).map_err(from_engine)?;
                Ok(Answer::Value(null, field))
            }
            (_, 1) => Ok(Answer::Value(scalar(values, 0)?, field)),
            _ => {
                let problem = many("a question gives several rows, expected one".to_owned());
                Err(problem
                    .hint("filter by the whole key, or take max(column)")
                    .into())
            }
        }
    }
}

/// Texts as texts, not as numbers in a dictionary.
fn plain(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut fields = Vec::with_capacity(rows.num_columns());
    let mut columns = Vec::with_capacity(rows.num_columns());
    for (field, values) in rows.schema().fields().iter().zip(rows.columns()) {
        let ty = match values.data_type() {
            DataType::Dictionary(_, ty) => ty.as_ref().clone(),
            DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
            other => other.clone(),
        };
        columns.push(cast(values, &ty)?);
        fields.push(field.as_ref().clone().with_data_type(ty));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Schema::new(fields).into(), columns, &options)
}
