//! A join of two streams: rows with equal keys whose event times lie near each other. How near bounds
//! what is kept; a join that does not say it is refused.

mod distance;

use std::{sync::Arc, time::Duration};

use datafusion::{
    arrow::datatypes::{DataType, SchemaRef},
    common::{DFSchema, JoinType},
    logical_expr::{
        BinaryExpr, Expr, Join, LogicalPlan, Operator,
        utils::{conjunction, split_conjunction},
    },
    physical_expr::PhysicalExpr,
};
use mainstem_kernel::{Code, ColumnType, Problem, types::TYPE_METADATA};

use self::distance::{Distance, term};
use super::{
    super::{Near, Node, Outer, Pairs, PairsKind, lineage, refuse::unbuilt, relation::Known},
    Shape, filtered,
};
use crate::declare::{Told, mistake};

/// Longest distance of two rows of a pair.
const DISTANCE_US_MAX: i64 = 366 * 86_400_000_000;

/// The two sides, and their columns as one.
struct Sides<'a> {
    left: Node,
    right: Node,
    schema: &'a DFSchema,
}

/// What a join compares.
#[derive(Default)]
struct Compared {
    keys: Vec<(Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>)>,
    /// Event time of each side, once it is compared.
    times: Option<(usize, usize)>,
    distance: Distance,
    rest: Vec<Expr>,
}

impl Shape<'_> {
    /// Pairs of rows.
    pub(super) fn pairs(&self, join: &Join, schema: SchemaRef) -> Result<Node, Problem> {
        let outer = self.outer(join)?;
        let (left, right) = (self.node(&join.left)?, self.node(&join.right)?);
        match (self.changing(&left), self.changing(&right)) {
            (Some(_), Some(_)) => return self.changing_pairs(join, (left, right), (outer, schema)),
            (Some(label), None) | (None, Some(label)) => {
                let what =
                    format!("a join of a stream with rows that change, as those of {label} do,");
                return Err(unbuilt(&what, self.place.clone()).hint(
                    "look a table up: JOIN table FOR SYSTEM_TIME AS OF PROCTIME() …; or make a keyed \
                     view of the stream, such as the newest row of each key, and join with that",
                ));
            }
            (None, None) => self.alone_on_left(outer)?,
        }
        let sides = Sides {
            left: self.paired((left, &join.left))?,
            right: self.paired((right, &join.right))?,
            schema: &join.schema,
        };
        let Compared {
            keys,
            times,
            distance,
            rest,
        } = self.conditions(join, &sides)?;
        let (
            Some(times),
            Distance {
                least: Some(from_us),
                most: Some(to_us),
            },
        ) = (times, distance)
        else {
            return Err(self.unbounded(join, &sides));
        };
        if keys.is_empty() {
            return Err(
                unbuilt("a join of streams without an equality", self.place.clone())
                    .hint("add a column of both to ON: a.key = b.key AND …"),
            );
        }
        self.near(from_us, to_us)?;
        self.timed()?;
        if outer.left() && !rest.is_empty() {
            let what = "a LEFT JOIN of streams with more conditions than keys and times";
            return Err(unbuilt(what, self.place.clone())
                .hint("filter in a subquery: LEFT JOIN (SELECT … FROM stream WHERE …) b ON …"));
        }
        let near = Near {
            times,
            from_us,
            to_us,
            slice_us: Near::slice_us((from_us, to_us), self.delay(&sides)),
        };
        let node = Node::Pairs(Box::new(Pairs {
            left: sides.left,
            right: sides.right,
            keys,
            kind: PairsKind::Near(near),
            outer,
            schema,
        }));
        match conjunction(rest) {
            None => Ok(node),
            Some(rest) => Ok(filtered(node, &self.one(&rest, &join.schema)?)),
        }
    }

    /// Whose rows come without a pair, too.
    fn outer(&self, join: &Join) -> Result<Outer, Problem> {
        Ok(match join.join_type {
            JoinType::Inner => Outer::Neither,
            JoinType::Left => Outer::Left,
            JoinType::Right => Outer::Right,
            JoinType::Full => Outer::Both,
            _ => return Err(unbuilt("this kind of join", self.place.clone())),
        })
    }

    /// Refuses streams of which rows of the second come without a pair.
    fn alone_on_left(&self, outer: Outer) -> Result<(), Problem> {
        if !outer.right() {
            return Ok(());
        }
        let what = "a RIGHT or FULL JOIN of streams";
        Err(unbuilt(what, self.place.clone())
            .hint("write the stream first of which all rows are to come: a LEFT JOIN b ON …"))
    }

    /// One side: rows that are only added, as they come.
    fn paired(&self, (side, plan): (Node, &LogicalPlan)) -> Result<Node, Problem> {
        let refused = |what: &str| unbuilt(what, self.place.clone());
        if lineage::aggregate(&side).is_some()
            || lineage::window(&side).is_some()
            || super::rank::is_numbered(plan)
        {
            return Err(refused("a join with groups or windows")
                .hint("make a view of them that emits on window close, and join with that"));
        }
        if has_pairs(&side) {
            return Err(refused("a join of more than two streams")
                .hint("make a view of the first two, and join with that"));
        }
        self.carried(&side, "a join of streams that carries")?;
        Ok(side)
    }

    /// Refuses columns that rows which wait cannot have.
    pub(super) fn carried(&self, node: &Node, what: &str) -> Result<(), Problem> {
        let mut fields = node.schema().fields().iter();
        match fields.find(|field| !is_carried(field.data_type())) {
            None => Ok(()),
            Some(field) => {
                let (name, ty) = (field.name(), field.data_type());
                let message = format!("{what} \"{name}\", {ty},");
                Err(unbuilt(&message, self.place.clone())
                    .hint("select parts of it in a subquery, or convert it"))
            }
        }
    }

    /// Sorts the conditions into keys, distances, and others.
    fn conditions(&self, join: &Join, sides: &Sides<'_>) -> Result<Compared, Problem> {
        let mut compared = Compared::default();
        for (left, right) in &join.on {
            // Times that are equal, or always as far apart.
            if self.measured(&left.clone().eq(right.clone()), sides, &mut compared) {
                continue;
            }
            let left = self.one(left, join.left.schema())?;
            let right = self.one(right, join.right.schema())?;
            self.comparable((&left, &sides.left), (&right, &sides.right))?;
            compared.keys.push((left, right));
        }
        let filters = join.filter.iter().flat_map(split_conjunction);
        for filter in filters {
            if !self.measured(filter, sides, &mut compared) {
                compared.rest.push(filter.clone());
            }
        }
        Ok(compared)
    }

    /// The longest delay of a watermark of what is joined.
    fn delay(&self, sides: &Sides<'_>) -> Duration {
        let sources = [&sides.left, &sides.right]
            .into_iter()
            .flat_map(Node::sources);
        let read = sources.filter_map(|input| self.bound.inputs.get(input));
        let delays = read.filter_map(|known| Some(known.input.watermark()?.delay));
        delays.max().unwrap_or_default()
    }

    fn is_time(&self, sides: &Sides<'_>, left: usize, right: usize) -> bool {
        let inputs: Vec<_> = self
            .bound
            .inputs
            .iter()
            .map(|known| known.input.clone())
            .collect();
        lineage::event_time(&sides.left, left, &inputs).is_some()
            && lineage::event_time(&sides.right, right, &inputs).is_some()
    }

    /// Takes a comparison of the two times, if it is one.
    fn measured(&self, filter: &Expr, sides: &Sides<'_>, compared: &mut Compared) -> bool {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else {
            return false;
        };
        let (Some(one), Some(other)) = (term(left, sides.schema), term(right, sides.schema)) else {
            return false;
        };
        let width = sides.left.schema().fields().len();
        // right + other op left + one, whichever way it is written.
        let (left, right, op) = match (one.index < width, other.index < width) {
            (true, false) => match op.swap() {
                Some(op) => (one, other, op),
                None => return false,
            },
            (false, true) => (other, one, *op),
            _ => return false,
        };
        let times = (left.index, right.index.saturating_sub(width));
        if !self.is_time(sides, times.0, times.1) || compared.times.is_some_and(|own| own != times)
        {
            return false;
        }
        let us = left.plus_us.saturating_sub(right.plus_us);
        let distance = &mut compared.distance;
        match op {
            Operator::LtEq => distance.at_most(us),
            Operator::Lt => distance.at_most(us.saturating_sub(1)),
            Operator::GtEq => distance.at_least(us),
            Operator::Gt => distance.at_least(us.saturating_add(1)),
            Operator::Eq => {
                distance.at_least(us);
                distance.at_most(us);
            }
            _ => return false,
        }
        compared.times = Some(times);
        true
    }

    /// Refuses keys whose equal values may look different.
    pub(super) fn comparable(
        &self,
        left: (&Arc<dyn PhysicalExpr>, &Node),
        right: (&Arc<dyn PhysicalExpr>, &Node),
    ) -> Result<(), Problem> {
        for (key, side) in [left, right] {
            let field = key.return_field(side.schema());
            let is_key = field.is_ok_and(|field| {
                let marked = field.metadata().get(TYPE_METADATA);
                let is_json = marked.is_some_and(|ty| *ty == ColumnType::Json.to_string());
                let ty = field.data_type();
                !ty.is_floating() && !ty.is_nested() && !ty.is_null() && !is_json
            });
            if !is_key {
                let message = format!("rows cannot be joined by {key}");
                return Err(mistake(Code::View008, self.place.clone(), message)
                    .detail("Equal values of its type do not always have the same text.")
                    .hint("convert it to NUMERIC, BIGINT or TEXT with CAST"));
            }
        }
        Ok(())
    }

    fn near(&self, from_us: i64, to_us: i64) -> Result<(), Problem> {
        let refused = |message: &str| mistake(Code::View002, self.place.clone(), message);
        if from_us > to_us {
            return Err(refused("no two rows can be as far apart as the join says")
                .hint("write b.at BETWEEN a.at - INTERVAL '…' AND a.at + INTERVAL '…'"));
        }
        if from_us < -DISTANCE_US_MAX || to_us > DISTANCE_US_MAX {
            return Err(refused("rows that are joined are at most 366 days apart"));
        }
        Ok(())
    }

    /// Refuses to wait beside what has no event time: that of the view, which is as far as the last of
    /// all that it reads, would never go on.
    fn timed(&self) -> Result<(), Problem> {
        let is_timeless =
            |known: &&Known| known.input.is_append_only() && known.input.watermark().is_none();
        let Some(known) = self.bound.inputs.iter().find(is_timeless) else {
            return Ok(());
        };
        let label = known.label();
        let message = format!(
            "the join of two streams would keep every row of them beside {label}, which has no event time"
        );
        Err(mistake(Code::View002, self.place.clone(), message)
            .detail(
                "A row is kept until event time has passed all that may be near it, and event time of \
                 a view is as far as the last of all that it reads.",
            )
            .hint(format!(
                "make a view of the join, and write UNION ALL over that; or declare WATERMARK FOR of {label}"
            )))
    }

    /// The clause that would bound the state.
    fn unbounded(&self, join: &Join, sides: &Sides<'_>) -> Problem {
        let message = "the join of two streams would keep every row of them";
        let problem = mistake(Code::View002, self.place.clone(), message).detail(
            "A row is kept for as long as one that joins with it may come: until event time has \
             passed all that may be near it.",
        );
        let time = |side: &Node, plan: &LogicalPlan| {
            let input = side.sources().first().copied()?;
            let known = self.bound.inputs.get(input)?;
            let column = &known.input.watermark()?.column;
            let qualifier = plan.schema().iter().find_map(|(qualifier, _)| qualifier);
            Some(match qualifier {
                Some(qualifier) => format!("{}.{column}", qualifier.table()),
                None => column.as_str().to_owned(),
            })
        };
        match (time(&sides.left, &join.left), time(&sides.right, &join.right)) {
            (Some(left), Some(right)) => problem.hint(format!(
                "add to ON: AND {right} BETWEEN {left} - INTERVAL '1 hour' AND {left} + INTERVAL '1 hour'"
            )),
            _ => problem.hint(
                "declare WATERMARK FOR of both streams, select these times, and add to ON: \
                 AND b.at BETWEEN a.at - INTERVAL '1 hour' AND a.at + INTERVAL '1 hour'",
            ),
        }
    }
}

/// Whether rows that wait can have a column of this type.
fn is_carried(ty: &DataType) -> bool {
    use DataType as D;
    match ty {
        D::Dictionary(_, value) => is_carried(value),
        D::Boolean | D::Float32 | D::Float64 | D::Decimal128(..) | D::Date32 => true,
        D::Int8 | D::Int16 | D::Int32 | D::Int64 | D::UInt8 | D::UInt16 | D::UInt32 => true,
        D::Utf8 | D::LargeUtf8 | D::Utf8View => true,
        D::Binary | D::LargeBinary | D::BinaryView | D::Timestamp(..) => true,
        _ => false,
    }
}

pub(super) fn has_pairs(node: &Node) -> bool {
    matches!(node, Node::Pairs(_)) || node.inputs().into_iter().any(has_pairs)
}
