//! Calls of functions in Spark SQL: by the function table, but for those whose spelling depends on a
//! constant argument.

use datafusion::{
    arrow::datatypes::DataType,
    common::ScalarValue,
    logical_expr::Operator,
    physical_expr::{ScalarFunctionExpr, expressions::Literal},
};

use super::{Expr, Note, Scope, Spelled, Speller, Unspelled, template::Template, type_of, types};
use crate::functions::{self, Kind};

impl Speller {
    pub(super) fn call(&mut self, call: &ScalarFunctionExpr, scope: Scope<'_>) -> Spelled {
        match (call.fun().name(), call.args()) {
            ("checked_add", [left, right]) => self.checked(Operator::Plus, [left, right], scope),
            ("checked_subtract", [left, right]) => {
                self.checked(Operator::Minus, [left, right], scope)
            }
            ("checked_multiply", [left, right]) => {
                self.checked(Operator::Multiply, [left, right], scope)
            }
            ("checked_divide", [left, right]) => {
                self.checked(Operator::Divide, [left, right], scope)
            }
            ("checked_rest", [left, right]) => self.checked(Operator::Modulo, [left, right], scope),
            ("checked_negate", [arg]) => {
                self.notes.insert(Note::RowErrors);
                Ok(format!("(- {})", self.expr(arg, scope)?))
            }
            ("date_part", [unit, time]) => self.date_part(unit, time, (call, scope)),
            ("date_trunc", [unit, time]) => self.date_trunc(unit, time, scope),
            _ => self.by_table(call, scope),
        }
    }

    fn checked(&mut self, op: Operator, [left, right]: [&Expr; 2], scope: Scope<'_>) -> Spelled {
        let (ty, other) = (type_of(left, scope)?, type_of(right, scope)?);
        let (left, right) = (self.expr(left, scope)?, self.expr(right, scope)?);
        self.arithmetic_of(op, (&ty, &left), (&other, &right))
    }

    fn by_table(&mut self, call: &ScalarFunctionExpr, scope: Scope<'_>) -> Spelled {
        let name = call.fun().name();
        let template = template(call).ok_or_else(|| Unspelled::Function {
            name: name.to_owned(),
        })?;
        for arg in call.args() {
            let ty = type_of(arg, scope)?;
            if !template.takes(&ty) {
                let (name, ty) = (name.to_owned(), ty.to_string());
                return Err(Unspelled::Argument { name, ty });
            }
        }
        if template.rounds {
            self.notes.insert(Note::Rounds);
        }
        for (function, index, least, expected) in CONSTANTS {
            let arg = call.args().get(index).filter(|_| function == name);
            if arg.is_some_and(|arg| !is_constant(arg, least)) {
                let name = name.to_owned();
                return Err(Unspelled::Constant { name, expected });
            }
        }
        let text = template.call(&self.all(call.args(), scope)?);
        let text = text.ok_or_else(|| Unspelled::Function {
            name: name.to_owned(),
        })?;
        if text.contains("raise_error(") {
            self.notes.insert(Note::RowErrors);
        }
        // Numbers come in other widths there.
        Ok(match types::plain(call.return_type()) {
            ty if ty.is_numeric() => format!("CAST({text} AS {})", types::of(&ty)?),
            _ => text,
        })
    }

    fn date_part(
        &mut self,
        unit: &Expr,
        time: &Expr,
        (call, scope): (&ScalarFunctionExpr, Scope<'_>),
    ) -> Spelled {
        let ty = type_of(time, scope)?;
        let value = self.expr(time, scope)?;
        let is_time = matches!(ty, DataType::Timestamp(..));
        let unit = constant(unit).unwrap_or_default().to_ascii_lowercase();
        let text = match unit.as_str() {
            "year" | "month" | "quarter" | "day" => format!("{unit}({value})"),
            "week" => format!("weekofyear({value})"),
            "doy" => format!("dayofyear({value})"),
            "dow" => format!("(dayofweek({value}) - 1)"),
            "hour" | "minute" | "second" if is_time => format!("{unit}({value})"),
            "epoch" if is_time => format!("(CAST(unix_micros({value}) AS DOUBLE) / 1000000D)"),
            _ => {
                return Err(Unspelled::Function {
                    name: format!("date_part of \"{unit}\""),
                });
            }
        };
        Ok(format!(
            "CAST({text} AS {})",
            types::of(call.return_type())?
        ))
    }

    fn date_trunc(&mut self, unit: &Expr, time: &Expr, scope: Scope<'_>) -> Spelled {
        let unit = constant(unit).unwrap_or_default().to_ascii_uppercase();
        let is_known = [
            "MICROSECOND",
            "MILLISECOND",
            "SECOND",
            "MINUTE",
            "HOUR",
            "DAY",
            "WEEK",
            "MONTH",
            "QUARTER",
            "YEAR",
        ]
        .contains(&unit.as_str());
        let ty = type_of(time, scope)?;
        match (is_known, &ty) {
            (true, DataType::Timestamp(..)) => {
                types::of(&ty)?;
                Ok(format!("date_trunc('{unit}', {})", self.expr(time, scope)?))
            }
            _ => Err(Unspelled::Function {
                name: format!("date_trunc of \"{}\" of {ty}", unit.to_ascii_lowercase()),
            }),
        }
    }
}

/// Arguments that are taken alike only as constants: function, place of the argument, the least
/// that a number is or a text is long, and that in words.
const CONSTANTS: [(&str, usize, i64, &str); 11] = [
    ("substr", 1, 1, "a constant place above 0"),
    ("substr", 2, 0, "a constant length that is not negative"),
    ("left", 1, 0, "a constant number that is not negative"),
    ("right", 1, 0, "a constant number that is not negative"),
    ("lpad", 1, 0, "a constant length that is not negative"),
    ("rpad", 1, 0, "a constant length that is not negative"),
    (
        "replace",
        1,
        1,
        "a constant text to replace that is not empty",
    ),
    (
        "split_part",
        1,
        1,
        "a constant text between that is not empty",
    ),
    ("split_part", 2, 1, "a constant number above 0"),
    ("overlay", 2, 1, "a constant place above 0"),
    ("overlay", 3, 0, "a constant length that is not negative"),
];

/// Whether it is a constant number of at least so much, or a constant text of at least that length.
fn is_constant(expr: &Expr, least: i64) -> bool {
    let Some(literal) = expr.downcast_ref::<Literal>() else {
        return false;
    };
    match literal.value() {
        ScalarValue::Int64(Some(number)) => *number >= least,
        ScalarValue::Int32(Some(number)) => i64::from(*number) >= least,
        _ => constant(expr).is_some_and(|text| !text.is_empty() || least == 0),
    }
}

/// The text of a constant argument.
fn constant(expr: &Expr) -> Option<String> {
    match expr.downcast_ref::<Literal>()?.value() {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => {
            text.clone()
        }
        _ => None,
    }
}

/// The spelling of a function that the engine may know under several names.
fn template(call: &ScalarFunctionExpr) -> Option<Template> {
    let (name, aliases) = (call.fun().name(), call.fun().aliases());
    let mut rows = functions::table().iter().filter(|row| {
        row.kind == Kind::Scalar
            && (row.engine == name || aliases.iter().any(|alias| alias == row.engine))
    });
    // All names of one function are spelled alike.
    rows.find_map(|row| row.spark).map(Template::new)
}
