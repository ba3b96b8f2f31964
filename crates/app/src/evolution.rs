//! What a stream or table may become, and what is refused, in words. Pure; columns are matched by
//! id.

use mainstem_catalog::{Kind, Label, StreamDef, StreamSpec, TableDef, TableSpec};
use mainstem_kernel::{Code, Column, ColumnName, Columns, Place, Problem};

use crate::words::{self, problem};

/// Takes over from the stream what the declaration cannot have and could not have had before
/// either: `stored` is what was applied last, with the ids that its columns have now. So what
/// drifted, or what a rollback could not take back, is reported as drift and stands in nobody's
/// way.
pub(crate) fn settle_stream(
    wanted: &StreamSpec,
    def: &StreamDef,
    stored: Option<&StreamSpec>,
) -> StreamSpec {
    let mut spec = wanted.clone();
    let Some(stored) = stored else { return spec };
    spec.columns = settled(&wanted.columns, &def.spec.columns, &stored.columns);
    if (wanted.partitions, wanted.partition_ids()) == (stored.partitions, stored.partition_ids()) {
        spec.partitions = def.spec.partitions;
        spec.partition_by = names_of(&def.spec.partition_ids(), &spec.columns);
    }
    spec
}

/// The same for a table.
pub(crate) fn settle_table(
    wanted: &TableSpec,
    def: &TableDef,
    stored: Option<&TableSpec>,
) -> TableSpec {
    let mut spec = wanted.clone();
    if let Some(stored) = stored {
        spec.columns = settled(&wanted.columns, &def.spec.columns, &stored.columns);
    }
    spec
}

fn settled(wanted: &Columns, shown: &Columns, stored: &Columns) -> Columns {
    let mut columns = wanted.clone();
    for column in &mut columns.0 {
        let Some(applied) = same(stored, column) else {
            continue;
        };
        let actual = of_id(shown, column.id);
        if let Some(actual) = actual.filter(|_| applied.ty == column.ty) {
            column.ty = actual.ty.clone();
        }
        if actual.is_none_or(|actual| actual.nullable) && !applied.nullable {
            column.nullable = true;
        }
    }
    for actual in &shown.0 {
        let is_wanted = columns.0.iter().any(|column| column.id == actual.id);
        if !is_wanted && same(stored, actual).is_none() {
            columns.0.push(actual.clone());
        }
    }
    columns
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

fn names_of(ids: &[u32], columns: &Columns) -> Vec<ColumnName> {
    let find = |id: &u32| columns.0.iter().find(|column| column.id == *id);
    ids.iter()
        .filter_map(find)
        .map(|column| column.name.clone())
        .collect()
}

fn of_id(columns: &Columns, id: u32) -> Option<&Column> {
    let mut columns = columns.0.iter();
    columns.find(|column| column.id == id && id != 0)
}

/// Everything that keeps a stream from becoming what is declared.
pub(crate) fn stream_refusals(def: &StreamDef, spec: &StreamSpec, place: &Place) -> Vec<Problem> {
    let way = Way {
        from: (
            words::label(Kind::Stream, &def.spec.name),
            &def.spec.columns,
        ),
        to: (words::label(Kind::Stream, &spec.name), &spec.columns),
        place,
    };
    let mut problems = way.columns();
    problems.extend(partitions(def, spec, place));
    problems
}

/// Everything that keeps a table from becoming what is declared.
pub(crate) fn table_refusals(def: &TableDef, spec: &TableSpec, place: &Place) -> Vec<Problem> {
    let way = Way {
        from: (words::label(Kind::Table, &def.spec.name), &def.spec.columns),
        to: (words::label(Kind::Table, &spec.name), &spec.columns),
        place,
    };
    if def.spec.key_ids() != spec.key_ids() {
        // Columns of another key are another NOT NULL: saying that as well would only confuse.
        return vec![key(def, spec, place)];
    }
    way.columns()
}

/// From the columns that are there to those that are declared.
struct Way<'a> {
    from: (Label, &'a Columns),
    to: (Label, &'a Columns),
    place: &'a Place,
}

impl Way<'_> {
    fn columns(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let (shown, wanted) = (self.from.1, self.to.1);
        for column in &wanted.0 {
            match of_id(shown, column.id) {
                Some(actual) => problems.extend(self.changed(actual, column)),
                None if column.nullable => {}
                None => problems.push(self.must_allow_null(column)),
            }
        }
        for gone in &shown.0 {
            if !wanted.0.iter().any(|column| column.id == gone.id) {
                problems.push(self.removed(gone));
            }
        }
        problems
    }

    fn changed(&self, old: &Column, new: &Column) -> Option<Problem> {
        let (object, name) = (&self.from.0, &new.name);
        if old.ty != new.ty {
            let (from, to) = (&old.ty, &new.ty);
            let message = format!("column \"{name}\" of {object} cannot become {to}");
            return Some(Problem {
                detail: Some(format!(
                    "It is {from}, and rows that are written keep their type."
                )),
                hint: Some(format!("add a column of another name: {name}_2 {to}")),
                ..problem(Code::App003, message, Some(self.place))
            });
        }
        if old.nullable && !new.nullable {
            let message = format!("column \"{name}\" of {object} cannot become NOT NULL");
            return Some(Problem {
                detail: Some("It allows NULL, and rows that are written may have it.".to_owned()),
                hint: Some("leave NOT NULL out".to_owned()),
                ..problem(Code::App008, message, Some(self.place))
            });
        }
        None
    }

    fn must_allow_null(&self, column: &Column) -> Problem {
        let (object, name) = (&self.to.0, &column.name);
        let message = format!("new column \"{name}\" of {object} must allow NULL");
        Problem {
            detail: Some("Rows that were written before do not have it.".to_owned()),
            hint: Some(format!("leave NOT NULL out: {name} {}", column.ty)),
            ..problem(Code::App004, message, Some(self.place))
        }
    }

    fn removed(&self, gone: &Column) -> Problem {
        let (object, name) = (&self.to.0, &gone.name);
        let is_new = |column: &&Column| column.id == 0 && column.ty == gone.ty;
        let hint = match self.to.1.0.iter().find(is_new) {
            Some(new) => format!(
                "if it is \"{}\" now, write RENAME {}.{name} TO {}",
                new.name, object.name, new.name
            ),
            None => format!(
                "declare it again: {}",
                words::column(gone).trim_start_matches("column ")
            ),
        };
        Problem {
            detail: Some(format!(
                "A {} keeps its columns, because rows keep them.",
                object.kind
            )),
            hint: Some(hint),
            ..problem(
                Code::App005,
                format!("column \"{name}\" of {object} is no longer declared"),
                Some(self.place),
            )
        }
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

fn key(def: &TableDef, spec: &TableSpec, place: &Place) -> Problem {
    let key = words::names(&def.spec.key);
    Problem {
        detail: Some(format!(
            "It is ({key}), and rows that are written are found by it."
        )),
        hint: Some("keep it, or declare a new table".to_owned()),
        ..problem(
            Code::App016,
            format!("the key of table \"{}\" cannot change", spec.name),
            Some(place),
        )
    }
}
