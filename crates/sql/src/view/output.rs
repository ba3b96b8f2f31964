//! The rows of a view: its columns in types that can be kept, and what identifies a row. A key
//! that was not selected is carried along in hidden columns.

use std::{collections::BTreeSet, sync::Arc};

use datafusion::{
    arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
    physical_expr::{
        PhysicalExpr,
        expressions::{Column as Position, cast},
    },
};
use mainstem_kernel::{
    Code, Column, ColumnName, ColumnType, Columns, Place, Problem, types::TYPE_METADATA,
};

use super::{
    Node, identity, lineage,
    shape::{column, projected},
};
use crate::declare::{Told, mistake};

/// What the rows of a view are.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) plan: Node,
    pub(crate) columns: Columns,
    pub(crate) hidden: Vec<ColumnName>,
    pub(crate) key: Vec<usize>,
}

/// Completes a plan. `row_key` names the source's key if its rows change; a view that only adds
/// rows has none.
///
/// # Errors
/// Columns that cannot be kept.
pub(crate) fn complete(
    plan: Node,
    row_key: Option<&RowKey<'_>>,
    place: &Place,
) -> Result<Output, Vec<Problem>> {
    let selected = plan.schema().fields().len();
    let (plan, key) = match row_key {
        Some(row_key) => carried(identity::identified(plan), row_key),
        None => (plan, Vec::new()),
    };
    let mut problems = Vec::new();
    let mut columns = Vec::new();
    let mut hidden = Vec::new();
    let mut names = BTreeSet::new();
    let fields: Vec<FieldRef> = plan.schema().fields().iter().cloned().collect();
    for (index, field) in fields.iter().enumerate() {
        let is_hidden = index >= selected;
        let written = match is_hidden {
            true => format!("_key{}", index.saturating_sub(selected).saturating_add(1)),
            false => field.name().clone(),
        };
        match kept(field, written, is_hidden).and_then(|column| {
            match names.insert(column.name.clone()) {
                true => Ok(column),
                false => Err(twice(&column.name)),
            }
        }) {
            Ok(column) => {
                hidden.extend(is_hidden.then(|| column.name.clone()));
                columns.push(column);
            }
            Err(said) => problems.push(said.at(place)),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let plan = stored(plan, &columns).map_err(|said| vec![said.at(place)])?;
    Ok(Output {
        plan,
        columns: Columns(columns),
        hidden,
        key,
    })
}

/// What identifies a row below.
#[derive(Debug)]
pub(crate) struct RowKey<'a> {
    /// The source's key, if no groups are made.
    pub(crate) source: &'a [String],
    /// The source's columns.
    pub(crate) schema: &'a SchemaRef,
}

/// Adds the key behind the columns where it is not among them; gives its positions.
pub(crate) fn carried(node: Node, row_key: &RowKey<'_>) -> (Node, Vec<usize>) {
    match node {
        Node::Aggregate { ref keys, .. } => {
            let key = (0..keys.len()).collect();
            (node, key)
        }
        Node::Source {
            input,
            mut columns,
            schema,
        } => {
            let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
            let mut key = Vec::with_capacity(row_key.source.len());
            for name in row_key.source {
                let found = columns.iter().position(|column| column == name);
                key.push(found.unwrap_or(columns.len()));
                if found.is_none()
                    && let Ok(index) = row_key.schema.index_of(name)
                {
                    columns.push(name.clone());
                    fields.push(Arc::clone(&row_key.schema.fields()[index]));
                }
            }
            let schema = Arc::new(Schema::new(fields));
            (
                Node::Source {
                    input,
                    columns,
                    schema,
                },
                key,
            )
        }
        Node::Filter { input, predicate } => {
            let (input, key) = carried(*input, row_key);
            let input = Box::new(input);
            (Node::Filter { input, predicate }, key)
        }
        Node::Project {
            input,
            mut exprs,
            schema,
        } => {
            let (input, below) = carried(*input, row_key);
            let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
            let mut key = Vec::with_capacity(below.len());
            for position in below {
                let found = exprs.iter().position(|expr| column(expr) == Some(position));
                key.push(found.unwrap_or(exprs.len()));
                if found.is_none() {
                    let field = Arc::clone(&input.schema().fields()[position]);
                    exprs.push(Arc::new(Position::new(field.name(), position)));
                    fields.push(field);
                }
            }
            let schema = Arc::new(Schema::new(fields));
            (projected(input, exprs, schema), key)
        }
        Node::Rank(ref rank) => {
            let partition = rank.partition.iter();
            let key = partition.chain(&rank.identity).copied().collect();
            (node, key)
        }
        Node::Pairs(ref pairs) => {
            let key = pairs.key().to_vec();
            (node, key)
        }
        // They stand over what only adds rows, below the groups that have the key.
        Node::Union { .. } | Node::Lookup { .. } | Node::Window { .. } | Node::Running(_) => {
            (node, Vec::new())
        }
    }
}

/// What is said of a column, without a place.
struct Said {
    message: String,
    hint: String,
}

impl Said {
    fn at(self, place: &Place) -> Problem {
        mistake(Code::View007, place.clone(), self.message).hint(self.hint)
    }
}

fn twice(name: &ColumnName) -> Said {
    Said {
        message: format!("two columns of the view are named \"{name}\""),
        hint: "name them apart with AS".to_owned(),
    }
}

fn kept(field: &Field, written: String, is_hidden: bool) -> Result<Column, Said> {
    let name = ColumnName::new(&written).map_err(|error| Said {
        message: error.to_string(),
        hint: "name the column with AS".to_owned(),
    })?;
    if written.starts_with('_') && !is_hidden {
        return Err(Said {
            message: format!("name \"{written}\" is reserved"),
            hint: format!("name the column with AS: {written} AS name"),
        });
    }
    let ty = column_type(field).ok_or_else(|| {
        let ty = field.data_type();
        match ty {
            DataType::Null => Said {
                message: format!("column \"{written}\" has no type"),
                hint: "give NULL a type: NULL::TEXT".to_owned(),
            },
            _ => Said {
                message: format!("column \"{written}\" cannot be kept, it is {ty}"),
                hint: "convert it with CAST(… AS type)".to_owned(),
            },
        }
    })?;
    Ok(Column {
        id: 0,
        name,
        ty,
        nullable: field.is_nullable(),
    })
}

/// The type in which a column is kept.
fn column_type(field: &Field) -> Option<ColumnType> {
    use DataType as D;
    let marked = field.metadata().get(TYPE_METADATA).map(String::as_str);
    Some(match field.data_type() {
        D::Boolean => ColumnType::Boolean,
        D::Int8 | D::Int16 | D::UInt8 => ColumnType::SmallInt,
        D::Int32 | D::UInt16 => ColumnType::Integer,
        D::Int64 | D::UInt32 | D::UInt64 => ColumnType::BigInt,
        D::Float16 | D::Float32 => ColumnType::Real,
        D::Float64 => ColumnType::Double,
        D::Decimal128(precision, scale) if *scale >= 0 => ColumnType::Numeric {
            precision: *precision,
            scale: *scale,
        },
        D::Utf8 | D::LargeUtf8 | D::Utf8View => match marked {
            Some("JSON") => ColumnType::Json,
            Some("UUID") => ColumnType::Uuid,
            _ => ColumnType::Text,
        },
        D::Binary | D::LargeBinary | D::BinaryView => ColumnType::Bytea,
        D::Date32 | D::Date64 => ColumnType::Date,
        D::Timestamp(..) => ColumnType::TimestampTz,
        D::List(item) | D::LargeList(item) => ColumnType::Array(Box::new(column_type(item)?)),
        D::Struct(fields) => {
            let fields = fields.iter().map(|field| {
                let name = ColumnName::new(field.name()).ok()?;
                Some((name, column_type(field)?))
            });
            ColumnType::Row(fields.collect::<Option<_>>()?)
        }
        D::Dictionary(_, value) => {
            column_type(&Field::new(field.name(), value.as_ref().clone(), true))?
        }
        _ => return None,
    })
}

/// The plan with exactly these columns: renamed, and converted where they are not kept as they
/// are computed.
fn stored(plan: Node, columns: &[Column]) -> Result<Node, Said> {
    let below = Arc::clone(plan.schema());
    let fields = columns.iter().map(|column| {
        let name = column.name.as_str();
        column.ty.field(name, column.nullable)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let (node, base, exprs) = match plan {
        // One projection says it all.
        Node::Project {
            input,
            exprs,
            schema,
        } => (*input, schema, exprs),
        other => {
            let exprs = below.fields().iter().enumerate().map(|(index, field)| {
                Arc::new(Position::new(field.name(), index)) as Arc<dyn PhysicalExpr>
            });
            let exprs = exprs.collect();
            (other, Arc::clone(&below), exprs)
        }
    };
    let input = Arc::clone(node.schema());
    let exprs = exprs.into_iter().zip(schema.fields()).zip(base.fields());
    let exprs = exprs.map(|((expr, wanted), found)| {
        if found.data_type() == wanted.data_type() {
            return Ok(expr);
        }
        cast(expr, &input, wanted.data_type().clone()).map_err(|_unfit| Said {
            message: format!("column \"{}\" cannot be kept", wanted.name()),
            hint: "convert it with CAST(… AS type)".to_owned(),
        })
    });
    let exprs = exprs.collect::<Result<_, _>>()?;
    Ok(named(node, exprs, schema))
}

/// As `projected`, where other names alone are no reason for a projection.
fn named(node: Node, exprs: Vec<Arc<dyn PhysicalExpr>>, schema: SchemaRef) -> Node {
    let types = |schema: &Schema| -> Vec<DataType> {
        let fields = schema.fields().iter();
        fields.map(|field| field.data_type().clone()).collect()
    };
    let is_same = exprs.len() == node.schema().fields().len()
        && exprs
            .iter()
            .enumerate()
            .all(|(index, expr)| column(expr) == Some(index))
        && types(node.schema()) == types(&schema)
        && lineage::aggregate(&node).is_none();
    match (is_same, node) {
        (true, Node::Source { input, columns, .. }) => Node::Source {
            input,
            columns,
            schema,
        },
        (_, node) => projected(node, exprs, schema),
    }
}

/// Gives a source that only counts rows one column to count: rows without columns are no rows.
pub(crate) fn with_a_column(node: Node, schemas: &[SchemaRef]) -> Node {
    match node {
        Node::Source {
            input,
            columns,
            schema,
        } if columns.is_empty() => match schemas.get(input).and_then(|s| s.fields().first()) {
            Some(first) => Node::Source {
                input,
                columns: vec![first.name().clone()],
                schema: Arc::new(Schema::new(vec![Arc::clone(first)])),
            },
            None => Node::Source {
                input,
                columns,
                schema,
            },
        },
        Node::Filter { input, predicate } => Node::Filter {
            input: Box::new(with_a_column(*input, schemas)),
            predicate,
        },
        Node::Project {
            input,
            exprs,
            schema,
        } => Node::Project {
            input: Box::new(with_a_column(*input, schemas)),
            exprs,
            schema,
        },
        Node::Aggregate {
            input,
            keys,
            window,
            calls,
            schema,
        } => Node::Aggregate {
            input: Box::new(with_a_column(*input, schemas)),
            keys,
            window,
            calls,
            schema,
        },
        Node::Union { inputs, schema } if schema.fields().is_empty() => Node::Union {
            inputs: inputs
                .into_iter()
                .map(|side| {
                    projected(
                        with_a_column(side, schemas),
                        Vec::new(),
                        Arc::clone(&schema),
                    )
                })
                .collect(),
            schema,
        },
        // Columns behind those of a source have positions.
        Node::Source { .. }
        | Node::Union { .. }
        | Node::Pairs(_)
        | Node::Lookup { .. }
        | Node::Window { .. }
        | Node::Rank(_)
        | Node::Running(_) => node,
    }
}
