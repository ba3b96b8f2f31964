//! What a grouping computes as figures of a key's rows: its calls over columns that hold what they count of a
//! row, and NULL where a row does not count; and its columns as expressions over the figures.

use std::ops::ControlFlow;

use mainstem_kernel::{ColumnType, Place, Problem};
use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    VisitMut, VisitorMut,
};

use super::{
    super::{names::expression, refuse},
    LookedUp,
    grouping::refused,
};
use crate::engine::{bare, folded};

/// A column of what is read: its name, and what it holds of a row of the view's source.
#[derive(Clone, Debug)]
pub(super) struct Argument {
    pub(super) name: String,
    pub(super) text: String,
}

/// Calls and what they read, as they are found.
#[derive(Debug)]
pub(super) struct Figures<'a> {
    of: &'a LookedUp,
    place: &'a Place,
    /// What a row has to be for the view to read it; said only where rows of the view's source are events, too.
    counts: Option<String>,
    /// What is grouped by, and what stands for it.
    keys: Vec<(String, Expr)>,
    pub(super) arguments: Vec<Argument>,
    /// Without OVER.
    pub(super) calls: Vec<String>,
    problem: Option<Problem>,
}

impl<'a> Figures<'a> {
    pub(super) fn new(
        (of, place): (&'a LookedUp, &'a Place),
        counts: Option<String>,
        keys: Vec<(String, Expr)>,
    ) -> Self {
        let mut figures = Self {
            of,
            place,
            counts,
            keys,
            arguments: Vec::new(),
            calls: Vec::new(),
            problem: None,
        };
        let rows = of.rows_name();
        let text = figures.counted("TRUE", None);
        let argument = Argument {
            name: rows.clone(),
            text,
        };
        figures.arguments.push(argument);
        figures
            .calls
            .push(format!("count({})", Ident::with_quote('"', rows)));
        figures
    }

    /// The name of a figure.
    pub(super) fn name(of: &LookedUp, number: usize) -> Ident {
        Ident::with_quote('"', format!("{} figure {number}", of.name))
    }

    /// An expression of the view over figures and keys.
    ///
    /// # Errors
    /// What it calls that figures do not have.
    pub(super) fn over(&mut self, expr: &Expr) -> Result<Expr, Problem> {
        let mut expr = expr.clone();
        let _broken = expr.visit(self);
        match self.problem.take() {
            Some(problem) => Err(problem),
            None => Ok(expr),
        }
    }

    fn counted(&self, text: &str, filter: Option<&Expr>) -> String {
        let filter = filter.map(ToString::to_string);
        let conditions: Vec<String> = self
            .counts
            .iter()
            .cloned()
            .chain(filter)
            .map(|condition| format!("({condition})"))
            .collect();
        match conditions.is_empty() {
            true => text.to_owned(),
            false => format!("CASE WHEN {} THEN {text} END", conditions.join(" AND ")),
        }
    }

    /// The column that holds what a call counts of a row.
    fn argument(&mut self, arg: Option<&Expr>, filter: Option<&Expr>) -> String {
        let shown = match arg {
            Some(arg) => arg.to_string(),
            None => "*".to_owned(),
        };
        let shown = shown.replace('"', "");
        let text = match arg {
            Some(arg) => self.counted(&format!("({arg})"), filter),
            None => self.counted("TRUE", filter),
        };
        if let Some(known) = self.arguments.iter().find(|known| known.text == text) {
            return known.name.clone();
        }
        let last = shown
            .rsplit_once('.')
            .map_or(shown.as_str(), |(_, last)| last);
        let is_plain = matches!(arg, Some(Expr::CompoundIdentifier(_)) | None) && filter.is_none();
        let name = match is_plain {
            true => format!("{}.{last}", self.of.name),
            false => format!("{} value {}", self.of.name, self.arguments.len()),
        };
        self.arguments.push(Argument {
            name: name.clone(),
            text,
        });
        name
    }

    fn call(&mut self, call: &Function) -> Result<Expr, Problem> {
        let name = bare(&call.name).map(folded).unwrap_or_default();
        let told = (self.of, self.place);
        let refused = |what: String, hint: &str| refused(told, &what, hint);
        let FunctionArguments::List(list) = &call.args else {
            return Err(refused(format!("calls {name} like this"), PLAIN));
        };
        if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) {
            return Err(refused(
                format!("computes {name}(DISTINCT …)"),
                "count with approx_distinct(value) in that view",
            ));
        }
        let is_odd = !list.clauses.is_empty()
            || !call.within_group.is_empty()
            || call.null_treatment.is_some()
            || call.over.is_some()
            || !matches!(call.parameters, FunctionArguments::None);
        if is_odd {
            return Err(refused(format!("calls {name} like this"), PLAIN));
        }
        // Of a choice, rows without order do not count.
        let counted = match name.as_str() {
            "min_by" | "max_by" => 2,
            _ => 1,
        };
        let filter = call.filter.as_deref();
        let mut args = Vec::with_capacity(list.args.len());
        for (at, arg) in list.args.iter().enumerate() {
            args.push(match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => {
                    let name = self.argument(None, filter);
                    Ident::with_quote('"', name).to_string()
                }
                FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) if at < counted => {
                    let name = self.argument(Some(arg), filter);
                    Ident::with_quote('"', name).to_string()
                }
                FunctionArg::Unnamed(FunctionArgExpr::Expr(constant)) => constant.to_string(),
                _ => return Err(refused(format!("calls {name} like this"), PLAIN)),
            });
        }
        let text = format!("{}({})", call.name, args.join(", "));
        let known = self.calls.iter().position(|known| *known == text);
        let number = known.unwrap_or_else(|| {
            self.calls.push(text);
            self.calls.len().saturating_sub(1)
        });
        Ok(Expr::Identifier(Self::name(self.of, number)))
    }
}

const PLAIN: &str = "write it as function(value) in that view";

impl VisitorMut for Figures<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let text = expr.to_string();
        if let Some((_, key)) = self.keys.iter().find(|(known, _)| *known == text) {
            *expr = key.clone();
            return ControlFlow::Continue(());
        }
        let found = match expr {
            Expr::Function(call) if refuse::is_aggregate(call) => self.call(call),
            Expr::CompoundIdentifier(_) => Err(refused(
                (self.of, self.place),
                &format!("computes with {} of a group", text.replace('"', "")),
                "write what it groups by in SELECT and HAVING as in GROUP BY",
            )),
            _ => return ControlFlow::Continue(()),
        };
        match found {
            Ok(figure) => *expr = figure,
            Err(problem) => {
                self.problem = Some(problem);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

/// What stands for a column of the key: a number has its own type, whatever it was compared with.
///
/// # Errors
/// Never, of names and types of our own.
pub(super) fn key_of(of: &LookedUp, column: &str, ty: &ColumnType) -> Result<Expr, Problem> {
    let name = Ident::with_quote('"', of.key_name(column));
    match ty {
        ColumnType::SmallInt
        | ColumnType::Integer
        | ColumnType::BigInt
        | ColumnType::Numeric { .. } => expression(&format!("CAST({name} AS {ty})")),
        _ => Ok(Expr::Identifier(name)),
    }
}
