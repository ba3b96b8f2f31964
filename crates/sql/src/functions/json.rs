//! JSON columns: fields and items by name and number, with PostgreSQL's `->` and `->>`.

pub(super) mod make;
pub(super) mod path;

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, Int64Builder, StringArray, StringBuilder},
        compute::cast,
        datatypes::{DataType, Field, FieldRef, Int64Type},
    },
    common::{DFSchema, Result, exec_err},
    logical_expr::{
        ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
        Signature, TypeSignature, Volatility,
        expr::ScalarFunction,
        planner::{ExprPlanner, PlannerResult, RawBinaryExpr},
    },
};
use mainstem_kernel::ColumnType;
use serde_json::value::RawValue;
use sqlparser::ast::BinaryOperator;

use super::Row;

pub(super) const ROWS: &[Row] = &[
    (
        "json_get",
        "",
        "",
        "json_get(json, name or number) = json -> …",
        "The field of that name or the item of that number, from 0, as JSON; NULL if there is none.",
        r#"'{"a": [1, {"b": 2}]}' -> 'a' -> 1"#,
        r#"{"b": 2}"#,
    ),
    (
        "json_get_text",
        "",
        "",
        "json_get_text(json, name or number) = json ->> …",
        "The same as text: without quotes, and NULL for null.",
        r#"'{"a": "x"}' ->> 'a'"#,
        "x",
    ),
    (
        "json_array_length",
        "",
        "",
        "json_array_length(json)",
        "How many items a JSON array has; NULL if it is none.",
        "json_array_length('[1, 2, 3]')",
        "3",
    ),
    (
        "json_extract_path",
        "",
        "",
        "json_extract_path(json, step, …) = json #> ARRAY[step, …]",
        "What lies at the path, as JSON: each step is the name of a field or the number of an item; NULL if there is nothing.",
        r#"'{"a": [1, {"b": 2}]}' #> '{a,1}'"#,
        r#"{"b": 2}"#,
    ),
    (
        "json_extract_path_text",
        "",
        "",
        "json_extract_path_text(json, step, …) = json #>> ARRAY[step, …]",
        "The same as text: without quotes, and NULL for null.",
        r#"json_extract_path_text('{"a": [1, {"b": "x"}]}', 'a', '1', 'b')"#,
        "x",
    ),
    (
        "json_typeof",
        "",
        "",
        "json_typeof(json)",
        "What it is: object, array, string, number, boolean or null.",
        "json_typeof('[1]')",
        "array",
    ),
    (
        "to_json",
        "",
        "",
        "to_json(a)",
        "A value as JSON; NULL is NULL.",
        "to_json(ARRAY[1, 2])",
        "[1,2]",
    ),
    (
        "json_build_object",
        "",
        "",
        "json_build_object('name', a, …)",
        "A JSON object of names and values.",
        "json_build_object('a', 1.50, 'b', 'x')",
        r#"{"a": 1.50, "b": "x"}"#,
    ),
    (
        "json_build_array",
        "",
        "",
        "json_build_array(a, b, …)",
        "A JSON array of values.",
        "json_build_array(1, 'x', NULL)",
        r#"[1, "x", null]"#,
    ),
    (
        "jsonb_array_length",
        "json_array_length",
        "",
        "jsonb_array_length(json)",
        "The same as json_array_length.",
        "jsonb_array_length('[]')",
        "0",
    ),
    (
        "jsonb_extract_path",
        "json_extract_path",
        "",
        "jsonb_extract_path(json, step, …)",
        "The same as json_extract_path.",
        r#"jsonb_extract_path('{"a": 1}', 'a')"#,
        "1",
    ),
    (
        "jsonb_extract_path_text",
        "json_extract_path_text",
        "",
        "jsonb_extract_path_text(json, step, …)",
        "The same as json_extract_path_text.",
        r#"jsonb_extract_path_text('{"a": "x"}', 'a')"#,
        "x",
    ),
    (
        "jsonb_typeof",
        "json_typeof",
        "",
        "jsonb_typeof(json)",
        "The same as json_typeof.",
        r#"jsonb_typeof('{}')"#,
        "object",
    ),
    (
        "to_jsonb",
        "to_json",
        "",
        "to_jsonb(a)",
        "The same as to_json.",
        "to_jsonb('a\"b'::TEXT)",
        r#""a\"b""#,
    ),
    (
        "jsonb_build_object",
        "json_build_object",
        "",
        "jsonb_build_object('name', a, …)",
        "The same as json_build_object.",
        "jsonb_build_object('n', NULL)",
        r#"{"n": null}"#,
    ),
    (
        "jsonb_build_array",
        "json_build_array",
        "",
        "jsonb_build_array(a, b, …)",
        "The same as json_build_array.",
        "jsonb_build_array(true)",
        "[true]",
    ),
];

/// What is taken out of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Take {
    Json,
    Text,
    Length,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Json {
    take: Take,
    signature: Signature,
}

fn udf(take: Take) -> Arc<ScalarUDF> {
    let text = DataType::Utf8;
    let signature = match take {
        Take::Length => Signature::exact(vec![text], Volatility::Immutable),
        Take::Json | Take::Text => Signature::one_of(
            vec![
                TypeSignature::Exact(vec![text.clone(), DataType::Int64]),
                TypeSignature::Exact(vec![text.clone(), text]),
            ],
            Volatility::Immutable,
        ),
    };
    Arc::new(ScalarUDF::from(Json { take, signature }))
}

pub(super) fn get() -> Arc<ScalarUDF> {
    udf(Take::Json)
}

pub(super) fn get_text() -> Arc<ScalarUDF> {
    udf(Take::Text)
}

pub(super) fn array_length() -> Arc<ScalarUDF> {
    udf(Take::Length)
}

impl ScalarUDFImpl for Json {
    fn name(&self) -> &'static str {
        match self.take {
            Take::Json => "json_get",
            Take::Text => "json_get_text",
            Take::Length => "json_array_length",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.take {
            Take::Json | Take::Text => DataType::Utf8,
            Take::Length => DataType::Int64,
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(match self.take {
            Take::Json => ColumnType::Json.field(self.name(), true),
            Take::Text | Take::Length => {
                let types: Vec<DataType> = args
                    .arg_fields
                    .iter()
                    .map(|field| field.data_type().clone())
                    .collect();
                Field::new(self.name(), self.return_type(&types)?, true)
            }
        }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let array = match (self.take, arrays.as_slice()) {
            (Take::Length, [json]) => lengths(&texts(json)?),
            (take, [json, key]) => taken(take, &texts(json)?, key)?,
            _ => return exec_err!("{} takes another number of arguments", self.name()),
        };
        match scalar {
            true => Ok(ColumnarValue::Scalar(
                datafusion::common::ScalarValue::try_from_array(&array, 0)?,
            )),
            false => Ok(ColumnarValue::Array(array)),
        }
    }
}

fn texts(array: &ArrayRef) -> Result<StringArray> {
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}

fn taken(take: Take, json: &StringArray, key: &ArrayRef) -> Result<ArrayRef> {
    let mut out = StringBuilder::with_capacity(json.len(), json.len().saturating_mul(8));
    let numbers = key.as_primitive_opt::<Int64Type>();
    let names = if numbers.is_none() {
        Some(texts(key)?)
    } else {
        None
    };
    for row in 0..json.len() {
        let found = if json.is_null(row) || key.is_null(row) {
            None
        } else if let Some(numbers) = numbers {
            item(json.value(row), numbers.value(row))
        } else {
            names
                .as_ref()
                .and_then(|names| field(json.value(row), names.value(row)))
        };
        match (take, found) {
            (_, None) => out.append_null(),
            (Take::Text, Some(found)) => out.append_option(plain(&found)),
            (_, Some(found)) => out.append_value(&found),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// The field of an object, as it is written.
fn field(json: &str, name: &str) -> Option<String> {
    let fields: std::collections::HashMap<String, &RawValue> = serde_json::from_str(json).ok()?;
    fields.get(name).map(|value| value.get().to_owned())
}

/// The item of an array, as it is written; negative numbers count from the end.
fn item(json: &str, number: i64) -> Option<String> {
    let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    let index = match usize::try_from(number) {
        Ok(index) => index,
        Err(_) => items
            .len()
            .checked_sub(usize::try_from(number.unsigned_abs()).ok()?)?,
    };
    items.get(index).map(|value| value.get().to_owned())
}

/// A JSON value as text: without quotes, and nothing for null.
fn plain(json: &str) -> Option<String> {
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).ok(),
        _ if json == "null" => None,
        _ => Some(json.to_owned()),
    }
}

fn lengths(json: &StringArray) -> ArrayRef {
    let mut out = Int64Builder::with_capacity(json.len());
    for text in json {
        let items = text.and_then(|text| serde_json::from_str::<Vec<&RawValue>>(text).ok());
        out.append_option(items.and_then(|items| i64::try_from(items.len()).ok()));
    }
    Arc::new(out.finish())
}

/// `->`, `->>`, `#>` and `#>>`.
#[derive(Debug)]
pub(super) struct Operators;

impl ExprPlanner for Operators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        _: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let function = match expr.op {
            BinaryOperator::Arrow => get(),
            BinaryOperator::LongArrow => get_text(),
            BinaryOperator::HashArrow | BinaryOperator::HashLongArrow => {
                match path::operator(expr.op == BinaryOperator::HashLongArrow) {
                    Some(function) => function,
                    None => return Ok(PlannerResult::Original(expr)),
                }
            }
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let call = ScalarFunction::new_udf(function, vec![expr.left, expr.right]);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
    }
}
