//! The operator that tells each row with figures of its key, as a grouping whose rows are told.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::Schema,
    common::{DataFusionError, ScalarValue},
    physical_expr::expressions::{Column, Literal, case},
};
use mainstem_sql::{
    pattern::Answered,
    view::{self, Call, Frame, Function},
};

use super::Compiling;
use crate::{
    errors::FlowError,
    evaluate::Expr,
    group_by::{Emission, GroupBy, GroupCall},
    running::{Figure, Running},
};

impl Compiling<'_> {
    pub(super) fn running(&mut self, node: &view::Running) -> Result<(), FlowError> {
        if self.retracts {
            return Err(self.refused("it tells rows one by one that may be taken back"));
        }
        let input = node.input.schema();
        let key = |place: &usize| -> Expr { Arc::new(Column::new("", *place)) };
        let mut exprs: Vec<Expr> = node.partition.iter().map(key).collect();
        let first = exprs.len();
        let (mut calls, mut figures) = (Vec::new(), Vec::new());
        for figure in &node.figures {
            figures.push(self.figure((figure, input), (first, &mut exprs), &mut calls)?);
        }
        let fields = node.partition.iter();
        let fields = fields.map(|place| input.field(*place).clone());
        let keys = Schema::new(fields.collect::<Vec<_>>());
        let failed = |error: String| self.refused(format!("it cannot keep its rows: {error}"));
        let types = exprs.iter().skip(first).map(|expr| expr.data_type(input));
        let types = types.collect::<Result<Vec<_>, _>>();
        let types = types.map_err(|error| failed(error.strip_backtrace()))?;
        let depth = usize::try_from(node.depth()).unwrap_or(usize::MAX);
        let schema = Arc::clone(&node.schema);
        let running = Running::new((figures, depth), (first, types), Arc::clone(&schema));
        let by = GroupBy {
            guarded: exprs.clone(),
            exprs,
            keys: self.keys((first, None), &keys)?,
            window: None,
            overlapping: None,
            sessions: None,
            calls,
            ranked: None,
            matching: None,
            running: Some(running.map_err(|error| failed(error.to_string()))?),
            emission: Emission::Update,
            only_grows: true,
            schema,
        };
        self.grouped(by);
        self.retracts = false;
        Ok(())
    }

    fn figure(
        &mut self,
        (figure, input): (&view::Figure, &Schema),
        (first, exprs): (usize, &mut Vec<Expr>),
        calls: &mut Vec<GroupCall>,
    ) -> Result<Figure, FlowError> {
        let rows = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
        match figure {
            view::Figure::Lag { arg, rows: lag, .. } => {
                exprs.push(Arc::clone(arg));
                Ok(Figure::Lag {
                    arg: once(exprs, first) - first,
                    rows: rows(*lag),
                })
            }
            view::Figure::Pattern { program, args, .. } => {
                let types = args.iter().map(|arg| arg.data_type(input));
                let types = types.collect::<Result<Vec<_>, _>>();
                let refused = |error: String| self.refused(format!("its pattern: {error}"));
                let types = types.map_err(|error| refused(error.strip_backtrace()))?;
                let answered = Answered::new(program, &types);
                let mut places = Vec::with_capacity(args.len());
                for arg in args {
                    exprs.push(Arc::clone(arg));
                    places.push(once(exprs, first) - first);
                }
                Ok(Figure::Pattern {
                    answered: Arc::new(answered.map_err(|error| refused(error.to_string()))?),
                    args: places,
                })
            }
            view::Figure::Aggregate(call, Frame { first: from, last }) => {
                let call = counted(call).map_err(|error| self.refused(error.strip_backtrace()))?;
                // Rows that leave the frame are taken back.
                self.retracts = from.is_some();
                let compiled = self.call(&call, input, exprs);
                self.retracts = false;
                let mut compiled = compiled?;
                compiled.arg = compiled.arg.map(|_| once(exprs, first));
                let arg = compiled.arg.map(|arg| arg - first);
                calls.push(compiled);
                Ok(Figure::Aggregate {
                    call: calls.len() - 1,
                    arg,
                    enters: rows(*last),
                    leaves: from.map(|from| rows(from.saturating_add(1))),
                })
            }
        }
    }
}

/// The call without its FILTER: a row that it leaves out has NULL for what is aggregated, which no
/// aggregate counts, and stands in the frame like any other. What is left out is not computed.
fn counted(call: &Call) -> Result<Call, DataFusionError> {
    let Some(filter) = &call.filter else {
        return Ok(call.clone());
    };
    let mut args = call.args.clone();
    if args.is_empty() {
        args.push(Arc::new(Literal::new(ScalarValue::from(1_i64))));
    }
    // Of a choice, rows without order do not count; what else is behind the first is a constant.
    let chosen = match call.function {
        Function::MinBy | Function::MaxBy => 2,
        _ => 1,
    };
    for arg in args.iter_mut().take(chosen) {
        let taken = (Arc::clone(filter), Arc::clone(arg));
        *arg = case(None, vec![taken], None)?;
    }
    Ok(Call {
        args,
        filter: None,
        ..call.clone()
    })
}

/// The place of the last expression among those from `first` on; it goes if it is there before.
fn once(exprs: &mut Vec<Expr>, first: usize) -> usize {
    let last = exprs.len() - 1;
    let before = exprs[first..last]
        .iter()
        .position(|expr| **expr == *exprs[last]);
    match before {
        Some(place) => {
            exprs.pop();
            first + place
        }
        None => last,
    }
}
