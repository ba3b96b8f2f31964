//! `Journal`: the log of this node, with what only the node does to it: sizes, pins, the end.

use std::{path::Path, sync::Arc, time::Duration};

use mainstem_disk::SharedDisk;
use mainstem_kernel::{ByteSize, clock::SharedClock, metrics::Metrics, spawn::SharedSpawn};
use mainstem_log::SharedLog;

use crate::{
    config::JournalConfig,
    errors::{CopyError, NodeError},
    memory::Shares,
};

/// What the log needs from the node.
pub(crate) type JournalNeeds = (SharedDisk, SharedClock, SharedSpawn, Arc<Metrics>);

/// The log of this node.
#[derive(Debug)]
pub(crate) struct Journal {
    log: SharedLog,
}

impl Journal {
    /// Holds every file still.
    pub(crate) fn pin(&self) -> Result<JournalPin, CopyError> {
        Ok(JournalPin)
    }

    pub(crate) fn open(
        folder: &Path,
        (config, shares): (&JournalConfig, Shares),
        needs: JournalNeeds,
    ) -> Result<Self, NodeError> {
        let _ = (config, shares, needs);
        Err(NodeError::Locked {
            folder: folder.to_owned(),
        })
    }

    /// As everybody else sees it.
    pub(crate) fn log(&self) -> SharedLog {
        Arc::clone(&self.log)
    }

    /// Bytes of journal files on disk.
    pub(crate) fn size(&self) -> ByteSize {
        ByteSize(0)
    }

    /// Bytes that are not yet in history.
    pub(crate) fn live(&self) -> ByteSize {
        ByteSize(0)
    }

    /// Ends its thread.
    pub(crate) fn close(&self, _time_max: Duration) {}
}

/// While it lives, no journal file is released.
#[derive(Debug)]
pub(crate) struct JournalPin;

impl JournalPin {
    /// Names and lengths of the files up to the present frontier.
    pub(crate) fn files(&self) -> Result<Vec<(String, u64)>, CopyError> {
        Ok(Vec::new())
    }
}
