//! One moment of everything that a question names: definitions, pins of history, rows by key, and
//! the frontier that all of them are read at.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use datafusion::{catalog::TableProvider, execution::cache::cache_manager::FileMetadataCache};
use mainstem_catalog::Definitions;
use mainstem_history::Pinned;
use mainstem_kernel::{AppName, Code, Seq, StreamId, TenantId};
use mainstem_table::{Pointer, StreamRows};
use sqlparser::ast::Statement;

use super::{
    SqlParts,
    columns::StreamColumns,
    keyed::{KeyedColumns, KeyedTable},
    names::{self, Relations},
    relation::Relation,
    store::{FileStore, SharedStore},
    table::StreamTable,
};
use crate::{
    declare::{Told, mistake},
    error::QueryError,
    rows::AppRows,
};

/// One moment of everything that a question names.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) relations: Relations,
    pub(crate) pins: BTreeMap<StreamId, Arc<Pinned>>,
    /// Rows by key, if one is named.
    pub(crate) pointer: Option<Arc<Pointer>>,
    pub(crate) frontier: Seq,
}

/// A question whose names are resolved.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) ast: Statement,
    /// The objects that it reads.
    pub(crate) reads: Vec<StreamId>,
}

impl SqlParts {
    /// The question with its names resolved, and the moment that it is asked at.
    pub(crate) fn cut(
        &self,
        ast: &Statement,
        tenant: TenantId,
    ) -> Result<(Statement, Cut), QueryError> {
        let (mut resolved, cut) = self.cut_all(&[ast], tenant)?;
        let resolved = resolved.pop();
        let resolved = resolved.ok_or_else(|| QueryError::broken("a question was lost"))?;
        Ok((resolved.ast, cut))
    }

    /// The same of several questions that are asked at one moment.
    pub(crate) fn cut_all(
        &self,
        asts: &[&Statement],
        tenant: TenantId,
    ) -> Result<(Vec<Resolved>, Cut), QueryError> {
        self.moment(tenant, |defs| {
            let mut relations = Relations::new();
            let mut resolved = Vec::with_capacity(asts.len());
            for ast in asts {
                let mut ast = (*ast).clone();
                let named = names::resolve(&mut ast, defs, tenant)?;
                let reads = named.values().map(Relation::id).collect();
                resolved.push(Resolved { ast, reads });
                relations.extend(named);
            }
            Ok((resolved, relations))
        })
    }

    /// What is read of definitions, and the moment of everything that it names.
    ///
    /// Pins come before the log's frontier, so that no file of a stream holds a row above it; of
    /// rows by key the frontier may be older, and files are filtered by it. The definitions must
    /// still be the same behind it, so that no frame below it has columns unknown to them.
    pub(crate) fn moment<T>(
        &self,
        tenant: TenantId,
        read: impl Fn(&Definitions) -> Result<(T, Relations), QueryError>,
    ) -> Result<(T, Cut), QueryError> {
        loop {
            let defs = self.catalog.definitions();
            let (read, relations) = read(&defs)?;
            let rows = self.rows_of(&relations, tenant)?;
            let ids = relations.values().map(Relation::id);
            let pins = ids
                .filter_map(|id| Some((id, self.history.pin(id)?)))
                .collect();
            let pointer = rows.map(|rows| rows.tables.pointer());
            let frontier = match &pointer {
                Some(pointer) => pointer.frontier(),
                None => self.log.frontier(),
            };
            let cut = Cut {
                relations,
                pins,
                pointer,
                frontier,
            };
            cut.check()?;
            if self.catalog.definitions().seq == defs.seq {
                return Ok((read, cut));
            }
        }
    }

    /// The rows by key that a question names; `None` if it names streams alone.
    pub(crate) fn rows_of(
        &self,
        relations: &Relations,
        tenant: TenantId,
    ) -> Result<Option<AppRows>, QueryError> {
        let mut first: Option<(&str, &AppName)> = None;
        for (name, relation) in relations {
            let Some(app) = relation.app() else { continue };
            match first {
                None => first = Some((name, app)),
                Some((_, own)) if own == app => {}
                Some((other, own)) => return Err(two_apps((other, own), (name, app))),
            }
        }
        let Some((_, app)) = first else {
            return Ok(None);
        };
        let rows = self.rows.rows_of(tenant, app);
        rows.map(Some)
            .ok_or_else(|| QueryError::NotRunning { app: app.clone() })
    }

    /// The same of a question that is not resolved yet.
    pub(crate) fn rows_named(
        &self,
        ast: &Statement,
        defs: &Definitions,
        tenant: TenantId,
    ) -> Result<Option<AppRows>, QueryError> {
        let relations = names::resolve(&mut ast.clone(), defs, tenant)?;
        self.rows_of(&relations, tenant)
    }
}

fn two_apps(first: (&str, &AppName), second: (&str, &AppName)) -> QueryError {
    let place = mainstem_kernel::Place {
        file: String::new(),
        line: 1,
        column: 1,
    };
    let message = format!(
        "\"{}\" of application \"{}\" and \"{}\" of application \"{}\" are asked together",
        first.0, first.1, second.0, second.1
    );
    mistake(Code::Sql037, place, message)
        .detail("Tables and views of one application are at one frontier; two have two.")
        .hint("ask them one by one, or declare them in one application")
        .into()
}

impl Cut {
    /// Whether all rows by key that are named are there.
    fn check(&self) -> Result<(), QueryError> {
        let Some(pointer) = &self.pointer else {
            return Ok(());
        };
        for relation in self.relations.values() {
            if let Relation::Keyed(columns) = relation
                && pointer.codec(columns.id).is_err()
                && pointer.frontier() >= columns.created
            {
                return Err(QueryError::NotReady {
                    object: columns.label.clone(),
                });
            }
        }
        Ok(())
    }

    /// Where the files of all named histories are.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub(crate) fn store(&self, footers: Arc<FileMetadataCache>) -> Result<SharedStore, QueryError> {
        let mut store = FileStore::new(footers);
        // Without files nothing is read there.
        let pins = self.pins.iter().filter(|(_, pin)| !pin.files.is_empty());
        for (id, pin) in pins {
            let added = store.add(*id, &pin.folder);
            added.map_err(|error| QueryError::Unreadable {
                source: Box::new(error),
            })?;
        }
        Ok(Arc::new(store))
    }

    /// What is named, as tables of DataFusion.
    pub(crate) fn tables(
        &self,
        parts: &SqlParts,
        store: &SharedStore,
    ) -> HashMap<String, Arc<dyn TableProvider>> {
        let relations = self.relations.iter();
        let tables = relations.filter_map(|(name, relation)| {
            let table: Arc<dyn TableProvider> = match (relation, &self.pointer) {
                (Relation::Stream(columns), _) => {
                    Arc::new(self.stream(columns, StreamRows::up_to(self.frontier), parts, store))
                }
                (Relation::StreamView(columns), Some(pointer)) => {
                    let rows = pointer.stream(columns.def.id).cloned();
                    let rows = rows.unwrap_or_else(|| StreamRows::up_to(self.frontier));
                    Arc::new(self.stream(columns, rows, parts, store))
                }
                (Relation::Keyed(columns), Some(pointer)) => Arc::new(keyed(columns, pointer)),
                (Relation::StreamView(_) | Relation::Keyed(_), None) => return None,
            };
            Some((name.clone(), table))
        });
        tables.collect()
    }

    fn stream(
        &self,
        columns: &Arc<StreamColumns>,
        rows: StreamRows,
        parts: &SqlParts,
        store: &SharedStore,
    ) -> StreamTable {
        StreamTable {
            pin: self.pins.get(&columns.def.id).cloned(),
            columns: Arc::clone(columns),
            frontier: rows.cut,
            waiting: rows.waiting,
            log: Arc::clone(&parts.log),
            history: Arc::clone(&parts.history),
            store: Arc::clone(store),
        }
    }
}

fn keyed(columns: &Arc<KeyedColumns>, pointer: &Arc<Pointer>) -> KeyedTable {
    KeyedTable {
        columns: Arc::clone(columns),
        pointer: Arc::clone(pointer),
    }
}
