//! `hop_start`, `hop_end`, `cumulate_start` and `cumulate_end`: the windows of a time where they
//! overlap, one after the other by number; the same cut as in views.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{ArrayRef, AsArray, TimestampMicrosecondArray},
        datatypes::{DataType, Int64Type, TimestampMicrosecondType},
    },
    common::{Result, exec_datafusion_err, exec_err, plan_err},
    logical_expr::{
        ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};
use mainstem_kernel::types::timestamp_tz;

use super::{
    Row,
    tumble::{Bound, Constants, coerced},
};
use crate::view::{Overlapping, WindowKind, Windows};

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    ("hop_start", "", "", "hop_start(time, n, INTERVAL 'slide', INTERVAL 'length'[, INTERVAL 'offset'][, 'zone'])", "The start of one of the hopping windows that the time is in; n counts them in the order of their ends, from 0.", "hop_start(TIMESTAMPTZ '2026-01-02 03:04:05Z', 0, INTERVAL '5 minutes', INTERVAL '15 minutes')", "2026-01-02T02:50:00Z"),
    ("hop_end", "", "", "hop_end(time, n, INTERVAL 'slide', INTERVAL 'length'[, INTERVAL 'offset'][, 'zone'])", "The end of that window; NULL if there are not as many.", "hop_end(TIMESTAMPTZ '2026-01-02 03:04:05Z', 2, INTERVAL '5 minutes', INTERVAL '15 minutes')", "2026-01-02T03:15:00Z"),
    ("cumulate_start", "", "", "cumulate_start(time, n, INTERVAL 'step', INTERVAL 'length'[, INTERVAL 'offset'][, 'zone'])", "The start of one of the cumulating windows that the time is in; n counts them in the order of their ends, from 0.", "cumulate_start(TIMESTAMPTZ '2026-07-01 22:30:00Z', 0, INTERVAL '1 day', INTERVAL '7 days', 'Europe/Berlin')", "2026-07-01T22:00:00Z"),
    ("cumulate_end", "", "", "cumulate_end(time, n, INTERVAL 'step', INTERVAL 'length'[, INTERVAL 'offset'][, 'zone'])", "The end of that window; NULL if there are not as many.", "cumulate_end(TIMESTAMPTZ '2026-01-02 03:04:05Z', 1, INTERVAL '10 minutes', INTERVAL '1 hour')", "2026-01-02T03:20:00Z"),
];

#[derive(Debug, PartialEq, Eq, Hash)]
struct Hop {
    name: &'static str,
    kind: WindowKind,
    bound: Bound,
    signature: Signature,
}

pub(super) fn all() -> [Arc<ScalarUDF>; 4] {
    let udf = |name, kind, bound| {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(ScalarUDF::from(Hop {
            name,
            kind,
            bound,
            signature,
        }))
    };
    [
        udf("hop_start", WindowKind::Hopping, Bound::Start),
        udf("hop_end", WindowKind::Hopping, Bound::End),
        udf("cumulate_start", WindowKind::Cumulating, Bound::Start),
        udf("cumulate_end", WindowKind::Cumulating, Bound::End),
    ]
}

impl ScalarUDFImpl for Hop {
    fn name(&self) -> &'static str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.name;
        let [time, number, rest @ ..] = types else {
            return plan_err!("{name} takes a time, a number and two intervals");
        };
        if !number.is_integer() && *number != DataType::Null {
            return plan_err!("{name} takes a whole number as its second argument, not {number}");
        }
        let mut types = coerced(name, time, rest)?;
        types.insert(1, DataType::Int64);
        Ok(types)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(timestamp_tz())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [times, numbers, rest @ ..] = args.args.as_slice() else {
            return exec_err!("{} takes arguments", self.name);
        };
        let windows = windows(self, rest)?;
        let (times, numbers) = (
            times.to_array(args.number_rows)?,
            numbers.to_array(args.number_rows)?,
        );
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let numbers = numbers.as_primitive::<Int64Type>();
        let bounds = times.iter().zip(numbers).map(|(time, number)| {
            let (Some(time), Some(number)) = (time, number) else {
                return Ok(None);
            };
            let all = windows.windows(time);
            let all = all.map_err(|error| exec_datafusion_err!("{error}"))?;
            let window = all.start().checked_add(number);
            let window = window.filter(|window| all.contains(window));
            let bounds = window.and_then(|window| windows.bounds(window));
            Ok(bounds.map(|(start, end)| match self.bound {
                Bound::Start => start,
                Bound::End => end,
            }))
        });
        let bounds = bounds.collect::<Result<TimestampMicrosecondArray>>()?;
        let array: ArrayRef = Arc::new(bounds.with_timezone("UTC"));
        Ok(ColumnarValue::Array(array))
    }
}

/// How time is cut, from the constants behind it.
fn windows(hop: &Hop, args: &[ColumnarValue]) -> Result<Overlapping> {
    let Constants { spans, zone } = Constants::of(hop.name, args)?;
    let (slide_us, size_us, offset_us) = match spans.as_slice() {
        [slide, size] => (*slide, *size, 0),
        [slide, size, offset] => (*slide, *size, *offset),
        _ => return exec_err!("{} takes two intervals, and an offset at most", hop.name),
    };
    let windows = Windows {
        kind: hop.kind,
        size_us,
        slide_us,
        offset_us,
        zone: zone.map(str::to_owned),
    };
    Overlapping::new(&windows).map_err(|error| exec_datafusion_err!("{error}"))
}
