//! What is told of a change of rows by key: its key, and the row as it is now. It never reads
//! anything.

use std::{collections::HashMap, time::Duration};

use arrow::{array::RecordBatch, error::ArrowError};
use bytes::Bytes;
use mainstem_catalog::{Emit, TableDef, ViewDef};
use mainstem_kernel::{AppName, ColumnName, Position, Seq, StreamId};
use mainstem_table::FeedEntry;

use super::super::event;

/// Whose changes are followed.
pub(crate) struct Followed {
    pub(super) id: StreamId,
    pub(super) app: AppName,
    pub(super) name: String,
    key: Vec<ColumnName>,
    hidden: Vec<ColumnName>,
    /// At most one change per key in this span.
    pub(super) every: Option<Duration>,
}

/// A change as it is sent.
struct Told {
    /// As JSON.
    key: Vec<u8>,
    data: Vec<u8>,
}

impl Followed {
    pub(crate) fn of_table(def: &TableDef) -> Self {
        Self {
            id: def.id,
            app: def.app.clone(),
            name: def.spec.name.to_string(),
            key: def.spec.key.clone(),
            hidden: Vec::new(),
            every: None,
        }
    }

    pub(crate) fn of_view(def: &ViewDef) -> Self {
        Self {
            id: def.id,
            app: def.app.clone(),
            name: def.spec.name.to_string(),
            key: def.spec.key.clone(),
            hidden: def.spec.hidden.clone(),
            every: match def.spec.emit {
                Emit::OnUpdate { every } => every,
                Emit::Append | Emit::OnWindowClose { .. } => None,
            },
        }
    }

    /// The events of rows as they are, without a position.
    pub(super) fn rows(&self, rows: &RecordBatch) -> Result<Bytes, String> {
        let mut text = Vec::new();
        write(&mut text, &self.upserts(rows)?, None);
        Ok(text.into())
    }

    /// Rows as they are.
    fn upserts(&self, rows: &RecordBatch) -> Result<Vec<Told>, String> {
        let key = self.columns(rows, |name| self.key.contains(name))?;
        let after = self.columns(rows, |name| !self.hidden.contains(name))?;
        let pairs = jsons(&key)?.into_iter().zip(jsons(&after)?);
        let told = pairs.map(|(key, after)| Told {
            data: [
                br#"{"op":"upsert","key":"#,
                key.as_slice(),
                br#","after":"#,
                &after,
                b"}",
            ]
            .concat(),
            key,
        });
        Ok(told.collect())
    }

    /// The changes of a checkpoint.
    fn entry(&self, entry: &FeedEntry) -> Result<Vec<Told>, String> {
        let mut told = self.upserts(&entry.upserts)?;
        // As the key stands in rows, whatever the order of its columns is.
        let keys = jsons(&self.columns(&in_order(&entry.deletes, &entry.upserts)?, |_| true)?)?;
        told.extend(keys.into_iter().map(|key| Told {
            data: [br#"{"op":"delete","key":"#, key.as_slice(), b"}"].concat(),
            key,
        }));
        Ok(told)
    }

    /// The events of checkpoints; the last change of each has its position. Where changes are
    /// paced, of each key only the last is told, and all have the last position.
    pub(super) fn events(&self, entries: &[FeedEntry]) -> Result<Bytes, String> {
        let mut text = Vec::new();
        let mut all = Vec::new();
        for entry in entries {
            let told = self.entry(entry)?;
            match self.every {
                None => write(&mut text, &told, Some(entry.at)),
                Some(_) => all.extend(told),
            }
        }
        write(&mut text, &net(all), entries.last().map(|entry| entry.at));
        Ok(text.into())
    }

    fn columns(
        &self,
        rows: &RecordBatch,
        is_wanted: impl Fn(&ColumnName) -> bool,
    ) -> Result<RecordBatch, String> {
        let schema = rows.schema();
        let names = schema.fields().iter().enumerate();
        let wanted = names
            .filter(|(_, field)| ColumnName::new(field.name()).is_ok_and(|name| is_wanted(&name)));
        let places: Vec<usize> = wanted.map(|(place, _)| place).collect();
        rows.project(&places)
            .map_err(|error: ArrowError| error.to_string())
    }
}

/// Appends events, the last with a position.
fn write(text: &mut Vec<u8>, told: &[Told], at: Option<Seq>) {
    let last = told.len().saturating_sub(1);
    for (index, told) in told.iter().enumerate() {
        let at = at.map(Position::at).filter(|_| index == last);
        event::push(text, &told.data, at);
    }
}

/// Of each key the last change, in the order of those.
fn net(told: Vec<Told>) -> Vec<Told> {
    let mut last: HashMap<Vec<u8>, usize> = HashMap::with_capacity(told.len());
    for (index, told) in told.iter().enumerate() {
        last.insert(told.key.clone(), index);
    }
    let told = told.into_iter().enumerate();
    told.filter(|(index, told)| last.get(&told.key) == Some(index))
        .map(|(_, told)| told)
        .collect()
}

/// The columns of keys in the order that they have in rows.
fn in_order(keys: &RecordBatch, rows: &RecordBatch) -> Result<RecordBatch, String> {
    let (schema, wanted) = (keys.schema(), rows.schema());
    let places = wanted.fields().iter();
    let places: Vec<usize> = places
        .filter_map(|field| schema.index_of(field.name()).ok())
        .collect();
    keys.project(&places).map_err(|error| error.to_string())
}

/// Rows as JSON.
fn jsons(rows: &RecordBatch) -> Result<Vec<Vec<u8>>, String> {
    let mut all = Vec::with_capacity(rows.num_rows());
    let each = |_, json: &[u8]| all.push(json.to_vec());
    mainstem_sql::objects(rows, each).map_err(|error| error.to_string())?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_key_the_last_change_is_told() {
        let told = |list: &[(&str, &str)]| -> Vec<Told> {
            let told = list.iter().map(|(key, data)| Told {
                key: key.as_bytes().to_vec(),
                data: data.as_bytes().to_vec(),
            });
            told.collect()
        };
        let shown = |told: Vec<Told>| -> Vec<String> {
            let data = told.into_iter().map(|told| told.data);
            data.map(|data| String::from_utf8(data).unwrap()).collect()
        };
        let changes = told(&[
            ("a", "1"),
            ("b", "1"),
            ("a", "2"),
            ("c", "1"),
            ("b", "gone"),
        ]);
        assert_eq!(shown(net(changes)), ["2", "1", "gone"]);
        assert!(net(Vec::new()).is_empty());
    }
}
