//! Operators as SELECTs, each over the one below. Columns are called by their positions.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use datafusion::{
    arrow::datatypes::DataType,
    common::DFSchema,
    logical_expr::{
        Distinct, EmptyRelation, Expr, FetchType, Limit, LogicalPlan, SkipType, Sort, SortExpr,
        TableScan, Values,
    },
};

use super::{
    SparkQuestion, SparkRead,
    errors::{refused, unspelled},
    plan::Planned,
};
use crate::{
    engine::Relations,
    error::{QueryError, from_engine},
    spark::{Speller, field_type},
};

/// A SELECT, whose columns are `c0`, `c1`, ….
pub(super) type Text = Result<String, QueryError>;

/// Spells a plan, and gathers what it reads.
pub(super) struct Levels<'a> {
    pub(super) speller: Speller,
    relations: &'a Relations,
    /// For each relation its number and the columns that are read.
    reads: BTreeMap<&'a str, (usize, BTreeSet<usize>)>,
}

/// A column of a SELECT, as it is called.
pub(super) fn name(index: usize) -> String {
    format!("c{index}")
}

/// Columns as SELECT lists them; one that nobody reads where there are none.
pub(super) fn listed(exprs: &[String]) -> String {
    if exprs.is_empty() {
        return "1 AS c0".to_owned();
    }
    let exprs = exprs.iter().enumerate();
    let exprs: Vec<String> = exprs
        .map(|(index, text)| format!("{text} AS c{index}"))
        .collect();
    exprs.join(", ")
}

/// A name between backticks.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

impl<'a> Levels<'a> {
    /// The question of a plan.
    ///
    /// # Errors
    /// The first part that has no spelling.
    pub(super) fn spelled(
        planned: &Planned,
        relations: &'a Relations,
    ) -> Result<SparkQuestion, QueryError> {
        let mut levels = Self {
            speller: Speller::default(),
            relations,
            reads: BTreeMap::new(),
        };
        let schema = planned.plan.schema().inner();
        for field in schema.fields() {
            if !matches!(field.data_type(), DataType::Null | DataType::Struct(_)) {
                field_type(field).map_err(|what| unspelled(&what))?;
            }
        }
        let sql = levels.node(&planned.plan)?;
        let mut reads: Vec<SparkRead> = levels
            .reads
            .iter()
            .filter_map(|read| levels.read(read))
            .collect();
        reads.sort_by(|a, b| a.relation.cmp(&b.relation));
        Ok(SparkQuestion {
            sql,
            reads,
            schema: Arc::clone(schema),
            notes: levels.speller.notes,
            plan: planned.plan.display_indent().to_string(),
        })
    }

    fn read(
        &self,
        (name, (number, columns)): (&&'a str, &(usize, BTreeSet<usize>)),
    ) -> Option<SparkRead> {
        let relation = self.relations.get(*name)?;
        let fields = relation.schema().fields();
        let columns = columns.iter().filter_map(|column| fields.get(*column));
        Some(SparkRead {
            relation: format!("r{number}"),
            object: relation.id(),
            columns: columns.map(|field| field.name().clone()).collect(),
        })
    }

    /// An operator with all below it.
    pub(super) fn node(&mut self, plan: &LogicalPlan) -> Text {
        match plan {
            LogicalPlan::Projection(projection) => {
                let input = self.node(&projection.input)?;
                let exprs = self.exprs(&projection.expr, projection.input.schema())?;
                Ok(format!("SELECT {} FROM ({input})", listed(&exprs)))
            }
            LogicalPlan::Filter(filter) => {
                let input = self.node(&filter.input)?;
                let condition = self.expr(&filter.predicate, filter.input.schema())?;
                Ok(format!("SELECT * FROM ({input}) WHERE {condition}"))
            }
            LogicalPlan::Aggregate(aggregate) => self.groups(aggregate),
            LogicalPlan::Window(window) => self.windows(window),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Sort(sort) => self.sort(sort),
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Union(union) => {
                let inputs = union.inputs.iter().map(|input| self.node(input));
                let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
                let inputs: Vec<String> = inputs.iter().map(|sql| format!("({sql})")).collect();
                Ok(inputs.join(" UNION ALL "))
            }
            LogicalPlan::Distinct(Distinct::All(input)) => {
                Ok(format!("SELECT DISTINCT * FROM ({})", self.node(input)?))
            }
            LogicalPlan::SubqueryAlias(alias) => self.node(&alias.input),
            LogicalPlan::Subquery(subquery) => self.node(&subquery.subquery),
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::EmptyRelation(empty) => self.empty(empty),
            LogicalPlan::Values(values) => self.values(values),
            LogicalPlan::Unnest(_) => Err(refused("unnest")),
            LogicalPlan::RecursiveQuery(_) => Err(refused("WITH RECURSIVE")),
            LogicalPlan::Distinct(Distinct::On(_)) => Err(refused("DISTINCT ON")),
            _ => Err(refused("this question")),
        }
    }

    fn scan(&mut self, scan: &TableScan) -> Text {
        let name = scan.table_name.table();
        let Some((name, relation)) = self.relations.get_key_value(name) else {
            return Err(refused(&format!("\"{name}\" in FROM")));
        };
        let fields = relation.schema().fields();
        let every = || (0..fields.len()).collect::<Vec<_>>();
        let places = scan.projection.clone().unwrap_or_else(every);
        let number = self.reads.len();
        let read = self.reads.entry(name).or_insert((number, BTreeSet::new()));
        read.1.extend(&places);
        let columns = places.iter().filter_map(|place| fields.get(*place));
        let columns: Vec<String> = columns.map(|field| quoted(field.name())).collect();
        let text = format!("SELECT {} FROM r{}", listed(&columns), read.0);
        if scan.filters.is_empty() {
            return Ok(match scan.fetch {
                Some(rows) => format!("{text} LIMIT {rows}"),
                None => text,
            });
        }
        Err(QueryError::broken("a relation without rows took a filter"))
    }

    fn sort(&mut self, sort: &Sort) -> Text {
        let input = self.node(&sort.input)?;
        let order = self.order(&sort.expr, sort.input.schema())?;
        let order = match order.is_empty() {
            true => String::new(),
            false => format!(" ORDER BY {order}"),
        };
        let fetch = sort
            .fetch
            .map(|rows| format!(" LIMIT {rows}"))
            .unwrap_or_default();
        Ok(format!("SELECT * FROM ({input}){order}{fetch}"))
    }

    /// What rows are ordered by. A constant would be taken for the number of a column.
    pub(super) fn order(&mut self, order: &[SortExpr], over: &DFSchema) -> Text {
        let mut texts = Vec::with_capacity(order.len());
        for one in order
            .iter()
            .filter(|one| !matches!(one.expr, Expr::Literal(..)))
        {
            let text = self.expr(&one.expr, over)?;
            let way = if one.asc { "ASC" } else { "DESC" };
            let nulls = if one.nulls_first { "FIRST" } else { "LAST" };
            texts.push(format!("{text} {way} NULLS {nulls}"));
        }
        Ok(texts.join(", "))
    }

    fn limit(&mut self, limit: &Limit) -> Text {
        let input = self.node(&limit.input)?;
        let (skip, fetch) = match (limit.get_skip_type(), limit.get_fetch_type()) {
            (Ok(SkipType::Literal(skip)), Ok(FetchType::Literal(fetch))) => (skip, fetch),
            (Err(error), _) | (_, Err(error)) => return Err(from_engine(error)),
            _ => return Err(refused("LIMIT of an expression")),
        };
        let fetch = fetch
            .map(|rows| format!(" LIMIT {rows}"))
            .unwrap_or_default();
        let skip = match skip {
            0 => String::new(),
            rows => format!(" OFFSET {rows}"),
        };
        Ok(format!("SELECT * FROM ({input}){fetch}{skip}"))
    }

    fn empty(&mut self, empty: &EmptyRelation) -> Text {
        if empty.produce_one_row {
            return Ok("SELECT 1 AS c0".to_owned());
        }
        let fields = empty.schema.fields().iter();
        let nulls = fields.map(|field| {
            let ty = field_type(field).map_err(|what| unspelled(&what))?;
            Ok(format!("CAST(NULL AS {ty})"))
        });
        let nulls = nulls.collect::<Result<Vec<_>, QueryError>>()?;
        Ok(format!("SELECT {} WHERE false", listed(&nulls)))
    }

    fn values(&mut self, values: &Values) -> Text {
        let fields = values.schema.fields();
        let none = DFSchema::empty();
        let mut rows = Vec::with_capacity(values.values.len());
        for row in &values.values {
            let mut cells = Vec::with_capacity(row.len());
            for (expr, field) in row.iter().zip(fields) {
                let ty = field_type(field).map_err(|what| unspelled(&what))?;
                cells.push(format!("CAST({} AS {ty})", self.expr(expr, &none)?));
            }
            rows.push(format!("(SELECT {})", listed(&cells)));
        }
        Ok(rows.join(" UNION ALL "))
    }
}
