//! PostgreSQL's functions whose names or arguments are others in the engine, rewritten in the tree.
//! What is written has been found in the function table before.

use mainstem_kernel::{Code, Problem};
use sqlparser::{
    ast::{
        AccessExpr, BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr,
        FunctionArgumentList, FunctionArguments, Ident, ObjectName, Subscript, Value,
        ValueWithSpan,
    },
    tokenizer::Span,
};

use super::{bare, folded, span};
use crate::{
    declare::{Told, mistake, place_of},
    functions,
};

/// Functions that are another one under another name.
const NAMES: [(&str, &str); 11] = [
    ("array_remove", "array_remove_all"),
    ("array_replace", "array_replace_all"),
    ("sign", "signum"),
    ("ceiling", "ceil"),
    ("jsonb_typeof", "json_typeof"),
    ("jsonb_array_length", "json_array_length"),
    ("jsonb_extract_path", "json_extract_path"),
    ("jsonb_extract_path_text", "json_extract_path_text"),
    ("to_jsonb", "to_json"),
    ("jsonb_build_object", "json_build_object"),
    ("jsonb_build_array", "json_build_array"),
];

/// Rewrites one expression, not what is within.
///
/// # Errors
/// When a pattern is not known, or no constant.
pub(super) fn rewrite(expr: &mut Expr) -> Result<(), Problem> {
    match expr {
        Expr::Function(call) => {
            let name = bare(&call.name).map(folded).unwrap_or_default();
            if let Some((_, engine)) = NAMES.iter().find(|(ours, _)| *ours == name) {
                rename(call, engine);
            }
            match (name.as_str(), arguments(call)) {
                ("to_char", count) => time_pattern(call, &name, count),
                ("to_timestamp", 2) => {
                    rename(call, "to_timestamp_of");
                    time_pattern(call, &name, 2)
                }
                ("to_date", 2) => time_pattern(call, &name, 2),
                ("date_trunc", 3) => {
                    rename(call, "date_trunc_in");
                    Ok(())
                }
                ("mod", 2) => {
                    *expr = rest(call).unwrap_or_else(|| expr.clone());
                    Ok(())
                }
                ("regexp_substr", 2) => {
                    rename(call, "regexp_match");
                    grouped(call);
                    *expr = first_item(expr.clone());
                    Ok(())
                }
                _ => Ok(()),
            }
        }
        Expr::Substring {
            expr: text,
            substring_from: Some(pattern),
            substring_for: None,
            ..
        } if is_text(pattern) => {
            let args = [text, pattern].map(|arg| unnamed(std::mem::replace(arg.as_mut(), null())));
            *expr = first_item(called("regexp_match", args.to_vec()));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn list(call: &mut Function) -> Option<&mut FunctionArgumentList> {
    match &mut call.args {
        FunctionArguments::List(list) => Some(list),
        FunctionArguments::None | FunctionArguments::Subquery(_) => None,
    }
}

fn arguments(call: &mut Function) -> usize {
    list(call).map_or(0, |list| list.args.len())
}

fn argument(call: &mut Function, at: usize) -> Option<&mut Expr> {
    match list(call)?.args.get_mut(at)? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn rename(call: &mut Function, name: &str) {
    let ident = Ident::with_span(span(&call.name), name);
    call.name = ObjectName::from(vec![ident]);
}

fn unnamed(expr: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}

fn called(name: &str, args: Vec<FunctionArg>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn value(value: Value) -> Expr {
    Expr::Value(ValueWithSpan {
        value,
        span: Span::empty(),
    })
}

fn null() -> Expr {
    value(Value::Null)
}

fn text(text: &str) -> Expr {
    value(Value::SingleQuotedString(text.to_owned()))
}

fn is_text(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_),
            ..
        })
    )
}

/// `a % b`, which fails where PostgreSQL's fails.
fn rest(call: &mut Function) -> Option<Expr> {
    let left = argument(call, 0)?.clone();
    let right = argument(call, 1)?.clone();
    Some(Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(Expr::Nested(Box::new(left))),
        op: BinaryOperator::Modulo,
        right: Box::new(Expr::Nested(Box::new(right))),
    })))
}

/// A group around the whole pattern, so that all of the match is told.
fn grouped(call: &mut Function) {
    let Some(pattern) = argument(call, 1) else {
        return;
    };
    let joined = |left: Expr, right: Expr| Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::StringConcat,
        right: Box::new(right),
    };
    let inner = std::mem::replace(pattern, null());
    *pattern = joined(joined(text("("), Expr::Nested(Box::new(inner))), text(")"));
}

fn first_item(list: Expr) -> Expr {
    Expr::CompoundFieldAccess {
        root: Box::new(list),
        access_chain: vec![AccessExpr::Subscript(Subscript::Index {
            index: value(Value::Number("1".to_owned(), false)),
        })],
    }
}

/// PostgreSQL's pattern of a time as the engine's: the second argument.
fn time_pattern(call: &mut Function, name: &str, count: usize) -> Result<(), Problem> {
    let place = place_of("", span(&call.name).start);
    let literal = || {
        let message = format!("expected the pattern of {name} as a text");
        mistake(Code::Sql024, place.clone(), message)
            .hint(format!("such as {name}(…, 'YYYY-MM-DD HH24:MI:SS')"))
    };
    if count < 2 {
        return Err(literal());
    }
    let Some(Expr::Value(ValueWithSpan {
        value: Value::SingleQuotedString(pattern),
        ..
    })) = argument(call, 1)
    else {
        return Err(literal());
    };
    *pattern = functions::pattern(pattern).map_err(|found| {
        mistake(
            Code::Sql024,
            place.clone(),
            format!("pattern of {name} holds \"{found}\""),
        )
        .hint("YYYY YY MM DD DDD HH24 HH12 MI SS MS US Mon Month Dy Day IW AM; text in \"\"")
    })?;
    Ok(())
}
