//! min_by(x, at) and max_by(x, at): the x of the row with the least or greatest `at`. Of several such
//! rows it is the least or greatest x, NULL being least: so the answer does not depend on the order
//! of rows. Rows whose `at` is NULL do not count. With a third argument n it is an array of the x of the
//! n rows that come first in that order.

use std::{cmp::Ordering, mem::size_of, sync::Arc};

use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, AsArray, ListArray, UInt32Array, make_comparator, new_empty_array,
        },
        buffer::OffsetBuffer,
        compute::{SortOptions, concat, take},
        datatypes::{DataType, Field, FieldRef, Float32Type, Float64Type},
    },
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Signature, TypeSignature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::{AggregateOrderSensitivity, format_state_name},
    },
};

use super::{framed::framed, sketched::constant};

/// How many rows may be asked for.
pub(crate) const SEVERAL_MAX: i64 = 10_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct By {
    is_max: bool,
    signature: Signature,
}

pub(super) fn udafs() -> Vec<Arc<AggregateUDF>> {
    let by = |is_max| By {
        is_max,
        signature: Signature::one_of(
            vec![TypeSignature::Any(2), TypeSignature::Any(3)],
            Volatility::Immutable,
        ),
    };
    let both = [false, true].map(by).into_iter();
    both.map(|by| Arc::new(AggregateUDF::from(by))).collect()
}

impl AggregateUDFImpl for By {
    fn name(&self) -> &'static str {
        if self.is_max { "max_by" } else { "min_by" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [value, by] if !by.is_nested() => Ok(value.clone()),
            [value, by, _] if !by.is_nested() => Ok(DataType::new_list(value.clone(), true)),
            _ => plan_err!("{} orders by no array or row", self.name()),
        }
    }

    fn return_field(&self, args: &[FieldRef]) -> Result<FieldRef> {
        let types: Vec<DataType> = args.iter().map(|arg| arg.data_type().clone()).collect();
        let field = Field::new(self.name(), self.return_type(&types)?, true);
        if let ([value, _, _], DataType::List(item)) = (args, field.data_type().clone()) {
            let item = item
                .as_ref()
                .clone()
                .with_metadata(value.metadata().clone());
            return Ok(Arc::new(
                field.with_data_type(DataType::List(Arc::new(item))),
            ));
        }
        // A JSON value is one still.
        let metadata = args.first().map(|arg| arg.metadata().clone());
        Ok(Arc::new(field.with_metadata(metadata.unwrap_or_default())))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let named = args.input_fields.iter().zip(["value", "by"]);
        let fields = named.map(|(field, part)| {
            let name = format_state_name(args.name, part);
            let list = DataType::new_list(field.data_type().clone(), true);
            Arc::new(Field::new(name, list, true))
        });
        Ok(fields.collect())
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let [value, by, ..] = args.expr_fields else {
            return exec_err!("{} takes two values", self.name());
        };
        if args.is_distinct {
            return exec_err!("{}(DISTINCT …) is not offered", self.name());
        }
        let several = match args.exprs.get(2) {
            None => None,
            Some(expr) => match constant(expr)?.and_then(several) {
                Some(several) => Some(several),
                None => {
                    return plan_err!(
                        "{} takes a number of rows from 1 to {SEVERAL_MAX} that is a constant",
                        self.name()
                    );
                }
            },
        };
        Ok(Box::new(Best {
            is_max: self.is_max,
            several,
            value: new_empty_array(value.data_type()),
            by: new_empty_array(by.data_type()),
        }))
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        framed(Arc::new(self.clone()), &args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// A number of rows that may be asked for.
fn several(number: f64) -> Option<usize> {
    let number = (number.fract() == 0.0).then(|| format!("{number:.0}"))?;
    let number = number.parse::<i64>().ok();
    let number = number.filter(|number| (1..=SEVERAL_MAX).contains(number))?;
    usize::try_from(number).ok()
}

/// The best rows of one group, the best one first.
#[derive(Debug)]
struct Best {
    is_max: bool,
    /// How many are asked for, if it is an array that is given.
    several: Option<usize>,
    value: ArrayRef,
    by: ArrayRef,
}

/// Zeroes are one number, and so are all NaN.
fn plain(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float32 => Arc::new(
            column
                .as_primitive::<Float32Type>()
                .unary::<_, Float32Type>(|value| {
                    if value.is_nan() {
                        f32::NAN
                    } else {
                        value + 0.0
                    }
                }),
        ),
        DataType::Float64 => Arc::new(
            column
                .as_primitive::<Float64Type>()
                .unary::<_, Float64Type>(|value| {
                    if value.is_nan() {
                        f64::NAN
                    } else {
                        value + 0.0
                    }
                }),
        ),
        _ => Arc::clone(column),
    }
}

impl Best {
    fn take_rows(&mut self, value: &ArrayRef, by: &ArrayRef) -> Result<()> {
        let value = concat(&[&self.value, &plain(value)])?;
        let by = concat(&[&self.by, &plain(by)])?;
        let order = SortOptions {
            descending: false,
            nulls_first: true,
        };
        let by_order = make_comparator(&by, &by, order)?;
        let value_order = make_comparator(&value, &value, order)?;
        let better = |a: &u32, b: &u32| -> Ordering {
            let (a, b) = (*a as usize, *b as usize);
            let order = by_order(a, b).then_with(|| value_order(a, b));
            if self.is_max { order.reverse() } else { order }
        };
        let rows = u32::try_from(by.len()).unwrap_or(u32::MAX);
        let there = (0..rows).filter(|row| by.is_valid(*row as usize));
        let best: Vec<u32> = match self.several {
            None => there.min_by(better).into_iter().collect(),
            Some(several) => {
                let mut rows: Vec<u32> = there.collect();
                rows.sort_by(better);
                rows.truncate(several);
                rows
            }
        };
        // Taken, not sliced: a slice would keep all of the batch.
        let best = UInt32Array::from(best);
        self.value = take(&value, &best, None)?;
        self.by = take(&by, &best, None)?;
        Ok(())
    }
}

/// An array of all values of a column.
fn array_of(values: &ArrayRef) -> ScalarValue {
    let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    let list = ListArray::new(item, offsets, Arc::clone(values), None);
    ScalarValue::List(Arc::new(list))
}

impl Accumulator for Best {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        match columns {
            [value, by, ..] => self.take_rows(value, by),
            _ => exec_err!("a value and what it is ordered by are taken"),
        }
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match (self.several, self.value.is_empty()) {
            (None, true) => ScalarValue::try_from(self.value.data_type()),
            (None, false) => ScalarValue::try_from_array(&self.value, 0),
            (Some(_), true) => {
                ScalarValue::try_from(&DataType::new_list(self.value.data_type().clone(), true))
            }
            (Some(_), false) => Ok(array_of(&self.value)),
        }
    }

    fn size(&self) -> usize {
        let arrays = self.value.get_array_memory_size() + self.by.get_array_memory_size();
        size_of::<Self>() + arrays
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![array_of(&self.value), array_of(&self.by)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [values, bys] = states else {
            return exec_err!("the state of a choice has two parts");
        };
        let (values, bys) = (values.as_list::<i32>(), bys.as_list::<i32>());
        for row in 0..values.len() {
            if values.is_valid(row) {
                self.take_rows(&values.value(row), &bys.value(row))?;
            }
        }
        Ok(())
    }
}
