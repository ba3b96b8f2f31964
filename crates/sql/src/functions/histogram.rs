//! histogram(x, low, high, buckets): how many values lie in each of so many ranges of one width between
//! two bounds, as an array that begins with the count of what is below and ends with that of what is
//! at the upper bound and above. Views count alike (`sketch::Buckets`).

use std::{mem::size_of, sync::Arc};

use datafusion::{
    arrow::{
        array::{ArrayRef, AsArray, Int64Array, ListArray},
        buffer::OffsetBuffer,
        datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type},
    },
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::{AggregateOrderSensitivity, format_state_name},
    },
};

use super::sketched::constant;
use crate::sketch::{BUCKETS_MAX, Buckets};

#[derive(Debug, PartialEq, Eq, Hash)]
struct Histogram {
    signature: Signature,
}

pub(super) fn udaf() -> Arc<AggregateUDF> {
    let mut types = vec![DataType::Float64; 3];
    types.push(DataType::Int64);
    let signature = Signature::exact(types, Volatility::Immutable);
    Arc::new(AggregateUDF::from(Histogram { signature }))
}

/// An array of counts.
fn counts_type() -> DataType {
    DataType::new_list(DataType::Int64, true)
}

/// What is said of bounds that make no buckets.
pub(crate) fn unfit_bounds() -> String {
    format!(
        "histogram takes a lower bound below an upper one and from 1 to {BUCKETS_MAX} buckets, all of them \
         constants"
    )
}

impl AggregateUDFImpl for Histogram {
    fn name(&self) -> &'static str {
        "histogram"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(counts_type())
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let name = format_state_name(args.name, "counts");
        Ok(vec![Arc::new(Field::new(name, counts_type(), true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return exec_err!("histogram(DISTINCT …) is not offered");
        }
        let Some(buckets) = buckets(&args)? else {
            return plan_err!("{}", unfit_bounds());
        };
        Ok(Box::new(Counted {
            counts: vec![0; buckets.counters()],
            buckets,
        }))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// The buckets that are asked for.
fn buckets(args: &AccumulatorArgs<'_>) -> Result<Option<Buckets>> {
    let [_, low, high, count] = args.exprs else {
        return Ok(None);
    };
    let [low, high, count] = [constant(low)?, constant(high)?, constant(count)?];
    let (Some(low), Some(high), Some(count)) = (low, high, count) else {
        return Ok(None);
    };
    // As a text, since no cast tells whether it fits.
    let count = format!("{count:.0}").parse().ok();
    Ok(count.and_then(|count| Buckets::new((low, high), count)))
}

/// The counts of one group.
#[derive(Debug)]
struct Counted {
    buckets: Buckets,
    counts: Vec<i64>,
}

impl Counted {
    fn add(&mut self, at: usize, weight: i64) {
        if let Some(count) = self.counts.get_mut(at) {
            *count = count.saturating_add(weight);
        }
    }

    fn take(&mut self, columns: &[ArrayRef], weight: i64) -> Result<()> {
        let values = columns.first();
        let Some(values) = values.and_then(|values| values.as_primitive_opt::<Float64Type>())
        else {
            return exec_err!("a histogram is of numbers");
        };
        for value in values.iter().flatten() {
            self.add(self.buckets.of(value), weight);
        }
        Ok(())
    }

    fn list(&self) -> ScalarValue {
        let counts = Int64Array::from(self.counts.clone());
        let item = Arc::new(Field::new_list_field(DataType::Int64, true));
        let offsets = OffsetBuffer::from_lengths([counts.len()]);
        let list = ListArray::new(item, offsets, Arc::new(counts), None);
        ScalarValue::List(Arc::new(list))
    }
}

impl Accumulator for Counted {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.take(columns, 1)
    }

    /// Of rows that leave the frame of OVER.
    fn retract_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.take(columns, -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.counts.iter().any(|count| *count > 0) {
            true => Ok(self.list()),
            false => ScalarValue::try_from(&counts_type()),
        }
    }

    fn size(&self) -> usize {
        let counts = self.counts.capacity().saturating_mul(size_of::<i64>());
        size_of::<Self>().saturating_add(counts)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.list()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for states in states {
            for counts in states.as_list::<i32>().iter().flatten() {
                let counts = counts.as_primitive::<Int64Type>();
                if counts.len() != self.counts.len() {
                    return exec_err!("the state of a histogram is damaged");
                }
                for (at, count) in counts.values().iter().enumerate() {
                    self.add(at, *count);
                }
            }
        }
        Ok(())
    }
}
