//! What lies at a path of a JSON value: `#>`, `#>>`, json_extract_path and json_typeof.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, StringArray, StringBuilder},
        compute::cast,
        datatypes::{DataType, FieldRef},
    },
    common::{Result, exec_err},
    logical_expr::{ScalarUDF, Signature, Volatility},
};

use super::{
    super::own::{Gives, Own, Run},
    field, item, plain, texts,
};

/// The functions, and those that the operators become.
pub(in super::super) fn udfs() -> Vec<Arc<ScalarUDF>> {
    let any = || Signature::variadic_any(Volatility::Immutable);
    let own = |name, gives, run: Run| Own {
        name,
        signature: any(),
        gives,
        run,
    };
    let of_text = Gives::Type(|| DataType::Utf8);
    let all = [
        own("json_extract_path", Gives::Json, path_json),
        own("json_extract_path_text", of_text, path_text),
        own("json_at", Gives::Json, at_json),
        own("json_at_text", of_text, at_text),
        own("json_typeof", of_text, kinds),
    ];
    all.into_iter().map(Own::udf).collect()
}

pub(super) fn operator(is_text: bool) -> Option<Arc<ScalarUDF>> {
    let name = if is_text { "json_at_text" } else { "json_at" };
    udfs().into_iter().find(|udf| udf.name() == name)
}

fn path_json(args: &[ArrayRef], _: &[FieldRef]) -> Result<ArrayRef> {
    extracted(args, Some)
}

fn path_text(args: &[ArrayRef], _: &[FieldRef]) -> Result<ArrayRef> {
    extracted(args, |json| plain(&json))
}

fn at_json(args: &[ArrayRef], _: &[FieldRef]) -> Result<ArrayRef> {
    at(args, Some)
}

fn at_text(args: &[ArrayRef], _: &[FieldRef]) -> Result<ArrayRef> {
    at(args, |json| plain(&json))
}

/// Steps are the other arguments.
fn extracted(args: &[ArrayRef], told: fn(String) -> Option<String>) -> Result<ArrayRef> {
    let args = args.iter().map(texts).collect::<Result<Vec<_>>>()?;
    let Some((json, steps)) = args.split_first() else {
        return exec_err!("json_extract_path takes a JSON value and the steps of a path");
    };
    each(json, told, |row| {
        let steps = steps
            .iter()
            .map(|step| step.is_valid(row).then(|| step.value(row).to_owned()));
        steps.collect()
    })
}

/// Steps are an array, or a text such as `{a,0}`.
fn at(args: &[ArrayRef], told: fn(String) -> Option<String>) -> Result<ArrayRef> {
    let [json, path] = args else {
        return exec_err!("a path is taken of one JSON value");
    };
    let json = texts(json)?;
    if let Some(paths) = path.as_list_opt::<i32>() {
        let items = cast(paths.values(), &DataType::Utf8)?;
        let items = items.as_string::<i32>();
        return each(&json, told, |row| {
            let offsets = paths.value_offsets();
            let bounds = paths.is_valid(row).then(|| offsets.get(row..=row + 1))??;
            let [from, to] = bounds else { return None };
            let steps = usize::try_from(*from).ok()?..usize::try_from(*to).ok()?;
            let step = |at| items.is_valid(at).then(|| items.value(at).to_owned());
            steps.map(step).collect()
        });
    }
    let paths = texts(path)?;
    each(&json, told, |row| {
        let path = paths.is_valid(row).then(|| paths.value(row))?;
        steps_of(path)
    })
}

/// The items of PostgreSQL's text of an array of texts.
fn steps_of(path: &str) -> Option<Vec<String>> {
    let inner = path.trim().strip_prefix('{')?.strip_suffix('}')?;
    if inner.trim().is_empty() {
        return Some(Vec::new());
    }
    let (mut steps, mut step, mut is_quoted, mut was_quoted) =
        (Vec::new(), String::new(), false, false);
    let mut letters = inner.chars();
    loop {
        match letters.next() {
            Some('"') => {
                is_quoted = !is_quoted;
                was_quoted = true;
            }
            Some('\\') => step.push(letters.next()?),
            Some(letter) if letter != ',' || is_quoted => step.push(letter),
            found => {
                let text = if was_quoted {
                    step.as_str()
                } else {
                    step.trim()
                };
                steps.push(text.to_owned());
                step.clear();
                was_quoted = false;
                if found.is_none() {
                    return (!is_quoted).then_some(steps);
                }
            }
        }
    }
}

fn each(
    json: &StringArray,
    told: fn(String) -> Option<String>,
    steps: impl Fn(usize) -> Option<Vec<String>>,
) -> Result<ArrayRef> {
    let mut out = StringBuilder::with_capacity(json.len(), json.len().saturating_mul(8));
    for row in 0..json.len() {
        let found = json.is_valid(row).then(|| {
            let mut found = json.value(row).to_owned();
            for step in steps(row)? {
                found = one_step(&found, &step)?;
            }
            Some(found)
        });
        out.append_option(found.flatten().and_then(told));
    }
    Ok(Arc::new(out.finish()))
}

/// A field by its name, an item by its number.
fn one_step(json: &str, step: &str) -> Option<String> {
    match json.trim_start().as_bytes().first() {
        Some(b'[') => item(json, step.trim().parse().ok()?),
        _ => field(json, step),
    }
}

fn kinds(args: &[ArrayRef], _: &[FieldRef]) -> Result<ArrayRef> {
    let [json] = args else {
        return exec_err!("json_typeof takes one JSON value");
    };
    let json = texts(json)?;
    let kinds = json.iter().map(|json| {
        let json = json?;
        serde_json::from_str::<serde::de::IgnoredAny>(json).ok()?;
        Some(match json.trim_start().as_bytes().first()? {
            b'{' => "object",
            b'[' => "array",
            b'"' => "string",
            b't' | b'f' => "boolean",
            b'n' => "null",
            _ => "number",
        })
    });
    Ok(Arc::new(kinds.collect::<StringArray>()))
}
