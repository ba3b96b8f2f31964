//! Answers as bytes: JSON, NDJSON, CSV and Arrow, batch by batch, so that nothing waits for the
//! end. It never knows where the bytes go.
//!
//! | type | JSON | CSV |
//! |---|---|---|
//! | BIGINT beyond 2⁵³, NUMERIC | string | digits |
//! | TIMESTAMPTZ | RFC 3339 in UTC with microseconds | the same |
//! | BYTEA | base64 | base64 |
//! | JSON | the value itself | its text |
//! | NaN, ±infinity | null | NaN, Infinity, -Infinity |
//! | arrays, rows | array, object | their JSON |
//! | NULL | null | nothing; an empty text is `""` |

mod cell;
mod csv;
mod json;
mod number;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use datafusion::arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::{DataType, Field, SchemaRef},
    error::ArrowError,
    ipc::writer::StreamWriter,
};
use mainstem_kernel::{Reached, types::TYPE_METADATA};

use crate::error::{QueryError, from_engine};

/// How an answer is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultFormat {
    /// One JSON document with columns and rows.
    Json,
    /// One object per line.
    Ndjson,
    /// A header line, then a row per line.
    Csv,
    /// An Arrow IPC stream.
    Arrow,
}

impl ResultFormat {
    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }
}

/// Writes one answer: `begin` once, `batch` as often as there are batches, `end` once.
pub struct RowWriter {
    schema: SchemaRef,
    state: State,
    /// Where the rows go on, if they do.
    next: Option<String>,
}

enum State {
    /// With what stands before the next row.
    Json {
        first: bool,
    },
    Ndjson,
    Csv,
    Arrow(Option<Box<StreamWriter<Vec<u8>>>>),
}

impl std::fmt::Debug for RowWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowWriter")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl RowWriter {
    /// A writer of rows with these columns.
    #[must_use]
    pub fn new(format: ResultFormat, schema: SchemaRef) -> Self {
        let state = match format {
            ResultFormat::Json => State::Json { first: true },
            ResultFormat::Ndjson => State::Ndjson,
            ResultFormat::Csv => State::Csv,
            ResultFormat::Arrow => State::Arrow(None),
        };
        Self {
            schema,
            state,
            next: None,
        }
    }

    /// Says where the rows go on, in formats that have room for it: JSON.
    #[must_use]
    pub fn with_next(self, next: Option<String>) -> Self {
        Self { next, ..self }
    }

    /// What comes before the rows.
    ///
    /// # Errors
    /// When Arrow refuses the columns.
    pub fn begin(&mut self) -> Result<Bytes, QueryError> {
        match &mut self.state {
            State::Json { .. } => Ok(json::head(&self.schema).into()),
            State::Ndjson => Ok(Bytes::new()),
            State::Csv => Ok(csv::head(&self.schema).into()),
            State::Arrow(writer) => {
                let made = StreamWriter::try_new(Vec::new(), &self.schema);
                let mut made = made.map_err(|error| from_engine(error.into()))?;
                let bytes = std::mem::take(made.get_mut());
                *writer = Some(Box::new(made));
                Ok(bytes.into())
            }
        }
    }

    /// The rows of a batch.
    ///
    /// # Errors
    /// When the batch does not have the columns, or Arrow cannot write it.
    pub fn batch(&mut self, batch: &RecordBatch) -> Result<Bytes, QueryError> {
        match &mut self.state {
            State::Json { first } => {
                let bytes = json::rows(batch, first).map_err(|error| from_engine(error.into()))?;
                Ok(bytes.into())
            }
            State::Ndjson => {
                let bytes = json::lines(batch).map_err(|error| from_engine(error.into()))?;
                Ok(bytes.into())
            }
            State::Csv => {
                let bytes = csv::lines(batch).map_err(|error| from_engine(error.into()))?;
                Ok(bytes.into())
            }
            State::Arrow(Some(writer)) => {
                writer
                    .write(batch)
                    .map_err(|error| from_engine(error.into()))?;
                Ok(std::mem::take(writer.get_mut()).into())
            }
            State::Arrow(None) => Err(QueryError::broken("rows before the begin of an answer")),
        }
    }

    /// What comes behind the rows.
    ///
    /// # Errors
    /// When Arrow cannot end its stream.
    pub fn end(&mut self, position: &Reached) -> Result<Bytes, QueryError> {
        match &mut self.state {
            State::Json { .. } => {
                let next = self.next.take();
                let next = next.map_or_else(String::new, |next| format!(",\"next\":\"{next}\""));
                Ok(format!("],\"position\":\"{position}\"{next}}}\n").into())
            }
            State::Ndjson | State::Csv => Ok(Bytes::new()),
            State::Arrow(writer) => {
                let Some(mut writer) = writer.take() else {
                    return Ok(Bytes::new());
                };
                writer.finish().map_err(|error| from_engine(error.into()))?;
                Ok(std::mem::take(writer.get_mut()).into())
            }
        }
    }
}

/// Calls `each` with every row of a batch as one JSON object, without a line break.
///
/// # Errors
/// When a column has a type that cannot be written.
pub fn objects(batch: &RecordBatch, each: impl FnMut(usize, &[u8])) -> Result<(), QueryError> {
    json::each(batch, each).map_err(|error| from_engine(error.into()))
}

/// One value as CSV has it, without quotes; `None` for NULL.
///
/// # Errors
/// When the column has a type that cannot be written.
pub(crate) fn cell_text(
    array: &ArrayRef,
    field: &Field,
    row: usize,
) -> Result<Option<String>, ArrowError> {
    let cell = cell::Cell::new(array, field)?;
    if cell.is_null(row) {
        return Ok(None);
    }
    let mut out = Vec::new();
    cell.value(&mut out, row, cell::Style::Csv)?;
    Ok(Some(String::from_utf8_lossy(&out).into_owned()))
}

/// The values of a column as JSON, numbers with all their digits and without quotes.
///
/// # Errors
/// When the column has a type that cannot be written.
pub(crate) fn json_values(array: &ArrayRef, field: &Field) -> Result<Vec<Vec<u8>>, ArrowError> {
    let cell = cell::Cell::new(array, field)?;
    let is_number = matches!(cell, cell::Cell::Int64(_) | cell::Cell::Decimal(..));
    let written = (0..array.len()).map(|row| {
        let mut out = Vec::new();
        match is_number && !cell.is_null(row) {
            true => cell.value(&mut out, row, cell::Style::Json)?,
            false => cell.json(&mut out, row)?,
        }
        Ok(out)
    });
    written.collect()
}

/// The SQL type of a column of an answer.
#[must_use]
pub fn type_name(field: &Field) -> String {
    if let Some(marked) = field.metadata().get(TYPE_METADATA) {
        return marked.clone();
    }
    named(field.data_type())
}

fn named(ty: &DataType) -> String {
    match ty {
        DataType::Null => "NULL".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "SMALLINT".to_owned(),
        DataType::Int32 | DataType::UInt16 => "INTEGER".to_owned(),
        DataType::Int64 | DataType::UInt32 => "BIGINT".to_owned(),
        DataType::UInt64 => "NUMERIC(20, 0)".to_owned(),
        DataType::Float16 | DataType::Float32 => "REAL".to_owned(),
        DataType::Float64 => "DOUBLE PRECISION".to_owned(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("NUMERIC({precision}, {scale})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "TEXT".to_owned(),
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => "BYTEA".to_owned(),
        DataType::Date32 | DataType::Date64 => "DATE".to_owned(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMPTZ".to_owned(),
        DataType::Timestamp(_, None) => "TIMESTAMP".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "TIME".to_owned(),
        DataType::Duration(_) | DataType::Interval(_) => "INTERVAL".to_owned(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("{}[]", type_name(item))
        }
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("{} {}", field.name(), type_name(field)))
                .collect();
            format!("ROW({})", fields.join(", "))
        }
        DataType::Dictionary(_, value) => named(value),
        other => other.to_string(),
    }
}

/// The values of a column as the function table prints them: `NULL`, and no quotes.
#[cfg(test)]
pub(crate) fn printed(array: &ArrayRef, _field: &Field) -> Result<Vec<String>, ArrowError> {
    use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
    let options = FormatOptions::default().with_null("NULL");
    let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
    let rows = 0..array.len();
    rows.map(|row| formatter.value(row).try_to_string())
        .collect()
}
