//! The part of a stream that is still in the log: its frames, read as they are asked for.
//!
//! The archiver may move on meanwhile: what it takes out of the log is then read from history,
//! so that every row up to the frontier is given once, whatever happens beside.

use std::sync::Arc;

use datafusion::{
    arrow::{array::RecordBatch, datatypes::SchemaRef},
    common::{DataFusionError, Result, runtime::SpawnedTask},
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::Operator,
    physical_expr::expressions::{BinaryExpr, Column, lit},
    physical_plan::{
        ExecutionPlan, PhysicalExpr, execute_stream, stream::RecordBatchReceiverStream,
        streaming::PartitionStream,
    },
};
use futures::StreamExt;
use mainstem_history::History;
use mainstem_kernel::{Seq, StreamId, types::SEQ_COLUMN};
use mainstem_log::{Chunk, ReadError, ReadFrom, SharedLog};
use tokio::sync::mpsc::Sender;

use super::{
    columns::StreamColumns,
    files::{FileScan, Machine},
    range::SeqRange,
    store::SharedStore,
};
use crate::error::QueryError;

/// About how much is read from the log at once.
const CHUNK_BYTES: usize = 4 << 20;
/// Batches that wait for whoever asks, per thread.
const WAITING: usize = 2;
/// A log part at least this large is read by several threads.
const SPLIT_BYTES_MIN: u64 = 16 << 20;

/// What reads the log.
#[derive(Clone, Debug)]
pub(crate) struct TailScan {
    pub(crate) columns: Arc<StreamColumns>,
    pub(crate) log: SharedLog,
    pub(crate) history: Arc<History>,
    pub(crate) store: SharedStore,
    pub(crate) projection: Vec<usize>,
    /// Of the projected columns.
    pub(crate) schema: SchemaRef,
}

/// One part of a scan of the log, as DataFusion runs it.
#[derive(Debug)]
pub(crate) struct TailPart {
    scan: TailScan,
    range: SeqRange,
}

impl TailScan {
    /// The parts in which a range is read, at most `threads`; empty if the log has none of it.
    pub(crate) fn parts(self, range: SeqRange, threads: usize) -> Vec<Arc<dyn PartitionStream>> {
        let extent = self.log.extent(self.columns.def.id);
        let (first, last) = extent.map_or((range.through, range.through), |extent| {
            let before = Seq(extent.first.0.saturating_sub(1));
            (range.after.max(before), range.through.min(extent.last))
        });
        // Nothing of it is there now: it never was, or the archiver took it since the pin.
        if first >= last && self.has_nothing(range) {
            return Vec::new();
        }
        let bytes = extent.map_or(0, |extent| extent.bytes);
        let split = if bytes < SPLIT_BYTES_MIN {
            1
        } else {
            threads.max(1)
        };
        let split = u64::try_from(split).unwrap_or(1);
        let step = last.0.saturating_sub(first.0).div_ceil(split).max(1);
        let mut parts: Vec<Arc<dyn PartitionStream>> = Vec::new();
        // The first part begins where the range begins, and the last ends where it ends: what
        // the log no longer or not yet has of it is then answered by `Trimmed`, not left out.
        let mut after = range.after;
        for index in 1..=split {
            let end = first.0.saturating_add(step.saturating_mul(index));
            let through = if index == split {
                range.through
            } else {
                Seq(end).min(range.through)
            };
            if after < through {
                let range = SeqRange { after, through };
                parts.push(Arc::new(TailPart {
                    scan: self.clone(),
                    range,
                }));
            }
            after = through;
        }
        parts
    }
}

impl TailScan {
    fn has_nothing(&self, range: SeqRange) -> bool {
        let from = ReadFrom {
            after: range.after,
            through: range.through,
            bytes_max: 1,
        };
        let read = self.log.read(self.columns.def.id, from);
        read.is_ok_and(|chunk| chunk.is_end && chunk.frames.is_empty())
    }
}

impl PartitionStream for TailPart {
    fn schema(&self) -> &SchemaRef {
        &self.scan.schema
    }

    fn execute(&self, ctx: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(self.schema()), WAITING);
        let tx = builder.tx();
        let (scan, range) = (self.scan.clone(), self.range);
        builder.spawn(async move { scan.send(range, &tx, ctx).await });
        builder.build()
    }
}

impl TailScan {
    /// Sends the rows of a range until whoever asks has enough.
    async fn send(
        &self,
        mut range: SeqRange,
        tx: &Sender<Result<RecordBatch>>,
        ctx: Arc<TaskContext>,
    ) -> Result<()> {
        while !range.is_empty() {
            match self.read(range).await? {
                Ok(chunk) => {
                    for frame in &chunk.frames {
                        let batch = self.columns.batch(frame, &self.projection, &self.schema)?;
                        if tx.send(Ok(batch)).await.is_err() {
                            return Ok(());
                        }
                    }
                    if chunk.is_end {
                        return Ok(());
                    }
                    range.after = range.after.max(chunk.through);
                }
                Err(trimmed) => {
                    let through = trimmed.min(range.through);
                    let gone = SeqRange {
                        after: range.after,
                        through,
                    };
                    if gone.is_empty() {
                        return Err(unreadable("the log gave up rows that it was not asked for"));
                    }
                    if !self.send_archived(gone, tx, &ctx).await? {
                        return Ok(());
                    }
                    range.after = through;
                }
            }
        }
        Ok(())
    }

    /// The next frames, or the seq up to which the log has given them up.
    async fn read(&self, range: SeqRange) -> Result<Result<Chunk, Seq>> {
        let (log, stream) = (Arc::clone(&self.log), self.columns.def.id);
        let from = ReadFrom {
            after: range.after,
            through: range.through,
            bytes_max: CHUNK_BYTES,
        };
        // The log may read its files: not in a thread that others wait for.
        let read = SpawnedTask::spawn_blocking(move || log.read(stream, from));
        match read
            .await
            .map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?
        {
            Ok(chunk) => Ok(Ok(chunk)),
            Err(ReadError::Trimmed { trimmed, .. }) => Ok(Err(trimmed)),
            Err(error) => {
                let source = Box::new(error);
                Err(DataFusionError::External(Box::new(
                    QueryError::Unreadable { source },
                )))
            }
        }
    }

    /// Sends rows that were archived since the question began; false when enough was sent.
    async fn send_archived(
        &self,
        range: SeqRange,
        tx: &Sender<Result<RecordBatch>>,
        ctx: &Arc<TaskContext>,
    ) -> Result<bool> {
        tracing::debug!(after = %range.after, through = %range.through, "archived meanwhile");
        let Some(plan) = self.archived(range, ctx)? else {
            return Ok(true);
        };
        let mut rows = execute_stream(plan, Arc::clone(ctx))?;
        while let Some(batch) = rows.next().await {
            // DataFusion's schema may differ in what is nullable.
            let batch = batch?;
            let batch = RecordBatch::try_new_with_options(
                Arc::clone(&self.schema),
                batch.columns().to_vec(),
                &datafusion::arrow::array::RecordBatchOptions::new()
                    .with_row_count(Some(batch.num_rows())),
            )?;
            if tx.send(Ok(batch)).await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The plan of the rows of a range that are in history now.
    fn archived(
        &self,
        range: SeqRange,
        ctx: &Arc<TaskContext>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let stream: StreamId = self.columns.def.id;
        let pin = self.history.pin(stream);
        let Some(pin) = pin.filter(|pin| pin.archived >= range.through) else {
            return Err(unreadable("rows are neither in the log nor in history"));
        };
        let seq = self.columns.schema.index_of(SEQ_COLUMN)?;
        let scan = FileScan {
            columns: Arc::clone(&self.columns),
            pin,
            store: Arc::clone(&self.store),
            range,
            predicate: Some(within(range, seq)),
            projection: Some(self.projection.clone()),
            coded: Vec::new(),
            limit: None,
        };
        scan.plan_within(&Machine::of_task(ctx))
    }
}

/// `_seq > after AND _seq <= through`, where `_seq` is the column of that index.
pub(crate) fn within(range: SeqRange, seq: usize) -> Arc<dyn PhysicalExpr> {
    let compared = |op: Operator, bound: Seq| -> Arc<dyn PhysicalExpr> {
        let column = Arc::new(Column::new(SEQ_COLUMN, seq));
        Arc::new(BinaryExpr::new(column, op, lit(bound.to_i64())))
    };
    let above = compared(Operator::Gt, range.after);
    Arc::new(BinaryExpr::new(
        above,
        Operator::And,
        compared(Operator::LtEq, range.through),
    ))
}

fn unreadable(message: &str) -> DataFusionError {
    let source = message.to_owned().into();
    DataFusionError::External(Box::new(QueryError::Unreadable { source }))
}
