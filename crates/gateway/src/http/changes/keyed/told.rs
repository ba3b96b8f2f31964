//! What is told of a change of rows by key: its key, and the row as it is now. It never reads
//! anything.

use std::time::Duration;

use arrow::{array::RecordBatch, error::ArrowError};
use bytes::Bytes;
use mainstem_catalog::{Emit, TableDef, ViewDef};
use mainstem_kernel::{AppName, ColumnName, Position, StreamId};
use mainstem_table::Changes;

use super::{super::event::Form, GATHERED_BYTES_MAX, PACED_BYTES_MAX};

/// About what an event takes.
const EVENT_BYTES: usize = 160;

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

    /// About how much of its changes is read at once.
    pub(super) const fn bytes_max(&self) -> usize {
        match self.every {
            Some(_) => PACED_BYTES_MAX,
            None => GATHERED_BYTES_MAX,
        }
    }

    /// The events of rows as they are, without a position.
    pub(super) fn rows(&self, rows: &RecordBatch, form: Form) -> Result<Bytes, String> {
        let mut events = Events::without_position(form);
        self.upserts(rows, &mut events)?;
        Ok(events.text.into())
    }

    /// The events of changes; the last has their position.
    pub(super) fn events(&self, changes: &Changes, form: Form) -> Result<Bytes, String> {
        let mut events = Events::of(changes, form);
        self.upserts(&changes.upserts, &mut events)?;
        // As the key stands in rows, whatever the order of its columns is.
        let keys = in_order(&changes.deletes, &changes.upserts)?;
        let each = |_, key: &[u8]| events.push(&[br#"{"op":"delete","key":"#, key, b"}"]);
        objects(&keys, each)?;
        Ok(events.text.into())
    }

    fn upserts(&self, rows: &RecordBatch, events: &mut Events) -> Result<(), String> {
        let (mut keys, mut ends) = (Vec::new(), Vec::with_capacity(rows.num_rows() + 1));
        ends.push(0);
        let of_key = self.columns(rows, |name| self.key.contains(name))?;
        objects(&of_key, |_, key| {
            keys.extend_from_slice(key);
            ends.push(keys.len());
        })?;
        let after = self.columns(rows, |name| !self.hidden.contains(name))?;
        objects(&after, |row, after| {
            let key = ends.get(row).zip(ends.get(row + 1));
            let key = key.and_then(|(start, end)| keys.get(*start..*end));
            let key = key.unwrap_or_default();
            events.push(&[
                br#"{"op":"upsert","key":"#,
                key,
                br#","after":"#,
                after,
                b"}",
            ]);
        })
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

/// Events as they are put together.
struct Events {
    form: Form,
    text: Vec<u8>,
    /// How many are to come, and the position that the last of them has.
    rows_left: usize,
    last: Option<Position>,
}

impl Events {
    fn without_position(form: Form) -> Self {
        Self {
            form,
            text: Vec::new(),
            rows_left: 0,
            last: None,
        }
    }

    fn of(changes: &Changes, form: Form) -> Self {
        Self {
            form,
            text: Vec::with_capacity(changes.rows() * EVENT_BYTES),
            rows_left: changes.rows(),
            last: Some(Position::at(changes.through)),
        }
    }

    fn push(&mut self, parts: &[&[u8]]) {
        self.rows_left = self.rows_left.saturating_sub(1);
        let position = self.last.filter(|_| self.rows_left == 0);
        self.form.push(&mut self.text, parts, position);
    }
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

/// Calls `each` with every row as JSON.
fn objects(rows: &RecordBatch, each: impl FnMut(usize, &[u8])) -> Result<(), String> {
    mainstem_sql::objects(rows, each).map_err(|error| error.to_string())
}
