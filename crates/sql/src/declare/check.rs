//! What several statements can get wrong together: names, and renames that lead nowhere.

use std::collections::BTreeMap;

use mainstem_kernel::{Code, Columns, Place, Problem};

use super::{
    Declaration, Declared,
    cursor::{Told, mistake},
};
use crate::nearest::did_you_mean;

/// A declared object.
#[derive(Clone, Copy)]
struct Object<'a> {
    /// As messages call it.
    kind: &'static str,
    /// As CREATE calls it.
    statement: &'static str,
    /// `None` for a view: its columns are known when it is planned.
    columns: Option<&'a Columns>,
    place: &'a Place,
}

type Objects<'a> = BTreeMap<&'a str, Object<'a>>;

/// Checks the declarations against each other. Renames are only checked when `complete`: a
/// statement that did not read would be missed once more.
pub(crate) fn across(declared: &[Declared], complete: bool, problems: &mut Vec<Problem>) {
    let mut objects = Objects::new();
    for Declared { declaration, place } in declared {
        let Some((name, object)) = object(declaration, place) else {
            continue;
        };
        let Object { kind, .. } = object;
        if let Some(first) = objects.get(name) {
            let message = match first.kind == kind {
                true => format!("{kind} \"{name}\" is declared twice"),
                false => format!(
                    "name \"{name}\" is declared as a {} and as a {kind}",
                    first.kind
                ),
            };
            problems.push(
                mistake(Code::Sql006, place.clone(), message)
                    .detail(format!("It was declared first at {}.", first.place))
                    .hint("names are unique in a tenant; unquoted ones fold to lower case"),
            );
        } else {
            objects.insert(name, object);
        }
    }
    if complete {
        renames(declared, &objects, problems);
    }
}

fn object<'a>(declaration: &'a Declaration, place: &'a Place) -> Option<(&'a str, Object<'a>)> {
    let (name, kind, statement, columns) = match declaration {
        Declaration::Stream(spec) => (&spec.name, "stream", "STREAM", Some(&spec.columns)),
        Declaration::Table(spec) => (&spec.name, "table", "TABLE", Some(&spec.columns)),
        Declaration::View(text) => (&text.name, "view", "MATERIALIZED VIEW", None),
        Declaration::RenameObject { .. } | Declaration::RenameColumn { .. } => return None,
    };
    let object = Object {
        kind,
        statement,
        columns,
        place,
    };
    Some((name.as_str(), object))
}

fn renames(declared: &[Declared], objects: &Objects<'_>, problems: &mut Vec<Problem>) {
    let mut seen: BTreeMap<(&str, &str), &Place> = BTreeMap::new();
    for Declared { declaration, place } in declared {
        let (object, from, to) = match declaration {
            Declaration::RenameObject { from, to } => ("", from.as_str(), to.as_str()),
            Declaration::RenameColumn { object, from, to } => {
                (object.as_str(), from.as_str(), to.as_str())
            }
            Declaration::Stream(_) | Declaration::Table(_) | Declaration::View(_) => continue,
        };
        if let Some(first) = seen.insert((object, from), place) {
            let message = format!("\"{from}\" is renamed twice");
            problems.push(
                mistake(Code::Sql006, place.clone(), message)
                    .detail(format!("It was renamed first at {first}.")),
            );
            continue;
        }
        problems.extend(match object {
            "" => object_rename((from, to), objects, place),
            object => column_rename(object, (from, to), objects, place),
        });
    }
}

fn object_rename(
    (from, to): (&str, &str),
    objects: &Objects<'_>,
    place: &Place,
) -> Option<Problem> {
    let from_object = objects.get(from);
    let Some(_) = objects.get(to) else {
        let message = format!("\"{to}\" is not declared, so \"{from}\" cannot become it");
        let kind = from_object.map_or("STREAM", |object| object.statement);
        let problem = mistake(Code::Sql007, place.clone(), message);
        return Some(problem.hint(format!(
            "rename it in its statement too: CREATE {kind} {to} …"
        )));
    };
    from_object.map(
        |Object {
             kind, place: first, ..
         }| {
            let message = format!("{kind} \"{from}\" is renamed and declared");
            mistake(Code::Sql006, place.clone(), message)
                .detail(format!("It is declared at {first}."))
                .hint("remove the statement that declares the old name")
        },
    )
}

fn column_rename(
    name: &str,
    (from, to): (&str, &str),
    objects: &Objects<'_>,
    place: &Place,
) -> Option<Problem> {
    let Some(object) = objects.get(name) else {
        let message = format!("\"{name}\" is not declared");
        return Some(
            mistake(Code::Sql007, place.clone(), message)
                .hint_if(did_you_mean(name, objects.keys().copied())),
        );
    };
    let Object {
        kind,
        place: first,
        columns,
        ..
    } = object;
    let columns = (*columns)?;
    if columns.get(to).is_none() {
        let names = columns.0.iter().map(|column| column.name.as_str());
        let message =
            format!("{kind} \"{name}\" has no column \"{to}\", so \"{from}\" cannot become it");
        return Some(
            mistake(Code::Sql007, place.clone(), message).hint_if(did_you_mean(to, names)),
        );
    }
    columns.get(from).map(|_| {
        let message = format!("column \"{from}\" is renamed and declared");
        mistake(Code::Sql006, place.clone(), message)
            .detail(format!("The {kind} \"{name}\" declares it at {first}."))
            .hint("remove the old name from the statement")
    })
}
