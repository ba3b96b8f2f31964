//! Reading rows by key as DataFusion runs it: one partition, batches as they are asked for.

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::{array::RecordBatch, datatypes::SchemaRef},
    common::{DataFusionError, Result, tree_node::TreeNodeRecursion},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::EquivalenceProperties,
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
        ReplaceChildrenOptions,
        execution_plan::{Boundedness, EmissionType},
        stream::RecordBatchStreamAdapter,
    },
};
use mainstem_table::{Pointer, TableError};

use super::{Access, KeyedColumns};
use crate::error::QueryError;

/// Rows of one batch.
const BATCH_ROWS: usize = 8_192;

/// What is read.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) columns: Arc<KeyedColumns>,
    pub(super) pointer: Arc<Pointer>,
    pub(super) access: Access,
    pub(super) projection: Vec<usize>,
    pub(super) limit: Option<usize>,
}

/// Reads rows by key.
#[derive(Debug)]
pub(super) struct KeyedExec {
    read: Read,
    properties: Arc<PlanProperties>,
}

impl KeyedExec {
    pub(super) fn new(read: Read, schema: SchemaRef) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            read,
            properties: Arc::new(properties),
        }
    }
}

impl DisplayAs for KeyedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Read {
            columns, access, ..
        } = &self.read;
        write!(f, "KeyedExec: {}, {access}", columns.label)
    }
}

impl ExecutionPlan for KeyedExec {
    fn name(&self) -> &'static str {
        "KeyedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self.read.rows()?;
        let rows = futures::stream::iter(rows);
        let schema = Arc::clone(self.properties.eq_properties.schema());
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, TableError>> + Send>;

impl Read {
    /// The batches, each read when it is asked for.
    fn rows(&self) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
        let batches = self.batches().map_err(unreadable)?;
        let read = self.clone();
        let mut left = self.limit;
        Ok(batches.map_while(move |batch| {
            if left == Some(0) {
                return None;
            }
            Some(batch.map_err(unreadable).and_then(|batch| {
                let taken = left.map_or(batch.num_rows(), |left| left.min(batch.num_rows()));
                left = left.map(|left| left - taken);
                read.project(&batch.slice(0, taken))
            }))
        }))
    }

    fn batches(&self) -> std::result::Result<Batches, TableError> {
        let table = self.columns.id;
        let Ok(codec) = self.pointer.codec(table) else {
            // It was created behind this frontier: the engine has seen to it.
            return Ok(Box::new(std::iter::empty()));
        };
        match &self.access {
            Access::Nothing => Ok(Box::new(std::iter::empty())),
            Access::Keys(keys) => {
                let found = self.pointer.get_columns(table, keys)?;
                Ok(Box::new(std::iter::once(Ok(found.rows))))
            }
            Access::Range { .. } | Access::All => {
                let range = self.access.range(codec)?;
                Ok(Box::new(self.pointer.scan(table, &range, BATCH_ROWS)?))
            }
        }
    }

    fn project(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let codec = self.pointer.codec(self.columns.id).map_err(unreadable)?;
        let known = &codec.table().columns;
        Ok(self.columns.project(rows, known, &self.projection)?)
    }
}

fn unreadable(error: TableError) -> DataFusionError {
    let source = Box::new(error);
    DataFusionError::External(Box::new(QueryError::Unreadable { source }))
}
