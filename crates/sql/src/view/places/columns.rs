//! The columns that a SELECT shows, by their names, and `*` as these.

use sqlparser::ast::{
    Expr, Ident, ObjectName, Select, SelectItem, SelectItemQualifiedWildcardKind,
    WildcardAdditionalOptions,
};

use crate::engine::{bare, folded};

/// What stands in FROM, with its columns.
pub(super) struct Read {
    pub(super) qualifier: Option<Ident>,
    pub(super) names: Vec<Ident>,
}

impl Read {
    fn is_called(&self, name: &ObjectName) -> bool {
        bare(name).map(folded) == self.qualifier.as_ref().map(folded)
    }
}

/// A column of something in FROM.
pub(super) fn column(qualifier: Option<&Ident>, name: Ident) -> Expr {
    match qualifier {
        Some(qualifier) => Expr::CompoundIdentifier(vec![qualifier.clone(), name]),
        None => Expr::Identifier(name),
    }
}

/// Replaces `*` by the columns that the first in FROM had, without the place; those of others follow.
pub(super) fn expand(select: &mut Select, read: &[Read]) -> Option<()> {
    let (first, others) = read.split_first()?;
    let mut items = Vec::with_capacity(select.projection.len());
    for item in std::mem::take(&mut select.projection) {
        let is_all = match &item {
            SelectItem::Wildcard(_) => true,
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _)
                if first.is_called(name) =>
            {
                false
            }
            _ => {
                items.push(item);
                continue;
            }
        };
        let names = first.names.iter().cloned();
        let names = names.map(|name| column(first.qualifier.as_ref(), name));
        items.extend(names.map(SelectItem::UnnamedExpr));
        for other in others.iter().filter(|_| is_all) {
            items.push(SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![
                    other.qualifier.clone()?,
                ])),
                WildcardAdditionalOptions::default(),
            ));
        }
    }
    select.projection = items;
    Some(())
}

/// The names of what a SELECT shows; what has none gets one.
pub(super) fn shown(select: &mut Select, read: &[Read]) -> Vec<Ident> {
    let mut shown = Vec::with_capacity(select.projection.len());
    for item in &mut select.projection {
        match item {
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => shown.push(name.clone()),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                shown.extend(parts.last().cloned());
            }
            SelectItem::ExprWithAlias { alias, .. } => shown.push(alias.clone()),
            SelectItem::UnnamedExpr(expr) => {
                let alias = Ident::new(format!("_unnamed{}", shown.len()));
                shown.push(alias.clone());
                let expr = expr.clone();
                *item = SelectItem::ExprWithAlias { expr, alias };
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let found = read.iter().filter(|read| read.is_called(name));
                shown.extend(found.flat_map(|read| read.names.iter().cloned()));
            }
            _ => shown.extend(read.iter().flat_map(|read| read.names.iter().cloned())),
        }
    }
    shown
}
