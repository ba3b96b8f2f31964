//! `check`: every mistake that can be found without a node.
//!
//! It never knows what is defined already.

use std::collections::BTreeMap;

use mainstem_catalog::{StreamSpec, dead_letters_name};
use mainstem_kernel::{Code, Place, Problem};
use mainstem_sql::{Declaration, Declared};

use crate::{Source, words::problem};

/// Finds every mistake without a node.
///
/// # Errors
/// All mistakes at once, each with its place.
pub fn check(source: &Source) -> Result<(), Vec<Problem>> {
    declared(source).map(drop)
}

/// What the source declares, if it has no mistakes.
pub(crate) fn declared(source: &Source) -> Result<Vec<Declared>, Vec<Problem>> {
    let declared = mainstem_sql::declarations(&source.files)?;
    let problems = stored_names(&declared);
    if problems.is_empty() {
        Ok(declared)
    } else {
        Err(problems)
    }
}

/// Names that are fine as SQL and cannot be kept: of dead letters, and of columns in open files.
pub(crate) fn stored_names(declared: &[Declared]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for Declared { declaration, place } in declared {
        if let Declaration::Stream(spec) = declaration {
            problems.extend(letters_too_long(spec, place));
            problems.extend(equal_but_for_case(spec, place));
            problems.extend(not_built(spec, place));
        }
    }
    problems
}

/// What the language has and no part enforces yet: promising it would be a lie.
fn not_built(spec: &StreamSpec, place: &Place) -> Option<Problem> {
    spec.deduplicate.as_ref()?;
    let message = format!(
        "DEDUPLICATE BY of stream \"{}\" is not built yet",
        spec.name
    );
    Some(Problem {
        detail: Some("Repeated events would be kept.".to_owned()),
        hint: Some(
            "send an Idempotency-Key with each request, and leave the clause out".to_owned(),
        ),
        ..problem(Code::App014, message, Some(place))
    })
}

fn letters_too_long(spec: &StreamSpec, place: &Place) -> Option<Problem> {
    let error = dead_letters_name(&spec.name).err()?;
    let message = format!("name \"{}\" is too long for a stream", spec.name);
    Some(Problem {
        detail: Some(format!("Its dead letters would not get one: {error}.")),
        hint: Some("choose a name of at most 50 bytes".to_owned()),
        ..problem(Code::App009, message, Some(place))
    })
}

fn equal_but_for_case(spec: &StreamSpec, place: &Place) -> Vec<Problem> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for column in &spec.columns.0 {
        let name = column.name.as_str();
        if let Some(first) = seen.insert(name.to_ascii_lowercase(), name) {
            let stream = &spec.name;
            let message = format!(
                "columns \"{first}\" and \"{name}\" of stream \"{stream}\" differ only by case"
            );
            problems.push(Problem {
                detail: Some(
                    "Most programs that read the files of history do not tell them apart."
                        .to_owned(),
                ),
                hint: Some("give one of them another name".to_owned()),
                ..problem(Code::App010, message, Some(place))
            });
        }
    }
    problems
}
