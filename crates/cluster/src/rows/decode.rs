//! Records of a topic of changes as rows at their versions. Pure.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, UInt64Array},
    compute::{cast, take_record_batch},
    datatypes::{Int64Type, Schema},
    error::ArrowError,
};
use mainstem_admit::JsonRows;

use super::relation::{GENERATION_COLUMN, RECORD_SIZE_MAX, Relation, STREAM_KEY_COLUMN, Version};
use crate::{
    cassandra::VersionedRows,
    lower::{LIVE_COLUMN, VERSION_COLUMN},
};

/// A record as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    /// Its offset.
    pub(crate) offset: u64,
    /// Its key.
    pub(crate) key: Option<&'a [u8]>,
    /// Its row; none if the key is gone.
    pub(crate) value: Option<&'a [u8]>,
}

/// Rows of records.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    /// Rows of one generation each.
    pub(crate) parts: Vec<Part>,
    /// Records that are no rows, by number, and why.
    pub(crate) refused: Vec<(usize, String)>,
}

/// Rows of one generation.
#[derive(Debug)]
pub(crate) struct Part {
    /// The newest rows of each key.
    pub(crate) rows: VersionedRows,
    /// Of each row the number of its record.
    pub(crate) records: Vec<usize>,
}

/// Reads the records of one relation. Of the records with one key only the newest stays.
///
/// # Errors
/// When Arrow refuses the values, which is a defect.
pub(crate) fn decode(relation: &Relation, changes: &[Change<'_>]) -> Result<Decoded, ArrowError> {
    let mut json = JsonRows::new(&relation.record, RECORD_SIZE_MAX);
    let (mut records, mut refused) = (Vec::with_capacity(changes.len()), Vec::new());
    for (number, change) in changes.iter().enumerate() {
        let row = match (change.value, change.key, relation.version) {
            (Some(value), _, _) => json.push(value),
            // Of a table that is all there is left.
            (None, Some(key), Version::Offset) => json.push(key),
            // Cleared by hand: the row that it stands for is deleted by a record of its own.
            (None, _, _) => continue,
        };
        match row {
            Ok(()) => records.push(number),
            Err(reason) => refused.push((number, reason.to_string())),
        }
    }
    let batch = json.finish()?;
    let versions = Versions::of(relation, &batch, (changes, &records));
    let rows = shaped(relation, &batch)?;
    let mut parts = Vec::new();
    for (generation, chosen) in versions.newest(changes, &records) {
        parts.push(Part {
            rows: VersionedRows {
                rows: take_record_batch(&rows, &indices(&chosen))?,
                versions: pick(&chosen, &versions.versions),
                live: pick(&chosen, &versions.live).into_iter().collect(),
                generation,
            },
            records: pick(&chosen, &records),
        });
    }
    Ok(Decoded { parts, refused })
}

fn indices(chosen: &[usize]) -> UInt64Array {
    let indices = chosen.iter().map(|row| *row as u64);
    UInt64Array::from_iter_values(indices)
}

fn pick<T: Copy>(chosen: &[usize], all: &[T]) -> Vec<T> {
    chosen
        .iter()
        .filter_map(|row| all.get(*row))
        .copied()
        .collect()
}

/// What decides between rows, of each row.
struct Versions {
    versions: Vec<u64>,
    live: Vec<bool>,
    generations: Vec<u16>,
}

impl Versions {
    fn of(
        relation: &Relation,
        batch: &RecordBatch,
        (changes, records): (&[Change<'_>], &[usize]),
    ) -> Self {
        let numbers = |name: &str| {
            let column = batch.column_by_name(name);
            column.and_then(|column| column.as_primitive_opt::<Int64Type>())
        };
        let number = |name: &str, row: usize| {
            let column = numbers(name).filter(|column| column.is_valid(row));
            column.and_then(|column| u64::try_from(column.value(row)).ok())
        };
        let live = batch.column_by_name(LIVE_COLUMN);
        let live = live.and_then(|column| column.as_boolean_opt());
        let is_live = |row: usize| {
            live.is_none_or(|live: &BooleanArray| live.is_null(row) || live.value(row))
        };
        let mut all = Self {
            versions: Vec::with_capacity(records.len()),
            live: Vec::with_capacity(records.len()),
            generations: Vec::with_capacity(records.len()),
        };
        for (row, record) in records.iter().enumerate() {
            let change = changes.get(*record);
            all.versions.push(match relation.version {
                Version::Offset => change.map_or(0, |change| change.offset.saturating_add(1)),
                Version::Counted => number(VERSION_COLUMN, row).unwrap_or(0),
                Version::Only => 1,
            });
            all.live
                .push(change.is_some_and(|change| change.value.is_some()) && is_live(row));
            let generation = number(GENERATION_COLUMN, row);
            let generation = generation.and_then(|generation| u16::try_from(generation).ok());
            all.generations.push(generation.unwrap_or(1));
        }
        all
    }

    /// The newest row of each key, in the order of the records, by generation.
    fn newest(&self, changes: &[Change<'_>], records: &[usize]) -> Vec<(u16, Vec<usize>)> {
        let rank = |row: usize| (self.generations.get(row), self.versions.get(row));
        let mut best: HashMap<&[u8], usize> = HashMap::with_capacity(records.len());
        let mut chosen = Vec::with_capacity(records.len());
        for (row, record) in records.iter().enumerate() {
            match changes.get(*record).and_then(|change| change.key) {
                None => chosen.push(row),
                Some(key) => {
                    let known = best.entry(key).or_insert(row);
                    // Of two that are equal it does not matter which one.
                    if rank(row) > rank(*known) {
                        *known = row;
                    }
                }
            }
        }
        chosen.extend(best.into_values());
        chosen.sort_unstable();
        let mut by_generation: Vec<(u16, Vec<usize>)> = Vec::new();
        for row in chosen {
            let generation = self.generations.get(row).copied().unwrap_or(1);
            match by_generation
                .iter_mut()
                .find(|(known, _)| *known == generation)
            {
                Some((_, rows)) => rows.push(row),
                None => by_generation.push((generation, vec![row])),
            }
        }
        by_generation
    }
}

/// The columns of the table in Cassandra.
fn shaped(relation: &Relation, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let (mut fields, mut columns) = (Vec::new(), Vec::<ArrayRef>::new());
    for column in &relation.table.columns.0 {
        let name = column.name.as_str();
        let values = match (&relation.stream_key, name) {
            (Some(parts), STREAM_KEY_COLUMN) => stream_key(batch, parts),
            _ => {
                let found = batch.column_by_name(name);
                let found = found.ok_or_else(|| ArrowError::SchemaError(name.to_owned()))?;
                match *found.data_type() == column.ty.arrow() {
                    true => Arc::clone(found),
                    false => cast(found, &column.ty.arrow())?,
                }
            }
        };
        fields.push(column.ty.field(name, column.nullable));
        columns.push(values);
    }
    RecordBatch::try_new(Schema::new(fields).into(), columns)
}

/// What tells rows of a stream apart, as they were spelled.
fn stream_key(batch: &RecordBatch, parts: &[String]) -> ArrayRef {
    let columns: Vec<Option<&StringArray>> = parts
        .iter()
        .map(|name| batch.column_by_name(name)?.as_string_opt())
        .collect();
    let text = |row: usize| {
        let part = |column: &Option<&StringArray>| {
            let column = column.filter(|column| column.is_valid(row));
            column.map_or("null", |column| column.value(row)).to_owned()
        };
        let parts: Vec<String> = columns.iter().map(part).collect();
        format!("[{}]", parts.join(","))
    };
    Arc::new(StringArray::from_iter_values(
        (0..batch.num_rows()).map(text),
    ))
}

#[cfg(test)]
mod tests;
