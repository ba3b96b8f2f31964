//! The joins of a SELECT that looks views up: which relations there are, and which of them are views.

mod looking;

use mainstem_kernel::{Place, Problem};
use sqlparser::ast::{Expr, Ident, Join, JoinOperator, Select, TableFactor, TableWithJoins};

use self::looking::Looking;
use super::{
    assemble::Moved,
    grouping::{Grouping, refused},
    scope::{Scope, Seen},
    types,
};
use crate::{
    declare::{Told, place_of},
    engine::{bare, folded},
    view::{
        Input,
        names::Against,
        refuse::unbuilt,
        relation::{self, Known},
    },
};

/// A SELECT that looks views up.
#[derive(Debug)]
pub(super) struct Joined<'a> {
    pub(super) scope: Scope<'a>,
    pub(super) views: Vec<View>,
    /// FROM without the views.
    pub(super) from: TableWithJoins,
    /// The event time of the stream behind FROM.
    pub(super) time: Option<String>,
}

/// A view that is looked up.
#[derive(Debug)]
pub(super) struct View {
    pub(super) grouping: Grouping,
    /// Which relation of the scope it is.
    pub(super) seen: usize,
    /// Whether events without a row of it come, too.
    pub(super) is_outer: bool,
    /// What its key is compared with, in the order of its columns.
    pub(super) given: Vec<Expr>,
    /// The types of its arguments.
    pub(super) types: Vec<String>,
    /// Other conditions.
    pub(super) rest: Vec<Expr>,
}

impl<'a> Joined<'a> {
    /// `looked` says of each join which view it looks up.
    ///
    /// # Errors
    /// What of it is not built, or not complete.
    pub(super) fn of(
        against: Against<'a>,
        select: &Select,
        looked: Vec<Option<Known>>,
        given: &[String],
    ) -> Result<Self, Problem> {
        let file = against.file;
        let start = Place {
            file: file.to_owned(),
            line: 1,
            column: 1,
        };
        let Some(written) = select.from.first() else {
            return Err(unbuilt("this kind of join", start));
        };
        let reader = object(against, &written.relation, given)
            .filter(|(known, _)| matches!(known.input, Input::Stream { .. }))
            .ok_or_else(|| from_no_stream(place(file, &written.relation)))?;
        let mut joined = Self {
            time: reader
                .0
                .input
                .watermark()
                .map(|watermark| watermark.column.as_str().to_owned()),
            scope: Scope {
                seen: vec![seen(&reader.0, &reader.1)],
                file,
            },
            views: Vec::new(),
            from: TableWithJoins {
                relation: written.relation.clone(),
                joins: Vec::new(),
            },
        };
        let joins = written.joins.iter().zip(looked);
        let found = joined.relations(against, joins, given)?;
        for (known, join) in &found {
            let view = joined.view((against, &reader), known, join)?;
            joined.views.push(view);
        }
        joined.whole(&start)?;
        Ok(joined)
    }

    /// Notes what is joined; gives the views that are looked up.
    fn relations<'j>(
        &mut self,
        against: Against<'_>,
        joins: impl Iterator<Item = (&'j Join, Option<Known>)>,
        given: &[String],
    ) -> Result<Vec<(Known, &'j Join)>, Problem> {
        let mut found = Vec::new();
        for (join, looked) in joins {
            if let Some(view) = looked {
                self.scope.seen.push(seen(&view, &alias(&join.relation)));
                found.push((view, join));
                continue;
            }
            let table = object(against, &join.relation, given);
            let table = table.filter(|(known, _)| known.table.is_some());
            let Some((table, name)) = table else {
                let place = place(against.file, &join.relation);
                return Err(unbuilt("a lookup of a view beside a join", place)
                    .hint("look it up in a view of one stream, and join that view"));
            };
            self.scope.seen.push(seen(&table, &name));
            self.from.joins.push(join.clone());
        }
        Ok(found)
    }

    fn view(
        &self,
        (against, reader): (Against<'_>, &(Known, Ident)),
        known: &Known,
        join: &Join,
    ) -> Result<View, Problem> {
        let place = place(against.file, &join.relation);
        let name = alias(&join.relation);
        let qualifier = &reader.1;
        let own = (reader.0.input.id(), qualifier);
        let grouping = Grouping::of(against, (known, &name, &place), own)?;
        let mut all = self.scope.seen.iter();
        let at = all.position(|seen| seen.qualifier == name);
        let looking = Looking {
            scope: &self.scope,
            grouping,
            seen: at.unwrap_or(0),
            place: &place,
        };
        let mut view = looking.view(join)?;
        let called = match view.grouping.source.is_own {
            true => qualifier,
            false => &name,
        };
        let moved = Moved::to(&self.from.relation);
        view.types = types::of_arguments(against, &view, (called, moved))?;
        Ok(view)
    }

    /// Every event is there to be counted, if a view groups them; and tables are not looked up by what
    /// views gave.
    fn whole(&self, start: &Place) -> Result<(), Problem> {
        for join in &self.from.joins {
            let place = place(self.scope.file, &join.relation);
            if self.scope.reads_view(&join.join_operator)? {
                return Err(unbuilt("a lookup by what another lookup gave", place)
                    .hint("look up by columns of the stream"));
            }
            let is_inner = matches!(
                join.join_operator,
                JoinOperator::Join(_) | JoinOperator::Inner(_)
            );
            let own = self.views.iter().find(|view| view.grouping.source.is_own);
            if let (true, Some(own)) = (is_inner, own) {
                let what = "groups the stream that looks it up, beside a JOIN that leaves rows out";
                let hint = "write LEFT JOIN for the table, and leave rows out with WHERE";
                return Err(refused((&own.grouping.of, &place), what, hint));
            }
        }
        let names = self.views.iter().map(|view| &view.grouping.of);
        let twice = names.enumerate().find(|(at, of)| {
            let mut before = self.views.iter().take(*at);
            before.any(|view| view.grouping.of == **of)
        });
        match twice {
            None => Ok(()),
            Some((_, of)) => Err(refused(
                (of, start),
                "is looked up twice",
                "look it up once, or make a second view of the same",
            )),
        }
    }
}

fn from_no_stream(place: Place) -> Problem {
    unbuilt("a lookup from anything but a stream", place)
        .detail("The row of a view is taken as of the arrival of an event.")
        .hint("join in the view that reads the stream, directly after FROM")
}

/// The object that a part of FROM names, and what it is called.
fn object(against: Against<'_>, factor: &TableFactor, given: &[String]) -> Option<(Known, Ident)> {
    let TableFactor::Table {
        name, args: None, ..
    } = factor
    else {
        return None;
    };
    let ident = bare(name).filter(|ident| !given.contains(&folded(ident)))?;
    let place = place_of(against.file, ident.span.start);
    let from = (against.defs, against.tenant);
    let known = relation::find(from, &folded(ident), place).ok()?;
    Some((known, alias(factor)))
}

/// What a part of FROM is called.
fn alias(factor: &TableFactor) -> Ident {
    match factor {
        TableFactor::Table {
            alias: Some(alias), ..
        } => alias.name.clone(),
        TableFactor::Table { name, .. } => {
            bare(name).cloned().unwrap_or_else(|| Ident::new("_none"))
        }
        _ => Ident::new("_none"),
    }
}

fn place(file: &str, factor: &TableFactor) -> Place {
    use sqlparser::ast::Spanned;
    place_of(file, factor.span().start)
}

fn seen(known: &Known, qualifier: &Ident) -> Seen {
    let fields = known.schema.fields().iter();
    let all = fields.map(|field| field.name().clone()).collect();
    let is_view = matches!(known.input, Input::View { .. });
    Seen {
        qualifier: qualifier.clone(),
        columns: match is_view {
            true => known.shown.clone(),
            false => all,
        },
        shown: known.shown.clone(),
        is_view,
    }
}
