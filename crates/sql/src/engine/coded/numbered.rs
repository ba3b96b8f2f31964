//! `NumberedExec`: partial aggregates of rows that are grouped by numbers of texts.
//!
//! The numbers count from zero, so a group's number is its place: no row is hashed and no group
//! looked up. It stands for the `AggregateExec` that it was made from, and gives the same columns.

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array},
        compute::filter,
        datatypes::{SchemaRef, UInt32Type},
    },
    common::{
        Result, internal_err,
        tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion},
    },
    config::ConfigOptions,
    execution::{
        SendableRecordBatchStream, TaskContext,
        memory_pool::{MemoryConsumer, MemoryReservation},
    },
    logical_expr::{EmitTo, GroupsAccumulator},
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{
        ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, InputOrderMode,
        PhysicalExpr, PlanProperties, ReplaceChildrenOptions,
        aggregates::{AggregateExec, AggregateMode, aggregate_expressions, evaluate_many},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt, TryStreamExt, stream};

use super::table::is_number_name;

/// Puts `NumberedExec` where it can be.
#[derive(Debug)]
pub(crate) struct PlaceByNumber;

impl PhysicalOptimizerRule for PlaceByNumber {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let better = plan.transform_down(|node| {
            let Some(aggregate) = node.downcast_ref::<AggregateExec>() else {
                return Ok(Transformed::no(node));
            };
            match is_by_number(aggregate) {
                true => {
                    let better: Arc<dyn ExecutionPlan> = Arc::new(NumberedExec { partial: node });
                    Ok(Transformed::yes(better))
                }
                false => Ok(Transformed::no(node)),
            }
        });
        better.data()
    }

    fn name(&self) -> &'static str {
        "place_by_number"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether it groups by one number of texts alone, in a way that is built here.
fn is_by_number(aggregate: &AggregateExec) -> bool {
    let group = aggregate.group_expr();
    let is_number = match group.expr() {
        [(_, name)] => group.is_single() && is_number_name(name),
        _ => false,
    };
    let is_plain = aggregate
        .aggr_expr()
        .iter()
        .all(|call| call.groups_accumulator_supported() && call.order_bys().is_empty());
    is_number
        && is_plain
        && *aggregate.mode() == AggregateMode::Partial
        && *aggregate.input_order_mode() == InputOrderMode::Linear
        && aggregate.limit_options().is_none()
        && aggregate.dynamic_expressions_produced().is_empty()
}

/// Partial aggregates by places.
#[derive(Debug)]
struct NumberedExec {
    /// What it stands for: an `AggregateExec`.
    partial: Arc<dyn ExecutionPlan>,
}

impl NumberedExec {
    fn aggregate(&self) -> Result<&AggregateExec> {
        match self.partial.downcast_ref::<AggregateExec>() {
            Some(aggregate) => Ok(aggregate),
            None => internal_err!("numbers stand for another plan"),
        }
    }
}

impl DisplayAs for NumberedExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("by number: ")?;
        match self.aggregate() {
            Ok(aggregate) => aggregate.fmt_as(kind, f),
            Err(_other) => Ok(()),
        }
    }
}

impl ExecutionPlan for NumberedExec {
    fn name(&self) -> &'static str {
        "NumberedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.partial.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.partial.children()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.partial.apply_expressions(f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let partial = Arc::clone(&self.partial).replace_children(children, options)?;
        Ok(Arc::new(Self { partial }))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn execute(
        &self,
        partition: usize,
        task: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let aggregate = self.aggregate()?;
        let input = aggregate.input().execute(partition, Arc::clone(&task))?;
        let places = Places::new(aggregate, &task)?;
        let schema = self.schema();
        let rows = task.session_config().batch_size();
        let batches = stream::once(places.run(input)).map_ok(move |all| {
            let starts = (0..all.num_rows()).step_by(rows.max(1));
            let cuts = starts.map(move |at| Ok(all.slice(at, rows.min(all.num_rows() - at))));
            stream::iter(cuts.collect::<Vec<_>>())
        });
        let batches = batches.try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

/// The groups of one thread. Place 0 is the group of NULL; the others are numbers and one.
struct Places {
    schema: SchemaRef,
    number: Arc<dyn PhysicalExpr>,
    calls: Vec<Call>,
    arguments: Vec<Vec<Arc<dyn PhysicalExpr>>>,
    /// Which groups have rows.
    is_seen: Vec<bool>,
    /// Of the rows of a batch.
    places: Vec<usize>,
    memory: MemoryReservation,
}

struct Call {
    state: Box<dyn GroupsAccumulator>,
    filter: Option<Arc<dyn PhysicalExpr>>,
}

impl Places {
    fn new(aggregate: &AggregateExec, task: &TaskContext) -> Result<Self> {
        let Some((number, _)) = aggregate.group_expr().expr().first() else {
            return internal_err!("nothing to group by");
        };
        let calls = aggregate.aggr_expr().iter().zip(aggregate.filter_expr());
        let calls = calls.map(|(call, filter)| {
            Ok(Call {
                state: call.create_groups_accumulator()?,
                filter: filter.clone(),
            })
        });
        let arguments = aggregate_expressions(aggregate.aggr_expr(), aggregate.mode(), 0)?;
        Ok(Self {
            schema: aggregate.schema(),
            number: Arc::clone(number),
            calls: calls.collect::<Result<_>>()?,
            arguments,
            is_seen: Vec::new(),
            places: Vec::new(),
            memory: MemoryConsumer::new("groups").register(task.memory_pool()),
        })
    }

    async fn run(mut self, mut input: SendableRecordBatchStream) -> Result<RecordBatch> {
        while let Some(batch) = input.next().await {
            self.take(&batch?)?;
        }
        self.end()
    }

    fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        let numbers = self.number.evaluate(batch)?.into_array(rows)?;
        self.place(numbers.as_primitive::<UInt32Type>())?;
        let arguments = evaluate_many(&self.arguments, batch)?;
        for (call, arguments) in self.calls.iter_mut().zip(arguments) {
            let filter = match &call.filter {
                Some(filter) => Some(filter.evaluate(batch)?.into_array(rows)?),
                None => None,
            };
            let filter = filter.as_ref().map(|filter| filter.as_boolean());
            let groups = self.is_seen.len();
            call.state
                .update_batch(&arguments, &self.places, filter, groups)?;
        }
        let states: usize = self.calls.iter().map(|call| call.state.size()).sum();
        let own = self.is_seen.capacity() + self.places.capacity() * size_of::<usize>();
        self.memory.try_resize(states + own)
    }

    fn place(&mut self, numbers: &UInt32Array) -> Result<()> {
        let place = |number: u32| usize::try_from(number).map_or(0, |number| number + 1);
        let greatest = numbers.iter().flatten().max();
        let groups = greatest.map_or(1, |greatest| place(greatest) + 1);
        if groups > self.is_seen.len() {
            // Ahead of the places, so that a flood of numbers is refused before it is served.
            self.memory.try_grow(groups - self.is_seen.len())?;
            self.is_seen.resize(groups, false);
        }
        self.places.clear();
        match numbers.null_count() {
            0 => self
                .places
                .extend(numbers.values().iter().map(|number| place(*number))),
            _ => self
                .places
                .extend(numbers.iter().map(|number| number.map_or(0, place))),
        }
        for place in &self.places {
            if let Some(is_seen) = self.is_seen.get_mut(*place) {
                *is_seen = true;
            }
        }
        Ok(())
    }

    /// The groups that have rows, with their states.
    fn end(mut self) -> Result<RecordBatch> {
        let numbers =
            (0..self.is_seen.len()).map(|place| u32::try_from(place).ok()?.checked_sub(1));
        let numbers: ArrayRef = Arc::new(numbers.collect::<UInt32Array>());
        let mut columns = vec![numbers];
        if !self.is_seen.is_empty() {
            for call in &mut self.calls {
                columns.extend(call.state.state(EmitTo::All)?);
            }
        } else {
            return Ok(RecordBatch::new_empty(self.schema));
        }
        let is_seen = BooleanArray::from(self.is_seen);
        if is_seen.has_false() {
            for column in &mut columns {
                *column = filter(column, &is_seen)?;
            }
        }
        Ok(RecordBatch::try_new(self.schema, columns)?)
    }
}
