//! The source of a view: an object's columns, and the windows that they are cut into.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::{Schema, SchemaRef},
    logical_expr::TableScan,
    physical_expr::{PhysicalExpr, expressions::Column},
};
use mainstem_kernel::Problem;

use super::{
    super::{
        Node, WindowKind,
        refuse::unbuilt,
        relation::{Cut, Relation, Role, WINDOW_COLUMNS},
    },
    Shape, projected,
};

impl Shape<'_> {
    /// The relation of a scan.
    pub(super) fn relation(&self, scan: &TableScan) -> Result<&Relation, Problem> {
        let name = scan.table_name.table();
        let index = name.strip_prefix('$').and_then(|text| text.parse().ok());
        let found = index.and_then(|index: usize| self.bound.relations.get(index));
        found.ok_or_else(|| unbuilt("this relation", self.place.clone()))
    }

    pub(super) fn source(&self, scan: &TableScan) -> Result<Node, Problem> {
        let relation = self.relation(scan)?;
        let projected_schema = Arc::clone(scan.projected_schema.inner());
        Ok(match &relation.role {
            Role::Windows(cut) => windows(relation, cut, &projected_schema),
            Role::Rows | Role::Lookup { .. } => rows(relation, projected_schema),
        })
    }
}

fn rows(relation: &Relation, schema: SchemaRef) -> Node {
    let fields = schema.fields().iter();
    Node::Source {
        input: relation.input,
        columns: fields.map(|field| field.name().clone()).collect(),
        schema,
    }
}

/// The columns asked for, in that order, from the object's own and its windows.
fn windows(relation: &Relation, cut: &Cut, wanted: &SchemaRef) -> Node {
    let is_window = |name: &str| WINDOW_COLUMNS.contains(&name);
    // Each row is in one tumbling window, so nobody sees that there are some. It is in several that
    // overlap: they stay, and `bounds` refuses what does not group by them.
    let is_one = cut.windows.kind == WindowKind::Tumbling;
    if is_one && !wanted.fields().iter().any(|field| is_window(field.name())) {
        return rows(relation, Arc::clone(wanted));
    }
    let is_read = |name: &String| *name == cut.time || cut.by.contains(name);
    let own = |name: &String| !is_window(name) && (wanted.index_of(name).is_ok() || is_read(name));
    let all = relation.schema.fields().iter();
    let below: Vec<_> = all.filter(|field| own(field.name())).cloned().collect();
    let time = below.iter().position(|field| *field.name() == cut.time);
    let place = |name: &String| below.iter().position(|field| field.name() == name);
    let by = cut.by.iter().filter_map(place).collect();
    let below = Arc::new(Schema::new(below));
    let schema = super::super::relation::with_window(&below);
    let node = Node::Window {
        input: Box::new(rows(relation, below)),
        time: time.unwrap_or_default(),
        windows: cut.windows.clone(),
        by,
        schema: Arc::clone(&schema),
    };
    let columns = wanted.fields().iter().map(|field| {
        let index = schema.index_of(field.name()).unwrap_or_default();
        Arc::new(Column::new(field.name(), index)) as Arc<dyn PhysicalExpr>
    });
    let exprs = columns.collect();
    projected(node, exprs, Arc::clone(wanted))
}
