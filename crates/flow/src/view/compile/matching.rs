//! The join of rows that change, as a grouping of the rows of both sides by what has to be equal.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::{DataType, Field, Schema, SchemaRef},
    common::{DataFusionError, ScalarValue},
    physical_expr::{
        conjunction,
        expressions::{Column, Literal, case, is_not_null},
    },
};
use mainstem_sql::view::{Outer, Pairs};

use super::{
    super::{Feed, Side},
    Compiling,
};
use crate::{
    errors::FlowError,
    evaluate::Expr,
    group_by::{Emission, GroupBy},
    matching::Matching,
    stage::Stage,
};

/// How the rows of a side stand among those of both.
struct Place<'a> {
    keys: Vec<Expr>,
    /// The side's own columns.
    own: &'a Schema,
    other: &'a Schema,
    is_right: bool,
    outer: Outer,
}

impl Compiling<'_> {
    pub(super) fn matching(&mut self, pairs: &Pairs) -> Result<Feed, FlowError> {
        let (lefts, rights): (Vec<Expr>, Vec<Expr>) = pairs.keys.iter().cloned().unzip();
        let (left, right) = (pairs.left.schema(), pairs.right.schema());
        let schema = both((&lefts, left), right, pairs.outer);
        let schema = schema.map_err(|error| self.unkept(&error))?;
        let place = |keys, own, other, is_right| Place {
            keys,
            own,
            other,
            is_right,
            outer: pairs.outer,
        };
        let sides = [
            (&pairs.left, place(lefts, left, right, false)),
            (&pairs.right, place(rights, right, left, true)),
        ];
        let (mut fed, mut chain) = (Vec::with_capacity(sides.len()), None);
        for (node, place) in sides {
            let feed = self.node(node)?;
            let segments = std::mem::take(&mut self.segments);
            let mut segment = self.segment();
            let stages = place.stages(&schema);
            segment
                .stages
                .extend(stages.map_err(|error| self.unkept(&error))?);
            if segments.is_empty() {
                let segment = Arc::new(segment);
                fed.push(Side { feed, segment });
            } else if chain.replace((feed, segments, segment)).is_some() {
                return Err(self.refused("both sides that it joins keep something"));
            }
        }
        let count = pairs.keys.len() + usize::from(pairs.outer == Outer::Both);
        let column = |place: usize| -> Expr { Arc::new(Column::new("", place)) };
        let exprs: Vec<Expr> = (0..schema.fields().len()).map(column).collect();
        let types = [left, right].map(|side| types(side));
        let told = (pairs.outer, Arc::clone(&pairs.schema));
        let matching = Matching::new(count, types, told);
        let by = GroupBy {
            guarded: exprs.clone(),
            exprs,
            keys: self.keys((count, None), &schema)?,
            window: None,
            overlapping: None,
            sessions: None,
            calls: Vec::new(),
            ranked: None,
            matching: Some(matching.map_err(|error| self.refused(error.to_string()))?),
            running: None,
            emission: Emission::Update,
            only_grows: false,
            schema: Arc::clone(&pairs.schema),
        };
        let Some((feed, segments, segment)) = chain else {
            self.grouped(by);
            return Ok(Feed::Changes { sides: fed, schema });
        };
        // Pairs of pairs: they go on as a chain, and the other side comes in where it is joined.
        self.segments = segments;
        (self.stages, self.places) = (segment.stages, segment.places);
        self.grouped_beside(by, fed.pop());
        Ok(feed)
    }

    fn unkept(&self, error: &DataFusionError) -> FlowError {
        self.refused(error.strip_backtrace())
    }
}

impl Place<'_> {
    /// Whether a row without a pair comes.
    const fn comes_alone(&self) -> bool {
        match self.is_right {
            true => self.outer.right(),
            false => self.outer.left(),
        }
    }

    /// The side's rows in the columns of both.
    fn stages(&self, schema: &SchemaRef) -> Result<Vec<Stage>, DataFusionError> {
        let mut stages = Vec::new();
        // Of an outer join a row whose key is NULL stays, beside NULLs.
        if !self.comes_alone() {
            stages.extend(self.some()?.map(Stage::Filter));
        }
        stages.push(Stage::Project {
            exprs: self.exprs()?,
            schema: Arc::clone(schema),
        });
        Ok(stages)
    }

    /// What keeps rows apart whose keys are NULL, where those of both sides come: of them, whose row it
    /// is; of all others the same.
    fn apart(&self) -> Result<Expr, DataFusionError> {
        let whose: Expr = Arc::new(Literal::new(ScalarValue::from(self.is_right)));
        let same: Expr = Arc::new(Literal::new(ScalarValue::from(false)));
        match self.some()? {
            None => Ok(same),
            Some(some) => case(None, vec![(some, same)], Some(whose)),
        }
    }

    /// Whether no key is NULL, if one may be.
    fn some(&self) -> Result<Option<Expr>, DataFusionError> {
        let keys = self.keys.iter();
        let nullable = keys.filter(|key| key.nullable(self.own).unwrap_or(true));
        let mut some = None;
        for key in nullable {
            let this = is_not_null(Arc::clone(key))?;
            some = Some(match some {
                None => this,
                Some(others) => conjunction([others, this]),
            });
        }
        Ok(some)
    }

    /// Keys, what keeps some of them apart, the flag, and the columns of left and of right; those of the other side are NULL.
    fn exprs(&self) -> Result<Vec<Expr>, DataFusionError> {
        let mut exprs = self.keys.clone();
        if self.outer == Outer::Both {
            exprs.push(self.apart()?);
        }
        exprs.push(Arc::new(Literal::new(ScalarValue::from(self.is_right))));
        let own = self.own.fields().iter().enumerate();
        let own = own.map(|(place, field)| -> Expr { Arc::new(Column::new(field.name(), place)) });
        let other = self.other.fields().iter();
        let other = other.map(|field| {
            let null = ScalarValue::try_from(field.data_type())?;
            Ok::<Expr, DataFusionError>(Arc::new(Literal::new(null)))
        });
        let other = other.collect::<Result<Vec<_>, _>>()?;
        match self.is_right {
            true => {
                exprs.extend(other);
                exprs.extend(own);
            }
            false => {
                exprs.extend(own);
                exprs.extend(other);
            }
        }
        Ok(exprs)
    }
}

/// Keys, the flag, and the columns of both sides, which may all be NULL.
fn both(
    (keys, left): (&[Expr], &Schema),
    right: &Schema,
    outer: Outer,
) -> Result<SchemaRef, DataFusionError> {
    let mut fields = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        let ty = key.data_type(left)?;
        fields.push(Arc::new(Field::new(format!("key {number}"), ty, true)));
    }
    if outer == Outer::Both {
        fields.push(Arc::new(Field::new("apart", DataType::Boolean, true)));
    }
    fields.push(Arc::new(Field::new("is right", DataType::Boolean, false)));
    let columns = left.fields().iter().chain(right.fields().iter());
    fields.extend(columns.map(|field| Arc::new(field.as_ref().clone().with_nullable(true))));
    Ok(Arc::new(Schema::new(fields)))
}

fn types(schema: &Schema) -> Vec<DataType> {
    let fields = schema.fields().iter();
    fields.map(|field| field.data_type().clone()).collect()
}
