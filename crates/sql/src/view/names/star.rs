//! `*` and `t.*` of a view: replaced by the columns that they show.

use mainstem_kernel::{Code, Problem};
use sqlparser::ast::{
    Expr, Ident, ObjectName, Select, SelectItem, SelectItemQualifiedWildcardKind, Spanned,
    WildcardAdditionalOptions,
};

use super::{super::refuse::unbuilt, Binder, Seen};
use crate::{
    declare::{Told, mistake},
    engine::{bare, folded},
};

impl Binder<'_> {
    /// Replaces the wildcards of a SELECT.
    pub(super) fn expand(&self, select: &mut Select, seen: &[Seen]) -> Result<(), Problem> {
        let mut items = Vec::with_capacity(select.projection.len());
        for item in std::mem::take(&mut select.projection) {
            match &item {
                SelectItem::Wildcard(options) => {
                    self.plain(options, &item)?;
                    for relation in seen {
                        self.shown(relation, &mut items);
                    }
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    options,
                ) => {
                    self.plain(options, &item)?;
                    let wanted = bare(name).map(folded);
                    let found = seen
                        .iter()
                        .find(|seen| seen.qualifier.as_ref().map(folded) == wanted);
                    let Some(found) = found else {
                        let message = format!("there is no \"{name}\" in FROM");
                        return Err(mistake(Code::Sql022, self.place(name), message));
                    };
                    self.shown(found, &mut items);
                }
                _ => items.push(item),
            }
        }
        select.projection = items;
        Ok(())
    }

    /// Refuses EXCLUDE, REPLACE and the like.
    fn plain(
        &self,
        options: &WildcardAdditionalOptions,
        item: &impl Spanned,
    ) -> Result<(), Problem> {
        let is_plain = options.opt_ilike.is_none()
            && options.opt_exclude.is_none()
            && options.opt_except.is_none()
            && options.opt_replace.is_none()
            && options.opt_rename.is_none();
        match is_plain {
            true => Ok(()),
            false => Err(unbuilt("* with exceptions", self.place(item)).hint("name the columns")),
        }
    }

    fn shown(&self, seen: &Seen, items: &mut Vec<SelectItem>) {
        let relation = seen.relation.and_then(|index| self.relations.get(index));
        match (relation, &seen.qualifier) {
            (Some(relation), Some(qualifier)) => {
                items.extend(relation.shown.iter().map(|name| {
                    let name = Ident::with_quote('"', name);
                    SelectItem::UnnamedExpr(Expr::CompoundIdentifier(vec![qualifier.clone(), name]))
                }));
            }
            // A subquery shows what it selects.
            (_, Some(qualifier)) => items.push(SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![
                    qualifier.clone(),
                ])),
                WildcardAdditionalOptions::default(),
            )),
            (_, None) => items.push(SelectItem::Wildcard(WildcardAdditionalOptions::default())),
        }
    }
}
