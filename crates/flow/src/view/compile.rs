//! From a planned view to the operators that run it.

mod argument;
mod feeds;
mod matching;
mod ranked;
mod running;

use std::{sync::Arc, time::Duration};

use datafusion::{
    arrow::datatypes::{DataType, Schema},
    common::DataFusionError,
    physical_expr::expressions::case,
};
use mainstem_catalog::Emit;
use mainstem_kernel::StreamId;
use mainstem_sql::view::{
    Call, Function, Node, Overlapping, PairsKind, PlannedView, Running, Tumbling, WindowKind,
};

use self::argument::Argument;
use super::{Feed, Pipeline, Segment, Side, SourceRead};
use crate::{
    aggregate::{Aggregate, AggregateSpec},
    errors::FlowError,
    evaluate::Expr,
    group_by::{Emission, GroupBy, GroupCall, Sessions},
    keys::key_type,
    stage::{Cut, LateRows, Lookup, Stage, Window},
};

impl Pipeline {
    /// The operators of a plan.
    ///
    /// # Errors
    /// `Plan` names what is not done here.
    pub(crate) fn compile(view: StreamId, plan: &PlannedView) -> Result<Arc<Self>, FlowError> {
        let mut compiling = Compiling {
            view,
            plan,
            segments: Vec::new(),
            stages: Vec::new(),
            places: Vec::new(),
            place: 0,
            sources: Vec::new(),
            retracts: false,
            has_window: false,
            overlapping: None,
            gap_us: None,
            waiting: 0,
        };
        let feed = compiling.node(&plan.plan)?;
        let last = compiling.segment();
        let Compiling {
            mut segments,
            sources,
            has_window,
            overlapping,
            gap_us,
            place: operators,
            ..
        } = compiling;
        if matches!(plan.emit, Emit::OnWindowClose { .. }) && !has_window {
            return Err(refused(view, "it emits on window close and has no window"));
        }
        if overlapping.is_some() || gap_us.is_some() {
            return Err(refused(view, UNGROUPED));
        }
        segments.push(Arc::new(last));
        let fields = plan
            .columns
            .0
            .iter()
            .map(|c| c.ty.field(c.name.as_str(), c.nullable));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let pipeline = Self {
            view,
            sources,
            feed,
            segments,
            schema,
        };
        debug_assert!(
            pipeline.places().into_iter().eq(0..operators),
            "each operator is counted once"
        );
        Ok(Arc::new(pipeline))
    }
}

struct Compiling<'a> {
    view: StreamId,
    plan: &'a PlannedView,
    segments: Vec<Arc<Segment>>,
    stages: Vec<Stage>,
    /// Of which operator the rows behind each of these stages are.
    places: Vec<Option<usize>>,
    /// Of the operator that is compiled, among those that the plan lists.
    place: usize,
    sources: Vec<SourceRead>,
    /// Whether rows are taken back here.
    retracts: bool,
    has_window: bool,
    /// The windows of the rows here, if they overlap.
    overlapping: Option<Arc<Overlapping>>,
    /// The gap of session windows, if the rows here have them.
    gap_us: Option<i64>,
    /// How many joins of streams, or turns, there are so far.
    waiting: usize,
}

fn refused(view: StreamId, reason: impl Into<String>) -> FlowError {
    FlowError::Plan {
        view,
        reason: reason.into(),
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

impl Compiling<'_> {
    fn refused(&self, reason: impl Into<String>) -> FlowError {
        refused(self.view, reason)
    }

    /// Adds a node behind what is below it; gives what feeds the lowest.
    fn node(&mut self, node: &Node) -> Result<Feed, FlowError> {
        let feed = self.added(node)?;
        self.place += 1;
        Ok(feed)
    }

    fn added(&mut self, node: &Node) -> Result<Feed, FlowError> {
        match node {
            Node::Source { .. } => return self.source(node),
            Node::Union { inputs, schema } => return self.union(inputs, schema),
            Node::Pairs(pairs) => {
                return match &pairs.kind {
                    PairsKind::Near(near) => self.pairs(pairs, near),
                    PairsKind::Changing { .. } => self.matching(pairs),
                };
            }
            _ => {}
        }
        let below = node
            .input()
            .ok_or_else(|| self.refused("an operator has no input"))?;
        let mut feed = self.node(below)?;
        if let Node::Running(Running {
            turns: Some(turns), ..
        }) = node
        {
            feed = self.turns(below, *turns, feed)?;
        }
        let before = (self.segments.len(), self.stages.len());
        match node {
            Node::Source { .. } | Node::Union { .. } | Node::Pairs(_) => {}
            Node::Filter { predicate, .. } => {
                self.stages.push(Stage::Filter(Arc::clone(predicate)))
            }
            Node::Project { exprs, schema, .. } => {
                self.stages.push(Stage::Project {
                    exprs: exprs.clone(),
                    schema: Arc::clone(schema),
                });
            }
            Node::Lookup { .. } => self.lookup(node)?,
            Node::Window { .. } => self.window(node)?,
            Node::Aggregate { .. } => self.aggregate(below, node)?,
            Node::Rank(rank) => self.rank(rank)?,
            Node::Running(running) => self.running(running)?,
        }
        // What stands behind a grouping of its own shapes what that tells.
        if self.segments.len() == before.0 && self.stages.len() > before.1 {
            self.mark(self.stages.len() - 1);
        }
        Ok(feed)
    }

    /// What comes out of a stage, or behind the last one of the grouping, is the operator's.
    fn mark(&mut self, number: usize) {
        self.places.resize(number, None);
        self.places.push(Some(self.place));
    }

    /// The stages so far, which nothing groups.
    fn segment(&mut self) -> Segment {
        Segment {
            places: std::mem::take(&mut self.places),
            ..Segment::of(std::mem::take(&mut self.stages))
        }
    }

    fn lookup(&mut self, node: &Node) -> Result<(), FlowError> {
        let Node::Lookup {
            table,
            keys,
            outer,
            columns,
            schema,
            ..
        } = node
        else {
            return Ok(());
        };
        if self.retracts {
            return Err(self.refused("it looks up a table for rows that are taken back"));
        }
        let table = self
            .plan
            .inputs
            .get(*table)
            .map(mainstem_sql::view::Input::id);
        self.stages.push(Stage::Lookup(Lookup {
            table: table.ok_or_else(|| self.refused("it looks up none of its inputs"))?,
            keys: keys.clone(),
            outer: *outer,
            columns: columns.clone(),
            schema: Arc::clone(schema),
        }));
        Ok(())
    }

    fn window(&mut self, node: &Node) -> Result<(), FlowError> {
        let Node::Window {
            time,
            windows,
            schema,
            ..
        } = node
        else {
            return Ok(());
        };
        let zone = windows.zone.as_deref();
        let cut = match windows.kind {
            WindowKind::Tumbling => {
                Tumbling::new(windows.size_us, windows.offset_us, zone).map(Cut::Tumbling)
            }
            WindowKind::Hopping | WindowKind::Cumulating => {
                Overlapping::new(windows).map(|cut| Cut::Overlapping(Arc::new(cut)))
            }
            WindowKind::Session => Tumbling::new(windows.size_us, 0, None).map(Cut::Sessions),
        };
        let cut = cut.map_err(|error| self.refused(error.to_string()))?;
        if let Cut::Overlapping(overlapping) = &cut {
            self.overlapping = Some(Arc::clone(overlapping));
        }
        if windows.kind == WindowKind::Session {
            self.gap_us = Some(windows.size_us);
        }
        let late = match self.plan.emit {
            Emit::OnWindowClose { corrections: None } => LateRows::Stream,
            _ => LateRows::Letters,
        };
        self.stages.push(Stage::Window(Window {
            time: *time,
            cut,
            keep_us: self.keep_us(),
            late,
            schema: Arc::clone(schema),
        }));
        Ok(())
    }

    fn keep_us(&self) -> i64 {
        match self.plan.emit {
            Emit::OnWindowClose {
                corrections: Some(span),
            } => micros(span),
            _ => 0,
        }
    }

    fn aggregate(&mut self, below: &Node, node: &Node) -> Result<(), FlowError> {
        let Node::Aggregate {
            keys,
            window,
            calls,
            schema,
            ..
        } = node
        else {
            return Ok(());
        };
        if self.has_window && window.is_some() {
            return Err(self.refused("it has two windows, one above the other"));
        }
        let (overlapping, gap_us) = (self.overlapping.take(), self.gap_us.take());
        if (overlapping.is_some() || gap_us.is_some()) && window.is_none() {
            return Err(self.refused(UNGROUPED));
        }
        let emission = self.emission(window.is_some())?;
        let mut exprs = keys.clone();
        let input = below.schema();
        let compiled = calls.iter().map(|call| self.call(call, input, &mut exprs));
        let mut calls = compiled.collect::<Result<Vec<_>, _>>()?;
        let keys = self.keys((keys.len(), *window), schema)?;
        let only_grows = !self.retracts && emission == Emission::Update && only_grows(&calls);
        let sessions = match (gap_us, *window) {
            (Some(gap_us), Some((_, end))) if emission == (Emission::Close { keep_us: 0 }) => {
                calls.extend(first_and_last(end, schema.field(end).data_type()));
                Some(Sessions { gap_us })
            }
            (Some(_), _) => return Err(self.refused("it changes session windows that are over")),
            (None, _) => None,
        };
        let by = GroupBy {
            guarded: guarded(&exprs, &calls).map_err(|error| self.refused(error.to_string()))?,
            exprs,
            keys,
            window: *window,
            overlapping,
            sessions,
            calls,
            ranked: None,
            matching: None,
            running: None,
            emission,
            only_grows,
            schema: Arc::clone(schema),
        };
        self.grouped(by);
        Ok(())
    }

    /// When groups are told.
    fn emission(&mut self, has_window: bool) -> Result<Emission, FlowError> {
        self.has_window |= has_window;
        match (self.plan.emit, has_window) {
            (Emit::OnWindowClose { .. }, true) => Ok(Emission::Close {
                keep_us: self.keep_us(),
            }),
            (Emit::OnUpdate { .. }, _) => Ok(Emission::Update),
            _ => Err(self.refused("it groups rows and does not emit on update")),
        }
    }

    /// Which of the first columns are keys and no bounds of a window, and their types.
    fn keys(
        &self,
        (count, window): (usize, Option<(usize, usize)>),
        schema: &Schema,
    ) -> Result<Vec<(usize, DataType)>, FlowError> {
        let is_bound = |at: &usize| window.is_some_and(|(start, end)| *at == start || *at == end);
        let key = |at: usize| {
            let ty = schema.field(at).data_type().clone();
            match key_type(&ty) {
                Some(_) => Ok((at, ty)),
                None => Err(self.refused(format!("it groups by a column of type {ty}"))),
            }
        };
        let keys = (0..count).filter(|at| !is_bound(at));
        keys.map(key).collect()
    }

    /// What groups the rows of the stages so far.
    fn grouped(&mut self, by: GroupBy) {
        self.grouped_beside(by, None);
    }

    /// The same, with the rows of another side.
    fn grouped_beside(&mut self, by: GroupBy, beside: Option<Side>) {
        self.retracts = !matches!(by.emission, Emission::Close { keep_us: 0 });
        self.mark(self.stages.len());
        let segment = Segment {
            by: Some(Arc::new(by)),
            beside,
            ..self.segment()
        };
        self.segments.push(Arc::new(segment));
    }

    fn call(
        &self,
        call: &Call,
        input: &Schema,
        exprs: &mut Vec<Expr>,
    ) -> Result<GroupCall, FlowError> {
        let Argument {
            arg,
            part,
            buckets,
            several,
        } = argument::argument(call, input).map_err(|reason| self.refused(reason))?;
        let mut add = |expr: &Expr| {
            exprs.push(Arc::clone(expr));
            exprs.len() - 1
        };
        let arg = arg.as_ref().map(|arg| (add(arg), arg.data_type(input)));
        let arg_type = match &arg {
            None => None,
            Some((_, Ok(ty))) => Some(plain(ty)),
            Some((_, Err(error))) => return Err(self.refused(error.strip_backtrace())),
        };
        let spec = AggregateSpec {
            function: call.function,
            arg: arg_type,
            ty: call.ty.clone(),
            retracts: self.retracts,
            distinct_max: call.distinct_max.map_or(usize::MAX, |most| {
                usize::try_from(most).unwrap_or(usize::MAX)
            }),
            part,
            buckets,
            several,
        };
        // What it cannot keep is known now, not in the first step.
        Aggregate::new(&spec).map_err(|error| self.refused(error.to_string()))?;
        Ok(GroupCall {
            spec,
            arg: arg.map(|(at, _)| at),
            filter: call.filter.as_ref().map(add),
        })
    }
}

const UNGROUPED: &str = "it does not group by its windows, which are merged from parts";

/// The first and the last time of a group, which are its session's; `time` is where their expression
/// is among those of the grouping.
fn first_and_last(time: usize, ty: &DataType) -> [GroupCall; 2] {
    [Function::Min, Function::Max].map(|function| GroupCall {
        spec: AggregateSpec {
            function,
            arg: Some(ty.clone()),
            ty: ty.clone(),
            retracts: false,
            distinct_max: usize::MAX,
            part: None,
            buckets: None,
            several: None,
        },
        arg: Some(time),
        filter: None,
    })
}

/// The same expressions, arguments computed only for the rows that their FILTER takes.
fn guarded(exprs: &[Expr], calls: &[GroupCall]) -> Result<Vec<Expr>, DataFusionError> {
    let mut guarded = exprs.to_vec();
    for call in calls {
        if let (Some(arg), Some(filter)) = (call.arg, call.filter) {
            let taken = (Arc::clone(&exprs[filter]), Arc::clone(&exprs[arg]));
            guarded[arg] = case(None, vec![taken], None)?;
        }
    }
    Ok(guarded)
}

/// Whether each new row changes what calls answer, and none of them can fail: a count of all rows
/// does the first.
fn only_grows(calls: &[GroupCall]) -> bool {
    let is_float = |ty: &DataType| matches!(ty, DataType::Float32 | DataType::Float64);
    let counts_all = |call: &GroupCall| {
        call.spec.function == Function::Count && call.arg.is_none() && call.filter.is_none()
    };
    let never_fails = |call: &GroupCall| match call.spec.function {
        Function::Count
        | Function::Min
        | Function::Max
        | Function::BoolAnd
        | Function::BoolOr
        | Function::MinBy
        | Function::MaxBy
        | Function::Moment(_)
        | Function::ApproxDistinct
        | Function::ApproxPercentile
        | Function::Histogram => true,
        Function::Sum | Function::Avg => call.spec.arg.as_ref().is_some_and(is_float),
        Function::CountDistinct | Function::SumDistinct | Function::AvgDistinct => false,
    };
    calls.iter().any(counts_all) && calls.iter().all(never_fails)
}

/// Types that differ in their layout alone are one.
fn plain(ty: &DataType) -> DataType {
    match ty {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        other => other.clone(),
    }
}
