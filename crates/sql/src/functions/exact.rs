//! sum(x) and avg(x) of floating point, exact until they are rounded once: whatever the order of
//! rows and the number of threads, the same; with them, variance and deviation. Views add like this; a
//! question that is compared with one has to. Other questions add with DataFusion, which is faster and
//! rounds at each step.

mod different;

use std::{mem::size_of, sync::Arc};

use datafusion::{
    arrow::{
        array::{ArrayRef, AsArray},
        compute::cast,
        datatypes::{DataType, Field, FieldRef, Float64Type},
    },
    common::{Result, ScalarValue, exec_err},
    functions_aggregate::average::Avg,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, Signature,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::{AggregateOrderSensitivity, format_state_name},
    },
};

use self::different::Different;
use super::{framed::framed, sketched::moments, sum::ExactSum};
use crate::sketch::expansion::{grow, round};

#[derive(Debug, PartialEq, Eq, Hash)]
enum Exact {
    Sum(ExactSum),
    Mean(Avg),
}

/// The functions, to be registered in place of those of questions.
pub(crate) fn exact() -> Vec<Arc<AggregateUDF>> {
    let both = [Exact::Sum(ExactSum::default()), Exact::Mean(Avg::new())];
    let both = both.into_iter();
    let both = both.map(|function| Arc::new(AggregateUDF::from(function)));
    both.chain(moments()).collect()
}

/// Whether values of these types are added here.
fn is_float(types: &[FieldRef]) -> bool {
    let ty = types.first().map(|field| field.data_type());
    matches!(ty, Some(DataType::Float32 | DataType::Float64))
}

impl Exact {
    /// The same once more.
    fn again(&self) -> Arc<dyn AggregateUDFImpl> {
        Arc::new(match self {
            Self::Sum(_) => Self::Sum(ExactSum::default()),
            Self::Mean(_) => Self::Mean(Avg::new()),
        })
    }

    fn plain(&self) -> &dyn AggregateUDFImpl {
        match self {
            Self::Sum(sum) => sum,
            Self::Mean(mean) => mean,
        }
    }
}

impl AggregateUDFImpl for Exact {
    fn name(&self) -> &str {
        self.plain().name()
    }

    fn aliases(&self) -> &[String] {
        self.plain().aliases()
    }

    fn signature(&self) -> &Signature {
        self.plain().signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.plain().return_type(types)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.plain().coerce_types(types)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        if !is_float(args.input_fields) {
            return self.plain().state_fields(args);
        }
        let name = format_state_name(args.name, "terms");
        Ok(vec![Arc::new(Field::new(name, DataType::Binary, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if !is_float(args.expr_fields) {
            return self.plain().accumulator(args);
        }
        let ty = args.return_field.data_type().clone();
        let terms = Terms::new(ty, matches!(self, Self::Mean(_)));
        Ok(match args.is_distinct {
            true => Box::new(Different::new(terms)),
            false => Box::new(terms),
        })
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        match (args.is_distinct, is_float(args.expr_fields), self) {
            (true, ..) => framed(self.again(), &args),
            (false, true, _) => self.accumulator(args),
            (false, false, Self::Sum(sum)) => sum.create_sliding_accumulator(args),
            (false, false, Self::Mean(mean)) => mean.create_sliding_accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        !is_float(args.expr_fields) && self.plain().groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        self.plain().create_groups_accumulator(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// The sum of one group.
#[derive(Debug)]
struct Terms {
    ty: DataType,
    is_mean: bool,
    /// They grow and do not overlap; their sum is exact.
    terms: Vec<f64>,
    /// How many are +infinity, -infinity and NaN.
    special: [i64; 3],
    count: u64,
}

impl Terms {
    const fn new(ty: DataType, is_mean: bool) -> Self {
        Self {
            ty,
            is_mean,
            terms: Vec::new(),
            special: [0; 3],
            count: 0,
        }
    }

    fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.count_special(value, 1);
            return;
        }
        grow(&mut self.terms, value);
    }

    /// Takes a value back that was added.
    fn remove(&mut self, value: f64) {
        match value.is_finite() {
            true => self.add(-value),
            false => self.count_special(value, -1),
        }
    }

    fn count_special(&mut self, value: f64, times: i64) {
        let [above, below, other] = &mut self.special;
        let count = match (value.is_nan(), value > 0.0) {
            (true, _) => other,
            (false, true) => above,
            (false, false) => below,
        };
        *count = count.saturating_add(times);
    }

    /// What infinities and NaN come to, if there are any.
    fn special(&self) -> Option<f64> {
        match self.special.map(|count| count > 0) {
            [false, false, false] => None,
            [true, false, false] => Some(f64::INFINITY),
            [false, true, false] => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }

    /// The sum, rounded to the nearest float, to even where two are as near.
    fn rounded(&self) -> f64 {
        if let Some(special) = self.special() {
            return special;
        }
        round(&self.terms)
    }

    fn value(&self) -> f64 {
        let sum = self.rounded();
        match self.is_mean {
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
            true => sum / self.count as f64,
            false => sum,
        }
    }

    /// The count, what is special or 0, the terms; each 8 bytes, little-endian.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.count.to_le_bytes().to_vec();
        let floats = [self.special().unwrap_or(0.0)];
        for float in floats.iter().chain(&self.terms) {
            bytes.extend_from_slice(&float.to_le_bytes());
        }
        bytes
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        let (words, rest) = bytes.as_chunks::<8>();
        let [count, special, terms @ ..] = words else {
            return exec_err!("a sum without a count");
        };
        if !rest.is_empty() {
            return exec_err!("a sum with half a term");
        }
        self.count = self.count.saturating_add(u64::from_le_bytes(*count));
        for word in std::iter::once(special).chain(terms) {
            self.add(f64::from_le_bytes(*word));
        }
        Ok(())
    }
}

impl Accumulator for Terms {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for values in values {
            let values = cast(values, &DataType::Float64)?;
            for value in values.as_primitive::<Float64Type>().iter().flatten() {
                self.count = self.count.saturating_add(1);
                self.add(value);
            }
        }
        Ok(())
    }

    /// Of rows that leave the frame of OVER.
    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for values in values {
            let values = cast(values, &DataType::Float64)?;
            for value in values.as_primitive::<Float64Type>().iter().flatten() {
                self.count = self.count.saturating_sub(1);
                self.remove(value);
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let value = (self.count > 0).then(|| self.value());
        ScalarValue::Float64(value).cast_to(&self.ty)
    }

    fn size(&self) -> usize {
        let terms = self.terms.capacity().saturating_mul(size_of::<f64>());
        size_of::<Self>().saturating_add(terms)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Binary(Some(self.bytes()))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for states in states {
            let states = states.as_binary::<i32>();
            states
                .iter()
                .flatten()
                .try_for_each(|state| self.take(state))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms::new(DataType::Float64, false)
    }

    fn sum(values: &[f64]) -> f64 {
        let mut sum = terms();
        values.iter().for_each(|value| sum.add(*value));
        // What goes through a state is the same.
        let mut merged = terms();
        let (first, second) = values.split_at(values.len() / 2);
        for part in [first, second] {
            let mut of_part = terms();
            part.iter().for_each(|value| of_part.add(*value));
            merged.take(&of_part.bytes()).unwrap();
        }
        assert_eq!(merged.rounded().to_bits(), sum.rounded().to_bits());
        sum.rounded()
    }

    fn check(values: &[f64], expected: f64) {
        assert_eq!(sum(values).to_bits(), expected.to_bits(), "{values:?}");
        let reversed: Vec<f64> = values.iter().rev().copied().collect();
        assert_eq!(sum(&reversed).to_bits(), expected.to_bits(), "{values:?}");
    }

    /// The cases of Python's own test of `math.fsum`, and some of ours.
    #[test]
    fn sums_are_rounded_once() {
        check(&[], 0.0);
        check(&[0.1; 10], 1.0);
        check(&[1e100, 1.0, -1e100], 1.0);
        check(&[1e16, 1.0, 1e-16], 10_000_000_000_000_002.0);
        check(
            &[2f64.powi(53), -0.5, -(2f64.powi(-54))],
            2f64.powi(53) - 1.0,
        );
        check(&[2f64.powi(53), 1.0, 2f64.powi(-100)], 2f64.powi(53) + 2.0);
        check(
            &[2f64.powi(53) + 10.0, 1.0, 2f64.powi(-100)],
            2f64.powi(53) + 12.0,
        );
        check(&[f64::MAX, f64::MAX, -f64::MAX], f64::MAX);
        check(&[1.0, f64::INFINITY], f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY, 1.0]).is_nan());
        let mut taken = terms();
        let passing = [1e100, f64::INFINITY, f64::NAN, f64::NEG_INFINITY];
        for value in [0.1, 0.2].iter().chain(&passing) {
            taken.add(*value);
        }
        assert!(taken.rounded().is_nan());
        passing.iter().for_each(|value| taken.remove(*value));
        assert_eq!(taken.rounded().to_bits(), (0.1_f64 + 0.2).to_bits());
        let harmonic: Vec<f64> = (1..1_001).map(|n| 1.0 / f64::from(n)).collect();
        check(&harmonic, 7.485_470_860_550_345);
    }
}
