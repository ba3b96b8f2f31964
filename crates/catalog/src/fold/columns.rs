//! Columns of streams and tables from version to version. Pure; never any names of objects.
//!
//! A schema only goes forward. Allowed are: a new column that allows NULL, dropping NOT NULL,
//! another name, another order, hiding a column that allows NULL (a rollback does that), and
//! the return of a hidden column under its id, which must be of the same type and allow NULL.
//! A column keeps its id for ever and no other column of the stream ever gets it.

use std::collections::BTreeSet;

use mainstem_kernel::{Column, Columns, SchemaVersion};

use crate::{definition::SchemaEntry, errors::FoldError, object::Label};

/// Whose columns change, and what they were.
pub(super) struct Before<'a> {
    pub(super) object: Label,
    /// All versions, oldest first.
    pub(super) schemas: &'a [SchemaEntry],
}

/// Columns of a new object: ids from 1, in order.
pub(super) fn first(columns: &Columns) -> Columns {
    let columns = (1..).zip(&columns.0).map(|(id, column)| Column {
        id,
        ..column.clone()
    });
    Columns(columns.collect())
}

impl Before<'_> {
    /// The next version: new columns get the next ids.
    pub(super) fn next(&self, wanted: &Columns) -> Result<Columns, FoldError> {
        // Newest first: most columns are found at once, as they were last.
        let all = || {
            let entries = self.schemas.iter().rev();
            entries.flat_map(|entry| &entry.columns.0)
        };
        let mut next = all().map(|column| column.id).max().unwrap_or(0);
        let mut seen = BTreeSet::new();
        let mut columns = Vec::with_capacity(wanted.0.len());
        for column in &wanted.0 {
            let mut column = column.clone();
            if column.id == 0 {
                next = next.saturating_add(1);
                column.id = next;
                self.check_null(&column, None)?;
            } else {
                let before = all().find(|old| old.id == column.id);
                let before = before.filter(|_| seen.insert(column.id));
                let before = before.ok_or_else(|| FoldError::ColumnUnknown {
                    object: self.object.clone(),
                    id: column.id,
                })?;
                self.check_same(&column, before)?;
            }
            columns.push(column);
        }
        for old in self.shown().iter().filter(|old| !old.nullable) {
            if !seen.contains(&old.id) {
                let (object, column) = (self.object.clone(), old.name.clone());
                return Err(FoldError::Required { object, column });
            }
        }
        Ok(Columns(columns))
    }

    fn shown(&self) -> &[Column] {
        let newest = self.schemas.last();
        newest.map_or(&[], |entry| entry.columns.0.as_slice())
    }

    fn check_same(&self, column: &Column, before: &Column) -> Result<(), FoldError> {
        if column.ty != before.ty {
            return Err(FoldError::TypeChanged {
                object: self.object.clone(),
                column: column.name.clone(),
                from: before.ty.clone(),
                to: column.ty.clone(),
            });
        }
        let shown = self.shown().iter().find(|old| old.id == column.id);
        self.check_null(column, shown)
    }

    /// Only a column that is shown and NOT NULL can stay so: all others are missing from some rows.
    fn check_null(&self, column: &Column, shown: Option<&Column>) -> Result<(), FoldError> {
        if column.nullable || shown.is_some_and(|old| !old.nullable) {
            return Ok(());
        }
        Err(FoldError::MustAllowNull {
            object: self.object.clone(),
            column: column.name.clone(),
        })
    }
}

/// All versions and one more, if the columns are not those of the newest.
pub(super) fn grown(schemas: &[SchemaEntry], columns: &Columns) -> Vec<SchemaEntry> {
    let mut schemas = schemas.to_vec();
    let newest = schemas.last();
    if newest.is_none_or(|newest| newest.columns != *columns) {
        let before = newest.map_or(0, |newest| newest.version.0);
        schemas.push(SchemaEntry {
            version: SchemaVersion(before.saturating_add(1)),
            columns: columns.clone(),
        });
    }
    schemas
}
