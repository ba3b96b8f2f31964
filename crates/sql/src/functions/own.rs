//! The frame of our own scalar functions: columns in, a column out. It never looks into a value.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use datafusion::{
    arrow::{
        array::ArrayRef,
        datatypes::{DataType, Field, FieldRef},
    },
    common::{Result, ScalarValue},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    },
};
use mainstem_kernel::ColumnType;

/// What a function gives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Gives {
    Json,
    Type(fn() -> DataType),
}

/// Computes a column of columns of one length, whose fields are known.
pub(super) type Run = fn(&[ArrayRef], &[FieldRef]) -> Result<ArrayRef>;

/// A function whose answer depends on its arguments alone.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) name: &'static str,
    pub(super) signature: Signature,
    pub(super) gives: Gives,
    pub(super) run: Run,
}

impl Own {
    pub(super) fn udf(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::from(self))
    }
}

impl PartialEq for Own {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Own {}

impl Hash for Own {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Own {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.gives {
            Gives::Json => DataType::Utf8,
            Gives::Type(ty) => ty(),
        })
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(match self.gives {
            Gives::Json => ColumnType::Json.field(self.name, true),
            Gives::Type(ty) => Field::new(self.name, ty(), true),
        }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_one = |arg: &ColumnarValue| matches!(arg, ColumnarValue::Scalar(_));
        let all_one = args.args.iter().all(is_one);
        let rows = if all_one { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|arg| arg.to_array(rows));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let answer = (self.run)(&arrays, &args.arg_fields)?;
        Ok(match all_one && answer.len() == 1 {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&answer, 0)?),
            false => ColumnarValue::Array(answer),
        })
    }
}
