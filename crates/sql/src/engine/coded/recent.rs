//! `Recent`: what was computed of the dictionaries that came last.

use datafusion::{
    arrow::array::{Array, ArrayData, ArrayRef},
    common::Result,
};
use parking_lot::Mutex;

/// Dictionaries whose results are kept: one for each thread that reads, and some to spare.
const KEPT: usize = 8;

/// Results by dictionary, newest at the end.
#[derive(Debug)]
pub(super) struct Recent<T>(Mutex<Vec<Known<T>>>);

/// The result of one dictionary, which is held so that no other can take its address.
#[derive(Debug)]
struct Known<T> {
    texts: ArrayData,
    result: T,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Recent<T> {
    /// The result for a dictionary, computed if it is not known.
    pub(super) fn of(
        &self,
        texts: &ArrayRef,
        compute: impl FnOnce(&ArrayRef) -> Result<T>,
    ) -> Result<T> {
        let data = texts.to_data();
        let of_these = |known: &&Known<T>| known.texts.ptr_eq(&data);
        if let Some(known) = self.0.lock().iter().rev().find(of_these) {
            return Ok(known.result.clone());
        }
        let result = compute(texts)?;
        let mut known = self.0.lock();
        if known.len() >= KEPT {
            known.remove(0);
        }
        known.push(Known {
            texts: data,
            result: result.clone(),
        });
        Ok(result)
    }
}
