//! Opening: the store, and over it the redo files that it does not have yet, give exactly the
//! state of the last committed checkpoint.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use mainstem_kernel::{Seq, StreamId};
use mainstem_store::{SharedSnapshot, Space};
use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::watch;

use super::{
    Applier, Inner, Tables, TablesConfig, TablesParts,
    feed::{FeedBuffer, FeedItem},
    retention::KeptFile,
};
use crate::{
    codec::{RowCodec, RowHasher},
    errors::TableError,
    pointer::{Pointer, TableView},
    redo::{AppId, Outgoing, Redo, RedoFolder},
    schema::TableSchema,
    stack::{Merger, Part, Stack},
};

/// Version of the record of what is applied.
const RECORD_FORMAT: u8 = 1;

/// What opening gives.
#[derive(Debug)]
pub struct Opened {
    /// Rows by key.
    pub tables: Arc<Tables>,
    /// To be run in a thread of its own: it puts checkpoints into the store.
    pub applier: Applier,
    /// Where to go on.
    pub start: Start,
}

/// Where whoever drives steps goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The frontier of the last committed checkpoint: read the log behind it. Zero if there is
    /// none: everything is to be built from history.
    pub frontier: Seq,
    /// The last committed checkpoint; 0 if there is none.
    pub checkpoint: u64,
    /// Its note.
    pub note: Bytes,
    /// Rows that may not be in the log yet, with their checkpoints: append them again.
    pub outgoing: Vec<(u64, Outgoing)>,
}

/// What the store holds of an application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Applied {
    pub(super) number: u64,
    pub(super) through: Seq,
    pub(super) note: Bytes,
}

impl Tables {
    /// Opens the rows of an application, which are those of its last committed checkpoint.
    ///
    /// # Errors
    /// `Damaged`, `Newer` and `Gap` name the file; what the store says; `Shape` of a schema.
    pub fn open(
        parts: TablesParts,
        config: TablesConfig,
        schemas: Vec<TableSchema>,
    ) -> Result<Opened, TableError> {
        let hasher = RowHasher::default();
        let snapshot = parts.store.snapshot()?;
        let applied = Applied::read(&snapshot, &parts.app)?;
        let redo = RedoFolder::open(parts.disk, &parts.folder, parts.app)?;
        let (files, redos) = read_files(&redo, &applied, &hasher)?;
        let start = Start::of(&applied, &files, &redos);

        let mut pointer = Pointer {
            frontier: start.frontier,
            committed: start.frontier,
            checkpoint: start.checkpoint,
            applied: applied.number,
            snapshot,
            tables: HashMap::new(),
            state: Arc::new(Stack::default()),
            state_hasher: hasher.clone(),
            streams: BTreeMap::new(),
        };
        for schema in schemas {
            let view = TableView {
                codec: RowCodec::new(schema, hasher.clone())?,
                stack: Stack::default(),
            };
            pointer.tables.insert(view.codec.table().id, Arc::new(view));
        }
        let mut feed = FeedBuffer::default();
        for redo in redos
            .iter()
            .filter(|redo| redo.mark.number > applied.number)
        {
            pointer.take_in(redo, &hasher)?;
            let item = FeedItem::of_checkpoint(redo.mark, &redo.tables);
            feed.push_checkpoint(item, config.feed_size_max);
        }
        let notes = redos.iter().map(|redo| {
            let mark = redo.mark;
            (mark.number, (mark.through, redo.note.clone()))
        });
        let inner = Inner {
            sealed: (start.checkpoint, start.frontier),
            committed: start.checkpoint,
            sent: sent_of(&applied, &files, &start),
            notes: notes.collect(),
            files,
            feed,
            ..Inner::default()
        };
        let tables = Arc::new(Self {
            store: parts.store,
            redo,
            config,
            hasher,
            clock: parts.clock,
            pointer: RwLock::new(Arc::new(pointer)),
            inner: Mutex::new(inner),
            moved: Condvar::new(),
            frontier: watch::Sender::new(start.frontier),
            followed: watch::Sender::new(start.frontier),
        });
        Ok(Opened {
            applier: Applier::new(Arc::clone(&tables)),
            tables,
            start,
        })
    }
}

impl Pointer {
    /// Puts a committed checkpoint over the store. Tables that are not defined are left out.
    fn take_in(&mut self, redo: &Redo, hasher: &RowHasher) -> Result<(), TableError> {
        let part = Part::Sealed(redo.mark.number);
        for (table, layer) in &redo.tables {
            if !self.tables.contains_key(table) {
                tracing::info!(%table, "left out rows of a table that is not defined");
                continue;
            }
            self.change(*table, |view| {
                let merger = Merger {
                    hasher,
                    codec: Some(&view.codec),
                };
                view.stack.push(Arc::clone(layer), part, merger)
            })?;
        }
        if let Some(layer) = &redo.state {
            let merger = Merger {
                hasher,
                codec: None,
            };
            Arc::make_mut(&mut self.state).push(Arc::clone(layer), part, merger)?;
        }
        Ok(())
    }
}

impl Start {
    fn of(applied: &Applied, files: &VecDeque<KeptFile>, redos: &[Redo]) -> Self {
        let last = redos
            .last()
            .filter(|redo| redo.mark.number >= applied.number);
        let sent = files.iter().map(|file| file.mark.sent).max().unwrap_or(0);
        let unsent = redos.iter().filter(|redo| redo.mark.number > sent);
        let outgoing = unsent.flat_map(|redo| {
            let rows = redo.outgoing.iter().cloned();
            rows.map(|rows| (redo.mark.number, rows))
        });
        Self {
            frontier: last.map_or(applied.through, |redo| redo.mark.through),
            checkpoint: last.map_or(applied.number, |redo| redo.mark.number),
            note: last.map_or_else(|| applied.note.clone(), |redo| redo.note.clone()),
            outgoing: outgoing.collect(),
        }
    }
}

/// Up to which checkpoint everything was appended: before the first that has to be appended again.
fn sent_of(applied: &Applied, files: &VecDeque<KeptFile>, start: &Start) -> u64 {
    match start.outgoing.first() {
        Some((number, _)) => number.saturating_sub(1),
        None => files.back().map_or(applied.number, |file| file.mark.number),
    }
}

/// The files that are kept, and what those of them hold that the store does not have, or whose
/// rows may not be appended.
fn read_files(
    folder: &RedoFolder,
    applied: &Applied,
    hasher: &RowHasher,
) -> Result<(VecDeque<KeptFile>, Vec<Redo>), TableError> {
    let numbers = folder.numbers()?;
    let mut files = VecDeque::new();
    let mut redos = Vec::new();
    for number in &numbers {
        let is_needed = *number > applied.number;
        match folder.header(*number) {
            Ok((header, bytes)) => files.push_back(KeptFile::new(header.mark, bytes)),
            Err(error) if is_needed => return Err(error),
            Err(error) => {
                // The store has its rows; only feeds would have read it.
                tracing::warn!(number, %error, "left out a redo file that does not read");
                files.clear();
            }
        }
    }
    check_order(folder, applied, &mut files)?;
    let sent = files.iter().map(|file| file.mark.sent).max().unwrap_or(0);
    for file in &files {
        let number = file.mark.number;
        if number > applied.number || number > sent {
            redos.push(folder.read(number, hasher)?.0);
        }
    }
    Ok((files, redos))
}

/// Checks that the files behind what the store holds follow it and each other; forgets older ones
/// before a gap.
fn check_order(
    folder: &RedoFolder,
    applied: &Applied,
    files: &mut VecDeque<KeptFile>,
) -> Result<(), TableError> {
    let gap = |first: u64| TableError::Gap {
        folder: folder.path().to_owned(),
        first,
        applied: applied.number,
    };
    let mut last: Option<KeptFile> = None;
    let mut whole_from = 0;
    for (at, file) in files.iter().enumerate() {
        let mark = file.mark;
        let follows = last.is_none_or(|last| {
            mark.number == last.mark.number + 1 && mark.previous == last.mark.through
        });
        if !follows {
            if mark.number > applied.number + 1 {
                return Err(gap(mark.number));
            }
            whole_from = at;
        }
        if mark.number == applied.number + 1 && mark.previous != applied.through {
            return Err(gap(mark.number));
        }
        last = Some(*file);
    }
    files.drain(..whole_from);
    match files.front() {
        Some(first) if first.mark.number > applied.number + 1 => Err(gap(first.mark.number)),
        _ => Ok(()),
    }
}

impl Applied {
    /// The key of its record.
    pub(super) fn key(app: &AppId) -> Vec<u8> {
        let name = app.name.as_str().as_bytes();
        [b"applied/", app.tenant.0.to_be_bytes().as_slice(), name].concat()
    }

    /// Its record: format u8, number u64, through u64, note; integers big-endian.
    pub(super) fn record(&self) -> Vec<u8> {
        let mut record = vec![RECORD_FORMAT];
        record.extend_from_slice(&self.number.to_be_bytes());
        record.extend_from_slice(&self.through.0.to_be_bytes());
        record.extend_from_slice(&self.note);
        record
    }

    fn read(snapshot: &SharedSnapshot, app: &AppId) -> Result<Self, TableError> {
        let record = snapshot.get(Space::Meta, &Self::key(app))?;
        let Some(record) = record else {
            return Ok(Self::default());
        };
        let parsed = record
            .split_first()
            .filter(|(format, _)| **format == RECORD_FORMAT)
            .and_then(|(_, rest)| rest.split_first_chunk::<8>())
            .and_then(|(number, rest)| Some((number, rest.split_first_chunk::<8>()?)));
        let (number, (through, note)) = parsed.ok_or(TableError::Record)?;
        Ok(Self {
            number: u64::from_be_bytes(*number),
            through: Seq(u64::from_be_bytes(*through)),
            note: record.slice_ref(note),
        })
    }
}

/// The mark that all rows of a table are in `Space::Due`.
pub(super) fn due_mark(table: StreamId) -> Vec<u8> {
    [b"due/", table.0.to_be_bytes().as_slice()].concat()
}
