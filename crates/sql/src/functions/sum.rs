//! sum(x), exact: integers and decimals are added in 128 bits, in any order the same, and a sum
//! that its type cannot hold is an error, never another number.
//!
//! sum of SMALLINT, INTEGER and BIGINT is BIGINT, as in Spark; floating point is DataFusion's.

use std::{mem::size_of, sync::Arc};

use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Decimal128Array,
            Int64Array, PrimitiveArray,
        },
        datatypes::{
            DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, DecimalType, Field, FieldRef,
            Int64Type,
        },
        error::ArrowError,
    },
    common::{Result, ScalarValue, exec_err},
    functions_aggregate::sum::Sum,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF,
        Signature,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::{AggregateOrderSensitivity, format_state_name},
    },
};

use super::framed::framed;

/// sum(x) of questions.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ExactSum {
    /// DataFusion's: for types and for floating point.
    plain: Sum,
}

pub(super) fn udaf() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(ExactSum::default()))
}

const fn is_exact(ty: &DataType) -> bool {
    matches!(ty, DataType::Int64 | DataType::Decimal128(..))
}

/// The type in which a sum is kept on the way.
const fn state_type(ty: &DataType) -> DataType {
    match ty {
        DataType::Decimal128(_, scale) => DataType::Decimal128(DECIMAL128_MAX_PRECISION, *scale),
        _ => DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0),
    }
}

impl AggregateUDFImpl for ExactSum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        self.plain.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.plain.return_type(types)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        if args.is_distinct || !is_exact(args.return_type()) {
            return self.plain.state_fields(args);
        }
        let name = format_state_name(args.name, "sum");
        let ty = state_type(args.return_type());
        Ok(vec![Arc::new(Field::new(name, ty, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let ty = args.return_field.data_type().clone();
        match (is_exact(&ty), args.is_distinct) {
            (true, false) => Ok(Box::new(One::new(ty))),
            (true, true) => Ok(Box::new(Distinct {
                values: self.plain.accumulator(args)?,
                ty,
            })),
            (false, _) => self.plain.accumulator(args),
        }
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        let ty = args.return_field.data_type().clone();
        match (args.is_distinct, is_exact(&ty)) {
            (true, _) => framed(Arc::new(Self::default()), &args),
            (false, true) => Ok(Box::new(One::new(ty))),
            (false, false) => self.plain.create_sliding_accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let ty = args.return_field.data_type().clone();
        match is_exact(&ty) {
            true => Ok(Box::new(Groups {
                ty,
                sums: Vec::new(),
            })),
            false => self.plain.create_groups_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// A sum that is no value of its type.
fn out_of_range(ty: &DataType) -> ArrowError {
    let name = match ty {
        DataType::Decimal128(precision, scale) => format!("NUMERIC({precision}, {scale})"),
        _ => "BIGINT".to_owned(),
    };
    ArrowError::ArithmeticOverflow(format!("sum is out of the range of {name}"))
}

/// Adds what is not NULL and not filtered out; `add` gets the row and the value.
fn each(
    values: &dyn Array,
    filter: Option<&BooleanArray>,
    add: impl FnMut(usize, i128) -> Result<()>,
) -> Result<()> {
    match values.data_type() {
        DataType::Int64 => each_of(values.as_primitive::<Int64Type>(), filter, add),
        DataType::Decimal128(..) => each_of(values.as_primitive::<Decimal128Type>(), filter, add),
        other => exec_err!("sum got {other}"),
    }
}

fn each_of<T>(
    values: &PrimitiveArray<T>,
    filter: Option<&BooleanArray>,
    mut add: impl FnMut(usize, i128) -> Result<()>,
) -> Result<()>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i128>,
{
    let is_counted =
        |row: usize| filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
    for (row, value) in values.values().iter().enumerate() {
        if values.is_valid(row) && is_counted(row) {
            add(row, (*value).into())?;
        }
    }
    Ok(())
}

fn value_of(sum: i128, ty: &DataType) -> Result<ScalarValue> {
    Ok(match ty {
        DataType::Decimal128(precision, scale) => {
            Decimal128Type::validate_decimal_precision(sum, *precision, *scale)
                .map_err(|_wide| out_of_range(ty))?;
            ScalarValue::Decimal128(Some(sum), *precision, *scale)
        }
        _ => {
            let sum = i64::try_from(sum).map_err(|_wide| out_of_range(ty))?;
            ScalarValue::Int64(Some(sum))
        }
    })
}

fn state_of(sum: Option<i128>, ty: &DataType) -> ScalarValue {
    match state_type(ty) {
        DataType::Decimal128(precision, scale) => ScalarValue::Decimal128(sum, precision, scale),
        _ => ScalarValue::Null,
    }
}

/// The sum of one group, from which values can be taken away again.
#[derive(Debug)]
struct One {
    ty: DataType,
    sum: i128,
    count: u64,
}

impl One {
    const fn new(ty: DataType) -> Self {
        Self {
            ty,
            sum: 0,
            count: 0,
        }
    }

    fn add(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Self { ty, sum, count } = self;
        values.iter().try_for_each(|values| {
            each(values, None, |_, value| {
                *sum = sum.checked_add(value).ok_or_else(|| out_of_range(ty))?;
                *count = count.saturating_add(1);
                Ok(())
            })
        })
    }
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.count {
            0 => ScalarValue::try_from(&self.ty),
            _ => value_of(self.sum, &self.ty),
        }
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let sum = (self.count > 0).then_some(self.sum);
        Ok(vec![state_of(sum, &self.ty)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.add(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Self { ty, sum, count } = self;
        values.iter().try_for_each(|values| {
            each(values, None, |_, value| {
                *sum = sum.checked_sub(value).ok_or_else(|| out_of_range(ty))?;
                *count = count.saturating_sub(1);
                Ok(())
            })
        })
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }
}

/// sum(DISTINCT x): DataFusion keeps the values, we add them.
#[derive(Debug)]
struct Distinct {
    values: Box<dyn Accumulator>,
    ty: DataType,
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.values.update_batch(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut one = One::new(self.ty.clone());
        for state in self.values.state()? {
            if let ScalarValue::List(lists) = state {
                one.add(&[Arc::clone(lists.values())])?;
            }
        }
        one.evaluate()
    }

    fn size(&self) -> usize {
        self.values.size().saturating_add(size_of::<Self>())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.values.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.values.merge_batch(states)
    }
}

/// The sums of many groups; `None` where no value was.
#[derive(Debug)]
struct Groups {
    ty: DataType,
    sums: Vec<Option<i128>>,
}

impl Groups {
    fn add(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.sums.resize(total, None);
        let Self { ty, sums } = self;
        values.iter().try_for_each(|values| {
            each(values, filter, |row, value| {
                let group = groups.get(row).and_then(|group| sums.get_mut(*group));
                let Some(sum) = group else {
                    return exec_err!("sum got a row without a group");
                };
                let added = sum.unwrap_or(0).checked_add(value);
                *sum = Some(added.ok_or_else(|| out_of_range(ty))?);
                Ok(())
            })
        })
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.add(values, groups, filter, total)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = emit_to.take_needed(&mut self.sums);
        let ty = &self.ty;
        if let DataType::Decimal128(precision, scale) = ty {
            let array = Decimal128Array::from_iter(sums);
            let array = array.with_precision_and_scale(*precision, *scale)?;
            array
                .validate_decimal_precision(*precision)
                .map_err(|_wide| out_of_range(ty))?;
            return Ok(Arc::new(array));
        }
        let narrow = |sum: i128| i64::try_from(sum).map_err(|_wide| out_of_range(ty));
        let sums = sums.into_iter().map(|sum| sum.map(narrow).transpose());
        Ok(Arc::new(sums.collect::<Result<Int64Array, _>>()?))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let sums = emit_to.take_needed(&mut self.sums);
        let array = Decimal128Array::from_iter(sums).with_data_type(state_type(&self.ty));
        Ok(vec![Arc::new(array)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.add(states, groups, None, total)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let states = values.iter().map(|values| {
            let mut sums: Vec<Option<i128>> = vec![None; values.len()];
            each(values, filter, |row, value| {
                if let Some(sum) = sums.get_mut(row) {
                    *sum = Some(value);
                }
                Ok(())
            })?;
            let array = Decimal128Array::from_iter(sums).with_data_type(state_type(&self.ty));
            Ok(Arc::new(array) as ArrayRef)
        });
        states.collect()
    }

    fn size(&self) -> usize {
        self.sums
            .capacity()
            .saturating_mul(size_of::<Option<i128>>())
    }
}
