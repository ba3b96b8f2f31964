//! What a question names: its objects and functions, each checked with its place; and what
//! `SELECT *` means over an object: its declared columns, without the hidden ones.
//!
//! It rewrites the statement's tree and never reads rows.

mod forms;
mod unnamed;
mod using;
mod wildcard;

use std::{collections::BTreeMap, ops::ControlFlow};

use mainstem_catalog::{Definitions, Object};
use mainstem_kernel::{Code, Problem, TenantId};
use sqlparser::{
    ast::{
        Expr, Ident, JoinConstraint, JoinOperator, ObjectName, Query, Select, SetExpr, Statement,
        TableFactor, TableWithJoins, VisitMut, With, visit_expressions_mut,
    },
    tokenizer::Span,
};

use super::{relation::Relation, session::SCHEMA};
use crate::{
    declare::{Told, mistake, place_of},
    error::QueryError,
    functions::{self, Kind},
    nearest::did_you_mean,
    pattern,
};

/// Objects of a question by name.
pub(crate) type Relations = BTreeMap<String, Relation>;

/// Resolves all names of a question and rewrites it.
///
/// # Errors
/// The first object or function that does not exist; `NotReady` of a view that is being built.
pub(crate) fn resolve(
    statement: &mut Statement,
    defs: &Definitions,
    tenant: TenantId,
) -> Result<Relations, QueryError> {
    resolve_with(statement, defs, tenant, Relations::new())
}

/// The same, with names that are given beside those of definitions; they are all in what it gives.
///
/// # Errors
/// As `resolve`.
pub(crate) fn resolve_with(
    statement: &mut Statement,
    defs: &Definitions,
    tenant: TenantId,
    given: Relations,
) -> Result<Relations, QueryError> {
    let mut names = Names {
        defs,
        tenant,
        objects: BTreeMap::new(),
        given,
    };
    match statement {
        Statement::Query(query) => names.query(query, &Scope::default())?,
        Statement::Explain { statement, .. } => {
            if let Statement::Query(query) = statement.as_mut() {
                names.query(query, &Scope::default())?;
            }
        }
        _ => {}
    }
    let objects = names.objects.into_iter();
    let objects = objects.map(|(name, object)| Ok((name, Relation::of(object)?)));
    let given = names.given.into_iter().map(Ok);
    objects.chain(given).collect()
}

/// Names that WITH has given to queries.
#[derive(Clone, Debug, Default)]
struct Scope(Vec<String>);

struct Names<'a> {
    defs: &'a Definitions,
    tenant: TenantId,
    objects: BTreeMap<String, Object<'a>>,
    given: Relations,
}

impl Names<'_> {
    fn query(&mut self, query: &mut Query, outer: &Scope) -> Result<(), Problem> {
        let mut scope = outer.clone();
        if let Some(With {
            recursive,
            cte_tables,
            ..
        }) = &mut query.with
        {
            for cte in cte_tables {
                let name = folded(&cte.alias.name);
                if *recursive {
                    scope.0.push(name.clone());
                }
                self.query(&mut cte.query, &scope)?;
                scope.0.push(name);
            }
        }
        self.set(&mut query.body, &scope)?;
        if let Some(order) = &mut query.order_by {
            self.expressions(order, &scope)?;
        }
        if let Some(limit) = &mut query.limit_clause {
            self.expressions(limit, &scope)?;
        }
        Ok(())
    }

    fn set(&mut self, body: &mut SetExpr, scope: &Scope) -> Result<(), Problem> {
        match body {
            SetExpr::Select(select) => self.select(select, scope),
            SetExpr::Query(query) => self.query(query, scope),
            SetExpr::SetOperation { left, right, .. } => {
                self.set(left, scope)?;
                self.set(right, scope)
            }
            SetExpr::Values(values) => self.expressions(values, scope),
            SetExpr::Insert(_)
            | SetExpr::Update(_)
            | SetExpr::Delete(_)
            | SetExpr::Merge(_)
            | SetExpr::Table(_) => {
                Err(
                    mistake(Code::Sql020, start(), "only questions are answered here")
                        .hint("write SELECT * FROM stream"),
                )
            }
        }
    }

    fn select(&mut self, select: &mut Select, scope: &Scope) -> Result<(), Problem> {
        if select.into.is_some() {
            return Err(mistake(
                Code::Sql020,
                start(),
                "SELECT INTO does not only read",
            ));
        }
        for table in &mut select.from {
            self.tables(table, scope)?;
        }
        let relations = wildcard::expand(select, |name| self.relation_of(name, scope))?;
        using::qualify(select, &relations);
        unnamed::name(&mut select.projection);
        let Select {
            projection,
            selection,
            group_by,
            having,
            named_window,
            qualify,
            ..
        } = select;
        self.expressions(projection, scope)?;
        self.expressions(selection, scope)?;
        self.expressions(group_by, scope)?;
        self.expressions(having, scope)?;
        self.expressions(named_window, scope)?;
        self.expressions(qualify, scope)?;
        if let Some(distinct) = &mut select.distinct {
            self.expressions(distinct, scope)?;
        }
        Ok(())
    }

    fn tables(&mut self, table: &mut TableWithJoins, scope: &Scope) -> Result<(), Problem> {
        self.factor(&mut table.relation, scope)?;
        for join in &mut table.joins {
            self.factor(&mut join.relation, scope)?;
            if let JoinOperator::Join(JoinConstraint::Natural)
            | JoinOperator::Inner(JoinConstraint::Natural)
            | JoinOperator::Left(JoinConstraint::Natural)
            | JoinOperator::LeftOuter(JoinConstraint::Natural)
            | JoinOperator::Right(JoinConstraint::Natural)
            | JoinOperator::RightOuter(JoinConstraint::Natural)
            | JoinOperator::FullOuter(JoinConstraint::Natural) = &join.join_operator
            {
                return Err(
                    mistake(Code::Sql027, start(), "NATURAL JOIN is not offered")
                        .detail(
                            "Streams share their hidden columns, which no one means to join by.",
                        )
                        .hint("name the columns: JOIN … USING (column)"),
                );
            }
            self.expressions(&mut join.join_operator, scope)?;
        }
        Ok(())
    }

    fn factor(&mut self, factor: &mut TableFactor, scope: &Scope) -> Result<(), Problem> {
        match factor {
            TableFactor::Table {
                name, args: None, ..
            } => self.table(name, scope),
            TableFactor::Table {
                name,
                args: Some(args),
                ..
            } => {
                self.expressions(&mut args.args, scope)?;
                function(name, Some(Kind::Table))
            }
            TableFactor::Function { name, args, .. } => {
                self.expressions(args, scope)?;
                function(name, Some(Kind::Table))
            }
            TableFactor::Derived { subquery, .. } => self.query(subquery, scope),
            TableFactor::NestedJoin {
                table_with_joins, ..
            } => self.tables(table_with_joins, scope),
            TableFactor::UNNEST { array_exprs, .. } => self.expressions(array_exprs, scope),
            other => {
                let what = other.to_string();
                Err(mistake(
                    Code::Sql027,
                    start(),
                    format!("{what} in FROM is not offered"),
                ))
            }
        }
    }

    /// Checks a name after FROM and notes its object.
    fn table(&mut self, name: &ObjectName, scope: &Scope) -> Result<(), Problem> {
        let Some(ident) = bare(name) else {
            let place = place_of("", span(name).start);
            return Err(mistake(
                Code::Sql021,
                place,
                format!("there is no stream, table or view \"{name}\""),
            )
            .detail("Objects are named without a database or schema.")
            .hint_if(self.near(&name.to_string())));
        };
        let text = folded(ident);
        let is_known = self.objects.contains_key(&text) || self.given.contains_key(&text);
        if scope.0.contains(&text) || is_known {
            return Ok(());
        }
        match self.defs.object(self.tenant, &text) {
            Some(object) => {
                self.objects.insert(text, object);
                Ok(())
            }
            None => {
                let place = place_of("", ident.span.start);
                Err(unknown(&text, place).hint_if(self.near(&text)))
            }
        }
    }

    fn near(&self, name: &str) -> Option<String> {
        near(self.defs, self.tenant, name)
    }

    /// The object that a name after FROM is, unless WITH has given it to a query.
    fn relation_of(&self, name: &ObjectName, scope: &Scope) -> Option<Relation> {
        let text = folded(bare(name)?);
        if scope.0.contains(&text) {
            return None;
        }
        if let Some(given) = self.given.get(&text) {
            return Some(given.clone());
        }
        Relation::of(*self.objects.get(&text)?).ok()
    }

    /// Checks functions and subqueries within expressions.
    fn expressions<V: VisitMut>(&mut self, within: &mut V, scope: &Scope) -> Result<(), Problem> {
        let found = visit_expressions_mut(within, |expr| match self.expression(expr, scope) {
            Ok(()) => ControlFlow::Continue(()),
            Err(problem) => ControlFlow::Break(problem),
        });
        match found {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(problem) => Err(problem),
        }
    }

    fn expression(&mut self, expr: &mut Expr, scope: &Scope) -> Result<(), Problem> {
        match expr {
            Expr::Function(call) => {
                function(&call.name, None)?;
                forms::rewrite(expr)
            }
            Expr::Subquery(query)
            | Expr::InSubquery {
                subquery: query, ..
            }
            | Expr::Exists {
                subquery: query, ..
            } => self.query(query, scope),
            _ => forms::rewrite(expr),
        }
    }
}

/// "there is no stream, table or view …".
pub(crate) fn unknown(name: &str, place: mainstem_kernel::Place) -> Problem {
    let message = format!("there is no stream, table or view \"{name}\"");
    mistake(Code::Sql021, place, message)
}

/// The nearest objects of a tenant.
pub(crate) fn near(defs: &Definitions, tenant: TenantId, name: &str) -> Option<String> {
    let mine = defs.names.keys().filter(|(owner, _)| *owner == tenant);
    let names: Vec<&str> = mine.map(|(_, name)| name.as_str()).collect();
    let hint = did_you_mean(name, names.iter().copied());
    hint.or_else(|| Some("nothing is declared yet: `mainstem apply` an application".to_owned()))
}

/// Checks that a function is one of ours, of that kind if one is asked for.
fn function(name: &ObjectName, kind: Option<Kind>) -> Result<(), Problem> {
    let text = bare(name).map_or_else(|| name.to_string(), folded);
    let offered = |row: &&functions::Function| match kind {
        Some(kind) => row.kind == kind,
        None => row.kind != Kind::Table,
    };
    let rows = || functions::table().iter().filter(offered);
    if rows().any(|row| row.name == text) || pattern::is_ours(&text) {
        return Ok(());
    }
    let place = place_of("", span(name).start);
    let names: Vec<&str> = rows().map(|row| row.name).collect();
    let near = crate::nearest::nearest(&text, names);
    Err(mistake(
        Code::Sql023,
        place,
        format!("there is no function \"{text}\""),
    )
    .hint_if(Some(near.map_or_else(
        || "SHOW FUNCTIONS lists all of them".to_owned(),
        |near| format!("did you mean \"{near}\"?"),
    ))))
}

/// Checks that all functions within are ours, and rewrites those with a syntax of their own.
///
/// # Errors
/// The first function that does not exist.
pub(crate) fn check_calls<V: VisitMut>(within: &mut V) -> Result<(), Problem> {
    let found = visit_expressions_mut(within, |expr| {
        let checked = match expr {
            Expr::Function(call) => function(&call.name, None),
            _ => Ok(()),
        };
        match checked.and_then(|()| forms::rewrite(expr)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(problem) => ControlFlow::Break(problem),
        }
    });
    match found {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(problem) => Err(problem),
    }
}

/// The one identifier of a name, or the second of `public.name`.
pub(crate) fn bare(name: &ObjectName) -> Option<&Ident> {
    match name.0.as_slice() {
        [one] => one.as_ident(),
        [schema, one] if schema.as_ident().is_some_and(|s| folded(s) == SCHEMA) => one.as_ident(),
        _ => None,
    }
}

fn span(name: &ObjectName) -> Span {
    name.0
        .first()
        .and_then(|part| part.as_ident())
        .map_or(Span::empty(), |ident| ident.span)
}

/// An identifier as PostgreSQL folds it.
pub(crate) fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// Where a statement begins, when the tree does not say more.
fn start() -> mainstem_kernel::Place {
    mainstem_kernel::Place {
        file: String::new(),
        line: 1,
        column: 1,
    }
}
