//! Binds the names of a view's question to objects, twice over the same tree: once to the
//! relations that the planner reads (`"$0"`, `"$1"`, …), once to a plain question of the same
//! rows. On the way `*` becomes columns, and everything in FROM that views do not have is
//! refused with its place.

mod batch;
mod cut;
mod joined;
mod judge;
mod ordered;
mod star;

pub(crate) use batch::{expression, factor};
pub(crate) use judge::{Waits, at_frontier, without_places};
pub(crate) use ordered::{ordered_by, rewrite as with_choices};

use mainstem_catalog::{Definitions, Emit};
use mainstem_kernel::{Code, Place, Problem, TenantId};
use sqlparser::ast::{
    BinaryOperator, Cte, Expr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, ObjectName,
    Query, Select, SelectItem, SetExpr, Spanned, TableAlias, TableFactor, TableWithJoins,
};

use self::joined::Joined;
use super::{
    Input,
    asof::{self, LookedUp},
    refuse::unbuilt,
    relation::{self, Known, Relation, Role},
};
use crate::{
    declare::{Told, mistake, place_of},
    engine::{bare, check_calls, folded},
    question::Marks,
};

/// What a view's question is bound against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Against<'a> {
    pub(crate) defs: &'a Definitions,
    pub(crate) tenant: TenantId,
    pub(crate) marks: &'a Marks,
    pub(crate) file: &'a str,
    /// The view's own name: it cannot read itself.
    pub(crate) own: &'a str,
    /// The EMIT clause, if it has one.
    pub(crate) emit: Option<Emit>,
    /// Different values per group that each COUNT(DISTINCT …) may hold, if declared.
    pub(crate) distinct_max: Option<u64>,
    /// How the rows that it reads wait for event time, if they do; told when it is verified.
    pub(crate) waits: Option<&'a Waits>,
}

/// A bound question.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    /// What it reads, each object once.
    pub(crate) inputs: Vec<Known>,
    /// Relation n is called `"$n"` in `streaming`.
    pub(crate) relations: Vec<Relation>,
    pub(crate) streaming: Query,
    pub(crate) batch: Query,
    /// Views that are looked up, whose rows are computed anew.
    pub(crate) looked_up: Vec<LookedUp>,
}

/// Binds a question.
///
/// # Errors
/// Every name and every part of FROM that is wrong.
pub(crate) fn bind(query: &Query, against: Against<'_>) -> Result<Bound, Vec<Problem>> {
    let mut streaming = query.clone();
    let looked_up = asof::rewrite(&mut streaming, against).map_err(|problem| vec![problem])?;
    let mut batch = streaming.clone();
    let mut binder = Binder::new(against, For::Plan);
    binder.query(&mut streaming, &Vec::new());
    if !binder.problems.is_empty() {
        return Err(binder.problems);
    }
    let mut second = Binder::new(against, For::Question);
    second.query(&mut batch, &Vec::new());
    Ok(Bound {
        inputs: binder.inputs,
        relations: binder.relations,
        streaming,
        batch,
        looked_up,
    })
}

/// Binds a question that was bound before to the plain question of exactly those rows that the view
/// has by now: without late rows, and without windows that are still open.
///
/// # Errors
/// As `bind`.
pub(crate) fn bind_check(query: &Query, against: Against<'_>) -> Result<Query, Vec<Problem>> {
    let mut check = query.clone();
    let mut binder = Binder::new(against, For::Check);
    binder.query(&mut check, &Vec::new());
    match binder.problems.is_empty() {
        true => Ok(check),
        false => Err(binder.problems),
    }
}

/// What the names become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    Plan,
    /// The same rows, were none late and all windows closed.
    Question,
    /// The rows of this moment.
    Check,
}

/// Names that WITH has given to queries.
type Scope = Vec<String>;

#[derive(Debug)]
struct Binder<'a> {
    against: Against<'a>,
    becomes: For,
    inputs: Vec<Known>,
    relations: Vec<Relation>,
    problems: Vec<Problem>,
    /// Which rows of the join that was bound last have come.
    come: Option<Expr>,
    /// Whether what is bound stands on a side of a join of streams.
    is_paired: bool,
    /// How many LEFT JOINs of streams were bound.
    lefts: usize,
}

/// A relation as the rest of its SELECT sees it.
#[derive(Clone, Debug)]
struct Seen {
    qualifier: Option<Ident>,
    /// Index into `relations`; `None` for a subquery.
    relation: Option<usize>,
}

impl<'a> Binder<'a> {
    const fn new(against: Against<'a>, becomes: For) -> Self {
        Self {
            against,
            becomes,
            inputs: Vec::new(),
            relations: Vec::new(),
            problems: Vec::new(),
            come: None,
            is_paired: false,
            lefts: 0,
        }
    }

    fn place(&self, of: &impl Spanned) -> Place {
        place_of(self.against.file, of.span().start)
    }

    fn query(&mut self, query: &mut Query, outer: &Scope) {
        let mut scope = outer.clone();
        for Cte { alias, query, .. } in query.with.iter_mut().flat_map(|with| &mut with.cte_tables)
        {
            self.query(query, &scope);
            scope.push(folded(&alias.name));
        }
        self.body(query.body.as_mut(), &scope);
    }

    /// A SELECT, or all sides of a UNION from the first.
    fn body(&mut self, body: &mut SetExpr, scope: &Scope) {
        let (mut first, mut sides) = (body, Vec::new());
        while let SetExpr::SetOperation { left, right, .. } = first {
            sides.push(right);
            first = left;
        }
        match first {
            SetExpr::Select(select) => self.select(select, scope),
            SetExpr::Query(inner) => self.query(inner, scope),
            // Refused before.
            _ => {}
        }
        for side in sides.into_iter().rev() {
            self.body(side, scope);
            if let SetExpr::Select(select) = side.as_mut() {
                name_again(select);
            }
        }
    }

    fn select(&mut self, select: &mut Select, scope: &Scope) {
        let mut seen = Vec::new();
        let [from] = select.from.as_mut_slice() else {
            let problem = match select.from.get(1) {
                Some(second) => unbuilt("a join without JOIN", self.place(&second.relation))
                    .hint("write JOIN … ON …"),
                None => mistake(Code::View001, self.place(select), "a view without FROM")
                    .hint("SELECT … FROM a stream, a table or a view"),
            };
            self.problems.push(problem);
            return;
        };
        self.tables(from, scope, &mut seen);
        if let Some(come) = self.come.take() {
            select.selection = Some(match select.selection.take() {
                Some(filter) => both(filter, come),
                None => come,
            });
        }
        if let Err(problem) = self.expand(select, &seen) {
            self.problems.push(problem);
        }
        ordered::rewrite(select);
        // A question's functions are checked, and some rewritten, when it is asked.
        if self.becomes == For::Plan
            && let Err(mut problem) = check_calls(select)
        {
            if let Some(place) = &mut problem.position {
                self.against.file.clone_into(&mut place.file);
            }
            self.problems.push(problem);
        }
        if is_total(select) {
            batch::group_all(select, self.becomes == For::Plan);
        }
        if let (For::Check, Some(most)) = (self.becomes, self.against.distinct_max) {
            judge::cap_distinct(select, most);
        }
    }

    fn tables(&mut self, from: &mut TableWithJoins, scope: &Scope, seen: &mut Vec<Seen>) {
        let outer = self.is_paired;
        let mut joins = from.joins.iter();
        self.is_paired |= joins.any(|join| !self.is_looked_up(&join.relation, scope));
        self.joined(from, scope, seen);
        self.is_paired = outer;
    }

    fn joined(&mut self, from: &mut TableWithJoins, scope: &Scope, seen: &mut Vec<Seen>) {
        let TableWithJoins { relation, joins } = from;
        let before = self.relations.len();
        let first = self.first(relation, scope);
        let changes = self.change(before);
        let left = first.as_ref().and_then(|seen| seen.qualifier.clone());
        let is_stream = first.as_ref().is_some_and(|seen| self.is_stream(seen));
        seen.extend(first);
        let mut is_paired = false;
        for join in joins {
            let place = self.place(&join.relation);
            match self.join(join, (left.as_ref(), changes), scope) {
                Some(Joined::Lookup(_)) if !is_stream || is_paired => {
                    self.problems.push(
                        unbuilt("a lookup from anything but a stream", place)
                            .detail("The row of a table is taken as of the arrival of an event.")
                            .hint("join in the view that reads the stream, directly after FROM"),
                    );
                    return;
                }
                Some(Joined::Lookup(joined)) => seen.push(joined),
                Some(Joined::Stream(joined)) => {
                    seen.push(joined);
                    is_paired = true;
                }
                None => {}
            }
        }
    }

    /// Whether rows of all relations from this one on change.
    fn change(&self, from: usize) -> bool {
        let relations = self.relations.get(from..).unwrap_or_default();
        let changes = |relation: &Relation| {
            let known = self.inputs.get(relation.input);
            known.is_some_and(|known| !known.input.is_append_only())
        };
        !relations.is_empty() && relations.iter().all(changes)
    }

    fn is_stream(&self, seen: &Seen) -> bool {
        let relation = seen.relation.and_then(|index| self.relations.get(index));
        let known = relation.and_then(|relation| self.inputs.get(relation.input));
        matches!(known.map(|known| &known.input), Some(Input::Stream { .. }))
    }

    /// What stands directly behind FROM.
    fn first(&mut self, factor: &mut TableFactor, scope: &Scope) -> Option<Seen> {
        let place = self.place(factor);
        let found = match *factor {
            TableFactor::Table {
                args: None,
                ref name,
                ref alias,
                ..
            } => {
                let in_scope = bare(name).is_some_and(|ident| scope.contains(&folded(ident)));
                if in_scope {
                    let qualifier = alias.as_ref().map(|alias| alias.name.clone());
                    return Some(Seen {
                        qualifier: qualifier.or_else(|| bare(name).cloned()),
                        relation: None,
                    });
                }
                self.rows(name, alias.as_ref(), place)
            }
            TableFactor::Table {
                args: Some(ref args),
                ref name,
                ref alias,
                ..
            } => self.windows(name, &args.args, alias.as_ref()),
            TableFactor::Derived {
                ref mut subquery,
                ref alias,
                lateral: false,
                ..
            } => {
                let qualifier = alias.as_ref().map(|alias| alias.name.clone());
                self.query(subquery, scope);
                return Some(Seen {
                    qualifier,
                    relation: None,
                });
            }
            ref other => Err(unbuilt(&format!("{other} in FROM"), place)
                .hint("name a stream, a table or a view, or TUMBLE(…)")),
        };
        match found {
            Ok((seen, becomes)) => {
                *factor = becomes;
                Some(seen)
            }
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// A name that stands for its rows.
    fn rows(
        &mut self,
        name: &ObjectName,
        alias: Option<&TableAlias>,
        place: Place,
    ) -> Result<(Seen, TableFactor), Problem> {
        let (known, ident) = self.known(name)?;
        if self.against.marks.is_proctime(name.span().start) {
            let message = format!("{} is looked up, and nothing looks it up", known.label());
            return Err(mistake(Code::View005, place, message)
                .hint("name the stream first: FROM stream JOIN table FOR SYSTEM_TIME AS OF PROCTIME() ON …"));
        }
        let alias = self.alias(alias, &ident)?;
        let waits = self.against.waits;
        let waits = waits.filter(|waits| self.is_paired || matches!(waits, Waits::Turns { .. }));
        let plain = match (self.becomes, waits) {
            (For::Plan, _) => None,
            (For::Check, Some(waits)) => {
                Some(judge::waiting((self.against, waits), &known, &alias)?)
            }
            (For::Question | For::Check, _) => Some(batch::named(known.name.as_str(), &alias)),
        };
        let index = self.relation(known, Role::Rows);
        let becomes = plain.unwrap_or_else(|| batch::named(&format!("${index}"), &alias));
        Ok((seen(alias, index), becomes))
    }

    /// The object of a name, and the name as it was written.
    fn known(&self, name: &ObjectName) -> Result<(Known, Ident), Problem> {
        let Against {
            defs, tenant, own, ..
        } = self.against;
        let place = self.place(name);
        let Some(ident) = bare(name) else {
            let message = format!("there is no stream, table or view \"{name}\"");
            return Err(mistake(Code::Sql021, place, message)
                .detail("Objects are named without a database or schema."));
        };
        let text = folded(ident);
        if text == own {
            let message = format!("view \"{own}\" reads itself");
            return Err(mistake(Code::View001, place, message)
                .hint("name the stream or the table that its rows come from"));
        }
        Ok((relation::find((defs, tenant), &text, place)?, ident.clone()))
    }

    /// What a relation is called in its SELECT.
    fn alias(&self, alias: Option<&TableAlias>, name: &Ident) -> Result<Ident, Problem> {
        match alias {
            Some(alias) if !alias.columns.is_empty() => Err(unbuilt(
                "a list of columns behind a name in FROM",
                place_of(self.against.file, alias.name.span.start),
            )
            .hint("name them in SELECT: a AS b")),
            Some(alias) => Ok(alias.name.clone()),
            None => Ok(name.clone()),
        }
    }

    /// Notes a relation, and its input if it is a new one.
    fn relation(&mut self, known: Known, role: Role) -> usize {
        let mut inputs = self.inputs.iter();
        let found = inputs.position(|other| other.input.id() == known.input.id());
        let input = found.unwrap_or_else(|| {
            self.inputs.push(known.clone());
            self.inputs.len().saturating_sub(1)
        });
        let (mut schema, mut shown) = (known.schema, known.shown);
        if let Role::Windows(_) = role {
            schema = relation::with_window(&schema);
            shown.extend(relation::WINDOW_COLUMNS.map(str::to_owned));
        }
        self.relations.push(Relation {
            input,
            name: known.name,
            schema,
            shown,
            role,
        });
        self.relations.len().saturating_sub(1)
    }
}

const fn seen(alias: Ident, index: usize) -> Seen {
    Seen {
        qualifier: Some(alias),
        relation: Some(index),
    }
}

fn both(one: Expr, other: Expr) -> Expr {
    let nested = |expr| Box::new(Expr::Nested(Box::new(expr)));
    Expr::BinaryOp {
        left: nested(one),
        op: BinaryOperator::And,
        right: nested(other),
    }
}

/// The condition of a join that views have.
pub(crate) fn condition(join: &mut Join, place: Place) -> Result<&mut Expr, Problem> {
    use JoinOperator as J;
    let refused = |what: &str| {
        unbuilt(what, place.clone()).hint(
            "JOIN … ON and LEFT JOIN … ON look a table up, or join two streams; these, RIGHT and FULL JOIN join two tables",
        )
    };
    match &mut join.join_operator {
        J::Join(constraint)
        | J::Inner(constraint)
        | J::Left(constraint)
        | J::LeftOuter(constraint)
        | J::Right(constraint)
        | J::RightOuter(constraint)
        | J::FullOuter(constraint) => match constraint {
            JoinConstraint::On(on) => Ok(on),
            JoinConstraint::Using(_) => Err(refused("JOIN … USING")),
            JoinConstraint::Natural => Err(refused("NATURAL JOIN")),
            JoinConstraint::None => Err(refused("a join without ON")),
        },
        J::CrossJoin(_) => Err(refused("CROSS JOIN")),
        _ => Err(refused("this kind of join")),
    }
}

/// Gives what is selected twice a name of its own, which nobody sees: a UNION has those of its first side.
fn name_again(select: &mut Select) {
    let mut seen = Vec::new();
    for (at, item) in select.projection.iter_mut().enumerate() {
        if let SelectItem::UnnamedExpr(expr) = item {
            let text = expr.to_string();
            if seen.contains(&text) {
                *item = SelectItem::ExprWithAlias {
                    expr: expr.clone(),
                    alias: Ident::new(format!("_again{at}")),
                };
            } else {
                seen.push(text);
            }
        }
    }
}

/// Whether a SELECT makes one row of all: it has aggregates and no GROUP BY.
fn is_total(select: &Select) -> bool {
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
    ungrouped && (select.having.is_some() || super::refuse::has_aggregate(&select.projection))
}
