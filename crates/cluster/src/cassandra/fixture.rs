//! Views to test with.

use mainstem_kernel::{Column, ColumnName, ColumnType, Columns, StreamId, StreamName};

use super::TableSpec;

/// A view of these columns, each with its type and whether it may be NULL.
pub(crate) fn spec(
    id: StreamId,
    columns: &[(&str, ColumnType, bool)],
    (key, window): (&[&str], &[&str]),
) -> TableSpec {
    let names = |list: &[&str]| {
        let names = list.iter().map(|name| ColumnName::new(name).unwrap());
        names.collect()
    };
    let columns = columns.iter().zip(1..);
    let columns = columns.map(|((name, ty, nullable), id)| Column {
        id,
        name: ColumnName::new(name).unwrap(),
        ty: ty.clone(),
        nullable: *nullable,
    });
    TableSpec {
        id,
        name: StreamName::new("minute_by_device").unwrap(),
        columns: Columns(columns.collect()),
        key: names(key),
        window: names(window),
    }
}
