//! The function that a pattern becomes in questions: an aggregate with OVER whose answer at a row is NULL,
//! or what is told of the match that the row ends.

use std::{ops::ControlFlow, sync::Arc};

use datafusion::{
    arrow::{
        array::ArrayRef,
        datatypes::{DataType, Field, FieldRef},
    },
    common::{Result, ScalarValue, exec_err, plan_err},
    execution::session_state::SessionState,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        registry::FunctionRegistry as _,
        utils::format_state_name,
    },
};
use sqlparser::ast::{Expr, Visit, visit_expressions};

use super::{Answered, Found, Matcher, Program};
use crate::engine::{bare, folded};

/// Offers the functions of the patterns within a question.
///
/// # Errors
/// None: every name that is given is free.
pub(crate) fn offer(state: &mut SessionState, question: &impl Visit) -> Result<()> {
    let mut found = Vec::new();
    let _never = visit_expressions(question, |expr| {
        if let Expr::Function(call) = expr {
            let name = bare(&call.name).map(folded).unwrap_or_default();
            found.extend(Program::of_name(&name).map(|program| (name, program)));
        }
        ControlFlow::<()>::Continue(())
    });
    for (name, program) in found {
        let function = Matching {
            name,
            program,
            signature: Signature::variadic_any(Volatility::Immutable),
        };
        state.register_udaf(Arc::new(AggregateUDF::from(function)))?;
    }
    Ok(())
}

/// The pattern of a function, if it is one.
pub(crate) fn program_of(function: &AggregateUDF) -> Option<&Program> {
    let matching = function.inner().downcast_ref::<Matching>()?;
    Some(&matching.program)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Matching {
    name: String,
    program: Program,
    signature: Signature,
}

impl AggregateUDFImpl for Matching {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match Answered::new(&self.program, types) {
            Ok(answered) => Ok(answered.ty()),
            Err(error) => plan_err!("MATCH_RECOGNIZE: {}", error.to_string()),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let name = format_state_name(args.name, "matcher");
        Ok(vec![Arc::new(Field::new(name, DataType::Binary, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let fields = args.expr_fields.iter();
        let types: Vec<DataType> = fields.map(|field| field.data_type().clone()).collect();
        Ok(Box::new(Kept {
            answered: Answered::new(&self.program, &types)?,
            matcher: Matcher::default(),
            found: None,
        }))
    }
}

#[derive(Debug)]
struct Kept {
    answered: Answered,
    matcher: Matcher,
    /// The match that the last row ended.
    found: Option<Found>,
}

impl Accumulator for Kept {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = self.answered.rows(values)?;
        for row in 0..values.first().map_or(0, |column| column.len()) {
            self.found = self.answered.step(&mut self.matcher, &rows, row);
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let answer = self.answered.answers(std::slice::from_ref(&self.found))?;
        ScalarValue::try_from_array(&answer, 0)
    }

    fn size(&self) -> usize {
        self.matcher.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut bytes = Vec::new();
        self.matcher.write(&mut bytes);
        Ok(vec![ScalarValue::Binary(Some(bytes))])
    }

    /// A pattern is asked of rows in one order: nothing is computed in parts.
    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        exec_err!("rows of a pattern are in one order")
    }
}
