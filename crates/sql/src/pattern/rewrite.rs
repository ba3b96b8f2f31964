//! MATCH_RECOGNIZE in FROM as a subquery: the rows at which the pattern's function answers.

use std::ops::ControlFlow;

use mainstem_kernel::{Code, Place, Problem};
use sqlparser::ast::{
    AfterMatchSkip, Expr, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
    Ident, MatchRecognizePattern, MatchRecognizeSymbol, Measure, ObjectName, OrderByExpr,
    RowsPerMatch, Select, SelectItem, SetExpr, Spanned, SymbolDefinition, TableAlias, TableFactor,
    Value, ValueWithSpan, VisitMut, VisitorMut, WindowType,
};
use sqlparser::tokenizer::Location;

use super::{
    Program, ROWS_MAX, Withins,
    code::{self, Coding, Length},
    define::{self, Arguments},
    measures::Measuring,
    reads::Symbols,
};
use crate::{
    declare::{Told as _, mistake, place_of},
    engine::folded,
    view::factor,
};

/// Makes every MATCH_RECOGNIZE within a subquery.
///
/// # Errors
/// The first part of one that is wrong, or not built.
pub(crate) fn rewrite<V: VisitMut>(
    within: &mut V,
    withins: &Withins,
    file: &str,
) -> Result<(), Problem> {
    let mut rewriting = Rewriting { withins, file };
    match within.visit(&mut rewriting) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(problem) => Err(problem),
    }
}

struct Rewriting<'a> {
    withins: &'a Withins,
    file: &'a str,
}

impl VisitorMut for Rewriting<'_> {
    type Break = Problem;

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Problem> {
        match self.subquery(factor) {
            Ok(None) => {}
            Ok(Some(subquery)) => *factor = subquery,
            Err(problem) => return ControlFlow::Break(problem),
        }
        ControlFlow::Continue(())
    }
}

/// The parts of one MATCH_RECOGNIZE.
struct Written<'a> {
    table: &'a TableFactor,
    partition_by: &'a [Expr],
    order_by: &'a [OrderByExpr],
    measures: &'a [Measure],
    pattern: &'a MatchRecognizePattern,
    definitions: &'a [SymbolDefinition],
    alias: Option<&'a TableAlias>,
}

impl Rewriting<'_> {
    fn place(&self, of: &impl Spanned) -> Place {
        place_of(self.file, of.span().start)
    }

    /// Where a pattern begins: its own tree does not say.
    fn place_of(&self, pattern: &MatchRecognizePattern) -> Place {
        let first = first_symbol(pattern).unwrap_or(Location::new(1, 1));
        place_of(self.file, first)
    }

    fn subquery(&self, factor: &TableFactor) -> Result<Option<TableFactor>, Problem> {
        let TableFactor::MatchRecognize {
            table,
            partition_by,
            order_by,
            measures,
            rows_per_match,
            after_match_skip,
            pattern,
            symbols,
            alias,
        } = factor
        else {
            return Ok(None);
        };
        let written = Written {
            table,
            partition_by,
            order_by,
            measures,
            pattern,
            definitions: symbols,
            alias: alias.as_ref(),
        };
        let place = self.place_of(pattern);
        let unbuilt = |what: &str, hint: &str| unbuilt(what, hint, place.clone());
        if let Some(RowsPerMatch::AllRows(_)) = rows_per_match {
            let hint = "tell what you need of a match's rows in MEASURES: one row comes per match";
            return Err(unbuilt("ALL ROWS PER MATCH", hint));
        }
        if !matches!(after_match_skip, None | Some(AfterMatchSkip::PastLastRow)) {
            let hint = "write AFTER MATCH SKIP PAST LAST ROW, or leave it out";
            return Err(unbuilt("another AFTER MATCH SKIP", hint));
        }
        if order_by.is_empty() || order_by.iter().any(|by| by.options.asc == Some(false)) {
            let message = "MATCH_RECOGNIZE does not say in which order rows come";
            return Err(mistake(Code::View001, place, message).hint(
                "write ORDER BY the column that has the stream's WATERMARK, or ORDER BY _seq",
            ));
        }
        self.rewritten(&written).map(Some)
    }

    fn rewritten(&self, written: &Written<'_>) -> Result<TableFactor, Problem> {
        let place = self.place_of(written.pattern);
        let refuse_pattern = |what: &str, hint: &str| unbuilt(what, hint, place.clone());
        let (coding, length) = Coding::whole(written.pattern, &refuse_pattern)?;
        let within_us = first_symbol(written.pattern).and_then(|at| self.withins.of(at));
        bounded(length, within_us, &place)?;
        self.all_defined(written.definitions, &coding)?;
        let refuse = |what: &str, hint: &str, at: &Expr| unbuilt(what, hint, self.place(at));
        let symbols = Symbols(&coding.symbols);
        let mut arguments = Arguments::default();
        let mut defined = Vec::with_capacity(coding.symbols.len());
        for (own, name) in coding.symbols.iter().enumerate() {
            let definition = written
                .definitions
                .iter()
                .find(|definition| folded(&definition.symbol) == *name);
            let definition = definition.map(|definition| &definition.definition);
            let subject = (own, definition);
            defined.push(define::symbol(subject, symbols, &mut arguments, &refuse)?);
        }
        let last = code::last(written.pattern);
        let last = last.and_then(|last| coding.symbols.iter().position(|name| *name == last));
        let mut measuring = Measuring {
            symbols,
            last,
            arguments,
            told: Vec::new(),
            labels: Vec::new(),
            now: Vec::new(),
            columns: written.partition_by.to_vec(),
            refuse: &refuse,
        };
        let measures = written.measures.iter();
        let measures = measures.map(|measure| measuring.measure(measure));
        let measures = measures.collect::<Result<Vec<_>, _>>()?;
        let Measuring {
            mut arguments,
            told,
            labels,
            now,
            columns,
            ..
        } = measuring;
        if arguments.flags.is_empty() && arguments.values.is_empty() && within_us.is_none() {
            // A function has arguments.
            let always = Value::Boolean(true);
            arguments
                .flags
                .push(Expr::Value(ValueWithSpan::from(always)));
        }
        let program = Program {
            text: written.pattern.to_string(),
            within_us,
            rows_max: length.most,
            symbols: defined,
            steps: coding.steps,
            flags: arguments.flags.len(),
            values: arguments.values.len(),
            told,
            labels,
        };
        self.assembled(written, (&program, arguments), (columns, now, measures))
    }

    /// Every definition is of a symbol of the pattern.
    fn all_defined(
        &self,
        definitions: &[SymbolDefinition],
        coding: &Coding,
    ) -> Result<(), Problem> {
        for definition in definitions {
            let name = folded(&definition.symbol);
            if !coding.symbols.contains(&name) {
                let place = place_of(self.file, definition.symbol.span.start);
                let message = format!(
                    "symbol \"{}\" is defined and not in the pattern",
                    definition.symbol.value
                );
                return Err(mistake(Code::View001, place, message)
                    .hint("PATTERN (…) names the symbols, DEFINE says which rows they take"));
            }
        }
        Ok(())
    }

    /// The subquery.
    fn assembled(
        &self,
        written: &Written<'_>,
        (program, arguments): (&Program, Arguments),
        (columns, now, measures): (Vec<Expr>, Vec<Expr>, Vec<SelectItem>),
    ) -> Result<TableFactor, Problem> {
        let mut factor = factor(
            "(SELECT 1 FROM (SELECT _match() OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) \
             AS _match FROM t) AS _rows WHERE _match IS NOT NULL) AS _matches",
        )?;
        let broken = || {
            mistake(
                Code::View001,
                self.place(written.pattern),
                "a pattern like this",
            )
        };
        let mut by = Vec::with_capacity(written.partition_by.len());
        for expr in written.partition_by {
            match expr {
                Expr::Identifier(name) => by.push(name.clone()),
                other => {
                    let hint = "name columns: PARTITION BY device, country";
                    return Err(unbuilt("PARTITION BY of a value", hint, self.place(other)));
                }
            }
        }
        let outer = select_of(&mut factor).ok_or_else(broken)?;
        let by = by.into_iter().map(Expr::Identifier);
        outer.projection = by.map(SelectItem::UnnamedExpr).chain(measures).collect();
        let inner = outer.from.first_mut().map(|from| &mut from.relation);
        let inner = inner.and_then(select_of).ok_or_else(broken)?;
        if let Some(from) = inner.from.first_mut() {
            from.relation = written.table.clone();
        }
        let mut items = Vec::new();
        items.extend(columns.into_iter().map(SelectItem::UnnamedExpr));
        let now = now.into_iter().enumerate();
        items.extend(now.map(|(at, expr)| named(expr, format!("_now{at}"))));
        for item in &mut inner.projection {
            if let SelectItem::ExprWithAlias {
                expr: Expr::Function(call),
                ..
            } = item
            {
                let name = Ident::with_quote('"', program.name());
                call.name = ObjectName::from(vec![name]);
                call.args = listed(written, program, &arguments);
                if let Some(WindowType::WindowSpec(spec)) = &mut call.over {
                    spec.partition_by = written.partition_by.to_vec();
                    spec.order_by = written.order_by.to_vec();
                }
            }
        }
        items.append(&mut inner.projection);
        inner.projection = items;
        if let (TableFactor::Derived { alias, .. }, Some(given)) = (&mut factor, written.alias) {
            *alias = Some(given.clone());
        }
        Ok(factor)
    }
}

/// The arguments of the function.
fn listed(written: &Written<'_>, program: &Program, arguments: &Arguments) -> FunctionArguments {
    let time = written.order_by.first().map(|by| by.expr.clone());
    let time = time.filter(|_| program.within_us.is_some());
    let rest = arguments.flags.iter().chain(&arguments.values).cloned();
    let all = time.into_iter().chain(rest);
    FunctionArguments::List(FunctionArgumentList {
        duplicate_treatment: None,
        args: all
            .map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)))
            .collect(),
        clauses: Vec::new(),
    })
}

fn named(expr: Expr, name: String) -> SelectItem {
    SelectItem::ExprWithAlias {
        expr,
        alias: Ident::new(name),
    }
}

fn unbuilt(what: &str, hint: &str, place: Place) -> Problem {
    let message = format!("{what} is not built yet in MATCH_RECOGNIZE");
    mistake(Code::View001, place, message).hint(hint)
}

/// Whether what is kept of a pattern has a bound, and a match a row.
fn bounded(length: Length, within_us: Option<i64>, place: &Place) -> Result<(), Problem> {
    if length.least == 0 {
        let message = "the pattern may be followed by no row at all";
        return Err(mistake(Code::View001, place.clone(), message)
            .hint("at least one symbol takes a row: A+ instead of A*"));
    }
    if within_us.is_none() && length.most.is_none_or(|most| most > ROWS_MAX) {
        let message = "the pattern has no end: what has begun is kept until it ends";
        return Err(mistake(Code::View002, place.clone(), message)
            .hint("write PATTERN (…) WITHIN INTERVAL '10 minutes', or {1,100} instead of +"));
    }
    Ok(())
}

/// Where the first symbol of a pattern is written.
fn first_symbol(pattern: &MatchRecognizePattern) -> Option<Location> {
    use MatchRecognizePattern as P;
    let of = |symbol: &MatchRecognizeSymbol| match symbol {
        MatchRecognizeSymbol::Named(name) => Some(name.span.start),
        MatchRecognizeSymbol::Start | MatchRecognizeSymbol::End => None,
    };
    match pattern {
        P::Symbol(symbol) | P::Exclude(symbol) => of(symbol),
        P::Permute(symbols) => symbols.iter().find_map(of),
        P::Concat(parts) | P::Alternation(parts) => parts.iter().find_map(first_symbol),
        P::Group(inner) | P::Repetition(inner, _) => first_symbol(inner),
    }
}

fn select_of(factor: &mut TableFactor) -> Option<&mut Select> {
    match factor {
        TableFactor::Derived { subquery, .. } => match subquery.body.as_mut() {
            SetExpr::Select(select) => Some(select),
            _ => None,
        },
        _ => None,
    }
}
