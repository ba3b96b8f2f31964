//! What a name after FROM is: a stream, a view that is one, or rows by key. Never reads a row.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use mainstem_catalog::{Object, Stage};
use mainstem_kernel::{AppName, StreamId};

use super::{columns::StreamColumns, keyed::KeyedColumns};
use crate::error::QueryError;

/// What a name after FROM is.
#[derive(Clone, Debug)]
pub(crate) enum Relation {
    /// A stream of the log.
    Stream(Arc<StreamColumns>),
    /// A view whose rows are a stream of the log.
    StreamView(Arc<StreamColumns>),
    /// A table, or a view whose rows change.
    Keyed(Arc<KeyedColumns>),
}

impl Relation {
    /// What the catalog says of it.
    ///
    /// # Errors
    /// `NotReady` of a view that is being built.
    pub(crate) fn of(object: Object<'_>) -> Result<Self, QueryError> {
        Ok(match object {
            Object::Stream(def) => Self::Stream(Arc::new(StreamColumns::new(def))),
            Object::Table(def) => Self::Keyed(Arc::new(KeyedColumns::of_table(def))),
            Object::View(def) if def.stage == Stage::Building => {
                return Err(QueryError::NotReady {
                    object: object.label(),
                });
            }
            Object::View(def) => match StreamColumns::of_view(def) {
                Some(columns) => Self::StreamView(Arc::new(columns)),
                None => Self::Keyed(Arc::new(KeyedColumns::of_view(def))),
            },
        })
    }

    pub(crate) fn id(&self) -> StreamId {
        match self {
            Self::Stream(columns) | Self::StreamView(columns) => columns.def.id,
            Self::Keyed(columns) => columns.id,
        }
    }

    /// All columns, hidden ones too.
    pub(crate) fn schema(&self) -> &SchemaRef {
        match self {
            Self::Stream(columns) | Self::StreamView(columns) => &columns.schema,
            Self::Keyed(columns) => &columns.schema,
        }
    }

    /// Columns that `SELECT *` leaves out.
    pub(crate) fn hidden(&self) -> &[String] {
        match self {
            Self::Stream(columns) | Self::StreamView(columns) => &columns.hidden,
            Self::Keyed(columns) => &columns.hidden,
        }
    }

    /// Columns that `SELECT *` shows.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &str> {
        let fields = self.schema().fields().iter();
        let names = fields.map(|field| field.name());
        names
            .filter(|name| !self.hidden().contains(name))
            .map(String::as_str)
    }

    /// The application that computes or writes it; `None` of a stream, which needs none.
    pub(crate) fn app(&self) -> Option<&AppName> {
        match self {
            Self::Stream(_) => None,
            Self::StreamView(columns) => Some(&columns.def.app),
            Self::Keyed(columns) => Some(&columns.app),
        }
    }
}
