//! Arithmetic that fails where PostgreSQL's fails: an integer that is out of range and a division
//! by zero are errors of the row, never another number.
//!
//! DataFusion wraps integers around and divides floating point numbers to infinity, so a rule
//! replaces these operators, after types were made to fit, by functions that check. They keep
//! the names and the NULLs of what they replace.

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::{
        array::{Array, AsArray, Datum},
        compute::kernels::numeric::{add, div, mul, neg, rem, sub},
        datatypes::{DataType, Field, FieldRef, Float32Type, Float64Type},
        error::ArrowError,
    },
    common::{
        DFSchema, Result, ScalarValue,
        config::ConfigOptions,
        exec_err,
        tree_node::{Transformed, TreeNode},
    },
    logical_expr::{
        BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs,
        ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        expr_rewriter::NamePreserver, utils::merge_schema,
    },
    optimizer::analyzer::AnalyzerRule,
    physical_expr_common::datum::apply,
};

/// An operator that checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Op {
    Add,
    Subtract,
    Multiply,
    /// Of floating point numbers; the others check by themselves.
    Divide,
    /// As `Divide`.
    Rest,
    Negate,
}

impl Op {
    const fn name(self) -> &'static str {
        match self {
            Self::Add => "checked_add",
            Self::Subtract => "checked_subtract",
            Self::Multiply => "checked_multiply",
            Self::Divide => "checked_divide",
            Self::Rest => "checked_rest",
            Self::Negate => "checked_negate",
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract | Self::Negate => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Rest => "%",
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    op: Op,
    signature: Signature,
}

impl Checked {
    fn call(op: Op, args: Vec<Expr>) -> Expr {
        let signature = Signature::any(args.len(), Volatility::Immutable);
        ScalarUDF::from(Self { op, signature }).call(args)
    }

    /// As the operator is written.
    fn written<T: fmt::Display>(&self, args: &[T]) -> String {
        match args {
            [left, right] => format!("{left} {} {right}", self.op.sign()),
            _ => args.iter().map(|arg| format!("(- {arg})")).collect(),
        }
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        self.op.name()
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        Ok(self.written(args))
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let names: Vec<_> = args.iter().map(Expr::schema_name).collect();
        Ok(self.written(&names))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types.first() {
            Some(ty) => Ok(ty.clone()),
            None => exec_err!("{} takes arguments", self.name()),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        let ty = self.return_type(&types)?;
        Ok(Arc::new(Field::new(self.name(), ty, nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match (args.args.as_slice(), self.op) {
            ([left, right], Op::Add) => apply(left, right, add),
            ([left, right], Op::Subtract) => apply(left, right, sub),
            ([left, right], Op::Multiply) => apply(left, right, mul),
            ([left, right], Op::Divide) => apply(left, right, |l, r| unless_zero(l, r, div)),
            ([left, right], Op::Rest) => apply(left, right, |l, r| unless_zero(l, r, rem)),
            ([ColumnarValue::Array(array)], Op::Negate) => {
                Ok(ColumnarValue::Array(neg(array.as_ref())?))
            }
            ([ColumnarValue::Scalar(value)], Op::Negate) => {
                let negated = neg(value.to_array()?.as_ref())?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                    &negated, 0,
                )?))
            }
            (args, _) => exec_err!("{} got {} arguments", self.name(), args.len()),
        }
    }
}

type Kernel = fn(&dyn Datum, &dyn Datum) -> Result<Arc<dyn Array>, ArrowError>;

/// Divides, if no number is divided by zero. What is no number or NULL may be.
fn unless_zero(
    left: &dyn Datum,
    right: &dyn Datum,
    kernel: Kernel,
) -> Result<Arc<dyn Array>, ArrowError> {
    let divided = kernel(left, right)?;
    let (left, _) = left.get();
    let (right, _) = right.get();
    // Only then can a result be infinite or no number.
    let is_zero_divided = match (left.data_type(), right.data_type()) {
        (DataType::Float64, DataType::Float64) => {
            let (left, right) = (
                left.as_primitive::<Float64Type>(),
                right.as_primitive::<Float64Type>(),
            );
            right.values().contains(&0.0)
                && zero_divided(left.iter(), right.iter(), |x| *x == 0.0, |x| x.is_nan())
        }
        (DataType::Float32, DataType::Float32) => {
            let (left, right) = (
                left.as_primitive::<Float32Type>(),
                right.as_primitive::<Float32Type>(),
            );
            right.values().contains(&0.0)
                && zero_divided(left.iter(), right.iter(), |x| *x == 0.0, |x| x.is_nan())
        }
        _ => false,
    };
    match is_zero_divided {
        true => Err(ArrowError::DivideByZero),
        false => Ok(divided),
    }
}

/// Whether a row divides a number by zero. A side of one value stands for all rows.
fn zero_divided<T: Copy>(
    left: impl Iterator<Item = Option<T>> + Clone,
    right: impl Iterator<Item = Option<T>> + Clone,
    is_zero: impl Fn(&T) -> bool,
    is_nan: impl Fn(&T) -> bool,
) -> bool {
    let rows = left.clone().count().max(right.clone().count());
    let mut pairs = left.cycle().zip(right.cycle()).take(rows);
    pairs.any(|pair| match pair {
        (Some(left), Some(right)) => is_zero(&right) && !is_nan(&left),
        _ => false,
    })
}

/// Replaces operators by those that check.
#[derive(Debug)]
pub(crate) struct CheckedArithmetic;

impl AnalyzerRule for CheckedArithmetic {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(replaced_in)
            .map(|plan| plan.data)
    }

    fn name(&self) -> &'static str {
        "checked_arithmetic"
    }
}

fn replaced_in(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        schema.merge(&scan.projected_schema);
    }
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let replaced = expr.transform_up(|expr| Ok(replaced(expr, &schema)))?;
        Ok(replaced.update_data(|expr| name.restore(expr)))
    })
}

fn replaced(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let op = match &expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            match (left.get_type(schema), right.get_type(schema)) {
                (Ok(left), Ok(right)) if left == right => checked(*op, &left),
                _ => None,
            }
        }
        Expr::Negative(inner) => {
            let is_integer = inner
                .get_type(schema)
                .is_ok_and(|ty| ty.is_signed_integer());
            is_integer.then_some(Op::Negate)
        }
        _ => None,
    };
    match (op, expr) {
        (Some(op), Expr::BinaryExpr(BinaryExpr { left, right, .. })) => {
            Transformed::yes(Checked::call(op, vec![*left, *right]))
        }
        (Some(op), Expr::Negative(inner)) => Transformed::yes(Checked::call(op, vec![*inner])),
        (_, expr) => Transformed::no(expr),
    }
}

fn checked(op: Operator, ty: &DataType) -> Option<Op> {
    match (op, ty.is_integer(), ty.is_floating()) {
        (Operator::Plus, true, _) => Some(Op::Add),
        (Operator::Minus, true, _) => Some(Op::Subtract),
        (Operator::Multiply, true, _) => Some(Op::Multiply),
        (Operator::Divide, _, true) => Some(Op::Divide),
        (Operator::Modulo, _, true) => Some(Op::Rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use mainstem_kernel::{Code, Fault};

    use crate::{engine::constant, format};

    async fn answer(sql: &str) -> Result<String, Code> {
        let batches = constant(sql).await.map_err(|error| error.answer().code)?;
        let mut values = Vec::new();
        for batch in &batches {
            for (column, field) in batch.columns().iter().zip(batch.schema().fields()) {
                values.extend(format::printed(column, field).expect("printable"));
            }
        }
        Ok(values.join(","))
    }

    #[tokio::test]
    async fn what_is_out_of_range_is_an_error_and_not_another_number() {
        for sql in [
            "SELECT 9223372036854775807 + 1",
            "SELECT x + 1 FROM (VALUES (9223372036854775807)) AS t(x)",
            "SELECT x - 2 FROM (VALUES (-9223372036854775807)) AS t(x)",
            "SELECT x * x FROM (VALUES (4000000000)) AS t(x)",
            "SELECT x * x FROM (VALUES (70000::INTEGER)) AS t(x)",
            "SELECT x + x FROM (VALUES (20000::SMALLINT)) AS t(x)",
            "SELECT -x FROM (VALUES (-9223372036854775808)) AS t(x)",
            "SELECT 1 / x FROM (VALUES (0)) AS t(x)",
            "SELECT 1 % x FROM (VALUES (0)) AS t(x)",
            "SELECT 1::DOUBLE PRECISION / x FROM (VALUES (0::DOUBLE PRECISION)) AS t(x)",
            "SELECT x / 0::REAL FROM (VALUES (1::REAL)) AS t(x)",
            "SELECT 1.5 / x FROM (VALUES (0.0)) AS t(x)",
            "SELECT x + 1 AS y FROM (VALUES (9223372036854775807)) AS t(x) WHERE x + 1 > 0",
            "SELECT x + 1, count(*) FROM (VALUES (9223372036854775807)) AS t(x) GROUP BY x + 1",
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM (VALUES (9223372036854775807)) AS t(x) WHERE x + 1 > 0)",
        ] {
            assert_eq!(answer(sql).await, Err(Code::Sql026), "{sql}");
        }
    }

    #[tokio::test]
    async fn everything_else_is_as_it_was() {
        for (sql, expected) in [
            (
                "SELECT 2 + 3, 2 - 3, 2 * 3, 7 / 2, 7 % 2, -(2 + 1)",
                "5,-1,6,3,1,-3",
            ),
            (
                "SELECT x + 1 FROM (VALUES (1), (NULL), (3)) AS t(x)",
                "2,NULL,4",
            ),
            (
                "SELECT 1::DOUBLE PRECISION / 4, NULL::DOUBLE PRECISION / 0::DOUBLE PRECISION",
                "0.25,NULL",
            ),
            (
                "SELECT x / y FROM (VALUES (1::REAL, 2::REAL), (NULL, 0::REAL)) AS t(x, y)",
                "0.5,NULL",
            ),
            (
                "SELECT sum(x + 1) FROM (VALUES (1), (2)) AS t(x) GROUP BY x % 1",
                "5",
            ),
            (
                "SELECT CASE WHEN x = 0 THEN 0 ELSE 10 / x END FROM (VALUES (0), (5)) AS t(x)",
                "0,2",
            ),
            ("SELECT DATE '2026-01-02' - DATE '2026-01-01'", "1"),
            (
                "SELECT x + 1 FROM (VALUES (1)) AS t(x) GROUP BY x + 1 HAVING x + 1 > 1",
                "2",
            ),
            ("SELECT x - 1 FROM (SELECT row_number() OVER () AS x)", "0"),
            ("SELECT -9223372036854775808", "-9223372036854775808"),
        ] {
            assert_eq!(answer(sql).await.as_deref(), Ok(expected), "{sql}");
        }
    }

    #[tokio::test]
    async fn columns_keep_their_names() {
        let batches = constant("SELECT x + 1, x * 2 AS y, -x FROM (VALUES (1)) AS t(x)")
            .await
            .expect("answered");
        let names: Vec<String> = batches[0]
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        assert_eq!(names, ["t.x + Int64(1)", "y", "(- t.x)"]);
    }
}
