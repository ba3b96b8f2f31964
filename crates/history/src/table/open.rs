//! Opens a table or makes it: replay, orphans, columns. Everything a crash left is settled here.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use mainstem_kernel::Seq;
use parking_lot::{Mutex, RwLock};

use super::{
    Commit, Inner, Shared, Stop, Table,
    commit::{FORMAT_KEY, MAPPING_KEY, meta_data, protocol},
};
use crate::{
    archive::Archive,
    columns::{DAY_COLUMN, TableColumns},
    config::StreamTable,
    delta::{
        FORMAT, LOG_FOLDER, app_id,
        entry::Operation,
        replay::{self, ReplayError, State},
    },
    errors::{HistoryError, disk_error},
    file::make_dirs,
    rows::map_versions,
};

impl Table {
    /// Opens the table in `folder`, or makes it. A foreign entry makes a table that can be read
    /// up to it and not written.
    pub(crate) fn open(
        shared: &Arc<Shared>,
        folder: PathBuf,
        table: &StreamTable,
    ) -> Result<Self, HistoryError> {
        let mut inner = match load(shared, &folder, table)? {
            Some(state) => Inner::of(shared, folder, table, state)?,
            None => create(shared, folder, table)?,
        };
        inner.archive.restart(inner.state.archived);
        let published = RwLock::new(Arc::new(inner.pinned()));
        let open_bytes = AtomicU64::new(0);
        Ok(Self {
            published,
            open_bytes,
            buffered: AtomicU64::new(0),
            inner: Mutex::new(inner),
        })
    }
}

impl Inner {
    /// Takes the newest definition: columns, versions, retention.
    pub(crate) fn define(&mut self, table: &StreamTable) -> Result<(), HistoryError> {
        self.retention = table.retention;
        self.versions.clone_from(&table.versions);
        let columns =
            self.columns
                .evolve(&table.columns)
                .map_err(|reason| HistoryError::Incompatible {
                    stream: self.name.clone(),
                    reason,
                })?;
        if columns != self.columns {
            self.check_open()?;
            // Its rows have the old columns; what it holds is still in the log.
            self.give_up_open_file();
            let commit = Commit {
                columns: Some(columns),
                ..Commit::new(Operation::Columns)
            };
            self.commit(commit)?;
        }
        self.mappings = map_versions(&self.versions, &self.columns);
        Ok(())
    }

    pub(super) fn set_columns(&mut self, columns: TableColumns) {
        self.file_schema = columns.file_schema();
        self.mappings = map_versions(&self.versions, &columns);
        self.columns = columns;
    }

    fn of(
        shared: &Arc<Shared>,
        folder: PathBuf,
        table: &StreamTable,
        state: State,
    ) -> Result<Self, HistoryError> {
        let mapped = state
            .meta_data
            .configuration
            .get(MAPPING_KEY)
            .is_some_and(|m| m == "name");
        let columns =
            TableColumns::from_delta(&state.meta_data.schema_string, mapped).map_err(|reason| {
                HistoryError::Damaged {
                    path: folder.join(LOG_FOLDER),
                    reason,
                }
            })?;
        Ok(Self {
            shared: Arc::clone(shared),
            stream: table.stream,
            name: table.name.clone(),
            folder,
            stopped: state.foreign.map(Stop::Foreign),
            state,
            file_schema: columns.file_schema(),
            mappings: map_versions(&table.versions, &columns),
            versions: table.versions.clone(),
            columns,
            retention: table.retention,
            archive: Archive::default(),
            graves: BTreeMap::new(),
            files_made: 0,
            retry_at: Duration::ZERO,
            upkeep_retry_at: Duration::ZERO,
        })
    }
}

/// Replays the table's log and removes what no entry names; `None` if there is no table yet.
fn load(
    shared: &Shared,
    folder: &Path,
    table: &StreamTable,
) -> Result<Option<State>, HistoryError> {
    let disk = shared.disk.as_ref();
    let settle = |error| match error {
        ReplayError::Read { path, source } => disk_error("read", &path)(source),
        ReplayError::Damaged { path, reason } => HistoryError::Damaged { path, reason },
    };
    let log = folder.join(LOG_FOLDER);
    let listing = replay::list(disk, folder).map_err(settle)?;
    if !listing.entries.is_empty() {
        // What a sync failed to confirm before the restart is confirmed or lost now.
        disk.sync_dir(&log).map_err(disk_error("sync", &log))?;
    }
    let state = replay::replay(disk, folder, &listing, &app_id(table.stream)).map_err(settle)?;
    let Some(state) = state else { return Ok(None) };
    let format = state
        .meta_data
        .configuration
        .get(FORMAT_KEY)
        .map_or("", String::as_str);
    if format.parse() != Ok(FORMAT) {
        let (stream, found) = (table.name.clone(), format.to_owned());
        return Err(HistoryError::Newer {
            stream,
            found,
            known: FORMAT,
        });
    }
    if state.foreign.is_none() {
        for name in listing.temporary {
            let path = log.join(name);
            disk.remove_file(&path)
                .map_err(disk_error("remove", &path))?;
        }
        remove_orphans(shared, folder, &state)?;
    }
    Ok(Some(state))
}

/// Removes files that no entry names, and folders of days that are empty.
fn remove_orphans(shared: &Shared, folder: &Path, state: &State) -> Result<(), HistoryError> {
    let disk = shared.disk.as_ref();
    let named: BTreeSet<&str> = state
        .files
        .keys()
        .chain(state.removed.keys())
        .map(String::as_str)
        .collect();
    let entries = disk.list(folder).map_err(disk_error("list", folder))?;
    let prefix = format!("{DAY_COLUMN}=");
    for day in entries
        .iter()
        .filter(|entry| entry.is_dir && entry.name.starts_with(&prefix))
    {
        let path = folder.join(&day.name);
        let files = disk.list(&path).map_err(disk_error("list", &path))?;
        let mut left = files.len();
        for file in &files {
            let below = format!("{}/{}", day.name, file.name);
            if !named.contains(below.as_str()) && !file.is_dir {
                let path = path.join(&file.name);
                disk.remove_file(&path)
                    .map_err(disk_error("remove", &path))?;
                left -= 1;
            }
        }
        if left == 0 {
            disk.remove_dirs(&path)
                .map_err(disk_error("remove", &path))?;
        }
    }
    Ok(())
}

/// Makes the folder and the table's first entry.
fn create(
    shared: &Arc<Shared>,
    folder: PathBuf,
    table: &StreamTable,
) -> Result<Inner, HistoryError> {
    let disk = shared.disk.as_ref();
    let log = folder.join(LOG_FOLDER);
    make_dirs(disk, &log)?;
    let columns =
        TableColumns::create(&table.columns).map_err(|reason| HistoryError::Incompatible {
            stream: table.name.clone(),
            reason,
        })?;
    let now = shared.clock.now().millis();
    let mut meta_data = meta_data(&columns, uuid::Uuid::new_v4().to_string(), Some(now));
    meta_data.name = Some(table.name.as_str().to_owned());
    let state = State {
        version: 0,
        checkpoint: 0,
        protocol: protocol(&columns),
        meta_data,
        archived: Seq::ZERO,
        files: BTreeMap::new(),
        removed: BTreeMap::new(),
        foreign: None,
    };
    let actions = [
        state.protocol.clone().into(),
        state.meta_data.clone().into(),
    ];
    let mut inner = Inner::of(shared, folder, table, state)?;
    inner.put_entry(0, Operation::Create, &actions)?;
    Ok(inner)
}

/// The folders of all tables, by stream id. A folder keeps its name when its stream is renamed.
pub(crate) fn folders(shared: &Shared) -> Result<BTreeMap<u32, PathBuf>, HistoryError> {
    let entries = match shared.disk.list(&shared.folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        listed => listed.map_err(disk_error("list", &shared.folder))?,
    };
    let id = |name: &str| name.rsplit_once('-').and_then(|(_, id)| id.parse().ok());
    let folders = entries.iter().filter(|entry| entry.is_dir);
    Ok(folders
        .filter_map(|e| Some((id(&e.name)?, shared.folder.join(&e.name))))
        .collect())
}
