//! `Track`: views that go on together, what they read, and how far they are.
//!
//! The live track has all views that are shown or about to be; each view that is built has a track
//! of its own. A step of a track takes every row of its streams up to one seq.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use datafusion::arrow::{
    array::{AsArray, TimestampMicrosecondArray},
    datatypes::TimestampMicrosecondType,
    error::ArrowError,
};
use mainstem_catalog::{Definitions, Object, StreamDef};
use mainstem_kernel::{Seq, StreamId};

use crate::{
    change::{NO_WATERMARK, Run},
    errors::FlowError,
    idle::Idle,
    moment::{Lift, Moment},
    source::{Piece, Reader, ReaderParts, SourceColumn},
    table::LookupTables,
    unit::{Fed, Inputs, Source, Unit},
    watermark::{KeptWatermark, Pace, Trace, Watermarks},
};

/// Views that go on together.
#[derive(Debug)]
pub(crate) struct Track {
    parts: ReaderParts,
    /// Everything up to here is in the views.
    pub(crate) at: Seq,
    pub(crate) readers: BTreeMap<StreamId, Reader>,
    pub(crate) watermarks: BTreeMap<StreamId, Watermarks>,
    pub(crate) lookups: Arc<LookupTables>,
    /// In the order in which they read each other.
    pub(crate) units: Vec<Unit>,
    pub(crate) rows_read: u64,
}

impl Track {
    pub(crate) fn new(parts: ReaderParts, at: Seq) -> Self {
        Self {
            parts,
            at,
            readers: BTreeMap::new(),
            watermarks: BTreeMap::new(),
            lookups: Arc::default(),
            units: Vec::new(),
            rows_read: 0,
        }
    }

    /// Reads what a unit's source needs, from where the track is; event time goes on from what was
    /// kept of it.
    pub(crate) fn read_for(
        &mut self,
        source: &Source,
        defs: &Definitions,
        kept: &[(StreamId, KeptWatermark)],
    ) {
        let (Source::Stream { id, columns }, Some(Object::Stream(def))) =
            (source, defs.by_id(source.id()))
        else {
            return;
        };
        let reader = self.reader(def);
        reader.want(columns);
        if let Some((time, pace)) = event_time(def) {
            reader.want(&[time]);
            let begin = || match kept.iter().find(|(of, _)| of == id) {
                Some((_, kept)) => Watermarks::from_parts(pace, *kept),
                None => Watermarks::new(pace),
            };
            self.watermarks.entry(*id).or_insert_with(begin);
        }
    }

    /// The reader of a stream; a new one begins where the track is.
    pub(crate) fn reader(&mut self, def: &Arc<StreamDef>) -> &mut Reader {
        let (parts, at) = (&self.parts, self.at);
        let begin = || Reader::new(parts.clone(), Arc::clone(def), at);
        self.readers.entry(def.id).or_insert_with(begin)
    }

    /// Streams that nobody reads any more are left.
    pub(crate) fn leave_unread(&mut self, keep: impl Fn(StreamId) -> bool) {
        let units = &self.units;
        let is_read = |id: &StreamId| {
            keep(*id)
                || units
                    .iter()
                    .any(|unit| unit.reads(*id) || unit.lookups.contains(id))
        };
        self.readers.retain(|id, _| is_read(id));
        self.watermarks.retain(|id, _| is_read(id));
        if self.lookups.keys().any(|id| !units_look_up(units, *id)) {
            Arc::make_mut(&mut self.lookups).retain(|id, _| units_look_up(units, *id));
        }
    }

    /// Reads on up to `end`, about `bytes_max` in all; gives how far a step can go.
    pub(crate) fn fill(&mut self, end: Seq, bytes_max: usize) -> Result<Seq, FlowError> {
        let each = bytes_max / self.readers.len().max(1);
        let mut through = end;
        for reader in self.readers.values_mut() {
            reader.fill(end, each.max(1))?;
            through = through.min(reader.through());
        }
        Ok(through.max(self.at))
    }

    /// Takes the rows of its streams up to `through`; those of `others`, which are tables, are
    /// given apart.
    pub(crate) fn take(
        &mut self,
        through: Seq,
        is_table: impl Fn(StreamId) -> bool,
    ) -> Result<(Inputs, BTreeMap<StreamId, Vec<Piece>>), FlowError> {
        let mut inputs = Inputs::new(through);
        let after = self.at;
        let mut tables = BTreeMap::new();
        for (id, reader) in &mut self.readers {
            let pieces = reader.take(through);
            let rows: usize = pieces.iter().map(Piece::rows).sum();
            self.rows_read += rows as u64;
            if is_table(*id) {
                if !pieces.is_empty() {
                    tables.insert(*id, pieces);
                }
                continue;
            }
            let time = event_time(reader.def()).map(|(time, _)| time);
            let fed = match (self.watermarks.get_mut(id), time) {
                (Some(watermarks), Some(time)) => {
                    let at = reader.wanted().iter().position(|wanted| *wanted == time);
                    let (fed, moment) = observed(pieces, at, (watermarks, after, through))?;
                    inputs.moments.insert(*id, moment);
                    fed
                }
                _ => pieces.into_iter().map(timeless).collect(),
            };
            let wanted = reader.wanted().to_vec();
            let fed = Fed {
                wanted,
                pieces: fed,
            };
            inputs.streams.insert(*id, fed);
        }
        self.at = through;
        Ok((inputs, tables))
    }

    /// The step's changes of lookup tables are what the next one begins with.
    pub(crate) fn settle_lookups(&mut self) -> Result<(), ArrowError> {
        let tables: &mut HashMap<_, _> = Arc::make_mut(&mut self.lookups);
        for table in tables.values_mut() {
            Arc::make_mut(table).settle()?;
        }
        Ok(())
    }

    /// Bytes of the tables that it looks rows up in.
    pub(crate) fn lookup_bytes(&self) -> usize {
        self.lookups.values().map(|table| table.size()).sum()
    }

    /// The first seq at which event time goes on by itself, if some view waits for it.
    pub(crate) fn next_move(&self) -> Option<Seq> {
        let moves = self.watermarks.values();
        let next = moves.filter_map(|kept| kept.next_move(self.at)).min()?;
        let is_awaited = self.units.iter().any(|unit| unit.view.waits());
        is_awaited.then_some(next)
    }

    /// What has to be kept of event time.
    pub(crate) fn kept_watermarks(&self) -> BTreeMap<StreamId, KeptWatermark> {
        let watermarks = self.watermarks.iter();
        watermarks.map(|(id, kept)| (*id, kept.parts())).collect()
    }

    /// Rows that are still to be read, as far as is known.
    pub(crate) fn rows_left(&self) -> u64 {
        self.readers.values().map(Reader::rows_left).sum()
    }
}

fn units_look_up(units: &[Unit], table: StreamId) -> bool {
    units.iter().any(|unit| unit.lookups.contains(&table))
}

/// The column that holds event time, and how that moves.
fn event_time(def: &StreamDef) -> Option<(SourceColumn, Pace)> {
    let watermark = def.spec.watermark.as_ref()?;
    let column = def.spec.columns.get(watermark.column.as_str())?;
    let delay = i64::try_from(watermark.delay.as_micros()).unwrap_or(i64::MAX);
    let idle = watermark.idle_timeout;
    let idle = idle.map(|timeout| Idle::after(timeout, def.created));
    Some((SourceColumn::Declared(column.id), (delay, idle)))
}

type FedPiece = (Vec<datafusion::arrow::array::ArrayRef>, Arc<[Run]>);

/// Rows with the watermark that each is judged by.
fn observed(
    pieces: Vec<Piece>,
    time: Option<usize>,
    (watermarks, after, through): (&mut Watermarks, Seq, Seq),
) -> Result<(Vec<FedPiece>, Moment), ArrowError> {
    let (before, mut trace) = (watermarks.as_of(after), Trace::new());
    let lift_before = watermarks.lift_as_of(after);
    watermarks.begin(after);
    let mut fed = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let column = time.and_then(|at| piece.columns.get(at));
        let times = column.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        let times: &TimestampMicrosecondArray = times
            .ok_or_else(|| ArrowError::CastError("event time is not TIMESTAMPTZ".to_owned()))?;
        let mut start = 0;
        let runs = piece.runs.iter().map(|(rows, seq)| {
            let watermark = watermarks.observe(*seq, &times.slice(start, *rows), &mut trace);
            start += rows;
            Run {
                rows: *rows,
                seq: *seq,
                watermark,
            }
        });
        let runs: Arc<[Run]> = runs.collect();
        debug_assert_eq!(start, times.len());
        fed.push((piece.columns, runs));
    }
    watermarks.end(through, &mut trace);
    let moment = Moment {
        through,
        before,
        watermark: watermarks.as_of(through),
        trace,
        lift: Lift {
            before: lift_before,
            trace: watermarks.lift_moves(through),
        },
    };
    Ok((fed, moment))
}

fn timeless(piece: Piece) -> FedPiece {
    let runs = piece.runs.iter().map(|(rows, seq)| Run {
        rows: *rows,
        seq: *seq,
        watermark: NO_WATERMARK,
    });
    let runs = runs.collect();
    (piece.columns, runs)
}
