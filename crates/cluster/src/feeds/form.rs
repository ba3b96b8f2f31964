//! `Form`: records as events. Pure.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use arrow::{
    array::{BooleanArray, RecordBatch},
    compute::{filter_record_batch, not},
};
use mainstem_catalog::{Definitions, Object, StreamDef};
use mainstem_kernel::{
    ColumnName, Columns, Offset, Offsets, SchemaVersion, StreamId, types::EXTRA_COLUMN,
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{FeedError, Told};
use crate::{
    errors::Source,
    kafka::Row,
    rows::{
        Relation,
        decode::{Change, decode},
    },
};

/// How records of an object are told.
#[derive(Debug)]
pub(super) enum Form {
    /// Records that admission wrote: each is a row.
    Rows(Spelled),
    /// Records that Spark or the owner of a table wrote.
    Changes(Arc<Relation>),
}

/// The columns of a stream, as each version calls them.
#[derive(Debug)]
pub(super) struct Spelled {
    newest: SchemaVersion,
    /// Of each newest column, in order: its name, and the one of then.
    older: BTreeMap<SchemaVersion, Vec<(String, Option<String>)>>,
}

impl Form {
    /// How records of an object are told.
    ///
    /// # Errors
    /// When the object is a view that cannot be lowered, or some of whose rows must not be told yet.
    pub(super) fn of(object: &Object<'_>, definitions: &Definitions) -> Result<Self, FeedError> {
        Ok(match object {
            Object::Stream(def) => Self::Rows(Spelled::of(def)),
            Object::Table(def) => Self::Changes(Relation::of_table(def)),
            Object::View(def) => {
                let relation = Relation::of_view(def, definitions)?;
                if relation.open.is_some() {
                    return Err(FeedError::OpenWindows {
                        view: def.spec.name.clone(),
                    });
                }
                Self::Changes(relation)
            }
        })
    }

    /// The events of records; `place` goes on behind them.
    ///
    /// # Errors
    /// When Arrow refuses the values, which is a defect.
    pub(super) fn told(
        &self,
        object: StreamId,
        rows: &[Row],
        place: &mut Offsets,
    ) -> Result<Vec<Told>, FeedError> {
        let mut reach = |row: &Row| {
            place.reach(
                object,
                row.partition,
                Offset(row.offset.0.saturating_add(1)),
            );
            place.clone()
        };
        match self {
            Self::Rows(spelled) => {
                let told = rows.iter().map(|row| Told {
                    data: spelled.spell(row).into_owned(),
                    place: Some(reach(row)),
                });
                Ok(told.collect())
            }
            Self::Changes(relation) => {
                rows.iter().for_each(|row| drop(reach(row)));
                let mut told = changes(relation, rows)
                    .map_err(|source| FeedError::Spelling { object, source })?;
                if let Some(last) = told.last_mut() {
                    last.place = Some(place.clone());
                }
                Ok(told)
            }
        }
    }
}

impl Spelled {
    fn of(stream: &StreamDef) -> Self {
        let newest = stream.schema_version();
        let older = stream.schemas.iter();
        let older = older.filter(|entry| entry.version != newest);
        let names = |then: &Columns| {
            let columns = stream.spec.columns.0.iter();
            let columns = columns.map(|column| {
                let found = then.0.iter().find(|old| old.id == column.id);
                let then = found.map(|old| old.name.to_string());
                (column.name.to_string(), then)
            });
            columns.collect()
        };
        Self {
            newest,
            older: older
                .map(|entry| (entry.version, names(&entry.columns)))
                .collect(),
        }
    }

    /// A row as the newest columns have it. One that others wrote into the topic is told as it is.
    fn spell<'r>(&self, row: &'r Row) -> Cow<'r, [u8]> {
        let older = self.older.get(&row.schema);
        let older = older.filter(|_| row.schema != self.newest);
        let read = |value: &'r [u8]| serde_json::from_slice::<Fields<'r>>(value).ok();
        match older.zip(read(&row.value)) {
            None => Cow::Borrowed(&row.value),
            Some((columns, fields)) => Cow::Owned(fields.as_newest(columns)),
        }
    }
}

/// The fields of an object, each value as it is spelled.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl Fields<'_> {
    fn as_newest(&self, columns: &[(String, Option<String>)]) -> Vec<u8> {
        let value = |name: &str| {
            let found = self.0.iter().find(|(own, _)| own == name);
            found.map(|(_, value)| value.get())
        };
        let mut text = String::from("{");
        let extra = EXTRA_COLUMN.to_owned();
        let extra = value(EXTRA_COLUMN).map(|_| (&extra, Some(EXTRA_COLUMN)));
        let all = columns.iter().map(|(name, then)| (name, then.as_deref()));
        for (name, then) in all.chain(extra) {
            let between = if text.len() > 1 { "," } else { "" };
            let value = then.and_then(value).unwrap_or("null");
            // Names of columns need no escapes.
            text.push_str(&format!("{between}\"{name}\":{value}"));
        }
        text.push('}');
        text.into_bytes()
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// Of each key the newest row, or that it is gone; of a stream each row.
fn changes(relation: &Relation, rows: &[Row]) -> Result<Vec<Told>, Source> {
    let changes: Vec<Change<'_>> = rows
        .iter()
        .map(|row| Change {
            offset: row.offset.0,
            key: row.key.as_deref(),
            value: (!row.value.is_empty()).then_some(row.value.as_slice()),
        })
        .collect();
    let decoded = decode(relation, &changes)?;
    if !decoded.refused.is_empty() {
        let records = decoded.refused.len();
        tracing::warn!(name = %relation.name, records, "records are no rows, and are not told");
    }
    let mut told = Vec::with_capacity(rows.len());
    for part in decoded.parts {
        let (rows, live) = (part.rows.rows, BooleanArray::new(part.rows.live, None));
        let gone = filter_record_batch(&rows, &not(&live)?)?;
        let there = filter_record_batch(&rows, &live)?;
        let is_shown = |name: &ColumnName| relation.shown.get(name.as_str()).is_some();
        let after = texts(&columns(&there, is_shown)?)?;
        if relation.is_stream() {
            told.extend(after.into_iter().map(event));
            continue;
        }
        let is_key = |name: &ColumnName| relation.table.key.contains(name);
        let keys = texts(&columns(&there, is_key)?)?;
        for (key, after) in keys.iter().zip(&after) {
            let parts: [&[u8]; 5] = [
                b"{\"op\":\"upsert\",\"key\":",
                key,
                b",\"after\":",
                after,
                b"}",
            ];
            told.push(event(parts.concat()));
        }
        for key in texts(&columns(&gone, is_key)?)? {
            let parts: [&[u8]; 3] = [b"{\"op\":\"delete\",\"key\":", &key, b"}"];
            told.push(event(parts.concat()));
        }
    }
    Ok(told)
}

const fn event(data: Vec<u8>) -> Told {
    Told { data, place: None }
}

fn columns(
    rows: &RecordBatch,
    is_wanted: impl Fn(&ColumnName) -> bool,
) -> Result<RecordBatch, Source> {
    let schema = rows.schema();
    let fields = schema.fields().iter().enumerate();
    let wanted = fields
        .filter(|(_, field)| ColumnName::new(field.name()).is_ok_and(|name| is_wanted(&name)));
    let places: Vec<usize> = wanted.map(|(place, _)| place).collect();
    Ok(rows.project(&places)?)
}

fn texts(rows: &RecordBatch) -> Result<Vec<Vec<u8>>, Source> {
    let mut texts = Vec::with_capacity(rows.num_rows());
    mainstem_sql::objects(rows, |_, text| texts.push(text.to_vec()))?;
    Ok(texts)
}

#[cfg(test)]
mod tests;
