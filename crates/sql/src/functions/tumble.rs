//! `tumble_start` and `tumble_end`: the window of a time, for questions; the same cut as in views.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{ArrayRef, AsArray},
        datatypes::{DataType, IntervalMonthDayNano, IntervalUnit, TimestampMicrosecondType},
    },
    common::{Result, ScalarValue, exec_datafusion_err, exec_err, plan_err},
    logical_expr::{
        ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};
use mainstem_kernel::types::timestamp_tz;

use super::Row;
use crate::view::{DAY_US, Tumbling};

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    ("tumble_start", "", "", "tumble_start(time, INTERVAL 'length'[, INTERVAL 'offset'][, 'zone'])", "The start of the window of that length that the time is in; with a zone, windows are whole days of it.", "tumble_start(TIMESTAMPTZ '2026-07-01 22:30:00Z', INTERVAL '1 day', 'Europe/Berlin')", "2026-07-01T22:00:00Z"),
    ("tumble_end", "", "", "tumble_end(time, INTERVAL 'length'[, INTERVAL 'offset'][, 'zone'])", "The end of that window, which is not in it.", "tumble_end(TIMESTAMPTZ '2026-01-02 03:04:05Z', INTERVAL '15 minutes')", "2026-01-02T03:15:00Z"),
];

/// Which bound of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Bound {
    Start,
    End,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Tumble {
    bound: Bound,
    signature: Signature,
}

pub(super) fn start() -> Arc<ScalarUDF> {
    udf(Bound::Start)
}

pub(super) fn end() -> Arc<ScalarUDF> {
    udf(Bound::End)
}

fn udf(bound: Bound) -> Arc<ScalarUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(ScalarUDF::from(Tumble { bound, signature }))
}

impl ScalarUDFImpl for Tumble {
    fn name(&self) -> &'static str {
        match self.bound {
            Bound::Start => "tumble_start",
            Bound::End => "tumble_end",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.name();
        let [time, rest @ ..] = types else {
            return plan_err!("{name} takes a time and an interval");
        };
        coerced(name, time, rest)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(timestamp_tz())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some((times, rest)) = args.args.split_first() else {
            return exec_err!("{} takes arguments", self.name());
        };
        let tumbling = tumbling(self.name(), rest)?;
        let array = times.to_array(args.number_rows)?;
        let times = array.as_primitive::<TimestampMicrosecondType>();
        let (starts, ends) = tumbling
            .windows(times)
            .map_err(|error| exec_datafusion_err!("{error}"))?;
        let array: ArrayRef = match self.bound {
            Bound::Start => Arc::new(starts),
            Bound::End => Arc::new(ends),
        };
        Ok(ColumnarValue::Array(array))
    }
}

/// The types of a time and of the constants behind it.
pub(super) fn coerced(name: &str, time: &DataType, rest: &[DataType]) -> Result<Vec<DataType>> {
    if !matches!(
        time,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Null
    ) {
        return plan_err!("{name} takes a time as its first argument, not {time}");
    }
    let Some((first, more)) = rest.split_first() else {
        return plan_err!("{name} takes an interval");
    };
    let interval = |ty: &DataType| match ty {
        DataType::Interval(_) => Ok(DataType::Interval(IntervalUnit::MonthDayNano)),
        other => plan_err!("{name} takes an INTERVAL, not {other}"),
    };
    let mut coerced = vec![timestamp_tz(), interval(first)?];
    for ty in more {
        coerced.push(match ty {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
            other => interval(other)?,
        });
    }
    Ok(coerced)
}

/// The constants behind a time: lengths in µs, and a zone.
pub(super) struct Constants<'a> {
    pub(super) spans: Vec<i64>,
    pub(super) zone: Option<&'a str>,
}

impl<'a> Constants<'a> {
    pub(super) fn of(name: &str, args: &'a [ColumnarValue]) -> Result<Self> {
        let (mut spans, mut zone) = (Vec::new(), None);
        for arg in args {
            match arg {
                ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(span))) => {
                    spans.push(micros(name, *span)?);
                }
                ColumnarValue::Scalar(ScalarValue::Utf8(Some(text))) if zone.is_none() => {
                    zone = Some(text.as_str());
                }
                _ => return exec_err!("{name} takes its length, offset and zone as constants"),
            }
        }
        Ok(Self { spans, zone })
    }
}

/// How time is cut, from the constants behind it.
fn tumbling(name: &str, args: &[ColumnarValue]) -> Result<Tumbling> {
    let Constants { spans, zone } = Constants::of(name, args)?;
    let (size, offset) = match spans.as_slice() {
        [size] => (*size, 0),
        [size, offset] => (*size, *offset),
        _ => return exec_err!("{name} takes a length, and an offset at most"),
    };
    Tumbling::new(size, offset, zone).map_err(|error| exec_datafusion_err!("{error}"))
}

fn micros(name: &str, span: IntervalMonthDayNano) -> Result<i64> {
    if span.months != 0 {
        return exec_err!("{name} takes days or shorter: months are not always as long");
    }
    let days = i64::from(span.days).checked_mul(DAY_US);
    let span = days.and_then(|days| days.checked_add(span.nanoseconds.div_euclid(1_000)));
    span.ok_or_else(|| exec_datafusion_err!("{name} got too long an interval"))
}
