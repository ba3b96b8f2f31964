//! A file's statistics for its Delta entry, from its Parquet footer. Pure.

use std::{cmp::Ordering, collections::BTreeSet};

use mainstem_kernel::{ColumnType, Timestamp};
use parquet::{data_type::AsBytes, file::metadata::ParquetMetaData, file::statistics::Statistics};
use serde_json::{Map, Number, Value};

use crate::{columns::TableColumns, delta::action::day_text, pinned::FileStats};

/// Digits of a decimal that a JSON number carries without loss.
const EXACT_DIGITS: u8 = 15;
/// Years that a timestamp's text can hold: 0001-01-01 to 9999-12-31.
const TIMES: std::ops::Range<i128> = -62_135_596_800_000_000..253_402_300_800_000_000;
/// The same in days.
const DAYS: std::ops::Range<i128> = -719_162..2_932_897;

/// Bounds and NULL counts of a file's columns; nested ones and those in `with_nan` are left out.
pub(super) fn collect(
    metadata: &ParquetMetaData,
    columns: &TableColumns,
    with_nan: &BTreeSet<String>,
) -> FileStats {
    let mut stats = FileStats::default();
    let leaves = metadata.file_metadata().schema_descr().columns();
    for (index, leaf) in leaves.iter().enumerate() {
        let [name] = leaf.path().parts() else {
            continue;
        };
        let Some(column) = columns.in_files().iter().find(|c| c.physical == *name) else {
            continue;
        };
        let groups = metadata
            .row_groups()
            .iter()
            .filter_map(|group| group.columns().get(index));
        let mut range = Range::Empty;
        let mut nulls = Some(0);
        for chunk in groups {
            let found = chunk.statistics();
            let count = found.and_then(Statistics::null_count_opt);
            nulls = nulls.zip(count).map(|(sum, count)| sum + count);
            let all_null = count.map(i128::from) == Some(i128::from(chunk.num_values()));
            if !all_null {
                range = range.and(found.and_then(bounds));
            }
        }
        put(&mut stats.nulls, name, nulls.map(Value::from));
        if let Range::Known(min, max) = range
            && !with_nan.contains(name)
        {
            put(&mut stats.min, name, min.render(&column.ty));
            put(&mut stats.max, name, max.render(&column.ty));
        }
    }
    stats
}

fn put(map: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        map.insert(name.to_owned(), value);
    }
}

/// A bound, wide enough for any column of its physical type.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Bound {
    Whole(i128),
    Float(f64),
    Bytes(Vec<u8>),
}

#[derive(Debug)]
enum Range {
    Empty,
    Known(Bound, Bound),
    Unknown,
}

impl Range {
    fn and(self, more: Option<(Bound, Bound)>) -> Self {
        match (self, more) {
            (Self::Empty, Some((min, max))) => Self::Known(min, max),
            (Self::Known(min, max), Some((other_min, other_max))) => {
                let min = if other_min.partial_cmp(&min) == Some(Ordering::Less) {
                    other_min
                } else {
                    min
                };
                let max = if other_max.partial_cmp(&max) == Some(Ordering::Greater) {
                    other_max
                } else {
                    max
                };
                Self::Known(min, max)
            }
            (_, None) | (Self::Unknown, Some(_)) => Self::Unknown,
        }
    }
}

fn bounds(stats: &Statistics) -> Option<(Bound, Bound)> {
    let whole =
        |min: Option<i128>, max: Option<i128>| Some((Bound::Whole(min?), Bound::Whole(max?)));
    match stats {
        Statistics::Int32(s) => whole(
            s.min_opt().copied().map(Into::into),
            s.max_opt().copied().map(Into::into),
        ),
        Statistics::Int64(s) => whole(
            s.min_opt().copied().map(Into::into),
            s.max_opt().copied().map(Into::into),
        ),
        Statistics::Float(s) => Some((
            Bound::Float((*s.min_opt()?).into()),
            Bound::Float((*s.max_opt()?).into()),
        )),
        Statistics::Double(s) => Some((Bound::Float(*s.min_opt()?), Bound::Float(*s.max_opt()?))),
        Statistics::ByteArray(s) => Some((
            Bound::Bytes(s.min_opt()?.as_bytes().to_vec()),
            Bound::Bytes(s.max_opt()?.as_bytes().to_vec()),
        )),
        // Decimals beyond 18 digits, which no JSON number carries.
        Statistics::FixedLenByteArray(_) | Statistics::Boolean(_) | Statistics::Int96(_) => None,
    }
}

impl Bound {
    /// As JSON, in the form that the protocol asks for; `None` where there is no exact one.
    fn render(self, ty: &ColumnType) -> Option<Value> {
        match (ty, self) {
            (
                ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt,
                Self::Whole(value),
            ) => i64::try_from(value).ok().map(Value::from),
            (ColumnType::Date, Self::Whole(days)) if DAYS.contains(&days) => {
                i64::try_from(days).ok().map(|days| day_text(days).into())
            }
            (ColumnType::TimestampTz, Self::Whole(micros)) if TIMES.contains(&micros) => {
                i64::try_from(micros)
                    .ok()
                    .map(|micros| Timestamp(micros).to_string().into())
            }
            (ColumnType::Numeric { precision, scale }, Self::Whole(digits)) => {
                decimal(digits, *precision, *scale)
            }
            (ColumnType::Real | ColumnType::Double, Self::Float(value)) => {
                Number::from_f64(value).map(Value::Number)
            }
            (ColumnType::Text | ColumnType::Uuid, Self::Bytes(bytes)) => {
                String::from_utf8(bytes).ok().map(Value::from)
            }
            _ => None,
        }
    }
}

/// A decimal as a JSON number: up to 15 digits its shortest text is exact.
fn decimal(digits: i128, precision: u8, scale: i8) -> Option<Value> {
    if precision > EXACT_DIGITS {
        return None;
    }
    let text = format!("{digits}e{}", -i32::from(scale));
    Number::from_f64(text.parse().ok()?).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_bounds_as_the_protocol_asks() {
        let check = |ty: ColumnType, bound: Bound, expected: Option<Value>| {
            assert_eq!(bound.render(&ty), expected, "{ty}");
        };
        let money = |precision| ColumnType::Numeric {
            precision,
            scale: 3,
        };
        check(
            money(12),
            Bound::Whole(-11_062_060),
            Some(Value::from(-11_062.06)),
        );
        check(money(18), Bound::Whole(1), None);
        check(ColumnType::Date, Bound::Whole(0), Some("1970-01-01".into()));
        check(ColumnType::Date, Bound::Whole(4_000_000), None);
        check(
            ColumnType::TimestampTz,
            Bound::Whole(1),
            Some("1970-01-01T00:00:00.000001Z".into()),
        );
        check(ColumnType::TimestampTz, Bound::Whole(TIMES.end), None);
        check(ColumnType::Double, Bound::Float(f64::INFINITY), None);
        check(ColumnType::Bytea, Bound::Bytes(vec![1]), None);
    }

    #[test]
    fn one_row_group_without_bounds_makes_them_unknown() {
        let one = || Some((Bound::Whole(1), Bound::Whole(2)));
        let range = Range::Empty
            .and(one())
            .and(Some((Bound::Whole(-5), Bound::Whole(0))));
        assert!(matches!(
            range,
            Range::Known(Bound::Whole(-5), Bound::Whole(2))
        ));
        assert!(matches!(
            Range::Empty.and(one()).and(None).and(one()),
            Range::Unknown
        ));
    }
}
