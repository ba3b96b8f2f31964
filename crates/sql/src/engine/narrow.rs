//! `Narrow`: projections go down toward what they read, but nothing is computed of rows that a
//! condition leaves out: `SELECT a, b, a / b … WHERE b <> 0` divides by no zero.
//!
//! It is DataFusion's `ProjectionPushdown` but for that: there a projection that computes may end up
//! below the filter, and an expression that fails on a row that nobody asked for fails the question.

use std::sync::Arc;

use datafusion::{
    common::{
        Result,
        tree_node::{Transformed, TransformedResult, TreeNode},
    },
    config::ConfigOptions,
    physical_expr::expressions::{Column, Literal},
    physical_optimizer::{PhysicalOptimizerRule, optimizer::PhysicalOptimizer},
    physical_plan::{
        ExecutionPlan,
        filter::FilterExec,
        projection::{ProjectionExec, remove_unnecessary_projections},
    },
};

/// DataFusion's rule that it stands for.
const REPLACED: &str = "ProjectionPushdown";

/// Takes projections down.
#[derive(Debug)]
struct Narrow;

/// DataFusion's physical rules, with `Narrow` in the place of its own.
pub(crate) fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    for rule in &mut rules {
        if rule.name() == REPLACED {
            *rule = Arc::new(Narrow);
        }
    }
    rules
}

impl PhysicalOptimizerRule for Narrow {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let narrowed = plan.transform_down(|node| match computes_what_passed(node.as_ref()) {
            true => Ok(Transformed::no(node)),
            false => remove_unnecessary_projections(node),
        });
        narrowed.data()
    }

    fn name(&self) -> &'static str {
        "narrow"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether it computes something of the rows that pass a filter.
fn computes_what_passed(node: &dyn ExecutionPlan) -> bool {
    let Some(projection) = node.downcast_ref::<ProjectionExec>() else {
        return false;
    };
    let computes = projection
        .expr()
        .iter()
        .any(|one| !one.expr.is::<Column>() && !one.expr.is::<Literal>());
    computes && projection.input().is::<FilterExec>()
}
