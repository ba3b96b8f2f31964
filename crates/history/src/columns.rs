//! A table's columns: logical and physical names, field ids, and their Delta and Arrow schemas.
//! Pure; never any I/O.
//!
//! # Renames
//!
//! A column's **physical** name, the one in Parquet files and statistics, is its name when it was
//! added and never changes; its **logical** name is what the newest definition says. While the
//! two are equal for all columns the table is plain Delta (reader 1, writer 2), which every
//! program reads. The first rename upgrades the table to column mapping by name (reader 3,
//! writer 7), so no file is rewritten. See `docs/decisions/0001`.
//!
//! # Field ids
//!
//! Each column gets the next free id when it is added, written to Parquet (`field_id`) from the
//! start. A ROW's fields take the ids behind its own, depth first, so they need not be kept.
//!
//! # Kept in the Delta schema
//!
//! `mainstem.column` = the catalog's column id (absent for system columns), `mainstem.field` =
//! field id, `mainstem.physical` = physical name, `mainstem.type` = SQL type. Once mapping is on,
//! also Delta's own `delta.columnMapping.id` and `.physicalName`.

mod delta;

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use mainstem_kernel::{
    Column, ColumnType, Columns,
    types::{EXTRA_COLUMN, OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN, row_schema},
};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

/// Column of the arrival day: the table's partition column, in no file.
pub(crate) const DAY_COLUMN: &str = "_day";

/// One column of a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TableColumn {
    /// The catalog's id; `None` for system columns.
    pub(crate) id: Option<u32>,
    /// Name in the newest definition.
    pub(crate) name: String,
    /// Name in files.
    pub(crate) physical: String,
    /// Parquet's field id.
    pub(crate) field_id: i32,
    /// Type.
    pub(crate) ty: ColumnType,
    /// Whether NULL is allowed.
    pub(crate) nullable: bool,
}

/// A table's columns: declared ones, `_extra`, `_seq`, `_partition`, `_offset`, `_day`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TableColumns {
    columns: Vec<TableColumn>,
    /// Whether column mapping is on; it is never switched off.
    pub(crate) mapped: bool,
}

impl TableColumns {
    /// The columns of a new table.
    pub(crate) fn create(declared: &Columns) -> Result<Self, String> {
        Self {
            columns: Vec::new(),
            mapped: false,
        }
        .evolve(declared)
    }

    /// These columns after a change of the definition. Says in words what does not fit.
    pub(crate) fn evolve(&self, declared: &Columns) -> Result<Self, String> {
        let mut next = self.next_field_id();
        let mut columns: Vec<TableColumn> = Vec::new();
        for wanted in wanted(declared) {
            let old = self.columns.iter().find(|old| old.is_same(&wanted));
            let column = match old {
                Some(old) if old.ty != wanted.ty => {
                    return Err(format!(
                        "column \"{}\" is {} in the table and {} in the definition",
                        wanted.name, old.ty, wanted.ty
                    ));
                }
                Some(old) => TableColumn {
                    physical: old.physical.clone(),
                    field_id: old.field_id,
                    nullable: old.nullable || wanted.nullable,
                    ..wanted
                },
                None => {
                    let field_id = next;
                    next += field_ids(&wanted.ty);
                    TableColumn {
                        field_id,
                        nullable: wanted.nullable || !self.columns.is_empty(),
                        physical: free_name(&wanted.name, field_id, &[&self.columns, &columns]),
                        ..wanted
                    }
                }
            };
            if columns
                .iter()
                .any(|other| other.name.eq_ignore_ascii_case(&column.name))
            {
                return Err(format!(
                    "two columns are named \"{}\" but for case",
                    column.name
                ));
            }
            columns.push(column);
        }
        if let Some(gone) = self
            .columns
            .iter()
            .find(|old| !columns.iter().any(|c| c.is_same(old)))
        {
            return Err(format!("column \"{}\" is no longer declared", gone.name));
        }
        let renamed = columns.iter().any(|column| column.name != column.physical);
        Ok(Self {
            columns,
            mapped: self.mapped || renamed,
        })
    }

    fn next_field_id(&self) -> i32 {
        let ends = self
            .columns
            .iter()
            .map(|column| column.field_id + field_ids(&column.ty));
        ends.max().unwrap_or(1)
    }

    /// The greatest field id in use.
    pub(crate) fn max_field_id(&self) -> i32 {
        self.next_field_id() - 1
    }

    /// The columns of a frame's body, in order: declared ones, then `_extra`.
    pub(crate) fn body(&self) -> &[TableColumn] {
        let count = self.columns.len().saturating_sub(4);
        self.columns.get(..count).unwrap_or_default()
    }

    /// The columns that are in files: all but `_day`.
    pub(crate) fn in_files(&self) -> &[TableColumn] {
        let count = self.columns.len().saturating_sub(1);
        self.columns.get(..count).unwrap_or_default()
    }

    /// The schema of files: physical names with field ids, everything optional but the system
    /// columns.
    pub(crate) fn file_schema(&self) -> SchemaRef {
        let fields = self.in_files().iter().map(|column| {
            let nullable = !is_row_position(&column.name);
            let mut next = column.field_id;
            with_ids(
                &Field::new(&column.physical, column.ty.arrow(), nullable),
                &mut next,
            )
        });
        Arc::new(Schema::new(fields.collect::<Fields>()))
    }

    /// The schema of readers: logical names, system columns last; see `types::row_schema`.
    pub(crate) fn row_schema(&self) -> SchemaRef {
        let body = self.body().iter().map(|c| c.ty.field(&c.name, c.nullable));
        row_schema(&Schema::new(body.collect::<Fields>()))
    }

    /// Physical names in the order of `row_schema`.
    pub(crate) fn physical_names(&self) -> Arc<[String]> {
        self.in_files()
            .iter()
            .map(|column| column.physical.clone())
            .collect()
    }
}

impl TableColumn {
    /// Whether both are the same column, whatever its name is now.
    fn is_same(&self, other: &Self) -> bool {
        match (self.id, other.id) {
            (None, None) => self.name == other.name,
            (mine, theirs) => mine == theirs,
        }
    }

    fn system(name: &str, ty: ColumnType, nullable: bool) -> Self {
        let name = name.to_owned();
        Self {
            id: None,
            physical: name.clone(),
            name,
            field_id: 0,
            ty,
            nullable,
        }
    }
}

/// All columns of a definition, without field ids and physical names.
fn wanted(declared: &Columns) -> impl Iterator<Item = TableColumn> {
    let declared = declared.0.iter().map(|column: &Column| TableColumn {
        id: Some(column.id),
        name: column.name.as_str().to_owned(),
        physical: String::new(),
        field_id: 0,
        ty: column.ty.clone(),
        nullable: column.nullable,
    });
    declared.chain([
        TableColumn::system(EXTRA_COLUMN, ColumnType::Json, true),
        TableColumn::system(SEQ_COLUMN, ColumnType::BigInt, false),
        TableColumn::system(PARTITION_COLUMN, ColumnType::Integer, false),
        TableColumn::system(OFFSET_COLUMN, ColumnType::BigInt, false),
        TableColumn::system(DAY_COLUMN, ColumnType::Date, true),
    ])
}

/// A physical name that no column has yet, whatever its case.
fn free_name(name: &str, field_id: i32, taken: &[&[TableColumn]]) -> String {
    let is_taken = |name: &str| {
        taken
            .iter()
            .copied()
            .flatten()
            .any(|old| old.physical.eq_ignore_ascii_case(name))
    };
    let mut free = name.to_owned();
    while is_taken(&free) {
        free = format!("{free}_{field_id}");
    }
    free
}

fn is_row_position(name: &str) -> bool {
    matches!(name, SEQ_COLUMN | PARTITION_COLUMN | OFFSET_COLUMN)
}

/// How many field ids a column of this type takes, its own included.
fn field_ids(ty: &ColumnType) -> i32 {
    match ty {
        ColumnType::Array(item) => field_ids(item),
        ColumnType::Row(fields) => 1 + fields.iter().map(|(_, ty)| field_ids(ty)).sum::<i32>(),
        _ => 1,
    }
}

/// The field and its nested ones with Parquet's field ids, without our own type marks.
fn with_ids(field: &Field, next: &mut i32) -> Field {
    let id = HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), next.to_string())]);
    *next += 1;
    let ty = nested_with_ids(field.data_type(), next);
    Field::new(field.name(), ty, field.is_nullable()).with_metadata(id)
}

fn nested_with_ids(ty: &DataType, next: &mut i32) -> DataType {
    match ty {
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| with_ids(field, next)).collect())
        }
        DataType::List(item) => {
            let ty = nested_with_ids(item.data_type(), next);
            DataType::List(Arc::new(Field::new("element", ty, item.is_nullable())))
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
