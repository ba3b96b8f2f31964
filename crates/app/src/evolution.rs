//! What a stream may become, and what is refused, in words. Pure; columns are matched by id.

use mainstem_catalog::{StreamDef, StreamSpec};
use mainstem_kernel::{Code, Column, Columns, Place, Problem};

use crate::words::{self, problem};

/// Takes over from the stream what the declaration cannot have and could not have had before
/// either: `stored` is what was applied last, with the ids that its columns have now. So what
/// drifted, or what a rollback could not take back, is reported as drift and stands in nobody's
/// way.
pub(crate) fn settle(
    wanted: &StreamSpec,
    def: &StreamDef,
    stored: Option<&StreamSpec>,
) -> StreamSpec {
    let mut spec = wanted.clone();
    let Some(stored) = stored else { return spec };
    for column in &mut spec.columns.0 {
        let Some(applied) = same(&stored.columns, column) else {
            continue;
        };
        let actual = shown(def, column.id);
        if let Some(actual) = actual.filter(|_| applied.ty == column.ty) {
            column.ty = actual.ty.clone();
        }
        if actual.is_none_or(|actual| actual.nullable) && !applied.nullable {
            column.nullable = true;
        }
    }
    for actual in &def.spec.columns.0 {
        let is_wanted = spec.columns.0.iter().any(|column| column.id == actual.id);
        if !is_wanted && same(&stored.columns, actual).is_none() {
            spec.columns.0.push(actual.clone());
        }
    }
    if (wanted.partitions, wanted.partition_ids()) == (stored.partitions, stored.partition_ids()) {
        spec.partitions = def.spec.partitions;
        spec.partition_by = names_of(&def.spec.partition_ids(), &spec.columns);
    }
    spec
}

/// The column of the same id, or of the same name while it has none.
fn same<'a>(columns: &'a Columns, column: &Column) -> Option<&'a Column> {
    match column.id {
        0 => columns
            .get(column.name.as_str())
            .filter(|found| found.id == 0),
        id => columns.0.iter().find(|found| found.id == id),
    }
}

fn names_of(ids: &[u32], columns: &Columns) -> Vec<mainstem_kernel::ColumnName> {
    let find = |id: &u32| columns.0.iter().find(|column| column.id == *id);
    ids.iter()
        .filter_map(find)
        .map(|column| column.name.clone())
        .collect()
}

fn shown(def: &StreamDef, id: u32) -> Option<&Column> {
    def.spec
        .columns
        .0
        .iter()
        .find(|column| column.id == id && id != 0)
}

/// Everything that keeps a stream from becoming what is declared.
pub(crate) fn refusals(def: &StreamDef, spec: &StreamSpec, place: &Place) -> Vec<Problem> {
    let mut problems = Vec::new();
    for column in &spec.columns.0 {
        match shown(def, column.id) {
            Some(actual) => problems.extend(changed(def, actual, column, place)),
            None if column.nullable => {}
            None => problems.push(must_allow_null(spec, column, place)),
        }
    }
    for gone in &def.spec.columns.0 {
        if !spec.columns.0.iter().any(|column| column.id == gone.id) {
            problems.push(removed(spec, gone, place));
        }
    }
    problems.extend(partitions(def, spec, place));
    problems
}

fn changed(def: &StreamDef, old: &Column, new: &Column, place: &Place) -> Option<Problem> {
    let (stream, name) = (&def.spec.name, &new.name);
    if old.ty != new.ty {
        let (from, to) = (&old.ty, &new.ty);
        let message = format!("column \"{name}\" of stream \"{stream}\" cannot become {to}");
        return Some(Problem {
            detail: Some(format!(
                "It is {from}, and rows that are written keep their type."
            )),
            hint: Some(format!("add a column of another name: {name}_2 {to}")),
            ..problem(Code::App003, message, Some(place))
        });
    }
    if old.nullable && !new.nullable {
        let message = format!("column \"{name}\" of stream \"{stream}\" cannot become NOT NULL");
        return Some(Problem {
            detail: Some("It allows NULL, and rows that are written may have it.".to_owned()),
            hint: Some("leave NOT NULL out".to_owned()),
            ..problem(Code::App008, message, Some(place))
        });
    }
    None
}

fn must_allow_null(spec: &StreamSpec, column: &Column, place: &Place) -> Problem {
    let (stream, name) = (&spec.name, &column.name);
    let message = format!("new column \"{name}\" of stream \"{stream}\" must allow NULL");
    Problem {
        detail: Some("Rows that were written before do not have it.".to_owned()),
        hint: Some(format!("leave NOT NULL out: {name} {}", column.ty)),
        ..problem(Code::App004, message, Some(place))
    }
}

fn removed(spec: &StreamSpec, gone: &Column, place: &Place) -> Problem {
    let (stream, name) = (&spec.name, &gone.name);
    let is_new = |column: &&Column| column.id == 0 && column.ty == gone.ty;
    let hint = match spec.columns.0.iter().find(is_new) {
        Some(new) => format!(
            "if it is \"{}\" now, write RENAME {stream}.{name} TO {}",
            new.name, new.name
        ),
        None => format!(
            "declare it again: {}",
            words::column(gone).trim_start_matches("column ")
        ),
    };
    Problem {
        detail: Some("A stream keeps its columns, because rows keep them.".to_owned()),
        hint: Some(hint),
        ..problem(
            Code::App005,
            format!("column \"{name}\" of stream \"{stream}\" is no longer declared"),
            Some(place),
        )
    }
}

fn partitions(def: &StreamDef, spec: &StreamSpec, place: &Place) -> Option<Problem> {
    let (old, stream) = (&def.spec, &spec.name);
    let is_same = old.partition_ids() == spec.partition_ids();
    if old.partitions == spec.partitions && is_same {
        return None;
    }
    let by = words::partition_by(&old.partition_by);
    Some(Problem {
        detail: Some(format!("It has {} partitions and {by}.", old.partitions)),
        hint: Some("keep them, or declare a new stream".to_owned()),
        ..problem(
            Code::App006,
            format!("the partitions of stream \"{stream}\" cannot change"),
            Some(place),
        )
    })
}
