//! The answers of SHOW, DESCRIBE and EXPLAIN VIEW: what is declared, as rows.

mod columns;
mod explain;
mod objects;

use std::sync::Arc;

use datafusion::arrow::{
    array::{ArrayRef, Int32Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
    error::ArrowError,
};
use mainstem_catalog::{DEAD_LETTERS_SUFFIX, Definitions, Object, StreamDef};
use mainstem_kernel::TenantId;

use super::{
    names,
    statement::{Asked, Named},
};
use crate::{
    declare::{self, Told},
    error::{QueryError, from_engine},
    functions,
};

/// The answer of a question that reads definitions alone.
///
/// # Errors
/// When there is no such object.
pub(crate) fn answer(
    asked: &Asked,
    defs: &Definitions,
    tenant: TenantId,
) -> Result<RecordBatch, QueryError> {
    let batch = match asked {
        Asked::Streams => streams(defs, tenant),
        Asked::Tables => objects::tables(defs, tenant),
        Asked::Views => objects::views(defs, tenant),
        Asked::Functions => functions(),
        Asked::Columns(named) => columns::of(object(defs, tenant, named)?),
        Asked::Create(named) => objects::create(object(defs, tenant, named)?),
        Asked::ExplainView(named) => return explain::view((defs, tenant), named),
        Asked::Query(_) | Asked::Write(_) | Asked::Verify(_) => {
            return Err(QueryError::broken("it is not shown"));
        }
    };
    batch.map_err(|error| from_engine(error.into()))
}

/// The object of a name.
fn object<'a>(
    defs: &'a Definitions,
    tenant: TenantId,
    named: &Named,
) -> Result<Object<'a>, QueryError> {
    defs.object(tenant, &named.name).ok_or_else(|| {
        let hint = names::near(defs, tenant, &named.name);
        names::unknown(&named.name, named.place.clone())
            .hint_if(hint)
            .into()
    })
}

fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn batch(fields: &[(&str, DataType)], columns: Vec<ArrayRef>) -> Result<RecordBatch, ArrowError> {
    let fields: Vec<Field> = fields
        .iter()
        .map(|(name, ty)| Field::new(*name, ty.clone(), true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// Name, application, partitions and retention of every stream.
fn streams(defs: &Definitions, tenant: TenantId) -> Result<RecordBatch, ArrowError> {
    let mine = defs.names.iter().filter(|((owner, _), _)| *owner == tenant);
    let streams: Vec<&Arc<StreamDef>> = mine.filter_map(|(_, id)| defs.streams.get(id)).collect();
    let retention: Vec<String> = streams
        .iter()
        .map(|def| {
            def.spec
                .retention
                .map_or_else(|| "for ever".to_owned(), declare::span_text)
        })
        .collect();
    let partitions = streams.iter().map(|def| i32::from(def.spec.partitions));
    let kinds = streams.iter().map(|def| {
        let name = def.spec.name.as_str();
        match def.dead_letters {
            Some(_) => "stream",
            None if name.ends_with(DEAD_LETTERS_SUFFIX) => "dead letters",
            None => "late rows",
        }
    });
    batch(
        &[
            ("stream", DataType::Utf8),
            ("kind", DataType::Utf8),
            ("application", DataType::Utf8),
            ("partitions", DataType::Int32),
            ("retention", DataType::Utf8),
        ],
        vec![
            texts(streams.iter().map(|def| def.spec.name.as_str())),
            texts(kinds),
            texts(streams.iter().map(|def| def.app.as_str())),
            Arc::new(Int32Array::from_iter_values(partitions)),
            texts(retention.iter().map(String::as_str)),
        ],
    )
}

/// Every SQL function.
fn functions() -> Result<RecordBatch, ArrowError> {
    let table = functions::table();
    let field = |get: fn(&functions::Function) -> &str| texts(table.iter().map(get));
    batch(
        &[
            ("function", DataType::Utf8),
            ("kind", DataType::Utf8),
            ("signature", DataType::Utf8),
            ("meaning", DataType::Utf8),
        ],
        vec![
            field(|f| f.name),
            field(|f| f.kind.as_str()),
            field(|f| f.signature),
            field(|f| f.meaning),
        ],
    )
}
