//! The rule that lets a grouping by texts compare numbers.
//!
//! `GROUP BY text` over a stream becomes a grouping by the numbers of the texts, and the numbers
//! become texts again when the groups are there. It pays where files have the column in
//! dictionaries; elsewhere a text is hashed once in either way, so the plan stays as it was.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::DataType,
    common::{
        Column, Result, TableReference,
        tree_node::{Transformed, TreeNodeRecursion},
    },
    datasource::{provider_as_source, source_as_provider},
    logical_expr::{
        Aggregate, Expr, LogicalPlan, Projection, ScalarUDF, SubqueryAlias, TableScan,
        expr::ScalarFunction, logical_plan::TableScanBuilder,
    },
    optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule},
};

use super::{
    super::table::StreamTable,
    table::{Coded, CodedTable, number_name},
    texts::{TextOf, Texts},
};

/// Groups by numbers instead of texts.
#[derive(Debug)]
pub(crate) struct GroupByNumber;

impl OptimizerRule for GroupByNumber {
    fn name(&self) -> &'static str {
        "group_by_number"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(aggregate) = &plan else {
            return Ok(Transformed::no(plan));
        };
        match by_number(aggregate)? {
            Some(better) => Ok(Transformed::yes(better)),
            None => Ok(Transformed::no(plan)),
        }
    }
}

/// A text that is grouped by, and its numbers.
struct Key {
    /// Its column, as the grouping names it.
    column: Column,
    coded: Coded,
}

fn by_number(aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
    let Some((scan, stream)) = scan_below(&aggregate.input)? else {
        return Ok(None);
    };
    let filtered = filtered_columns(&aggregate.input, scan)?;
    let mut keys = Vec::new();
    for expr in &aggregate.group_expr {
        let Expr::Column(column) = expr else {
            return Ok(None);
        };
        let Ok(index) = stream.columns.schema.index_of(&column.name) else {
            return Ok(None);
        };
        let is_text = *stream.columns.schema.field(index).data_type() == DataType::Utf8;
        if is_text && !filtered.contains(&column.name) && stream.is_coded(index) {
            let texts = Arc::new(Texts::default());
            keys.push(Key {
                column: column.clone(),
                coded: Coded {
                    column: index,
                    texts,
                },
            });
        }
    }
    if keys.is_empty() {
        return Ok(None);
    }
    let scan = coded_scan(scan, &stream, &keys)?;
    let input = Arc::new(with_scan(&aggregate.input, scan)?);
    let number = |column: &Column| Column::new(column.relation.clone(), number_name(&column.name));
    let is_key = |expr: &Expr| match expr {
        Expr::Column(column) => keys.iter().find(|key| key.column == *column),
        _ => None,
    };
    let group = aggregate.group_expr.iter().map(|expr| match is_key(expr) {
        Some(key) => Expr::Column(number(&key.column)),
        None => expr.clone(),
    });
    let group: Vec<Expr> = group.collect();
    let grouped = Aggregate::try_new(input, group, aggregate.aggr_expr.clone())?;
    let mut shown = Vec::new();
    for (place, (relation, field)) in aggregate.schema.iter().enumerate() {
        let expr = aggregate.group_expr.get(place).and_then(is_key);
        shown.push(match expr {
            Some(key) => {
                let texts = Arc::clone(&key.coded.texts);
                let text_of = Arc::new(ScalarUDF::from(TextOf::new(texts)));
                let number = Expr::Column(number(&key.column));
                let text = ScalarFunction::new_udf(text_of, vec![number]);
                Expr::ScalarFunction(text).alias_qualified(relation.cloned(), field.name())
            }
            None => Expr::Column(Column::new(relation.cloned(), field.name())),
        });
    }
    let grouped = Arc::new(LogicalPlan::Aggregate(grouped));
    let shown = Projection::try_new(shown, grouped)?;
    Ok(Some(LogicalPlan::Projection(shown)))
}

/// The stream that is read below filters and other names, if nothing else is between.
fn scan_below(plan: &LogicalPlan) -> Result<Option<(&TableScan, Arc<StreamTable>)>> {
    match plan {
        LogicalPlan::Filter(filter) => scan_below(&filter.input),
        LogicalPlan::SubqueryAlias(alias) => scan_below(&alias.input),
        LogicalPlan::TableScan(scan) => {
            let Ok(provider) = source_as_provider(&scan.source) else {
                return Ok(None);
            };
            let any: Arc<dyn std::any::Any + Send + Sync> = provider;
            Ok(any
                .downcast::<StreamTable>()
                .ok()
                .map(|stream| (scan, stream)))
        }
        _ => Ok(None),
    }
}

/// Names of the columns that filters look at: they are better off with texts.
fn filtered_columns(plan: &LogicalPlan, scan: &TableScan) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut note = |expr: &Expr| {
        names.extend(
            expr.column_refs()
                .into_iter()
                .map(|column| column.name.clone()),
        );
    };
    scan.filters.iter().for_each(&mut note);
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Filter(filter) = node {
            note(&filter.predicate);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(names)
}

/// The scan of the stream with numbers.
fn coded_scan(scan: &TableScan, stream: &Arc<StreamTable>, keys: &[Key]) -> Result<LogicalPlan> {
    let own = stream.columns.schema.fields().len();
    let mut projection = scan.projection.clone();
    if let Some(projection) = &mut projection {
        projection.extend(own..own + keys.len());
    }
    let coded = keys.iter().map(|key| key.coded.clone()).collect();
    let table = CodedTable::new(Arc::clone(stream), coded);
    let scan = TableScanBuilder::new(scan.table_name.clone(), provider_as_source(Arc::new(table)))
        .with_projection(projection)
        .with_filters(scan.filters.clone())
        .with_fetch(scan.fetch)
        .build()?;
    Ok(LogicalPlan::TableScan(scan))
}

/// The plan with another scan at its bottom.
fn with_scan(plan: &LogicalPlan, scan: LogicalPlan) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Filter(filter) => {
            let input = with_scan(&filter.input, scan)?;
            plan.with_new_exprs(vec![filter.predicate.clone()], vec![input])
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let input = with_scan(&alias.input, scan)?;
            let alias =
                SubqueryAlias::try_new(Arc::new(input), TableReference::clone(&alias.alias))?;
            Ok(LogicalPlan::SubqueryAlias(alias))
        }
        _ => Ok(scan),
    }
}
