//! Expressions as people write them: columns by the names that they have in the statement, texts in
//! quotes, types of SQL. It is read by people alone; nothing is parsed or compared by it.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::{DataType, Field},
    common::{
        ScalarValue,
        tree_node::{Transformed, TreeNode},
    },
    physical_expr::{
        PhysicalExpr, ScalarFunctionExpr,
        expressions::{CastExpr, Column, Literal},
    },
    physical_expr_common::physical_expr::fmt_sql,
};

use super::{
    super::{Call, Function, Node},
    keyed,
};
use crate::format::{cell_text, type_name};

/// The columns of an operator's rows: by their names, those of groups by what computes them.
pub(super) fn names(node: &Node) -> Vec<String> {
    match node {
        Node::Filter { input, .. } => names(input),
        Node::Project {
            input,
            exprs,
            schema,
        } => {
            let spelled = list(exprs, &names(input));
            let fields = schema.fields().iter().zip(spelled);
            let named = fields.map(|(field, spelled)| match has_no_name(field.name()) {
                true => spelled,
                false => field.name().clone(),
            });
            named.collect()
        }
        Node::Aggregate {
            input, keys, calls, ..
        } => {
            let below = names(input);
            let mut all = list(keys, &below);
            all.extend(calls.iter().map(|one| call(one, &below)));
            all
        }
        Node::Rank(rank) => {
            let mut all = names(&rank.input);
            all.push("row_number()".to_owned());
            all
        }
        Node::Running(running) => {
            let below = names(&running.input);
            let figures = running.figures.iter();
            let figures: Vec<String> = figures.map(|one| keyed::figure(one, &below)).collect();
            [below, figures].concat()
        }
        other => {
            let fields = other.schema().fields().iter();
            fields.map(|field| field.name().clone()).collect()
        }
    }
}

/// Whether nobody gave a column its name, but the planner did, after the call that computes it.
pub(super) fn has_no_name(field: &str) -> bool {
    field.contains('(')
}

/// Several expressions over columns of these names.
pub(super) fn list(exprs: &[Arc<dyn PhysicalExpr>], names: &[String]) -> Vec<String> {
    exprs.iter().map(|one| expr(one, names)).collect()
}

/// An expression over columns of these names.
pub(super) fn expr(expr: &Arc<dyn PhysicalExpr>, names: &[String]) -> String {
    let spelled = Arc::clone(expr).transform_up(|part| {
        // What is a word by now is written as it is.
        Ok(match word(&part, names) {
            Some(word) => Transformed::yes(Arc::new(Column::new(&word, 0)) as _),
            None => Transformed::no(part),
        })
    });
    spelled.map_or_else(
        |_| expr.to_string(),
        |spelled| fmt_sql(spelled.data.as_ref()).to_string(),
    )
}

/// A call of an aggregate function.
pub(super) fn call(call: &Call, names: &[String]) -> String {
    let args = list(&call.args, names).join(", ");
    let called = match call.function {
        Function::Count if args.is_empty() => "count(*)".to_owned(),
        function => match function.of_different() {
            Some(of) => format!("{}(DISTINCT {args})", of.as_str()),
            None => format!("{}({args})", function.as_str()),
        },
    };
    match &call.filter {
        Some(filter) => format!("{called} FILTER (WHERE {})", expr(filter, names)),
        None => called,
    }
}

/// What stands for a part of an expression, if it is spelled otherwise than the library does.
fn word(part: &Arc<dyn PhysicalExpr>, names: &[String]) -> Option<String> {
    if let Some(column) = part.downcast_ref::<Column>() {
        return names.get(column.index()).cloned();
    }
    if let Some(literal) = part.downcast_ref::<Literal>() {
        return constant(literal.value());
    }
    if let Some(call) = part.downcast_ref::<ScalarFunctionExpr>() {
        return told(call).or_else(|| arithmetic(call));
    }
    let cast = part.downcast_ref::<CastExpr>()?;
    let ty = type_name(&Field::new("", cast.cast_type().clone(), true));
    Some(format!("CAST({} AS {ty})", fmt_sql(cast.expr().as_ref())))
}

/// What is told of a pattern's match is a field of its own name.
fn told(call: &ScalarFunctionExpr) -> Option<String> {
    match call.args() {
        [_, label] if call.name() == "get_field" => {
            // It is spelled as a text by now.
            let label = fmt_sql(label.as_ref()).to_string();
            let label = label.strip_prefix('\'')?.strip_suffix('\'')?;
            Some(label.replace("''", "'"))
        }
        _ => None,
    }
}

/// Arithmetic that fails where it overflows is a function here and an operator in the statement.
fn arithmetic(call: &ScalarFunctionExpr) -> Option<String> {
    let sign = match call.name() {
        "checked_add" => '+',
        "checked_subtract" => '-',
        "checked_multiply" => '*',
        "checked_divide" => '/',
        "checked_rest" => '%',
        _ => return None,
    };
    let [left, right] = call.args() else {
        return None;
    };
    let [left, right] = [left, right].map(|arg| {
        let text = fmt_sql(arg.as_ref()).to_string();
        match text.contains(' ') && !is_call(&text) {
            true => format!("({text})"),
            false => text,
        }
    });
    Some(format!("{left} {sign} {right}"))
}

/// Whether a text is one call, whose parentheses hold all that is behind its name.
fn is_call(text: &str) -> bool {
    let mut depth = 0_u32;
    let mut is_closed = false;
    for c in text.chars() {
        match c {
            _ if is_closed => return false,
            '(' => depth = depth.saturating_add(1),
            ')' => {
                depth = depth.saturating_sub(1);
                is_closed = depth == 0;
            }
            ' ' if depth == 0 => return false,
            _ => {}
        }
    }
    is_closed
}

fn constant(value: &ScalarValue) -> Option<String> {
    if value.is_null() {
        return Some("NULL".to_owned());
    }
    let ty = value.data_type();
    let is_time = matches!(ty, DataType::Timestamp(..) | DataType::Date32);
    if !is_time && !ty.is_string() {
        return None;
    }
    let field = Field::new("", ty, true);
    let text = cell_text(&value.to_array().ok()?, &field, 0).ok()??;
    Some(format!("'{}'", text.replace('\'', "''")))
}
