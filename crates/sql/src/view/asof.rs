//! A stream that looks up a view whose rows change: `JOIN view FOR SYSTEM_TIME AS OF PROCTIME() v ON …`.
//!
//! # What it means
//!
//! An event finds the row that the view has once everything that came up to the event is in it, and
//! nothing that came later: by `_seq`, and of rows of one stream by their order in it. If the view groups
//! the very stream that looks it up, the event itself is in it. So the answer is one of the log alone: it does
//! not depend on how far the view has come, on steps, threads or restarts.
//!
//! # How it is computed
//!
//! The view has to group streams by values of their rows. Then its row at an event is figures of the rows
//! of a key up to there, and the text is rewritten before names are bound to just that:
//!
//! ```text
//! SELECT o.id, t.n FROM orders o JOIN totals FOR SYSTEM_TIME AS OF PROCTIME() t ON t.customer = o.customer
//!
//! SELECT "o.id" AS id, "t.n" AS n FROM                          -- names of the statement
//!   (SELECT "o.id", CASE WHEN there THEN … END AS "t.n" FROM    -- columns of the view, HAVING
//!     (SELECT …, count("totals rows") OVER (PARTITION BY "key totals.customer"
//!        ORDER BY _seq, _partition, _offset ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM
//!       (SELECT TRUE AS _event, o.id AS "o.id", o.customer AS "key totals.customer", NULL AS "totals rows" FROM orders o
//!        UNION ALL SELECT FALSE, NULL, customer, TRUE FROM payments WHERE …))
//!    WHERE _event AND there)
//! ```
//!
//! No aggregate counts NULL, so that events count for nothing in figures. Rows of a stream that looks up
//! a view of itself are both at once, and there is no UNION for them. What is kept, spilled, put into checkpoints
//! and verified is what is for figures of the rows of a key (`shape::running`).
//!
//! # What is kept
//!
//! A row of figures per key that an event has had, the view, or another that is looked up by the same. The view itself is not read: what it
//! reads is, and it may be far behind or be built.
//!
//! It never reads a row, and changes no question that looks no view up.

mod assemble;
mod figures;
mod grouping;
mod join;
mod scope;
mod text;
mod types;

use mainstem_catalog::Emit;
use mainstem_kernel::{Problem, StreamId, StreamName};
use sqlparser::ast::{Query, Select, SetExpr, TableFactor, TableWithJoins};

use super::{
    Input,
    names::Against,
    refuse::unbuilt,
    relation::{self, Known},
};
use crate::{
    declare::{Told, place_of},
    engine::{bare, folded},
};

/// A view that is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LookedUp {
    pub(crate) id: StreamId,
    pub(crate) name: StreamName,
}

impl LookedUp {
    /// What counts the rows of a group: there is no row of the view where there are none.
    pub(crate) fn rows_name(&self) -> String {
        format!("{} rows", self.name)
    }

    /// How the name of a column of its key begins.
    pub(crate) fn key_name(&self, column: &str) -> String {
        format!("key {}.{column}", self.name)
    }
}

/// Rewrites every lookup of a view in a question; gives the views, each once.
///
/// # Errors
/// The first lookup that is not built, by name.
pub(crate) fn rewrite(query: &mut Query, against: Against<'_>) -> Result<Vec<LookedUp>, Problem> {
    let mut walk = Walk {
        against,
        found: Vec::new(),
    };
    walk.query(query, &[])?;
    Ok(walk.found)
}

struct Walk<'a> {
    against: Against<'a>,
    found: Vec<LookedUp>,
}

impl Walk<'_> {
    fn query(&mut self, query: &mut Query, outer: &[String]) -> Result<(), Problem> {
        let mut given = outer.to_vec();
        for cte in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            self.query(&mut cte.query, &given)?;
            given.push(folded(&cte.alias.name));
        }
        self.body(&mut query.body, &given)
    }

    fn body(&mut self, body: &mut SetExpr, given: &[String]) -> Result<(), Problem> {
        match body {
            SetExpr::Select(select) => self.select(select, given),
            SetExpr::Query(query) => self.query(query, given),
            SetExpr::SetOperation { left, right, .. } => {
                let before = self.found.len();
                self.body(left, given)?;
                self.body(right, given)?;
                match self.found.get(before) {
                    None => Ok(()),
                    Some(found) => Err(self.on_a_side(found)),
                }
            }
            _ => Ok(()),
        }
    }

    fn on_a_side(&self, found: &LookedUp) -> Problem {
        let start = mainstem_kernel::Place {
            file: self.against.file.to_owned(),
            line: 1,
            column: 1,
        };
        let what = format!("a lookup of view \"{}\" on a side of UNION", found.name);
        unbuilt(&what, start).hint("make a view of that side, and read it in FROM")
    }

    fn select(&mut self, select: &mut Select, given: &[String]) -> Result<(), Problem> {
        for from in &mut select.from {
            self.within(&mut from.relation, given)?;
            for join in &mut from.joins {
                self.within(&mut join.relation, given)?;
            }
        }
        let [from] = select.from.as_slice() else {
            return Ok(());
        };
        let looked: Vec<Option<Known>> = self.looked_up(from, given);
        if looked.iter().all(Option::is_none) {
            return Ok(());
        }
        let joined = join::Joined::of(self.against, select, looked, given)?;
        for view in &joined.views {
            if !self.found.contains(&view.grouping.of) {
                self.found.push(view.grouping.of.clone());
            }
        }
        assemble::assembled(self.against.file, select, joined)
    }

    fn within(&mut self, factor: &mut TableFactor, given: &[String]) -> Result<(), Problem> {
        match factor {
            TableFactor::Derived { subquery, .. } => self.query(subquery, given),
            _ => Ok(()),
        }
    }

    /// Of each join the view that it looks up.
    fn looked_up(&self, from: &TableWithJoins, given: &[String]) -> Vec<Option<Known>> {
        let joins = from.joins.iter();
        let known = joins.map(|join| {
            let TableFactor::Table {
                name, args: None, ..
            } = &join.relation
            else {
                return None;
            };
            let ident = bare(name).filter(|ident| !given.contains(&folded(ident)))?;
            if !self.against.marks.is_proctime(ident.span.start) {
                return None;
            }
            let Against { defs, tenant, .. } = self.against;
            let place = place_of(self.against.file, ident.span.start);
            let known = relation::find((defs, tenant), &folded(ident), place).ok()?;
            let is_own = known.name.as_str() == self.against.own;
            let changes = matches!(
                known.input,
                Input::View {
                    emit: Emit::OnUpdate { .. },
                    ..
                }
            );
            (changes && !is_own).then_some(known)
        });
        known.collect()
    }
}
