//! Operators and forms in Spark SQL.

use datafusion::{
    arrow::datatypes::{DataType, TimeUnit},
    common::ScalarValue,
    logical_expr::Operator,
    physical_expr::expressions::{BinaryExpr, CaseExpr, InListExpr, LikeExpr, Literal},
};

use super::{Expr, Note, Scope, Spelled, Speller, Unspelled, decimals, type_of};

impl Speller {
    pub(super) fn binary(&mut self, binary: &BinaryExpr, scope: Scope<'_>) -> Spelled {
        let ty = type_of(binary.left(), scope)?;
        let right = type_of(binary.right(), scope)?;
        let refused = || Unspelled::Operator {
            operator: binary.op().to_string(),
            ty: ty.to_string(),
        };
        let sign = match binary.op() {
            Operator::And => "AND",
            Operator::Or => "OR",
            Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom => return self.comparison(binary, scope),
            Operator::StringConcat if (&ty, &right) == (&DataType::Utf8, &DataType::Utf8) => "||",
            Operator::BitwiseAnd if ty.is_signed_integer() => "&",
            Operator::BitwiseOr if ty.is_signed_integer() => "|",
            Operator::BitwiseXor if ty.is_signed_integer() => "^",
            Operator::Plus
            | Operator::Minus
            | Operator::Multiply
            | Operator::Divide
            | Operator::Modulo => return self.arithmetic(binary, scope),
            _ => return Err(refused()),
        };
        let (left, right) = self.sides(binary, scope)?;
        Ok(format!("({left} {sign} {right})"))
    }

    fn sides(
        &mut self,
        binary: &BinaryExpr,
        scope: Scope<'_>,
    ) -> Result<(String, String), Unspelled> {
        Ok((
            self.expr(binary.left(), scope)?,
            self.expr(binary.right(), scope)?,
        ))
    }

    fn comparison(&mut self, binary: &BinaryExpr, scope: Scope<'_>) -> Spelled {
        let ty = type_of(binary.left(), scope)?;
        // Spark compares what is in arrays and rows by other rules.
        if ty.is_nested() {
            return Err(Unspelled::Operator {
                operator: binary.op().to_string(),
                ty: ty.to_string(),
            });
        }
        let (left, right) = self.sides(binary, scope)?;
        Ok(match binary.op() {
            Operator::IsDistinctFrom => format!("(NOT ({left} <=> {right}))"),
            Operator::IsNotDistinctFrom => format!("({left} <=> {right})"),
            Operator::NotEq => format!("({left} <> {right})"),
            sign => format!("({left} {sign} {right})"),
        })
    }

    fn arithmetic(&mut self, binary: &BinaryExpr, scope: Scope<'_>) -> Spelled {
        let (ty, other) = (
            type_of(binary.left(), scope)?,
            type_of(binary.right(), scope)?,
        );
        let (left, right) = self.sides(binary, scope)?;
        let op = *binary.op();
        if let (
            DataType::Decimal128(left_precision, left_scale),
            DataType::Decimal128(precision, scale),
        ) = (&ty, &other)
        {
            self.notes.insert(Note::RowErrors);
            let left = decimals::Decimal::new(left, *left_precision, *left_scale);
            let right = decimals::Decimal::new(right, *precision, *scale);
            return decimals::arithmetic(op, &left, &right);
        }
        self.arithmetic_of(op, (&ty, &left), (&other, &right))
    }

    /// Of everything but NUMERIC.
    pub(super) fn arithmetic_of(
        &mut self,
        op: Operator,
        (ty, left): (&DataType, &str),
        (other, right): (&DataType, &str),
    ) -> Spelled {
        if matches!(op, Operator::Divide | Operator::Modulo) || ty.is_integer() {
            self.notes.insert(Note::RowErrors);
        }
        Ok(match (ty, other, op) {
            (DataType::Int16, DataType::Int16, Operator::Divide) => {
                format!("CAST({left} div {right} AS SMALLINT)")
            }
            (DataType::Int32, DataType::Int32, Operator::Divide) => {
                format!("CAST({left} div {right} AS INT)")
            }
            (DataType::Int64, DataType::Int64, Operator::Divide) => format!("({left} div {right})"),
            (DataType::Float32, DataType::Float32, Operator::Divide) => {
                format!("CAST({left} / {right} AS FLOAT)")
            }
            (DataType::Float64, DataType::Float64, _) => format!("({left} {op} {right})"),
            (left_type, right_type, _)
                if left_type == right_type
                    && (left_type.is_signed_integer() || *left_type == DataType::Float32) =>
            {
                format!("({left} {op} {right})")
            }
            (
                DataType::Timestamp(TimeUnit::Microsecond, _),
                DataType::Interval(_),
                Operator::Plus | Operator::Minus,
            ) => {
                format!("({left} {op} {right})")
            }
            (
                DataType::Interval(_),
                DataType::Timestamp(TimeUnit::Microsecond, _),
                Operator::Plus,
            ) => {
                format!("({right} + {left})")
            }
            (DataType::Date32, DataType::Date32, Operator::Minus) => {
                format!("CAST(datediff({left}, {right}) AS BIGINT)")
            }
            _ => {
                return Err(Unspelled::Operator {
                    operator: op.to_string(),
                    ty: ty.to_string(),
                });
            }
        })
    }

    pub(super) fn negative(&mut self, arg: &Expr, scope: Scope<'_>) -> Spelled {
        let ty = type_of(arg, scope)?;
        match ty {
            DataType::Float32 | DataType::Float64 | DataType::Decimal128(..) => {
                Ok(format!("(- {})", self.expr(arg, scope)?))
            }
            ty => Err(Unspelled::Operator {
                operator: "-".to_owned(),
                ty: ty.to_string(),
            }),
        }
    }

    pub(super) fn case(&mut self, case: &CaseExpr, scope: Scope<'_>) -> Spelled {
        let mut text = "CASE".to_owned();
        if let Some(value) = case.expr() {
            text.push(' ');
            text.push_str(&self.expr(value, scope)?);
        }
        for (when, then) in case.when_then_expr() {
            let (when, then) = (self.expr(when, scope)?, self.expr(then, scope)?);
            text.push_str(&format!(" WHEN {when} THEN {then}"));
        }
        if let Some(other) = case.else_expr() {
            text.push_str(&format!(" ELSE {}", self.expr(other, scope)?));
        }
        text.push_str(" END");
        Ok(format!("({text})"))
    }

    pub(super) fn in_list(&mut self, list: &InListExpr, scope: Scope<'_>) -> Spelled {
        let value = self.expr(list.expr(), scope)?;
        let items = self.all(list.list(), scope)?;
        if items.is_empty() {
            return Ok(list.negated().to_string());
        }
        let not = if list.negated() { "NOT " } else { "" };
        Ok(format!("({value} {not}IN ({}))", items.join(", ")))
    }

    /// LIKE with a constant pattern. What a backslash stands for is not the same in both.
    pub(super) fn like(&mut self, like: &LikeExpr, scope: Scope<'_>) -> Spelled {
        let pattern = like.pattern().downcast_ref::<Literal>();
        let text = pattern.and_then(|pattern| match pattern.value() {
            ScalarValue::Utf8(text)
            | ScalarValue::LargeUtf8(text)
            | ScalarValue::Utf8View(text) => text.as_deref(),
            _ => None,
        });
        let is_plain = text.is_some_and(|text| !text.contains('\\'));
        if like.case_insensitive() || !is_plain {
            return Err(Unspelled::Operator {
                operator: if like.case_insensitive() {
                    "ILIKE"
                } else {
                    "LIKE"
                }
                .to_owned(),
                ty: "a pattern that is no constant or has a backslash".to_owned(),
            });
        }
        let (value, pattern) = (
            self.expr(like.expr(), scope)?,
            self.expr(like.pattern(), scope)?,
        );
        let not = if like.negated() { "NOT " } else { "" };
        Ok(format!("({value} {not}LIKE {pattern})"))
    }
}
