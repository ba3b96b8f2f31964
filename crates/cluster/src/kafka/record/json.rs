//! Values of JSON columns whose text another reader of JSON would spell otherwise. Pure.
//!
//! Spark 3.5 reads a JSON value of a record and writes it anew: numbers become DOUBLE, escapes and
//! blanks go, and a text loses its quotes. The text of such a value stands beside the record, in the
//! header `mainstem-json`: an object of texts, by column. Most values need none.

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::Field,
};
use mainstem_kernel::{ColumnType, types::TYPE_METADATA};

/// The JSON columns of a batch.
pub(crate) struct JsonColumns<'a> {
    columns: Vec<(&'a str, &'a dyn Array)>,
}

impl<'a> JsonColumns<'a> {
    pub(crate) fn of(batch: &'a RecordBatch) -> Self {
        let fields = batch.schema_ref().fields().iter();
        let both = fields.zip(batch.columns());
        let json = both.filter(|(field, _)| is_json(field));
        Self {
            columns: json
                .map(|(field, column)| (field.name().as_str(), &**column))
                .collect(),
        }
    }

    /// What stands beside a row, if anything has to.
    pub(crate) fn beside(&self, row: usize) -> Option<String> {
        let texts = self.columns.iter().filter_map(|(name, column)| {
            let text = column.as_string_opt::<i32>()?;
            let text = text.is_valid(row).then(|| text.value(row))?;
            (!is_kept(text)).then(|| ((*name).to_owned(), text.into()))
        });
        let texts: serde_json::Map<String, serde_json::Value> = texts.collect();
        (!texts.is_empty()).then(|| serde_json::Value::Object(texts).to_string())
    }
}

fn is_json(field: &Field) -> bool {
    let named = field.metadata().get(TYPE_METADATA);
    named.is_some_and(|name| *name == ColumnType::Json.to_string())
}

/// Whether whoever reads the value and writes it anew writes this very text.
fn is_kept(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut is_quoted, mut before) = (false, b' ');
    for (at, byte) in bytes.iter().copied().enumerate() {
        match byte {
            b'\\' => return false,
            b'"' if at == 0 => return false,
            b'"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            b' ' | b'\t' | b'\n' | b'\r' | b'.' | b'E' => return false,
            b'e' if before.is_ascii_digit() => return false,
            b'0' if before == b'-' => return false,
            _ => {}
        }
        before = byte;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::is_kept;

    #[test]
    fn what_would_be_spelled_otherwise_is_known() {
        for kept in [
            "1",
            "-7",
            "true",
            "false",
            "null",
            "123456789012345678901234567890",
            r#"{"a":[1,-2,null,true],"b":{"c":"1.50 e-0 E"}}"#,
            r#"{"é":"ü"}"#,
            "[]",
        ] {
            assert!(is_kept(kept), "{kept}");
        }
        for other in [
            "1.50",
            "1.0",
            "1e5",
            "1E5",
            "-0",
            "-0.0",
            r#""text""#,
            r#"{"a": 1}"#,
            "[1,\n2]",
            r#"["\u0041"]"#,
            r#"{"a":1.10}"#,
            r#"{"a":[-0]}"#,
        ] {
            assert!(!is_kept(other), "{other}");
        }
    }
}
