//! `Ranked`: the rows of a key as entries: bytes that sort as ORDER BY says, and give the row back.
//!
//! # An entry
//!
//! `Entries` with the parts of the order first, each in its direction, then
//! the columns of the row that are neither in its key nor in the order. Entries of one view compare
//! as their bytes do, and no entry begins another.
//!
//! It never knows which entries a key has.

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::{
        array::{ArrayRef, UInt64Array},
        compute::SortOptions,
        datatypes::Schema,
        error::ArrowError,
        row::SortField,
    },
    physical_expr::expressions::Column,
};
use mainstem_sql::view::Rank;

use crate::{entries::Entries, evaluate::Expr};

/// How rows of a key are kept, and how many of them are told.
pub(crate) struct Ranked {
    /// Rows of a key that are told.
    pub(crate) limit: usize,
    /// Whether rows are taken back, so that all of them are kept.
    pub(crate) retracts: bool,
    /// Whether a row is another one once it has another number.
    pub(crate) is_numbered: bool,
    entries: Entries,
    /// Where its parts begin among the expressions of the grouping.
    first: usize,
    /// Which part gives each column of the row, the key left out.
    columns: Vec<usize>,
}

/// What is evaluated for an entry, in order.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) exprs: Vec<Expr>,
    fields: Vec<SortField>,
    columns: Vec<usize>,
}

impl Parts {
    /// Of the rows of a plan's operator, of whose columns those in its partition are the key.
    ///
    /// # Errors
    /// When a part of the order has no type.
    pub(crate) fn of(rank: &Rank, input: &Schema) -> Result<Self, ArrowError> {
        let mut parts = Self {
            exprs: Vec::new(),
            fields: Vec::new(),
            columns: Vec::new(),
        };
        for order in &rank.order {
            let ty = order.expr.data_type(input)?;
            let options = SortOptions {
                descending: order.descending,
                nulls_first: order.nulls_first,
            };
            parts.exprs.push(Arc::clone(&order.expr));
            parts.fields.push(SortField::new_with_options(ty, options));
        }
        for (place, field) in input.fields().iter().enumerate() {
            if rank.partition.contains(&place) {
                continue;
            }
            let is_it = |expr: &Expr| {
                expr.downcast_ref::<Column>()
                    .is_some_and(|column| column.index() == place)
            };
            let known = parts.exprs.iter().position(is_it);
            parts.columns.push(known.unwrap_or(parts.exprs.len()));
            if known.is_none() {
                parts.exprs.push(Arc::new(Column::new(field.name(), place)));
                parts.fields.push(SortField::new(field.data_type().clone()));
            }
        }
        Ok(parts)
    }
}

impl Ranked {
    /// With parts that stand behind `first` other expressions.
    ///
    /// # Errors
    /// When a column has no order.
    pub(crate) fn new(
        rank: &Rank,
        (parts, input): (Parts, &Schema),
        (first, retracts): (usize, bool),
    ) -> Result<Self, ArrowError> {
        let types = parts.exprs.iter().map(|expr| expr.data_type(input));
        let types = types.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            limit: usize::try_from(rank.limit).unwrap_or(usize::MAX),
            retracts,
            is_numbered: rank.identity.contains(&rank.number()),
            entries: Entries::new(types.into_iter().zip(parts.fields))?,
            first,
            columns: parts.columns,
        })
    }

    /// The entries of rows, of what the grouping has evaluated.
    pub(crate) fn entries(&self, evaluated: &[ArrayRef]) -> Result<ArrayRef, ArrowError> {
        let parts = self.entries.fitting(evaluated.iter().skip(self.first))?;
        Ok(Arc::new(self.entries.of(&parts)?))
    }

    /// The rows of entries without their key, and their numbers.
    pub(crate) fn rows(
        &self,
        entries: &[&[u8]],
        numbers: Vec<u64>,
    ) -> Result<Vec<ArrayRef>, ArrowError> {
        let parts = self.entries.columns(entries.iter().copied())?;
        let column = |part: &usize| {
            let part = parts.get(*part).map(Arc::clone);
            part.ok_or_else(|| ArrowError::ComputeError("an entry lacks a column".to_owned()))
        };
        let mut columns = self
            .columns
            .iter()
            .map(column)
            .collect::<Result<Vec<_>, _>>()?;
        columns.push(Arc::new(UInt64Array::from(numbers)));
        Ok(columns)
    }

    /// How many columns an answer has beside the key.
    pub(crate) fn width(&self) -> usize {
        self.columns.len() + 1
    }
}

impl fmt::Debug for Ranked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ranked")
            .field("limit", &self.limit)
            .field("retracts", &self.retracts)
            .field("is_numbered", &self.is_numbered)
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

/// The entries of a list as aggregates answer it: one after the other behind their lengths.
pub(crate) fn listed(list: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let mut rest = list;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (entry, after) = after.split_at_checked(length)?;
        rest = after;
        Some(entry)
    })
}

/// Puts an entry behind a list.
pub(crate) fn list(entry: &[u8], list: &mut Vec<u8>) {
    // An Arrow array with 32-bit offsets holds no longer value.
    let length = u32::try_from(entry.len()).unwrap_or(u32::MAX);
    list.extend_from_slice(&length.to_le_bytes());
    list.extend_from_slice(entry);
}

#[cfg(test)]
mod tests;
