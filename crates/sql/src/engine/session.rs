//! DataFusion's session: one made at the start with all functions and rules, one per question
//! with its tables, memory and time. It offers no files, no locations and no settings.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use chrono::DateTime;
use datafusion::{
    arrow::datatypes::{DataType, Field, FieldRef},
    catalog::{
        CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
        SchemaProvider, TableProvider,
    },
    common::Result,
    config::Dialect,
    execution::SessionStateDefaults,
    execution::{
        config::SessionConfig,
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::MemoryPool,
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
        session_state::{SessionState, SessionStateBuilder},
    },
    logical_expr::planner::TypePlanner,
    optimizer::{Optimizer, OptimizerRule},
};
use mainstem_kernel::{Timestamp, types::timestamp_tz};
use sqlparser::ast::{DataType as SqlType, TimezoneInfo};

use super::{
    coded::{GroupByNumber, PlaceByNumber},
    files::history_url,
    narrow::physical_rules,
    store::SharedStore,
};
use crate::functions;

/// Name of the only catalog.
const CATALOG: &str = "mainstem";
/// Name of the only schema; PostgreSQL's.
pub(crate) const SCHEMA: &str = "public";
/// Bytes of Parquet footers that are kept from question to question.
const FOOTERS_BYTES_MAX: usize = 64 << 20;

/// What every question's session begins as.
pub(crate) fn prototype(threads: usize) -> Result<SessionState> {
    let runtime = RuntimeEnvBuilder::new()
        .with_disk_manager_builder(
            DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled),
        )
        .with_metadata_cache_limit(FOOTERS_BYTES_MAX)
        .build_arc()?;
    let builder = SessionStateBuilder::new()
        .with_config(config(threads))
        .with_runtime_env(runtime)
        .with_expr_planners(functions::planners())
        .with_type_planner(Arc::new(Types))
        .with_analyzer_rule(Arc::new(functions::CheckedArithmetic))
        .with_optimizer_rules(rules())
        .with_physical_optimizer_rules(physical_rules())
        .with_physical_optimizer_rule(Arc::new(PlaceByNumber))
        .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()));
    Ok(functions::register(builder).build())
}

/// DataFusion's rules, behind ours: it looks at groupings as they were written.
fn rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = Optimizer::new().rules;
    rules.insert(0, Arc::new(GroupByNumber));
    rules
}

fn config(threads: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(threads.max(1))
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_information_schema(false);
    let options = config.options_mut();
    options.sql_parser.dialect = Dialect::PostgreSQL;
    options.sql_parser.collect_spans = true;
    // 1.1 is one and a tenth, not the nearest power of two: sums of money are exact.
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.time_zone = Some("UTC".to_owned());
    options.explain.format = datafusion::common::format::ExplainFormat::Indent;
    config
}

/// What one question adds.
pub(crate) struct Given {
    pub(crate) tables: HashMap<String, Arc<dyn TableProvider>>,
    pub(crate) store: SharedStore,
    pub(crate) memory: Arc<dyn MemoryPool>,
    pub(crate) now: Timestamp,
}

/// The session of one question.
pub(crate) fn of_question(prototype: &SessionState, given: Given) -> Result<SessionState> {
    let runtime = RuntimeEnv {
        memory_pool: given.memory,
        ..RuntimeEnvBuilder::from_runtime_env(prototype.runtime_env()).build()?
    };
    runtime.register_object_store(history_url()?.as_ref(), given.store);
    let mut state = SessionStateBuilder::new_from_existing(prototype.clone())
        .with_runtime_env(Arc::new(runtime))
        .with_catalog_list(only(given.tables)?)
        .build();
    set_now(&mut state, given.now);
    Ok(state)
}

/// What `now()` is.
pub(crate) fn set_now(state: &mut SessionState, now: Timestamp) {
    let options = Arc::clone(state.config_options());
    let props = state.execution_props_mut();
    props.query_execution_start_time = DateTime::from_timestamp_micros(now.0);
    props.config_options = Some(options);
}

/// A list of catalogs that has these tables and no others.
pub(crate) fn only(
    tables: HashMap<String, Arc<dyn TableProvider>>,
) -> Result<Arc<dyn CatalogProviderList>> {
    let list = MemoryCatalogProviderList::new();
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(SCHEMA, Arc::new(Tables(tables)))?;
    list.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
    Ok(Arc::new(list))
}

/// The tables of one question; there are no others.
#[derive(Debug)]
struct Tables(HashMap<String, Arc<dyn TableProvider>>);

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(self.0.get(name).cloned())
    }

    fn table_exist(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// Our types by their SQL names: what CAST and literals make.
#[derive(Debug)]
struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        let ty = match sql_type {
            SqlType::Timestamp(_, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => timestamp_tz(),
            SqlType::Uuid => mainstem_kernel::ColumnType::Uuid.arrow(),
            SqlType::JSON | SqlType::JSONB => mainstem_kernel::ColumnType::Json.arrow(),
            SqlType::Bytea => DataType::Binary,
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(Field::new("", ty, true))))
    }
}

/// The planners of operators and of functions with a syntax of their own.
pub(crate) fn default_planners() -> Vec<Arc<dyn datafusion::logical_expr::planner::ExprPlanner>> {
    SessionStateDefaults::default_expr_planners()
}
