//! How rows by key are found: by whole keys, in a range of keys, or all of them. Read from the
//! filters of a question; it may find more than they pass, never less. Pure.

use std::{collections::HashSet, fmt};

use datafusion::{
    arrow::{array::ArrayRef, datatypes::Field},
    common::{Result, ScalarValue},
    logical_expr::{Between, BinaryExpr, Expr, Operator, expr::InList},
};
use mainstem_store::KeyRange;
use mainstem_table::{RowCodec, TableError};

/// Keys that are looked up one by one; more are a range.
const KEYS_MAX: usize = 4_096;

/// How rows by key are found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Access {
    /// Rows of these keys: the key's columns in its order, a row per key.
    Keys(Vec<ArrayRef>),
    /// Rows whose key begins with these values, with the column behind them within bounds.
    Range {
        prefix: Vec<ScalarValue>,
        low: Option<ScalarValue>,
        high: Option<ScalarValue>,
    },
    /// All of them.
    All,
    /// None: no row can pass.
    Nothing,
}

/// What the filters say of one column.
#[derive(Debug, Default)]
struct Said {
    /// It is one of these.
    values: Option<Vec<ScalarValue>>,
    low: Option<ScalarValue>,
    high: Option<ScalarValue>,
}

impl Access {
    /// What filters, which all must hold, leave of rows with that key.
    ///
    /// # Errors
    /// When values do not become columns.
    pub(crate) fn of(filters: &[Expr], key: &[&Field]) -> Result<Self> {
        let said: Vec<Said> = key.iter().map(|field| Said::by(filters, field)).collect();
        if said.iter().any(Said::is_empty) {
            return Ok(Self::Nothing);
        }
        let values: Vec<&[ScalarValue]> = said
            .iter()
            .map_while(|said| said.values.as_deref())
            .collect();
        let count = values
            .iter()
            .try_fold(1_usize, |count, values| count.checked_mul(values.len()));
        if values.len() == key.len() && count.is_some_and(|count| count <= KEYS_MAX) {
            return Ok(Self::Keys(combined(&values)?));
        }
        let single = |said: &&Said| matches!(said.values.as_deref(), Some([_]));
        let given = said.iter().take_while(single);
        let prefix: Vec<ScalarValue> = given
            .filter_map(|said| said.values.as_ref()?.first().cloned())
            .collect();
        let next = said.get(prefix.len());
        let low = next.and_then(Said::least);
        let high = next.and_then(Said::greatest);
        if prefix.is_empty() && low.is_none() && high.is_none() {
            return Ok(Self::All);
        }
        Ok(Self::Range { prefix, low, high })
    }

    /// The keys that may have rows, as bytes; all of them unless it is a range.
    ///
    /// # Errors
    /// When values do not fit the key.
    pub(crate) fn range(&self, codec: &RowCodec) -> std::result::Result<KeyRange, TableError> {
        let Self::Range { prefix, low, high } = self else {
            return Ok(KeyRange::all());
        };
        let bytes = |last: Option<&ScalarValue>| {
            let values = prefix.iter().chain(last);
            let arrays: Vec<ArrayRef> = values.filter_map(|v| v.to_array().ok()).collect();
            codec.key_prefix(&arrays)
        };
        let mut range = KeyRange::prefix(&bytes(None)?);
        if low.is_some() {
            range.start = KeyRange::prefix(&bytes(low.as_ref())?).start;
        }
        if high.is_some() {
            range.end = KeyRange::prefix(&bytes(high.as_ref())?).end;
        }
        Ok(range)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys(columns) => {
                let keys = columns.first().map_or(0, |column| column.len());
                write!(f, "by key, {keys} of them")
            }
            Self::Range { prefix, low, high } => {
                let equal = prefix.len();
                let bound = usize::from(low.is_some() || high.is_some());
                write!(f, "range over {} columns of the key", equal + bound)
            }
            Self::All => f.write_str("all rows"),
            Self::Nothing => f.write_str("no row"),
        }
    }
}

impl Said {
    fn by(filters: &[Expr], field: &Field) -> Self {
        let mut said = Self::default();
        for filter in filters {
            said.add(filter, field);
        }
        said
    }

    /// Whether no value can pass.
    fn is_empty(&self) -> bool {
        self.values.as_ref().is_some_and(Vec::is_empty)
    }

    fn least(&self) -> Option<ScalarValue> {
        let values = self.values.iter().flatten();
        let least = values.reduce(|a, b| if less(b, a) { b } else { a });
        least.or(self.low.as_ref()).cloned()
    }

    fn greatest(&self) -> Option<ScalarValue> {
        let values = self.values.iter().flatten();
        let greatest = values.reduce(|a, b| if less(a, b) { b } else { a });
        greatest.or(self.high.as_ref()).cloned()
    }

    fn add(&mut self, filter: &Expr, field: &Field) {
        if let Some(values) = equals(filter, field) {
            let values = match self.values.take() {
                Some(before) => before.into_iter().filter(|v| values.contains(v)).collect(),
                None => values,
            };
            self.values = Some(values);
            return;
        }
        match filter {
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::And,
                right,
            }) => {
                self.add(left, field);
                self.add(right, field);
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                if is_column(left, field) {
                    self.bound(*op, right, field);
                } else if is_column(right, field)
                    && let Some(op) = op.swap()
                {
                    self.bound(op, left, field);
                }
            }
            Expr::Between(Between {
                expr,
                negated: false,
                low,
                high,
            }) if is_column(expr, field) => {
                self.bound(Operator::GtEq, low, field);
                self.bound(Operator::LtEq, high, field);
            }
            _ => {}
        }
    }

    fn bound(&mut self, op: Operator, value: &Expr, field: &Field) {
        let Some(value) = literal(value, field) else {
            return;
        };
        let is_tighter = |bound: &Option<ScalarValue>,
                          than: fn(&ScalarValue, &ScalarValue) -> bool| {
            bound.as_ref().is_none_or(|bound| than(bound, value))
        };
        match op {
            Operator::Gt | Operator::GtEq if is_tighter(&self.low, less) => {
                self.low = Some(value.clone());
            }
            Operator::Lt | Operator::LtEq
                if is_tighter(&self.high, |high, value| less(value, high)) =>
            {
                self.high = Some(value.clone());
            }
            _ => {}
        }
    }
}

/// The values that a filter wants a column to be one of.
fn equals(filter: &Expr, field: &Field) -> Option<Vec<ScalarValue>> {
    match filter {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Eq,
            right,
        }) => {
            let value = match (is_column(left, field), is_column(right, field)) {
                (true, false) => literal(right, field),
                (false, true) => literal(left, field),
                _ => None,
            };
            Some(vec![value?.clone()])
        }
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Or,
            right,
        }) => {
            let mut values = equals(left, field)?;
            values.extend(equals(right, field)?);
            Some(distinct(values))
        }
        Expr::InList(InList {
            expr,
            list,
            negated: false,
        }) if is_column(expr, field) => {
            let values = list.iter().map(|value| literal(value, field).cloned());
            Some(distinct(values.collect::<Option<Vec<_>>>()?))
        }
        _ => None,
    }
}

fn distinct(values: Vec<ScalarValue>) -> Vec<ScalarValue> {
    let mut seen = HashSet::new();
    let mut values = values;
    values.retain(|value| seen.insert(value.clone()));
    values
}

fn is_column(expr: &Expr, field: &Field) -> bool {
    matches!(expr, Expr::Column(column) if column.name() == field.name())
}

/// A value of the column's own type.
fn literal<'a>(expr: &'a Expr, field: &Field) -> Option<&'a ScalarValue> {
    match expr {
        Expr::Literal(value, _) if !value.is_null() && value.data_type() == *field.data_type() => {
            Some(value)
        }
        _ => None,
    }
}

fn less(a: &ScalarValue, b: &ScalarValue) -> bool {
    a.partial_cmp(b) == Some(std::cmp::Ordering::Less)
}

/// Every combination of the values of the columns, as columns.
fn combined(values: &[&[ScalarValue]]) -> Result<Vec<ArrayRef>> {
    let count: usize = values.iter().map(|values| values.len()).product();
    let mut repeat = count;
    let mut columns = Vec::with_capacity(values.len());
    for values in values {
        repeat /= values.len().max(1);
        let turn = values
            .iter()
            .flat_map(|value| std::iter::repeat_n(value.clone(), repeat));
        let turn: Vec<ScalarValue> = turn.collect();
        columns.push(ScalarValue::iter_to_array(
            turn.into_iter().cycle().take(count),
        )?);
    }
    Ok(columns)
}
