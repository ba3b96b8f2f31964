//! Which existing stream and column a declared one is: by name, by RENAME, or come back. Pure.
//!
//! It never judges whether the object may become what is declared: `evolution` does.

use std::{collections::BTreeMap, sync::Arc};

use mainstem_catalog::{StreamDef, StreamSpec};
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
    /// Live streams by the name that they get.
    streams: BTreeMap<&'a str, Arc<StreamDef>>,
    /// Of columns, by their stream's name.
    columns: BTreeMap<&'a str, Vec<ColumnRename<'a>>>,
}

impl<'a> Renames<'a> {
    /// Those that still are to be carried out. `live` are the application's streams by name.
    pub(crate) fn read(
        declared: &'a [Declared],
        live: &BTreeMap<&str, &Arc<StreamDef>>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut renames = Self::default();
        for Declared { declaration, place } in declared {
            match declaration {
                Declaration::RenameColumn { stream, from, to } => {
                    let rename = ColumnRename { from, to, place };
                    renames
                        .columns
                        .entry(stream.as_str())
                        .or_default()
                        .push(rename);
                }
                Declaration::RenameStream { from, to } => {
                    let Some(def) = live.get(from.as_str()) else {
                        continue;
                    };
                    if live.contains_key(to.as_str()) {
                        problems.push(taken("stream", from, to, place));
                    } else if renames.streams.insert(to, Arc::clone(def)).is_some() {
                        problems.push(twice(to, place));
                    }
                }
                _ => {}
            }
        }
        renames
    }

    /// The stream that gets this name.
    pub(crate) fn stream(&self, name: &str) -> Option<&Arc<StreamDef>> {
        self.streams.get(name)
    }

    /// The declared columns with the ids that they have in `def`; 0 if they are new.
    pub(crate) fn with_ids(
        &self,
        spec: &StreamSpec,
        def: &StreamDef,
        problems: &mut Vec<Problem>,
    ) -> StreamSpec {
        let renames = self
            .columns
            .get(spec.name.as_str())
            .map_or(&[][..], Vec::as_slice);
        let shown = &def.spec.columns;
        let mut moved: BTreeMap<&str, &Column> = BTreeMap::new();
        for ColumnRename { from, to, place } in renames {
            let Some(column) = shown.get(from) else {
                continue;
            };
            if shown.get(to).is_some() {
                problems.push(taken("column", from, to, place));
            } else if moved.insert(to, column).is_some() {
                problems.push(twice(to, place));
            }
        }
        let hidden = def.hidden();
        let id_of = |column: &Column| {
            let name = column.name.as_str();
            let known = moved
                .get(name)
                .copied()
                .or_else(|| shown.get(name))
                .or_else(|| {
                    // The newest column that had this name and type.
                    hidden
                        .iter()
                        .rev()
                        .copied()
                        .find(|c| c.name == column.name && c.ty == column.ty)
                });
            known.map_or(0, |known| known.id)
        };
        let columns = spec.columns.0.iter();
        let columns = columns.map(|column| Column {
            id: id_of(column),
            ..column.clone()
        });
        StreamSpec {
            columns: Columns(columns.collect()),
            ..spec.clone()
        }
    }
}

fn taken(kind: &str, from: &str, to: &str, place: &Place) -> Problem {
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
