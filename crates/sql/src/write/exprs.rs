//! Expressions of statements that write: planned once, evaluated over rows whenever they are seen.
//! `now()` is the time at which the statement came.

use std::{cell::Cell, sync::Arc};

use chrono::DateTime;
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions},
        datatypes::{DataType, Schema},
    },
    common::{
        DFSchema, ScalarValue,
        metadata::FieldMetadata,
        tree_node::{Transformed, TreeNode},
    },
    execution::{context::ExecutionProps, session_state::SessionState},
    logical_expr::{
        EmptyRelation, Expr, LogicalPlan, LogicalPlanBuilder, expr::InList,
        physical_planning_context::PhysicalPlanningContext,
    },
    optimizer::{Optimizer, OptimizerContext, simplify_expressions::SimplifyExpressions},
    physical_expr::{PhysicalExpr, create_physical_expr},
};
use mainstem_kernel::{Code, Timestamp};
use sqlparser::ast::{Expr as Ast, ExprWithAlias};

use super::{
    Written,
    inner::{Answer, number_of},
    plans::{Plans, is_lasting, name},
    target::place_of_expr,
};
use crate::{
    declare::{Told, mistake},
    engine::check_calls,
    error::{QueryError, from_engine},
};

/// What all statements are planned with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planning<'a> {
    /// Functions and types; no tables.
    pub(crate) state: &'a SessionState,
    /// What `now()` is.
    pub(crate) now: Timestamp,
    pub(crate) plans: &'a Plans,
}

/// Plans expressions.
pub(super) struct Planner<'a> {
    pub(super) planning: Planning<'a>,
    /// What is known of the questions inside of the statements.
    pub(super) answers: &'a [Answer],
    /// Whether something was planned whose meaning depends on when it is, or on an answer.
    pub(super) is_fleeting: Cell<bool>,
}

/// A planned expression.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    /// Simplified, with types made to fit.
    pub(super) logical: Expr,
    physical: Arc<dyn PhysicalExpr>,
}

impl Planner<'_> {
    /// Plans expressions over columns; none of them may look into other tables.
    ///
    /// # Errors
    /// The first name that is not there, or types that do not fit.
    pub(super) fn plan(
        &self,
        exprs: &[&Ast],
        over: &DFSchema,
        written: &Written,
    ) -> Result<Vec<Planned>, QueryError> {
        let name = match self.answers {
            [] => name(exprs, over),
            _ => None,
        };
        let kept = name.as_ref().and_then(|name| self.planning.plans.get(name));
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let mut bound = Vec::with_capacity(exprs.len());
        for (index, expr) in exprs.iter().enumerate() {
            let logical = self.bind(expr, over, written)?;
            bound.push(logical.alias(format!("_{index}")));
        }
        let is_lasting = self.answers.is_empty() && bound.iter().all(is_lasting);
        self.is_fleeting.set(self.is_fleeting.get() || !is_lasting);
        let name = name.filter(|_| is_lasting);
        let simplified = self.simplified(bound, over)?;
        let planned = simplified.into_iter().map(|logical| {
            let logical = logical.unalias();
            let physical = create_physical_expr(
                &logical,
                over,
                &ExecutionProps::new(),
                &PhysicalPlanningContext::default(),
            );
            physical
                .map(|physical| Planned { logical, physical })
                .map_err(from_engine)
        });
        let planned: Vec<Planned> = planned.collect::<Result<_, _>>()?;
        if let Some(name) = name {
            self.planning.plans.keep(name, &planned);
        }
        Ok(planned)
    }

    /// What an expression without columns gives, once per row.
    ///
    /// # Errors
    /// As `plan`, and when it fails.
    pub(super) fn constant(
        &self,
        expr: &Ast,
        rows: usize,
        written: &Written,
    ) -> Result<ArrayRef, QueryError> {
        let planned = self.plan(&[expr], &DFSchema::empty(), written)?;
        let planned = planned.first();
        let planned = planned.ok_or_else(|| QueryError::broken("a value was lost"))?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::new(Schema::empty());
        let rows = RecordBatch::try_new_with_options(schema, Vec::new(), &options);
        planned.values(&rows.map_err(|error| from_engine(error.into()))?)
    }

    /// Plans a condition.
    ///
    /// # Errors
    /// As `plan`, and when it is not BOOLEAN.
    pub(super) fn condition(
        &self,
        expr: &Ast,
        over: &DFSchema,
        written: &Written,
    ) -> Result<Planned, QueryError> {
        let planned = self.plan(&[expr], over, written)?.pop();
        let planned = planned.ok_or_else(|| QueryError::broken("a condition was lost"))?;
        let ty = planned.physical.data_type(over.as_arrow());
        match ty.map_err(from_engine)? {
            DataType::Boolean | DataType::Null => Ok(planned),
            _ => {
                let place = place_of_expr(expr, written);
                Err(mistake(Code::Sql024, place, "WHERE is not a condition")
                    .hint("compare something: column = value")
                    .into())
            }
        }
    }

    fn bind(&self, expr: &Ast, over: &DFSchema, written: &Written) -> Result<Expr, QueryError> {
        let mut expr = expr.clone();
        check_calls(&mut expr)?;
        let place = place_of_expr(&expr, written);
        let expr = ExprWithAlias { expr, alias: None };
        let bound = self
            .planning
            .state
            .create_logical_expr_from_sql_expr(expr, over);
        let bound = self.answered(bound.map_err(from_engine)?)?;
        let many = bound.exists(|expr| {
            Ok(matches!(
                expr,
                Expr::AggregateFunction(_) | Expr::WindowFunction(_) | Expr::Unnest(_)
            ))
        });
        match many.map_err(from_engine)? {
            true => Err(mistake(
                Code::Sql025,
                place,
                "expected a value of one row, found one of many",
            )
            .into()),
            false => Ok(bound),
        }
    }

    /// Puts what is known of questions in the place of their marks.
    fn answered(&self, expr: Expr) -> Result<Expr, QueryError> {
        if self.answers.is_empty() {
            return Ok(expr);
        }
        let put = expr.transform_down(|expr| {
            let known = match &expr {
                Expr::InList(InList { list, .. }) => self.known(list),
                expr => self.known(std::slice::from_ref(expr)),
            };
            let literal = |value: &ScalarValue| Expr::Literal(value.clone(), None);
            Ok(match (expr, known) {
                (Expr::InList(within), Some(Answer::List(values))) => {
                    Transformed::yes(Expr::InList(InList {
                        list: values.iter().map(literal).collect(),
                        ..within
                    }))
                }
                (Expr::Placeholder(_), Some(Answer::Value(value, field))) => {
                    let about = !field.metadata().is_empty();
                    let about = about.then(|| FieldMetadata::from(field.as_ref()));
                    Transformed::yes(Expr::Literal(value.clone(), about))
                }
                (expr, _) => Transformed::no(expr),
            })
        });
        Ok(put.map_err(from_engine)?.data)
    }

    /// What is known of the question that a mark stands for, if that is all there is.
    fn known(&self, exprs: &[Expr]) -> Option<&Answer> {
        match exprs {
            [Expr::Placeholder(mark)] => self.answers.get(number_of(&mark.id)?),
            _ => None,
        }
    }

    /// The rows that a question gave for an INSERT, if one was asked.
    pub(super) fn rows(&self, written: &Written) -> Option<&RecordBatch> {
        match self.answers.get(written.source?)? {
            Answer::Rows(rows) => Some(rows),
            Answer::Value(..) | Answer::List(_) => None,
        }
    }

    /// Types made to fit, arithmetic that checks, constants folded.
    fn simplified(&self, exprs: Vec<Expr>, over: &DFSchema) -> Result<Vec<Expr>, QueryError> {
        let input = LogicalPlan::EmptyRelation(EmptyRelation {
            produce_one_row: false,
            schema: Arc::new(over.clone()),
        });
        let plan = LogicalPlanBuilder::from(input)
            .project(exprs)
            .and_then(LogicalPlanBuilder::build)
            .map_err(from_engine)?;
        let Planning { state, now, .. } = self.planning;
        let options = state.config_options();
        let analyzed = state.analyzer().execute_and_check(plan, options, |_, _| {});
        let mut context = OptimizerContext::new_with_config_options(Arc::clone(options));
        if let Some(now) = DateTime::from_timestamp_micros(now.0) {
            context = context.with_query_execution_start_time(now);
        }
        let rules = Optimizer::with_rules(vec![Arc::new(SimplifyExpressions::new())]);
        let simplified = rules.optimize(analyzed.map_err(from_engine)?, &context, |_, _| {});
        match simplified.map_err(from_engine)? {
            LogicalPlan::Projection(projection) => Ok(projection.expr),
            _ => Err(QueryError::broken(
                "expressions were planned into something else",
            )),
        }
    }
}

impl Planned {
    /// Its values over rows.
    ///
    /// # Errors
    /// `Row` of a value that it fails on.
    pub(super) fn values(&self, rows: &RecordBatch) -> Result<ArrayRef, QueryError> {
        let values = self.physical.evaluate(rows).map_err(from_engine)?;
        values.into_array(rows.num_rows()).map_err(from_engine)
    }

    /// The rows that it is true of.
    ///
    /// # Errors
    /// As `values`.
    pub(super) fn filter(&self, rows: &RecordBatch) -> Result<RecordBatch, QueryError> {
        let values = self.values(rows)?;
        let is_true = match values.data_type() {
            DataType::Null => BooleanArray::new_null(rows.num_rows()),
            _ => values.as_boolean().clone(),
        };
        datafusion::arrow::compute::filter_record_batch(rows, &is_true)
            .map_err(|error| from_engine(error.into()))
    }

    /// Its type over columns.
    ///
    /// # Errors
    /// Never, in practice: it was planned over them.
    pub(super) fn field(
        &self,
        over: &DFSchema,
    ) -> Result<Arc<datafusion::arrow::datatypes::Field>, QueryError> {
        self.physical
            .return_field(over.as_arrow())
            .map_err(from_engine)
    }
}
