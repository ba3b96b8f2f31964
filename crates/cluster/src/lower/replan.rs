//! The plan of a version of a view that the catalog has.

use mainstem_catalog::{Definitions, ViewDef};
use mainstem_sql::{PlannedView, plan_view, view_text};

use super::LowerError;

/// Plans a version of a view again, over the very objects that it was planned over: while others are
/// built, their names mean what they meant to it.
///
/// # Errors
/// `Unplanned` when this program does not plan it any more, or the catalog has an object of it no
/// more.
pub fn replan(def: &ViewDef, defs: &Definitions) -> Result<PlannedView, LowerError> {
    let unplanned = |reason: String| LowerError::Unplanned {
        view: def.spec.name.clone(),
        reason,
    };
    let problems = |problems: Vec<mainstem_kernel::Problem>| {
        let first = problems.first().map(|problem| problem.message.clone());
        unplanned(first.unwrap_or_default())
    };
    let text = view_text(&def.spec.sql).map_err(problems)?;
    let mut seen = defs.clone();
    for id in &def.spec.reads {
        let object = defs.by_id(*id);
        let object = object.ok_or_else(|| unplanned(format!("object {id} is gone")))?;
        let name = (object.tenant(), object.name().clone());
        seen.names.insert(name, *id);
    }
    plan_view(&seen, def.tenant, &text).map_err(problems)
}
