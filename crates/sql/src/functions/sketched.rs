//! Aggregate functions of questions that compute with the sketches of views: approximate ones
//! always, so that a question and a view give the same; variance and deviation where a question is
//! compared with a view, since DataFusion's are faster and round at each step.

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch},
        datatypes::{DataType, Field, FieldRef, Schema},
    },
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::{AggregateOrderSensitivity, format_state_name},
    },
    physical_expr::PhysicalExpr,
};
use std::sync::Arc;

use crate::sketch::{Distinct, Moment, Moments, Part, Quantiles, Sketch};

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Which {
    Moment(Moment),
    Distinct,
    Percentile,
    Median,
}

/// One function.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Sketched {
    name: &'static str,
    aliases: Vec<String>,
    which: Which,
    signature: Signature,
}

fn udaf(which: Which, name: &'static str, aliases: &[&str]) -> Arc<AggregateUDF> {
    let floats = |count| Signature::exact(vec![DataType::Float64; count], Volatility::Immutable);
    let signature = match which {
        Which::Moment(_) | Which::Median => floats(1),
        Which::Percentile => floats(2),
        Which::Distinct => Signature::any(1, Volatility::Immutable),
    };
    Arc::new(AggregateUDF::from(Sketched {
        name,
        aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        which,
        signature,
    }))
}

/// Those that are approximate.
pub(super) fn approximate() -> Vec<Arc<AggregateUDF>> {
    vec![
        udaf(
            Which::Distinct,
            "approx_distinct",
            &["approx_count_distinct"],
        ),
        udaf(Which::Percentile, "approx_percentile_cont", &[]),
        udaf(Which::Median, "approx_median", &[]),
    ]
}

/// Variance and deviation, exact.
pub(super) fn moments() -> Vec<Arc<AggregateUDF>> {
    let of = |moment, name, aliases: &[&str]| udaf(Which::Moment(moment), name, aliases);
    vec![
        of(
            Moment::VarSamp,
            "var",
            &["var_samp", "var_sample", "variance"],
        ),
        of(Moment::VarPop, "var_pop", &["var_population"]),
        of(Moment::StddevSamp, "stddev", &["stddev_samp"]),
        of(Moment::StddevPop, "stddev_pop", &[]),
    ]
}

impl AggregateUDFImpl for Sketched {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match (self.which, types.first()) {
            (Which::Distinct, Some(ty)) if ty.is_nested() => {
                plan_err!("{} does not count arrays and rows", self.name)
            }
            (Which::Distinct, _) => Ok(DataType::Int64),
            _ => Ok(DataType::Float64),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let name = format_state_name(args.name, "sketch");
        Ok(vec![Arc::new(Field::new(name, DataType::Binary, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct && self.which != Which::Distinct {
            return exec_err!("{}(DISTINCT …) is not offered", self.name);
        }
        Ok(match self.which {
            Which::Moment(moment) => kept::<Moments>(moment),
            Which::Distinct => kept::<Distinct>(()),
            Which::Percentile => kept::<Quantiles>(part(&args)?),
            Which::Median => match Part::new(0.5) {
                Some(part) => kept::<Quantiles>(part),
                None => return exec_err!("a half is no part"),
            },
        })
    }

    fn supports_within_group_clause(&self) -> bool {
        self.which == Which::Percentile
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn default_value(&self, _: &DataType) -> Result<ScalarValue> {
        Ok(match self.which {
            Which::Distinct => ScalarValue::Int64(Some(0)),
            _ => ScalarValue::Float64(None),
        })
    }
}

/// The part that is asked for, of the greatest values if the order descends.
fn part(args: &AccumulatorArgs<'_>) -> Result<Part> {
    let part = args.exprs.get(1).map(constant).transpose()?.flatten();
    let descends = args
        .order_bys
        .first()
        .is_some_and(|order| order.options.descending);
    let part = part.map(|part| if descends { 1.0 - part } else { part });
    match part.and_then(Part::new) {
        Some(part) => Ok(part),
        None => plan_err!("approx_percentile_cont takes a part from 0 to 1 that is a constant"),
    }
}

/// The number that an expression is, whatever the row.
pub(super) fn constant(expr: &Arc<dyn PhysicalExpr>) -> Result<Option<f64>> {
    let none = RecordBatch::new_empty(Arc::new(Schema::empty()));
    Ok(match expr.evaluate(&none)? {
        ColumnarValue::Scalar(value) => match value.cast_to(&DataType::Float64)? {
            ScalarValue::Float64(value) => value,
            _ => None,
        },
        ColumnarValue::Array(_) => None,
    })
}

fn kept<S: Sketch>(asked: S::Asked) -> Box<dyn Accumulator> {
    Box::new(Kept::<S> {
        sketch: S::default(),
        asked,
    })
}

/// The sketch of one group.
#[derive(Debug)]
struct Kept<S: Sketch> {
    sketch: S,
    asked: S::Asked,
}

impl<S: Sketch> Kept<S> {
    fn take(&mut self, values: &[ArrayRef], weight: i64) -> Result<()> {
        let Some(column) = values.first() else {
            return exec_err!("a sketch takes values");
        };
        let values = S::values(column)?;
        for (row, value) in values.into_iter().enumerate() {
            if column.is_valid(row) {
                self.sketch.take(value, weight);
            }
        }
        Ok(())
    }
}

impl<S: Sketch> Accumulator for Kept<S> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.take(values, 1)
    }

    /// Of rows that leave the frame of OVER.
    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.take(values, -1)
    }

    fn supports_retract_batch(&self) -> bool {
        S::RETRACTS
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let answer = self.sketch.answer(self.asked);
        let answer = PrimitiveArray::<S::Answer>::from_iter([answer]);
        ScalarValue::try_from_array(&answer, 0)
    }

    fn size(&self) -> usize {
        self.sketch.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut bytes = Vec::new();
        self.sketch.write(&mut bytes);
        Ok(vec![ScalarValue::Binary(Some(bytes))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for states in states {
            for mut state in states.as_binary::<i32>().iter().flatten() {
                match S::read(&mut state) {
                    Some(other) => self.sketch.merge(&other),
                    None => return exec_err!("the state of a sketch is damaged"),
                }
            }
        }
        Ok(())
    }
}
