//! `Journal`: the log of this node, with what only the node does to it: sizes, pins, the end.

use std::{sync::Arc, time::Duration};

use mainstem_kernel::ByteSize;
use mainstem_log::{JournalLog, JournalParts, LogConfig, Pin, SharedLog};

use crate::{errors::NodeError, gate::Gate, health::Health, moving::Moving};

/// The log of this node.
#[derive(Debug)]
pub(crate) struct Journal {
    journal: Arc<JournalLog>,
    gate: Arc<Gate>,
    file_size: ByteSize,
    size_max: ByteSize,
}

impl Journal {
    pub(crate) fn open(
        parts: JournalParts,
        config: LogConfig,
        health: &Arc<Health>,
        moving: &Arc<Moving>,
    ) -> Result<Self, NodeError> {
        let (file_size, size_max) = (config.journal_file_size, config.journal_size_max);
        let journal = JournalLog::open(parts, config)?;
        for damage in journal.damages() {
            tracing::error!(
                ?damage,
                "damage of the journal was accepted: these rows are lost"
            );
        }
        let gate = Gate::new(
            Arc::<JournalLog>::clone(&journal),
            Arc::clone(health),
            Arc::clone(moving),
        );
        Ok(Self {
            journal,
            gate,
            file_size,
            size_max,
        })
    }

    /// As everybody else sees it: closed to appends while the disk is almost full.
    pub(crate) fn log(&self) -> SharedLog {
        Arc::<Gate>::clone(&self.gate)
    }

    /// Holds all files still, as of the present frontier.
    pub(crate) fn pin(&self) -> Pin {
        self.journal.pin()
    }

    /// Bytes of journal files on disk, and bytes that are not yet in history.
    pub(crate) fn sizes(&self) -> (ByteSize, ByteSize) {
        let stats = self.journal.stats();
        (stats.size, stats.live)
    }

    /// Its limit.
    pub(crate) fn size_max(&self) -> ByteSize {
        self.size_max
    }

    /// Percent of the journal's limit that is in use; the gate learns of it too.
    pub(crate) fn fill(&self) -> u64 {
        let files = u64::try_from(self.journal.stats().files).unwrap_or(u64::MAX);
        let used = files.saturating_mul(self.file_size.0);
        let percent = used / (self.size_max.0 / 100).max(1);
        self.gate.note_fill(percent);
        percent
    }

    /// Finishes what waits and ends the sequencer.
    pub(crate) fn close(&self, time_max: Duration) {
        if !self.journal.close(time_max) {
            tracing::warn!("appends were still waiting at the end; they were not acknowledged");
        }
    }
}
