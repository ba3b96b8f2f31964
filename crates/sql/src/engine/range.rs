//! Which part of the log's order a question can see: read from its filters on `_seq` and on
//! `arrival_time(_seq)`. It may be wider than the filters, never narrower.

use datafusion::{
    common::ScalarValue,
    logical_expr::{Between, BinaryExpr, Expr, Operator},
};
use mainstem_kernel::{Seq, types::SEQ_COLUMN};

use crate::functions::ARRIVAL_TIME;

/// Seqs above `after` and up to `through`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeqRange {
    pub(crate) after: Seq,
    pub(crate) through: Seq,
}

impl SeqRange {
    /// Everything up to the frontier.
    pub(crate) const fn up_to(frontier: Seq) -> Self {
        Self {
            after: Seq::ZERO,
            through: frontier,
        }
    }

    /// What filters, which all must hold, leave of it.
    pub(crate) fn narrowed<'a>(self, filters: impl IntoIterator<Item = &'a Expr>) -> Self {
        filters
            .into_iter()
            .fold(self, |range, filter| range.by(filter))
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(self) -> bool {
        self.after >= self.through
    }

    /// Whether a file with these bounds can have rows in it.
    pub(crate) fn touches(self, first: Seq, last: Seq) -> bool {
        last > self.after && first <= self.through
    }

    /// Whether a file with these bounds can have rows in it and others that are not.
    pub(crate) fn cuts(self, first: Seq, last: Seq) -> bool {
        self.touches(first, last) && !(first > self.after && last <= self.through)
    }

    fn by(self, filter: &Expr) -> Self {
        match filter {
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::And,
                right,
            }) => self.by(left).by(right),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                if let (Some(kind), Some(value)) = (measured(left), literal(right)) {
                    self.compared(kind, *op, value)
                } else if let (Some(value), Some(kind), Some(op)) =
                    (literal(left), measured(right), op.swap())
                {
                    self.compared(kind, op, value)
                } else {
                    self
                }
            }
            Expr::Between(Between {
                expr,
                negated: false,
                low,
                high,
            }) => match measured(expr) {
                Some(kind) => {
                    let low = literal(low).map(|v| (Operator::GtEq, v));
                    let high = literal(high).map(|v| (Operator::LtEq, v));
                    let bounds = low.into_iter().chain(high);
                    bounds.fold(self, |range, (op, value)| range.compared(kind, op, value))
                }
                None => self,
            },
            _ => self,
        }
    }

    fn compared(self, kind: Measured, op: Operator, value: &ScalarValue) -> Self {
        let Some((least, most)) = kind.seqs(value) else {
            return self;
        };
        let floor = |range: Self| Self {
            after: range.after.max(Seq(least.0.saturating_sub(1))),
            ..range
        };
        let roof = |range: Self| Self {
            through: range.through.min(most),
            ..range
        };
        match op {
            Operator::Eq => roof(floor(self)),
            Operator::Gt | Operator::GtEq => floor(self),
            Operator::Lt | Operator::LtEq => roof(self),
            _ => self,
        }
    }
}

/// What is compared: the seq itself, or the arrival time in it.
#[derive(Clone, Copy, Debug)]
enum Measured {
    Seq,
    Arrival,
}

impl Measured {
    /// The least and the greatest seq that measure as this value or border on it.
    fn seqs(self, value: &ScalarValue) -> Option<(Seq, Seq)> {
        match self {
            Self::Seq => {
                let seq = match value {
                    ScalarValue::Int64(Some(seq)) => *seq,
                    _ => match value
                        .cast_to(&datafusion::arrow::datatypes::DataType::Int64)
                        .ok()?
                    {
                        ScalarValue::Int64(Some(seq)) => seq,
                        _ => return None,
                    },
                };
                Some((Seq::from_i64(seq), Seq::from_i64(seq)))
            }
            Self::Arrival => {
                let millis = match value {
                    ScalarValue::TimestampSecond(Some(t), _) => t.checked_mul(1_000)?,
                    ScalarValue::TimestampMillisecond(Some(t), _) => *t,
                    ScalarValue::TimestampMicrosecond(Some(t), _) => t.div_euclid(1_000),
                    ScalarValue::TimestampNanosecond(Some(t), _) => t.div_euclid(1_000_000),
                    _ => return None,
                };
                let millis = u64::try_from(millis).unwrap_or(0).min(1 << 47);
                let next = Seq::from_millis(millis.saturating_add(1));
                Some((Seq::from_millis(millis), Seq(next.0.saturating_sub(1))))
            }
        }
    }
}

fn measured(expr: &Expr) -> Option<Measured> {
    match expr {
        Expr::Column(column) if column.name() == SEQ_COLUMN => Some(Measured::Seq),
        Expr::ScalarFunction(call) if call.name() == ARRIVAL_TIME => match call.args.as_slice() {
            [argument] => {
                matches!(measured(argument), Some(Measured::Seq)).then_some(Measured::Arrival)
            }
            _ => None,
        },
        _ => None,
    }
}

fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) if !value.is_null() => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, lit};

    use super::*;

    fn check(filter: Expr, after: u64, through: u64) {
        let range = SeqRange::up_to(Seq(1_000)).narrowed([&filter]);
        assert_eq!(
            (range.after.0, range.through.0),
            (after, through),
            "{filter}"
        );
    }

    #[test]
    fn takes_bounds_from_comparisons_and_nothing_else() {
        check(col("_seq").gt(lit(10_i64)), 9, 1_000);
        check(lit(10_i64).gt_eq(col("_seq")), 0, 10);
        check(
            col("_seq")
                .gt(lit(5_i64))
                .and(col("_seq").lt_eq(lit(7_i64))),
            4,
            7,
        );
        check(col("_seq").between(lit(5_i64), lit(7_i64)), 4, 7);
        check(col("_seq").not_eq(lit(5_i64)), 0, 1_000);
        check(
            col("_seq").gt(lit(5_i64)).or(col("x").gt(lit(7_i64))),
            0,
            1_000,
        );
        check(col("x").eq(lit(5_i64)), 0, 1_000);
    }
}
