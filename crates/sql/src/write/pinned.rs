//! The row that a condition pins by its whole key. To plan `id = 'a'` for each id anew costs more
//! than to write the row, and it is known without: what is left of the condition is the same text
//! for every row, and planned once.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int16Array, Int32Array, Int64Array, StringArray};
use mainstem_kernel::ColumnType;
use sqlparser::ast::{BinaryOperator, Expr, Ident, Value, ValueWithSpan};

use super::target::Target;
use crate::engine::folded;

/// A condition without what pins the row.
#[derive(Debug)]
pub(super) struct Pinned {
    /// The key's columns, in the order of the key: one row.
    pub(super) key: Vec<ArrayRef>,
    /// What else must be true.
    pub(super) rest: Option<Expr>,
}

impl Pinned {
    /// `None` unless the condition compares each column of the key with a plain literal, each of
    /// which must hold.
    pub(super) fn of(condition: &Expr, target: &Target) -> Option<Self> {
        let mut key: Vec<Option<ArrayRef>> = vec![None; target.columns.key.len()];
        let mut rest: Option<Expr> = None;
        for part in parts(condition) {
            let slot = compared(part, target);
            match slot.and_then(|(at, value)| Some((key.get_mut(at)?, value))) {
                Some((slot @ None, value)) => *slot = Some(value),
                _ => rest = Some(and(rest, part.clone())),
            }
        }
        let key = key.into_iter().collect::<Option<_>>()?;
        Some(Self { key, rest })
    }
}

/// What all must be true, in the order in which it is written.
fn parts(condition: &Expr) -> Vec<&Expr> {
    match condition {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => [parts(left), parts(right)].concat(),
        Expr::Nested(inner) => parts(inner),
        part => vec![part],
    }
}

fn and(before: Option<Expr>, part: Expr) -> Expr {
    match before {
        None => part,
        Some(before) => Expr::BinaryOp {
            left: Box::new(before),
            op: BinaryOperator::And,
            right: Box::new(Expr::Nested(Box::new(part))),
        },
    }
}

/// The place in the key of a column that is compared with a literal, and the literal.
fn compared(part: &Expr, target: &Target) -> Option<(usize, ArrayRef)> {
    let Expr::BinaryOp {
        left,
        op: BinaryOperator::Eq,
        right,
    } = part
    else {
        return None;
    };
    let (ident, value) = match (named(left, target), named(right, target)) {
        (Some(ident), None) => (ident, right),
        (None, Some(ident)) => (ident, left),
        _ => return None,
    };
    let place = target.column(ident).ok()?;
    let at = target.columns.key.iter().position(|key| *key == place)?;
    let value = literal(value, &target.declared(place)?.ty)?;
    Some((at, value))
}

/// The column that an expression is.
fn named<'a>(expr: &'a Expr, target: &Target) -> Option<&'a Ident> {
    match expr {
        Expr::Identifier(ident) => Some(ident),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [table, ident] if folded(table) == target.alias => Some(ident),
            _ => None,
        },
        _ => None,
    }
}

/// A literal as a column keeps it, where comparing with it is to be the same value.
fn literal(value: &Expr, ty: &ColumnType) -> Option<ArrayRef> {
    let Expr::Value(ValueWithSpan { value, .. }) = value else {
        return None;
    };
    match (ty, value) {
        (ColumnType::Text, Value::SingleQuotedString(text)) => {
            Some(Arc::new(StringArray::from_iter_values([text])))
        }
        (ColumnType::SmallInt, Value::Number(digits, _)) => {
            Some(Arc::new(Int16Array::from_iter_values([digits
                .parse()
                .ok()?])))
        }
        (ColumnType::Integer, Value::Number(digits, _)) => {
            Some(Arc::new(Int32Array::from_iter_values([digits
                .parse()
                .ok()?])))
        }
        (ColumnType::BigInt, Value::Number(digits, _)) => {
            Some(Arc::new(Int64Array::from_iter_values([digits
                .parse()
                .ok()?])))
        }
        _ => None,
    }
}
