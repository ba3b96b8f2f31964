//! `RowReader`: rows of tables and views by their key, for doors: one, some, or page by page.
//!
//! Rows of windows that are still open are there, and not shown: to readers a window is what it was
//! when it closed, and what came late. Pages go in Cassandra's order, that of the tokens of keys:
//! a row that is there all the time is shown exactly once.

mod page;
mod shown;

use std::{collections::HashMap, sync::Arc, time::Duration};

use arrow::array::{ArrayRef, RecordBatch};
use mainstem_catalog::{Definitions, Object, Stage, TableDef, ViewDef};
use mainstem_kernel::{Columns, Offsets, Reached, StreamId, TenantId};
use mainstem_sql::{Answered, Page, Paged, QueryError, key_columns};
use parking_lot::RwLock;
use tokio::sync::watch;

use super::{Frontiers, Relation, RowsError};
use crate::cassandra::{CassandraError, RowTable, Rows, Target};

/// Objects that are remembered; beyond that all are forgotten and met again.
const KNOWN_MAX: usize = 1_000;

/// Reads rows by key.
#[derive(Debug)]
pub struct RowReader {
    rows: Arc<Rows>,
    frontiers: Arc<Frontiers>,
    definitions: watch::Receiver<Arc<Definitions>>,
    /// How long a read may wait for a position.
    wait_max: Duration,
    known: RwLock<HashMap<StreamId, Arc<Known>>>,
}

/// An object whose rows were read before.
#[derive(Debug)]
struct Known {
    def: Def,
    relation: Arc<Relation>,
    target: Target,
}

/// A definition: another one of the same id means other columns.
#[derive(Clone, Debug)]
enum Def {
    Table(Arc<TableDef>),
    View(Arc<ViewDef>),
}

impl Def {
    /// `None` of what has no rows by key.
    fn of(object: Object<'_>) -> Option<Self> {
        match object {
            Object::Table(def) => Some(Self::Table(Arc::clone(def))),
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
}

impl RowReader {
    /// Reads from these tables.
    #[must_use]
    pub fn new(
        rows: Arc<Rows>,
        frontiers: Arc<Frontiers>,
        definitions: watch::Receiver<Arc<Definitions>>,
        wait_max: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            rows,
            frontiers,
            definitions,
            wait_max,
            known: RwLock::default(),
        })
    }

    /// The row of an object with this whole key, given as text in the order of the key; `None` if
    /// that is no whole key, or its rows have none.
    ///
    /// # Errors
    /// `Position` if it waits for too long; when a value does not fit, or Cassandra does not answer.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn row_by_key(
        &self,
        (_tenant, object): (TenantId, Object<'_>),
        values: &[String],
        wait: Option<Reached>,
    ) -> Result<Option<Answered>, QueryError> {
        let key = key_of(object);
        if values.is_empty() || values.len() != key.len() {
            return Ok(None);
        }
        let given = given(object, values)?;
        self.judge_ready(object)?;
        let position = self.wait(object.id(), wait).await?;
        let rows = self.rows_by_key(object, &given).await?;
        let known = self.known(object).await?;
        let rows = shown::shown(&known.relation, &rows).map_err(|error| known.broken(&error))?;
        Ok(Some(answered(rows, position)))
    }

    /// The rows of these keys that are there and shown, with all columns of the object: a batch with
    /// the columns of its key, by name.
    ///
    /// # Errors
    /// When the object has no key, or Cassandra does not answer.
    pub async fn rows_by_key(
        &self,
        object: Object<'_>,
        keys: &RecordBatch,
    ) -> Result<RecordBatch, QueryError> {
        let known = self.known(object).await?;
        let found = self.rows.read(&known.target, keys).await;
        let found = found.map_err(|error| known.lost(error))?;
        self.closed(&known, &found.rows)
    }

    /// Rows of an object by their key, from where an earlier page ended; `None` if its rows have no
    /// key.
    ///
    /// # Errors
    /// When the key or `after` does not fit, or rows are not there in time.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn page(
        &self,
        (_tenant, object): (TenantId, Object<'_>),
        page: Page,
    ) -> Result<Option<Paged>, QueryError> {
        if key_of(object).is_empty() {
            return Ok(None);
        }
        let given = given(object, &page.key)?;
        self.judge_ready(object)?;
        let position = self.wait(object.id(), page.wait.clone()).await?;
        let known = self.known(object).await?;
        let (rows, next) = self.read_page(&known, (&given, &page)).await?;
        let rows = shown::shown(&known.relation, &rows).map_err(|error| known.broken(&error))?;
        Ok(Some(Paged {
            answered: answered(rows, position),
            next,
        }))
    }

    /// The table of an object in Cassandra, made if it is not there.
    ///
    /// # Errors
    /// When the object has no rows by key, or Cassandra does not answer.
    pub async fn table(&self, object: Object<'_>) -> Result<(Arc<Relation>, RowTable), QueryError> {
        let known = self.known(object).await?;
        let table = known.target.table().clone();
        Ok((Arc::clone(&known.relation), table))
    }

    /// Whether there are rows to read: a view that is being built the first time has not all.
    fn judge_ready(&self, object: Object<'_>) -> Result<(), QueryError> {
        match object {
            Object::View(def) if def.stage == Stage::Building => Err(QueryError::NotReady {
                object: object.label(),
            }),
            _ => Ok(()),
        }
    }

    /// Waits for a position, and gives what the answer shows for sure.
    async fn wait(&self, id: StreamId, wait: Option<Reached>) -> Result<Reached, QueryError> {
        match wait {
            None => Ok(Reached::Offsets(Offsets::default())),
            Some(wait) => {
                self.frontiers.reach(&[id], &wait, self.wait_max).await?;
                Ok(wait)
            }
        }
    }

    /// Rows without those of windows that are still open.
    fn closed(&self, known: &Known, rows: &RecordBatch) -> Result<RecordBatch, QueryError> {
        let Some(open) = &known.relation.open else {
            return Ok(rows.clone());
        };
        let until = open.closed_until(self.frontiers.watermark(known.relation.id));
        shown::closed(open, (until, rows)).map_err(|error| known.broken(&error))
    }

    /// The object, met the first time if need be: its table is made if it is not there.
    async fn known(&self, object: Object<'_>) -> Result<Arc<Known>, QueryError> {
        let no_rows = || RowsError::NotYet {
            label: object.label(),
        };
        let def = Def::of(object).ok_or_else(|| engine(no_rows()))?;
        let known = self.known.read().get(&object.id()).map(Arc::clone);
        if let Some(known) = known.filter(|known| known.def.is(&def)) {
            return Ok(known);
        }
        let relation = match &def {
            Def::Table(def) => Relation::of_table(def),
            Def::View(def) => {
                let definitions = Arc::clone(&self.definitions.borrow());
                Relation::of_view(def, &definitions).map_err(|source| {
                    engine(RowsError::Unplanned {
                        label: object.label(),
                        source,
                    })
                })?
            }
        };
        let lost = |source| {
            engine(RowsError::Cassandra {
                label: object.label(),
                source,
            })
        };
        let table = RowTable::of(&relation.table, self.rows.keyspace()).map_err(lost)?;
        let target = self.rows.create(table).await.map_err(lost)?;
        let made = Arc::new(Known {
            def,
            relation,
            target,
        });
        let mut known = self.known.write();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(object.id(), Arc::clone(&made));
        Ok(made)
    }
}

impl Known {
    fn lost(&self, source: CassandraError) -> QueryError {
        engine(RowsError::Cassandra {
            label: self.relation.label(),
            source,
        })
    }

    fn broken(&self, error: &arrow::error::ArrowError) -> QueryError {
        engine(RowsError::Broken {
            label: self.relation.label(),
            reason: error.to_string(),
        })
    }
}

fn engine(error: RowsError) -> QueryError {
    QueryError::Engine(Arc::new(error))
}

/// The columns of an object's key, in order.
fn key_of(object: Object<'_>) -> &[mainstem_kernel::ColumnName] {
    match object {
        Object::Table(def) => &def.spec.key,
        Object::View(def) => &def.spec.key,
        Object::Stream(_) => &[],
    }
}

/// Values of the first columns of the key, as columns of one row by their names.
fn given(object: Object<'_>, values: &[String]) -> Result<RecordBatch, QueryError> {
    let arrays: Vec<ArrayRef> = key_columns(object, values)?;
    let none = Columns::default();
    let columns = match object {
        Object::Table(def) => &def.spec.columns,
        Object::View(def) => &def.spec.columns,
        Object::Stream(_) => &none,
    };
    let fields = key_of(object).iter().zip(&arrays).filter_map(|(name, _)| {
        let column = columns.get(name.as_str())?;
        Some(column.ty.field(name.as_str(), true))
    });
    let schema = arrow::datatypes::Schema::new(fields.collect::<Vec<_>>());
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(schema.into(), arrays, &options).map_err(|error| {
        engine(RowsError::Broken {
            label: object.label(),
            reason: error.to_string(),
        })
    })
}

fn answered(rows: RecordBatch, position: Reached) -> Answered {
    let schema = rows.schema();
    let rows = (rows.num_rows() > 0).then_some(Ok(rows));
    Answered {
        schema,
        rows: Box::pin(futures::stream::iter(rows)),
        position,
    }
}
