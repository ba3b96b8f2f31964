//! Names of the SELECT that looks a view up: which relation a column is of, and what it is called in the
//! question that it becomes.

use std::ops::ControlFlow;

use mainstem_kernel::{Code, Problem};
use sqlparser::ast::{Expr, Ident, Spanned, Visit, VisitMut, VisitorMut, visit_expressions};

use crate::{
    declare::{Told, mistake, place_of},
    engine::folded,
    nearest::did_you_mean,
};

/// A relation behind FROM.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// What the SELECT calls it.
    pub(super) qualifier: Ident,
    /// All columns.
    pub(super) columns: Vec<String>,
    /// Those that `*` shows.
    pub(super) shown: Vec<String>,
    /// Whether it is a view that is looked up.
    pub(super) is_view: bool,
}

impl Seen {
    /// What a column is called above the figures.
    pub(super) fn above(&self, column: &str) -> Ident {
        Ident::with_quote('"', format!("{}.{column}", folded(&self.qualifier)))
    }

    /// What a column is called where the relation is read.
    pub(super) fn below(&self, column: &str) -> Expr {
        let column = Ident::with_quote('"', column);
        Expr::CompoundIdentifier(vec![self.qualifier.clone(), column])
    }
}

/// All relations of the SELECT.
#[derive(Clone, Debug)]
pub(super) struct Scope<'a> {
    pub(super) seen: Vec<Seen>,
    pub(super) file: &'a str,
}

/// Where names are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Where relations are read.
    Below,
    /// Above the figures.
    Above,
}

impl Scope<'_> {
    /// The relation and the column that an expression is, if it is just that.
    pub(super) fn column(&self, expr: &Expr) -> Result<Option<(usize, String)>, Problem> {
        match expr {
            Expr::Nested(inner) => self.column(inner),
            Expr::Identifier(name) => self.plain(name),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [qualifier, name] => self.qualified(qualifier, name),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn plain(&self, ident: &Ident) -> Result<Option<(usize, String)>, Problem> {
        let name = folded(ident);
        let all = self.seen.iter().enumerate();
        let mut having = all.filter(|(_, seen)| seen.columns.contains(&name));
        let Some((first, seen)) = having.next() else {
            // It may be a name that SELECT gives.
            return Ok(None);
        };
        match having.next() {
            None => Ok(Some((first, name))),
            Some((_, other)) => {
                let place = place_of(self.file, ident.span.start);
                let (one, other) = (&seen.qualifier, &other.qualifier);
                let message = format!("column \"{name}\" is in \"{one}\" and in \"{other}\"");
                Err(mistake(Code::Sql022, place, message).hint(format!("write {one}.{name}")))
            }
        }
    }

    fn qualified(
        &self,
        qualifier: &Ident,
        ident: &Ident,
    ) -> Result<Option<(usize, String)>, Problem> {
        let (wanted, name) = (folded(qualifier), folded(ident));
        let mut all = self.seen.iter().enumerate();
        let Some((at, seen)) = all.find(|(_, seen)| folded(&seen.qualifier) == wanted) else {
            return Ok(None);
        };
        if seen.columns.contains(&name) {
            return Ok(Some((at, name)));
        }
        let place = place_of(self.file, ident.span.start);
        let message = format!("\"{qualifier}\" has no column \"{name}\"");
        let near = did_you_mean(&name, seen.shown.iter().map(String::as_str));
        Err(mistake(Code::Sql022, place, message).hint_if(near))
    }

    /// Whether an expression reads a view that is looked up.
    pub(super) fn reads_view<V: Visit>(&self, within: &V) -> Result<bool, Problem> {
        let flow = visit_expressions(within, |expr| match self.column(expr) {
            Err(problem) => ControlFlow::Break(Err(problem)),
            Ok(Some((at, _))) if self.seen.get(at).is_some_and(|seen| seen.is_view) => {
                ControlFlow::Break(Ok(true))
            }
            Ok(_) => ControlFlow::Continue(()),
        });
        match flow {
            ControlFlow::Break(found) => found,
            ControlFlow::Continue(()) => Ok(false),
        }
    }

    /// Writes the names of an expression anew; columns of streams and tables that are read above are noted
    /// in `used`.
    pub(super) fn rename<V: VisitMut>(
        &self,
        within: &mut V,
        level: Level,
        used: &mut Vec<(usize, String)>,
    ) -> Result<(), Problem> {
        let mut renaming = Renaming {
            scope: self,
            level,
            used,
        };
        match within.visit(&mut renaming) {
            ControlFlow::Break(problem) => Err(problem),
            ControlFlow::Continue(()) => Ok(()),
        }
    }
}

struct Renaming<'a> {
    scope: &'a Scope<'a>,
    level: Level,
    used: &'a mut Vec<(usize, String)>,
}

impl VisitorMut for Renaming<'_> {
    type Break = Problem;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Problem> {
        if !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
            return ControlFlow::Continue(());
        }
        let found = match self.scope.column(expr) {
            Ok(found) => found,
            Err(problem) => return ControlFlow::Break(problem),
        };
        if let Some((at, column)) = found
            && let Some(seen) = self.scope.seen.get(at)
        {
            let span = expr.span();
            match self.level {
                Level::Below => *expr = seen.below(&column),
                Level::Above => {
                    let mut name = seen.above(&column);
                    name.span = span;
                    *expr = Expr::Identifier(name);
                    let one = (at, column);
                    if !seen.is_view && !self.used.contains(&one) {
                        self.used.push(one);
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// The conditions that AND joins.
pub(super) fn split(expr: &Expr) -> Vec<Expr> {
    match expr {
        Expr::Nested(inner) => split(inner),
        Expr::BinaryOp {
            left,
            op: sqlparser::ast::BinaryOperator::And,
            right,
        } => [split(left), split(right)].concat(),
        other => vec![other.clone()],
    }
}

/// Conditions as one.
pub(super) fn joined(conditions: Vec<Expr>) -> Option<Expr> {
    conditions.into_iter().reduce(|one, other| Expr::BinaryOp {
        left: Box::new(Expr::Nested(Box::new(one))),
        op: sqlparser::ast::BinaryOperator::And,
        right: Box::new(Expr::Nested(Box::new(other))),
    })
}
