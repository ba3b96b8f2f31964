//! The answer: what differs, in rows of text beside the key. It holds so many and counts the rest.
//!
//! | column | what it says |
//! |---|---|
//! | the view's key; all columns if it has none | which row |
//! | `_difference` | `missing` in the view, `extra` in it, or `differs` |
//! | `_column` | which column differs; NULL if the row as a whole is missing or extra |
//! | `_view`, `_batch` | its value in the view, and in the batch; of a whole row its other columns as JSON; of a view without a key how often the row is there |
//! | `_differing` | how many rows differ in all, the same in each row |

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray},
        compute::concat_batches,
        datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
        error::ArrowError,
        row::{OwnedRow, RowConverter, SortField},
    },
    common::{DataFusionError, Result},
    execution::{
        SendableRecordBatchStream,
        memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation},
    },
    physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::StreamExt;
use mainstem_table::{Pointer, RowCodec};

use super::{
    compare::SIDES,
    line::{Line, shortened},
    subject::Subject,
};
use crate::{
    error::from_engine,
    format::{cell_text, objects},
};

/// Rows that an answer has at most.
const LINES_MAX: usize = 1_000;

const MISSING: &str = "missing";
const EXTRA: &str = "extra";
const DIFFERS: &str = "differs";

/// The answer, once all that differs has come.
pub(super) fn answer(
    subject: Subject,
    pointer: Option<Arc<Pointer>>,
    rows: SendableRecordBatchStream,
    memory: &Arc<dyn MemoryPool>,
) -> SendableRecordBatchStream {
    let codec = pointer.and_then(|pointer| pointer.codec(subject.def.id).cloned().ok());
    let found = Found::new(
        subject,
        codec,
        MemoryConsumer::new("differences").register(memory),
    );
    let schema = found.schema();
    let answer = futures::stream::once(collect(found, rows));
    Box::pin(RecordBatchStreamAdapter::new(schema, answer))
}

async fn collect(mut found: Found, mut rows: SendableRecordBatchStream) -> Result<RecordBatch> {
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(|error| {
            let error = found.subject.failed(from_engine(error));
            DataFusionError::External(Box::new(error))
        })?;
        found.take(&batch)?;
    }
    found.settle()?;
    Ok(found.finish()?)
}

/// A row, and how often it is in the view and in the batch.
#[derive(Debug)]
struct Row {
    cells: RecordBatch,
    in_view: i64,
    in_batch: i64,
}

/// What was found so far.
struct Found {
    subject: Subject,
    /// Which keys the view can keep; `None` if it has none.
    codec: Option<Arc<RowCodec>>,
    /// Places of the key's columns, and of the others.
    key: Vec<usize>,
    rest: Vec<usize>,
    /// The key that comes, and its rows.
    open: Option<(OwnedRow, Vec<Row>)>,
    lines: Vec<Line>,
    differing: u64,
    memory: MemoryReservation,
}

impl Found {
    fn new(subject: Subject, codec: Option<Arc<RowCodec>>, memory: MemoryReservation) -> Self {
        let key = subject.key();
        let every = 0..subject.plan.columns.0.len();
        let rest = every.filter(|place| !key.contains(place)).collect();
        Self {
            codec: codec.filter(|_| subject.is_keyed()),
            key,
            rest,
            subject,
            open: None,
            lines: Vec::new(),
            differing: 0,
            memory,
        }
    }

    fn schema(&self) -> SchemaRef {
        let key = self.subject.schema_at(&self.key);
        let key = key.fields().iter().map(|field| field.as_ref().clone());
        let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
        let own = [
            text("_difference", false),
            text("_column", true),
            text("_view", true),
            text("_batch", true),
            Field::new("_differing", DataType::Int64, false),
        ];
        Arc::new(Schema::new(key.chain(own).collect::<Vec<_>>()))
    }

    /// Takes rows that differ, those of a key together.
    fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        let keys = batch.project(&self.key)?;
        let fields = keys.schema();
        let fields = fields.fields().iter();
        let fields = fields.map(|field| SortField::new(field.data_type().clone()));
        let keys = RowConverter::new(fields.collect())?.convert_columns(keys.columns())?;
        let [in_view, in_batch] = SIDES.map(|side| count_of(batch, side));
        let (in_view, in_batch) = (in_view?, in_batch?);
        let every: Vec<usize> = (0..self.subject.plan.columns.0.len()).collect();
        let cells = named(batch.project(&every)?, &self.subject.schema_at(&every))?;
        for place in 0..batch.num_rows() {
            let key = keys.row(place);
            let is_open = self
                .open
                .as_ref()
                .is_some_and(|(open, _)| open.row() == key);
            if !is_open || !self.subject.is_keyed() {
                self.settle()?;
                self.open = Some((key.owned(), Vec::new()));
            }
            let row = Row {
                cells: cells.slice(place, 1),
                in_view: in_view.value(place),
                in_batch: in_batch.value(place),
            };
            if let Some((_, rows)) = &mut self.open {
                rows.push(row);
            }
        }
        Ok(())
    }

    /// No more rows of the open key come.
    fn settle(&mut self) -> Result<()> {
        let Some((_, rows)) = self.open.take() else {
            return Ok(());
        };
        let Some(first) = rows.first() else {
            return Ok(());
        };
        if !self.can_be_kept(first) {
            return Ok(());
        }
        self.differing = self.differing.saturating_add(1);
        if self.lines.len() < LINES_MAX {
            let lines = self.told(&rows)?;
            for line in lines {
                let bytes = line.size();
                self.memory.try_grow(bytes)?;
                self.lines.push(line);
            }
        }
        Ok(())
    }

    /// Whether the view could have a row of this key: those that are too long are in its dead
    /// letters.
    fn can_be_kept(&self, row: &Row) -> bool {
        let Some(codec) = &self.codec else {
            return true;
        };
        let key = self.key.iter();
        let key: Vec<ArrayRef> = key
            .filter_map(|place| row.cells.columns().get(*place).cloned())
            .collect();
        row.in_view > 0 || codec.keys(&key).is_ok()
    }

    /// What is said of the rows of one key.
    fn told(&self, rows: &[Row]) -> Result<Vec<Line>> {
        match rows {
            [ours, theirs] if (ours.in_view, theirs.in_batch) == (1, 1) => self.cells(ours, theirs),
            rows => rows.iter().map(|row| self.whole(row)).collect(),
        }
    }

    /// A line per column that differs.
    fn cells(&self, ours: &Row, theirs: &Row) -> Result<Vec<Line>> {
        let schema = ours.cells.schema();
        let mut lines = Vec::new();
        for place in &self.rest {
            let field = schema.field(*place);
            let text = |row: &Row| cell_text(row.cells.column(*place), field, 0);
            let (view, batch) = (text(ours)?, text(theirs)?);
            if view != batch {
                lines.push(Line {
                    column: Some(field.name().clone()),
                    view: view.map(shortened),
                    batch: batch.map(shortened),
                    ..self.line(ours, DIFFERS)?
                });
            }
        }
        Ok(lines)
    }

    /// A line of a row that only one side has, or one more often than the other.
    fn whole(&self, row: &Row) -> Result<Line> {
        let difference = match row.in_view < row.in_batch {
            true => MISSING,
            false => EXTRA,
        };
        let line = self.line(row, difference)?;
        let is_single = row.in_view.saturating_add(row.in_batch) == 1;
        if !self.subject.is_keyed() || !is_single {
            return Ok(Line {
                view: Some(row.in_view.to_string()),
                batch: Some(row.in_batch.to_string()),
                ..line
            });
        }
        let mut text = String::new();
        let rest = row.cells.project(&self.rest)?;
        objects(&rest, |_, object| {
            text.push_str(&String::from_utf8_lossy(object))
        })
        .map_err(|error| DataFusionError::External(Box::new(error)))?;
        let text = Some(shortened(text));
        Ok(match difference {
            MISSING => Line {
                batch: text,
                ..line
            },
            _ => Line { view: text, ..line },
        })
    }

    fn line(&self, row: &Row, difference: &'static str) -> Result<Line, ArrowError> {
        Ok(Line {
            key: row.cells.project(&self.key)?,
            difference,
            column: None,
            view: None,
            batch: None,
        })
    }

    fn finish(self) -> Result<RecordBatch, ArrowError> {
        let schema = self.schema();
        let keys = self.lines.iter().map(|line| &line.key);
        let keys = concat_batches(&self.subject.schema_at(&self.key), keys)?;
        let texts = |of: fn(&Line) -> Option<&str>| -> ArrayRef {
            Arc::new(self.lines.iter().map(of).collect::<StringArray>())
        };
        let differing = i64::try_from(self.differing).unwrap_or(i64::MAX);
        let mut columns = keys.columns().to_vec();
        columns.extend([
            texts(|line| Some(line.difference)),
            texts(|line| line.column.as_deref()),
            texts(|line| line.view.as_deref()),
            texts(|line| line.batch.as_deref()),
            Arc::new(Int64Array::from_value(differing, self.lines.len())) as ArrayRef,
        ]);
        RecordBatch::try_new(schema, columns)
    }
}

fn count_of(batch: &RecordBatch, side: &str) -> Result<Int64Array> {
    let column = batch.column_by_name(side);
    let counts = column.and_then(|column| column.as_primitive_opt::<Int64Type>());
    counts
        .cloned()
        .ok_or_else(|| DataFusionError::Internal(format!("no column {side}")))
}

/// The same columns under the view's names.
fn named(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec())
}
