//! Values of an answer as SQL literals.

/// Whether values of that type can be written.
pub(super) fn is_movable(ty: &str) -> bool {
    !ty.starts_with("ROW")
}

/// A value that JSON spells `json`, as SQL writes one of type `ty`.
pub(super) fn literal(json: &str, ty: &str) -> String {
    if json == "null" {
        return format!("CAST(NULL AS {ty})");
    }
    if let Some(item) = ty.strip_suffix("[]") {
        let items: Vec<&serde_json::value::RawValue> =
            serde_json::from_str(json).unwrap_or_default();
        let items: Vec<String> = items.iter().map(|raw| literal(raw.get(), item)).collect();
        return match items.is_empty() {
            true => format!("CAST(ARRAY[] AS {ty})"),
            false => format!("ARRAY[{}]", items.join(", ")),
        };
    }
    match ty {
        "BOOLEAN" | "SMALLINT" | "INTEGER" | "BIGINT" => text(json),
        "TEXT" => string(&text(json)),
        "BYTEA" => format!("decode({}, 'base64')", string(&text(json))),
        "JSON" => format!("CAST({} AS JSON)", string(json)),
        _ => format!("CAST({} AS {ty})", string(&text(json))),
    }
}

/// What a JSON string holds; what is none, as it stands.
fn text(json: &str) -> String {
    serde_json::from_str(json).unwrap_or_else(|_number| json.to_owned())
}

fn string(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_spelled_so_that_sql_reads_the_same() {
        let check = |json, ty, expected: &str| assert_eq!(literal(json, ty), expected);
        check("null", "UUID", "CAST(NULL AS UUID)");
        check("\"o'k\"", "TEXT", "'o''k'");
        check("9007199254740993", "BIGINT", "9007199254740993");
        check(
            "\"1.50\"",
            "NUMERIC(10, 2)",
            "CAST('1.50' AS NUMERIC(10, 2))",
        );
        check(
            "1e-7",
            "DOUBLE PRECISION",
            "CAST('1e-7' AS DOUBLE PRECISION)",
        );
        check(
            "{\"a\": \"b'\"}",
            "JSON",
            "CAST('{\"a\": \"b''\"}' AS JSON)",
        );
        check("\"AQI=\"", "BYTEA", "decode('AQI=', 'base64')");
        check("[\"a\",null]", "TEXT[]", "ARRAY['a', CAST(NULL AS TEXT)]");
        assert!(!is_movable("ROW(a INTEGER)"));
    }
}
