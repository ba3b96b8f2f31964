//! Functions over windows of rows: OVER.

use datafusion::{
    arrow::datatypes::{DataType, Field},
    common::DFSchema,
    logical_expr::{
        Expr, Window, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition,
        expr::{NullTreatment, WindowFunction, WindowFunctionParams},
    },
};

use super::{
    errors::{refused, unspelled},
    groups::{Called, unaliased},
    level::{Levels, Text, listed, name},
};
use crate::{error::QueryError, pattern::program_of, spark::field_type};

/// Functions that number rows: they have no frame, and want an order.
const NUMBERING: [&str; 8] = [
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
];
/// Functions that take a value of the frame.
const TAKING: [&str; 3] = ["first_value", "last_value", "nth_value"];

impl Levels<'_> {
    pub(super) fn windows(&mut self, window: &Window) -> Text {
        let input = self.node(&window.input)?;
        let over = window.input.schema();
        let width = over.fields().len();
        let mut columns: Vec<String> = (0..width).map(name).collect();
        let fields = window.schema.fields().iter().skip(width);
        for (expr, field) in window.window_expr.iter().zip(fields) {
            columns.push(self.over_window(unaliased(expr), field, over)?);
        }
        Ok(format!("SELECT {} FROM ({input})", listed(&columns)))
    }

    fn over_window(&mut self, expr: &Expr, field: &Field, over: &DFSchema) -> Text {
        let Expr::WindowFunction(call) = expr else {
            return Err(refused(&format!("{expr}")));
        };
        let WindowFunction { fun, params } = call.as_ref();
        let numbering = NUMBERING.contains(&fun.name());
        let window = self.window(params, numbering, over)?;
        let is_taking = TAKING.contains(&fun.name());
        let text = match fun {
            _ if numbering || is_taking => {
                if params.filter.is_some() || params.distinct {
                    return Err(refused("FILTER or DISTINCT of a window function"));
                }
                let args = self.exprs(&params.args, over)?;
                let nulls = match params.null_treatment {
                    Some(NullTreatment::IgnoreNulls) => " IGNORE NULLS",
                    Some(NullTreatment::RespectNulls) | None => "",
                };
                format!("{}({}){nulls}{window}", fun.name(), args.join(", "))
            }
            WindowFunctionDefinition::AggregateUDF(function) => {
                if program_of(function).is_some() {
                    return Err(refused("MATCH_RECOGNIZE"));
                }
                if params.distinct || params.null_treatment.is_some() {
                    return Err(refused("DISTINCT over a window"));
                }
                let called = Called {
                    name: function.name(),
                    args: &params.args,
                    distinct: false,
                    filter: params.filter.as_deref(),
                    field,
                };
                let before = self.speller.set_window(window);
                let text = self.called(&called, over);
                self.speller.set_window(before);
                text?
            }
            WindowFunctionDefinition::WindowUDF(function) => {
                return Err(refused(&format!("window function \"{}\"", function.name())));
            }
        };
        match field.data_type() {
            DataType::Struct(_) => Ok(text),
            _ => {
                let ty = field_type(field).map_err(|what| unspelled(&what))?;
                Ok(format!("CAST({text} AS {ty})"))
            }
        }
    }

    /// ` OVER (…)`.
    fn window(
        &mut self,
        params: &WindowFunctionParams,
        numbering: bool,
        over: &DFSchema,
    ) -> Result<String, QueryError> {
        let mut parts = Vec::new();
        let by = self.exprs(&params.partition_by, over)?;
        if !by.is_empty() {
            parts.push(format!("PARTITION BY {}", by.join(", ")));
        }
        let order = self.order(&params.order_by, over)?;
        if !order.is_empty() {
            parts.push(format!("ORDER BY {order}"));
        } else if numbering {
            parts.push("ORDER BY NULL".to_owned());
        }
        if !numbering {
            parts.push(frame(&params.window_frame)?);
        }
        Ok(format!(" OVER ({})", parts.join(" ")))
    }
}

fn frame(frame: &WindowFrame) -> Text {
    let is_rows = match frame.units {
        WindowFrameUnits::Rows => true,
        WindowFrameUnits::Range => false,
        WindowFrameUnits::Groups => return Err(refused("a window of GROUPS")),
    };
    let units = if is_rows { "ROWS" } else { "RANGE" };
    let (start, end) = (
        bound(&frame.start_bound, is_rows)?,
        bound(&frame.end_bound, is_rows)?,
    );
    Ok(format!("{units} BETWEEN {start} AND {end}"))
}

fn bound(bound: &WindowFrameBound, is_rows: bool) -> Text {
    let (value, side) = match bound {
        WindowFrameBound::CurrentRow => return Ok("CURRENT ROW".to_owned()),
        WindowFrameBound::Preceding(value) => (value, "PRECEDING"),
        WindowFrameBound::Following(value) => (value, "FOLLOWING"),
    };
    if value.is_null() {
        return Ok(format!("UNBOUNDED {side}"));
    }
    // A number of rows; what a range is measured in depends on what rows are ordered by.
    match (is_rows, value.to_string().parse::<u64>()) {
        (true, Ok(rows)) => Ok(format!("{rows} {side}")),
        _ => Err(refused("a window of a RANGE with a distance")),
    }
}
