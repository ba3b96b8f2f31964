//! DEFINE: what has to hold of a row that a symbol takes, in parts that AND joins. Each part is of the row alone,
//! compares a value of it with one of another row, or is of one other row alone.

use std::ops::ControlFlow;

use mainstem_kernel::Problem;
use sqlparser::ast::{BinaryOperator, Expr, Ident, Value, ValueWithSpan, VisitMut, VisitorMut};

use super::{
    Compared, Reach, Symbol, Way,
    reads::{Call, Refuse, Symbols},
};

/// The arguments of a pattern's function, each once.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub(super) flags: Vec<Expr>,
    pub(super) values: Vec<Expr>,
}

impl Arguments {
    /// The number of a value.
    pub(super) fn value(&mut self, expr: Expr) -> usize {
        put(&mut self.values, expr)
    }
}

fn put(all: &mut Vec<Expr>, expr: Expr) -> usize {
    let known = all.iter().position(|known| *known == expr);
    known.unwrap_or_else(|| {
        all.push(expr);
        all.len().saturating_sub(1)
    })
}

/// A part of a condition.
struct Part {
    /// With names instead of what is read of other rows.
    expr: Expr,
    /// Whether it reads the row itself.
    current: bool,
    /// What it reads of other rows.
    others: Vec<(Reach, Expr)>,
}

/// What has to hold of the rows of a symbol.
///
/// # Errors
/// A part that reads several rows in another way.
pub(super) fn symbol(
    (own, definition): (usize, Option<&Expr>),
    symbols: Symbols<'_>,
    arguments: &mut Arguments,
    refuse: &Refuse<'_>,
) -> Result<Symbol, Problem> {
    let mut symbol = Symbol {
        flag: None,
        compared: Vec::new(),
    };
    let mut alone: Option<Expr> = None;
    for expr in definition.into_iter().flat_map(parts) {
        let part = part(expr, own, symbols, refuse)?;
        if part.others.is_empty() {
            alone = Some(match alone {
                None => part.expr,
                Some(before) => both(before, part.expr),
            });
            continue;
        }
        symbol
            .compared
            .push(compared(expr, part, (own, symbols), arguments, refuse)?);
    }
    symbol.flag = alone.map(|flag| put(&mut arguments.flags, flag));
    Ok(symbol)
}

fn both(left: Expr, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::And,
        right: Box::new(right),
    }
}

fn parts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => {
            let mut all = parts(left);
            all.extend(parts(right));
            all
        }
        Expr::Nested(inner)
            if matches!(
                **inner,
                Expr::BinaryOp {
                    op: BinaryOperator::And,
                    ..
                }
            ) =>
        {
            parts(inner)
        }
        other => vec![other],
    }
}

fn compared(
    written: &Expr,
    whole: Part,
    (own, symbols): (usize, Symbols<'_>),
    arguments: &mut Arguments,
    refuse: &Refuse<'_>,
) -> Result<Compared, Problem> {
    if !whole.current
        && let Some(with) = one(&whole)
    {
        return Ok(Compared {
            value: arguments.value(truth()),
            way: Way::Equal,
            with,
            other: arguments.value(filled(whole)),
        });
    }
    let unbuilt = || {
        refuse(
            "a condition that mixes values of several rows",
            "put what is of the row itself on one side, and what is of one other row on the other: \
             price > LAST(A.price) * 2",
            written,
        )
    };
    let Some((left, way, right)) = sides(written) else {
        return Err(unbuilt());
    };
    let left = part(left, own, symbols, refuse)?;
    let right = part(right, own, symbols, refuse)?;
    let (mine, way, other) = match (one(&left), one(&right)) {
        (None, Some(_)) if left.others.is_empty() && !right.current => (left, way, right),
        (Some(_), None) if right.others.is_empty() && !left.current => (right, turned(way), left),
        _ => return Err(unbuilt()),
    };
    let with = one(&other).ok_or_else(unbuilt)?;
    let (mine, other) = (mine.expr, filled(other));
    Ok(Compared {
        value: arguments.value(alike(&mine, &other)),
        way,
        with,
        other: arguments.value(alike(&other, &mine)),
    })
}

/// The one other row that is read.
fn one(part: &Part) -> Option<Reach> {
    let (first, rest) = part.others.split_first()?;
    rest.iter()
        .all(|(reach, _)| *reach == first.0)
        .then_some(first.0)
}

/// The two sides of a comparison.
fn sides(expr: &Expr) -> Option<(&Expr, Way, &Expr)> {
    let (left, op, right) = match expr {
        Expr::BinaryOp { left, op, right } => (left, op, right),
        Expr::Nested(inner) => return sides(inner),
        _ => return None,
    };
    let way = match op {
        BinaryOperator::Eq => Way::Equal,
        BinaryOperator::NotEq => Way::Different,
        BinaryOperator::Lt => Way::Less,
        BinaryOperator::LtEq => Way::LessOrEqual,
        BinaryOperator::Gt => Way::Greater,
        BinaryOperator::GtEq => Way::GreaterOrEqual,
        _ => return None,
    };
    Some((left, way, right))
}

const fn turned(way: Way) -> Way {
    match way {
        Way::Equal => Way::Equal,
        Way::Different => Way::Different,
        Way::Less => Way::Greater,
        Way::LessOrEqual => Way::GreaterOrEqual,
        Way::Greater => Way::Less,
        Way::GreaterOrEqual => Way::LessOrEqual,
    }
}

fn truth() -> Expr {
    Expr::Value(ValueWithSpan::from(Value::Boolean(true)))
}

/// An expression in the type that it has beside another one.
fn alike(expr: &Expr, other: &Expr) -> Expr {
    Expr::Case {
        case_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
        end_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
        operand: None,
        conditions: vec![sqlparser::ast::CaseWhen {
            condition: truth(),
            result: expr.clone(),
        }],
        else_result: Some(Box::new(other.clone())),
    }
}

/// Reads a part.
fn part(
    expr: &Expr,
    own: usize,
    symbols: Symbols<'_>,
    refuse: &Refuse<'_>,
) -> Result<Part, Problem> {
    let mut reading = Reading {
        own,
        symbols,
        refuse,
        part: Part {
            expr: expr.clone(),
            current: false,
            others: Vec::new(),
        },
    };
    let mut read = expr.clone();
    match VisitMut::visit(&mut read, &mut reading) {
        ControlFlow::Break(problem) => Err(problem),
        ControlFlow::Continue(()) => Ok(Part {
            expr: read,
            ..reading.part
        }),
    }
}

/// Begins the names that stand for values of other rows.
const OTHER: &str = "_other";

struct Reading<'a> {
    own: usize,
    symbols: Symbols<'a>,
    refuse: &'a Refuse<'a>,
    part: Part,
}

impl Reading<'_> {
    fn other(&mut self, reach: Reach, inner: Expr) -> Expr {
        let name = format!("{OTHER}{}", self.part.others.len());
        self.part.others.push((reach, inner));
        Expr::Identifier(Ident::new(name))
    }
}

impl VisitorMut for Reading<'_> {
    type Break = Problem;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Problem> {
        if let Some((symbol, column)) = self.symbols.column(expr) {
            let column = Expr::Identifier(column);
            if symbol == self.own {
                self.part.current = true;
                *expr = column;
            } else {
                *expr = self.other(Reach::Last(Some(symbol)), column);
            }
            return ControlFlow::Continue(());
        }
        match expr {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => self.part.current = true,
            Expr::Function(call) => match self.symbols.call(call, self.refuse) {
                Err(problem) => return ControlFlow::Break(problem),
                Ok(None) => {}
                Ok(Some(Call::Aggregate(..))) => {
                    let what = "an aggregate in DEFINE";
                    let hint = "tell it in MEASURES, and filter the matches by it";
                    return ControlFlow::Break((self.refuse)(what, hint, expr));
                }
                Ok(Some(Call::Navigation(reach, inner))) => {
                    let is_own = reach == Reach::Last(None) || reach == Reach::Last(Some(self.own));
                    if is_own {
                        // The row itself is the last one.
                        self.part.current = true;
                        *expr = Expr::Nested(Box::new(inner));
                    } else {
                        *expr = self.other(reach, inner);
                    }
                }
            },
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// A part over the other row itself.
fn filled(part: Part) -> Expr {
    let mut expr = part.expr;
    let _never = sqlparser::ast::visit_expressions_mut(&mut expr, |expr| {
        let number = match expr {
            Expr::Identifier(name) => name.value.strip_prefix(OTHER),
            _ => None,
        };
        let number = number.and_then(|number| number.parse::<usize>().ok());
        if let Some((_, inner)) = number.and_then(|number| part.others.get(number)) {
            *expr = Expr::Nested(Box::new(inner.clone()));
        }
        ControlFlow::<()>::Continue(())
    });
    expr
}
