//! What is done. Each deed may be done twice; what fails is named and tried again after a pause.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mainstem_catalog::{Change, ChangeSet, Definitions, Object};
use mainstem_kernel::{Offset, Offsets, PartitionId, StreamId, fault::chain};

use super::{
    super::{
        Action, ControlError, HistoryOf, Need, QueryTopics, TopicOf,
        backoff::Backoff,
        claims::{Claims, Ends},
    },
    Known, Leading,
};
use crate::{
    cassandra::{RowTable, Rows},
    kafka::topic::prefix_of,
    progress::{Doing, Entry, Query},
};

/// Where a query begins, by partition of its topic; at the first row there is if nothing is said.
type Begin = BTreeMap<u16, Option<u64>>;

impl Leading {
    /// Does it. What stands against it is kept, and stops nothing else.
    ///
    /// # Errors
    /// `Superseded`: somebody else does it.
    pub(super) fn act(
        &mut self,
        action: &Action,
        (definitions, elapsed): (&Definitions, Duration),
    ) -> Result<(), ControlError> {
        match action {
            Action::Make(id) => self.make(*id, elapsed),
            Action::Stop(query) => self.stop(*query),
            Action::Start(query) => self.start(*query, elapsed),
            Action::Swap { tenant, app, views } => {
                let changes = views.iter().map(|id| Change::SwapView { id: *id });
                let changes = ChangeSet {
                    tenant: *tenant,
                    app: app.clone(),
                    changes: changes.collect(),
                };
                match self.parts.catalog.apply(changes, definitions.seq) {
                    Ok(_) => tracing::info!(%app, views = views.len(), "views swapped in"),
                    // Somebody else has changed the definitions meanwhile: at the next look.
                    Err(error) => tracing::info!(%app, error = chain(&error), "not swapped in yet"),
                }
            }
            Action::Forget(id) if self.chores.has_emptied(*id) => {
                self.forget((*id, definitions)).unwrap_or_else(|error| {
                    tracing::warn!(%id, error = chain(&error), "still to be forgotten");
                });
            }
            Action::Forget(_) | Action::Expire { .. } | Action::Sweep { .. } => {
                let begun = self.begin(action, (definitions, elapsed));
                begun.unwrap_or_else(|error| {
                    tracing::warn!(?action, error = chain(&error), "still to be begun");
                });
            }
        }
        Ok(())
    }

    fn make(&mut self, id: StreamId, elapsed: Duration) {
        let (mut backoff, _) = match self.unmade.remove(&id) {
            Some((backoff, error)) if backoff.not_before > elapsed => {
                self.unmade.insert(id, (backoff, error));
                return;
            }
            Some((backoff, error)) => (backoff, Some(error)),
            None => (Backoff::default(), None),
        };
        match self.made(id) {
            Ok(()) => {
                self.made.insert(id);
            }
            Err(error) => {
                backoff.fail(elapsed);
                tracing::warn!(%id, error = chain(&error), "topics or table are not there yet");
                self.unmade.insert(id, (backoff, error));
            }
        }
    }

    fn made(&mut self, id: StreamId) -> Result<(), ControlError> {
        let Some(object) = self.needs.objects.get(&id).cloned() else {
            return Ok(());
        };
        let prefix = prefix_of(&self.parts.config.kafka, id);
        for (part, wanted) in &object.topics {
            let topic = self.topics.ensure(wanted, Some(&prefix))?;
            self.known.insert((id, *part), topic);
        }
        if let Some(relation) = &object.relation {
            let keyspace = &self.parts.config.cassandra.keyspace;
            let table = RowTable::of(&relation.table, keyspace)?;
            let handle = self.parts.runtime.clone();
            let rows = self.rows()?;
            handle.block_on(rows.create(table))?;
        }
        Ok(())
    }

    /// The session with Cassandra, opened when it is first needed.
    pub(super) fn rows(&mut self) -> Result<Arc<Rows>, ControlError> {
        if let Some(rows) = &self.rows {
            return Ok(Arc::clone(rows));
        }
        let config = self.parts.config.cassandra.clone();
        let opened = self.parts.runtime.block_on(Rows::open(config))?;
        Ok(Arc::clone(self.rows.insert(Arc::new(opened))))
    }

    fn stop(&mut self, query: Query) {
        let Some(known) = self.queries.get_mut(&query) else {
            return;
        };
        let Some(run) = known.run.clone() else {
            return;
        };
        match self.parts.engine.stop(&run) {
            Ok(()) => {
                tracing::info!(%query, "query stopped");
                known.run = None;
                known.plan = None;
                known.is_caught_up = false;
                known.problem = None;
                known.progress.doing = Doing::Stopped;
            }
            Err(fault) => {
                tracing::warn!(%query, error = chain(fault.as_ref()), "query still to be stopped");
            }
        }
    }

    fn start(&mut self, query: Query, elapsed: Duration) {
        let Some(need) = self.needs.queries.get(&query).cloned() else {
            return;
        };
        let started = self.begin_anew(query, &need).and_then(|from| {
            let topics = self.topics_for(query, (&need, from));
            let Some(topics) = topics else {
                return Ok(None);
            };
            let run = self.parts.engine.start(query, &need, &topics);
            let run = run.map_err(|fault| ControlError::Failed { query, fault })?;
            Ok(Some((run, topics)))
        });
        let known = self.queries.entry(query).or_default();
        match started {
            Ok(None) => {}
            Ok(Some((run, topics))) => {
                tracing::info!(%query, inputs = ?topics.inputs, "query started");
                known.started(run, elapsed);
                known.plan = Some(need.plan());
            }
            Err(problem) => {
                known.backoff.fail(elapsed);
                tracing::warn!(error = chain(&problem), "query not started");
                known.problem = Some(problem);
            }
        }
    }

    /// Whether what a query has done is gone: then it begins anew, in the next generation, so that
    /// its rows are newer than all that were there. Where history begins then: behind what of it is
    /// written, so that no row is there twice.
    fn begin_anew(&mut self, query: Query, need: &Need) -> Result<Option<Begin>, ControlError> {
        let Some(known) = self.queries.get_mut(&query) else {
            return Ok(None);
        };
        let generation = known.progress.generation.max(1);
        if known.progress.input.iter().all(|(_, _, next)| next.0 == 0) {
            return Ok(None);
        }
        let engine = &self.parts.engine;
        let failed = |fault| ControlError::Failed { query, fault };
        if engine.has_checkpoint(query, generation).map_err(failed)? {
            return Ok(None);
        }
        if let Some(reader) = self.needs.reader(query) {
            return Err(ControlError::Lost { query, reader });
        }
        let topic = need.inputs().first().and_then(|of| self.known.get(of));
        let (from, input) = match (need, topic) {
            (Need::History { stream, .. }, Some(topic)) => {
                let history = HistoryOf {
                    stream: stream.id,
                    topic: topic.name.clone(),
                };
                let written = engine.written(&history).map_err(failed)?;
                let mut input = Offsets::default();
                for (partition, next) in &written {
                    input.reach(stream.id, PartitionId(*partition), Offset(*next));
                }
                let partitions = 0..topic.partitions;
                let from = partitions.map(|part| (part, written.get(&part).copied()));
                (Some(from.collect()), input)
            }
            _ => (None, Offsets::default()),
        };
        tracing::warn!(%query, generation, "what it has done is gone: it begins anew");
        known.progress.generation = generation.saturating_add(1);
        known.progress.input = input;
        known.progress.reached = Offsets::default();
        known.progress.batch = 0;
        known.claims = Claims::default();
        known.ends = Ends::default();
        Ok(from)
    }

    fn topics_for(
        &self,
        query: Query,
        (need, from): (&Need, Option<Begin>),
    ) -> Option<QueryTopics> {
        let name = |of: TopicOf| self.known.get(&of).map(|topic| topic.name.clone());
        let known: Option<&Known> = self.queries.get(&query);
        let inputs = need.inputs().into_iter().map(name);
        Some(QueryTopics {
            inputs: inputs.collect::<Option<_>>()?,
            changes: match need.changes() {
                Some(changes) => Some(name(changes)?),
                None => None,
            },
            generation: known.map_or(1, |known| known.progress.generation.max(1)),
            from,
        })
    }

    /// First what is kept, then the definition: a crash between the two only repeats the first.
    fn forget(&mut self, (id, definitions): (StreamId, &Definitions)) -> Result<(), ControlError> {
        let Some(object) = definitions.by_id(id) else {
            return Ok(());
        };
        if !matches!(object, Object::Stream(_)) {
            let handle = self.parts.runtime.clone();
            let rows = self.rows()?;
            handle.block_on(rows.forget(id))?;
        }
        self.topics
            .forget(&prefix_of(&self.parts.config.kafka, id))?;
        let gone = [Query::View(id), Query::History(id)];
        self.fence.publish(&gone.map(Entry::Forgotten))?;
        for query in gone {
            self.queries.remove(&query);
        }
        self.known.retain(|(of, _), _| *of != id);
        self.made.remove(&id);
        let changes = ChangeSet {
            tenant: object.tenant(),
            app: object.app().clone(),
            changes: vec![object.forget()],
        };
        // A change of this round made the definitions newer: then at the next look.
        self.parts.catalog.apply(changes, definitions.seq)?;
        tracing::info!(object = %object.label(), %id, "forgotten");
        Ok(())
    }
}
