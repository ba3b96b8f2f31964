//! Calls of functions in views: aggregates, OVER, and what depends on when it is asked.

use std::ops::ControlFlow;

use mainstem_kernel::{Code, Place};
use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArgumentList, FunctionArguments, Visit, WindowType,
    visit_expressions,
};

use super::{super::names, Refused};
use crate::{
    declare::{Told as _, mistake},
    engine::{bare, folded},
    functions::{self, Kind},
    pattern,
};

/// Aggregate functions that views have.
const AGGREGATES: [&str; 25] = [
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "mean",
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "var",
    "var_samp",
    "variance",
    "var_pop",
    "bool_and",
    "every",
    "bool_or",
    "min_by",
    "max_by",
    "first_value",
    "last_value",
    "approx_distinct",
    "approx_count_distinct",
    "approx_percentile_cont",
    "approx_median",
    "histogram",
];
/// Those of which DISTINCT changes nothing, or is built.
const OF_DISTINCT: [&str; 11] = [
    "count",
    "sum",
    "avg",
    "mean",
    "min",
    "max",
    "bool_and",
    "every",
    "bool_or",
    "approx_distinct",
    "approx_count_distinct",
];
/// Functions whose answer depends on when they are asked.
const VOLATILE: [&str; 9] = [
    "now",
    "current_timestamp",
    "current_date",
    "current_time",
    "localtime",
    "localtimestamp",
    "random",
    "uuid",
    "gen_random_uuid",
];

/// Whether an aggregate function is called.
pub(crate) fn has_aggregate<V: Visit>(within: &V) -> bool {
    let found = visit_expressions(within, |expr| match expr {
        Expr::Function(call) if call.over.is_none() && is_aggregate(call) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// Whether a call is of an aggregate function.
pub(crate) fn is_aggregate(call: &Function) -> bool {
    let name = bare(&call.name).map(folded).unwrap_or_default();
    let mut rows = functions::table().iter();
    rows.any(|row| row.name == name && row.kind == Kind::Aggregate)
}

impl Refused<'_> {
    pub(super) fn call(&mut self, call: &Function) {
        let name = bare(&call.name).map(folded).unwrap_or_default();
        let place = self.place(&call.name);
        if VOLATILE.contains(&name.as_str()) {
            let message = format!("\"{name}\" depends on when it is asked");
            self.problems.push(
                mistake(Code::View006, place, message)
                    .detail("A view gives the same rows whenever it is computed.")
                    .hint("use arrival_time(_seq), or compare when you ask the view"),
            );
            return;
        }
        if let Some(over) = &call.over {
            match name.as_str() {
                "row_number" => return self.numbering(over, place),
                "lag" => return self.running(over, (&name, place)),
                _ if pattern::is_ours(&name) => return,
                _ if AGGREGATES.contains(&name.as_str()) => {
                    return self.running(over, (&name, place));
                }
                _ => {}
            }
            let what = format!("\"{name}\" with OVER");
            self.say(
                &what,
                place,
                "ask over the view: SELECT …, row_number() OVER (…) FROM view",
            );
            return;
        }
        if is_aggregate(call) {
            self.aggregate(call, &name, place);
        } else if name == "unnest" {
            self.say("unnest", place, "take items by their number: array[1]");
        }
    }

    /// ROW_NUMBER() OVER (…): an order, and no frame.
    fn numbering(&mut self, over: &WindowType, place: Place) {
        let WindowType::WindowSpec(spec) = over else {
            // WINDOW is refused where it stands.
            return;
        };
        if spec.order_by.is_empty() {
            let message = "ROW_NUMBER() does not say in which order";
            self.problems.push(
                mistake(Code::View001, place, message)
                    .hint("write OVER (PARTITION BY key ORDER BY column DESC)"),
            );
        } else if spec.window_frame.is_some() {
            self.say("ROW_NUMBER() with a frame", place, "leave the frame out");
        }
    }

    /// Figures of the rows before: an order.
    fn running(&mut self, over: &WindowType, (name, place): (&str, Place)) {
        if matches!(over, WindowType::WindowSpec(spec) if spec.order_by.is_empty()) {
            let message = format!("\"{name}\" with OVER does not say in which order");
            self.problems.push(
                mistake(Code::View001, place, message)
                    .hint("write OVER (PARTITION BY key ORDER BY _seq ROWS BETWEEN 50 PRECEDING AND 1 PRECEDING)"),
            );
        }
    }

    fn aggregate(&mut self, call: &Function, name: &str, place: Place) {
        if !AGGREGATES.contains(&name) {
            let what = format!("aggregate function \"{name}\"");
            let hint = match name {
                "array_agg" => {
                    "say how many: min_by(x, at, 10) is an array of the first ten in the order of at"
                }
                "string_agg" => "say how many: array_to_string(min_by(x, at, 10), ', ')",
                "median" | "percentile_cont" => {
                    "approx_percentile_cont and approx_median are within 0.4 %"
                }
                _ => {
                    "views have count, sum, avg, min, max, min_by, max_by, first_value, last_value, \
                      bool_and, bool_or, stddev, variance, approx_distinct, approx_percentile_cont and \
                      histogram"
                }
            };
            self.say(&what, place, hint);
            return;
        }
        let FunctionArguments::List(list) = &call.args else {
            return;
        };
        let is_distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        if is_distinct && !OF_DISTINCT.contains(&name) {
            let what = format!("{name}(DISTINCT …)");
            self.say(
                &what,
                place.clone(),
                "count, sum and avg of DISTINCT x are; a view can group by x first",
            );
        }
        if is_distinct && name == "count" && list.args.len() != 1 {
            let hint = "count one expression, such as a || '/' || b";
            self.say("count(DISTINCT …) of several values", place.clone(), hint);
        }
        self.order_within(call, (name, list), place);
    }

    /// Orders within aggregate functions: those that choose a row, or the value of a percentile.
    fn order_within(
        &mut self,
        call: &Function,
        (name, list): (&str, &FunctionArgumentList),
        place: Place,
    ) {
        let is_choice = ["first_value", "last_value"].contains(&name);
        let is_percentile = name == "approx_percentile_cont";
        let is_ordered = (!list.clauses.is_empty() && !is_choice)
            || (!call.within_group.is_empty() && !is_percentile)
            || call.null_treatment.is_some();
        if is_ordered {
            self.say(
                "an order within an aggregate function",
                place,
                "leave it out; or choose a row: first_value(x ORDER BY at), max_by(x, at)",
            );
        } else if is_choice && names::ordered_by(list).is_none() {
            let what = format!("{name} without the one value that rows are ordered by");
            let hint = "write first_value(x ORDER BY at), or last_value(x ORDER BY at)";
            self.say(&what, place, hint);
        }
    }
}
