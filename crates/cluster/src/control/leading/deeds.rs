//! What is done. Each deed may be done twice; what fails is named and tried again after a pause.

use std::time::Duration;

use mainstem_catalog::{Change, ChangeSet, Definitions, Object};
use mainstem_kernel::{StreamId, fault::chain};

use super::{
    super::{Action, ControlError, Need, QueryTopics, TopicOf, backoff::Backoff},
    Known, Leading,
};
use crate::{
    cassandra::{RowTable, Rows},
    kafka::topic::prefix_of,
    progress::{Doing, Entry, Query},
    rows::Relation,
};

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
            Action::Forget(id) => self.forget((*id, definitions)).unwrap_or_else(|error| {
                tracing::warn!(%id, error = chain(&error), "still to be forgotten");
            }),
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
    fn rows(&mut self) -> Result<&Rows, ControlError> {
        match &mut self.rows {
            Some(rows) => Ok(rows),
            none => {
                let config = self.parts.config.cassandra.clone();
                let opened = self.parts.runtime.block_on(Rows::open(config))?;
                Ok(none.insert(opened))
            }
        }
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
        let Some(topics) = self.topics_for(query, &need) else {
            return;
        };
        let started = self.parts.engine.start(query, &need, &topics);
        let known = self.queries.entry(query).or_default();
        match started {
            Ok(run) => {
                tracing::info!(%query, input = topics.input, "query started");
                known.started(run, elapsed);
                known.plan = Some(need.plan());
            }
            Err(fault) => {
                known.backoff.fail(elapsed);
                let problem = ControlError::Failed { query, fault };
                tracing::warn!(error = chain(&problem), "query not started");
                known.problem = Some(problem);
            }
        }
    }

    fn topics_for(&self, query: Query, need: &Need) -> Option<QueryTopics> {
        let name = |of: TopicOf| self.known.get(&of).map(|topic| topic.name.clone());
        let known: Option<&Known> = self.queries.get(&query);
        Some(QueryTopics {
            input: name(need.input())?,
            changes: match need.changes() {
                Some(changes) => Some(name(changes)?),
                None => None,
            },
            generation: known.map_or(1, |known| known.progress.generation.max(1)),
        })
    }

    /// First what is kept, then the definition: a crash between the two only repeats the first.
    fn forget(&mut self, (id, definitions): (StreamId, &Definitions)) -> Result<(), ControlError> {
        let Some(object) = definitions.by_id(id) else {
            return Ok(());
        };
        let relation = match object {
            Object::Stream(_) => None,
            Object::Table(def) => Some(Relation::of_table(def)),
            // One that does not plan any more leaves its table behind.
            Object::View(def) => Relation::of_view(def, definitions).ok(),
        };
        if let Some(relation) = relation {
            let keyspace = &self.parts.config.cassandra.keyspace;
            let table = RowTable::of(&relation.table, keyspace)?;
            let handle = self.parts.runtime.clone();
            handle.block_on(self.rows()?.forget(&table))?;
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
