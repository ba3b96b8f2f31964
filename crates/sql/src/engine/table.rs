//! A stream as a table of DataFusion: history up to the cut, the log above it, both up to the
//! question's frontier; of a view, rows that are not in the log yet behind them. It never shows a
//! row twice and never one above the frontier.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    arrow::{array::RecordBatch, datatypes::SchemaRef},
    catalog::{Session, TableProvider},
    common::{DFSchema, Result},
    logical_expr::{Expr, TableProviderFilterPushDown, TableType, utils::conjunction},
    physical_plan::{
        ExecutionPlan, PhysicalExpr, empty::EmptyExec, streaming::StreamingTableExec,
        union::UnionExec,
    },
};
use mainstem_history::{History, Pinned};
use mainstem_kernel::{Seq, types::SEQ_COLUMN};
use mainstem_log::SharedLog;

use super::{
    coded,
    columns::StreamColumns,
    files::{FileScan, Machine},
    range::SeqRange,
    store::SharedStore,
    tail::{TailScan, within},
    waiting,
};

/// One stream at one frontier.
#[derive(Debug)]
pub(crate) struct StreamTable {
    pub(crate) columns: Arc<StreamColumns>,
    /// `None` when it has no history yet.
    pub(crate) pin: Option<Arc<Pinned>>,
    pub(crate) frontier: Seq,
    /// Rows behind those of the log.
    pub(crate) waiting: Vec<RecordBatch>,
    pub(crate) log: SharedLog,
    pub(crate) history: Arc<History>,
    pub(crate) store: SharedStore,
}

/// What is wanted of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// Places of columns; `None` for all.
    pub(crate) projection: Option<&'a Vec<usize>>,
    /// Rows that do not pass them may be left out.
    pub(crate) filters: &'a [Expr],
    pub(crate) limit: Option<usize>,
    /// Text columns that come out of files as dictionaries.
    pub(crate) coded: &'a [usize],
}

#[async_trait]
impl TableProvider for StreamTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.columns.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Files are pruned by them; the filters themselves run above.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let parts = self.parts(
            session,
            &Wanted {
                projection,
                filters,
                limit,
                coded: &[],
            },
        )?;
        if parts.is_empty() {
            let schema = datafusion::common::project_schema(&self.columns.schema, projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        UnionExec::try_new(parts)
    }
}

impl StreamTable {
    /// Files, log, and what is not in the log yet.
    pub(crate) fn parts(
        &self,
        session: &dyn Session,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<Arc<dyn ExecutionPlan>>> {
        let range = SeqRange::up_to(self.frontier).narrowed(wanted.filters);
        let files = self.files(session, wanted, range)?;
        let tail = self.tail(session, wanted, range)?;
        let waiting = waiting::plan(&self.columns, &self.waiting, wanted.projection)?;
        Ok([files, tail, waiting].into_iter().flatten().collect())
    }

    /// Whether the largest file whose footer is known has a text column in dictionaries.
    pub(crate) fn is_coded(&self, column: usize) -> bool {
        let Some(pin) = &self.pin else {
            return false;
        };
        let physical = self.columns.physical(pin);
        let known = pin.files.iter().filter_map(|file| {
            let path = self.store.path(self.columns.def.id, &file.path);
            Some((
                file.size,
                coded::known(self.store.footers().as_ref(), &path)?,
            ))
        });
        let largest = known.max_by_key(|(size, _)| *size);
        largest.is_some_and(|(_, footer)| {
            let name = physical.get(column);
            name.is_some_and(|name| coded::is_coded(&footer, name))
        })
    }

    fn files(
        &self,
        session: &dyn Session,
        wanted: &Wanted<'_>,
        range: SeqRange,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(pin) = &self.pin else {
            return Ok(None);
        };
        let range = SeqRange {
            through: range.through.min(pin.archived),
            ..range
        };
        if range.is_empty() {
            return Ok(None);
        }
        // Rows by key may be behind history: then files hold rows above the frontier.
        let is_above = pin.archived > self.frontier;
        let scan = FileScan {
            columns: Arc::clone(&self.columns),
            pin: Arc::clone(pin),
            store: Arc::clone(&self.store),
            range,
            predicate: self.predicate(session, wanted.filters, range, is_above)?,
            projection: wanted.projection.cloned(),
            coded: wanted.coded.to_vec(),
            limit: wanted.limit.filter(|_| !is_above),
        };
        let machine = Machine {
            config: session.config().clone(),
        };
        match is_above {
            true => scan.plan_within(&machine),
            false => scan.plan(&machine),
        }
    }

    /// What files, row groups and pages are pruned by.
    fn predicate(
        &self,
        session: &dyn Session,
        filters: &[Expr],
        bounds: SeqRange,
        is_above: bool,
    ) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let seq = self.columns.schema.index_of(SEQ_COLUMN)?;
        let range = within(bounds, seq);
        let Some(filter) = conjunction(filters.iter().cloned()) else {
            return Ok(is_above.then_some(range));
        };
        let schema = DFSchema::try_from(Arc::clone(&self.columns.schema))?;
        let filter = session.create_physical_expr(filter, &schema)?;
        let mut files = self.pin.iter().flat_map(|pin| pin.files.iter());
        if !is_above && !files.any(|file| bounds.cuts(file.first_seq, file.last_seq)) {
            return Ok(Some(filter));
        }
        // What was learnt from arrival_time(_seq) prunes row groups too.
        let both = datafusion::physical_expr::conjunction(vec![filter, range]);
        Ok(Some(both))
    }

    fn tail(
        &self,
        session: &dyn Session,
        wanted: &Wanted<'_>,
        range: SeqRange,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let projection = wanted.projection;
        let cut = self.pin.as_ref().map_or(Seq::ZERO, |pin| pin.archived);
        let range = SeqRange {
            after: range.after.max(cut),
            ..range
        };
        if range.is_empty() {
            return Ok(None);
        }
        let schema = datafusion::common::project_schema(&self.columns.schema, projection)?;
        let every = || (0..self.columns.schema.fields().len()).collect();
        let scan = TailScan {
            columns: Arc::clone(&self.columns),
            log: Arc::clone(&self.log),
            history: Arc::clone(&self.history),
            store: Arc::clone(&self.store),
            projection: projection.cloned().unwrap_or_else(every),
            schema: Arc::clone(&schema),
        };
        let parts = scan.parts(range, session.config().target_partitions());
        if parts.is_empty() {
            return Ok(None);
        }
        let exec = StreamingTableExec::try_new(schema, parts, None, [], false, wanted.limit)?;
        Ok(Some(Arc::new(exec)))
    }
}
