//! sum(DISTINCT x) and avg(DISTINCT x) of floating point: each value once, the two zeroes being one and
//! NaN another, as views have it; then added like any others.

use std::{collections::BTreeSet, mem::size_of};

use datafusion::{
    arrow::{
        array::{ArrayRef, AsArray},
        compute::cast,
        datatypes::{DataType, Float64Type},
    },
    common::{Result, ScalarValue, exec_err},
    logical_expr::Accumulator,
};

use super::Terms;

/// The different values of one group, by their bits.
#[derive(Debug)]
pub(super) struct Different {
    bits: BTreeSet<u64>,
    /// Without any: what they are added to.
    none: Terms,
}

impl Different {
    pub(super) const fn new(none: Terms) -> Self {
        Self {
            bits: BTreeSet::new(),
            none,
        }
    }
}

impl Accumulator for Different {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for values in values {
            let values = cast(values, &DataType::Float64)?;
            let values = values.as_primitive::<Float64Type>();
            let bits = values.iter().flatten().map(|value| match value.is_nan() {
                true => f64::NAN.to_bits(),
                // −0 + 0 is +0, and nothing else changes.
                false => (value + 0.0).to_bits(),
            });
            self.bits.extend(bits);
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut terms = Terms::new(self.none.ty.clone(), self.none.is_mean);
        for bits in &self.bits {
            terms.count = terms.count.saturating_add(1);
            terms.add(f64::from_bits(*bits));
        }
        terms.evaluate()
    }

    fn size(&self) -> usize {
        let values = self.bits.len().saturating_mul(size_of::<u64>());
        size_of::<Self>().saturating_add(values)
    }

    /// The bits of all values, each 8 bytes, little-endian.
    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let words = self.bits.iter().flat_map(|bits| bits.to_le_bytes());
        Ok(vec![ScalarValue::Binary(Some(words.collect()))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for states in states {
            for state in states.as_binary::<i32>().iter().flatten() {
                let (words, rest) = state.as_chunks::<8>();
                if !rest.is_empty() {
                    return exec_err!("different values with half a value");
                }
                let bits = words.iter().map(|word| u64::from_le_bytes(*word));
                self.bits.extend(bits);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{BinaryArray, Float64Array};

    use super::*;

    fn check(values: &[f64], expected: [f64; 2]) {
        for (is_mean, expected) in [false, true].into_iter().zip(expected) {
            let of = || Different::new(Terms::new(DataType::Float64, is_mean));
            let mut merged = of();
            for part in values.chunks(2) {
                let mut of_part = of();
                let part: ArrayRef = Arc::new(Float64Array::from(part.to_vec()));
                of_part.update_batch(&[part]).unwrap();
                let Some(ScalarValue::Binary(Some(state))) = of_part.state().unwrap().pop() else {
                    panic!("no state");
                };
                let state: ArrayRef = Arc::new(BinaryArray::from_iter_values([state]));
                merged.merge_batch(&[state]).unwrap();
            }
            let answer = merged.evaluate().unwrap();
            assert_eq!(answer, ScalarValue::Float64(Some(expected)), "{values:?}");
        }
    }

    #[test]
    fn each_value_counts_once() {
        check(&[0.1, 0.2, 0.1, 0.3, 0.2], [0.6, 0.6 / 3.0]);
        check(&[0.0, -0.0, 3.0], [3.0, 1.5]);
        check(
            &[1e16, 1.0, 1e-16, 1.0],
            [10_000_000_000_000_002.0, 10_000_000_000_000_002.0 / 3.0],
        );
        let mut none = Different::new(Terms::new(DataType::Float64, true));
        assert_eq!(none.evaluate().unwrap(), ScalarValue::Float64(None));
    }
}
