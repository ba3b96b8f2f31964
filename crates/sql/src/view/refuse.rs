//! What of SQL a view does not have: refused by name, with its place, all of it at once.
//!
//! It reads the tree alone; what names stand for is not known here.

use std::ops::ControlFlow;

use mainstem_kernel::{Code, Place, Problem};
use sqlparser::ast::{
    Cte, Distinct, DuplicateTreatment, Expr, Function, FunctionArgumentList, FunctionArguments,
    GroupByExpr, Query, Select, SelectFlavor, SelectItem, SetExpr, SetOperator, SetQuantifier,
    Spanned, TableFactor, Visit, WindowType, visit_expressions,
};

use crate::{
    declare::{Told, mistake, place_of},
    engine::{bare, folded},
    functions::{self, Kind},
};

/// Aggregate functions that views have.
const AGGREGATES: [&str; 24] = [
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
];
/// Those of which DISTINCT changes nothing, or is built.
const OF_DISTINCT: [&str; 8] = [
    "count",
    "min",
    "max",
    "bool_and",
    "every",
    "bool_or",
    "approx_distinct",
    "approx_count_distinct",
];
/// Sides that one UNION may have.
const SIDES_MAX: usize = 64;
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

/// "… is not built yet in views".
pub(crate) fn unbuilt(what: &str, place: Place) -> Problem {
    mistake(
        Code::View001,
        place,
        format!("{what} is not built yet in views"),
    )
}

/// Everything in a question that views do not have; `place` is where the view is named.
pub(crate) fn clauses(query: &Query, file: &str, place: &Place) -> Vec<Problem> {
    let mut refused = Refused {
        file,
        start: place,
        problems: Vec::new(),
    };
    refused.query(query);
    refused.problems
}

/// Whether an aggregate function is called.
pub(crate) fn has_aggregate<V: Visit>(within: &V) -> bool {
    let found = visit_expressions(within, |expr| match expr {
        Expr::Function(call) if call.over.is_none() && is_aggregate(call) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

fn is_aggregate(call: &Function) -> bool {
    let name = bare(&call.name).map(folded).unwrap_or_default();
    let mut rows = functions::table().iter();
    rows.any(|row| row.name == name && row.kind == Kind::Aggregate)
}

struct Refused<'a> {
    file: &'a str,
    /// Where to point if the tree does not say.
    start: &'a Place,
    problems: Vec<Problem>,
}

impl Refused<'_> {
    fn place(&self, of: &impl Spanned) -> Place {
        let start = of.span().start;
        match start.line {
            0 => self.start.clone(),
            _ => place_of(self.file, start),
        }
    }

    fn say(&mut self, what: &str, place: Place, hint: &str) {
        self.problems.push(unbuilt(what, place).hint(hint));
    }

    fn query(&mut self, query: &Query) {
        if let Some(with) = &query.with {
            if with.recursive {
                let place = self.place(with);
                self.say("WITH RECURSIVE", place, "a view reads its input once");
            }
            for Cte { query, .. } in &with.cte_tables {
                self.query(query);
            }
        }
        self.body(&query.body);
        if let Some(order) = &query.order_by {
            let place = self.place(order);
            self.say(
                "ORDER BY",
                place,
                "sort when you ask: SELECT … FROM view ORDER BY …",
            );
        }
        if let Some(limit) = &query.limit_clause {
            let place = self.place(limit);
            self.say(
                "LIMIT",
                place,
                "limit when you ask: SELECT … FROM view LIMIT …",
            );
        }
        if let Some(fetch) = &query.fetch {
            let place = self.place(fetch);
            self.say(
                "FETCH",
                place,
                "limit when you ask: SELECT … FROM view LIMIT …",
            );
        }
        if !query.locks.is_empty() || query.for_clause.is_some() {
            let place = self.place(query);
            self.say("FOR UPDATE", place, "a view only reads: leave it out");
        }
        if !query.pipe_operators.is_empty() || query.settings.is_some() {
            let place = self.place(query);
            self.say("this kind of query", place, "write SELECT … FROM …");
        }
    }

    fn body(&mut self, body: &SetExpr) {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { .. } => self.sides(body),
            SetExpr::Values(values) => {
                let place = self.place(values);
                self.say("VALUES", place, "a view reads a stream, a table or a view");
            }
            _ => {
                let place = self.start.clone();
                self.say(
                    "a statement that writes",
                    place,
                    "a view only reads: write SELECT",
                );
            }
        }
    }

    /// UNION of all its sides: how they lean to the left costs no stack.
    fn sides(&mut self, body: &SetExpr) {
        let mut body = body;
        let mut sides = 1_usize;
        while let SetExpr::SetOperation {
            op,
            set_quantifier,
            left,
            right,
        } = body
        {
            let what = match (op, set_quantifier) {
                (SetOperator::Union, by) if !by_name(*by) => "",
                (SetOperator::Union, _) => "UNION BY NAME",
                (SetOperator::Intersect, _) => "INTERSECT",
                (SetOperator::Except | SetOperator::Minus, _) => "EXCEPT",
            };
            if !what.is_empty() {
                let place = self.place(left.as_ref());
                return self.say(what, place, "make a view of each side, and ask over both");
            }
            sides = sides.saturating_add(1);
            if sides > SIDES_MAX {
                let place = self.place(right.as_ref());
                let what = format!("UNION of more than {SIDES_MAX} sides");
                return self.say(
                    &what,
                    place,
                    "make a view of some of them, and read it here",
                );
            }
            self.body(right);
            body = left;
        }
        self.body(body);
    }

    fn select(&mut self, select: &Select) {
        if let Some(Distinct::On(columns)) = &select.distinct {
            let place = columns
                .first()
                .map_or(self.start.clone(), |c| self.place(c));
            self.say(
                "DISTINCT ON",
                place,
                "GROUP BY the columns, and say which value: min, max",
            );
        }
        self.group_by(select);
        self.oddities(select);
        for from in &select.from {
            self.factor(&from.relation);
            for join in &from.joins {
                self.factor(&join.relation);
            }
        }
        self.expressions(select);
    }

    fn group_by(&mut self, select: &Select) {
        match &select.group_by {
            GroupByExpr::All(_) => {
                let place = self.place(select);
                self.say("GROUP BY ALL", place, "name the columns");
            }
            GroupByExpr::Expressions(by, modifiers) => {
                let is_set = |expr: &&Expr| {
                    matches!(
                        expr,
                        Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_)
                    )
                };
                if let Some(set) = by.iter().find(is_set) {
                    let place = self.place(set);
                    self.say("grouping by several sets", place, "make a view of each");
                } else if !modifiers.is_empty() {
                    let place = self.place(select);
                    self.say("grouping by several sets", place, "make a view of each");
                }
            }
        }
    }

    fn oddities(&mut self, select: &Select) {
        let odd = [
            (select.into.is_some(), "SELECT INTO"),
            (select.top.is_some(), "TOP"),
            (!select.named_window.is_empty(), "WINDOW"),
            (!select.lateral_views.is_empty(), "LATERAL VIEW"),
            (select.prewhere.is_some(), "PREWHERE"),
            (!select.connect_by.is_empty(), "CONNECT BY"),
            (!select.cluster_by.is_empty(), "CLUSTER BY"),
            (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
            (!select.sort_by.is_empty(), "SORT BY"),
            (select.value_table_mode.is_some(), "SELECT AS"),
            (
                select.flavor != SelectFlavor::Standard,
                "FROM in front of SELECT",
            ),
        ];
        for (_, what) in odd.into_iter().filter(|(is_there, _)| *is_there) {
            let place = self.place(select);
            self.say(
                what,
                place,
                "write SELECT … FROM … WHERE … GROUP BY … HAVING …",
            );
        }
    }

    /// Subqueries in FROM; the rest of it is refused when names are bound.
    fn factor(&mut self, factor: &TableFactor) {
        match factor {
            TableFactor::Derived {
                lateral: true,
                subquery,
                ..
            } => {
                let place = self.place(subquery.as_ref());
                self.say("LATERAL", place, "write the subquery without it");
            }
            TableFactor::Derived { subquery, .. } => self.query(subquery),
            _ => {}
        }
    }

    /// Functions and subqueries in the expressions of one SELECT, those of FROM left out.
    fn expressions(&mut self, select: &Select) {
        for item in &select.projection {
            self.within(item);
        }
        self.within(&select.selection);
        self.within(&select.group_by);
        self.within(&select.having);
        self.within(&select.qualify);
        for join in select.from.iter().flat_map(|from| &from.joins) {
            self.within(&join.join_operator);
        }
    }

    fn within<V: Visit>(&mut self, within: &V) {
        let flow = visit_expressions(within, |expr| {
            match expr {
                Expr::Function(call) => self.call(call),
                Expr::Subquery(query)
                | Expr::InSubquery {
                    subquery: query, ..
                }
                | Expr::Exists {
                    subquery: query, ..
                } => {
                    let place = self.place(query.as_ref());
                    let hint = "look a table up: JOIN table FOR SYSTEM_TIME AS OF PROCTIME() …";
                    self.say("a subquery in an expression", place, hint);
                }
                _ => {}
            }
            ControlFlow::<()>::Continue(())
        });
        debug_assert!(flow.is_continue(), "nothing breaks off");
    }

    fn call(&mut self, call: &Function) {
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
                      bool_and, bool_or, stddev, variance, approx_distinct and approx_percentile_cont"
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
                "count(DISTINCT x) is; a view can group by x first",
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
        } else if is_choice && super::names::ordered_by(list).is_none() {
            let what = format!("{name} without the one value that rows are ordered by");
            let hint = "write first_value(x ORDER BY at), or last_value(x ORDER BY at)";
            self.say(&what, place, hint);
        }
    }
}

const fn by_name(quantifier: SetQuantifier) -> bool {
    matches!(
        quantifier,
        SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName
    )
}

/// The columns of a SELECT that have no name; of a UNION the first side names them.
pub(crate) fn unnamed(query: &Query, file: &str) -> Vec<Problem> {
    let mut body = query.body.as_ref();
    while let SetExpr::SetOperation { left, .. } = body {
        body = left;
    }
    let SetExpr::Select(select) = body else {
        return Vec::new();
    };
    let nameless = select.projection.iter().filter(|item| match item {
        SelectItem::UnnamedExpr(expr) => {
            !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        }
        _ => false,
    });
    let problem = |item: &SelectItem| {
        let place = place_of(file, item.span().start);
        mistake(Code::View007, place, format!("column {item} has no name"))
            .hint(format!("name it: {item} AS name"))
    };
    nameless.map(problem).collect()
}
