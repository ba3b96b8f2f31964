//! `ProgressView`: what is published, kept current by a thread of its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mainstem_kernel::{Offsets, StreamId, Timestamp, fault::chain, spawn::SharedSpawn};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Entry, Progress};
use crate::{
    ClusterError,
    kafka::{
        KafkaConfig, Reader, Row, Topics,
        client::silent,
        topic::{Wanted, progress_name},
    },
};

/// Name of the thread.
const THREAD: &str = "progress";
/// Records that are read at once.
const ROWS_MAX: usize = 1_000;
/// How long a read waits; also how long `close` may take.
const PATIENCE: Duration = Duration::from_millis(200);

/// The last word of whoever is in control that came as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// How many there were before it.
    pub number: u64,
    /// When the broker appended it, by its own clock.
    pub at: Timestamp,
}

/// What is published, kept current.
#[derive(Debug)]
pub struct ProgressView {
    current: watch::Sender<Arc<Progress>>,
    heard: Mutex<Option<Heard>>,
    is_closed: AtomicBool,
}

impl ProgressView {
    /// Finds or makes the topic, reads all of it, and starts the thread that reads on.
    ///
    /// # Errors
    /// When Kafka cannot be reached, the topic will not do, or holds what others wrote.
    pub fn open(config: &KafkaConfig, spawn: &SharedSpawn) -> Result<Arc<Self>, ClusterError> {
        Topics::new(config)?.ensure(&Wanted::progress(config), None)?;
        let mut reader = open(config)?;
        let mut first = Progress::default();
        fold_all(&mut reader, (config, &mut first))?;
        let view = Arc::new(Self {
            current: watch::Sender::new(Arc::new(first)),
            heard: Mutex::default(),
            is_closed: AtomicBool::new(false),
        });
        let (weak, config) = (Arc::downgrade(&view), config.clone());
        let body = move || {
            while let Some(view) = weak.upgrade() {
                if view.is_closed.load(Ordering::Acquire) {
                    return;
                }
                view.follow(&config, &mut reader);
            }
        };
        spawn
            .thread(THREAD, Box::new(body))
            .map_err(|source| ClusterError::Thread {
                name: THREAD,
                source,
            })?;
        Ok(view)
    }

    /// What is published now.
    #[must_use]
    pub fn now(&self) -> Arc<Progress> {
        Arc::clone(&self.current.borrow())
    }

    /// The same, as it changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Progress>> {
        self.current.subscribe()
    }

    /// What came last since the start.
    #[must_use]
    pub fn heard(&self) -> Option<Heard> {
        *self.heard.lock()
    }

    /// Ends the thread, soon.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    /// Takes what comes; what does not read is named in the log and left out, so that progress
    /// stands still rather than the node.
    fn follow(&self, config: &KafkaConfig, reader: &mut Reader) {
        let rows = match reader.read(ROWS_MAX, PATIENCE) {
            Ok(read) => read.rows,
            Err(error) => {
                tracing::warn!(error = chain(&error), "progress is not read");
                // Its place may be gone since the topic was compacted: all of it is read again.
                if let Ok(anew) = open(config) {
                    *reader = anew;
                }
                return;
            }
        };
        let Some(at) = rows.iter().map(|row| row.at).max() else {
            return;
        };
        let mut heard = self.heard.lock();
        let number = heard.map_or(0, |heard| heard.number.saturating_add(1));
        *heard = Some(Heard { number, at });
        drop(heard);
        let mut next = self.now().as_ref().clone();
        for row in rows {
            match entry(config, &row) {
                Ok(entry) => next.fold(entry),
                Err(error) => tracing::warn!(error = chain(&error), "left out"),
            }
        }
        self.current.send_replace(Arc::new(next));
    }
}

/// Everything that is published, read once.
///
/// # Errors
/// As `ProgressView::open`.
pub(crate) fn read_once(config: &KafkaConfig) -> Result<Progress, ClusterError> {
    Topics::new(config)?.ensure(&Wanted::progress(config), None)?;
    let mut progress = Progress::default();
    fold_all(&mut open(config)?, (config, &mut progress))?;
    Ok(progress)
}

fn open(config: &KafkaConfig) -> Result<Reader, ClusterError> {
    let name = progress_name(config);
    Reader::open(config, (StreamId::CATALOG, &name), &Offsets::default())
}

/// Folds everything up to the end.
fn fold_all(
    reader: &mut Reader,
    (config, progress): (&KafkaConfig, &mut Progress),
) -> Result<(), ClusterError> {
    let mut waited = Duration::ZERO;
    loop {
        let read = reader.read(ROWS_MAX, PATIENCE)?;
        if read.rows.is_empty() && !read.is_end {
            waited += PATIENCE;
            if waited > config.acknowledge_max {
                return Err(silent(config));
            }
        }
        for row in &read.rows {
            progress.fold(entry(config, row)?);
        }
        if read.is_end {
            return Ok(());
        }
    }
}

fn entry(config: &KafkaConfig, row: &Row) -> Result<Entry, ClusterError> {
    let key = row.key.as_deref().unwrap_or_default();
    Entry::decode(key, &row.value).map_err(|error| {
        tracing::warn!(%error, offset = row.offset.0, "a record of progress does not read");
        ClusterError::Record {
            topic: progress_name(config),
            partition: i32::from(row.partition.0),
            offset: i64::try_from(row.offset.0).unwrap_or(i64::MAX),
            reason: "expected progress of this program or an older one",
        }
    })
}
