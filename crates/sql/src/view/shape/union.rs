//! UNION: sides whose rows are only added, columns by position, with the types that PostgreSQL
//! would match. What it would not, or a side that keeps something, is refused.

use datafusion::{
    arrow::datatypes::{DataType, Field, SchemaRef},
    common::tree_node::{TreeNode, TreeNodeRecursion},
    logical_expr::{LogicalPlan, Union},
};
use mainstem_kernel::{Code, Problem, types::TYPE_METADATA};

use super::{
    super::{Node, PAIRS_MAX, lineage, refuse::unbuilt},
    Shape,
};
use crate::{
    declare::Told,
    error::{QueryError, from_engine},
};

impl Shape<'_> {
    /// The rows of all sides.
    pub(super) fn union(&self, union: &Union, schema: SchemaRef) -> Result<Node, Problem> {
        let mut inputs = Vec::with_capacity(union.inputs.len());
        for side in &union.inputs {
            match self.side(side)? {
                // (a UNION ALL b) UNION ALL c has three sides.
                Node::Union {
                    inputs: sides,
                    schema: own,
                } if types(&own) == types(&schema) => inputs.extend(sides),
                side => inputs.push(side),
            }
        }
        let node = Node::Union { inputs, schema };
        if lineage::all_near(&node).len() > PAIRS_MAX {
            let what = format!("UNION of more than {PAIRS_MAX} joins of streams");
            return Err(unbuilt(&what, self.place.clone())
                .hint("make a view of some of them, and read it here"));
        }
        Ok(node)
    }

    fn side(&self, plan: &LogicalPlan) -> Result<Node, Problem> {
        let side = self.node(plan)?;
        let refused = |what: &str| unbuilt(what, self.place.clone());
        if let Some(label) = self.changing(&side) {
            return Err(refused(&format!(
                "UNION of rows that change, as those of {label} do,"
            ))
            .hint("make a view of each side, and ask over both"));
        }
        if lineage::aggregate(&side).is_some() {
            return Err(refused("GROUP BY on a side of UNION")
                .hint("make a view of that side, and read it in FROM"));
        }
        if super::rank::is_numbered(plan) {
            return Err(refused("OVER (…) on a side of UNION")
                .hint("make a view of that side, and read it in FROM"));
        }
        if lineage::window(&side).is_some() {
            return Err(refused("a window on a side of UNION")
                .hint("make a view of the UNION, and open windows over that"));
        }
        Ok(side)
    }
}

fn types(schema: &SchemaRef) -> Vec<&DataType> {
    schema
        .fields()
        .iter()
        .map(|field| field.data_type())
        .collect()
}

/// Which types UNION matches: those of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Family {
    Number,
    Text,
    Bytes,
    /// Only the same type.
    Own(DataType),
    Marked(String),
}

impl Family {
    /// NULL is of every family.
    fn of(field: &Field) -> Option<Self> {
        use DataType as D;
        let marked = field.metadata().get(TYPE_METADATA);
        Some(match field.data_type() {
            D::Null => return None,
            ty if ty.is_numeric() => Self::Number,
            D::Utf8 | D::LargeUtf8 | D::Utf8View => match marked {
                Some(marked) => Self::Marked(marked.to_uppercase()),
                None => Self::Text,
            },
            D::Binary | D::LargeBinary | D::BinaryView => Self::Bytes,
            ty => Self::Own(ty.clone()),
        })
    }

    fn shown(&self) -> String {
        match self {
            Self::Number => "a number".to_owned(),
            Self::Text => "TEXT".to_owned(),
            Self::Bytes => "BYTEA".to_owned(),
            Self::Marked(ty) => ty.clone(),
            Self::Own(DataType::Boolean) => "BOOLEAN".to_owned(),
            Self::Own(DataType::Date32) => "DATE".to_owned(),
            Self::Own(DataType::Timestamp(..)) => "TIMESTAMPTZ".to_owned(),
            Self::Own(ty) => ty.to_string(),
        }
    }
}

/// Whether the columns of all sides of each UNION of a plan match, before anything is converted.
///
/// # Errors
/// The first column that does not.
pub(crate) fn matched(plan: &LogicalPlan) -> Result<(), QueryError> {
    let mut unmatched = None;
    plan.apply(|node| {
        if let LogicalPlan::Union(union) = node {
            unmatched = unmatched.take().or_else(|| mismatch(union));
        }
        Ok(match unmatched {
            Some(_) => TreeNodeRecursion::Stop,
            None => TreeNodeRecursion::Continue,
        })
    })
    .map_err(from_engine)?;
    match unmatched {
        Some(problem) => Err(problem.into()),
        None => Ok(()),
    }
}

fn mismatch(union: &Union) -> Option<Problem> {
    let width = union.schema.fields().len();
    (0..width).find_map(|at| {
        let fields = union.inputs.iter();
        let fields = fields.filter_map(|side| side.schema().fields().get(at));
        let (first, other) = odd_pair(fields.map(AsRef::as_ref))?;
        let name = union.schema.fields().get(at)?.name();
        Some(Problem {
            code: Code::Sql024,
            message: format!(
                "UNION types {first} and {other} of column \"{name}\" cannot be matched"
            ),
            detail: None,
            hint: Some("convert one of them with CAST(… AS type)".to_owned()),
            position: None,
        })
    })
}

/// Two columns that do not go together.
fn odd_pair<'a>(fields: impl Iterator<Item = &'a Field> + Clone) -> Option<(String, String)> {
    let mut families = fields.clone().filter_map(Family::of);
    let first = families.next()?;
    if let Some(other) = families.find(|other| *other != first) {
        return Some((first.shown(), other.shown()));
    }
    // A number of many digits has no place in a NUMERIC, and loses some in a float.
    let mut types = fields.map(Field::data_type);
    let is_exact = |ty: &DataType| matches!(ty, DataType::Decimal128(..));
    let is_mixed = types.clone().any(is_exact) && types.any(DataType::is_floating);
    is_mixed.then(|| ("NUMERIC".to_owned(), "DOUBLE PRECISION or REAL".to_owned()))
}
