//! Sketches: what is kept of many values, so that an answer about all of them can be given. Views
//! keep them as state, and plain questions compute with the same ones: both answer alike.
//!
//! A sketch depends on which values it took and how often, never on their order, nor on how they
//! were parted: merging the sketches of two parts is the sketch of both. Where `RETRACTS` says so, a
//! value that is taken with weight −1 leaves no trace.
//!
//! Bytes are little endian. They are part of the format of views' state and never change.

mod buckets;
mod distinct;
pub mod expansion;
mod hash;
mod moments;
mod quantiles;

use std::fmt::Debug;

use datafusion::arrow::{array::ArrayRef, datatypes::ArrowPrimitiveType, error::ArrowError};

pub(crate) use buckets::number as bucket_number;
pub use buckets::{BUCKETS_MAX, Buckets};
pub use distinct::Distinct;
pub use hash::hashes;
pub use moments::{Moment, Moments};
pub use quantiles::{Part, Quantiles};

/// What is kept of many values.
pub trait Sketch: Clone + Debug + Default + PartialEq + Send + Sync + 'static {
    /// What it takes of a value.
    type Value: Copy;
    /// What can be asked.
    type Asked: Copy + Debug + Send + Sync;
    /// The type of the answers.
    type Answer: ArrowPrimitiveType;

    /// Whether values can be taken back.
    const RETRACTS: bool;

    /// The values of a column; what stands where it is NULL is not to be taken.
    ///
    /// # Errors
    /// When it has no such column.
    fn values(column: &ArrayRef) -> Result<Vec<Self::Value>, ArrowError>;

    /// Takes a value, so often; less than 0 takes it back.
    fn take(&mut self, value: Self::Value, weight: i64);

    /// Takes all that another one took.
    fn merge(&mut self, other: &Self);

    /// The answer; `None` where there is none.
    fn answer(&self, asked: Self::Asked) -> Option<<Self::Answer as ArrowPrimitiveType>::Native>;

    /// Writes itself behind `out`.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads one from the front; `None` if the bytes are not what was written.
    fn read(from: &mut &[u8]) -> Option<Self>;

    /// Bytes that it takes, about.
    fn size(&self) -> usize;
}

/// The next bytes.
fn next<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = from.split_first_chunk::<N>()?;
    *from = rest;
    Some(*first)
}

/// A number of things that follow, each of at least so many bytes: so damage asks for no memory.
fn next_count(from: &mut &[u8], least: usize) -> Option<usize> {
    let count = usize::try_from(u32::from_le_bytes(next(from)?)).ok()?;
    (count.checked_mul(least)? <= from.len()).then_some(count)
}

/// Puts a count; no sketch has more than 2³² of anything.
fn put_count(count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

#[cfg(test)]
mod tests;
