//! `Chores`: what takes Spark or Cassandra its time, done beside the rounds, one after the other.
//!
//! Each may be done twice, also by one who is not in control any more: what is deleted is declared
//! no more, or past its retention, and ids are never given again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use mainstem_catalog::{Definitions, Object};
use mainstem_kernel::{StreamId, fault::chain};
use tokio::task::JoinHandle;

use super::{
    super::{Action, ControlError, HistoryOf, Part, backoff::Backoff, reconcile::day_text},
    Leading,
};
use crate::{
    ClusterError,
    cassandra::{RowTable, Rows},
    kafka::topic::{name_of, prefix_of},
    progress::Query,
};

/// What was done last, what is under way, and what has failed.
#[derive(Debug, Default)]
pub(super) struct Chores {
    under_way: Option<(Action, JoinHandle<Result<(), ControlError>>)>,
    failed: BTreeMap<Action, (Backoff, ControlError)>,
    /// Forgotten objects of which Spark keeps nothing any more.
    emptied: BTreeSet<StreamId>,
}

impl Chores {
    /// Whether what Spark keeps of an object is deleted.
    pub(super) fn has_emptied(&self, id: StreamId) -> bool {
        self.emptied.contains(&id)
    }

    /// What stands against chores.
    pub(super) fn problems(&self) -> impl Iterator<Item = &ControlError> {
        self.failed.values().map(|(_, error)| error)
    }

    /// Whether another one may begin now.
    fn is_free_for(&self, action: &Action, elapsed: Duration) -> bool {
        let failed = self.failed.get(action);
        self.under_way.is_none() && failed.is_none_or(|(backoff, _)| backoff.not_before <= elapsed)
    }
}

impl Leading {
    /// Takes what has become of the chore that was under way.
    pub(super) fn look_at_chores(&mut self, elapsed: Duration) {
        let is_over = |(_, work): &(Action, JoinHandle<_>)| work.is_finished();
        if !self.chores.under_way.as_ref().is_some_and(is_over) {
            return;
        }
        let Some((action, work)) = self.chores.under_way.take() else {
            return;
        };
        let done = self.parts.runtime.block_on(work);
        let done = done.unwrap_or_else(|source| {
            Err(ClusterError::Thread {
                name: "chores",
                source: std::io::Error::other(source),
            }
            .into())
        });
        match done {
            Ok(()) => {
                self.chores.failed.remove(&action);
                self.settle(&action);
            }
            Err(error) => {
                tracing::warn!(?action, error = chain(&error), "done again after a pause");
                let known = self.chores.failed.remove(&action);
                let mut backoff = known.map_or_else(Backoff::default, |(backoff, _)| backoff);
                backoff.fail(elapsed);
                self.chores.failed.insert(action, (backoff, error));
            }
        }
    }

    /// What is done is published with the next round.
    fn settle(&mut self, action: &Action) {
        match action {
            Action::Forget(id) => {
                self.chores.emptied.insert(*id);
            }
            Action::Expire { stream, day } => {
                if let Some(known) = self.queries.get_mut(&Query::History(*stream)) {
                    known.progress.expired = Some(*day);
                }
                tracing::info!(%stream, before = day_text(*day), "days of history taken out");
            }
            Action::Sweep { view, generation } => {
                if let Some(known) = self.queries.get_mut(&Query::View(*view)) {
                    known.progress.swept = *generation;
                }
                tracing::info!(%view, generation, "rows of earlier generations taken out");
            }
            Action::Make(_) | Action::Stop(_) | Action::Start(_) | Action::Swap { .. } => {}
        }
    }

    /// Begins a chore, unless another one is under way or it is to wait.
    pub(super) fn begin(
        &mut self,
        action: &Action,
        (definitions, elapsed): (&Definitions, Duration),
    ) -> Result<(), ControlError> {
        if !self.chores.is_free_for(action, elapsed) {
            return Ok(());
        }
        let work = match action {
            Action::Forget(id) => self.emptying(*id, definitions)?,
            Action::Expire { stream, day } => self.expiring(*stream, *day),
            Action::Sweep { view, generation } => self.sweeping(*view, *generation)?,
            Action::Make(_) | Action::Stop(_) | Action::Start(_) | Action::Swap { .. } => None,
        };
        self.chores.under_way = work.map(|work| (action.clone(), work));
        Ok(())
    }

    /// Deletes checkpoints and history.
    fn emptying(
        &self,
        id: StreamId,
        definitions: &Definitions,
    ) -> Result<Option<Work>, ControlError> {
        let Some(object) = definitions.by_id(id) else {
            return Ok(None);
        };
        if let Object::Table(_) = object {
            return Ok(Some(self.parts.runtime.spawn(async { Ok(()) })));
        }
        let kafka = &self.parts.config.kafka;
        let prefix = prefix_of(kafka, id);
        let there = self.topics.names()?;
        let topic = there.into_iter().find(|name| name.starts_with(&prefix));
        let history = HistoryOf {
            stream: id,
            // Only what was there has a history of another name.
            topic: topic.unwrap_or_else(|| name_of(kafka, id, &object.label().name)),
        };
        let generation = [Query::View(id), Query::History(id)].map(|query| {
            let known = self.queries.get(&query);
            known.map_or(1, |known| known.progress.generation)
        });
        let generation = generation.into_iter().max().unwrap_or(1);
        let engine = Arc::clone(&self.parts.engine);
        Ok(Some(self.parts.runtime.spawn_blocking(move || {
            let done = engine.forget(&history, generation);
            done.map_err(|fault| ControlError::Chore {
                doing: "delete what was kept of an object that is forgotten",
                fault,
            })
        })))
    }

    fn expiring(&self, stream: StreamId, day: i64) -> Option<Work> {
        let topic = self.known.get(&(stream, Part::Rows))?.name.clone();
        let (history, day) = (HistoryOf { stream, topic }, day_text(day));
        let engine = Arc::clone(&self.parts.engine);
        Some(self.parts.runtime.spawn_blocking(move || {
            let done = engine.expire(&history, &day);
            done.map_err(|fault| ControlError::Chore {
                doing: "take days out of history",
                fault,
            })
        }))
    }

    fn sweeping(&mut self, view: StreamId, generation: u16) -> Result<Option<Work>, ControlError> {
        let object = self.needs.objects.get(&view);
        let Some(relation) = object.and_then(|object| object.relation.clone()) else {
            return Ok(None);
        };
        let keyspace = &self.parts.config.cassandra.keyspace;
        let table = RowTable::of(&relation.table, keyspace)?;
        let rows: Arc<Rows> = self.rows()?;
        Ok(Some(self.parts.runtime.spawn(async move {
            let target = rows.create(table).await?;
            rows.sweep(&target, generation).await?;
            Ok(())
        })))
    }
}

type Work = JoinHandle<Result<(), ControlError>>;
