//! One row by its whole key, without planning a question: the answer is that of
//! `SELECT * FROM object WHERE key = …`, at the same frontier and with the same columns.
//!
//! It is read in the caller's thread: from memory, or by one read of the store. What is rarer, such
//! as a key of dates, a part of a key or a view that is being built, is left to a question.

use std::{collections::HashMap, sync::Arc};

use datafusion::arrow::array::{ArrayRef, Int16Array, Int32Array, Int64Array, StringArray};
use mainstem_catalog::{Object, Stage, TableDef, ViewDef};
use mainstem_kernel::{
    AppName, ColumnName, ColumnType, Columns, Position, Reached, StreamId, TenantId,
};
use parking_lot::RwLock;
use tokio::time::Instant;

use super::{
    Answered, Engine, KeyedColumns,
    reach::{here, reach},
};
use crate::error::{QueryError, from_engine};

/// Objects whose columns are remembered; beyond that all are forgotten and learned again.
const KNOWN_MAX: usize = 1_000;

/// Columns of objects that rows were asked of, so that they are put together once.
#[derive(Debug, Default)]
pub(super) struct Points {
    known: RwLock<HashMap<StreamId, Arc<Point>>>,
}

/// An object whose rows have a key that can be read directly.
#[derive(Debug)]
struct Point {
    def: Def,
    app: AppName,
    columns: KeyedColumns,
    key: Vec<ColumnType>,
    /// The columns that `SELECT *` shows.
    shown: Vec<usize>,
}

/// A definition: another one of the same id means other columns.
#[derive(Clone, Debug)]
enum Def {
    Table(Arc<TableDef>),
    View(Arc<ViewDef>),
}

impl Def {
    /// `None` of what has no rows by key, or none yet.
    fn of(object: Object<'_>) -> Option<Self> {
        match object {
            Object::Table(def) => Some(Self::Table(Arc::clone(def))),
            Object::View(def) if def.stage == Stage::Building || def.spec.emit.is_stream() => None,
            Object::View(def) => Some(Self::View(Arc::clone(def))),
            Object::Stream(_) => None,
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Table(own), Self::Table(other)) => Arc::ptr_eq(own, other),
            (Self::View(own), Self::View(other)) => Arc::ptr_eq(own, other),
            (Self::Table(_), Self::View(_)) | (Self::View(_), Self::Table(_)) => false,
        }
    }

    fn parts(&self) -> (&AppName, &Columns, &[ColumnName]) {
        match self {
            Self::Table(def) => (&def.app, &def.spec.columns, &def.spec.key),
            Self::View(def) => (&def.app, &def.spec.columns, &def.spec.key),
        }
    }
}

impl Point {
    /// `None` if a part of its key takes more than a look to be read.
    fn new(def: Def) -> Option<Self> {
        let (app, all, key) = def.parts();
        let types = key.iter().map(|name| {
            let ty = &all.get(name.as_str())?.ty;
            let is_plain = matches!(
                ty,
                ColumnType::Text | ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt
            );
            is_plain.then(|| ty.clone())
        });
        let key: Vec<ColumnType> = types.collect::<Option<_>>()?;
        let columns = match &def {
            Def::Table(def) => KeyedColumns::of_table(def),
            Def::View(def) => KeyedColumns::of_view(def),
        };
        let fields = columns.schema.fields().iter().enumerate();
        let shown = fields.filter(|(_, field)| !columns.hidden.contains(field.name()));
        Some(Self {
            app: app.clone(),
            shown: shown.map(|(place, _)| place).collect(),
            columns,
            key,
            def,
        })
    }

    /// The values as columns of one row; `None` if one is written in a way of its own.
    fn key(&self, values: &[String]) -> Option<Vec<ArrayRef>> {
        if values.len() != self.key.len() || values.is_empty() {
            return None;
        }
        let columns = self.key.iter().zip(values);
        columns.map(|(ty, value)| column(ty, value)).collect()
    }
}

fn column(ty: &ColumnType, value: &str) -> Option<ArrayRef> {
    macro_rules! integer {
        ($array:ty) => {{
            let number = value.parse().ok()?;
            let array: ArrayRef = Arc::new(<$array>::from_iter_values([number]));
            (number.to_string() == value).then_some(array)
        }};
    }
    match ty {
        ColumnType::Text => Some(Arc::new(StringArray::from_iter_values([value]))),
        ColumnType::SmallInt => integer!(Int16Array),
        ColumnType::Integer => integer!(Int32Array),
        ColumnType::BigInt => integer!(Int64Array),
        _ => None,
    }
}

impl Points {
    fn of(&self, object: Object<'_>) -> Option<Arc<Point>> {
        let def = Def::of(object)?;
        let known = self.known.read().get(&object.id()).map(Arc::clone);
        if let Some(known) = known.filter(|known| known.def.is(&def)) {
            return Some(known);
        }
        let point = Arc::new(Point::new(def)?);
        let mut known = self.known.write();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(object.id(), Arc::clone(&point));
        Some(point)
    }
}

impl Engine {
    /// The row of an object with this whole key, given as text in the order of the key, if it is
    /// known without planning a question; else ask one. With `wait` it waits until rows are not
    /// older than that.
    ///
    /// # Errors
    /// `NotRunning`; `Position` if it waits for too long; `Unreadable` if the store cannot be read.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn row_by_key(
        &self,
        (tenant, object): (TenantId, Object<'_>),
        values: &[String],
        wait: Option<Reached>,
    ) -> Result<Option<Answered>, QueryError> {
        let Some(point) = self.points.of(object) else {
            return Ok(None);
        };
        let Some(key) = point.key(values) else {
            return Ok(None);
        };
        let tables = self.rows_of(tenant, &point.app)?.tables;
        if let Some(wait) = &wait {
            let limit = self.config.query_time_max;
            reach(tables.watch(), here(wait)?, (Instant::now() + limit, limit)).await?;
        }
        let pointer = tables.pointer();
        let Ok(codec) = pointer.codec(point.columns.id) else {
            return Ok(None);
        };
        let unreadable = |error| QueryError::Unreadable {
            source: Box::new(error),
        };
        let found = pointer.get_columns(point.columns.id, &key);
        let found = found.map_err(unreadable)?;
        let known = &codec.table().columns;
        let row = point.columns.project(&found.rows, known, &point.shown);
        let row = row.map_err(|error| from_engine(error.into()))?;
        self.parts.metrics.point_reads.inc();
        let schema = row.schema();
        let rows = (row.num_rows() > 0).then_some(Ok(row));
        Ok(Some(Answered {
            schema,
            rows: Box::pin(futures::stream::iter(rows)),
            position: Position::at(pointer.frontier()).into(),
        }))
    }
}
