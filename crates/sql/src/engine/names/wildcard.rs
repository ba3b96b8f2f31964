//! `SELECT *` over objects: replaced by the columns that it shows.
//!
//! Relations that are no objects keep their own wildcard, so nothing else changes its meaning.

use mainstem_kernel::{Code, Problem};
use sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, Select,
    SelectItem, SelectItemQualifiedWildcardKind, TableFactor, TableWithJoins,
    WildcardAdditionalOptions,
};

use super::{Relation, bare, folded, start};
use crate::declare::{Told, mistake};

/// A relation of FROM, in order.
pub(super) struct Joined {
    /// How its columns are qualified; `None` if they cannot be.
    pub(super) qualifier: Option<Ident>,
    /// Its columns, if it is an object.
    pub(super) object: Option<Relation>,
    /// Columns that its join merges with those before it.
    pub(super) using: Vec<String>,
    /// Whether its join keeps rows that it has no match for.
    pub(super) optional: bool,
}

/// Replaces the wildcards of a SELECT, and gives its relations; `object` says which names are
/// objects.
///
/// # Errors
/// When it cannot be said what a wildcard shows.
pub(super) fn expand(
    select: &mut Select,
    object: impl Fn(&ObjectName) -> Option<Relation>,
) -> Result<Vec<Joined>, Problem> {
    let wild = |item: &SelectItem| {
        matches!(
            item,
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
        )
    };
    let mut relations = Vec::new();
    for table in &select.from {
        collect(table, &object, &mut relations)?;
    }
    if !select.projection.iter().any(wild)
        || relations.iter().all(|relation| relation.object.is_none())
    {
        return Ok(relations);
    }
    let mut items = Vec::new();
    for item in std::mem::take(&mut select.projection) {
        match item {
            SelectItem::Wildcard(options) => match plain(&options) {
                true => every(&relations, &mut items)?,
                false => items.push(SelectItem::Wildcard(excluding(options, &relations)?)),
            },
            SelectItem::QualifiedWildcard(kind, options) => {
                items.extend(qualified(kind, options, &relations)?);
            }
            other => items.push(other),
        }
    }
    select.projection = items;
    Ok(relations)
}

fn collect(
    table: &TableWithJoins,
    object: &impl Fn(&ObjectName) -> Option<Relation>,
    into: &mut Vec<Joined>,
) -> Result<(), Problem> {
    factor(&table.relation, (Vec::new(), false), object, into)?;
    for Join {
        relation,
        join_operator,
        ..
    } in &table.joins
    {
        match join_operator {
            // These show their left side alone.
            JoinOperator::Semi(_)
            | JoinOperator::LeftSemi(_)
            | JoinOperator::Anti(_)
            | JoinOperator::LeftAnti(_) => continue,
            _ => factor(relation, using(join_operator), object, into)?,
        }
    }
    Ok(())
}

/// What a join merges, and whether it keeps rows that its right side has no match for.
fn using(operator: &JoinOperator) -> (Vec<String>, bool) {
    let (constraint, optional) = match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint) => (constraint, false),
        JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::FullOuter(constraint) => (constraint, true),
        _ => return (Vec::new(), false),
    };
    match constraint {
        JoinConstraint::Using(names) => (
            names.iter().filter_map(bare).map(folded).collect(),
            optional,
        ),
        _ => (Vec::new(), optional),
    }
}

fn factor(
    factor: &TableFactor,
    (using, optional): (Vec<String>, bool),
    object: &impl Fn(&ObjectName) -> Option<Relation>,
    into: &mut Vec<Joined>,
) -> Result<(), Problem> {
    let (alias, name) = match factor {
        TableFactor::Table {
            name, alias, args, ..
        } => (alias.as_ref(), args.is_none().then_some(name)),
        TableFactor::NestedJoin {
            table_with_joins,
            alias: None,
        } => {
            return collect(table_with_joins, object, into);
        }
        TableFactor::Derived { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::NestedJoin { alias, .. }
        | TableFactor::UNNEST { alias, .. } => (alias.as_ref(), None),
        _ => (None, None),
    };
    let found = name.and_then(object);
    if found.is_some() && alias.is_some_and(|alias| !alias.columns.is_empty()) {
        return Err(mistake(
            Code::Sql027,
            start(),
            "an object's columns are not renamed in FROM",
        )
        .hint("name them in a subquery: FROM (SELECT a AS b FROM stream) t"));
    }
    let own = name.and_then(|name| name.0.last()?.as_ident().cloned());
    let qualifier = alias.map(|alias| alias.name.clone()).or(own);
    into.push(Joined {
        qualifier,
        object: found,
        using,
        optional,
    });
    Ok(())
}

/// `*`: the columns of every relation, those that USING merges only once.
fn every(relations: &[Joined], items: &mut Vec<SelectItem>) -> Result<(), Problem> {
    for relation in relations {
        let merged = |name: &str| relation.using.iter().any(|using| using == name);
        let later = |name: &str| {
            relations
                .iter()
                .any(|other| other.using.iter().any(|using| using == name))
        };
        match (&relation.object, &relation.qualifier) {
            (Some(object), Some(qualifier)) => {
                for name in object.shown().filter(|name| !merged(name)) {
                    // A merged column has no side.
                    items.push(if later(name) {
                        unqualified(name)
                    } else {
                        column(qualifier, name)
                    });
                }
            }
            (None, Some(qualifier)) if relation.using.is_empty() => {
                let name = ObjectName::from(vec![qualifier.clone()]);
                let kind = SelectItemQualifiedWildcardKind::ObjectName(name);
                items.push(SelectItem::QualifiedWildcard(
                    kind,
                    WildcardAdditionalOptions::default(),
                ));
            }
            _ => {
                return Err(
                    mistake(Code::Sql027, start(), "what * shows here cannot be said")
                        .hint("name the columns, or give every subquery in FROM an alias"),
                );
            }
        }
    }
    Ok(())
}

/// `t.*`: an object's shown columns; anything else stays.
fn qualified(
    kind: SelectItemQualifiedWildcardKind,
    options: WildcardAdditionalOptions,
    relations: &[Joined],
) -> Result<Vec<SelectItem>, Problem> {
    let wanted = match &kind {
        SelectItemQualifiedWildcardKind::ObjectName(name) => bare(name).map(folded),
        SelectItemQualifiedWildcardKind::Expr(_) => None,
    };
    let found = relations.iter().find(|relation| {
        relation.object.is_some() && relation.qualifier.as_ref().map(folded) == wanted
    });
    match found {
        Some(Joined {
            object: Some(object),
            qualifier: Some(qualifier),
            ..
        }) => {
            if !plain(&options) {
                let options = excluding(options, relations)?;
                return Ok(vec![SelectItem::QualifiedWildcard(kind, options)]);
            }
            Ok(object.shown().map(|name| column(qualifier, name)).collect())
        }
        _ => Ok(vec![SelectItem::QualifiedWildcard(kind, options)]),
    }
}

/// `* EXCLUDE (…)` and its kin over one object: the hidden columns are excluded too.
fn excluding(
    mut options: WildcardAdditionalOptions,
    relations: &[Joined],
) -> Result<WildcardAdditionalOptions, Problem> {
    if relations.len() != 1 || options.opt_ilike.is_some() {
        return Err(mistake(
            Code::Sql027,
            start(),
            "* EXCLUDE is offered over one stream, table or view alone",
        )
        .hint("name the columns"));
    }
    let mut names: Vec<ObjectName> = match options.opt_exclude.take() {
        Some(ExcludeSelectItem::Single(name)) => vec![name],
        Some(ExcludeSelectItem::Multiple(names)) => names,
        None => Vec::new(),
    };
    if let Some(except) = options.opt_except.take() {
        let all = [except.first_element]
            .into_iter()
            .chain(except.additional_elements);
        names.extend(all.map(|ident| ObjectName::from(vec![ident])));
    }
    let hidden = relations.iter().filter_map(|one| one.object.as_ref());
    for hidden in hidden.flat_map(Relation::hidden) {
        if !names
            .iter()
            .any(|name| bare(name).is_some_and(|ident| folded(ident) == *hidden))
        {
            names.push(ObjectName::from(vec![Ident::with_quote('"', hidden)]));
        }
    }
    options.opt_exclude = Some(ExcludeSelectItem::Multiple(names));
    Ok(options)
}

/// Whether a wildcard has no EXCLUDE, REPLACE or the like.
fn plain(options: &WildcardAdditionalOptions) -> bool {
    options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
}

fn column(qualifier: &Ident, name: &str) -> SelectItem {
    let name = Ident::with_quote('"', name);
    SelectItem::UnnamedExpr(Expr::CompoundIdentifier(vec![qualifier.clone(), name]))
}

fn unqualified(name: &str) -> SelectItem {
    SelectItem::UnnamedExpr(Expr::Identifier(Ident::with_quote('"', name)))
}
