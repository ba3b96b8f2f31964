//! `JournalLog`: the log of one node: a journal, a sequencer thread that writes it, and readers
//! beside it.
//!
//! It never blocks a reader on a write, and never lets more appends wait than its queue holds.

mod sequencer;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use crossbeam_channel::{Receiver, Sender, bounded};
use mainstem_kernel::{ByteSize, ProducerId, Seq, StreamId, metrics::Metrics};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::{
    Append, AppendError, Chunk, Damage, Done, Extent, JournalParts, Log, LogConfig, OpenError,
    ReadError, ReadFrom,
    journal::{Found, Index, Journal, JournalFile, JournalNeeds, Prepared, read_frame},
    spare::Spare,
};
use sequencer::{Job, Sequencer};

/// The log of one node.
pub struct JournalLog {
    journal: Arc<Mutex<Journal>>,
    index: Arc<RwLock<Index>>,
    frontier: watch::Sender<Seq>,
    /// `None` once it is closed.
    jobs: RwLock<Option<Sender<Job>>>,
    /// Disconnected once the sequencer has ended.
    ended: Receiver<()>,
    group_size_max: ByteSize,
    damages: Vec<Damage>,
    metrics: Arc<Metrics>,
}

/// Figures of a journal at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalStats {
    /// Bytes of all files, those included that are free for use.
    pub size: ByteSize,
    /// Bytes of frames that were not trimmed.
    pub live: ByteSize,
    /// Bytes of rows in memory.
    pub tail: ByteSize,
    /// Files in use.
    pub files: usize,
}

/// A file of the journal as a backup copies it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedFile {
    /// Name within the journal's folder.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Bytes to copy from its beginning; what is behind them may change.
    pub length: u64,
}

/// While it lives, no file is written over. At the journal's limit that refuses appends.
#[derive(Debug)]
pub struct Pin {
    files: Vec<(Arc<JournalFile>, u64)>,
    frontier: Seq,
}

impl Pin {
    /// Everything up to here is in the files.
    #[must_use]
    pub const fn frontier(&self) -> Seq {
        self.frontier
    }

    /// The files, the oldest first. Copied to an empty folder, they open as a journal that ends
    /// at the frontier.
    #[must_use]
    pub fn files(&self) -> Vec<PinnedFile> {
        let files = self.files.iter().map(|(file, length)| PinnedFile {
            name: file
                .path()
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            path: file.path().to_owned(),
            length: *length,
        });
        files.collect()
    }
}

impl JournalLog {
    /// Opens the journal of a folder, or begins one, and starts the sequencer.
    ///
    /// # Errors
    /// `OpenError`.
    pub fn open(parts: JournalParts, config: LogConfig) -> Result<Arc<Self>, OpenError> {
        let JournalParts {
            disk,
            folder,
            clock,
            spawn,
            metrics,
        } = parts;
        let thread_error = |source| OpenError::Io {
            path: folder.clone(),
            source,
        };
        let spare = Spare::start(&spawn, Arc::clone(&disk)).map_err(thread_error)?;
        let needs = JournalNeeds {
            disk,
            folder: folder.clone(),
            clock,
            metrics: Arc::clone(&metrics),
            spare: Some(spare),
        };
        let (queue_max, group_size_max) = (config.queue_max, config.group_size_max);
        let (journal, damages) = Journal::open(needs, config)?;
        let frontier = watch::Sender::new(journal.frontier());
        let index = journal.index();
        let journal = Arc::new(Mutex::new(journal));
        let (jobs, jobs_rx) = bounded(queue_max.max(1));
        let (ended_tx, ended) = bounded(0);
        let sequencer = Sequencer {
            journal: Arc::clone(&journal),
            jobs: jobs_rx,
            frontier: frontier.clone(),
            group_size_max,
            held: None,
        };
        let body = move || {
            sequencer.run();
            drop(ended_tx);
        };
        spawn
            .thread("sequencer", Box::new(body))
            .map_err(thread_error)?;
        Ok(Arc::new(Self {
            journal,
            index,
            frontier,
            jobs: RwLock::new(Some(jobs)),
            ended,
            group_size_max,
            damages,
            metrics,
        }))
    }

    /// Takes no more appends, finishes those that wait, and ends the sequencer. Whether it ended
    /// within `time_max`. Reads go on.
    pub fn close(&self, time_max: Duration) -> bool {
        drop(self.jobs.write().take());
        // Nothing is ever sent: an error other than the time-out says that the other end is gone.
        !matches!(
            self.ended.recv_timeout(time_max),
            Err(crossbeam_channel::RecvTimeoutError::Timeout)
        )
    }

    /// Holds all files still, as of the present frontier.
    #[must_use]
    pub fn pin(&self) -> Pin {
        let journal = self.journal.lock();
        let files = journal
            .files()
            .map(|file| (Arc::clone(file), file.used()))
            .collect();
        Pin {
            files,
            frontier: journal.frontier(),
        }
    }

    /// Figures of this moment.
    #[must_use]
    pub fn stats(&self) -> JournalStats {
        let journal = self.journal.lock();
        let tail = ByteSize(self.index.read().tail_bytes());
        let (size, live) = (journal.size(), journal.live());
        let files = journal.files().count();
        drop(journal);
        self.metrics
            .journal_live_bytes
            .set(i64::try_from(live.0).unwrap_or(i64::MAX));
        JournalStats {
            size,
            live,
            tail,
            files,
        }
    }

    /// Writes a group without rows: it proves that everything before it was synced, so that later
    /// damage cannot be taken for a torn tail.
    ///
    /// # Errors
    /// As `append`.
    pub fn prove(&self) -> Result<(), AppendError> {
        self.journal.lock().prove()
    }

    /// Damage that was accepted, now or at an earlier start: these rows are lost.
    #[must_use]
    pub fn damages(&self) -> &[Damage] {
        &self.damages
    }
}

impl fmt::Debug for JournalLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalLog")
            .field("frontier", &self.frontier())
            .finish_non_exhaustive()
    }
}

impl Log for JournalLog {
    fn append(&self, append: Append, done: Done) {
        let prepared = Prepared::new(append, self.group_size_max);
        let jobs = self.jobs.read().as_ref().map(Sender::clone);
        let Some(jobs) = jobs else {
            return done(Err(AppendError::Closed));
        };
        if let Err(refused) = jobs.send(Job { prepared, done }) {
            // The sequencer has ended without being told to: its panic was reported.
            (refused.into_inner().done)(Err(AppendError::Closed));
        }
    }

    fn read(&self, stream: StreamId, from: ReadFrom) -> Result<Chunk, ReadError> {
        let Found {
            frames,
            through,
            is_end,
        } = self.index.read().find(stream, from)?;
        let frames = frames.iter().map(|frame| read_frame(stream, frame));
        Ok(Chunk {
            frames: frames.collect::<Result<_, _>>()?,
            through,
            is_end,
        })
    }

    fn extent(&self, stream: StreamId) -> Option<Extent> {
        self.index.read().extent(stream)
    }

    fn extents(&self) -> Vec<(StreamId, Extent)> {
        self.index.read().extents()
    }

    fn trim(&self, stream: StreamId, through: Seq) {
        let mut index = self.index.write();
        let trimmed = index.trim(stream, through);
        let tail_bytes = index.tail_bytes();
        // Freeing memory takes time that readers need not wait for.
        drop(index);
        drop(trimmed);
        self.metrics
            .tail_bytes
            .set(i64::try_from(tail_bytes).unwrap_or(i64::MAX));
    }

    fn next_row(&self, stream: StreamId, producer: ProducerId) -> Option<u64> {
        self.journal.lock().next_row(stream, producer)
    }

    fn heartbeat(&self) -> Result<Seq, AppendError> {
        let mut journal = self.journal.lock();
        journal.heartbeat()?;
        let frontier = journal.frontier();
        drop(journal);
        sequencer::show(&self.frontier, frontier);
        Ok(frontier)
    }

    fn frontier(&self) -> Seq {
        *self.frontier.borrow()
    }

    fn watch(&self) -> watch::Receiver<Seq> {
        self.frontier.subscribe()
    }
}

#[cfg(test)]
mod tests;
