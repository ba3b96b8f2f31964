//! Aggregates with OVER and LAG as figures of a key's rows, in the order of the log or of event time.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::{FieldRef, Schema, SchemaRef},
    common::ScalarValue,
    logical_expr::{
        Aggregate, Expr, Window, WindowFrame, WindowFrameBound, WindowFrameUnits,
        WindowFunctionDefinition,
        expr::{AggregateFunction, WindowFunction, WindowFunctionParams},
    },
};
use mainstem_kernel::{
    Code, Problem, StreamId, StreamName,
    types::{OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN},
};

use super::{
    super::{
        Input, Node, lineage,
        node::{Figure, Frame, Near, Running, Turns},
        refuse::{other_order, unbuilt},
    },
    Shape, column, position, projected,
};
use crate::{
    declare::{Told, mistake},
    error::from_engine,
    pattern,
    question::in_file,
};

/// Rows of a key that may be kept.
const DEPTH_MAX: u64 = 10_000;

impl Shape<'_> {
    pub(super) fn running(&self, window: &Window, schema: SchemaRef) -> Result<Node, Problem> {
        let mut functions = Vec::with_capacity(window.window_expr.len());
        for expr in &window.window_expr {
            let function = function(expr);
            let unbuilt = || unbuilt("this function with OVER", self.place.clone());
            functions.push(function.ok_or_else(unbuilt)?);
        }
        let Some(first) = functions.first() else {
            return self.node(&window.input);
        };
        let over = window.input.schema();
        let input = self.node(&window.input)?;
        let turns = self.order(&input, &first.params, window)?;
        let width = input.schema().fields().len();
        if turns.is_some() {
            self.carried(&input, "OVER (… ORDER BY the event time) that carries")?;
        }
        let keys = self.physical(&first.params.partition_by, over)?;
        let (input, partition) = self.partitioned(input, &keys)?;
        let fields: Vec<FieldRef> = schema.fields().iter().skip(width).cloned().collect();
        let figures = functions.iter().zip(&fields);
        let figures = figures.map(|(function, field)| self.figure(function, field, window));
        let figures = figures.collect::<Result<Vec<_>, _>>()?;
        let wide = input.schema().fields().len();
        let all = input.schema().fields().iter().cloned().chain(fields);
        let all = Arc::new(Schema::new(all.collect::<Vec<_>>()));
        let mut running = Running {
            input: Box::new(input),
            partition,
            turns,
            figures,
            looked_up: None,
            schema: all,
        };
        running.looked_up = self.looked_up(running.input.schema(), &running);
        if running.depth() > DEPTH_MAX {
            let message = format!("OVER (…) looks back over {} rows of a key", running.depth());
            return Err(mistake(Code::View002, self.place.clone(), message)
                .hint(format!("look back over {DEPTH_MAX} at most")));
        }
        // What the key was computed as is left out again.
        let places = (0..width).chain(wide..running.schema.fields().len());
        let exprs = places.zip(schema.fields());
        let exprs = exprs.map(|(place, field)| position(field.name(), place));
        let exprs = exprs.collect();
        Ok(projected(Node::Running(running), exprs, schema))
    }

    /// In which order rows count: that of the log, or turns; anything else is refused.
    fn order(
        &self,
        input: &Node,
        params: &WindowFunctionParams,
        window: &Window,
    ) -> Result<Option<Turns>, Problem> {
        let over = window.input.schema();
        let mut order = Vec::with_capacity(params.order_by.len());
        for sort in &params.order_by {
            let expr = self.one(&sort.expr, over)?;
            order.push(column(&expr).filter(|_| sort.asc));
        }
        order.dedup();
        let name = |place: Option<usize>| lineage::read_as(input, place?);
        let names: Vec<Option<String>> = order.iter().copied().map(name).collect();
        let arrival = [SEQ_COLUMN, PARTITION_COLUMN, OFFSET_COLUMN];
        let arrives = |names: &[Option<String>]| {
            let names = names.iter().map(Option::as_deref);
            names.eq(arrival.map(Some))
        };
        if self.only_passes(input) {
            // Figures over figures: what is below has put rows in its order.
            let below = lineage::running(input).map(|running| running.turns.is_some());
            let is_log = arrives(&names) && self.reads_stream(input) && self.reads_once(input);
            if is_log && below != Some(true) {
                return Ok(None);
            }
            if let ([Some(time), ..], [_, ties @ ..]) = (order.as_slice(), names.as_slice())
                && let Some(slice_us) = self.turn_us(input, *time)
                // Of several streams the order of the log is that of no column.
                && (arrives(ties) || input.sources().len() > 1)
                && below != Some(false)
            {
                let turns = Turns {
                    time: *time,
                    slice_us,
                };
                return Ok(below.is_none().then_some(turns));
            }
        }
        Err(other_order(self.place.clone()))
    }

    /// Whether rows below are only added, each as it is read.
    fn only_passes(&self, input: &Node) -> bool {
        lineage::aggregate(input).is_none()
            && lineage::rank(input).is_none()
            && lineage::window(input).is_none()
            && !super::pairs::has_pairs(input)
            && self.changing(input).is_none()
    }

    fn reads_stream(&self, input: &Node) -> bool {
        let mut read = input.sources().into_iter();
        read.all(|at| {
            let known = self.bound.inputs.get(at);
            known.is_some_and(|known| matches!(known.input, Input::Stream { .. }))
        })
    }

    /// Whether no stream is read on two sides of UNION: each row has a place in the log of its own. Where views
    /// are looked up, only rows that count for different views share one.
    fn reads_once(&self, input: &Node) -> bool {
        let read = input.sources();
        let mut once = read.clone();
        once.sort_unstable();
        once.dedup();
        once.len() == read.len() || !self.bound.looked_up.is_empty()
    }

    /// The view whose rows figures are.
    fn looked_up(&self, schema: &Schema, running: &Running) -> Option<(StreamId, StreamName)> {
        let reads = |name: &str| {
            running.figures.iter().any(|figure| match figure {
                Figure::Aggregate(call, _) => call.args.iter().any(|arg| {
                    let field = column(arg).and_then(|at| schema.fields().get(at));
                    field.is_some_and(|field| field.name() == name)
                }),
                Figure::Lag { .. } | Figure::Pattern { .. } => false,
            })
        };
        let mut views = self.bound.looked_up.iter();
        let view = views.find(|view| reads(&view.rows_name()))?;
        Some((view.id, view.name.clone()))
    }

    /// Length of a turn, if a column is the event time of what is read.
    fn turn_us(&self, input: &Node, time: usize) -> Option<i64> {
        let known = self.bound.inputs.iter();
        let inputs: Vec<Input> = known.map(|known| known.input.clone()).collect();
        let behind = lineage::event_time(input, time, &inputs)?;
        let sources = input.sources().into_iter();
        let read = sources.filter_map(|at| inputs.get(at)?.watermark());
        let delay = read.map(|watermark| watermark.delay).max()?;
        Some(Near::slice_us((0, 0), delay.max(behind)))
    }

    fn figure(
        &self,
        function: &WindowFunction,
        field: &FieldRef,
        window: &Window,
    ) -> Result<Figure, Problem> {
        let params = &function.params;
        let ty = field.data_type().clone();
        let udf = match &function.fun {
            WindowFunctionDefinition::AggregateUDF(udf) => udf,
            WindowFunctionDefinition::WindowUDF(_) => return self.lag(params, field, window),
        };
        if let Some(program) = pattern::program_of(udf) {
            return Ok(Figure::Pattern {
                program: Arc::new(program.clone()),
                args: self.physical(&params.args, window.input.schema())?,
                ty,
            });
        }
        let expr = Expr::AggregateFunction(AggregateFunction::new_udf(
            Arc::clone(udf),
            params.args.clone(),
            params.distinct,
            params.filter.clone(),
            Vec::new(),
            params.null_treatment,
        ));
        let aggregate =
            Aggregate::try_new(Arc::clone(&window.input), Vec::new(), vec![expr.clone()]);
        let aggregate = aggregate.map_err(|error| in_file(from_engine(error), &self.place.file))?;
        let mut call = self.call(&expr, &ty, &aggregate)?;
        let frame = self.frame(&params.window_frame)?;
        match (call.function.of_different(), frame.first) {
            // No more than the rows of the frame.
            (Some(_), Some(_)) => call.distinct_max = None,
            (Some(of), None) if call.distinct_max.is_none() => {
                let what = format!("{}(DISTINCT …) with OVER of all rows before", of.as_str());
                return Err(mistake(Code::View002, self.place.clone(), what)
                    .detail("A key never ends, and every different value is kept to be recognised.")
                    .hint(
                        "say how many rows: ROWS 50 PRECEDING; or how many values a key may have, in \
                         front of AS: WITH (distinct_max = 100000)",
                    ));
            }
            _ => {}
        }
        Ok(Figure::Aggregate(call, frame))
    }

    fn frame(&self, frame: &WindowFrame) -> Result<Frame, Problem> {
        let refused = |what: &str| {
            Err(unbuilt(what, self.place.clone()).hint(
                "write ROWS BETWEEN 50 PRECEDING AND CURRENT ROW, AND 1 PRECEDING, \
                 or UNBOUNDED PRECEDING",
            ))
        };
        let first = match &frame.start_bound {
            WindowFrameBound::Preceding(rows) if rows.is_null() => None,
            WindowFrameBound::Preceding(rows) => match whole(rows) {
                Some(rows) => Some(rows),
                None => return refused("this frame of rows"),
            },
            WindowFrameBound::CurrentRow => Some(0),
            WindowFrameBound::Following(_) => return refused("a frame of rows that are to come"),
        };
        let last = match &frame.end_bound {
            WindowFrameBound::CurrentRow => 0,
            WindowFrameBound::Preceding(rows) => match whole(rows) {
                Some(rows) => rows,
                None => return refused("this frame of rows"),
            },
            WindowFrameBound::Following(_) => return refused("a frame of rows that are to come"),
        };
        // The order is one of all rows, so that a range up to the current row ends with it.
        let is_rows = match frame.units {
            WindowFrameUnits::Rows => true,
            WindowFrameUnits::Range | WindowFrameUnits::Groups => first.is_none() && last == 0,
        };
        if !is_rows {
            return refused("a frame of RANGE or GROUPS");
        }
        if first.is_some_and(|first| first < last) {
            return refused("a frame without rows");
        }
        Ok(Frame { first, last })
    }

    fn lag(
        &self,
        params: &WindowFunctionParams,
        field: &FieldRef,
        window: &Window,
    ) -> Result<Figure, Problem> {
        let rows = match params.args.get(1) {
            None => Some(1),
            Some(Expr::Literal(value, _)) => whole(value).filter(|rows| *rows > 0),
            Some(_) => None,
        };
        let (Some(arg), Some(rows), None) = (params.args.first(), rows, params.args.get(2)) else {
            return Err(unbuilt("this form of lag", self.place.clone())
                .hint("write lag(x) or lag(x, n), n being a number above 0"));
        };
        if params.null_treatment.is_some() {
            return Err(unbuilt("IGNORE NULLS", self.place.clone()).hint("leave it out"));
        }
        Ok(Figure::Lag {
            arg: self.one(arg, window.input.schema())?,
            rows,
            ty: field.data_type().clone(),
        })
    }
}

/// An aggregate or LAG with OVER.
fn function(expr: &Expr) -> Option<&WindowFunction> {
    match expr {
        Expr::Alias(alias) => function(&alias.expr),
        Expr::WindowFunction(function) => match &function.fun {
            WindowFunctionDefinition::AggregateUDF(_) => Some(function),
            WindowFunctionDefinition::WindowUDF(udf) => (udf.name() == "lag").then_some(function),
        },
        _ => None,
    }
}

fn whole(value: &ScalarValue) -> Option<u64> {
    match value {
        ScalarValue::UInt64(value) => *value,
        ScalarValue::Int64(Some(value)) => u64::try_from(*value).ok(),
        ScalarValue::Int32(Some(value)) => u64::try_from(*value).ok(),
        _ => None,
    }
}
