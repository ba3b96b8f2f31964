//! The joins of a SELECT that looks views up: what is compared with the keys of which, and what else is read.

use mainstem_kernel::{Code, Place, Problem};
use sqlparser::ast::{
    BinaryOperator, Expr, Ident, Join, JoinOperator, Select, TableFactor, TableWithJoins, Value,
    ValueWithSpan,
};

use super::{
    grouping::{Grouping, refused},
    scope::{Level, Scope, Seen, split},
};
use crate::{
    declare::{Told, mistake, place_of},
    engine::{bare, folded},
    view::{
        Input,
        names::{Against, condition},
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
        let (reader, qualifier) = object(against, &written.relation, given)
            .filter(|(known, _)| matches!(known.input, Input::Stream { .. }))
            .ok_or_else(|| from_no_stream(place(file, &written.relation)))?;
        let mut scope = Scope {
            seen: vec![seen(&reader, &qualifier)],
            file,
        };
        let mut from = TableWithJoins {
            relation: written.relation.clone(),
            joins: Vec::new(),
        };
        let mut found: Vec<(Known, &Join)> = Vec::new();
        for (join, looked) in written.joins.iter().zip(looked) {
            if let Some(view) = looked {
                scope.seen.push(seen(&view, &alias(&join.relation)));
                found.push((view, join));
                continue;
            }
            let table = object(against, &join.relation, given);
            let table = table.filter(|(known, _)| known.table.is_some());
            let Some((table, name)) = table else {
                let place = place(file, &join.relation);
                return Err(unbuilt("a lookup of a view beside a join", place)
                    .hint("tables are looked up beside it; join in a view that reads this one"));
            };
            scope.seen.push(seen(&table, &name));
            from.joins.push(join.clone());
        }
        let mut views = Vec::with_capacity(found.len());
        for (known, join) in &found {
            let place = place(file, &join.relation);
            let name = alias(&join.relation);
            let reader = (reader.input.id(), &qualifier);
            let grouping = Grouping::of(against, (known, &name, &place), reader)?;
            let at = scope.seen.iter().position(|seen| seen.qualifier == name);
            let looking = Looking {
                scope: &scope,
                grouping,
                seen: at.unwrap_or(0),
                place: &place,
            };
            views.push(looking.view(join)?);
        }
        let joined = Self {
            time: reader
                .input
                .watermark()
                .map(|watermark| watermark.column.as_str().to_owned()),
            scope,
            views,
            from,
        };
        joined.whole(&start)?;
        Ok(joined)
    }

    /// Every event is there to be counted, if a view groups them; and tables are not looked up by what
    /// views gave.
    fn whole(&self, start: &Place) -> Result<(), Problem> {
        for join in &self.from.joins {
            let place = place(self.scope.file, &join.relation);
            if self.scope.reads_view(&join.join_operator)? {
                return Err(unbuilt("a lookup by what another lookup gave", place)
                    .hint("look it up in a view that reads this one"));
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
                "look it up once here, and again in a view that reads this one's stream",
            )),
        }
    }
}

/// A view whose join is read.
struct Looking<'s> {
    scope: &'s Scope<'s>,
    grouping: Grouping,
    seen: usize,
    place: &'s Place,
}

impl Looking<'_> {
    fn view(self, join: &Join) -> Result<View, Problem> {
        use JoinOperator as J;
        let is_outer = match &join.join_operator {
            J::Join(_) | J::Inner(_) => false,
            J::Left(_) | J::LeftOuter(_) => true,
            _ => {
                let what = "a RIGHT or FULL JOIN that looks a view up";
                return Err(unbuilt(what, self.place.clone()).hint(
                    "write the stream first: stream LEFT JOIN view FOR SYSTEM_TIME AS OF PROCTIME() …",
                ));
            }
        };
        let mut join = join.clone();
        let on = condition(&mut join, self.place.clone())?;
        let keys = &self.grouping.keys;
        let mut given: Vec<Option<Expr>> = vec![None; keys.len()];
        let mut rest = Vec::new();
        for condition in split(on) {
            let compared = self.compared(&condition)?;
            let place = compared.and_then(|(at, other)| Some((given.get_mut(at)?, other)));
            match place {
                Some((place @ None, other)) => *place = Some(other),
                _ if is_true(&condition) => {}
                _ => rest.push(condition),
            }
        }
        if let Some(((column, _), _)) = keys.iter().zip(&given).find(|(_, given)| given.is_none()) {
            return Err(self.incomplete(column));
        }
        if is_outer && !rest.is_empty() {
            let name = &self.grouping.of.name;
            let message = format!("the LEFT JOIN with view \"{name}\" compares more than its key");
            return Err(mistake(Code::View005, self.place.clone(), message)
                .detail("A lookup finds the row of a key; conditions come after it.")
                .hint("use CASE WHEN condition THEN column END, or WHERE"));
        }
        let mut given: Vec<Expr> = given.into_iter().flatten().collect();
        self.scope
            .rename(&mut given, Level::Below, &mut Vec::new())?;
        if self.grouping.source.is_own {
            self.same(&given)?;
        }
        Ok(View {
            grouping: self.grouping,
            seen: self.seen,
            is_outer,
            given,
            rest,
        })
    }

    /// Which column of the key is compared with what of an event.
    fn compared(&self, condition: &Expr) -> Result<Option<(usize, Expr)>, Problem> {
        let Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } = condition
        else {
            return Ok(None);
        };
        for (one, other) in [(left, right), (right, left)] {
            let Some((seen, column)) = self.scope.column(one)? else {
                continue;
            };
            let mut keys = self.grouping.keys.iter();
            let at = keys.position(|(key, _)| seen == self.seen && *key == column);
            if let Some(at) = at
                && !self.scope.reads_view(other.as_ref())?
            {
                return Ok(Some((at, other.as_ref().clone())));
            }
        }
        Ok(None)
    }

    fn incomplete(&self, column: &str) -> Problem {
        let name = &self.grouping.of.name;
        let message = format!("the join with view \"{name}\" does not give \"{column}\" of its key");
        let keys = self.grouping.keys.iter().map(|(key, _)| key.as_str());
        let keys: Vec<&str> = keys.collect();
        mistake(Code::View005, self.place.clone(), message)
            .detail(format!(
                "A lookup finds one row by the whole key ({}).",
                keys.join(", ")
            ))
            .hint(format!("add {column} = … to ON, joined by AND"))
    }

    /// An event that is counted is counted for the key by which it looks up.
    fn same(&self, given: &[Expr]) -> Result<(), Problem> {
        let keys = self.grouping.keys.iter().map(|(_, expr)| expr.to_string());
        let given = given.iter().map(ToString::to_string);
        let differs = keys.zip(given).find(|(key, given)| key != given);
        match differs {
            None => Ok(()),
            Some((key, _)) => Err(refused(
                (&self.grouping.of, self.place),
                "groups the stream that looks it up by something else than ON compares",
                &format!(
                    "compare with {}, by which it groups, or send what is looked up by to another stream",
                    key.replace('"', "")
                ),
            )),
        }
    }
}

fn is_true(condition: &Expr) -> bool {
    matches!(
        condition,
        Expr::Value(ValueWithSpan {
            value: Value::Boolean(true),
            ..
        })
    )
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
