//! INSERT INTO table (columns) VALUES … ON CONFLICT DO NOTHING | DO UPDATE SET … WHERE … RETURNING …

mod deciding;
mod kept;

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use mainstem_catalog::Definitions;
use mainstem_kernel::{Code, TenantId};
use sqlparser::ast::{Insert as Ast, ObjectName, TableObject};

use super::{
    Compiled, Written,
    conflict::Conflict,
    exprs::Planner,
    given::{self, Given},
    returning::Returning,
    target::{Target, unbuilt},
};
use crate::{declare::mistake, error::QueryError};

pub(super) use kept::Kept;

/// A compiled INSERT.
#[derive(Debug)]
struct Insert {
    shape: Arc<Shape>,
    given: Given,
    /// Keys of the given rows.
    keys: Vec<ArrayRef>,
}

/// What an INSERT says, whatever rows it gives.
#[derive(Debug)]
struct Shape {
    target: Target,
    conflict: Conflict,
    returning: Option<Returning>,
}

/// The table that it writes to.
///
/// # Errors
/// When it is none.
pub(super) fn target(
    defs: (&Definitions, TenantId),
    ast: &Ast,
    written: &Written,
) -> Result<Target, QueryError> {
    let TableObject::TableName(name) = &ast.table else {
        return Err(unbuilt("a function as a table", written));
    };
    let alias = ast.table_alias.as_ref().map(|alias| &alias.alias);
    Target::of(defs, name, alias, written)
}

pub(super) fn compile(
    planner: &Planner<'_>,
    defs: (&Definitions, TenantId),
    ast: &Ast,
    written: &Written,
) -> Result<Compiled, QueryError> {
    if !ast.assignments.is_empty() {
        return Err(unbuilt("INSERT … SET", written));
    }
    let target = target(defs, ast, written)?;
    let named = named(&target, &ast.columns, written)?;
    let source = ast.source.as_deref();
    let given = given::read(planner, (&target, &named), source, written)?;
    let conflict = Conflict::of(planner, &target, ast.on.as_ref(), written)?;
    let over = target.schema()?;
    let items = ast.returning.as_deref();
    let returning = Returning::of(planner, (&target, &over), items, written)?;
    let shape = Arc::new(Shape {
        target,
        conflict,
        returning,
    });
    let kept = Kept::of((&shape, named), source, &given);
    let compiled = Compiled::new("INSERT", Insert::new(shape, given), |insert| {
        (&insert.shape.target, insert.shape.returning.as_ref())
    });
    Ok(Compiled { kept, ..compiled })
}

impl Insert {
    fn new(shape: Arc<Shape>, given: Given) -> Self {
        let key = shape.target.columns.key.iter();
        let keys = key.filter_map(|place| given.rows.columns().get(*place).cloned());
        Self {
            keys: keys.collect(),
            shape,
            given,
        }
    }
}

/// Places of the named columns; of all if none is named.
fn named(
    target: &Target,
    names: &[ObjectName],
    written: &Written,
) -> Result<Vec<usize>, QueryError> {
    if names.is_empty() {
        return Ok((0..target.def.spec.columns.0.len()).collect());
    }
    let mut places = Vec::with_capacity(names.len());
    for name in names {
        let [part] = name.0.as_slice() else {
            return Err(unbuilt("a column with a qualifier", written));
        };
        let Some(ident) = part.as_ident() else {
            return Err(unbuilt("a column of this form", written));
        };
        let place = target.column(ident)?;
        if places.contains(&place) {
            let at = crate::declare::place_of("", ident.span.start);
            let message = format!("column \"{}\" is named twice", ident.value);
            return Err(mistake(Code::Sql006, at, message).into());
        }
        places.push(place);
    }
    Ok(places)
}
