//! What of SQL a view does not have: refused by name, with its place, all of it at once.
//!
//! It reads the tree alone; what names stand for is not known here.

mod calls;

use std::ops::ControlFlow;

use mainstem_kernel::{Code, Place, Problem};
use sqlparser::ast::{
    Cte, Distinct, Expr, GroupByExpr, Query, Select, SelectFlavor, SelectItem, SetExpr,
    SetOperator, SetQuantifier, Spanned, TableFactor, Visit, visit_expressions,
};

pub(crate) use self::calls::{has_aggregate, is_aggregate};
use crate::declare::{Told as _, mistake, place_of};

/// Sides that one UNION may have.
const SIDES_MAX: usize = 64;

/// "… is not built yet in views".
pub(crate) fn unbuilt(what: &str, place: Place) -> Problem {
    mistake(
        Code::View001,
        place,
        format!("{what} is not built yet in views"),
    )
}

/// OVER (…) in an order in which rows do not come.
pub(crate) fn other_order(place: Place) -> Problem {
    unbuilt(
        "OVER (…) in another order than that of arrival or of event time",
        place,
    )
    .detail("A row is told with figures of those before it, and no row comes in between later.")
    .hint(
        "read a stream directly behind FROM, and write OVER (PARTITION BY key ORDER BY _seq …), \
         or ORDER BY the column that has the stream's WATERMARK",
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
