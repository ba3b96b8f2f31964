//! `Frontiers`: whether what was acknowledged is among the rows that are read, and waiting until it
//! is.
//!
//! # How it is known
//!
//! A view has what a door acknowledged once (1) control has published that Spark has committed it
//! (`QueryProgress::reached`), and (2) the group of row writers has committed where the topic of
//! changes ended then (`QueryProgress::changes`). A table has it once the group has committed the
//! place that the write was answered with. A stream is read from its topic, which has it already.

mod committed;
mod step;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mainstem_catalog::Definitions;
use mainstem_kernel::{Offsets, Reached, StreamId, Timestamp};
use mainstem_sql::QueryError;
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, timeout_at},
};

use super::RowsError;
use crate::{
    ClusterError,
    kafka::KafkaConfig,
    progress::{Progress, ProgressView},
};
use committed::Committed;
use step::{Step, step};

/// How often the group is asked while somebody waits.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(250);
/// Definitions that another node has changed are known here after a moment.
const DEFINITIONS_PAUSE: Duration = Duration::from_millis(200);

/// What `Frontiers` works with.
#[derive(Debug)]
pub struct FrontierParts {
    /// The group is asked there.
    pub kafka: KafkaConfig,
    /// How far views are.
    pub progress: Arc<ProgressView>,
    /// What objects read.
    pub definitions: watch::Receiver<Arc<Definitions>>,
    /// Runs what waits for Kafka.
    pub runtime: Handle,
}

/// How far rows are that are read.
#[derive(Debug)]
pub struct Frontiers {
    progress: Arc<ProgressView>,
    definitions: watch::Receiver<Arc<Definitions>>,
    committed: Committed,
}

impl Frontiers {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// When the settings make no client.
    pub fn open(parts: FrontierParts) -> Result<Arc<Self>, ClusterError> {
        Ok(Arc::new(Self {
            committed: Committed::new(&parts.kafka, parts.runtime)?,
            progress: parts.progress,
            definitions: parts.definitions,
        }))
    }

    /// Waits until rows of these objects are not older than a position.
    ///
    /// # Errors
    /// `Position` when that takes longer than the limit; `Elsewhere` for a position of one machine.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn reach(
        &self,
        objects: &[StreamId],
        wait: &Reached,
        limit: Duration,
    ) -> Result<(), QueryError> {
        let Reached::Offsets(wanted) = wait else {
            return Err(QueryError::Elsewhere {
                position: wait.clone(),
            });
        };
        let deadline = Instant::now() + limit;
        let all = async {
            for id in objects {
                self.reach_one(*id, wanted).await?;
            }
            Ok(())
        };
        match timeout_at(deadline, all).await {
            Ok(done) => done,
            Err(_late) => Err(self.late(wait, wanted, limit)),
        }
    }

    /// Up to when windows of a view are closed, as Spark tells of its watermark.
    #[must_use]
    pub fn watermark(&self, view: StreamId) -> Option<Timestamp> {
        self.progress.now().view(view)?.watermark
    }

    async fn reach_one(&self, id: StreamId, wanted: &Offsets) -> Result<(), QueryError> {
        let mut progress = self.progress.watch();
        loop {
            let now = Arc::clone(&progress.borrow_and_update());
            match self.step(id, wanted, &now) {
                Step::There => return Ok(()),
                Step::Rows(changes) => return self.rows(id, &changes).await,
                Step::Progress => {
                    if progress.changed().await.is_err() {
                        // The node stops.
                        return std::future::pending().await;
                    }
                }
                Step::Definitions => tokio::time::sleep(DEFINITIONS_PAUSE).await,
            }
        }
    }

    fn step(&self, id: StreamId, wanted: &Offsets, progress: &Progress) -> Step {
        let definitions = Arc::clone(&self.definitions.borrow());
        step(&definitions, (id, wanted), progress.view(id))
    }

    /// Waits until row writers have written all changes of an object below these places.
    async fn rows(&self, id: StreamId, changes: &Offsets) -> Result<(), QueryError> {
        let mut pause = PAUSE;
        loop {
            match self.committed.of(id, changes).await {
                Ok(there) if there.covers(changes) => return Ok(()),
                Ok(_behind) => {}
                Err(error) => {
                    // It may pass before the limit does.
                    tracing::debug!(%error, "the group of row writers does not tell how far it is");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// What is told of a wait that was too long.
    fn late(&self, wait: &Reached, wanted: &Offsets, limit: Duration) -> QueryError {
        let definitions = Arc::clone(&self.definitions.borrow());
        let unknown = wanted.iter().map(|(id, _, _)| id);
        match unknown
            .into_iter()
            .find(|id| *id >= definitions.next_stream)
        {
            Some(id) => QueryError::Engine(Arc::new(RowsError::Unknown { id })),
            None => QueryError::Position {
                position: wait.clone(),
                limit,
            },
        }
    }

    /// How far row writers are with an object, in the places of its topic of changes.
    ///
    /// # Errors
    /// When Kafka does not tell.
    pub async fn written(&self, id: StreamId, places: &Offsets) -> Result<Offsets, ClusterError> {
        self.committed.of(id, places).await
    }

    /// How many changes of each view wait to be written, by what is published of them.
    ///
    /// # Errors
    /// When Kafka does not tell.
    pub async fn lags(&self) -> Result<BTreeMap<StreamId, u64>, ClusterError> {
        let progress = self.progress.now();
        let mut lags = BTreeMap::new();
        for (query, progress) in &progress.queries {
            if progress.changes.iter().next().is_none() {
                continue;
            }
            let there = self.committed.of(query.id(), &progress.changes).await?;
            let behind = progress
                .changes
                .iter()
                .map(|(id, partition, end)| end.0.saturating_sub(there.next(id, partition).0));
            lags.insert(query.id(), behind.fold(0, u64::saturating_add));
        }
        Ok(lags)
    }
}
