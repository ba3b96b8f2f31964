//! Tables that are looked up, as they are kept in memory, and how much of it they may take. Never a
//! change of them.

use std::sync::Arc;

use mainstem_catalog::{StreamDef, TableDef};
use mainstem_kernel::{ByteSize, StreamName};
use mainstem_store::KeyRange;
use mainstem_table::{TableSchema, Tables};

use super::Steps;
use crate::{errors::FlowError, source::SourceColumn, table::LookupTable, track::Track};

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

/// How much tables that are looked up may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Bytes of all others.
    pub(super) taken: usize,
    pub(super) limit: ByteSize,
}

impl Room {
    /// Whether a table fits beside the others.
    pub(super) fn check(self, table: &StreamName, bytes: usize) -> Result<(), FlowError> {
        let size = self.taken.saturating_add(bytes);
        match size <= self.limit.as_usize() {
            true => Ok(()),
            false => Err(FlowError::LookupFull {
                table: table.clone(),
                size: ByteSize(u64::try_from(size).unwrap_or(u64::MAX)),
                limit: self.limit,
            }),
        }
    }
}

/// A table as it is at the frontier.
pub(super) fn lookup_table(
    tables: &Tables,
    def: &TableDef,
    room: Room,
) -> Result<LookupTable, FlowError> {
    let mut lookup = empty_lookup(def)?;
    let pointer = tables.pointer();
    let mut scan = pointer.scan(def.id, &KeyRange::all(), SCAN_ROWS)?;
    while let Some(rows) = scan.next() {
        let rows = rows?;
        lookup.load(&rows, scan.written())?;
        room.check(&def.spec.name, lookup.size())?;
    }
    lookup.settle()?;
    Ok(lookup)
}

impl Steps {
    /// What tables that are looked up may take beside those of the live views and of those that
    /// are built.
    pub(super) fn lookup_room(&self) -> Room {
        let builds = self.builds.iter().map(|build| &build.track);
        let tracks = builds.chain([&self.live]);
        Room {
            taken: tracks.map(Track::lookup_bytes).sum(),
            limit: self.config.lookup_size_max,
        }
    }

    /// Whether all tables that are looked up have room; if not, the largest is named.
    pub(super) fn check_lookups(&self) -> Result<(), FlowError> {
        let largest = self.live.lookups.iter();
        let largest = largest.max_by_key(|(_, table)| table.size());
        let Some(def) = largest.and_then(|(id, _)| self.table_defs.get(id)) else {
            return Ok(());
        };
        self.lookup_room().check(&def.spec.name, 0)
    }

    /// A table that is looked up by live views, as it is now, in the place of what was there.
    pub(super) fn load_lookup(&mut self, def: &TableDef) -> Result<(), FlowError> {
        Arc::make_mut(&mut self.live.lookups).remove(&def.id);
        let lookup = lookup_table(&self.tables, def, self.lookup_room())?;
        Arc::make_mut(&mut self.live.lookups).insert(def.id, Arc::new(lookup));
        Ok(())
    }
}
