//! What feeds a view: sources, and what puts rows of several, or of one, in an order.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use mainstem_sql::view::{Near, Node, Pairs, Turns};

use super::{
    super::{Feed, Side, SourceRead},
    Compiling,
};
use crate::{
    errors::FlowError,
    keys::key_type,
    pairs::{Kind, PAIRINGS_MAX, Pairing, carried_type},
};

impl Compiling<'_> {
    pub(super) fn source(&mut self, node: &Node) -> Result<Feed, FlowError> {
        let Node::Source {
            input,
            columns,
            schema,
        } = node
        else {
            return Err(self.refused("it has no source"));
        };
        let read = self.plan.inputs.get(*input);
        let read = read.ok_or_else(|| self.refused("its source is none of its inputs"))?;
        self.retracts = !read.is_append_only();
        self.sources.push(SourceRead {
            input: *input,
            columns: columns.clone(),
            schema: Arc::clone(schema),
            place: self.place,
        });
        Ok(Feed::Source(self.sources.len() - 1))
    }

    pub(super) fn union(&mut self, inputs: &[Node], schema: &SchemaRef) -> Result<Feed, FlowError> {
        let mut sides = Vec::with_capacity(inputs.len());
        for input in inputs {
            // Rows may wait for others below it.
            let feed = self.node(input)?;
            sides.push(self.passing(feed)?);
        }
        Ok(Feed::Union {
            sides,
            schema: Arc::clone(schema),
            place: self.place,
        })
    }

    /// What feeds one of several sides, and its operators.
    fn side(&mut self, node: &Node) -> Result<Side, FlowError> {
        let feed = self.node(node)?;
        self.side_of(feed)
    }

    fn side_of(&mut self, feed: Feed) -> Result<Side, FlowError> {
        match feed.pairings().is_empty() {
            true => self.passing(feed),
            false => Err(self.refused("rows wait that have waited")),
        }
    }

    fn passing(&mut self, feed: Feed) -> Result<Side, FlowError> {
        if self.retracts || !self.segments.is_empty() {
            return Err(self.refused("one of several sides keeps something, or takes rows back"));
        }
        let segment = Arc::new(self.segment());
        Ok(Side { feed, segment })
    }

    pub(super) fn pairs(&mut self, pairs: &Pairs, near: &Near) -> Result<Feed, FlowError> {
        let sides = [self.side(&pairs.left)?, self.side(&pairs.right)?];
        let types = [self.carried(&pairs.left)?, self.carried(&pairs.right)?];
        for (left, right) in &pairs.keys {
            let left = left.data_type(pairs.left.schema()).ok();
            let right = right.data_type(pairs.right.schema()).ok();
            let (left, right) = (
                left.as_ref().and_then(key_type),
                right.as_ref().and_then(key_type),
            );
            if left.is_none() || left != right {
                return Err(self.refused("it joins by values of different types"));
            }
        }
        let (left, right) = pairs.keys.iter().cloned().unzip();
        let kind = match pairs.outer.left() {
            false => Kind::Inner,
            true => Kind::Left,
        };
        let plan = Pairing {
            kind,
            keys: [left, right],
            times: [near.times.0, near.times.1],
            from_us: near.from_us,
            to_us: near.to_us,
            slice_us: near.slice_us,
            nothing: vec![0; types[1].len()],
            types,
            schema: Arc::clone(&pairs.schema),
        };
        Ok(Feed::Pairs {
            sides: sides.into(),
            plan: Arc::new(plan),
            number: self.waiting()?,
            place: Some(self.place),
        })
    }

    /// Rows that wait for their turn: all of them together, since their order is one.
    pub(super) fn turns(
        &mut self,
        below: &Node,
        turns: Turns,
        feed: Feed,
    ) -> Result<Feed, FlowError> {
        let plan = Pairing {
            kind: Kind::Turns,
            keys: [Vec::new(), Vec::new()],
            times: [turns.time, 0],
            from_us: 0,
            to_us: 0,
            slice_us: turns.slice_us,
            types: [self.carried(below)?, Vec::new()],
            nothing: Vec::new(),
            schema: Arc::clone(below.schema()),
        };
        Ok(Feed::Pairs {
            sides: vec![self.side_of(feed)?],
            plan: Arc::new(plan),
            number: self.waiting()?,
            place: None,
        })
    }

    /// The number of what waits next.
    fn waiting(&mut self) -> Result<usize, FlowError> {
        let number = self.waiting;
        self.waiting += 1;
        match number < PAIRINGS_MAX {
            true => Ok(number),
            false => Err(self.refused("more joins of streams than one view has")),
        }
    }

    /// The types of rows that wait for others.
    fn carried(&self, node: &Node) -> Result<Vec<DataType>, FlowError> {
        let fields = node.schema().fields().iter();
        let types: Vec<DataType> = fields.map(|field| field.data_type().clone()).collect();
        match types.iter().find(|ty| carried_type(ty).is_none()) {
            Some(ty) => Err(self.refused(format!("rows with a column of type {ty} cannot wait"))),
            None => Ok(types),
        }
    }
}
