//! Columns from version to version. Pure; never any names of streams.
//!
//! A schema only goes forward. Allowed are: a new column that allows NULL, dropping NOT NULL,
//! another name, another order, hiding a column that allows NULL (a rollback does that), and
//! the return of a hidden column under its id, which must be of the same type and allow NULL.
//! A column keeps its id for ever and no other column of the stream ever gets it.

use std::collections::BTreeSet;

use mainstem_kernel::{Column, Columns};

use crate::{
    definition::{StreamDef, StreamSpec},
    errors::FoldError,
};

/// A new stream: ids from 1, in order.
pub(super) fn first(spec: &StreamSpec) -> StreamSpec {
    let columns = (1..).zip(&spec.columns.0).map(|(id, column)| Column {
        id,
        ..column.clone()
    });
    StreamSpec {
        columns: Columns(columns.collect()),
        ..spec.clone()
    }
}

/// The next version of a stream: new columns get the next ids.
pub(super) fn next(def: &StreamDef, spec: &StreamSpec) -> Result<StreamSpec, FoldError> {
    // Newest first: most columns are found at once, as they were last.
    let all = || {
        let entries = def.schemas.iter().rev();
        entries.flat_map(|entry| &entry.columns.0)
    };
    let mut next = all().map(|column| column.id).max().unwrap_or(0);
    let mut seen = BTreeSet::new();
    let mut columns = Vec::with_capacity(spec.columns.0.len());
    for column in &spec.columns.0 {
        let mut column = column.clone();
        if column.id == 0 {
            next = next.saturating_add(1);
            column.id = next;
            check_null(def, &column, None)?;
        } else {
            let before = all().find(|old| old.id == column.id);
            let before = before.filter(|_| seen.insert(column.id));
            let before = before.ok_or_else(|| FoldError::ColumnUnknown {
                stream: def.spec.name.clone(),
                id: column.id,
            })?;
            check_same(def, &column, before)?;
        }
        columns.push(column);
    }
    for old in def.spec.columns.0.iter().filter(|old| !old.nullable) {
        if !seen.contains(&old.id) {
            let (stream, column) = (def.spec.name.clone(), old.name.clone());
            return Err(FoldError::Required { stream, column });
        }
    }
    Ok(StreamSpec {
        columns: Columns(columns),
        ..spec.clone()
    })
}

fn check_same(def: &StreamDef, column: &Column, before: &Column) -> Result<(), FoldError> {
    if column.ty != before.ty {
        return Err(FoldError::TypeChanged {
            stream: def.spec.name.clone(),
            column: column.name.clone(),
            from: before.ty.clone(),
            to: column.ty.clone(),
        });
    }
    let shown = def.spec.columns.0.iter().find(|old| old.id == column.id);
    check_null(def, column, shown)
}

/// Only a column that is shown and NOT NULL can stay so: all others are missing from some rows.
fn check_null(def: &StreamDef, column: &Column, shown: Option<&Column>) -> Result<(), FoldError> {
    if column.nullable || shown.is_some_and(|old| !old.nullable) {
        return Ok(());
    }
    Err(FoldError::MustAllowNull {
        stream: def.spec.name.clone(),
        column: column.name.clone(),
    })
}
