//! What a pattern's function answers: with each row NULL, or what is told of the match that it ends.

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, Int64Array, StructArray, new_null_array},
        buffer::NullBuffer,
        compute::{cast, concat},
        datatypes::{DataType, Field, Fields, Schema},
        error::ArrowError,
    },
    common::ScalarValue,
    execution::SessionStateDefaults,
    logical_expr::{AggregateUDF, type_coercion::functions::fields_with_udf},
    physical_expr::{
        PhysicalExpr,
        aggregate::{AggregateExprBuilder, AggregateFunctionExpr},
        expressions::Column,
    },
};

use super::{
    Found, Matcher, Program, Rows, Told,
    matcher::{Cell, Machine},
    rows::Typed,
};
use crate::functions;

/// A program with the types of its arguments: it takes rows, and answers.
pub struct Answered {
    program: Program,
    machine: Machine,
    typed: Typed,
    columns: Vec<Part>,
    fields: Fields,
}

/// How a column of the answer is made.
enum Part {
    Value(usize),
    Count,
    Aggregate(Box<AggregateFunctionExpr>, DataType, usize),
}

impl Answered {
    /// With arguments of these types.
    ///
    /// # Errors
    /// When an argument has no order, or a function no such argument.
    pub fn new(program: &Program, arguments: &[DataType]) -> Result<Self, ArrowError> {
        let typed = Typed::new(program, arguments)?;
        let columns = program.told.iter().map(|told| column(told, &typed));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let fields = columns.iter().zip(&program.labels).map(|(column, label)| {
            let ty = match column {
                Part::Value(value) => typed.types.get(*value).cloned(),
                Part::Count => Some(DataType::Int64),
                Part::Aggregate(function, ..) => Some(function.field().data_type().clone()),
            };
            Field::new(label, ty.unwrap_or(DataType::Null), true)
        });
        Ok(Self {
            machine: Machine::new(program),
            program: program.clone(),
            fields: fields.collect(),
            typed,
            columns,
        })
    }

    /// The type of its answers.
    #[must_use]
    pub fn ty(&self) -> DataType {
        DataType::Struct(self.fields.clone())
    }

    /// The pattern.
    #[must_use]
    pub const fn program(&self) -> &Program {
        &self.program
    }

    /// Evaluated arguments of some rows.
    ///
    /// # Errors
    /// When they are not those of the program.
    pub fn rows(&self, arguments: &[ArrayRef]) -> Result<Rows, ArrowError> {
        Rows::new((&self.program, &self.typed), arguments)
    }

    /// One more row of a key; what is told of the match that it ends.
    pub fn step(&self, matcher: &mut Matcher, rows: &Rows, row: usize) -> Option<Found> {
        matcher.step((&self.program, &self.machine), rows, row)
    }

    /// The answers for some rows.
    ///
    /// # Errors
    /// When a function fails, as a sum that does not fit.
    pub fn answers(&self, found: &[Option<Found>]) -> Result<ArrayRef, ArrowError> {
        let there: Vec<&Found> = found.iter().flatten().collect();
        let ty = self.ty();
        if there.is_empty() {
            return Ok(new_null_array(&ty, found.len()));
        }
        let mut columns = Vec::with_capacity(self.columns.len());
        for (at, column) in self.columns.iter().enumerate() {
            let cells = there.iter().filter_map(|found| found.0.get(at));
            let told = self.column(column, cells)?;
            columns.push(spread(&told, found)?);
        }
        let nulls = NullBuffer::from_iter(found.iter().map(Option::is_some));
        let rows = StructArray::try_new_with_length(
            self.fields.clone(),
            columns,
            Some(nulls),
            found.len(),
        )?;
        Ok(Arc::new(rows))
    }

    /// One row per match.
    fn column<'a>(
        &self,
        column: &Part,
        cells: impl Iterator<Item = &'a Cell>,
    ) -> Result<ArrayRef, ArrowError> {
        match column {
            Part::Count => {
                let counts = cells.map(|cell| match cell {
                    Cell::Count(count) => i64::try_from(*count).ok(),
                    Cell::One(_) | Cell::Many(_) => None,
                });
                Ok(Arc::new(counts.collect::<Int64Array>()))
            }
            Part::Value(value) => {
                let ty = self.typed.types.get(*value).cloned();
                let ty = ty.unwrap_or(DataType::Null);
                let each = cells.map(|cell| match cell {
                    Cell::One(Some(bytes)) => {
                        self.typed.values(*value, std::iter::once(bytes.as_ref()))
                    }
                    _ => Ok(new_null_array(&ty, 1)),
                });
                joined(&each.collect::<Result<Vec<_>, _>>()?)
            }
            Part::Aggregate(function, ty, value) => {
                let each = cells.map(|cell| {
                    let Cell::Many(values) = cell else {
                        return Err(broken());
                    };
                    let values = values.iter().map(AsRef::as_ref);
                    let values = self.typed.values(*value, values)?;
                    Ok(aggregated(function, &cast(&values, ty)?)?.to_array()?)
                });
                joined(&each.collect::<Result<Vec<_>, _>>()?)
            }
        }
    }
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answered")
            .field("program", &self.program)
            .field("typed", &self.typed)
            .finish_non_exhaustive()
    }
}

fn column(told: &Told, typed: &Typed) -> Result<Part, ArrowError> {
    Ok(match told {
        Told::One(_, value) => Part::Value(*value),
        Told::Count(..) => Part::Count,
        Told::Aggregate(name, _, value) => {
            let ty = typed.types.get(*value).cloned().ok_or_else(broken)?;
            let udf = function(name).ok_or_else(broken)?;
            let field = Arc::new(Field::new("x", ty, true));
            let fields = fields_with_udf(&[field], udf.as_ref())?;
            let field = fields.first().cloned().ok_or_else(broken)?;
            let ty = field.data_type().clone();
            let argument: Arc<dyn PhysicalExpr> = Arc::new(Column::new("x", 0));
            let function = AggregateExprBuilder::new(udf, vec![argument])
                .schema(Arc::new(Schema::new(vec![field])))
                .alias("x")
                .build()?;
            Part::Aggregate(Box::new(function), ty, *value)
        }
    })
}

/// Aggregate functions over the rows of a match.
pub(super) const FUNCTIONS: [&str; 4] = ["sum", "avg", "min", "max"];

fn function(name: &str) -> Option<Arc<AggregateUDF>> {
    if name == "sum" {
        return Some(functions::sum());
    }
    let mut all = SessionStateDefaults::default_aggregate_functions().into_iter();
    all.find(|udf| udf.name() == name && FUNCTIONS.contains(&name))
}

fn aggregated(
    function: &AggregateFunctionExpr,
    values: &ArrayRef,
) -> Result<ScalarValue, ArrowError> {
    let mut accumulator = function.create_accumulator()?;
    accumulator.update_batch(&[Arc::clone(values)])?;
    Ok(accumulator.evaluate()?)
}

/// A row per match as one per row, NULL where none ends.
fn spread(told: &ArrayRef, found: &[Option<Found>]) -> Result<ArrayRef, ArrowError> {
    let mut next = 0_u32;
    let places = found.iter().map(|found| {
        found.as_ref()?;
        let place = next;
        next = next.saturating_add(1);
        Some(place)
    });
    let places: datafusion::arrow::array::UInt32Array = places.collect();
    datafusion::arrow::compute::take(told, &places, None)
}

fn joined(each: &[ArrayRef]) -> Result<ArrayRef, ArrowError> {
    let each: Vec<&dyn Array> = each.iter().map(AsRef::as_ref).collect();
    concat(&each)
}

fn broken() -> ArrowError {
    ArrowError::ComputeError("what is told of a pattern does not fit its program".to_owned())
}
