//! INSERT INTO table (columns) VALUES … ON CONFLICT DO NOTHING | DO UPDATE SET … WHERE … RETURNING …

use std::{collections::HashMap, sync::Arc};

use datafusion::arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array},
    compute::{concat_batches, take_record_batch},
    datatypes::{Fields, Schema},
    error::ArrowError,
    row::{OwnedRow, RowConverter, SortField},
};
use mainstem_catalog::Definitions;
use mainstem_kernel::{Code, Place, TenantId, Timestamp};
use mainstem_table::{Decide, Effects, Target as Rows, WriteError};
use sqlparser::ast::{Insert as Ast, ObjectName, TableObject};

use super::{
    Compiled, Written,
    conflict::Conflict,
    exprs::Planner,
    given::{self, Given},
    picked::returned,
    refused,
    returning::Returning,
    target::{Target, unbuilt},
};
use crate::{
    declare::{Told, mistake},
    error::{QueryError, from_engine},
};

/// A compiled INSERT.
#[derive(Debug)]
struct Insert {
    target: Target,
    given: Given,
    /// Keys of the given rows.
    keys: Vec<ArrayRef>,
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
    let key = target.columns.key.iter();
    let keys = key.filter_map(|place| given.rows.columns().get(*place).cloned());
    let insert = Insert {
        keys: keys.collect(),
        target,
        given,
        conflict,
        returning,
    };
    Ok(Compiled::new("INSERT", insert, |insert| {
        (&insert.target, insert.returning.as_ref())
    }))
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

/// What becomes of the given rows.
#[derive(Debug, Default)]
struct Sorted {
    /// Those that are new.
    new: Vec<u64>,
    /// Rows that are there with the given ones of the same key.
    met: Vec<(u64, u64)>,
}

impl Insert {
    /// Which given rows are new, and which are there already.
    fn sorted(&self, current: &RecordBatch) -> Result<Sorted, WriteError> {
        // What it sees are the rows of its keys: one row needs no search.
        if let [place] = self.given.places.as_slice() {
            let mut sorted = Sorted::default();
            match (&self.conflict, current.num_rows()) {
                (_, 0) => sorted.new.push(0),
                (Conflict::Refuse, _) => return Err(self.taken(place)),
                (Conflict::Nothing, _) => {}
                (Conflict::Update { .. }, _) => sorted.met.push((0, 0)),
            }
            return Ok(sorted);
        }
        let there = self.target.columns.key.iter();
        let there = there.filter_map(|place| current.columns().get(*place).cloned());
        let (given, there) = rows_of(&self.keys, &there.collect::<Vec<_>>())
            .map_err(|error| refused(from_engine(error.into())))?;
        let there: HashMap<&OwnedRow, u64> = there.iter().zip(0..).collect();
        let mut seen: HashMap<&OwnedRow, ()> = HashMap::with_capacity(given.len());
        let mut sorted = Sorted::default();
        for ((key, place), row) in given.iter().zip(&self.given.places).zip(0..) {
            let is_first = seen.insert(key, ()).is_none();
            match (&self.conflict, there.get(key)) {
                (Conflict::Refuse, Some(_)) => return Err(self.taken(place)),
                (Conflict::Refuse, None) if !is_first => return Err(self.taken(place)),
                (Conflict::Nothing, found) if !is_first || found.is_some() => {}
                (Conflict::Update { .. }, _) if !is_first => return Err(self.twice(place)),
                (Conflict::Update { .. }, Some(found)) => sorted.met.push((*found, row)),
                _ => sorted.new.push(row),
            }
        }
        Ok(sorted)
    }

    fn taken(&self, place: &Place) -> WriteError {
        let message = format!("{} has a row with this key", self.target.columns.label);
        refused(
            mistake(Code::Sql040, place.clone(), message)
                .detail(format!("The key is ({}).", self.key()))
                .hint("ON CONFLICT DO NOTHING keeps it, ON CONFLICT DO UPDATE SET … changes it"),
        )
    }

    fn twice(&self, place: &Place) -> WriteError {
        let message = "two rows of the statement have the same key";
        refused(
            mistake(Code::Sql043, place.clone(), message)
                .detail(format!("The key is ({}).", self.key()))
                .hint("give each key once"),
        )
    }

    fn key(&self) -> String {
        let key = self.target.def.spec.key.iter();
        key.map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The rows that are written, in the order in which they were given.
    fn images(&self, current: &RecordBatch, sorted: &Sorted) -> Result<RecordBatch, QueryError> {
        let arrow = |error: ArrowError| from_engine(error.into());
        let schema = current.schema();
        let given = RecordBatch::try_new(Arc::clone(&schema), self.given.rows.columns().to_vec());
        let given = given.map_err(arrow)?;
        let new = picked(&given, sorted.new.iter().copied()).map_err(arrow)?;
        let Conflict::Update {
            condition,
            assigned,
        } = &self.conflict
        else {
            return Ok(new);
        };
        let there = picked(current, sorted.met.iter().map(|met| met.0)).map_err(arrow)?;
        let wanted = picked(&given, sorted.met.iter().map(|met| met.1)).map_err(arrow)?;
        let order = UInt64Array::from_iter_values(sorted.met.iter().map(|met| met.1));
        let seen = beside(&there, &wanted, &order).map_err(arrow)?;
        let seen = match condition {
            Some(condition) => condition.filter(&seen)?,
            None => seen,
        };
        let width = schema.fields().len();
        let kept: Vec<usize> = (0..width).collect();
        let there = seen.project(&kept).map_err(arrow)?;
        let changed = assigned.images(&self.target, &seen, &there)?;
        let changed = RecordBatch::try_new(Arc::clone(&schema), changed.columns().to_vec());
        let all = concat_batches(&schema, &[new, changed.map_err(arrow)?]).map_err(arrow)?;
        let order = seen
            .columns()
            .last()
            .ok_or_else(|| QueryError::broken("no order"))?;
        let order = datafusion::common::cast::as_uint64_array(order).map_err(from_engine)?;
        let rows = sorted
            .new
            .iter()
            .copied()
            .chain(order.values().iter().copied());
        let mut rows: Vec<(u64, u64)> = rows.zip(0..).collect();
        rows.sort_unstable();
        picked(&all, rows.into_iter().map(|row| row.1)).map_err(arrow)
    }
}

/// Two lists of keys, made comparable.
fn rows_of(
    given: &[ArrayRef],
    there: &[ArrayRef],
) -> Result<(Vec<OwnedRow>, Vec<OwnedRow>), ArrowError> {
    let fields = given
        .iter()
        .map(|key| SortField::new(key.data_type().clone()));
    let converter = RowConverter::new(fields.collect())?;
    let owned = |columns: &[ArrayRef]| -> Result<Vec<OwnedRow>, ArrowError> {
        let rows = converter.convert_columns(columns)?;
        Ok(rows.iter().map(|row| row.owned()).collect())
    };
    Ok((owned(given)?, owned(there)?))
}

fn picked(
    rows: &RecordBatch,
    numbers: impl Iterator<Item = u64>,
) -> Result<RecordBatch, ArrowError> {
    take_record_batch(rows, &UInt64Array::from_iter_values(numbers))
}

/// Rows side by side, and behind them the number of each.
fn beside(
    left: &RecordBatch,
    right: &RecordBatch,
    order: &UInt64Array,
) -> Result<RecordBatch, ArrowError> {
    let (left_schema, right_schema) = (left.schema(), right.schema());
    let number = Arc::new(datafusion::arrow::datatypes::Field::new(
        "_number",
        datafusion::arrow::datatypes::DataType::UInt64,
        false,
    ));
    let fields = left_schema.fields().iter().chain(right_schema.fields());
    let fields: Fields = fields.cloned().chain([number]).collect();
    let columns = left.columns().iter().chain(right.columns()).cloned();
    let order: ArrayRef = Arc::new(order.clone());
    let options = RecordBatchOptions::new().with_row_count(Some(left.num_rows()));
    RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields)),
        columns.chain([order]).collect(),
        &options,
    )
}

impl Decide for Insert {
    fn target(&self) -> Rows {
        Rows::Exact(self.keys.clone())
    }

    fn decide(&self, current: &RecordBatch, _now: Timestamp) -> Result<Effects, WriteError> {
        self.target.check(current)?;
        let sorted = self.sorted(current)?;
        let images = self.images(current, &sorted).map_err(refused)?;
        Ok(Effects {
            deletes: self.target.keys_of(&images.slice(0, 0))?,
            affected: u64::try_from(images.num_rows()).unwrap_or(u64::MAX),
            returning: returned(self.returning.as_ref(), &images)?,
            upserts: images,
        })
    }
}
