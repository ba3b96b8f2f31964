//! VERIFY VIEW: the rows of a view against a plain question for the same rows, at one frontier.
//!
//! The question is the view's own SELECT, planned by DataFusion over history and log up to the
//! frontier; nothing of what runs views takes part in it. What it leaves out, as the view does:
//! rows that came too late, windows that are not closed (`view::names::judge` says how it knows),
//! keys that are too long to be kept. Of a view over a view or a table, the rows of these at the
//! same frontier are what it reads; a table that is looked up is read as of each row's seq.
//!
//! # What cannot be verified
//!
//! Named by `VIEW-014`: a view over a stream of which rows are gone by its retention; windows, joins and turns
//! over a view that passes on as they come what is not directly a stream's rows; a view that sets rows
//! aside on which its SELECT fails, and the question would fail on them, too.
//!
//! # Cost
//!
//! That of the question, and of grouping both sides by all columns; all of it within the limits of
//! a query.

mod carry;
mod compare;
mod differences;
mod line;
mod subject;

use std::sync::Arc;

use datafusion::{
    error::DataFusionError,
    execution::{FunctionRegistry, SessionState},
    optimizer::{OptimizerRule as _, single_distinct_to_groupby::SingleDistinctToGroupBy},
    physical_plan::execute_stream,
    prelude::SessionContext,
};
use mainstem_kernel::TenantId;

use self::subject::Subject;
pub(crate) use self::subject::verified;
use super::{Begun, Engine, statement::Named};
use crate::{
    error::{QueryError, from_engine},
    functions::exact,
    pattern,
    view::at_frontier,
};

impl Engine {
    /// Begins to compare a view's rows with those that it should have.
    ///
    /// # Errors
    /// When there is no such view, or it cannot be verified.
    pub(super) async fn verify(
        &self,
        named: &Named,
        tenant: TenantId,
    ) -> Result<Begun, QueryError> {
        let now = self.parts.clock.now();
        let (mut subject, cut) = self
            .parts
            .moment(tenant, |defs| Subject::of((defs, tenant), named, now))?;
        at_frontier(&mut subject.question, cut.frontier);
        let mut state = self.session(&cut)?;
        pattern::offer(&mut state, &subject.question).map_err(from_engine)?;
        let state = with_exact_sums(state).map_err(from_engine)?;
        let compared = compare::plan(&state, &subject).await.map_err(from_engine)?;
        let plan = state.create_physical_plan(&compared).await;
        let tasks = state.task_ctx();
        let rows = plan.and_then(|plan| execute_stream(plan, tasks));
        let rows = rows.map_err(|error| subject.failed(from_engine(error)))?;
        let memory = Arc::clone(&state.runtime_env().memory_pool);
        let frontier = cut.frontier;
        let answer = differences::answer(subject, cut.pointer, rows, &memory);
        Ok((answer, frontier))
    }
}

/// A session whose sums are rounded once. A rule that sums sums, where a question counts what differs
/// beside, would round them more often.
fn with_exact_sums(mut state: SessionState) -> Result<SessionState, DataFusionError> {
    for function in exact() {
        state.register_udaf(function)?;
    }
    let context = SessionContext::new_with_state(state);
    context.remove_optimizer_rule(SingleDistinctToGroupBy::new().name());
    Ok(context.state())
}
