//! Tables that are looked up, as they are kept in memory. Never a change of them.

use mainstem_catalog::{StreamDef, TableDef};
use mainstem_store::KeyRange;
use mainstem_table::{TableSchema, Tables};

use crate::{errors::FlowError, source::SourceColumn, table::LookupTable};

/// Rows that a scan of a table gives at a time.
pub(super) const SCAN_ROWS: usize = 16_384;

/// The columns of a change stream, in their order.
pub(super) fn declared(stream: &StreamDef) -> Vec<SourceColumn> {
    let columns = stream.spec.columns.0.iter();
    columns
        .map(|column| SourceColumn::Declared(column.id))
        .collect()
}

/// An empty table to look rows up in.
pub(super) fn empty_lookup(def: &TableDef) -> Result<LookupTable, FlowError> {
    let schema = TableSchema::of_table(def).row_schema();
    let key = def.spec.key.iter();
    let key = key.map(|name| schema.index_of(name.as_str()));
    let key = key.collect::<Result<_, _>>()?;
    Ok(LookupTable::new(schema, key, def.spec.ttl)?)
}

/// A table as it is at the frontier.
pub(super) fn lookup_table(tables: &Tables, def: &TableDef) -> Result<LookupTable, FlowError> {
    let mut lookup = empty_lookup(def)?;
    let pointer = tables.pointer();
    let mut scan = pointer.scan(def.id, &KeyRange::all(), SCAN_ROWS)?;
    while let Some(rows) = scan.next() {
        let rows = rows?;
        lookup.load(&rows, scan.written())?;
    }
    lookup.settle()?;
    Ok(lookup)
}
