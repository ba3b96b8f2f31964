//! The comparison as a plan: rows of the view and rows of its question, grouped by all columns;
//! what is as often here as there goes. What differs comes sorted by key, the view's row first.

use datafusion::{
    common::{Column, Result, plan_err},
    execution::session_state::SessionState,
    functions::math::expr_fn::{abs, isnan},
    functions_aggregate::expr_fn::sum,
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, SortExpr, cast, col, lit, when},
    sql::parser::Statement as DataFusionStatement,
};
use mainstem_kernel::ColumnType;

use super::{
    carry::{Below, carried},
    subject::Subject,
};
use crate::{declare::quoted, view::lineage};

/// How often a row is in the view, and in the answer of its question.
pub(super) const SIDES: [&str; 2] = ["in_view", "in_batch"];

/// Which side a row is of.
#[derive(Clone, Copy)]
enum Side {
    View,
    Batch,
}

/// The plan: the view's columns as `column_name` calls them, then `SIDES`.
///
/// # Errors
/// What DataFusion says of the question.
pub(super) async fn plan(state: &SessionState, subject: &Subject) -> Result<LogicalPlan> {
    let names = subject.plan.columns.0.iter();
    let names: Vec<String> = names.map(|column| quoted(column.name.as_str())).collect();
    let name = quoted(subject.def.spec.name.as_str());
    let shown = format!("SELECT {} FROM {name}", names.join(", "));
    let shown = state.create_logical_plan(&shown).await?;
    let every: Vec<usize> = (0..names.len()).collect();
    let shown = sided(subject, shown, &every, Side::View)?;

    let question = Box::new(subject.question.clone());
    let asked = DataFusionStatement::Statement(question);
    let asked = state.statement_to_plan(asked).await?;
    let (asked, places) = places(subject, asked)?;
    let asked = sided(subject, asked, &places, Side::Batch)?;

    let columns = (0..names.len()).map(|place| col(column_name(place)));
    let counts = SIDES.map(|side| sum(col(side)).alias(side));
    let [in_view, in_batch] = SIDES.map(col);
    LogicalPlanBuilder::from(shown)
        .union(asked)?
        .aggregate(columns, counts)?
        .filter(in_view.not_eq(in_batch))?
        .sort(order(subject))?
        .build()
}

/// What a column of the view is called here: its own name may be one of `SIDES`.
fn column_name(place: usize) -> String {
    format!("c{place}")
}

/// Where the view's columns are in the question's answer, hidden ones too.
fn places(subject: &Subject, asked: LogicalPlan) -> Result<(LogicalPlan, Vec<usize>)> {
    let (columns, hidden) = (&subject.plan.columns.0, &subject.plan.hidden);
    let shown = columns.len().saturating_sub(hidden.len());
    if hidden.is_empty() {
        return Ok((asked, (0..shown).collect()));
    }
    let below = Below {
        source_keys: &subject.source_keys,
        pairs: lineage::changing(&subject.plan.plan),
        rank: lineage::rank(&subject.plan.plan),
    };
    let (asked, keys) = carried(asked, below)?;
    let place = |place: usize| {
        let key = subject.plan.key.iter().position(|key| *key == place);
        match place < shown {
            true => Some(place),
            false => keys.get(key?).copied(),
        }
    };
    let places: Option<Vec<usize>> = (0..columns.len()).map(place).collect();
    match places {
        Some(places) if keys.len() == subject.plan.key.len() => Ok((asked, places)),
        _ => plan_err!("the key of the view is not in its question"),
    }
}

/// The view's columns in their types, of which equal values look the same, and whose they are.
fn sided(
    subject: &Subject,
    plan: LogicalPlan,
    places: &[usize],
    side: Side,
) -> Result<LogicalPlan> {
    let columns = subject.plan.columns.0.iter().zip(places).enumerate();
    let mut exprs = Vec::with_capacity(places.len().saturating_add(SIDES.len()));
    for (number, (column, place)) in columns {
        if *place >= plan.schema().fields().len() {
            return plan_err!("column \"{}\" is not in the question", column.name);
        }
        let expr = Expr::Column(Column::from(plan.schema().qualified_field(*place)));
        let expr = plain(cast(expr, column.ty.arrow()), &column.ty)?;
        exprs.push(expr.alias(column_name(number)));
    }
    let (in_view, in_batch) = match side {
        Side::View => (1_i64, 0_i64),
        Side::Batch => (0, 1),
    };
    exprs.extend([lit(in_view).alias(SIDES[0]), lit(in_batch).alias(SIDES[1])]);
    LogicalPlanBuilder::from(plan).project(exprs)?.build()
}

/// Floats of one value have one form: there are two zeros, and many NaN.
fn plain(expr: Expr, ty: &ColumnType) -> Result<Expr> {
    let (nan, zero) = match ty {
        ColumnType::Real => (lit(f32::NAN), lit(0.0_f32)),
        ColumnType::Double => (lit(f64::NAN), lit(0.0_f64)),
        _ => return Ok(expr),
    };
    when(isnan(expr.clone()), nan)
        .when(abs(expr.clone()).eq(zero.clone()), zero)
        .otherwise(expr)
}

fn order(subject: &Subject) -> Vec<SortExpr> {
    let columns = &subject.plan.columns.0;
    let is_plain = |place: &usize| {
        let ty = columns.get(*place).map(|column| &column.ty);
        !matches!(ty, Some(ColumnType::Array(_) | ColumnType::Row(_)) | None)
    };
    let key = subject.key().into_iter().filter(is_plain);
    let key = key.map(|place| col(column_name(place)).sort(true, true));
    key.chain([col(SIDES[0]).sort(false, true)]).collect()
}
