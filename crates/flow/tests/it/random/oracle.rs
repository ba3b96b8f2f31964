//! Plain DataFusion over rows in memory: none of our functions, rules or operators.

use std::{collections::BTreeMap, sync::Arc};

use datafusion::{
    arrow::{array::RecordBatch, compute::concat_batches},
    config::Dialect,
    prelude::{SessionConfig, SessionContext},
};
use tokio::runtime::Runtime;

/// Answers questions over relations by their names.
#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) relations: BTreeMap<String, RecordBatch>,
    pub(super) runtime: Runtime,
}

impl Oracle {
    pub(crate) fn new() -> Self {
        Self {
            relations: BTreeMap::new(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    pub(crate) fn answer(&self, sql: &str) -> RecordBatch {
        let mut config = SessionConfig::new().with_target_partitions(1);
        // It disagrees with itself over whether `x IS TRUE` may be NULL, which changes no row.
        let execution = &mut config.options_mut().execution;
        execution.skip_physical_aggregate_schema_check = true;
        let parser = &mut config.options_mut().sql_parser;
        parser.dialect = Dialect::PostgreSQL;
        parser.parse_float_as_decimal = true;
        parser.map_string_types_to_utf8view = false;
        let context = SessionContext::new_with_config(config);
        // It takes two keys for one if they differ in a CAST alone, and fails.
        context.remove_optimizer_rule("eliminate_group_by_constant");
        for (name, rows) in &self.relations {
            drop(context.register_batch(name, rows.clone()).unwrap());
        }
        self.runtime.block_on(async {
            let frame = context.sql(sql).await;
            let frame = frame.unwrap_or_else(|error| panic!("not planned: {error}\n{sql}"));
            let schema = Arc::clone(frame.schema().inner());
            let rows = frame.collect().await;
            let rows = rows.unwrap_or_else(|error| panic!("not answered: {error}\n{sql}"));
            let schema = rows.first().map_or(schema, RecordBatch::schema);
            concat_batches(&schema, &rows).unwrap()
        })
    }
}
