//! DataFusion's plan of a question, with the subqueries of its conditions as joins. Of the optimizer
//! only those rules run that this needs: the rest is Spark's.

use std::{collections::HashMap, sync::Arc};

use datafusion::{
    arrow::{array::RecordBatch, datatypes::SchemaRef},
    catalog::TableProvider,
    datasource::empty::EmptyTable,
    execution::session_state::{SessionState, SessionStateBuilder},
    logical_expr::LogicalPlan,
    optimizer::{
        OptimizerRule, decorrelate_lateral_join::DecorrelateLateralJoin,
        decorrelate_predicate_subquery::DecorrelatePredicateSubquery,
        optimize_projections::OptimizeProjections,
        replace_distinct_aggregate::ReplaceDistinctWithAggregate,
        rewrite_set_comparison::RewriteSetComparison,
        scalar_subquery_to_join::ScalarSubqueryToJoin, simplify_expressions::SimplifyExpressions,
    },
    physical_plan::collect,
    sql::parser::Statement as DataFusionStatement,
};
use futures::FutureExt;
use mainstem_kernel::Timestamp;
use sqlparser::ast::Statement;

use crate::{
    engine::{Relations, session},
    error::{QueryError, from_engine},
    pattern,
};

/// Types are made to fit, constants are folded, subqueries become joins, and columns that nobody
/// reads are left out.
fn rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    vec![
        Arc::new(RewriteSetComparison::new()),
        Arc::new(SimplifyExpressions::new()),
        Arc::new(ReplaceDistinctWithAggregate::new()),
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
        Arc::new(DecorrelateLateralJoin::new()),
        Arc::new(OptimizeProjections::new()),
    ]
}

/// A plan, and what planned it.
pub(super) struct Planned {
    pub(super) plan: LogicalPlan,
    state: SessionState,
}

/// Plans a question whose names are resolved.
///
/// # Errors
/// What DataFusion says of the question, in our words.
pub(super) fn plan(
    query: Statement,
    relations: &Relations,
    now: Timestamp,
) -> Result<Planned, QueryError> {
    let tables = relations.iter().map(|(name, relation)| {
        let table = EmptyTable::new(Arc::clone(relation.schema()));
        (name.clone(), Arc::new(table) as Arc<dyn TableProvider>)
    });
    let prototype = session::prototype(1).map_err(from_engine)?;
    let tables = session::only(tables.collect::<HashMap<_, _>>()).map_err(from_engine)?;
    let mut state = SessionStateBuilder::new_from_existing(prototype)
        .with_catalog_list(tables)
        .with_optimizer_rules(rules())
        .build();
    session::set_now(&mut state, now);
    pattern::offer(&mut state, &query).map_err(from_engine)?;
    let statement = DataFusionStatement::Statement(Box::new(query));
    // Its tables are there at once, so it never waits.
    let plan = state.statement_to_plan(statement).now_or_never();
    let plan = plan.ok_or_else(|| QueryError::broken("the planner waits for something"))?;
    let plan = plan.and_then(|plan| state.optimize(&plan));
    Ok(Planned {
        plan: plan.map_err(from_engine)?,
        state,
    })
}

/// The answer of a question that names nothing.
///
/// # Errors
/// What its expressions meet.
pub(super) async fn here(planned: &Planned) -> Result<(SchemaRef, Vec<RecordBatch>), QueryError> {
    let plan = planned.state.query_planner();
    let plan = plan.create_physical_plan(&planned.plan, &planned.state);
    let plan = plan.await.map_err(from_engine)?;
    let schema = plan.schema();
    let rows = collect(plan, planned.state.task_ctx());
    Ok((schema, rows.await.map_err(from_engine)?))
}
