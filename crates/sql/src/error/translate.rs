//! DataFusion's and sqlparser's errors in our words. Their inner names go to the log, not to
//! whoever asked.

use datafusion::{
    arrow::error::ArrowError,
    common::{DataFusionError, SchemaError, Span},
};
use mainstem_kernel::{ByteSize, Code, Place, Problem};
use sqlparser::parser::ParserError;

use super::QueryError;
use crate::{
    declare::{Told, mistake},
    engine::OutOfMemory,
    functions,
    nearest::did_you_mean,
};

/// An error of planning or running.
pub(crate) fn from_engine(error: DataFusionError) -> QueryError {
    let place = error.diagnostic().and_then(|said| said.span).map(place_of);
    let root = match unwrapped(error) {
        Ok(query) => return query,
        Err(root) => root,
    };
    let text = |code: Code, message: String| Problem {
        code,
        message,
        detail: None,
        hint: None,
        position: place.clone(),
    };
    match root {
        DataFusionError::SchemaError(error, _) => QueryError::text(schema(&error, place)),
        DataFusionError::SQL(error, _) => from_parser(&error, &start()),
        DataFusionError::Plan(message) => QueryError::text(planned(&message, place)),
        // What BETWEEN cannot compare it calls a mistake of its own.
        DataFusionError::Internal(message) if message.starts_with("Failed to coerce types") => {
            let message = message.lines().next().unwrap_or_default();
            QueryError::text(planned(message, place))
        }
        DataFusionError::Configuration(message) => {
            QueryError::text(text(Code::Sql025, readable(&message)))
        }
        DataFusionError::NotImplemented(message) => QueryError::text(text(
            Code::Sql027,
            format!("not supported: {}", readable(&message)),
        )),
        DataFusionError::Execution(message) => QueryError::Row {
            message: readable(&message),
        },
        DataFusionError::ArrowError(error, _) => arrow(*error),
        DataFusionError::ResourcesExhausted(message) => {
            // Ours come as `OutOfMemory`; this is DataFusion's own: a spill that is switched off.
            tracing::debug!(message, "query ran out of memory");
            QueryError::Memory { limit: ByteSize(0) }
        }
        DataFusionError::ObjectStore(error) => QueryError::Unreadable { source: error },
        DataFusionError::ParquetError(error) => QueryError::Unreadable { source: error },
        DataFusionError::IoError(error) => QueryError::Unreadable {
            source: Box::new(error),
        },
        DataFusionError::External(source) => QueryError::Unreadable { source },
        other => QueryError::Broken {
            source: Box::new(other),
        },
    }
}

/// The innermost error, or our own if it is one.
fn unwrapped(error: DataFusionError) -> Result<QueryError, DataFusionError> {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            unwrapped(*inner)
        }
        DataFusionError::Collection(errors) => match errors.into_iter().next() {
            Some(first) => unwrapped(first),
            None => Ok(QueryError::broken("an empty list of errors")),
        },
        DataFusionError::ArrowError(error, trace) => match *error {
            ArrowError::ExternalError(source) => external(source),
            other => Err(DataFusionError::ArrowError(Box::new(other), trace)),
        },
        DataFusionError::Shared(shared) => match shared.find_root() {
            DataFusionError::Execution(text) => Err(DataFusionError::Execution(text.clone())),
            DataFusionError::ResourcesExhausted(text) => {
                Err(DataFusionError::ResourcesExhausted(text.clone()))
            }
            DataFusionError::External(source) => match source.downcast_ref::<OutOfMemory>() {
                Some(out) => Ok(out.clone().into()),
                None => Ok(QueryError::Unreadable {
                    source: source.to_string().into(),
                }),
            },
            DataFusionError::ArrowError(error, _) => {
                Err(DataFusionError::Execution(error.to_string()))
            }
            other => Ok(QueryError::broken(other.to_string())),
        },
        DataFusionError::External(source) => external(source),
        other => Err(other),
    }
}

fn external(
    source: Box<dyn std::error::Error + Send + Sync>,
) -> Result<QueryError, DataFusionError> {
    let source = match source.downcast::<QueryError>() {
        Ok(query) => return Ok(*query),
        Err(source) => source,
    };
    let source = match source.downcast::<OutOfMemory>() {
        Ok(out) => return Ok((*out).into()),
        Err(source) => source,
    };
    match source.downcast::<DataFusionError>() {
        Ok(inner) => unwrapped(*inner),
        Err(source) => Err(DataFusionError::External(source)),
    }
}

fn arrow(error: ArrowError) -> QueryError {
    match error {
        ArrowError::DivideByZero => QueryError::Row {
            message: "division by zero".to_owned(),
        },
        ArrowError::ParquetError(_) | ArrowError::IpcError(_) | ArrowError::IoError(..) => {
            QueryError::Unreadable {
                source: Box::new(error),
            }
        }
        ArrowError::CastError(message)
        | ArrowError::ParseError(message)
        | ArrowError::ComputeError(message)
        | ArrowError::ArithmeticOverflow(message)
        | ArrowError::InvalidArgumentError(message) => QueryError::Row {
            message: readable(&message),
        },
        other => QueryError::Broken {
            source: Box::new(other),
        },
    }
}

fn schema(error: &SchemaError, place: Option<Place>) -> Problem {
    let told = |message: String| Problem {
        code: Code::Sql022,
        message,
        detail: None,
        hint: None,
        position: place,
    };
    match error {
        SchemaError::FieldNotFound {
            field,
            valid_fields,
        } => {
            let known: Vec<&str> = valid_fields.iter().map(|column| column.name()).collect();
            told(format!("there is no column \"{}\"", field.flat_name()))
                .hint_if(did_you_mean(field.name(), known.iter().copied()))
        }
        SchemaError::AmbiguousReference { field } => told(format!(
            "column \"{}\" is in more than one place",
            field.name()
        ))
        .hint(format!("write stream.{}", field.name())),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            told(format!("two columns of the answer are named \"{name}\""))
                .hint("name them apart with AS")
        }
    }
}

/// A mistake that DataFusion has only words for.
fn planned(message: &str, place: Option<Place>) -> Problem {
    const TYPES: [&str; 6] = [
        "coerce",
        "type",
        "signature",
        "Cannot cast",
        "cast",
        "argument",
    ];
    let told = |code: Code, message: String| Problem {
        code,
        message,
        detail: None,
        hint: None,
        position: place.clone(),
    };
    if let Some(column) = between(message, "column \"", "\" must appear in the GROUP BY") {
        return told(
            Code::Sql025,
            format!("column \"{column}\" is not in GROUP BY"),
        )
        .hint("add it to GROUP BY, or say which value of the group: min, max, any_value");
    }
    if let Some(function) = between(message, "Function '", "' failed to match any signature") {
        return told(
            Code::Sql024,
            format!("function \"{function}\" does not take these types"),
        )
        .hint("convert with CAST(x AS type) or x::type; SHOW FUNCTIONS lists what each takes");
    }
    if let Some(function) = between(message, "to satisfy a call to '", "' function") {
        let mut rows = functions::table().iter();
        let signature = rows.find(|row| row.engine == function || row.name == function);
        let signature = signature.map_or(function, |row| row.signature);
        return told(
            Code::Sql024,
            format!("function \"{function}\" does not take these arguments"),
        )
        .hint(format!(
            "write {signature}; convert with CAST(x AS type) or x::type"
        ));
    }
    if message.contains("table '") && message.contains("not found") {
        return told(Code::Sql021, readable(message));
    }
    if message.contains("Invalid function") {
        return told(Code::Sql023, readable(message));
    }
    if TYPES.iter().any(|word| message.contains(word)) {
        return told(Code::Sql024, readable(message))
            .hint("convert with CAST(x AS type) or x::type");
    }
    told(Code::Sql025, readable(message))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (head, _) = text.split_once(after)?;
    head.rsplit_once(before).map(|(_, found)| found)
}

/// Arrow's names of types and ours, as whole words.
const WORDS: [(&str, &str); 12] = [
    ("Utf8", "TEXT"),
    ("Utf8View", "TEXT"),
    ("String", "TEXT"),
    ("Boolean", "BOOLEAN"),
    ("Int16", "SMALLINT"),
    ("Int32", "INTEGER"),
    ("Int64", "BIGINT"),
    ("Float32", "REAL"),
    ("Float64", "DOUBLE PRECISION"),
    ("Binary", "BYTEA"),
    ("Date32", "DATE"),
    ("Decimal128", "NUMERIC"),
];

/// Why an expression fails for a row, in one line for people.
#[must_use]
pub fn row_reason(error: &DataFusionError) -> String {
    const OUT_OF_RANGE: &str = "a number is out of the range of its type";
    let text = match error.find_root() {
        DataFusionError::ArrowError(error, _) => match error.as_ref() {
            ArrowError::DivideByZero => return "division by zero".to_owned(),
            ArrowError::ArithmeticOverflow(_) => return OUT_OF_RANGE.to_owned(),
            ArrowError::CastError(text)
            | ArrowError::ParseError(text)
            | ArrowError::ComputeError(text)
            | ArrowError::InvalidArgumentError(text) => text.clone(),
            other => other.to_string(),
        },
        other => other.strip_backtrace(),
    };
    // Functions say the same in words of their own.
    match text.contains(" overflow on ") {
        true => OUT_OF_RANGE.to_owned(),
        false => readable(&text),
    }
}

/// The first line in our style: lower case, no full stop, no prefix of the engine, our types.
fn readable(message: &str) -> String {
    let mut line = message.lines().next().unwrap_or_default().trim();
    for prefix in [
        "Internal error: ",
        "Error during planning: ",
        "Execution error: ",
        "Arrow error: ",
        "Cast error: ",
    ] {
        line = line.strip_prefix(prefix).unwrap_or(line);
    }
    let line = line.trim_end_matches(['.', ':']);
    let mut words = String::with_capacity(line.len());
    for piece in line.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let word = piece.trim_end_matches(|c: char| !c.is_alphanumeric());
        let ours = WORDS
            .iter()
            .find(|(arrow, _)| *arrow == word)
            .map_or(word, |(_, ours)| ours);
        words.push_str(ours);
        words.push_str(piece.get(word.len()..).unwrap_or_default());
    }
    let mut chars = words.chars();
    let first = chars.next();
    // A word in capitals is a name: leave it.
    let keep = chars.clone().next().is_some_and(char::is_uppercase);
    match first {
        Some(first) if !keep => first.to_lowercase().chain(chars).collect(),
        _ => words,
    }
}

/// An error of the parser, which carries its place in its text; `end` is where the statement
/// ends.
pub(crate) fn from_parser(error: &ParserError, end: &Place) -> QueryError {
    let (text, place) = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => located(text),
        ParserError::RecursionLimitExceeded => {
            return mistake(Code::Sql010, start(), "statement is nested too deeply").into();
        }
    };
    let text = text.replacen("Expected: ", "expected ", 1);
    let (text, place) = match text.split_once(", found: ") {
        Some((expected, "EOF")) => (
            format!("{expected}, found the end of the statement"),
            Some(end.clone()),
        ),
        Some((expected, found)) => (format!("{expected}, found \"{found}\""), place),
        None => (text, place),
    };
    mistake(Code::Sql001, place.unwrap_or_else(start), readable(&text)).into()
}

/// Splits `… at Line: 1, Column: 8`.
fn located(text: &str) -> (String, Option<Place>) {
    let Some((said, place)) = text.rsplit_once(" at Line: ") else {
        return (text.to_owned(), None);
    };
    let parsed = place.split_once(", Column: ").and_then(|(line, column)| {
        Some(Place {
            file: String::new(),
            line: line.parse().ok()?,
            column: column.parse().ok()?,
        })
    });
    (said.to_owned(), parsed)
}

/// Where a statement begins.
fn start() -> Place {
    Place {
        file: String::new(),
        line: 1,
        column: 1,
    }
}

fn place_of(span: Span) -> Place {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).max(1);
    Place {
        file: String::new(),
        line: number(span.start.line),
        column: number(span.start.column),
    }
}
