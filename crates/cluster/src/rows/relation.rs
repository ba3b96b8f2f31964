//! `Relation`: an object whose rows are in Cassandra: how its records read, and the table they go
//! to. Pure.
//!
//! | object | key in Cassandra | version of a row |
//! |---|---|---|
//! | table | its primary key | offset of the record, from 1: a key is always in one partition |
//! | view whose rows change | its key | `_version` |
//! | view that is a stream | `_key`: what tells its rows apart, as a JSON array, since parts of it may be NULL | `_version`, or 1 where a row is made of one row |

use std::{sync::Arc, time::Duration};

use mainstem_catalog::{Definitions, Emit, Kind, Label, TableDef, ViewDef};
use mainstem_kernel::{
    ByteSize, Column, ColumnName, ColumnType, Columns, StreamId, StreamName, Timestamp,
    ids::NameError,
};
use mainstem_sql::{PlannedView, spark};

use crate::{
    cassandra::TableSpec,
    lower::{LIVE_COLUMN, LowerError, Lowered, VERSION_COLUMN, lower, replan},
};

/// Column of the table of a stream: what tells its rows apart.
pub const STREAM_KEY_COLUMN: &str = "_key";
/// Column of a record: how often the view was begun from its first row; 1 if it is not there.
pub const GENERATION_COLUMN: &str = "_generation";
/// Largest record that is read.
pub(super) const RECORD_SIZE_MAX: ByteSize = ByteSize::mib(16);

/// An object whose rows are in Cassandra.
#[derive(Clone, Debug)]
pub struct Relation {
    /// The table, or the version of the view.
    pub id: StreamId,
    /// Its name.
    pub name: StreamName,
    /// Where rows go that cannot be kept, if it has such a stream.
    pub letters: Option<StreamId>,
    /// Its table in Cassandra.
    pub table: TableSpec,
    /// The columns that `SELECT *` shows, as they are declared.
    pub shown: Columns,
    /// Which of its rows are of windows that are still open, if it has such.
    pub open: Option<OpenWindows>,
    /// The columns of its records.
    pub(super) record: Columns,
    /// What decides between two rows of a key.
    pub(super) version: Version,
    /// Columns of the record that become `_key`, if it is a stream.
    pub(super) stream_key: Option<Vec<String>>,
}

/// Rows of windows that are still open are there, and not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenWindows {
    /// The column that tells when the window of a row ends.
    pub end: ColumnName,
    /// How long rows of a window are corrected: so far is the watermark that Spark tells of behind
    /// the one that closes windows.
    pub corrections: Duration,
}

impl OpenWindows {
    /// Up to when windows are closed, by the watermark that Spark tells of: shown is what ends at
    /// that time or before. Nothing is as long as there is no watermark.
    #[must_use]
    pub fn closed_until(&self, watermark: Option<Timestamp>) -> Timestamp {
        let corrections = i64::try_from(self.corrections.as_micros()).unwrap_or(i64::MAX);
        watermark.map_or(Timestamp(i64::MIN), |watermark| {
            Timestamp(watermark.0.saturating_add(corrections))
        })
    }
}

/// What decides between two rows of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// The place of the record in its partition.
    Offset,
    /// The column `_version`.
    Counted,
    /// There is one row of a key.
    Only,
}

impl Relation {
    /// Its kind and name.
    #[must_use]
    pub fn label(&self) -> Label {
        Label {
            kind: match self.version {
                Version::Offset => Kind::Table,
                Version::Counted | Version::Only => Kind::View,
            },
            name: self.name.clone(),
        }
    }

    /// Whether its rows have no key and never change.
    #[must_use]
    pub const fn is_stream(&self) -> bool {
        self.stream_key.is_some()
    }

    /// The rows of a table.
    #[must_use]
    pub fn of_table(def: &TableDef) -> Arc<Self> {
        let spec = &def.spec;
        let columns = kept(&spec.columns, &spec.key);
        Arc::new(Self {
            id: def.id,
            name: spec.name.clone(),
            letters: None,
            shown: spec.columns.clone(),
            open: None,
            record: columns.clone(),
            table: TableSpec {
                id: def.id,
                name: spec.name.clone(),
                columns,
                key: spec.key.clone(),
                window: Vec::new(),
            },
            version: Version::Offset,
            stream_key: None,
        })
    }

    /// The rows of a version of a view.
    ///
    /// # Errors
    /// When the view cannot be planned or lowered.
    pub fn of_view(def: &ViewDef, defs: &Definitions) -> Result<Arc<Self>, LowerError> {
        let plan = replan(def, defs)?;
        let lowered = lower(&def.spec.name, (&plan, defs), "input")?;
        let unnamed = |error: NameError| LowerError::Unplanned {
            view: def.spec.name.clone(),
            reason: error.to_string(),
        };
        Self::of_lowered(def, &plan, &lowered).map_err(unnamed)
    }

    fn of_lowered(
        def: &ViewDef,
        plan: &PlannedView,
        lowered: &Lowered,
    ) -> Result<Arc<Self>, NameError> {
        let spec = &def.spec;
        let is_stream = spec.emit.is_stream();
        let own = kept(&spec.columns, &spec.key);
        let mut record = Columns(own.0.iter().map(as_spark_writes).collect());
        let hidden = lowered.columns.iter().skip(spec.columns.0.len());
        let hidden: Vec<&str> = hidden.map(|column| column.name.as_str()).collect();
        for name in hidden.iter().copied().chain([GENERATION_COLUMN]) {
            record.0.push(beside(name)?);
        }
        let has = |name: &str| hidden.contains(&name);
        let mut table = TableSpec {
            id: def.id,
            name: spec.name.clone(),
            columns: own,
            key: spec.key.clone(),
            window: window(plan, &spec.key),
        };
        let shown = spec.columns.0.iter();
        let shown = shown.filter(|column| !spec.hidden.contains(&column.name));
        if is_stream {
            let key = column(STREAM_KEY_COLUMN, ColumnType::Text, false)?;
            table.key = vec![key.name.clone()];
            table.columns.0.push(key);
        }
        Ok(Arc::new(Self {
            id: def.id,
            name: spec.name.clone(),
            letters: Some(def.letters),
            table,
            shown: Columns(shown.cloned().collect()),
            open: open_windows(def.spec.emit, lowered),
            record,
            version: match has(VERSION_COLUMN) {
                true => Version::Counted,
                false => Version::Only,
            },
            stream_key: is_stream.then(|| lowered.key.clone()),
        }))
    }
}

/// The columns of an object; those of its key have values, and a row that is gone has no others.
fn kept(columns: &Columns, key: &[ColumnName]) -> Columns {
    let kept = columns.0.iter().map(|column| Column {
        nullable: !key.contains(&column.name),
        ..column.clone()
    });
    Columns(kept.collect())
}

/// Spark has JSON as text.
fn as_spark_writes(column: &Column) -> Column {
    Column {
        ty: in_spark(&column.ty),
        ..column.clone()
    }
}

fn in_spark(ty: &ColumnType) -> ColumnType {
    match ty {
        ColumnType::Json => ColumnType::Text,
        ColumnType::Array(item) => ColumnType::Array(Box::new(in_spark(item))),
        ColumnType::Row(fields) => {
            let fields = fields.iter().map(|(name, ty)| (name.clone(), in_spark(ty)));
            ColumnType::Row(fields.collect())
        }
        other => other.clone(),
    }
}

/// A column beside the view's own. Parts of a stream's key are taken as they are spelled.
fn beside(name: &str) -> Result<Column, NameError> {
    let ty = match name {
        VERSION_COLUMN | GENERATION_COLUMN => ColumnType::BigInt,
        LIVE_COLUMN => ColumnType::Boolean,
        _ => ColumnType::Json,
    };
    column(name, ty, true)
}

fn column(name: &str, ty: ColumnType, nullable: bool) -> Result<Column, NameError> {
    Ok(Column {
        id: 0,
        name: ColumnName::new(name)?,
        ty,
        nullable,
    })
}

fn open_windows(emit: Emit, lowered: &Lowered) -> Option<OpenWindows> {
    let Emit::OnWindowClose {
        corrections: Some(corrections),
    } = emit
    else {
        return None;
    };
    let end = lowered.hidden_until.clone()?;
    Some(OpenWindows { end, corrections })
}

/// The columns of the key that are bounds of the window.
fn window(plan: &PlannedView, key: &[ColumnName]) -> Vec<ColumnName> {
    let bounds = spark::bounds(&plan.plan);
    let columns = plan.columns.0.iter().zip(bounds);
    let bounds = columns.filter(|(_, bound)| bound.is_some());
    let names = bounds.map(|(column, _)| column.name.clone());
    names.filter(|name| key.contains(name)).collect()
}
