//! What a name after FROM stands for: an object with its columns, maybe cut into windows, or a
//! table that is looked up.

use std::{sync::Arc, time::Duration};

use datafusion::arrow::datatypes::{Field, Fields, Schema, SchemaRef};
use mainstem_catalog::{Definitions, Object, TableDef, Watermark};
use mainstem_kernel::{Columns, Place, Problem, StreamName, TenantId, types::timestamp_tz};

use super::{Input, Windows};
use crate::{
    declare::{Told, mistake},
    engine::StreamColumns,
    nearest::did_you_mean,
};

/// Columns that a window adds.
pub(crate) const WINDOW_COLUMNS: [&str; 2] = ["window_start", "window_end"];

/// A relation of FROM that is an object.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    /// Index into the view's inputs.
    pub(crate) input: usize,
    /// Its name.
    pub(crate) name: StreamName,
    /// All columns, also those that `*` does not show; last those of the window.
    pub(crate) schema: SchemaRef,
    /// Columns that `*` shows.
    pub(crate) shown: Vec<String>,
    pub(crate) role: Role,
}

/// How a relation is read.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// Its rows, or its changes.
    Rows,
    /// Its rows, cut into windows.
    Windows(Cut),
    /// The row of a table as of arrival.
    Lookup {
        /// The table's key.
        key: Vec<String>,
        /// Where the join names the table.
        place: Place,
    },
}

/// TUMBLE(…, time, size[, offset][, TIME ZONE zone]) and the like.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    pub(crate) time: String,
    pub(crate) windows: Windows,
    /// Of session windows: PARTITION BY.
    pub(crate) by: Vec<String>,
}

/// An object as views read it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) name: StreamName,
    pub(crate) input: Input,
    pub(crate) schema: SchemaRef,
    pub(crate) shown: Vec<String>,
    /// What identifies a row, if rows change.
    pub(crate) key: Vec<String>,
    /// What is looked up, if it is a table.
    pub(crate) table: Option<Arc<TableDef>>,
    /// How far the watermark of what reads it is behind the greatest time of the streams.
    pub(crate) behind: Duration,
}

impl Known {
    /// "stream "readings"", for messages.
    pub(crate) fn label(&self) -> String {
        let kind = match self.input {
            Input::Stream { .. } => "stream",
            Input::Table { .. } => "table",
            Input::View { .. } => "view",
        };
        format!("{kind} \"{}\"", self.name)
    }
}

/// The object of a name.
///
/// # Errors
/// When there is none.
pub(crate) fn find(
    (defs, tenant): (&Definitions, TenantId),
    name: &str,
    place: Place,
) -> Result<Known, Problem> {
    let Some(object) = defs.object(tenant, name) else {
        return Err(unknown((defs, tenant), name, place));
    };
    let texts = |names: &[mainstem_kernel::ColumnName]| {
        names.iter().map(|name| name.as_str().to_owned()).collect()
    };
    let behind = behind(defs, &object);
    Ok(match object {
        Object::Stream(def) => {
            let columns = StreamColumns::new(def);
            Known {
                name: def.spec.name.clone(),
                input: Input::Stream {
                    id: def.id,
                    watermark: def.spec.watermark.clone(),
                },
                shown: columns.shown().map(str::to_owned).collect(),
                schema: columns.schema,
                key: Vec::new(),
                table: None,
                behind,
            }
        }
        Object::Table(def) => Known {
            name: def.spec.name.clone(),
            input: Input::Table { id: def.id },
            schema: schema_of(&def.spec.columns),
            shown: shown(&def.spec.columns, &[]),
            key: texts(&def.spec.key),
            table: Some(Arc::clone(def)),
            behind,
        },
        Object::View(def) => Known {
            name: def.spec.name.clone(),
            input: Input::View {
                id: def.id,
                emit: def.spec.emit,
                watermark: def.spec.watermark.clone(),
            },
            schema: schema_of(&def.spec.columns),
            shown: shown(&def.spec.columns, &def.spec.hidden),
            key: match def.spec.emit.is_stream() {
                true => Vec::new(),
                false => texts(&def.spec.key),
            },
            table: None,
            behind,
        },
    })
}

/// The delays of an object and of all below it, each once: that of a view is told of what it reads.
fn behind(defs: &Definitions, object: &Object<'_>) -> Duration {
    let own =
        |watermark: &Option<Watermark>| watermark.as_ref().map_or(Duration::ZERO, |w| w.delay);
    match object {
        Object::Stream(def) => own(&def.spec.watermark),
        // What changes has no event time.
        Object::View(def) if def.spec.emit.is_stream() => {
            let read = def.spec.reads.iter().filter_map(|id| defs.by_id(*id));
            let most = read.map(|below| behind(defs, &below)).max();
            own(&def.spec.watermark).saturating_add(most.unwrap_or_default())
        }
        Object::View(_) | Object::Table(_) => Duration::ZERO,
    }
}

fn schema_of(columns: &Columns) -> SchemaRef {
    let fields = columns.0.iter();
    let fields = fields.map(|column| column.ty.field(column.name.as_str(), column.nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn shown(columns: &Columns, hidden: &[mainstem_kernel::ColumnName]) -> Vec<String> {
    let columns = columns.0.iter().filter(|c| !hidden.contains(&c.name));
    columns.map(|c| c.name.as_str().to_owned()).collect()
}

/// A schema with the columns of a window behind it.
pub(crate) fn with_window(schema: &Schema) -> SchemaRef {
    let window = WINDOW_COLUMNS.map(|name| Arc::new(Field::new(name, timestamp_tz(), false)));
    let fields = schema.fields().iter().cloned().chain(window);
    Arc::new(Schema::new(fields.collect::<Fields>()))
}

fn unknown((defs, tenant): (&Definitions, TenantId), name: &str, place: Place) -> Problem {
    let mine = defs.names.keys().filter(|(owner, _)| *owner == tenant);
    let names: Vec<&str> = mine.map(|(_, name)| name.as_str()).collect();
    let message = format!("there is no stream, table or view \"{name}\"");
    mistake(mainstem_kernel::Code::Sql021, place, message)
        .hint_if(did_you_mean(name, names.iter().copied()))
}
