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
        let range = SeqRange::up_to(self.frontier).narrowed(filters);
        let files = self.files(session, projection, filters, (range, limit))?;
        let tail = self.tail(session, projection, (range, limit))?;
        let waiting = waiting::plan(&self.columns, &self.waiting, projection)?;
        let mut parts: Vec<_> = [files, tail, waiting].into_iter().flatten().collect();
        match (parts.pop(), parts.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(last), false) => {
                parts.push(last);
                UnionExec::try_new(parts)
            }
            (None, _) => {
                let schema = datafusion::common::project_schema(&self.columns.schema, projection)?;
                Ok(Arc::new(EmptyExec::new(schema)))
            }
        }
    }
}

impl StreamTable {
    fn files(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        (range, limit): (SeqRange, Option<usize>),
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
            predicate: self.predicate(session, filters, range, is_above)?,
            projection: projection.cloned(),
            limit: limit.filter(|_| !is_above),
        };
        let machine = Machine {
            config: session.config().clone(),
            runtime: Arc::clone(session.runtime_env()),
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
        range: SeqRange,
        is_above: bool,
    ) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let seq = self.columns.schema.index_of(SEQ_COLUMN)?;
        let range = within(range, seq);
        let Some(filter) = conjunction(filters.iter().cloned()) else {
            return Ok(is_above.then_some(range));
        };
        let schema = DFSchema::try_from(Arc::clone(&self.columns.schema))?;
        let filter = session.create_physical_expr(filter, &schema)?;
        // What was learnt from arrival_time(_seq) prunes row groups too.
        let both = datafusion::physical_expr::conjunction(vec![filter, range]);
        Ok(Some(both))
    }

    fn tail(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        (range, limit): (SeqRange, Option<usize>),
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
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
        let exec = StreamingTableExec::try_new(schema, parts, None, [], false, limit)?;
        Ok(Some(Arc::new(exec)))
    }
}
