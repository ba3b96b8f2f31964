//! Columns that JOIN … USING merges, in WHERE: DataFusion calls them ambiguous there, so each
//! gets the side that always has its value.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Ident, Query, Select, VisitMut, VisitorMut};

use super::{folded, wildcard::Joined};

/// Qualifies merged columns in a SELECT's WHERE.
pub(super) fn qualify(select: &mut Select, relations: &[Joined]) {
    if relations.iter().all(|relation| relation.using.is_empty()) {
        return;
    }
    if let Some(selection) = &mut select.selection {
        let mut sides = Sides {
            relations,
            depth: 0,
        };
        // It never breaks off.
        let (ControlFlow::Continue(()) | ControlFlow::Break(())) = selection.visit(&mut sides);
    }
}

struct Sides<'a> {
    relations: &'a [Joined],
    /// Subqueries have names of their own.
    depth: usize,
}

impl Sides<'_> {
    /// The relation that always has the merged column's value: the right side of the last join
    /// that merges it, unless that may have no row; then an object before it that has the column.
    fn of(&self, name: &str) -> Option<&Ident> {
        let joined = self
            .relations
            .iter()
            .rposition(|relation| relation.using.iter().any(|using| using == name))?;
        let right = self.relations.get(joined)?;
        if !right.optional {
            return right.qualifier.as_ref();
        }
        let before = self.relations.get(..joined)?.iter().rev();
        let has = |relation: &&Joined| {
            let object = relation.object.as_ref();
            !relation.optional
                && object.is_some_and(|object| object.schema().index_of(name).is_ok())
        };
        before
            .filter(has)
            .find_map(|relation| relation.qualifier.as_ref())
    }
}

impl VisitorMut for Sides<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_add(1);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::Identifier(ident) = expr
            && let Some(side) = self.of(&folded(ident))
        {
            *expr = Expr::CompoundIdentifier(vec![side.clone(), ident.clone()]);
        }
        ControlFlow::Continue(())
    }
}
