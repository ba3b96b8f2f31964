//! MEASURES: what is told of a match, as values of the row that ends it and of the function's answer.

use std::{mem, ops::ControlFlow};

use mainstem_kernel::Problem;
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, Measure,
    ObjectName, SelectItem, Value, ValueWithSpan, VisitMut, VisitorMut,
};

use super::{
    Reach, Told, VALUE,
    answer::FUNCTIONS,
    define::Arguments,
    reads::{Call, Refuse, Symbols},
};

/// What the rows of matches are made of.
pub(super) struct Measuring<'a> {
    pub(super) symbols: Symbols<'a>,
    /// The symbol of the last row of every match, if it is always the same.
    pub(super) last: Option<usize>,
    pub(super) arguments: Arguments,
    pub(super) told: Vec<Told>,
    /// How each is written.
    pub(super) labels: Vec<String>,
    /// What is told of the row that ends a match.
    pub(super) now: Vec<Expr>,
    /// Columns of it that are told as they are; those of the key, too.
    pub(super) columns: Vec<Expr>,
    pub(super) refuse: &'a Refuse<'a>,
}

impl Measuring<'_> {
    /// A column of the rows of matches.
    ///
    /// # Errors
    /// What is not built.
    pub(super) fn measure(&mut self, measure: &Measure) -> Result<SelectItem, Problem> {
        let mut expr = measure.expr.clone();
        match VisitMut::visit(&mut expr, self) {
            ControlFlow::Break(problem) => Err(problem),
            ControlFlow::Continue(()) => Ok(SelectItem::ExprWithAlias {
                expr,
                alias: measure.alias.clone(),
            }),
        }
    }

    /// A value of the row that ends the match.
    fn now(&mut self, expr: Expr) -> Expr {
        if matches!(expr, Expr::Identifier(_)) {
            if !self.columns.contains(&expr) {
                self.columns.push(expr.clone());
            }
            return expr;
        }
        let known = self.now.iter().position(|known| *known == expr);
        let at = known.unwrap_or_else(|| {
            self.now.push(expr);
            self.now.len().saturating_sub(1)
        });
        Expr::Identifier(Ident::new(format!("_now{at}")))
    }

    /// A value of the row that is reached.
    fn reached(&mut self, written: &str, reach: Reach, expr: Expr) -> Result<Expr, Problem> {
        match reach {
            Reach::Last(None) => Ok(self.now(expr)),
            Reach::Last(symbol) if symbol == self.last => Ok(self.now(expr)),
            Reach::Prev(_) => {
                let hint = "tell the row's own values: LAST(A.x), FIRST(A.x)";
                Err((self.refuse)("PREV in MEASURES", hint, &expr))
            }
            _ => {
                let value = self.arguments.value(expr);
                Ok(self.told(written, Told::One(reach, value)))
            }
        }
    }

    fn aggregate(
        &mut self,
        written: &str,
        (name, symbol, expr): (String, Option<usize>, Option<Expr>),
    ) -> Expr {
        let value = expr.map(|expr| self.arguments.value(expr));
        match (name.as_str(), value) {
            (name, Some(value)) if FUNCTIONS.contains(&name) => {
                self.told(written, Told::Aggregate(name.to_owned(), symbol, value))
            }
            (_, value) => self.told(written, Told::Count(symbol, value)),
        }
    }

    /// What takes it out of the function's answer.
    fn told(&mut self, written: &str, told: Told) -> Expr {
        let known = self.told.iter().position(|known| *known == told);
        let at = known.unwrap_or_else(|| {
            let at = self.told.len();
            let is_known = self.labels.iter().any(|label| label == written);
            self.labels.push(match is_known {
                true => format!("{written} {at}"),
                false => written.to_owned(),
            });
            self.told.push(told);
            at
        });
        let name = self.labels.get(at).cloned().unwrap_or_default();
        let name = Value::SingleQuotedString(name);
        let args = [
            Expr::Identifier(Ident::new("_match")),
            Expr::Value(ValueWithSpan::from(name)),
        ];
        let mut call = sqlparser::ast::Function {
            name: ObjectName::from(vec![Ident::new(VALUE)]),
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args: FunctionArguments::None,
            filter: None,
            null_treatment: None,
            over: None,
            within_group: Vec::new(),
        };
        call.args = FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args
                .map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)))
                .to_vec(),
            clauses: Vec::new(),
        });
        Expr::Function(call)
    }
}

impl VisitorMut for Measuring<'_> {
    type Break = Problem;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Problem> {
        let written = expr.to_string();
        let made = if let Some((symbol, column)) = self.symbols.column(expr) {
            self.reached(
                &written,
                Reach::Last(Some(symbol)),
                Expr::Identifier(column),
            )
        } else {
            match expr {
                // What is made here.
                Expr::Identifier(name) if name.value.starts_with("_match") => {
                    return ControlFlow::Continue(());
                }
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
                    let column = mem::replace(expr, Expr::Identifier(Ident::new("_")));
                    Ok(self.now(column))
                }
                Expr::Function(call) => match self.symbols.call(call, self.refuse) {
                    Ok(None) => return ControlFlow::Continue(()),
                    Ok(Some(Call::Navigation(reach, inner))) => {
                        self.reached(&written, reach, inner)
                    }
                    Ok(Some(Call::Aggregate(name, symbol, inner))) => {
                        Ok(self.aggregate(&written, (name, symbol, inner)))
                    }
                    Err(problem) => Err(problem),
                },
                _ => return ControlFlow::Continue(()),
            }
        };
        match made {
            Ok(made) => {
                *expr = made;
                ControlFlow::Continue(())
            }
            Err(problem) => ControlFlow::Break(problem),
        }
    }
}
