//! `Object`: whatever has a name: a stream, a table or a view.
//!
//! It never owns a definition: it points to one.

use std::{fmt, sync::Arc};

use mainstem_kernel::{AppName, Seq, StreamId, StreamName, TenantId};

use crate::{
    change::Change,
    definition::{StreamDef, TableDef, ViewDef},
};

/// A definition of any kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object<'a> {
    /// A stream, or one of dead letters or late rows.
    Stream(&'a Arc<StreamDef>),
    /// A table.
    Table(&'a Arc<TableDef>),
    /// A version of a view.
    View(&'a Arc<ViewDef>),
}

/// What kind of object a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Rows in order.
    Stream,
    /// Rows by key.
    Table,
    /// Rows that are computed.
    View,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream => "stream",
            Self::Table => "table",
            Self::View => "view",
        })
    }
}

/// Kind and name, as messages say them: `table "owners"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// What it is.
    pub kind: Kind,
    /// What it is called.
    pub name: StreamName,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{}\"", self.kind, self.name)
    }
}

impl<'a> Object<'a> {
    /// Its id.
    #[must_use]
    pub fn id(self) -> StreamId {
        match self {
            Self::Stream(def) => def.id,
            Self::Table(def) => def.id,
            Self::View(def) => def.id,
        }
    }

    /// Owner.
    #[must_use]
    pub fn tenant(self) -> TenantId {
        match self {
            Self::Stream(def) => def.tenant,
            Self::Table(def) => def.tenant,
            Self::View(def) => def.tenant,
        }
    }

    /// The application that declares it.
    #[must_use]
    pub fn app(self) -> &'a AppName {
        match self {
            Self::Stream(def) => &def.app,
            Self::Table(def) => &def.app,
            Self::View(def) => &def.app,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'a StreamName {
        match self {
            Self::Stream(def) => &def.spec.name,
            Self::Table(def) => &def.spec.name,
            Self::View(def) => &def.spec.name,
        }
    }

    /// What it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Stream(_) => Kind::Stream,
            Self::Table(_) => Kind::Table,
            Self::View(_) => Kind::View,
        }
    }

    /// Kind and name.
    #[must_use]
    pub fn label(self) -> Label {
        Label {
            kind: self.kind(),
            name: self.name().clone(),
        }
    }

    /// When it was dropped, if it was.
    #[must_use]
    pub fn dropped(self) -> Option<Seq> {
        match self {
            Self::Stream(def) => def.dropped,
            Self::Table(def) => def.dropped,
            Self::View(def) => def.dropped,
        }
    }

    /// The change that takes its definition away, once its rows are gone.
    #[must_use]
    pub fn forget(self) -> Change {
        let id = self.id();
        match self {
            Self::Stream(_) => Change::ForgetStream { id },
            Self::Table(_) => Change::ForgetTable { id },
            Self::View(_) => Change::ForgetView { id },
        }
    }
}
