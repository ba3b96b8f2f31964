//! Joins of what stands behind FROM: a table that is looked up, a second stream, or, where rows behind
//! FROM change, others that do. How rows of both sides find each other is decided over the plan.

use mainstem_catalog::Emit;
use mainstem_kernel::{Code, Place, Problem};
use sqlparser::ast::{Ident, Join, JoinOperator, ObjectName, Spanned, TableFactor};

use super::{
    super::{
        Input,
        refuse::unbuilt,
        relation::{Known, Role},
    },
    Binder, For, Scope, Seen, batch, condition, judge, seen,
};
use crate::{
    declare::{Told, mistake},
    engine::{bare, folded},
};

/// What a join is one with.
pub(super) enum Joined {
    Lookup(Seen),
    Stream(Seen),
}

impl Binder<'_> {
    /// The relation of a join; what is wrong with it is noted. `changes` says whether rows on the left
    /// are of tables, or of views whose rows change.
    pub(super) fn join(
        &mut self,
        join: &mut Join,
        (left, changes): (Option<&Ident>, bool),
        scope: &Scope,
    ) -> Option<Joined> {
        let is_as_of = match &join.relation {
            TableFactor::Table { name, .. } => self.against.marks.is_proctime(name.span().start),
            _ => false,
        };
        if (is_as_of || !changes) && self.is_looked_up(&join.relation, scope) {
            return match self.lookup(join, left) {
                Ok(seen) => Some(Joined::Lookup(seen)),
                Err(problem) => {
                    self.problems.push(problem);
                    None
                }
            };
        }
        let place = self.place(&join.relation);
        if let Err(problem) = condition(join, place) {
            self.problems.push(problem);
        }
        let joined = self.first(&mut join.relation, scope)?;
        if self.becomes == For::Check && !changes && is_left(join) {
            self.note_come((left, joined.qualifier.as_ref()));
        }
        Some(Joined::Stream(joined))
    }

    /// Notes which rows of a LEFT JOIN of streams have come: some come beside nothing.
    fn note_come(&mut self, sides: (Option<&Ident>, Option<&Ident>)) {
        let at = self.lefts;
        self.lefts = at.saturating_add(1);
        let come = match (self.against.waits.and_then(|waits| waits.alone(at)), sides) {
            (Some(alone), (Some(left), Some(right))) => {
                judge::come(self.against, alone, (left, right))
            }
            (Some(_), _) => Err(judge::without_names(self.against)),
            (None, _) => Err(judge::unpaired(self.against)),
        };
        match come {
            Ok(come) => self.come = Some(come),
            Err(problem) => self.problems.push(problem),
        }
    }

    /// Whether a join names a table, or what is none of the objects whose rows are only added.
    pub(super) fn is_looked_up(&self, relation: &TableFactor, scope: &Scope) -> bool {
        let TableFactor::Table {
            name, args: None, ..
        } = relation
        else {
            return false;
        };
        if bare(name).is_some_and(|ident| scope.contains(&folded(ident))) {
            return false;
        }
        let known = self.known(name);
        !known.is_ok_and(|(known, _)| known.input.is_append_only())
    }

    /// What stands against a join with what is no table.
    fn unlooked(&self, known: &Known, (name, place): (&ObjectName, Place)) -> Problem {
        let Input::View { emit, .. } = known.input else {
            return unbuilt("this kind of join", place);
        };
        let is_as_of = self.against.marks.is_proctime(name.span().start);
        match emit {
            Emit::OnUpdate { .. } if !is_as_of => {
                let message = format!("the join with view \"{}\" does not say as of when", known.name);
                mistake(Code::View005, place, message)
                    .detail("A view changes; an event is joined with the row as it is at its arrival.")
                    .hint(format!(
                        "write JOIN {} FOR SYSTEM_TIME AS OF PROCTIME() … ON …",
                        known.name
                    ))
            }
            _ => unbuilt("a join with a view whose rows change", place).hint(
                "views that group streams and EMIT ON UPDATE are looked up, and tables are; tables and views \
                 whose rows change are joined with each other",
            ),
        }
    }

    /// JOIN table FOR SYSTEM_TIME AS OF PROCTIME() alias ON ….
    fn lookup(&mut self, join: &mut Join, left: Option<&Ident>) -> Result<Seen, Problem> {
        let place = self.place(&join.relation);
        let TableFactor::Table { name, alias, .. } = &join.relation else {
            return Err(unbuilt("this kind of join", place));
        };
        let (known, ident) = self.known(name)?;
        let Some(table) = known.table.clone() else {
            return Err(self.unlooked(&known, (name, place)));
        };
        let alias = self.alias(alias.as_ref(), &ident)?;
        if !self.against.marks.is_proctime(name.span().start) {
            let message = format!(
                "the join with table \"{}\" does not say as of when",
                known.name
            );
            return Err(mistake(Code::View005, place, message)
                .detail("A table changes; an event is joined with the row as it is at its arrival.")
                .hint(format!(
                    "write JOIN {} FOR SYSTEM_TIME AS OF PROCTIME() {alias} ON …",
                    known.name
                )));
        }
        let on = condition(join, place.clone())?;
        let role = Role::Lookup {
            key: known.key.clone(),
            place,
        };
        let index = self.relation(known, role);
        let becomes = match (self.becomes, left) {
            (For::Question | For::Check, Some(left)) => {
                batch::as_of(on, &alias, left)?;
                batch::changes(&table, &alias)?
            }
            _ => batch::named(&format!("${index}"), &alias),
        };
        join.relation = becomes;
        Ok(seen(alias, index))
    }
}

fn is_left(join: &Join) -> bool {
    use JoinOperator as J;
    matches!(join.join_operator, J::Left(_) | J::LeftOuter(_))
}
