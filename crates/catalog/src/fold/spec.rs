//! What must hold of one stream's declaration by itself. Pure.

use std::collections::BTreeSet;

use mainstem_kernel::{Column, ColumnName, ColumnType, StreamName};

use crate::{definition::StreamSpec, errors::FoldError, letters::DEAD_LETTERS_SUFFIX};

/// Checks names, and that every clause names a column that fits it.
pub(super) fn check(spec: &StreamSpec) -> Result<(), FoldError> {
    check_name(&spec.name)?;
    if spec.columns.0.is_empty() || spec.partitions == 0 {
        return Err(FoldError::Empty {
            stream: spec.name.clone(),
        });
    }
    // Open table files are read by programs that do not tell upper from lower case.
    let mut names = BTreeSet::new();
    for column in &spec.columns.0 {
        if column.name.as_str().starts_with('_') {
            return Err(FoldError::NameReserved {
                name: column.name.to_string(),
            });
        }
        if !names.insert(column.name.as_str().to_ascii_lowercase()) {
            let (stream, column) = (spec.name.clone(), column.name.clone());
            return Err(FoldError::ColumnTwice { stream, column });
        }
    }
    for name in &spec.partition_by {
        fits(spec, name, "PARTITION BY", |column| column.ty.is_key())?;
    }
    if let Some(watermark) = &spec.watermark {
        let is_time = |column: &Column| column.ty == ColumnType::TimestampTz;
        fits(spec, &watermark.column, "WATERMARK", is_time)?;
    }
    if let Some(deduplicate) = &spec.deduplicate {
        fits(spec, &deduplicate.column, "DEDUPLICATE BY", |column| {
            column.ty.is_key()
        })?;
    }
    Ok(())
}

fn check_name(name: &StreamName) -> Result<(), FoldError> {
    let text = name.as_str();
    if text.starts_with('_') || text.ends_with(DEAD_LETTERS_SUFFIX) {
        return Err(FoldError::NameReserved {
            name: text.to_owned(),
        });
    }
    Ok(())
}

fn fits(
    spec: &StreamSpec,
    column: &ColumnName,
    clause: &'static str,
    is_fit: impl Fn(&Column) -> bool,
) -> Result<(), FoldError> {
    if spec.columns.get(column.as_str()).is_some_and(is_fit) {
        return Ok(());
    }
    Err(FoldError::ColumnUnfit {
        stream: spec.name.clone(),
        column: column.clone(),
        clause,
    })
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
