//! A join as the lookup of one row of a table: all columns of its key are given, by values of
//! the key's own types.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::SchemaRef,
    common::JoinType,
    logical_expr::{
        BinaryExpr, Expr, Join, LogicalPlan, Operator, binary_expr,
        utils::{conjunction, split_conjunction},
    },
    physical_expr::PhysicalExpr,
};
use mainstem_kernel::{Code, Place, Problem, StreamName};

use super::{
    super::{Node, refuse::unbuilt, relation::Role},
    Shape, filtered,
};
use crate::declare::{Told, mistake};

/// A table that is looked up.
#[derive(Clone, Copy)]
struct Table<'a> {
    /// Index into the view's inputs.
    input: usize,
    name: &'a StreamName,
    key: &'a [String],
    /// Where the join names it.
    place: &'a Place,
}

/// What a join compares.
struct Compared<'a> {
    /// Values over the left side, in the order of the table's key.
    keys: Vec<&'a Expr>,
    /// Other conditions.
    rest: Vec<Expr>,
}

impl Shape<'_> {
    pub(super) fn lookup(&self, join: &Join, schema: SchemaRef) -> Result<Node, Problem> {
        let outer = match join.join_type {
            JoinType::Inner => false,
            JoinType::Left => true,
            JoinType::Right | JoinType::Full => {
                let what = "a RIGHT or FULL JOIN that looks a table up";
                return Err(unbuilt(what, self.place.clone()).hint(
                    "write the stream first: stream LEFT JOIN table FOR SYSTEM_TIME AS OF PROCTIME() …",
                ));
            }
            _ => return Err(unbuilt("this kind of join", self.place.clone())),
        };
        let (table, columns) = self.table(&join.right)?;
        let input = self.node(&join.left)?;
        let compared = self.compared(join, table)?;
        if outer && !compared.rest.is_empty() {
            let message = format!(
                "the LEFT JOIN with table \"{}\" compares more than its key",
                table.name
            );
            return Err(mistake(Code::View005, table.place.clone(), message)
                .detail("A lookup finds the row of a key; conditions come after it.")
                .hint("use CASE WHEN condition THEN column END, or WHERE"));
        }
        let keys = compared.keys.into_iter();
        let keys = keys.map(|key| self.one(key, join.left.schema()));
        let keys: Vec<Arc<dyn PhysicalExpr>> = keys.collect::<Result<_, _>>()?;
        let node = Node::Lookup {
            input: Box::new(input),
            table: table.input,
            keys,
            outer,
            columns,
            schema,
        };
        match conjunction(compared.rest) {
            None => Ok(node),
            Some(rest) => {
                let predicate = self.one(&rest, &join.schema)?;
                Ok(filtered(node, &predicate))
            }
        }
    }

    /// Whether the right side of a join is a table that is looked up.
    pub(super) fn is_lookup(&self, right: &LogicalPlan) -> bool {
        match right {
            LogicalPlan::SubqueryAlias(alias) => self.is_lookup(&alias.input),
            LogicalPlan::TableScan(scan) => self
                .relation(scan)
                .is_ok_and(|relation| matches!(relation.role, Role::Lookup { .. })),
            _ => false,
        }
    }

    /// The table on the right side, and the columns that are taken.
    fn table(&self, plan: &LogicalPlan) -> Result<(Table<'_>, Vec<String>), Problem> {
        match plan {
            LogicalPlan::SubqueryAlias(alias) => self.table(&alias.input),
            LogicalPlan::TableScan(scan) => {
                let relation = self.relation(scan)?;
                let Role::Lookup { key, place } = &relation.role else {
                    return Err(unbuilt("a join of streams", self.place.clone()));
                };
                let fields = scan.projected_schema.fields().iter();
                let columns = fields.map(|field| field.name().clone()).collect();
                let table = Table {
                    input: relation.input,
                    name: &relation.name,
                    key,
                    place,
                };
                Ok((table, columns))
            }
            _ => Err(unbuilt("a join with a question", self.place.clone())),
        }
    }

    /// Sorts the conditions of a join into values of the key and others.
    fn compared<'a>(&self, join: &'a Join, table: Table<'_>) -> Result<Compared<'a>, Problem> {
        let key = table.key;
        let mut rest: Vec<Expr> = Vec::new();
        let mut values: Vec<Option<&Expr>> = vec![None; key.len()];
        for (left, right) in &join.on {
            let index = key.iter().position(|name| is_column(right, name));
            match index.and_then(|index| values.get_mut(index)) {
                Some(value @ None) => *value = Some(left),
                _ => {
                    of_key_type(right, table)?;
                    rest.push(binary_expr(left.clone(), Operator::Eq, right.clone()));
                }
            }
        }
        for other in join.filter.iter().flat_map(split_conjunction) {
            let given = constant(other, key);
            match given.and_then(|(index, given)| Some((values.get_mut(index)?, given))) {
                Some((value @ None, given)) => *value = Some(given),
                _ => rest.push(other.clone()),
            }
        }
        let missing = key.iter().zip(&values).find(|(_, value)| value.is_none());
        if let Some((column, _)) = missing {
            return Err(incomplete(table, column));
        }
        Ok(Compared {
            keys: values.into_iter().flatten().collect(),
            rest,
        })
    }
}

fn incomplete(
    Table {
        name, key, place, ..
    }: Table<'_>,
    column: &str,
) -> Problem {
    let message = format!("the join with table \"{name}\" does not give \"{column}\" of its key");
    mistake(Code::View005, place.clone(), message)
        .detail(format!(
            "A lookup finds one row by the whole key ({}).",
            key.join(", ")
        ))
        .hint(format!("add {column} = … to ON, joined by AND"))
}

/// Says it where a key column is converted to be compared: then it would not find rows.
fn of_key_type(right: &Expr, table: Table<'_>) -> Result<(), Problem> {
    let Table {
        name, key, place, ..
    } = table;
    let (Expr::Cast(datafusion::logical_expr::Cast { expr, .. })
    | Expr::TryCast(datafusion::logical_expr::TryCast { expr, .. })) = right
    else {
        return Ok(());
    };
    let Some(column) = key.iter().find(|name| is_column(expr, name)) else {
        return Ok(());
    };
    let message = format!("the join compares \"{column}\" of table \"{name}\" with another type");
    Err(mistake(Code::View005, place.clone(), message)
        .detail("A lookup finds a row by a value of the key's own type.")
        .hint(format!(
            "convert the other side to the type of {name}.{column} with CAST"
        )))
}

/// A comparison of a column of the key with something that is the same for all rows.
fn constant<'a>(expr: &'a Expr, key: &[String]) -> Option<(usize, &'a Expr)> {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::Eq,
        right,
    }) = expr
    else {
        return None;
    };
    let place = |column: &Expr| key.iter().position(|name| is_column(column, name));
    let is_same = |given: &Expr| given.column_refs().is_empty();
    match (place(left), place(right)) {
        (Some(index), None) if is_same(right) => Some((index, right)),
        (None, Some(index)) if is_same(left) => Some((index, left)),
        _ => None,
    }
}

fn is_column(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Column(column) if column.name() == name)
}
