//! `Column`: one column while its rows come in, value by value; then an Arrow array.
//!
//! A column may be shorter than the rows before it: missing values are NULL and are filled in
//! when the next value comes, or at the end. A row that turns out to be wrong is taken back with
//! `rollback`, so nothing has to be checked before it is written.

mod finish;
mod json;
mod text;

use arrow::array::{BooleanBufferBuilder, NullBufferBuilder};
use mainstem_kernel::{ColumnType, Timestamp};

use super::wrong::{Read, Wrong};

pub(crate) use json::At;

/// One column while its rows come in.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: Box<str>,
    pub(crate) ty: ColumnType,
    /// Whether NULL is a mistake.
    pub(crate) required: bool,
    data: Data,
    nulls: NullBufferBuilder,
    /// Values so far, filled-in NULLs included.
    len: usize,
}

/// Values by how they are kept.
#[derive(Debug)]
enum Data {
    Boolean(BooleanBufferBuilder),
    Small(Vec<i16>),
    Int(Vec<i32>),
    Big(Vec<i64>),
    Real(Vec<f32>),
    Double(Vec<f64>),
    Numeric {
        values: Vec<i128>,
        precision: u8,
        scale: i8,
    },
    Date(Vec<i32>),
    /// Microseconds since 1970, none above `latest`.
    Time {
        values: Vec<i64>,
        latest: i64,
    },
    Text(Texts),
    Uuid(Texts),
    Json(Texts),
    Bytea(Texts),
    List {
        offsets: Vec<i32>,
        item: Box<Column>,
    },
    Row(Vec<Column>),
}

/// Texts one behind the other. Batches are far smaller than 2 GiB, so offsets of 32 bits do.
#[derive(Debug)]
struct Texts {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
    /// Bytes per row of the batch before.
    usual: usize,
}

impl Texts {
    fn new(usual: usize) -> Self {
        Self {
            offsets: vec![0],
            bytes: Vec::new(),
            usual,
        }
    }

    fn reserve(&mut self, rows: usize) {
        self.offsets.reserve(rows);
        self.bytes.reserve(rows * self.usual);
    }

    /// Writes a text. Most are short, and sixteen bytes are copied faster than fewer.
    #[inline(always)]
    fn write(&mut self, text: &[u8]) {
        let end = self.bytes.len() + text.len();
        if text.len() <= 16 {
            let mut chunk = [0; 16];
            if let Some(part) = chunk.get_mut(..text.len()) {
                part.copy_from_slice(text);
            }
            self.bytes.extend_from_slice(&chunk);
            self.bytes.truncate(end);
        } else {
            self.bytes.extend_from_slice(text);
        }
    }

    /// Ends the text that was written into `bytes`.
    #[inline(always)]
    fn end(&mut self) {
        self.offsets.push(index(self.bytes.len()));
    }

    fn pad(&mut self, rows: usize) {
        let last = index(self.bytes.len());
        self.offsets.resize(self.offsets.len() + rows, last);
    }

    fn truncate(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        let end = self.offsets.last().copied().unwrap_or(0);
        self.bytes.truncate(usize::try_from(end).unwrap_or(0));
    }
}

/// A length as an Arrow offset.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a batch is bounded by `BODY_SIZE_MAX`, far below 2 GiB"
)]
const fn index(len: usize) -> i32 {
    len as i32
}

macro_rules! each_vec {
    ($data:expr, $values:ident => $vec:expr, $bits:ident => $boolean:expr,
     $texts:ident => $text:expr, ($offsets:ident, $item:ident) => $list:expr,
     $fields:ident => $row:expr) => {
        match $data {
            Data::Boolean($bits) => $boolean,
            Data::Small($values) => $vec,
            Data::Int($values) | Data::Date($values) => $vec,
            Data::Big($values)
            | Data::Time {
                values: $values, ..
            } => $vec,
            Data::Real($values) => $vec,
            Data::Double($values) => $vec,
            Data::Numeric {
                values: $values, ..
            } => $vec,
            Data::Text($texts) | Data::Uuid($texts) | Data::Json($texts) | Data::Bytea($texts) => {
                $text
            }
            Data::List {
                offsets: $offsets,
                item: $item,
            } => $list,
            Data::Row($fields) => $row,
        }
    };
}

impl Column {
    /// An empty column.
    pub(crate) fn new(name: &str, ty: &ColumnType, required: bool) -> Self {
        Self {
            name: name.into(),
            ty: ty.clone(),
            required,
            data: Data::new(ty),
            nulls: NullBufferBuilder::new(0),
            len: 0,
        }
    }

    /// Makes room for about `rows` more rows.
    pub(crate) fn reserve(&mut self, rows: usize) {
        let room = rows.saturating_sub(self.len);
        each_vec!(&mut self.data,
            values => values.reserve(room),
            _bits => {},
            texts => texts.reserve(room),
            (offsets, _item) => offsets.reserve(room),
            fields => fields.iter_mut().for_each(|field| field.reserve(rows)));
    }

    /// Times after `latest` are a mistake from now on.
    pub(crate) fn limit(&mut self, latest: Timestamp) {
        if let Data::Time { latest: limit, .. } = &mut self.data {
            *limit = latest.0;
        }
    }

    /// Gets ready for the value of row `row`.
    #[inline(always)]
    fn begin(&mut self, row: usize) -> Read<()> {
        if self.len != row {
            self.catch_up(row)?;
        }
        Ok(())
    }

    #[cold]
    fn catch_up(&mut self, row: usize) -> Read<()> {
        if self.len > row {
            return Err(Wrong::twice(&self.name));
        }
        self.pad(row);
        Ok(())
    }

    /// Ends a value that was written.
    #[inline(always)]
    fn end(&mut self) {
        self.nulls.append_non_null();
        self.len += 1;
    }

    /// Whether row `row` has got a value.
    #[inline(always)]
    pub(crate) const fn has(&self, row: usize) -> bool {
        self.len > row
    }

    /// Whether some text of row `row` was written but not ended.
    #[inline]
    pub(crate) fn is_open(&self, row: usize) -> bool {
        match &self.data {
            Data::Text(texts) | Data::Json(texts) => {
                self.len <= row
                    && texts
                        .offsets
                        .last()
                        .is_some_and(|end| *end < index(texts.bytes.len()))
            }
            _ => false,
        }
    }

    /// Fills up with NULL to `rows` rows.
    pub(crate) fn pad(&mut self, rows: usize) {
        let count = rows.saturating_sub(self.len);
        if count == 0 {
            return;
        }
        each_vec!(&mut self.data,
            values => values.resize(rows, Default::default()),
            bits => bits.append_n(count, false),
            texts => texts.pad(count),
            (offsets, item) => offsets.resize(rows + 1, index(item.len)),
            _fields => {});
        self.nulls.append_n_nulls(count);
        self.len = rows;
    }

    /// Takes back everything from row `rows` on, also half a value.
    pub(crate) fn rollback(&mut self, rows: usize) {
        let keep = self.len.min(rows);
        each_vec!(&mut self.data,
            values => values.truncate(keep),
            bits => bits.truncate(keep),
            texts => texts.truncate(keep),
            (offsets, item) => {
                offsets.truncate(keep + 1);
                let items = offsets.last().copied().unwrap_or(0);
                item.rollback(usize::try_from(items).unwrap_or(0));
            },
            fields => fields.iter_mut().for_each(|field| field.rollback(keep)));
        if self.len > keep {
            self.nulls.truncate(keep);
            self.len = keep;
        }
    }

    /// About how many bytes the values take.
    pub(crate) fn size(&self) -> usize {
        match &self.data {
            Data::Text(texts) | Data::Uuid(texts) | Data::Json(texts) | Data::Bytea(texts) => {
                self.len * 4 + texts.bytes.len()
            }
            Data::List { item, .. } => self.len * 4 + item.size(),
            // Fields that are behind will be filled up.
            Data::Row(fields) => fields
                .iter()
                .map(|f| f.size() + (self.len - f.len.min(self.len)) * f.ty.width())
                .sum(),
            _ => self.len * self.ty.width(),
        }
    }

    /// Bytes that a byte of text may become, at most: all that an item of a list holds.
    pub(crate) fn growth(&self) -> usize {
        match &self.data {
            Data::List { item, .. } => (4 + item.ty.width()).max(item.growth()),
            Data::Row(fields) => fields.iter().map(Self::growth).sum(),
            _ => self.ty.width(),
        }
    }

    /// Whether its values may be much larger in memory than as text.
    pub(crate) const fn is_nested(&self) -> bool {
        matches!(self.data, Data::List { .. } | Data::Row(_))
    }
}

impl Data {
    fn new(ty: &ColumnType) -> Self {
        let texts = || Texts::new(0);
        match ty {
            ColumnType::Boolean => Self::Boolean(BooleanBufferBuilder::new(0)),
            ColumnType::SmallInt => Self::Small(Vec::new()),
            ColumnType::Integer => Self::Int(Vec::new()),
            ColumnType::BigInt => Self::Big(Vec::new()),
            ColumnType::Real => Self::Real(Vec::new()),
            ColumnType::Double => Self::Double(Vec::new()),
            ColumnType::Numeric { precision, scale } => Self::Numeric {
                values: Vec::new(),
                precision: *precision,
                scale: *scale,
            },
            ColumnType::Text => Self::Text(texts()),
            ColumnType::Uuid => Self::Uuid(texts()),
            ColumnType::Json => Self::Json(texts()),
            ColumnType::Bytea => Self::Bytea(texts()),
            ColumnType::Date => Self::Date(Vec::new()),
            ColumnType::TimestampTz => Self::Time {
                values: Vec::new(),
                latest: i64::MAX,
            },
            ColumnType::Array(item) => Self::List {
                offsets: vec![0],
                item: Box::new(Column::new("item", item, false)),
            },
            ColumnType::Row(fields) => Self::Row(
                fields
                    .iter()
                    .map(|(name, ty)| Column::new(name.as_str(), ty, false))
                    .collect(),
            ),
        }
    }

    /// An empty one for the next batch, which goes on where this one is.
    fn next(&self, ty: &ColumnType) -> Self {
        let mut next = Self::new(ty);
        match (self, &mut next) {
            (Self::Time { latest, .. }, Self::Time { latest: limit, .. }) => *limit = *latest,
            (
                Self::Text(last) | Self::Uuid(last) | Self::Json(last) | Self::Bytea(last),
                Self::Text(next) | Self::Uuid(next) | Self::Json(next) | Self::Bytea(next),
            ) => {
                // A little more than it was, so that it need not grow.
                let rows = last.offsets.len().saturating_sub(1).max(1);
                next.usual = last.bytes.len() / rows + 2;
            }
            _ => {}
        }
        next
    }
}

/// The least that a value takes in memory, in bytes.
pub(crate) trait Width {
    /// Bytes.
    fn width(&self) -> usize;
}

impl Width for ColumnType {
    fn width(&self) -> usize {
        match self {
            Self::Boolean => 1,
            Self::SmallInt => 2,
            Self::Integer | Self::Real | Self::Date => 4,
            Self::BigInt | Self::Double | Self::TimestampTz => 8,
            Self::Numeric { .. } => 16,
            Self::Text | Self::Bytea | Self::Uuid | Self::Json | Self::Array(_) => 4,
            Self::Row(fields) => fields.iter().map(|(_, ty)| ty.width()).sum(),
        }
    }
}
