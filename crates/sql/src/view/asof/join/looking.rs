//! The condition of a join with a view: what of an event its key is compared with, and what else has to hold.

use mainstem_kernel::{Code, Place, Problem};
use sqlparser::ast::{BinaryOperator, Expr, Join, JoinOperator, Value, ValueWithSpan};

use super::{
    super::{
        grouping::{Grouping, refused},
        scope::{Level, Scope, split},
    },
    View,
};
use crate::{
    declare::{Told, mistake},
    view::{names::condition, refuse::unbuilt},
};

/// A view whose join is read.
pub(super) struct Looking<'s> {
    pub(super) scope: &'s Scope<'s>,
    pub(super) grouping: Grouping,
    /// Which relation of the scope it is.
    pub(super) seen: usize,
    pub(super) place: &'s Place,
}

impl Looking<'_> {
    pub(super) fn view(self, join: &Join) -> Result<View, Problem> {
        let is_outer = self.is_outer(&join.join_operator)?;
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
            types: Vec::new(),
            rest,
        })
    }

    fn is_outer(&self, operator: &JoinOperator) -> Result<bool, Problem> {
        use JoinOperator as J;
        match operator {
            J::Join(_) | J::Inner(_) => Ok(false),
            J::Left(_) | J::LeftOuter(_) => Ok(true),
            _ => {
                let what = "a RIGHT or FULL JOIN that looks a view up";
                Err(unbuilt(what, self.place.clone()).hint(
                    "write the stream first: stream LEFT JOIN view FOR SYSTEM_TIME AS OF PROCTIME() …",
                ))
            }
        }
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
        let message =
            format!("the join with view \"{name}\" does not give \"{column}\" of its key");
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
