//! What must hold of one declaration by itself. Pure.

use std::collections::BTreeSet;

use mainstem_kernel::{
    Column, ColumnName, ColumnType, Columns, StreamName,
    types::{EXTRA_COLUMN, OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN},
};

use crate::{
    definition::{DELETED_COLUMN, StreamSpec, TableSpec, ViewSpec},
    errors::FoldError,
    letters::DEAD_LETTERS_SUFFIX,
    object::{Kind, Label},
};

/// Columns that every stream or change stream has besides its own.
const SYSTEM: [&str; 5] = [
    SEQ_COLUMN,
    PARTITION_COLUMN,
    OFFSET_COLUMN,
    EXTRA_COLUMN,
    DELETED_COLUMN,
];

/// Checks names, and that every clause names a column that fits it.
pub(super) fn check(spec: &StreamSpec) -> Result<(), FoldError> {
    let declared = Declared::new(Kind::Stream, &spec.name, &spec.columns)?;
    if spec.partitions == 0 {
        return Err(declared.empty("partitions"));
    }
    declared.check_columns(&[])?;
    for name in &spec.partition_by {
        declared.fits(name, "PARTITION BY", |column| column.ty.is_key())?;
    }
    if let Some(watermark) = &spec.watermark {
        declared.fits(&watermark.column, "WATERMARK", is_time)?;
    }
    if let Some(deduplicate) = &spec.deduplicate {
        declared.fits(&deduplicate.column, "DEDUPLICATE BY", |column| {
            column.ty.is_key()
        })?;
    }
    Ok(())
}

/// Checks names, and that the key is one.
pub(super) fn check_table(spec: &TableSpec) -> Result<(), FoldError> {
    let declared = Declared::new(Kind::Table, &spec.name, &spec.columns)?;
    if spec.key.is_empty() {
        return Err(declared.empty("key"));
    }
    declared.check_columns(&[])?;
    let mut seen = BTreeSet::new();
    for name in &spec.key {
        let is_new = seen.insert(name);
        declared.fits(name, "PRIMARY KEY", |column| {
            is_new && column.ty.is_key() && !column.nullable
        })?;
    }
    for name in spec.defaults.keys() {
        declared.fits(name, "DEFAULT", |_| true)?;
    }
    Ok(())
}

/// Checks names, and that what the planner says of its columns is true.
pub(super) fn check_view(spec: &ViewSpec) -> Result<(), FoldError> {
    let declared = Declared::new(Kind::View, &spec.name, &spec.columns)?;
    if spec.reads.is_empty() {
        return Err(declared.empty("inputs"));
    }
    if spec.key.is_empty() && !spec.emit.is_stream() {
        return Err(declared.empty("key"));
    }
    declared.check_columns(&spec.hidden)?;
    for (names, clause) in [(&spec.key, "the key"), (&spec.hidden, "a hidden column")] {
        for name in names {
            declared.fits(name, clause, |_| true)?;
        }
    }
    for name in spec.key.iter().filter(|_| spec.emit.is_stream()) {
        declared.fits(name, "a stream, which has no key", |_| false)?;
    }
    if let Some(watermark) = &spec.watermark {
        declared.fits(&watermark.column, "WATERMARK", is_time)?;
    }
    Ok(())
}

fn is_time(column: &Column) -> bool {
    column.ty == ColumnType::TimestampTz
}

struct Declared<'a> {
    object: Label,
    columns: &'a Columns,
}

impl<'a> Declared<'a> {
    fn new(kind: Kind, name: &StreamName, columns: &'a Columns) -> Result<Self, FoldError> {
        let text = name.as_str();
        if text.starts_with('_') || text.ends_with(DEAD_LETTERS_SUFFIX) {
            return Err(FoldError::NameReserved {
                name: text.to_owned(),
            });
        }
        let name = name.clone();
        let object = Label { kind, name };
        Ok(Self { object, columns })
    }

    fn empty(&self, part: &'static str) -> FoldError {
        let object = self.object.clone();
        FoldError::Empty { object, part }
    }

    /// Open table files are read by programs that do not tell upper from lower case.
    fn check_columns(&self, hidden: &[ColumnName]) -> Result<(), FoldError> {
        if self.columns.0.is_empty() {
            return Err(self.empty("columns"));
        }
        let mut names = BTreeSet::new();
        for column in &self.columns.0 {
            let name = column.name.as_str();
            let is_free = !name.starts_with('_') || hidden.contains(&column.name);
            if !is_free || SYSTEM.contains(&name) {
                let name = name.to_owned();
                return Err(FoldError::NameReserved { name });
            }
            if !names.insert(name.to_ascii_lowercase()) {
                let (object, column) = (self.object.clone(), column.name.clone());
                return Err(FoldError::ColumnTwice { object, column });
            }
        }
        Ok(())
    }

    fn fits(
        &self,
        column: &ColumnName,
        clause: &'static str,
        is_fit: impl Fn(&Column) -> bool,
    ) -> Result<(), FoldError> {
        if self.columns.get(column.as_str()).is_some_and(is_fit) {
            return Ok(());
        }
        let (object, column) = (self.object.clone(), column.clone());
        Err(FoldError::ColumnUnfit {
            object,
            column,
            clause,
        })
    }
}

/// The number of partitions and the columns that choose one never change; the latter may get
/// other names.
pub(super) fn check_partitions(old: &StreamSpec, new: &StreamSpec) -> Result<(), FoldError> {
    if old.partitions == new.partitions && old.partition_ids() == new.partition_ids() {
        return Ok(());
    }
    Err(FoldError::Partitions {
        stream: new.name.clone(),
    })
}

/// A key never changes; its columns may get other names.
pub(super) fn check_key(old: &TableSpec, new: &TableSpec) -> Result<(), FoldError> {
    if old.key_ids() == new.key_ids() {
        return Ok(());
    }
    let object = Label {
        kind: Kind::Table,
        name: new.name.clone(),
    };
    Err(FoldError::Key { object })
}
