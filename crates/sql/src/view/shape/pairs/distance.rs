//! How far apart two event times may be, as conditions say it. Pure.

use datafusion::{
    common::{DFSchema, ScalarValue},
    logical_expr::{BinaryExpr, Expr, Operator},
};

const DAY_US: i64 = 86_400_000_000;

/// A column of the join, so many µs later.
pub(super) struct Term {
    pub(super) index: usize,
    pub(super) plus_us: i64,
}

/// What is known of (time of right − time of left), in µs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Distance {
    pub(super) least: Option<i64>,
    pub(super) most: Option<i64>,
}

impl Distance {
    pub(super) fn at_least(&mut self, us: i64) {
        self.least = self.least.max(Some(us));
    }

    pub(super) fn at_most(&mut self, us: i64) {
        self.most = Some(self.most.map_or(us, |most| most.min(us)));
    }
}

/// A column, perhaps with a span added or taken off.
pub(super) fn term(expr: &Expr, schema: &DFSchema) -> Option<Term> {
    match expr {
        Expr::Column(column) => Some(Term {
            index: schema.index_of_column(column).ok()?,
            plus_us: 0,
        }),
        Expr::Alias(alias) => term(&alias.expr, schema),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (of, span, sign) = match (op, span(left), span(right)) {
                (Operator::Plus, None, Some(span)) => (left, span, 1),
                (Operator::Plus, Some(span), None) => (right, span, 1),
                (Operator::Minus, None, Some(span)) => (left, span, -1),
                _ => return None,
            };
            let Term { index, plus_us } = term(of, schema)?;
            let plus_us = plus_us.checked_add(span.checked_mul(sign)?)?;
            Some(Term { index, plus_us })
        }
        _ => None,
    }
}

/// A constant span of time that is always as long, in µs.
fn span(expr: &Expr) -> Option<i64> {
    let Expr::Literal(value, _) = expr else {
        return None;
    };
    let (days, nanoseconds) = match value {
        ScalarValue::IntervalMonthDayNano(Some(span)) if span.months == 0 => {
            (span.days, span.nanoseconds)
        }
        ScalarValue::IntervalDayTime(Some(span)) => (
            span.days,
            i64::from(span.milliseconds).checked_mul(1_000_000)?,
        ),
        _ => return None,
    };
    let days = i64::from(days).checked_mul(DAY_US)?;
    days.checked_add(nanoseconds.div_euclid(1_000))
}
