//! Joins, and what conditions on subqueries became.

use datafusion::{
    common::{DFSchema, JoinType, NullEquality},
    logical_expr::{Join, utils::split_conjunction},
};

use super::{
    errors::refused,
    exprs::Over,
    level::{Levels, Text, listed, name},
};
use crate::error::from_engine;

/// The two sides of a join.
struct Sides {
    left: String,
    right: String,
    /// Columns of each, as a join calls them.
    left_columns: Vec<String>,
    right_columns: Vec<String>,
}

fn called(side: &str, schema: &DFSchema) -> Vec<String> {
    let width = schema.fields().len();
    (0..width)
        .map(|index| format!("{side}.{}", name(index)))
        .collect()
}

impl Levels<'_> {
    pub(super) fn join(&mut self, join: &Join) -> Text {
        let sides = Sides {
            left: format!("({}) AS l", self.node(&join.left)?),
            right: format!("({}) AS r", self.node(&join.right)?),
            left_columns: called("l", join.left.schema()),
            right_columns: called("r", join.right.schema()),
        };
        if join.null_aware {
            return self.not_in(join, &sides);
        }
        let on = self.on(join, &sides)?;
        let Sides { left, right, .. } = &sides;
        let of_left = || listed(&sides.left_columns);
        let of_right = || listed(&sides.right_columns);
        let of_both = || {
            let both = sides.left_columns.iter().chain(&sides.right_columns);
            listed(&both.cloned().collect::<Vec<_>>())
        };
        let marked = |columns: &[String], other: &str| {
            let mark = format!("EXISTS (SELECT 1 FROM {other} WHERE {on})");
            let columns = columns.iter().cloned().chain([mark]);
            listed(&columns.collect::<Vec<_>>())
        };
        Ok(match join.join_type {
            JoinType::Inner => format!("SELECT {} FROM {left} JOIN {right} ON {on}", of_both()),
            JoinType::Left => format!("SELECT {} FROM {left} LEFT JOIN {right} ON {on}", of_both()),
            JoinType::Right => format!(
                "SELECT {} FROM {left} RIGHT JOIN {right} ON {on}",
                of_both()
            ),
            JoinType::Full => format!("SELECT {} FROM {left} FULL JOIN {right} ON {on}", of_both()),
            JoinType::LeftSemi => {
                format!(
                    "SELECT {} FROM {left} LEFT SEMI JOIN {right} ON {on}",
                    of_left()
                )
            }
            JoinType::LeftAnti => {
                format!(
                    "SELECT {} FROM {left} LEFT ANTI JOIN {right} ON {on}",
                    of_left()
                )
            }
            JoinType::RightSemi => {
                format!(
                    "SELECT {} FROM {right} LEFT SEMI JOIN {left} ON {on}",
                    of_right()
                )
            }
            JoinType::RightAnti => {
                format!(
                    "SELECT {} FROM {right} LEFT ANTI JOIN {left} ON {on}",
                    of_right()
                )
            }
            JoinType::LeftMark => {
                format!("SELECT {} FROM {left}", marked(&sides.left_columns, right))
            }
            JoinType::RightMark => {
                format!("SELECT {} FROM {right}", marked(&sides.right_columns, left))
            }
        })
    }

    /// Which rows belong together.
    fn on(&mut self, join: &Join, sides: &Sides) -> Text {
        let sign = match join.null_equality {
            NullEquality::NullEqualsNothing => "=",
            NullEquality::NullEqualsNull => "<=>",
        };
        let mut parts = Vec::with_capacity(join.on.len() + 1);
        for (left, right) in &join.on {
            let over =
                |schema: &DFSchema, columns: &[String]| Over::called(schema, columns.to_vec());
            let left = self.expr_over(left, over(join.left.schema(), &sides.left_columns))?;
            let right = self.expr_over(right, over(join.right.schema(), &sides.right_columns))?;
            parts.push(format!("({left} {sign} {right})"));
        }
        if let Some(filter) = &join.filter {
            parts.push(self.expr_over(filter, both(join, sides)?)?);
        }
        Ok(match parts.is_empty() {
            true => "true".to_owned(),
            false => parts.join(" AND "),
        })
    }

    /// NOT IN: a row stays if its value surely is none of the others, NULL among them.
    fn not_in(&mut self, join: &Join, sides: &Sides) -> Text {
        let Some(filter) = join.filter.as_ref().filter(|_| join.on.is_empty()) else {
            return Err(refused("NOT IN of this question"));
        };
        if split_conjunction(filter).len() > 1 {
            return Err(refused("NOT IN of a question that reads the outer one"));
        }
        let is_one = self.expr_over(filter, both(join, sides)?)?;
        Ok(format!(
            "SELECT {} FROM {} WHERE NOT EXISTS (SELECT 1 FROM {} WHERE coalesce({is_one}, true))",
            listed(&sides.left_columns),
            sides.left,
            sides.right
        ))
    }
}

/// The columns of both sides.
fn both(join: &Join, sides: &Sides) -> Result<Over, crate::QueryError> {
    let schema = join.left.schema().join(join.right.schema());
    let columns = sides.left_columns.iter().chain(&sides.right_columns);
    Ok(Over::called(
        &schema.map_err(from_engine)?,
        columns.cloned().collect(),
    ))
}
