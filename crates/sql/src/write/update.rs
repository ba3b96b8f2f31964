//! UPDATE table SET column = value WHERE condition RETURNING …; and the SET of ON CONFLICT.

use datafusion::{
    arrow::array::{ArrayRef, RecordBatch},
    common::DFSchema,
};
use mainstem_catalog::Definitions;
use mainstem_kernel::{Code, Place, TenantId, Timestamp};
use mainstem_table::{Decide, Effects, Target as Rows, WriteError};
use sqlparser::ast::{Assignment, AssignmentTarget, Expr, Ident, ObjectName, Update as Ast, Value};

use super::{
    Compiled, Written,
    exprs::{Planned, Planner},
    fit,
    given::is_default,
    picked::Picked,
    refused,
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
        let mut exprs = Vec::with_capacity(assignments.len());
        for (assignment, (place, _)) in assignments.iter().zip(&places) {
            exprs.push(match is_default(&assignment.value) {
                true => default(target, *place)?,
                false => assignment.value.clone(),
            });
        }
        let exprs: Vec<&Expr> = exprs.iter().collect();
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

/// The default of a column, NULL if it has none.
fn default(target: &Target, place: usize) -> Result<Expr, QueryError> {
    let column = target.declared(place);
    let default = column.map(|column| target.default(column)).transpose()?;
    Ok(default
        .flatten()
        .unwrap_or_else(|| Expr::Value(Value::Null.into())))
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
    picked: Picked,
    assigned: Assigned,
}

/// The table that it writes to.
///
/// # Errors
/// When it is more than a table.
pub(super) fn target(
    defs: (&Definitions, TenantId),
    ast: &Ast,
    written: &Written,
) -> Result<Target, QueryError> {
    Target::of_from(defs, &ast.table, written)
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
    let target = target(defs, ast, written)?;
    let parts = (ast.selection.as_ref(), ast.returning.as_deref());
    let picked = Picked::of(planner, target, parts, written)?;
    let over = (&picked.target, &picked.over);
    let assigned = Assigned::of(planner, over, &ast.assignments, written)?;
    Ok(Compiled::new(
        "UPDATE",
        Update { picked, assigned },
        |update| update.picked.about(),
    ))
}

impl Decide for Update {
    fn target(&self) -> Rows {
        self.picked.rows()
    }

    fn decide(&self, current: &RecordBatch, _now: Timestamp) -> Result<Effects, WriteError> {
        let Self { picked, assigned } = self;
        let found = picked.found(current)?;
        let images = assigned.images(&picked.target, &found, &found);
        let images = images.map_err(refused)?;
        Ok(Effects {
            deletes: picked.target.keys_of(&images.slice(0, 0))?,
            affected: u64::try_from(images.num_rows()).unwrap_or(u64::MAX),
            returning: picked.returned(&images)?,
            upserts: images,
        })
    }
}
