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
    for input in lowered.inputs() {
        let Some(Object::Stream(stream)) = defs.by_id(input.object) else {
            continue;
        };
        let (Some(retention), Some(watermark)) = (stream.spec.retention, &input.watermark) else {
            continue;
        };
        let needed = kept(&plan.plan).saturating_add(watermark.delay);
        if retention < needed {
            return Err(LowerError::Retention {
                view: view.clone(),
                stream: stream.spec.name.clone(),
                retention,
                needed,
            });
        }
    }
    Ok(())
}

/// How long the windows of a plan are, or how far rows of its pairs may be apart.
fn kept(node: &Node) -> Duration {
    let own_us = match node {
        Node::Window { windows, .. } => windows.size_us,
        Node::Pairs(pairs) => pairs
            .near()
            .map_or(0, |near| near.to_us.saturating_sub(near.from_us)),
        _ => 0,
    };
    let own = Duration::from_micros(own_us.unsigned_abs());
    let below = node.inputs().into_iter().map(kept).max();
    own.max(below.unwrap_or_default())
}
