//! JSON of values: to_json, json_build_object and json_build_array.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, StringArray, StringBuilder},
        datatypes::FieldRef,
    },
    common::{Result, exec_err},
    logical_expr::{ScalarUDF, Signature, TypeSignature, Volatility},
};

use super::{
    super::own::{Gives, Own, Run},
    texts,
};
use crate::format::json_values;

pub(in super::super) fn udfs() -> Vec<Arc<ScalarUDF>> {
    let any = Signature::one_of(
        vec![TypeSignature::VariadicAny, TypeSignature::Nullary],
        Volatility::Immutable,
    );
    let own = |name, run: Run| Own {
        name,
        signature: any.clone(),
        gives: Gives::Json,
        run,
    };
    let all = [
        own("to_json", converted),
        own("json_build_object", object),
        own("json_build_array", array),
    ];
    all.into_iter().map(Own::udf).collect()
}

/// NULL is NULL, not null.
fn converted(args: &[ArrayRef], fields: &[FieldRef]) -> Result<ArrayRef> {
    let ([column], [field]) = (args, fields) else {
        return exec_err!("to_json takes one value");
    };
    let nulls = column.logical_nulls();
    let values = json_values(column, field)?;
    let values = values.into_iter().enumerate().map(|(row, value)| {
        let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        (!is_null).then(|| String::from_utf8_lossy(&value).into_owned())
    });
    Ok(Arc::new(values.collect::<StringArray>()))
}

fn object(args: &[ArrayRef], fields: &[FieldRef]) -> Result<ArrayRef> {
    if !args.len().is_multiple_of(2) {
        return exec_err!("json_build_object takes names and values, one after the other");
    }
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (pair, fields) in args.chunks(2).zip(fields.chunks(2)) {
        let ([name, value], [_, field]) = (pair, fields) else {
            return exec_err!("json_build_object takes a field for each value");
        };
        let name = texts(name)?;
        if name.null_count() > 0 {
            return exec_err!("a name of json_build_object is NULL");
        }
        names.push(name);
        values.push(json_values(value, field)?);
    }
    let mut out = StringBuilder::new();
    let mut text = Vec::new();
    for row in 0..rows(args) {
        text.clear();
        text.push(b'{');
        for (at, (name, values)) in names.iter().zip(&values).enumerate() {
            if at > 0 {
                text.extend_from_slice(b", ");
            }
            let name = serde_json::to_string(name.value(row)).unwrap_or_default();
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(values.get(row).map_or(b"null", Vec::as_slice));
        }
        text.push(b'}');
        out.append_value(String::from_utf8_lossy(&text));
    }
    Ok(Arc::new(out.finish()))
}

fn array(args: &[ArrayRef], fields: &[FieldRef]) -> Result<ArrayRef> {
    let columns = args.iter().zip(fields);
    let columns = columns.map(|(column, field)| json_values(column, field));
    let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
    let mut out = StringBuilder::new();
    for row in 0..rows(args) {
        let items = columns.iter().filter_map(|column| column.get(row));
        let items: Vec<_> = items.map(|item| String::from_utf8_lossy(item)).collect();
        out.append_value(format!("[{}]", items.join(", ")));
    }
    Ok(Arc::new(out.finish()))
}

/// Without arguments it is a constant.
fn rows(args: &[ArrayRef]) -> usize {
    args.first().map_or(1, |column| column.len())
}
