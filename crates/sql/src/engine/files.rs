//! The part of a stream that is in history: a plan over the pinned Parquet files.
//!
//! It reads the files of a pin and nothing else, and never writes.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::{Field, Fields, Schema, SchemaRef},
    common::{
        Result,
        stats::{Precision, Statistics},
        tree_node::{Transformed, TreeNode},
    },
    datasource::{
        listing::PartitionedFile,
        physical_plan::{FileGroup, FileGroupPartitioner, FileScanConfigBuilder, ParquetSource},
        source::DataSourceExec,
    },
    execution::{TaskContext, config::SessionConfig, object_store::ObjectStoreUrl},
    physical_expr::expressions::Column,
    physical_plan::{ExecutionPlan, PhysicalExpr, filter::FilterExec, projection::ProjectionExec},
};
use mainstem_history::{DataFile, Pinned};
use mainstem_kernel::types::SEQ_COLUMN;

use super::{
    coded, columns::StreamColumns, range::SeqRange, stats, store::FileStore, tail::within,
};

/// Files at least this large are read by several threads.
const SPLIT_BYTES_MIN: usize = 4 << 20;

/// What a plan is made for.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) config: SessionConfig,
}

impl Machine {
    /// The one that a running plan has.
    pub(crate) fn of_task(task: &TaskContext) -> Self {
        Self {
            config: task.session_config().clone(),
        }
    }
}

/// What is read of a pinned history.
#[derive(Clone, Debug)]
pub(crate) struct FileScan {
    pub(crate) columns: Arc<StreamColumns>,
    pub(crate) pin: Arc<Pinned>,
    pub(crate) store: Arc<FileStore>,
    /// Files without a row in it are left out.
    pub(crate) range: SeqRange,
    /// Over the stream's columns; prunes files, row groups and pages, and may pass more.
    pub(crate) predicate: Option<Arc<dyn PhysicalExpr>>,
    pub(crate) projection: Option<Vec<usize>>,
    /// Text columns that come out as dictionaries.
    pub(crate) coded: Vec<usize>,
    pub(crate) limit: Option<usize>,
}

impl FileScan {
    /// The plan, with the projected columns under their names; `None` if no file has such rows.
    ///
    /// # Errors
    /// When DataFusion refuses the plan.
    pub(crate) fn plan(&self, machine: &Machine) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let physical = self.columns.physical(&self.pin);
        let schema = self.physical_schema(&physical);
        let files = self.files(&physical);
        if files.is_empty() {
            return Ok(None);
        }
        let whole: u64 = files.iter().map(|file| file.size).sum();
        let rows: u64 = files.iter().map(|file| file.rows).sum();
        tracing::debug!(
            files = files.len(),
            bytes = whole,
            rows,
            "history is scanned"
        );
        let (groups, statistics) = self.groups(&files, &physical, &schema, machine)?;
        let url = self.store.url()?;
        let source = self.source(&physical, &schema);
        let config = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_limit(self.limit)
            .with_projection_indices(self.projection.clone())?
            .build();
        let scan: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(config);
        self.named(scan, &physical).map(Some)
    }

    /// The plan of those rows alone that are within the range.
    ///
    /// # Errors
    /// When DataFusion refuses the plan.
    pub(crate) fn plan_within(&self, machine: &Machine) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let seq = self.columns.schema.index_of(SEQ_COLUMN)?;
        let every = || (0..self.columns.schema.fields().len()).collect();
        let wanted: Vec<usize> = self.projection.clone().unwrap_or_else(every);
        let mut projection = wanted.clone();
        let position = wanted.iter().position(|index| *index == seq);
        let position = position.unwrap_or_else(|| {
            projection.push(seq);
            wanted.len()
        });
        let scan = Self {
            projection: Some(projection),
            ..self.clone()
        };
        let Some(files) = scan.plan(machine)? else {
            return Ok(None);
        };
        let filter = FilterExec::try_new(within(self.range, position), files)?;
        let fields = self.columns.schema.fields();
        let exprs = wanted.iter().enumerate().filter_map(|(index, place)| {
            let name = fields.get(*place)?.name().clone();
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(&name, index));
            Some((column, name))
        });
        let exprs: Vec<_> = exprs.collect();
        Ok(Some(Arc::new(ProjectionExec::try_new(
            exprs,
            Arc::new(filter),
        )?)))
    }

    /// The stream's columns as they are in files.
    fn physical_schema(&self, physical: &[String]) -> SchemaRef {
        let fields = self.columns.schema.fields().iter().zip(physical);
        let renamed = fields.enumerate().map(|(index, (field, name))| {
            let field = Field::clone(field).with_name(name.clone());
            match self.coded.contains(&index) {
                true => field.with_data_type(coded::dictionary()),
                false => field,
            }
        });
        Arc::new(Schema::new(renamed.collect::<Fields>()))
    }

    fn files(&self, physical: &[String]) -> Vec<&DataFile> {
        debug_assert_eq!(physical.len(), self.columns.schema.fields().len());
        let files = self.pin.files.iter().map(AsRef::as_ref);
        files
            .filter(|file| self.range.touches(file.first_seq, file.last_seq))
            .collect()
    }

    /// The files, shared out among the threads, and what is known of all of them.
    fn groups(
        &self,
        files: &[&DataFile],
        physical: &[String],
        schema: &SchemaRef,
        machine: &Machine,
    ) -> Result<(Vec<FileGroup>, Statistics)> {
        let known: Vec<Statistics> = files
            .iter()
            .map(|file| stats::of_file(file, physical, schema))
            .collect();
        let mut all = Statistics::try_merge_iter(known.iter(), schema)?;
        // Files at the edge of the range have rows that the filter takes away.
        let is_cut = |file: &&DataFile| self.range.cuts(file.first_seq, file.last_seq);
        if files.iter().any(is_cut) {
            all = all.to_inexact();
        }
        all.total_byte_size = Precision::Absent;
        let partitioned = files.iter().zip(known).map(|(file, known)| {
            let path = self.store.path(self.columns.def.id, &file.path);
            PartitionedFile::new(path, file.size).with_statistics(Arc::new(known))
        });
        let one = vec![FileGroup::new(partitioned.collect())];
        let threads = machine.config.target_partitions();
        let split = FileGroupPartitioner::new()
            .with_target_partitions(threads)
            .with_repartition_file_min_size(SPLIT_BYTES_MIN)
            .repartition_file_groups(&one);
        Ok((split.unwrap_or(one), all))
    }

    fn source(&self, physical: &[String], schema: &SchemaRef) -> ParquetSource {
        let store = Arc::clone(&self.store) as Arc<dyn object_store::ObjectStore>;
        let reader = coded::Footers::new(store, Arc::clone(self.store.footers()));
        let source = ParquetSource::new(Arc::clone(schema))
            .with_parquet_file_reader_factory(Arc::new(reader))
            .with_enable_page_index(true)
            .with_bloom_filter_on_read(false);
        let Some(predicate) = &self.predicate else {
            return source;
        };
        let predicate = renamed(predicate, physical);
        // To test texts before other columns are decoded pays; to test numbers does not.
        match coded::sooner(&predicate, schema) {
            Some(sooner) => source.with_pushdown_filters(true).with_predicate(sooner),
            None => source.with_predicate(predicate),
        }
    }

    /// The plan's columns under their own names, where the files have others.
    fn named(
        &self,
        scan: Arc<dyn ExecutionPlan>,
        physical: &[String],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let fields = self.columns.schema.fields();
        let every: Vec<usize> = (0..fields.len()).collect();
        let projection = self.projection.as_ref().unwrap_or(&every);
        let named = |index: &usize| {
            let name = fields
                .get(*index)
                .map(|field| field.name().clone())
                .unwrap_or_default();
            (name, physical.get(*index).cloned().unwrap_or_default())
        };
        let names: Vec<(String, String)> = projection.iter().map(named).collect();
        if names.iter().all(|(name, physical)| name == physical) {
            return Ok(scan);
        }
        let exprs = names
            .into_iter()
            .enumerate()
            .map(|(index, (name, physical))| {
                (
                    Arc::new(Column::new(&physical, index)) as Arc<dyn PhysicalExpr>,
                    name,
                )
            });
        Ok(Arc::new(ProjectionExec::try_new(
            exprs.collect::<Vec<_>>(),
            scan,
        )?))
    }
}

/// The same expression over names in files: an index stays what it is.
fn renamed(expr: &Arc<dyn PhysicalExpr>, physical: &[String]) -> Arc<dyn PhysicalExpr> {
    let changed = Arc::clone(expr).transform(|node| {
        let Some(column) = node.downcast_ref::<Column>() else {
            return Ok(Transformed::no(node));
        };
        match physical.get(column.index()) {
            Some(name) if name != column.name() => {
                let column = Column::new(name, column.index());
                Ok(Transformed::yes(Arc::new(column) as Arc<dyn PhysicalExpr>))
            }
            _ => Ok(Transformed::no(node)),
        }
    });
    changed.map_or_else(|_never| Arc::clone(expr), |changed| changed.data)
}

/// The url under which plans name the files of history.
///
/// # Errors
/// Never, in practice: the text is ours.
pub(crate) fn history_url() -> Result<ObjectStoreUrl> {
    ObjectStoreUrl::parse("mainstem://history")
}
