//! A step of the live track: changes of tables, rows that have outlived their time, views in the
//! order in which they read each other; then the frontier moves.

use std::{collections::BTreeMap, sync::Arc};

use datafusion::arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch, new_null_array},
    buffer::BooleanBuffer,
    compute::{concat_batches, filter_record_batch},
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
};
use mainstem_catalog::{DELETED_COLUMN, ViewDef};
use mainstem_kernel::{Code, Seq, StreamId, types::EXTRA_COLUMN};
use mainstem_table::{Changed, Room, RowCodec, Step, TableError};

use super::Steps;
use crate::{
    aside::{Aside, late_rows, letter_rows},
    change::{NO_WATERMARK, Run, Weighted, Weights},
    errors::FlowError,
    outbox::{Kind, producer},
    source::{Piece, Reader, SourceColumn},
    unit::{Inputs, ReadChanges},
    view::Output,
};

/// Rows of a table that one step lets go of at most, when their time is over.
const EXPIRED_ROWS_MAX: usize = 100_000;

/// A step follows closely if it is less behind, by the log's clock.
const CLOSE_MILLIS: u64 = 1_000;
/// It then has at most one part in so many of the size that a step may have.
const CLOSE_PARTS: usize = 4;

/// While state is larger than memory, a step has one part in so many of what state may take, if
/// that is more.
const SPILLED_PARTS: usize = 3;

impl Steps {
    /// Takes a step toward `frontier`; whether it took one, and whether another has room.
    pub(super) fn step(&mut self, frontier: Seq) -> Result<(bool, Room), FlowError> {
        let through = self.fill(frontier)?;
        if through <= self.live.at {
            return Ok((false, Room::Ample));
        }
        let is_table = |id: StreamId| self.table_defs.contains_key(&id);
        let before = self.live.rows_read;
        let (mut inputs, pieces) = self.live.take(through, is_table)?;
        self.is_dirty |= self.live.rows_read > before;
        let mut step = Step {
            through,
            ..Step::default()
        };
        self.change_tables(pieces, &mut inputs, &mut step)?;
        let mut units = std::mem::take(&mut self.live.units);
        let read = ReadChanges::of(&units);
        for unit in &mut units {
            let lookups = &self.live.lookups;
            let (output, moment) =
                unit.step(&inputs, (lookups, read.tells(unit.def.id)), &self.pool)?;
            inputs.moments.insert(unit.def.id, moment);
            self.tell(&unit.def, &output, &mut step)?;
            inputs.changes.insert(unit.def.id, output.rows);
        }
        self.live.units = units;
        self.live.settle_lookups()?;
        self.check_lookups()?;
        let room = self.advance(step)?;
        let mut status = self.application.status.lock();
        status.rows += self.live.rows_read - before;
        status.steps += 1;
        Ok((true, room))
    }

    /// Reads on toward `frontier`; gives how far a step can go without ending inside an append,
    /// of which readers would see a part. The frames of an append share their millisecond, so a
    /// step ends between two of them, if need be beyond its size.
    fn fill(&mut self, frontier: Seq) -> Result<Seq, FlowError> {
        let through = self.live.fill(frontier, self.step_size(frontier))?;
        if through >= frontier {
            return Ok(through);
        }
        let whole = Seq(Seq::from_millis(through.millis()).0.saturating_sub(1));
        if whole > self.live.at {
            return Ok(whole);
        }
        let end = Seq(Seq::from_millis(through.millis() + 1).0 - 1);
        self.live.fill(end.min(frontier), usize::MAX)
    }

    /// Bytes of the next step: less than there may be while it follows closely, because whoever
    /// waits for a row of it waits for all.
    fn step_size(&self, frontier: Seq) -> usize {
        let most = self.config.step_size_max.as_usize();
        // A step that loads all of a large state is worth it for many rows.
        let is_spilled = self.live.units.iter().any(|unit| unit.view.is_spilled());
        let most = match is_spilled {
            true => most.max(self.config.state_size_max.as_usize() / SPILLED_PARTS),
            false => most,
        };
        let behind = frontier.millis().saturating_sub(self.live.at.millis());
        match behind < CLOSE_MILLIS {
            true => most / CLOSE_PARTS,
            false => most,
        }
    }

    /// Moves the frontier.
    pub(super) fn advance(&mut self, step: Step) -> Result<Room, FlowError> {
        self.is_dirty |= !step.changed.is_empty() || !step.emitted.is_empty();
        for (view, _) in &step.emitted {
            *self.emitted.entry(*view).or_default() += 1;
        }
        Ok(self.tables.advance(step)?)
    }

    /// The net changes of tables, for readers, for lookups and for views of their changes.
    fn change_tables(
        &mut self,
        mut pieces: BTreeMap<StreamId, Vec<Piece>>,
        inputs: &mut Inputs,
        step: &mut Step,
    ) -> Result<(), FlowError> {
        let pointer = self.tables.pointer();
        let mut expired = BTreeMap::new();
        self.expires_more = false;
        for rows in self.tables.expire(step.through, EXPIRED_ROWS_MAX)? {
            self.expires_more |= !rows.is_all;
            expired.insert(rows.table, rows.rows);
            pieces.entry(rows.table).or_default();
        }
        for (table, pieces) in pieces {
            let codec = pointer.codec(table)?;
            let changes = match self.live.readers.get(&table) {
                Some(reader) => change_rows(reader, &pieces)?,
                None => None,
            };
            self.change_lookup(table, &changes)?;
            let gone = expired.remove(&table);
            let Some(changed) = net_changes(codec, changes, gone, step.through)? else {
                continue;
            };
            if self.live.units.iter().any(|unit| unit.reads(table)) {
                let key = codec.key_columns(&changed.rows);
                let before = pointer.get_columns(table, &key)?;
                let rows = weighted(before.rows, &changed, step.through)?;
                inputs.changes.insert(table, rows);
            }
            step.changed.push(changed);
        }
        Ok(())
    }

    fn change_lookup(
        &mut self,
        table: StreamId,
        changes: &Option<(RecordBatch, Vec<Seq>)>,
    ) -> Result<(), FlowError> {
        if let Some((rows, seqs)) = changes
            && self.live.lookups.contains_key(&table)
            && let Some(lookup) = Arc::make_mut(&mut self.live.lookups).get_mut(&table)
        {
            Arc::make_mut(lookup).change(rows, deleted_of(rows)?, seqs)?;
        }
        Ok(())
    }

    /// Puts what a view has to say where it belongs.
    pub(super) fn tell(
        &mut self,
        def: &Arc<ViewDef>,
        output: &Output,
        step: &mut Step,
    ) -> Result<(), FlowError> {
        let rows: usize = output.rows.iter().map(Weighted::rows).sum();
        let aside = &output.aside;
        if rows == 0 && aside.letters.is_empty() && aside.late.is_empty() {
            return Ok(());
        }
        self.set_aside(def, aside)?;
        if def.spec.emit.is_stream() {
            let sender = (def.id, producer(def.id, Kind::Rows));
            for rows in &output.rows {
                let body = with_extra(&rows.batch, &def.spec.columns.body_schema())?;
                if let Some(new) = self.outbox.put(self.log.as_ref(), sender, body) {
                    step.emitted.push((def.id, new));
                }
            }
        } else if rows > 0 {
            let pointer = self.tables.pointer();
            let codec = pointer.codec(def.id)?;
            let changed = match net_rows(codec, &output.rows, step.through) {
                Err(FlowError::Table(TableError::KeyTooLong { .. })) => {
                    let fitting = with_fitting_keys(codec, output)?;
                    self.set_aside(def, &fitting.aside)?;
                    net_rows(codec, &fitting.rows, step.through)?
                }
                changed => changed?,
            };
            step.changed.push(changed);
        }
        let mut status = self.application.status.lock();
        let told = status.told(def.id);
        told.rows += rows as u64;
        told.letters += aside.letters.len() as u64;
        told.late += aside.late.len() as u64;
        Ok(())
    }

    fn set_aside(&mut self, def: &ViewDef, aside: &Aside) -> Result<(), FlowError> {
        let schema = |id: StreamId| {
            let stream = self.defs.streams.get(&id)?;
            Some(stream.spec.columns.body_schema())
        };
        let letters = (!aside.letters.is_empty()).then(|| schema(def.letters));
        let late = (!aside.late.is_empty()).then(|| schema(def.late?));
        if let Some(Some(schema)) = letters {
            let sender = (def.letters, producer(def.id, Kind::Letters));
            let rows = letter_rows(&aside.letters, &schema)?;
            self.outbox.put(self.log.as_ref(), sender, rows);
        }
        if let (Some(Some(schema)), Some(stream)) = (late, def.late) {
            let sender = (stream, producer(def.id, Kind::Late));
            let rows = late_rows(&aside.late, &schema)?;
            self.outbox.put(self.log.as_ref(), sender, rows);
        }
        self.is_dirty = true;
        Ok(())
    }
}

/// Rows of a change stream as the table's newest columns and `_deleted`, with their seqs.
pub(super) fn change_rows(
    reader: &Reader,
    pieces: &[Piece],
) -> Result<Option<(RecordBatch, Vec<Seq>)>, ArrowError> {
    if pieces.is_empty() {
        return Ok(None);
    }
    let columns = &reader.def().spec.columns;
    let field = |wanted: &SourceColumn| {
        let column = match wanted {
            SourceColumn::Declared(id) => columns.0.iter().find(|column| column.id == *id),
            _ => None,
        };
        let missing = || ArrowError::SchemaError("a table lacks a column".to_owned());
        let column = column.ok_or_else(missing)?;
        Ok(Field::new(column.name.as_str(), column.ty.arrow(), true))
    };
    let fields = reader.wanted().iter().map(field);
    let schema = Arc::new(Schema::new(fields.collect::<Result<Vec<_>, ArrowError>>()?));
    let batches = pieces
        .iter()
        .map(|piece| RecordBatch::try_new(Arc::clone(&schema), piece.columns.clone()));
    let batches = batches.collect::<Result<Vec<_>, _>>()?;
    let seqs = pieces.iter().flat_map(Piece::seqs).collect();
    Ok(Some((concat_batches(&schema, &batches)?, seqs)))
}

/// Which rows of a change stream are deletes.
pub(super) fn deleted_of(rows: &RecordBatch) -> Result<&BooleanArray, ArrowError> {
    let column = rows.column_by_name(DELETED_COLUMN);
    let column = column.and_then(|column| column.as_any().downcast_ref());
    column.ok_or_else(|| ArrowError::SchemaError(format!("expected a column \"{DELETED_COLUMN}\"")))
}

/// What changes and expiry come to. A row that was written and is due within the step is gone.
fn net_changes(
    codec: &RowCodec,
    changes: Option<(RecordBatch, Vec<Seq>)>,
    expired: Option<RecordBatch>,
    through: Seq,
) -> Result<Option<Changed>, FlowError> {
    let gone = match expired {
        Some(rows) if rows.num_rows() > 0 => Some(flagged(&rows, &vec![true; rows.num_rows()])?),
        _ => None,
    };
    let Some((mut rows, mut seqs)) = changes else {
        let Some(gone) = gone else { return Ok(None) };
        let seqs = vec![through; gone.num_rows()];
        return Ok(Some(Changed::from_changes(codec, &gone, &seqs)?));
    };
    if let Some(gone) = gone {
        let schema = Arc::clone(gone.schema_ref());
        let columns = schema.fields().iter();
        let columns = columns.map(|field| {
            let column = rows.column_by_name(field.name()).cloned();
            crate::source::fitting(column, field.data_type(), rows.num_rows())
        });
        let fresh = RecordBatch::try_new(
            Arc::clone(&schema),
            columns.collect::<Result<_, ArrowError>>()?,
        )?;
        seqs.splice(0..0, vec![through; gone.num_rows()]);
        rows = concat_batches(&schema, [&gone, &fresh])?;
    }
    let mut changed = Changed::from_changes(codec, &rows, &seqs)?;
    if let Some(ttl) = codec.table().ttl {
        let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let is_due = |at: &Seq| at.millis().saturating_add(ttl) <= through.millis();
        let due: BooleanBuffer = changed.written.iter().map(is_due).collect();
        changed.deleted = &changed.deleted | &due;
    }
    Ok(Some(changed))
}

/// Rows with `_deleted` behind them; all columns may be NULL.
fn flagged(rows: &RecordBatch, deleted: &[bool]) -> Result<RecordBatch, ArrowError> {
    let fields = rows.schema_ref().fields().iter();
    let mut fields: Vec<Field> = fields
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    fields.push(Field::new(DELETED_COLUMN, DataType::Boolean, true));
    let mut columns = rows.columns().to_vec();
    columns.push(Arc::new(BooleanArray::from(deleted.to_vec())) as ArrayRef);
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// A table's change as rows that go, then rows that come.
fn weighted(before: RecordBatch, changed: &Changed, seq: Seq) -> Result<Vec<Weighted>, ArrowError> {
    let run = |rows: usize| -> Arc<[Run]> {
        Arc::new([Run {
            rows,
            seq,
            watermark: NO_WATERMARK,
        }])
    };
    let stays = BooleanArray::new(!&changed.deleted, None);
    let after = filter_record_batch(&changed.rows, &stays)?;
    let mut rows = Vec::new();
    if before.num_rows() > 0 {
        rows.push(Weighted {
            weights: Weights::Mixed(vec![-1; before.num_rows()].into()),
            runs: run(before.num_rows()),
            batch: before,
        });
    }
    if after.num_rows() > 0 {
        rows.push(Weighted {
            weights: Weights::Inserts,
            runs: run(after.num_rows()),
            batch: after,
        });
    }
    Ok(rows)
}

/// What the rows of a keyed view come to: of each key the last, gone if that was taken back.
pub(super) fn net_rows(
    codec: &RowCodec,
    rows: &[Weighted],
    through: Seq,
) -> Result<Changed, FlowError> {
    let mut batches = Vec::with_capacity(rows.len());
    for rows in rows {
        let deleted: Vec<bool> = (0..rows.rows())
            .map(|row| rows.weights.of(row) < 0)
            .collect();
        batches.push(flagged(&rows.batch, &deleted)?);
    }
    let schema = batches.first().map(|batch| batch.schema());
    let schema = schema.unwrap_or_else(|| Arc::new(Schema::empty()));
    let all = concat_batches(&schema, &batches)?;
    let written = vec![through; all.num_rows()];
    Ok(Changed::from_changes(codec, &all, &written)?)
}

/// Rows of a keyed view whose keys the store can hold; the others are set aside.
fn with_fitting_keys(codec: &RowCodec, output: &Output) -> Result<Output, FlowError> {
    let mut fitting = Output::default();
    for rows in &output.rows {
        let key = codec.key_columns(&rows.batch);
        let mut failed = Vec::new();
        let fits = |row: usize| {
            let key: Vec<ArrayRef> = key.iter().map(|column| column.slice(row, 1)).collect();
            let misfit = codec.keys(&key).err();
            failed.extend(
                misfit
                    .as_ref()
                    .filter(|_| rows.weights.of(row) > 0)
                    .map(|misfit| (row, misfit.to_string())),
            );
            Some(misfit.is_none())
        };
        let fits: BooleanArray = (0..rows.rows()).map(fits).collect();
        fitting.aside.fail(&rows.batch, Code::Table010, failed)?;
        fitting.rows.push(rows.filter(&fits)?);
    }
    Ok(fitting)
}

/// Rows of a stream view as a frame has them.
fn with_extra(rows: &RecordBatch, body: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let mut columns = rows.columns().to_vec();
    let extra = body.field_with_name(EXTRA_COLUMN)?.data_type();
    columns.push(new_null_array(extra, rows.num_rows()));
    RecordBatch::try_new(Arc::clone(body), columns)
}
