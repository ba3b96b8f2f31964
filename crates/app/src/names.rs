//! Which existing object and column a declared one is: by name, by RENAME, or come back. Pure.
//!
//! It never judges whether the object may become what is declared: `evolution` does.

use std::collections::BTreeMap;

use mainstem_catalog::{Kind, Object, StreamDef, TableDef};
use mainstem_kernel::{Code, Column, Columns, Place, Problem};
use mainstem_sql::{Declaration, Declared};

use crate::words::problem;

/// A RENAME of a column and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColumnRename<'a> {
    from: &'a str,
    to: &'a str,
    place: &'a Place,
}

/// The renames of an application: they stay in its files when they are carried out long ago.
#[derive(Debug, Default)]
pub(crate) struct Renames<'a> {
    /// Live objects by the name that they get.
    objects: BTreeMap<&'a str, Object<'a>>,
    /// Of columns, by their object's name.
    columns: BTreeMap<&'a str, Vec<ColumnRename<'a>>>,
}

/// The columns that a stream or table has and had.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    shown: &'a Columns,
    hidden: Vec<&'a Column>,
}

impl<'a> Known<'a> {
    pub(crate) fn stream(def: &'a StreamDef) -> Self {
        Self {
            shown: &def.spec.columns,
            hidden: def.hidden(),
        }
    }

    pub(crate) fn table(def: &'a TableDef) -> Self {
        Self {
            shown: &def.spec.columns,
            hidden: def.hidden(),
        }
    }
}

impl<'a> Renames<'a> {
    /// Those that still are to be carried out. `live` are the application's objects by name.
    pub(crate) fn read(
        declared: &'a [Declared],
        live: &BTreeMap<&'a str, Object<'a>>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut renames = Self::default();
        for Declared { declaration, place } in declared {
            match declaration {
                Declaration::RenameColumn { object, from, to } => {
                    let rename = ColumnRename { from, to, place };
                    let renames = renames.columns.entry(object.as_str());
                    renames.or_default().push(rename);
                }
                Declaration::RenameObject { from, to } => {
                    let Some(object) = live.get(from.as_str()) else {
                        continue;
                    };
                    let becomes = kind_of(declared, to);
                    if live.contains_key(to.as_str()) {
                        problems.push(taken(object.kind(), (from, to), place));
                    } else if becomes.is_some_and(|kind| kind != object.kind()) {
                        problems.push(other_kind(*object, (becomes, to), place));
                    } else if renames.objects.insert(to, *object).is_some() {
                        problems.push(twice(to, place));
                    }
                }
                _ => {}
            }
        }
        renames
    }

    /// The object that gets this name.
    pub(crate) fn object(&self, name: &str) -> Option<Object<'a>> {
        self.objects.get(name).copied()
    }

    /// The declared columns of the object of that name with the ids that they have; 0 if they are
    /// new.
    pub(crate) fn with_ids(
        &self,
        (name, columns): (&str, &Columns),
        known: &Known<'_>,
        problems: &mut Vec<Problem>,
    ) -> Columns {
        let renames = self.columns.get(name).map_or(&[][..], Vec::as_slice);
        let shown = known.shown;
        let mut moved: BTreeMap<&str, &Column> = BTreeMap::new();
        for ColumnRename { from, to, place } in renames {
            let Some(column) = shown.get(from) else {
                continue;
            };
            if shown.get(to).is_some() {
                problems.push(column_taken((from, to), place));
            } else if moved.insert(to, column).is_some() {
                problems.push(twice(to, place));
            }
        }
        let id_of = |column: &Column| {
            let name = column.name.as_str();
            let found = moved
                .get(name)
                .copied()
                .or_else(|| shown.get(name))
                .or_else(|| {
                    // The newest column that had this name and type.
                    let mut hidden = known.hidden.iter().rev().copied();
                    hidden.find(|c| c.name == column.name && c.ty == column.ty)
                });
            found.map_or(0, |found| found.id)
        };
        let columns = columns.0.iter().map(|column| Column {
            id: id_of(column),
            ..column.clone()
        });
        Columns(columns.collect())
    }
}

/// What the declarations make of a name.
fn kind_of(declared: &[Declared], name: &str) -> Option<Kind> {
    declared
        .iter()
        .find_map(|declared| match &declared.declaration {
            Declaration::Stream(spec) if spec.name.as_str() == name => Some(Kind::Stream),
            Declaration::Table(spec) if spec.name.as_str() == name => Some(Kind::Table),
            Declaration::View(text) if text.name.as_str() == name => Some(Kind::View),
            _ => None,
        })
}

fn taken(kind: Kind, names: (&str, &str), place: &Place) -> Problem {
    exists(&kind.to_string(), names, place)
}

fn column_taken(names: (&str, &str), place: &Place) -> Problem {
    exists("column", names, place)
}

fn exists(kind: &str, (from, to): (&str, &str), place: &Place) -> Problem {
    Problem {
        detail: Some(format!(
            "Both {kind}s are defined, so neither can be the other."
        )),
        hint: Some("take the RENAME out, or let one of them go first".to_owned()),
        ..problem(
            Code::App007,
            format!("\"{to}\" exists, so \"{from}\" cannot become it"),
            Some(place),
        )
    }
}

fn other_kind(from: Object<'_>, (kind, to): (Option<Kind>, &str), place: &Place) -> Problem {
    let kind = kind.unwrap_or(from.kind());
    let message = format!("{} cannot become {kind} \"{to}\"", from.label());
    Problem {
        detail: Some(format!("RENAME keeps what it is: a {}.", from.kind())),
        hint: Some(format!(
            "take the RENAME out: \"{}\" is dropped then, and \"{to}\" is new",
            from.name()
        )),
        ..problem(Code::App018, message, Some(place))
    }
}

fn twice(to: &str, place: &Place) -> Problem {
    Problem {
        hint: Some("take all but one of the RENAMEs out".to_owned()),
        ..problem(
            Code::App007,
            format!("two are to become \"{to}\""),
            Some(place),
        )
    }
}
