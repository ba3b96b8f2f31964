//! Whether a view can be kept up to date beyond one machine, as it is declared. Pure.

use std::time::Duration;

use mainstem_catalog::{Definitions, Object};
use mainstem_kernel::StreamName;
use mainstem_sql::{PlannedView, view::Node};

use super::{LowerError, Lowered, lower};

/// Lowers a view as `lower`, and sees whether what it reads is there long enough.
///
/// # Errors
/// The first part that has no lowering; `Retention` when rows go before their windows are final.
pub fn fit(
    view: &StreamName,
    (plan, defs): (&PlannedView, &Definitions),
    relation: &str,
) -> Result<Lowered, LowerError> {
    let lowered = lower(view, (plan, defs), relation)?;
    judge_retention(view, (plan, &lowered), defs)?;
    Ok(lowered)
}

/// A window must be computable again from its first row while it can still change.
fn judge_retention(
    view: &StreamName,
    (plan, lowered): (&PlannedView, &Lowered),
    defs: &Definitions,
) -> Result<(), LowerError> {
    let Some(Object::Stream(stream)) = defs.by_id(lowered.input.object) else {
        return Ok(());
    };
    let (Some(retention), Some(watermark)) = (stream.spec.retention, &lowered.watermark) else {
        return Ok(());
    };
    let needed = window(&plan.plan).saturating_add(watermark.delay);
    match retention < needed {
        true => Err(LowerError::Retention {
            view: view.clone(),
            stream: stream.spec.name.clone(),
            retention,
            needed,
        }),
        false => Ok(()),
    }
}

/// How long the windows of a plan are.
fn window(node: &Node) -> Duration {
    let own = match node {
        Node::Window { windows, .. } => Duration::from_micros(windows.size_us.unsigned_abs()),
        _ => Duration::ZERO,
    };
    own.max(node.input().map_or(Duration::ZERO, window))
}
