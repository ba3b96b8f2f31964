//! `arrival_time(_seq)`: when a row arrived.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{Int64Array, TimestampMicrosecondArray},
        datatypes::DataType,
    },
    common::{Result, cast::as_int64_array},
    logical_expr::{
        ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};
use mainstem_kernel::{Seq, types::timestamp_tz};

/// Its name.
pub(crate) const ARRIVAL_TIME: &str = "arrival_time";

#[derive(Debug, PartialEq, Eq, Hash)]
struct ArrivalTime {
    signature: Signature,
}

pub(super) fn udf() -> Arc<ScalarUDF> {
    let signature = Signature::exact(vec![DataType::Int64], Volatility::Immutable);
    Arc::new(ScalarUDF::from(ArrivalTime { signature }))
}

impl ScalarUDFImpl for ArrivalTime {
    fn name(&self) -> &'static str {
        ARRIVAL_TIME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(timestamp_tz())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(seqs) = arrays.first() else {
            return datafusion::common::exec_err!("{ARRIVAL_TIME} takes one argument");
        };
        let seqs: &Int64Array = as_int64_array(seqs)?;
        let micros = |seq: i64| Seq::from_i64(seq).arrival().0;
        let times: TimestampMicrosecondArray = seqs.unary(micros);
        let times = times.with_timezone("UTC");
        if times.len() == 1 && rows != 1 {
            let one = datafusion::common::ScalarValue::try_from_array(&times, 0)?;
            return Ok(ColumnarValue::Scalar(one));
        }
        Ok(ColumnarValue::Array(Arc::new(times)))
    }
}
