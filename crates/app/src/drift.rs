//! What was changed by other means since the last apply, in lines. Pure.

use std::collections::{BTreeMap, BTreeSet};

use mainstem_catalog::{AppDef, StreamSpec};
use mainstem_sql::Declaration;

use crate::{describe, goal::Scope, names::Renames, words};

/// The statements of an application as they were applied last, by name; empty if this version
/// does not read them any more.
pub(crate) fn stored(app: &AppDef) -> BTreeMap<String, StreamSpec> {
    let declared = mainstem_sql::declarations(&app.files).unwrap_or_default();
    let specs = declared
        .into_iter()
        .filter_map(|declared| match declared.declaration {
            Declaration::Stream(spec) => Some((spec.name.to_string(), spec)),
            _ => None,
        });
    specs.collect()
}

/// Where the streams differ from what was applied.
pub(crate) fn find(scope: Scope<'_>) -> Vec<String> {
    let live = scope.live();
    let mut lines = Vec::new();
    let names: BTreeSet<&str> = scope
        .stored
        .keys()
        .map(String::as_str)
        .chain(live.keys().copied())
        .collect();
    for name in names {
        match (scope.stored.get(name), live.get(name)) {
            (Some(stored), Some(def)) => {
                let stored = Renames::default().with_ids(stored, def, &mut Vec::new());
                let difference = describe::between(&stored, &def.spec);
                let stream = words::stream(&stored);
                lines.extend(
                    difference
                        .lines
                        .iter()
                        .map(|line| format!("{stream}: {line}")),
                );
            }
            (Some(stored), None) => {
                lines.push(format!("{} is gone", words::stream(stored)));
            }
            (None, Some(def)) => {
                lines.push(format!("{} is not declared", words::stream(&def.spec)));
            }
            (None, None) => {}
        }
    }
    lines
}
