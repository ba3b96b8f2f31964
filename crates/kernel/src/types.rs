//! The types of columns: as SQL writes them, as Arrow holds them, all of them safe in Delta.
//!
//! | SQL | Arrow | text form (JSON, CSV) |
//! |---|---|---|
//! | BOOLEAN | Boolean | true, false |
//! | SMALLINT, INTEGER, BIGINT | Int16, Int32, Int64 | number; a string beyond 2⁵³ |
//! | REAL, DOUBLE PRECISION | Float32, Float64 | number |
//! | NUMERIC(p, s), p ≤ 38 | Decimal128(p, s) | string |
//! | TEXT | Utf8 | string |
//! | BYTEA | Binary | base64 |
//! | UUID | Utf8, canonical text | string |
//! | DATE | Date32 | YYYY-MM-DD |
//! | TIMESTAMPTZ | Timestamp(µs, "UTC") | RFC 3339 |
//! | JSON | Utf8 | the JSON value itself |
//! | T\[\] | List(item) | array |
//! | ROW(name T, …) | Struct | object |

use std::{collections::HashMap, fmt, sync::Arc};

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::ids::ColumnName;

/// Column of the frame's seq, BIGINT NOT NULL; in history and queries, never in a frame's body.
pub const SEQ_COLUMN: &str = "_seq";
/// Column of the partition, INTEGER NOT NULL; in history and queries, never in a frame's body.
pub const PARTITION_COLUMN: &str = "_partition";
/// Column of the offset, BIGINT NOT NULL; in history and queries, never in a frame's body.
pub const OFFSET_COLUMN: &str = "_offset";
/// Column of the fields that a typed stream does not declare, JSON; last in a frame's body.
pub const EXTRA_COLUMN: &str = "_extra";
/// Key of an Arrow field's metadata that tells UUID and JSON from TEXT.
pub const TYPE_METADATA: &str = "mainstem.type";

/// The type of a column.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// true or false.
    Boolean,
    /// 16-bit integer.
    SmallInt,
    /// 32-bit integer.
    Integer,
    /// 64-bit integer.
    BigInt,
    /// 32-bit float.
    Real,
    /// 64-bit float.
    Double,
    /// Decimal of `precision` digits, `scale` of them after the point.
    Numeric {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, 0 to `precision`.
        scale: i8,
    },
    /// UTF-8 text.
    Text,
    /// Bytes.
    Bytea,
    /// UUID, kept as its canonical text.
    Uuid,
    /// Day.
    Date,
    /// Point in time, microseconds, UTC.
    TimestampTz,
    /// Any JSON value.
    Json,
    /// List of one type; items may be NULL.
    Array(Box<ColumnType>),
    /// Named fields; each may be NULL.
    Row(Vec<(ColumnName, ColumnType)>),
}

impl ColumnType {
    /// The Arrow type that holds it.
    #[must_use]
    pub fn arrow(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::SmallInt => DataType::Int16,
            Self::Integer => DataType::Int32,
            Self::BigInt => DataType::Int64,
            Self::Real => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Numeric { precision, scale } => DataType::Decimal128(*precision, *scale),
            Self::Text | Self::Uuid | Self::Json => DataType::Utf8,
            Self::Bytea => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::TimestampTz => timestamp_tz(),
            Self::Array(item) => DataType::List(Arc::new(item.field("item", true))),
            Self::Row(fields) => DataType::Struct(
                fields
                    .iter()
                    .map(|(name, ty)| ty.field(name.as_str(), true))
                    .collect::<Fields>(),
            ),
        }
    }

    /// An Arrow field of this type, marked where the Arrow type alone does not tell.
    #[must_use]
    pub fn field(&self, name: &str, nullable: bool) -> Field {
        let field = Field::new(name, self.arrow(), nullable);
        match self {
            Self::Uuid | Self::Json => field.with_metadata(HashMap::from([(
                TYPE_METADATA.to_owned(),
                self.to_string(),
            )])),
            _ => field,
        }
    }

    /// Whether rows can be partitioned or keyed by it.
    #[must_use]
    pub fn is_key(&self) -> bool {
        match self {
            Self::Boolean
            | Self::SmallInt
            | Self::Integer
            | Self::BigInt
            | Self::Numeric { .. }
            | Self::Text
            | Self::Bytea
            | Self::Uuid
            | Self::Date
            | Self::TimestampTz => true,
            Self::Real | Self::Double | Self::Json | Self::Array(_) | Self::Row(_) => false,
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::SmallInt => f.write_str("SMALLINT"),
            Self::Integer => f.write_str("INTEGER"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Real => f.write_str("REAL"),
            Self::Double => f.write_str("DOUBLE PRECISION"),
            Self::Numeric { precision, scale } => write!(f, "NUMERIC({precision}, {scale})"),
            Self::Text => f.write_str("TEXT"),
            Self::Bytea => f.write_str("BYTEA"),
            Self::Uuid => f.write_str("UUID"),
            Self::Date => f.write_str("DATE"),
            Self::TimestampTz => f.write_str("TIMESTAMPTZ"),
            Self::Json => f.write_str("JSON"),
            Self::Array(item) => write!(f, "{item}[]"),
            Self::Row(fields) => {
                f.write_str("ROW(")?;
                for (i, (name, ty)) in fields.iter().enumerate() {
                    write!(f, "{}{name} {ty}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
        }
    }
}

/// The Arrow type of TIMESTAMPTZ.
#[must_use]
pub fn timestamp_tz() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// One column of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Stable across renames; from 1, never reused within the stream.
    pub id: u32,
    /// Name in this version of the schema.
    pub name: ColumnName,
    /// Type; never changes.
    #[serde(rename = "type")]
    pub ty: ColumnType,
    /// Whether NULL is allowed.
    pub nullable: bool,
}

/// The declared columns of a stream in one version, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Columns(pub Vec<Column>);

impl Columns {
    /// The column of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Column> {
        self.0.iter().find(|column| column.name.as_str() == name)
    }

    /// The columns as a frame's body holds them: as declared, then `_extra`.
    #[must_use]
    pub fn body_schema(&self) -> SchemaRef {
        let declared = self
            .0
            .iter()
            .map(|c| c.ty.field(c.name.as_str(), c.nullable));
        let extra = ColumnType::Json.field(EXTRA_COLUMN, true);
        Arc::new(Schema::new(declared.chain([extra]).collect::<Vec<_>>()))
    }

    /// The columns as history and queries see them: the body, then `_seq`, `_partition`, `_offset`.
    #[must_use]
    pub fn row_schema(&self) -> SchemaRef {
        row_schema(&self.body_schema())
    }
}

/// A body's schema with the three system columns behind it.
#[must_use]
pub fn row_schema(body: &Schema) -> SchemaRef {
    let system = [
        Field::new(SEQ_COLUMN, DataType::Int64, false),
        Field::new(PARTITION_COLUMN, DataType::Int32, false),
        Field::new(OFFSET_COLUMN, DataType::Int64, false),
    ];
    let body = body.fields().iter().cloned();
    Arc::new(Schema::new(
        body.chain(system.into_iter().map(Arc::new))
            .collect::<Fields>(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_types_as_sql_writes_them() {
        let row = ColumnType::Row(vec![
            (ColumnName::new("lat").unwrap(), ColumnType::Double),
            (
                ColumnName::new("tags").unwrap(),
                ColumnType::Array(Box::new(ColumnType::Text)),
            ),
        ]);
        assert_eq!(row.to_string(), "ROW(lat DOUBLE PRECISION, tags TEXT[])");
    }

    #[test]
    fn marks_what_arrow_cannot_tell_apart() {
        assert_eq!(
            ColumnType::Json.field("x", true).metadata()[TYPE_METADATA],
            "JSON"
        );
        assert!(ColumnType::Text.field("x", true).metadata().is_empty());
    }
}
