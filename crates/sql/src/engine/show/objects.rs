//! SHOW TABLES, SHOW VIEWS and SHOW CREATE.

use std::sync::Arc;

use datafusion::arrow::{array::RecordBatch, datatypes::DataType, error::ArrowError};
use mainstem_catalog::{Definitions, Object, Stage, StreamDef, TableDef, ViewDef};
use mainstem_kernel::{ColumnName, TenantId};

use super::{batch, texts};
use crate::declare;

/// Name, application, key and time to live of every table.
pub(super) fn tables(defs: &Definitions, tenant: TenantId) -> Result<RecordBatch, ArrowError> {
    let mine = defs.names.iter().filter(|((owner, _), _)| *owner == tenant);
    let tables: Vec<&Arc<TableDef>> = mine.filter_map(|(_, id)| defs.tables.get(id)).collect();
    let keys: Vec<String> = tables.iter().map(|def| list(&def.spec.key)).collect();
    let ttl = |def: &&Arc<TableDef>| {
        let ttl = def.spec.ttl.map(declare::span_text);
        ttl.unwrap_or_else(|| "for ever".to_owned())
    };
    let ttls: Vec<String> = tables.iter().map(ttl).collect();
    batch(
        &[
            ("table", DataType::Utf8),
            ("application", DataType::Utf8),
            ("key", DataType::Utf8),
            ("ttl", DataType::Utf8),
        ],
        vec![
            texts(tables.iter().map(|def| def.spec.name.as_str())),
            texts(tables.iter().map(|def| def.app.as_str())),
            texts(keys.iter().map(String::as_str)),
            texts(ttls.iter().map(String::as_str)),
        ],
    )
}

/// Every version of a view that is computed: name, application, key, when it emits, stage.
pub(super) fn views(defs: &Definitions, tenant: TenantId) -> Result<RecordBatch, ArrowError> {
    let mine = defs.views.values();
    let mut views: Vec<&Arc<ViewDef>> = mine
        .filter(|def| def.tenant == tenant && def.is_running())
        .collect();
    views.sort_by(|a, b| (&a.spec.name, a.id).cmp(&(&b.spec.name, b.id)));
    let keys: Vec<String> = views.iter().map(|def| list(&def.spec.key)).collect();
    let emit = |def: &&Arc<ViewDef>| {
        declare::emit_text(def.spec.emit).unwrap_or_else(|| "rows as they come".to_owned())
    };
    let emits: Vec<String> = views.iter().map(emit).collect();
    let stages = views.iter().map(|def| match def.stage {
        Stage::Building => "building",
        Stage::Live => "live",
        Stage::Replaced { .. } => "replaced",
    });
    batch(
        &[
            ("view", DataType::Utf8),
            ("application", DataType::Utf8),
            ("key", DataType::Utf8),
            ("emit", DataType::Utf8),
            ("stage", DataType::Utf8),
        ],
        vec![
            texts(views.iter().map(|def| def.spec.name.as_str())),
            texts(views.iter().map(|def| def.app.as_str())),
            texts(keys.iter().map(String::as_str)),
            texts(emits.iter().map(String::as_str)),
            texts(stages),
        ],
    )
}

fn list(names: &[ColumnName]) -> String {
    let names: Vec<&str> = names.iter().map(ColumnName::as_str).collect();
    names.join(", ")
}

/// The statement of an object: canonical of streams and tables, as written of views.
pub(super) fn create(object: Object<'_>) -> Result<RecordBatch, ArrowError> {
    let text = match object {
        Object::Stream(def) => stream(def),
        Object::Table(def) => declare::show_table(&def.spec),
        Object::View(def) => def.spec.sql.clone(),
    };
    let kind = object.kind().to_string();
    batch(
        &[(&kind, DataType::Utf8), ("statement", DataType::Utf8)],
        vec![texts([object.name().as_str()]), texts([text.as_str()])],
    )
}

fn stream(def: &StreamDef) -> String {
    let newest = def.schemas.last();
    let newest = newest.map_or(&def.spec.columns, |entry| &entry.columns);
    declare::show(&mainstem_catalog::StreamSpec {
        columns: newest.clone(),
        ..def.spec.clone()
    })
}
