//! DataFusion's planner for views: names are relations without rows, and of the optimizer only
//! those rules run that keep the shape of the SELECT.

use std::{collections::HashMap, sync::Arc};

use datafusion::{
    catalog::TableProvider,
    datasource::empty::EmptyTable,
    execution::session_state::SessionStateBuilder,
    logical_expr::LogicalPlan,
    optimizer::{
        OptimizerRule, extract_equijoin_predicate::ExtractEquijoinPredicate,
        optimize_projections::OptimizeProjections,
        replace_distinct_aggregate::ReplaceDistinctWithAggregate,
        simplify_expressions::SimplifyExpressions,
    },
    sql::parser::Statement as DataFusionStatement,
};
use futures::FutureExt;
use mainstem_kernel::{Place, Problem};
use sqlparser::ast::{Query, Statement};

use super::{relation::Relation, shape::matched};
use crate::{QueryError, engine::session, error::from_engine, pattern, question::in_file};

/// Types are made to fit, constants are folded, columns that nobody reads are left out; nothing
/// is reordered.
fn rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    vec![
        Arc::new(SimplifyExpressions::new()),
        Arc::new(ReplaceDistinctWithAggregate::new()),
        Arc::new(ExtractEquijoinPredicate::new()),
        Arc::new(OptimizeProjections::new()),
    ]
}

/// Plans a question over the relations, called `$0`, `$1`, ….
///
/// # Errors
/// What DataFusion says of the question, in our words.
pub(crate) fn plan(
    query: &Query,
    relations: &[Relation],
    place: &Place,
) -> Result<LogicalPlan, Problem> {
    planned(query, relations).map_err(|error| {
        let mut problem = in_file(error, &place.file);
        problem.position.get_or_insert_with(|| place.clone());
        problem
    })
}

fn planned(query: &Query, relations: &[Relation]) -> Result<LogicalPlan, QueryError> {
    let tables = relations.iter().enumerate().map(|(index, relation)| {
        let table = EmptyTable::new(Arc::clone(&relation.schema));
        (
            format!("${index}"),
            Arc::new(table) as Arc<dyn TableProvider>,
        )
    });
    let prototype = session::prototype(1).map_err(from_engine)?;
    let tables = session::only(tables.collect::<HashMap<_, _>>()).map_err(from_engine)?;
    let mut state = SessionStateBuilder::new_from_existing(prototype)
        .with_catalog_list(tables)
        .with_optimizer_rules(rules())
        .build();
    pattern::offer(&mut state, query).map_err(from_engine)?;
    let statement = Statement::Query(Box::new(query.clone()));
    let statement = DataFusionStatement::Statement(Box::new(statement));
    // Its tables are there at once, so it never waits.
    let plan = state.statement_to_plan(statement).now_or_never();
    let plan = plan.ok_or_else(|| QueryError::broken("the planner waits for something"))?;
    let plan = plan.map_err(from_engine)?;
    matched(&plan)?;
    state.optimize(&plan).map_err(from_engine)
}
