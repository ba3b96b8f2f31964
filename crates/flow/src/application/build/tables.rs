//! Tables that a view looks up while it is built: as they were when the rows came that it reads now.

use std::{collections::BTreeMap, sync::Arc};

use mainstem_catalog::TableDef;
use mainstem_kernel::{Seq, StreamId};

use super::super::{
    live::{change_rows, deleted_of},
    lookups::{Room, declared, empty_lookup},
};
use crate::{errors::FlowError, source::Piece, track::Track};

/// Tables to look rows up in, as they were at a seq.
pub(super) struct Wanted<'a> {
    pub(super) tables: &'a BTreeMap<StreamId, Arc<TableDef>>,
    pub(super) at: Seq,
    pub(super) room: Room,
}

impl Wanted<'_> {
    pub(super) fn read(&self, track: &mut Track, bytes: usize) -> Result<(), FlowError> {
        for (id, def) in self.tables {
            let stream = Arc::new(def.change_stream());
            track.reader(&stream).want(&declared(&stream));
            let lookup = Arc::new(empty_lookup(def)?);
            Arc::make_mut(&mut track.lookups).insert(*id, lookup);
        }
        while track.at < self.at {
            let through = track.fill(self.at, bytes)?.min(self.at);
            let (_, pieces) = track.take(through, |id| self.tables.contains_key(&id))?;
            change_lookups(track, &pieces)?;
            track.settle_lookups()?;
            check_room(track, self.room)?;
        }
        Ok(())
    }
}

/// Whether the tables of a build fit beside all others.
pub(super) fn check_room(track: &Track, room: Room) -> Result<(), FlowError> {
    let readers = track.readers.iter();
    let tables = readers.filter_map(|(id, reader)| Some((track.lookups.get(id)?, reader)));
    match tables.max_by_key(|(table, _)| table.size()) {
        // A table's change stream has its name.
        Some((_, reader)) => room.check(&reader.def().spec.name, track.lookup_bytes()),
        None => Ok(()),
    }
}

pub(super) fn change_lookups(
    track: &mut Track,
    pieces: &BTreeMap<StreamId, Vec<Piece>>,
) -> Result<(), FlowError> {
    for (table, pieces) in pieces {
        let Some(reader) = track.readers.get(table) else {
            continue;
        };
        let Some((rows, seqs)) = change_rows(reader, pieces)? else {
            continue;
        };
        if let Some(lookup) = Arc::make_mut(&mut track.lookups).get_mut(table) {
            Arc::make_mut(lookup).change(&rows, deleted_of(&rows)?, &seqs)?;
        }
    }
    Ok(())
}
