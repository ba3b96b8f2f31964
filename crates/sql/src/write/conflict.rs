//! ON CONFLICT: what an INSERT does where a row of the same key is there.

use datafusion::common::DFSchema;
use mainstem_kernel::Code;
use sqlparser::ast::{ConflictTarget, OnConflictAction, OnInsert};

use super::{
    Written,
    exprs::{Planned, Planner},
    target::{Target, qualified, unbuilt},
    update::Assigned,
};
use crate::{
    declare::{Told, mistake},
    error::{QueryError, from_engine},
};

/// What is done where a row of that key is there.
#[derive(Debug)]
pub(super) enum Conflict {
    Refuse,
    Nothing,
    Update {
        condition: Option<Planned>,
        assigned: Assigned,
    },
}

impl Conflict {
    /// Plans ON CONFLICT.
    ///
    /// # Errors
    /// When it does not name the key, or an expression does not plan.
    pub(super) fn of(
        planner: &Planner<'_>,
        target: &Target,
        on: Option<&OnInsert>,
        written: &Written,
    ) -> Result<Self, QueryError> {
        let on = match on {
            None => return Ok(Self::Refuse),
            Some(OnInsert::OnConflict(on)) => on,
            Some(_) => return Err(unbuilt("ON DUPLICATE KEY", written)),
        };
        match &on.conflict_target {
            None => {}
            Some(ConflictTarget::Columns(idents)) => {
                let mut places = Vec::with_capacity(idents.len());
                for ident in idents {
                    places.push(target.column(ident)?);
                }
                places.sort_unstable();
                let mut key = target.columns.key.clone();
                key.sort_unstable();
                if places != key {
                    let label = &target.columns.label;
                    let message = format!("ON CONFLICT does not name the key of {label}");
                    return Err(mistake(Code::Sql008, written.place.clone(), message)
                        .hint("name the columns of the key, or none")
                        .into());
                }
            }
            Some(ConflictTarget::OnConstraint(_)) => {
                return Err(unbuilt("ON CONSTRAINT", written));
            }
        }
        match &on.action {
            OnConflictAction::DoNothing => Ok(Self::Nothing),
            OnConflictAction::DoUpdate(update) => {
                let over = both(target)?;
                let condition = update.selection.as_ref();
                let condition = condition.map(|expr| planner.condition(expr, &over, written));
                Ok(Self::Update {
                    condition: condition.transpose()?,
                    assigned: Assigned::of(planner, (target, &over), &update.assignments, written)?,
                })
            }
        }
    }
}

/// The row that is there, and the one that was to be inserted.
fn both(target: &Target) -> Result<DFSchema, QueryError> {
    let excluded = qualified("excluded", &target.columns.schema)?;
    target.schema()?.join(&excluded).map_err(from_engine)
}
