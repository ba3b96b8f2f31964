//! `BeyondOneMachine`: what Kafka, Spark and Cassandra have against what an application declares.

use mainstem_app::Terms;
use mainstem_catalog::{Definitions, StreamSpec, ViewSpec};
use mainstem_cluster::lower::fit;
use mainstem_kernel::{Fault, Problem};
use mainstem_sql::PlannedView;

/// What Spark calls the rows that a view reads, as long as nobody runs it.
const INPUT: &str = "input";

/// The engines beyond one machine: what has no lowering is refused by name.
#[derive(Clone, Copy, Debug)]
pub struct BeyondOneMachine;

impl Terms for BeyondOneMachine {
    /// Workers carry out every clause.
    fn stream(&self, _spec: &StreamSpec) -> Option<Problem> {
        None
    }

    fn view(&self, spec: &ViewSpec, planned: (&PlannedView, &Definitions)) -> Option<Problem> {
        let refused = fit(&spec.name, planned, INPUT).err()?;
        Some(refused.problem())
    }
}

#[cfg(test)]
mod tests;
