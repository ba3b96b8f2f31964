//! A commit: one entry of the Delta log, put if absent, synced, and only then folded in.

use std::{
    io::{self, ErrorKind},
    path::Path,
    sync::Arc,
};

use mainstem_disk::{Disk, write_new_durably};
use mainstem_kernel::{Seq, Timestamp};

use super::{Inner, Stop};
use crate::{
    columns::TableColumns,
    delta::{
        FORMAT,
        action::{Action, Add, MetaData, Protocol, Remove, Txn},
        app_id,
        entry::{self, Operation},
        entry_path,
    },
    errors::{HistoryError, disk_error},
    pinned::DataFile,
};

/// What a commit changes.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) operation: Operation,
    pub(crate) adds: Vec<Arc<DataFile>>,
    pub(crate) removes: Vec<Arc<DataFile>>,
    pub(crate) archived: Option<Seq>,
    pub(crate) columns: Option<TableColumns>,
}

impl Commit {
    /// A commit that changes nothing yet.
    pub(crate) fn new(operation: Operation) -> Self {
        let (adds, removes) = (Vec::new(), Vec::new());
        Self {
            operation,
            adds,
            removes,
            archived: None,
            columns: None,
        }
    }
}

impl Inner {
    /// Writes the next entry. On an error nothing is changed in memory; whether it may be tried
    /// again, the error says.
    pub(crate) fn commit(&mut self, commit: Commit) -> Result<(), HistoryError> {
        self.check_open()?;
        let now = self.shared.clock.now();
        let version = self.state.version + 1;
        let actions = self.actions(&commit, now);
        self.put_entry(version, commit.operation, &actions)?;
        self.apply(commit, version, now);
        Ok(())
    }

    /// Puts an entry if it is absent. A presence means that another program writes here.
    pub(super) fn put_entry(
        &mut self,
        version: u64,
        operation: Operation,
        actions: &[Action],
    ) -> Result<(), HistoryError> {
        let path = self.folder.join(entry_path(version));
        let disk = self.shared.disk.as_ref();
        let bytes = entry::encode(operation, self.shared.clock.now(), actions)
            .map_err(|error| disk_error("encode", &path)(error.into()))?;
        let Err(source) = write_new_durably(disk, &path, &bytes) else {
            return Ok(());
        };
        if source.kind() == ErrorKind::AlreadyExists {
            self.stopped = Some(Stop::Foreign(version));
        } else if take_back(disk, &path).is_err() {
            self.stopped = Some(Stop::InDoubt);
        }
        self.check_open()?;
        Err(HistoryError::Disk {
            action: "write",
            path,
            source,
        })
    }

    fn actions(&self, commit: &Commit, now: Timestamp) -> Vec<Action> {
        let data_change = commit.operation != Operation::Compact;
        let mut actions = Vec::new();
        if let Some(columns) = &commit.columns {
            let created = self.state.meta_data.created_time;
            let meta_data = meta_data(columns, self.state.meta_data.id.clone(), created);
            if protocol(columns) != self.state.protocol {
                actions.push(protocol(columns).into());
            }
            actions.push(
                MetaData {
                    name: self.state.meta_data.name.clone(),
                    ..meta_data
                }
                .into(),
            );
        }
        let removes = commit.removes.iter();
        actions.extend(removes.map(|file| Remove::of(file, now, data_change).into()));
        actions.extend(
            commit
                .adds
                .iter()
                .map(|file| Add::of(file, now, data_change).into()),
        );
        actions.extend(commit.archived.map(|seq| self.txn(seq, now).into()));
        actions
    }

    /// The whole state as a checkpoint holds it.
    pub(crate) fn checkpoint_actions(&self) -> Vec<Action> {
        let state = &self.state;
        let now = self.shared.clock.now();
        let mut actions = vec![
            state.protocol.clone().into(),
            state.meta_data.clone().into(),
        ];
        if state.archived > Seq::ZERO {
            actions.push(self.txn(state.archived, now).into());
        }
        actions.extend(state.removed.values().map(|remove| remove.clone().into()));
        actions.extend(
            state
                .files
                .values()
                .map(|file| Add::of(file, now, false).into()),
        );
        actions
    }

    fn txn(&self, archived: Seq, now: Timestamp) -> Txn {
        Txn {
            app_id: app_id(self.stream),
            version: archived.to_i64(),
            last_updated: Some(now.millis()),
        }
    }

    fn apply(&mut self, commit: Commit, version: u64, now: Timestamp) {
        let data_change = commit.operation != Operation::Compact;
        for file in commit.removes {
            self.state.files.remove(&file.path);
            let remove = Remove::of(&file, now, data_change);
            self.state.removed.insert(file.path.clone(), remove);
            self.graves.insert(file.path.clone(), file);
        }
        for file in commit.adds {
            self.state.files.insert(file.path.clone(), file);
        }
        if let Some(archived) = commit.archived {
            self.state.archived = archived;
        }
        if let Some(columns) = commit.columns {
            self.state.protocol = protocol(&columns);
            self.state.meta_data.schema_string = columns.to_delta();
            self.state.meta_data.configuration = configuration(&columns);
            self.set_columns(columns);
        }
        self.state.version = version;
    }
}

/// Makes sure that an entry is not there whose sync failed: whether it would survive a power cut
/// is unknown, and syncing it again proves nothing.
fn take_back(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    if disk.stat(path)?.is_some() {
        disk.remove_file(path)?;
        if let Some(log) = path.parent() {
            disk.sync_dir(log)?;
        }
    }
    Ok(())
}

/// Who can read a table with these columns.
pub(super) fn protocol(columns: &TableColumns) -> Protocol {
    if columns.mapped {
        Protocol::mapped()
    } else {
        Protocol::plain()
    }
}

/// The table's description, without a name.
pub(super) fn meta_data(columns: &TableColumns, id: String, created: Option<i64>) -> MetaData {
    use crate::{columns::DAY_COLUMN, delta::action::Format};
    MetaData {
        id,
        name: None,
        format: Format {
            provider: "parquet".to_owned(),
            options: Default::default(),
        },
        schema_string: columns.to_delta(),
        partition_columns: vec![DAY_COLUMN.to_owned()],
        configuration: configuration(columns),
        created_time: created,
    }
}

/// Key of the folder's format in the table's configuration.
pub(super) const FORMAT_KEY: &str = "mainstem.format";
/// Key of column mapping in the table's configuration.
pub(super) const MAPPING_KEY: &str = "delta.columnMapping.mode";

fn configuration(columns: &TableColumns) -> std::collections::BTreeMap<String, String> {
    let mut configuration = std::collections::BTreeMap::new();
    let mut put = |key: &str, value: String| configuration.insert(key.to_owned(), value);
    put(FORMAT_KEY, FORMAT.to_string());
    if columns.mapped {
        put(MAPPING_KEY, "name".to_owned());
        put(
            "delta.columnMapping.maxColumnId",
            columns.max_field_id().to_string(),
        );
    }
    configuration
}
