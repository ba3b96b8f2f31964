//! Which rows an expression of MEASURES or DEFINE reads: `A.x`, `FIRST(A.x)`, `LAST(A.x)`, `PREV(x, n)`, and x
//! alone.

use std::ops::ControlFlow;

use mainstem_kernel::Problem;
use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Value, ValueWithSpan,
    VisitMut, VisitorMut,
};

use super::{PREV_MAX, Reach};
use crate::engine::{bare, folded};

/// A call that reads another row.
#[derive(Debug)]
pub(super) enum Call {
    /// PREV, FIRST or LAST of an expression over one row.
    Navigation(Reach, Expr),
    /// An aggregate over the rows of a symbol, or of all: its name and its argument.
    Aggregate(String, Option<usize>, Option<Expr>),
}

/// What makes a problem of what is not built: what, a hint, and the expression.
pub(super) type Refuse<'a> = dyn Fn(&str, &str, &Expr) -> Problem + 'a;

/// Symbols by their names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbols<'a>(pub(super) &'a [String]);

impl Symbols<'_> {
    fn find(self, name: &Ident) -> Option<usize> {
        let name = folded(name);
        self.0.iter().position(|symbol| *symbol == name)
    }

    /// A symbol and a column of its rows.
    pub(super) fn column(self, expr: &Expr) -> Option<(usize, Ident)> {
        match expr {
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [symbol, column] => Some((self.find(symbol)?, column.clone())),
                _ => None,
            },
            _ => None,
        }
    }

    /// The one symbol whose columns an expression reads, the symbols being taken off; `None` for columns
    /// of no symbol.
    fn only(self, expr: &mut Expr, refuse: &Refuse<'_>) -> Result<Option<usize>, Problem> {
        let mut taken = TakenOff {
            symbols: self,
            found: Vec::new(),
            bare: false,
        };
        let at = expr.clone();
        let _never = expr.visit(&mut taken);
        taken.found.dedup();
        match (taken.found.as_slice(), taken.bare) {
            ([], _) => Ok(None),
            ([only], false) => Ok(Some(*only)),
            _ => Err(refuse(
                "an expression over rows of several symbols in one call",
                "call FIRST or LAST for each: LAST(B.x) - FIRST(A.x)",
                &at,
            )),
        }
    }

    /// Reads a call; `None` if it is an ordinary function.
    pub(super) fn call(
        self,
        call: &Function,
        refuse: &Refuse<'_>,
    ) -> Result<Option<Call>, Problem> {
        let name = bare(&call.name).map(folded).unwrap_or_default();
        let at = Expr::Function(call.clone());
        let unbuilt = |what: &str, hint: &str| refuse(what, hint, &at);
        let FunctionArguments::List(list) = &call.args else {
            return Ok(None);
        };
        let is_plain = call.over.is_none()
            && call.filter.is_none()
            && list.duplicate_treatment.is_none()
            && list.clauses.is_empty();
        match name.as_str() {
            "prev" | "first" | "last" => {}
            "count" | "sum" | "avg" | "min" | "max" if is_plain => {
                return self.aggregate(name, &list.args, refuse, &at).map(Some);
            }
            "next" => {
                return Err(unbuilt(
                    "NEXT, which reads a row that is to come",
                    "compare in the symbol of that row: PREV(x)",
                ));
            }
            "classifier" | "match_number" => {
                return Err(unbuilt(
                    &format!("{}()", name.to_uppercase()),
                    "tell the columns that you need: A.x, LAST(B.y), count(C.*)",
                ));
            }
            _ => return Ok(None),
        }
        let (expr, rows) = match list.args.as_slice() {
            [only] => (expression(only), None),
            [expr, rows] => (expression(expr), Some(rows)),
            _ => (None, None),
        };
        let Some(mut expr) = expr.cloned() else {
            let hint = "write PREV(x), PREV(x, 2), FIRST(A.x) or LAST(A.x)";
            return Err(unbuilt(
                &format!("this form of {}", name.to_uppercase()),
                hint,
            ));
        };
        let symbol = self.only(&mut expr, refuse)?;
        let reach = match (name.as_str(), rows) {
            ("prev", rows) => {
                let back = rows.map_or(Some(1), number);
                let back = back.filter(|rows| (1..=PREV_MAX).contains(rows));
                let hint = "look back over 1 to 100 rows: PREV(x, 2)";
                Reach::Prev(back.ok_or_else(|| unbuilt("this form of PREV", hint))?)
            }
            ("first", None) => Reach::First(symbol),
            ("last", None) => Reach::Last(symbol),
            _ => {
                let what = format!("{} of a row that is counted", name.to_uppercase());
                return Err(unbuilt(&what, "leave the number out, or use PREV"));
            }
        };
        Ok(Some(Call::Navigation(reach, expr)))
    }

    fn aggregate(
        self,
        name: String,
        args: &[FunctionArg],
        refuse: &Refuse<'_>,
        at: &Expr,
    ) -> Result<Call, Problem> {
        match args {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] if name == "count" => {
                Ok(Call::Aggregate(name, None, None))
            }
            [FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(of))] if name == "count" => {
                let symbol = bare(of).and_then(|of| self.find(of));
                let unknown = || refuse("count of no symbol", "write count(A.*)", at);
                Ok(Call::Aggregate(
                    name,
                    Some(symbol.ok_or_else(unknown)?),
                    None,
                ))
            }
            [one] if let Some(expr) = expression(one) => {
                let mut expr = expr.clone();
                let symbol = self.only(&mut expr, refuse)?;
                Ok(Call::Aggregate(name, symbol, Some(expr)))
            }
            _ => Err(refuse(
                "this form of an aggregate",
                "write sum(A.x), count(A.*) or count(*)",
                at,
            )),
        }
    }
}

fn expression(arg: &FunctionArg) -> Option<&Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn number(arg: &FunctionArg) -> Option<u64> {
    match expression(arg)? {
        Expr::Value(ValueWithSpan {
            value: Value::Number(text, _),
            ..
        }) => text.parse().ok(),
        _ => None,
    }
}

/// Makes `A.x` an x.
struct TakenOff<'a> {
    symbols: Symbols<'a>,
    found: Vec<usize>,
    /// Whether a column of no symbol is read.
    bare: bool,
}

impl VisitorMut for TakenOff<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some((symbol, column)) = self.symbols.column(expr) {
            self.found.push(symbol);
            self.found.sort_unstable();
            *expr = Expr::Identifier(column);
        } else if matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
            self.bare = true;
        }
        ControlFlow::Continue(())
    }
}
