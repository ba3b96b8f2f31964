//! `check`: every mistake that can be found without a node.
//!
//! It never knows what is defined already.

use std::collections::BTreeMap;

use mainstem_catalog::{Definitions, Kind, Label, dead_letters_name, late_name, preview};
use mainstem_kernel::{Code, Columns, Fault, Place, Problem, Seq, StreamName, TenantId};
use mainstem_sql::{Declaration, Declared, PlannedView};

use crate::{
    Source, apps,
    errors::AppError,
    terms::Terms,
    views::late_taken,
    words::{self, problem},
};

/// Finds every mistake without a node, and what the engine has against the source.
///
/// # Errors
/// All mistakes at once, each with its place.
pub fn check(source: &Source, terms: &dyn Terms) -> Result<(), Vec<Problem>> {
    // As if nothing were defined: views are planned against what the source itself declares.
    let nothing = Definitions::default();
    match apps::plan((&nothing, terms), TenantId::ONLY, source) {
        Ok(_) => Ok(()),
        Err(AppError::Mistakes { problems, .. }) => Err(problems),
        Err(other) => Err(vec![other.problem()]),
    }
}

/// A source without mistakes.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What it declares, as if nothing else were defined.
    pub definitions: Definitions,
    /// Its views in the order of the source.
    pub views: Vec<CheckedView>,
}

/// A view of a source without mistakes.
#[derive(Clone, Debug)]
pub struct CheckedView {
    /// Its name.
    pub name: StreamName,
    /// Where it is declared.
    pub place: Place,
    /// As it would be run.
    pub plan: PlannedView,
}

/// Finds every mistake, and gives the views as they would be run.
///
/// # Errors
/// As `check`.
pub fn checked(source: &Source, terms: &dyn Terms) -> Result<Checked, Vec<Problem>> {
    check(source, terms)?;
    let broken = |error: &dyn Fault| vec![error.problem()];
    let nothing = Definitions::default();
    let planned = apps::plan((&nothing, terms), TenantId::ONLY, source);
    let planned = planned.map_err(|error| broken(&error))?;
    let definitions = preview(nothing, &planned.changes, Seq(1)).map_err(|error| broken(&error))?;
    let mut views = Vec::new();
    for Declared { declaration, place } in declared(source, terms)? {
        if let Declaration::View(text) = declaration {
            views.push(CheckedView {
                plan: mainstem_sql::plan_view(&definitions, TenantId::ONLY, &text)?,
                name: text.name.clone(),
                place,
            });
        }
    }
    Ok(Checked { definitions, views })
}

/// What the source declares, if it has no mistakes.
pub(crate) fn declared(source: &Source, terms: &dyn Terms) -> Result<Vec<Declared>, Vec<Problem>> {
    let declared = mainstem_sql::declarations(&source.files)?;
    let mut problems = stored_names(&declared);
    problems.extend(declared.iter().filter_map(|declared| {
        let Declaration::Stream(spec) = &declared.declaration else {
            return None;
        };
        let refused = terms.stream(spec)?;
        Some(Problem {
            position: Some(declared.place.clone()),
            ..refused
        })
    }));
    problems.sort_by(|a, b| a.position.cmp(&b.position));
    if problems.is_empty() {
        Ok(declared)
    } else {
        Err(problems)
    }
}

/// Names that are fine as SQL and cannot be kept: of dead letters and late rows, and of columns in
/// open files.
fn stored_names(declared: &[Declared]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for Declared { declaration, place } in declared {
        match declaration {
            Declaration::Stream(spec) => {
                let object = words::label(Kind::Stream, &spec.name);
                problems.extend(letters_too_long(&object, place));
                problems.extend(equal_but_for_case(&object, &spec.columns, place));
            }
            Declaration::Table(spec) => {
                let object = words::label(Kind::Table, &spec.name);
                problems.extend(equal_but_for_case(&object, &spec.columns, place));
            }
            Declaration::View(text) => {
                let object = words::label(Kind::View, &text.name);
                problems.extend(letters_too_long(&object, place));
                if text.emit.is_some_and(|emit| emit.has_late()) {
                    problems.extend(late_declared(&object, declared));
                }
            }
            _ => {}
        }
    }
    problems
}

/// Another object that is declared under the name of a view's late rows.
fn late_declared(view: &Label, declared: &[Declared]) -> Option<Problem> {
    let late = late_name(&view.name).ok()?;
    declared.iter().find_map(|Declared { declaration, place }| {
        let other = match declaration {
            Declaration::Stream(spec) => words::label(Kind::Stream, &spec.name),
            Declaration::Table(spec) => words::label(Kind::Table, &spec.name),
            Declaration::View(text) => words::label(Kind::View, &text.name),
            _ => return None,
        };
        (other.name == late).then(|| late_taken(&view.name, &other, place))
    })
}

fn letters_too_long(object: &Label, place: &Place) -> Option<Problem> {
    let Label { kind, name } = object;
    let error = dead_letters_name(name).err()?;
    let message = format!("name \"{name}\" is too long for a {kind}");
    Some(Problem {
        detail: Some(format!("Its dead letters would not get one: {error}.")),
        hint: Some("choose a name of at most 50 bytes".to_owned()),
        ..problem(Code::App009, message, Some(place))
    })
}

fn equal_but_for_case(object: &Label, columns: &Columns, place: &Place) -> Vec<Problem> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for column in &columns.0 {
        let name = column.name.as_str();
        if let Some(first) = seen.insert(name.to_ascii_lowercase(), name) {
            let message =
                format!("columns \"{first}\" and \"{name}\" of {object} differ only by case");
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
