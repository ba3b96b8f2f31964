//! What an INSERT writes once it sees the rows of its keys: alone, or many of one row each at once.

use std::{any::Any, collections::HashMap, iter, sync::Arc};

use datafusion::arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array},
    compute::{concat_batches, take_record_batch},
    datatypes::{Fields, Schema},
    error::ArrowError,
    row::{OwnedRow, RowConverter, SortField},
};
use mainstem_kernel::{Code, Place, Timestamp};
use mainstem_table::{Alike, Decide, Effects, Met, Target as Rows, WriteError};

use super::{Insert, Shape};
use crate::{
    declare::{Told, mistake},
    error::{QueryError, from_engine},
    write::{conflict::Conflict, picked::returned, refused},
};

/// What becomes of the given rows.
#[derive(Debug, Default)]
struct Sorted {
    /// Those that are new.
    new: Vec<u64>,
    /// Rows that are there with the given ones of the same key.
    met: Vec<(u64, u64)>,
}

/// The rows that are written.
struct Images {
    rows: RecordBatch,
    /// For each the number of the given row that it comes from, in ascending order.
    of: Vec<u64>,
}

impl Insert {
    /// Which given rows are new, and which are there already.
    fn sorted(&self, current: &RecordBatch) -> Result<Sorted, WriteError> {
        // What it sees are the rows of its keys: one row needs no search.
        if let [place] = self.given.places.as_slice() {
            let mut sorted = Sorted::default();
            match (&self.shape.conflict, current.num_rows()) {
                (_, 0) => sorted.new.push(0),
                (Conflict::Refuse, _) => return Err(self.shape.taken(place)),
                (Conflict::Nothing, _) => {}
                (Conflict::Update { .. }, _) => sorted.met.push((0, 0)),
            }
            return Ok(sorted);
        }
        let there = self.shape.target.columns.key.iter();
        let there = there.filter_map(|place| current.columns().get(*place).cloned());
        let (given, there) = rows_of(&self.keys, &there.collect::<Vec<_>>())
            .map_err(|error| refused(from_engine(error.into())))?;
        let there: HashMap<&OwnedRow, u64> = there.iter().zip(0..).collect();
        let mut seen: HashMap<&OwnedRow, ()> = HashMap::with_capacity(given.len());
        let mut sorted = Sorted::default();
        for ((key, place), row) in given.iter().zip(&self.given.places).zip(0..) {
            let is_first = seen.insert(key, ()).is_none();
            match (&self.shape.conflict, there.get(key)) {
                (Conflict::Refuse, Some(_)) => return Err(self.shape.taken(place)),
                (Conflict::Refuse, None) if !is_first => return Err(self.shape.taken(place)),
                (Conflict::Nothing, found) if !is_first || found.is_some() => {}
                (Conflict::Update { .. }, _) if !is_first => return Err(self.shape.twice(place)),
                (Conflict::Update { .. }, Some(found)) => sorted.met.push((*found, row)),
                _ => sorted.new.push(row),
            }
        }
        Ok(sorted)
    }
}

impl Decide for Insert {
    fn target(&self) -> Rows {
        Rows::Exact(self.keys.clone())
    }

    fn decide(&self, current: &RecordBatch, _now: Timestamp) -> Result<Effects, WriteError> {
        let shape = &self.shape;
        shape.target.check(current)?;
        let sorted = self.sorted(current)?;
        let images = shape.images(&self.given.rows, current, sorted);
        let images = images.map_err(refused)?.rows;
        Ok(Effects {
            deletes: shape.target.keys_of(&images.slice(0, 0))?,
            affected: u64::try_from(images.num_rows()).unwrap_or(u64::MAX),
            returning: returned(shape.returning.as_ref(), &images)?,
            upserts: images,
        })
    }

    fn is_alike(&self, other: &Arc<dyn Decide>) -> bool {
        self.given.rows.num_rows() == 1 && self.like(other).is_some()
    }

    fn decide_alike(
        &self,
        others: &[Arc<dyn Decide>],
        met: Met<'_>,
        _now: Timestamp,
    ) -> Option<Alike> {
        let shape = &self.shape;
        shape.target.check(met.rows).ok()?;
        let others = others.iter().map(|other| self.like(other));
        let all: Vec<&Self> = iter::once(Some(self))
            .chain(others)
            .collect::<Option<_>>()?;
        let given = all.iter().map(|insert| &insert.given.rows);
        let given = concat_batches(&shape.target.columns.schema, given).ok()?;
        let (sorted, refused) = shape.sorted_alike(&all, met.of);
        let images = shape.images(&given, met.rows, sorted).ok()?;
        let of = images.of.into_iter().map(usize::try_from);
        Some(Alike {
            of: of.collect::<Result<_, _>>().ok()?,
            returning: returned(shape.returning.as_ref(), &images.rows).ok()?,
            refused,
            upserts: images.rows,
        })
    }
}

impl Insert {
    /// Another statement, if it is the same with other values and gives one row.
    fn like<'a>(&self, other: &'a Arc<dyn Decide>) -> Option<&'a Self> {
        let other: &dyn Any = other.as_ref();
        let other = other.downcast_ref::<Self>()?;
        let is_like = Arc::ptr_eq(&self.shape, &other.shape) && other.given.rows.num_rows() == 1;
        is_like.then_some(other)
    }
}

impl Shape {
    /// As `Insert::sorted`, of statements with one row each; and those that are refused.
    fn sorted_alike(&self, all: &[&Insert], met: &[usize]) -> (Sorted, Vec<(usize, WriteError)>) {
        let mut met = met.iter().zip(0..).peekable();
        let (mut sorted, mut refused) = (Sorted::default(), Vec::new());
        for ((statement, insert), row) in all.iter().enumerate().zip(0..) {
            let there = met.next_if(|(of, _)| **of == statement);
            match (&self.conflict, there) {
                (_, None) => sorted.new.push(row),
                (Conflict::Refuse, Some(_)) => {
                    let places = insert.given.places.iter();
                    refused.extend(places.map(|place| (statement, self.taken(place))));
                }
                (Conflict::Nothing, Some(_)) => {}
                (Conflict::Update { .. }, Some((_, there))) => sorted.met.push((there, row)),
            }
        }
        (sorted, refused)
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
    fn images(
        &self,
        given: &RecordBatch,
        current: &RecordBatch,
        sorted: Sorted,
    ) -> Result<Images, QueryError> {
        let arrow = |error: ArrowError| from_engine(error.into());
        let schema = current.schema();
        let given = RecordBatch::try_new(Arc::clone(&schema), given.columns().to_vec());
        let given = given.map_err(arrow)?;
        let new = picked(&given, sorted.new.iter().copied()).map_err(arrow)?;
        let Conflict::Update {
            condition,
            assigned,
        } = &self.conflict
        else {
            let of = sorted.new;
            return Ok(Images { rows: new, of });
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
        let rows = sorted.new.iter().chain(order.values().iter()).copied();
        let mut rows: Vec<(u64, u64)> = rows.zip(0..).collect();
        rows.sort_unstable();
        let (of, places): (Vec<u64>, Vec<u64>) = rows.into_iter().unzip();
        let rows = picked(&all, places.into_iter()).map_err(arrow)?;
        Ok(Images { rows, of })
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
