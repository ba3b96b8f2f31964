//! From a column's values to an Arrow array, without copying them.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, ListArray, PrimitiveArray,
        StringArray, StructArray,
    },
    buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer},
    datatypes::{
        Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
        TimestampMicrosecondType,
    },
    error::ArrowError,
};

use super::{Column, Data, Texts, index};

impl Column {
    /// The first `rows` rows as an array; the column is empty afterwards.
    ///
    /// # Errors
    /// When Arrow refuses the values: a text is not UTF-8.
    pub(crate) fn finish(&mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        self.pad(rows);
        let nulls = self.nulls.finish();
        let next = self.data.next(&self.ty);
        self.len = 0;
        std::mem::replace(&mut self.data, next).finish(rows, nulls)
    }
}

impl Data {
    fn finish(self, rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Boolean(bits) => Arc::new(BooleanArray::new(bits.build(), nulls)),
            Self::Small(values) => primitive::<Int16Type>(values, nulls)?,
            Self::Int(values) => primitive::<Int32Type>(values, nulls)?,
            Self::Big(values) => primitive::<Int64Type>(values, nulls)?,
            Self::Real(values) => primitive::<Float32Type>(values, nulls)?,
            Self::Double(values) => primitive::<Float64Type>(values, nulls)?,
            Self::Date(values) => primitive::<Date32Type>(values, nulls)?,
            Self::Time { values, .. } => {
                let array =
                    PrimitiveArray::<TimestampMicrosecondType>::try_new(values.into(), nulls);
                Arc::new(array?.with_timezone("UTC"))
            }
            Self::Numeric {
                values,
                precision,
                scale,
            } => {
                let array = PrimitiveArray::<Decimal128Type>::try_new(values.into(), nulls)?;
                Arc::new(array.with_precision_and_scale(precision, scale)?)
            }
            Self::Text(texts) | Self::Uuid(texts) | Self::Json(texts) => {
                let (offsets, bytes) = texts.into_parts();
                Arc::new(StringArray::try_new(offsets, bytes, nulls)?)
            }
            Self::Bytea(texts) => {
                let (offsets, bytes) = texts.into_parts();
                Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?)
            }
            Self::List { offsets, mut item } => {
                let items = item.finish(item.len)?;
                let field = Arc::new(item.ty.field("item", true));
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                Arc::new(ListArray::try_new(field, offsets, items, nulls)?)
            }
            Self::Row(mut fields) => {
                let arrays: Result<Vec<_>, _> = fields.iter_mut().map(|f| f.finish(rows)).collect();
                let fields = fields.iter().map(|f| f.ty.field(&f.name, true)).collect();
                Arc::new(StructArray::try_new(fields, arrays?, nulls)?)
            }
        })
    }
}

impl Texts {
    fn into_parts(self) -> (OffsetBuffer<i32>, Buffer) {
        debug_assert_eq!(self.offsets.last().copied(), Some(index(self.bytes.len())));
        (
            OffsetBuffer::new(ScalarBuffer::from(self.offsets)),
            Buffer::from_vec(self.bytes),
        )
    }
}

fn primitive<T: ArrowPrimitiveType>(
    values: Vec<T::Native>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    let array = PrimitiveArray::<T>::try_new(values.into(), nulls)?;
    Ok(Arc::new(array))
}
