//! UPDATE table SET column = value WHERE condition RETURNING …; and the SET of ON CONFLICT.

use std::sync::Arc;

use datafusion::{
    arrow::array::{ArrayRef, RecordBatch},
    common::DFSchema,
};
use mainstem_catalog::Definitions;
use mainstem_kernel::{Code, Place, TenantId, Timestamp};
use mainstem_table::{Decide, Effects, Statement, Target as Rows, WriteError};
use sqlparser::ast::{Assignment, AssignmentTarget, Ident, ObjectName, Update as Ast};

use super::{
    Compiled, Written,
    exprs::{Planned, Planner},
    fit, refused,
    returning::Returning,
    target::{Target, place_of_expr, unbuilt},
};
use crate::{
    declare::{Told, mistake, place_of},
    engine::folded,
    error::{QueryError, from_engine},
};

/// Values for some columns.
#[derive(Debug)]
pub(super) struct Assigned {
    /// The column's place, its value, and where that is written.
    values: Vec<(usize, Planned, Place)>,
}

impl Assigned {
    /// Plans the assignments of SET.
    ///
    /// # Errors
    /// When a column is not there, is given twice, or belongs to the key.
    pub(super) fn of(
        planner: &Planner<'_>,
        (target, over): (&Target, &DFSchema),
        assignments: &[Assignment],
        written: &Written,
    ) -> Result<Self, QueryError> {
        let mut places: Vec<(usize, Place)> = Vec::with_capacity(assignments.len());
        for assignment in assignments {
            let ident = assigned(assignment, target, written)?;
            let place = target.column(ident)?;
            let at = place_of("", ident.span.start);
            if target.columns.key.contains(&place) {
                let message = format!("column \"{}\" belongs to the key", folded(ident));
                return Err(mistake(Code::Sql039, at, message)
                    .hint("DELETE the row and INSERT the other, between BEGIN and COMMIT")
                    .into());
            }
            if places.iter().any(|(other, _)| *other == place) {
                let message = format!("column \"{}\" is set twice", folded(ident));
                return Err(mistake(Code::Sql006, at, message).into());
            }
            places.push((place, place_of_expr(&assignment.value, written)));
        }
        let exprs: Vec<_> = assignments.iter().map(|one| &one.value).collect();
        let planned = planner.plan(&exprs, over, written)?;
        let values = places.into_iter().zip(planned);
        let values = values.map(|((place, at), planned)| (place, planned, at));
        Ok(Self {
            values: values.collect(),
        })
    }

    /// Rows as they become: `seen` is what expressions read, `rows` are those of the table.
    ///
    /// # Errors
    /// When a value does not fit its column.
    pub(super) fn images(
        &self,
        target: &Target,
        seen: &RecordBatch,
        rows: &RecordBatch,
    ) -> Result<RecordBatch, QueryError> {
        let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
        for (place, planned, at) in &self.values {
            let (Some(column), Some(slot)) = (target.declared(*place), columns.get_mut(*place))
            else {
                return Err(QueryError::broken("a column was lost"));
            };
            let values = planned.values(seen)?;
            *slot = fit::column(&values, column)
                .map_err(|misfit| misfit.problem(column, at.clone()))?;
        }
        RecordBatch::try_new(rows.schema(), columns).map_err(|error| from_engine(error.into()))
    }
}

/// The column of an assignment.
fn assigned<'a>(
    assignment: &'a Assignment,
    target: &Target,
    written: &Written,
) -> Result<&'a Ident, QueryError> {
    let AssignmentTarget::ColumnName(ObjectName(parts)) = &assignment.target else {
        return Err(unbuilt("SET (a, b) = …", written));
    };
    match parts.as_slice() {
        [one] => one.as_ident(),
        [table, one] if table.as_ident().is_some_and(|t| folded(t) == target.alias) => {
            one.as_ident()
        }
        _ => None,
    }
    .ok_or_else(|| unbuilt("SET of this form", written))
}

/// A compiled UPDATE.
#[derive(Debug)]
struct Update {
    target: Target,
    rows: Rows,
    condition: Option<Planned>,
    assigned: Assigned,
    returning: Option<Returning>,
}

pub(super) fn compile(
    planner: &Planner<'_>,
    defs: (&Definitions, TenantId),
    ast: &Ast,
    written: &Written,
) -> Result<Compiled, QueryError> {
    if ast.from.is_some() || !ast.order_by.is_empty() || ast.limit.is_some() {
        return Err(unbuilt("FROM, ORDER BY or LIMIT", written));
    }
    let target = Target::of_from(defs, &ast.table, written)?;
    let over = target.schema()?;
    let condition = ast.selection.as_ref();
    let condition = condition.map(|expr| planner.condition(expr, &over, written));
    let condition = condition.transpose()?;
    let rows = target.rows(condition.as_ref().map(|condition| &condition.logical))?;
    let assigned = Assigned::of(planner, (&target, &over), &ast.assignments, written)?;
    let items = ast.returning.as_deref();
    let returning = Returning::of(planner, (&target, &over), items, written)?;
    let (app, table) = (target.def.app.clone(), target.def.id);
    Ok(Compiled {
        app,
        verb: "UPDATE",
        returning: returning.as_ref().map(|all| Arc::clone(&all.schema)),
        statement: Statement {
            table,
            decide: Arc::new(Update {
                target,
                rows,
                condition,
                assigned,
                returning,
            }),
        },
    })
}

impl Decide for Update {
    fn target(&self) -> Rows {
        self.rows.clone()
    }

    fn decide(&self, current: &RecordBatch, _now: Timestamp) -> Result<Effects, WriteError> {
        self.target.check(current)?;
        let found = match &self.condition {
            Some(condition) => condition.filter(current).map_err(refused)?,
            None => current.clone(),
        };
        let images = self.assigned.images(&self.target, &found, &found);
        let images = images.map_err(refused)?;
        let returning = self.returning.as_ref();
        let returning = returning.map(|returning| returning.rows(&images));
        Ok(Effects {
            deletes: self.target.keys_of(&images.slice(0, 0))?,
            affected: u64::try_from(images.num_rows()).unwrap_or(u64::MAX),
            returning: returning.transpose().map_err(refused)?,
            upserts: images,
        })
    }
}
