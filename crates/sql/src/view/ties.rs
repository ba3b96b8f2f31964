//! Which of two rows comes first that ORDER BY calls equal: decided in the text, so that a view and
//! the plain question of its rows number them alike.
//!
//! Behind what was written in ORDER BY of OVER (…) come
//!
//! * of a stream: the place of the row in the log;
//! * of a table, or a view whose rows change: its key;
//! * of anything else all columns by name: rows that are equal in these look the same.
//!
//! Of rows of one time, or of one place, the later one is later: their places go the way that
//! `ORDER BY _seq` or `ORDER BY time` goes; else the earlier row comes first.

use std::ops::ControlFlow;

use mainstem_catalog::Definitions;
use mainstem_kernel::{
    TenantId,
    types::{OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN, timestamp_tz},
};
use sqlparser::ast::{
    Cte, Expr, FunctionArg, FunctionArgExpr, Ident, OrderByExpr, OrderByOptions, Query, Select,
    SelectItem, SetExpr, TableFactor, VisitMut, WindowSpec, WindowType, visit_expressions_mut,
};

use super::relation::{self, Known};
use crate::engine::{bare, folded};

/// The question with complete orders.
pub(crate) fn complete(query: &Query, defs: &Definitions, tenant: TenantId) -> Query {
    let mut query = query.clone();
    let ties = Ties { defs, tenant };
    ties.query(&mut query, &Vec::new());
    query
}

/// What WITH has given names to, with their columns.
type Scope = Vec<(String, Vec<Ident>)>;

#[derive(Clone, Copy)]
struct Ties<'a> {
    defs: &'a Definitions,
    tenant: TenantId,
}

/// What is read behind FROM.
struct First {
    qualifier: Option<Ident>,
    relation: Rows,
}

enum Rows {
    Object(Box<Known>),
    /// A subquery, with its columns as far as they have names.
    Subquery(Vec<Ident>),
}

impl Ties<'_> {
    /// Completes the orders of a query; gives the names of its columns.
    fn query(self, query: &mut Query, outer: &Scope) -> Vec<Ident> {
        let mut scope = outer.clone();
        for Cte { alias, query, .. } in query.with.iter_mut().flat_map(|with| &mut with.cte_tables)
        {
            let columns = self.query(query, &scope);
            scope.push((folded(&alias.name), columns));
        }
        self.body(&mut query.body, &scope)
    }

    fn body(self, body: &mut SetExpr, scope: &Scope) -> Vec<Ident> {
        match body {
            SetExpr::Select(select) => self.select(select, scope),
            SetExpr::Query(inner) => self.query(inner, scope),
            SetExpr::SetOperation { left, right, .. } => {
                let names = self.body(left, scope);
                self.body(right, scope);
                names
            }
            _ => Vec::new(),
        }
    }

    fn select(self, select: &mut Select, scope: &Scope) -> Vec<Ident> {
        let mut read: Vec<First> = Vec::new();
        for from in &mut select.from {
            read.extend(self.first(&mut from.relation, scope));
            for join in &mut from.joins {
                let joined = self.first(&mut join.relation, scope);
                // A table that is looked up gives one row for each.
                read.extend(joined.filter(|joined| !joined.is_table()));
            }
        }
        self.numberings(&mut select.projection, &read);
        self.numberings(&mut select.qualify, &read);
        let mut names = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => names.push(alias.clone()),
                SelectItem::UnnamedExpr(Expr::Identifier(name)) => names.push(name.clone()),
                SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                    names.extend(parts.last().cloned());
                }
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                    names.extend(read.iter().flat_map(First::shown));
                }
                _ => {}
            }
        }
        names
    }

    fn first(self, factor: &mut TableFactor, scope: &Scope) -> Option<First> {
        match factor {
            TableFactor::Derived {
                subquery, alias, ..
            } => Some(First {
                qualifier: alias.as_ref().map(|alias| alias.name.clone()),
                relation: Rows::Subquery(self.query(subquery, scope)),
            }),
            TableFactor::Table {
                name, alias, args, ..
            } => {
                let named = match args {
                    None => bare(name)?.clone(),
                    Some(args) => match args.args.first()? {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(name))) => {
                            name.clone()
                        }
                        _ => return None,
                    },
                };
                let qualifier = alias.as_ref().map_or(&named, |alias| &alias.name).clone();
                let given = scope.iter().rev().find(|(name, _)| *name == folded(&named));
                let relation = match given {
                    Some((_, columns)) => Rows::Subquery(columns.clone()),
                    None => Rows::Object(Box::new(self.object(&named)?)),
                };
                Some(First {
                    qualifier: Some(qualifier),
                    relation,
                })
            }
            _ => None,
        }
    }

    fn object(self, name: &Ident) -> Option<Known> {
        let place = mainstem_kernel::Place {
            file: String::new(),
            line: 1,
            column: 1,
        };
        // What does not exist is named when names are bound.
        relation::find((self.defs, self.tenant), &folded(name), place).ok()
    }

    fn numberings<V: VisitMut>(self, within: &mut V, read: &[First]) {
        // It never breaks off.
        let _never = visit_expressions_mut(within, |expr| {
            if let Expr::Function(call) = expr
                && let Some(WindowType::WindowSpec(spec)) = &mut call.over
                && !spec.order_by.is_empty()
            {
                let written = spec.order_by.last().cloned();
                for first in read {
                    first.complete(spec, written.as_ref());
                }
            }
            ControlFlow::<()>::Continue(())
        });
    }
}

impl First {
    fn shown(&self) -> Vec<Ident> {
        match &self.relation {
            Rows::Object(known) => known.shown.iter().map(|name| quoted(name)).collect(),
            Rows::Subquery(columns) => columns.clone(),
        }
    }

    /// Columns that tell equal rows apart.
    fn apart(&self) -> Vec<Ident> {
        match &self.relation {
            Rows::Subquery(columns) => columns.clone(),
            Rows::Object(known) => match known.input {
                super::Input::Stream { .. } => [SEQ_COLUMN, PARTITION_COLUMN, OFFSET_COLUMN]
                    .map(quoted)
                    .to_vec(),
                _ if known.key.is_empty() => {
                    let fields = known.schema.fields().iter();
                    fields.map(|field| quoted(field.name())).collect()
                }
                _ => known.key.iter().map(|name| quoted(name)).collect(),
            },
        }
    }

    fn is_table(&self) -> bool {
        matches!(&self.relation, Rows::Object(known) if known.table.is_some())
    }

    /// Puts what tells its rows apart behind the order that was `written`.
    fn complete(&self, spec: &mut WindowSpec, written: Option<&OrderByExpr>) {
        let asc = match written {
            Some(last) if self.is_time(&last.expr) => last.options.asc,
            _ => None,
        };
        let ties = self.apart().into_iter().map(|name| OrderByExpr {
            expr: match &self.qualifier {
                Some(qualifier) => Expr::CompoundIdentifier(vec![qualifier.clone(), name]),
                None => Expr::Identifier(name),
            },
            options: OrderByOptions {
                asc,
                nulls_first: None,
            },
            with_fill: None,
        });
        spec.order_by.extend(ties);
    }

    /// Whether it is a time, or the place in the log.
    fn is_time(&self, expr: &Expr) -> bool {
        let name = match expr {
            Expr::Identifier(name) => folded(name),
            Expr::CompoundIdentifier(parts) => parts.last().map(folded).unwrap_or_default(),
            Expr::Nested(inner) => return self.is_time(inner),
            _ => return false,
        };
        let Rows::Object(known) = &self.relation else {
            return false;
        };
        let field = known.schema.field_with_name(&name);
        name == SEQ_COLUMN || field.is_ok_and(|field| *field.data_type() == timestamp_tz())
    }
}

fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}
