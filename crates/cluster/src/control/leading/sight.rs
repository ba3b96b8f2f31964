//! What there is to see: what Spark runs, how far that is, and what it stands for.

use std::{collections::BTreeMap, time::Duration};

use mainstem_kernel::{Fault, Offset, Offsets, PartitionId, StreamId, fault::chain};

use super::{
    super::{Batch, ControlError, Need, Part, Run, TopicOf, claims::CAUGHT_UP_WITHIN},
    Known, Leading,
};
use crate::{
    kafka::Topic,
    progress::{Doing, Query, Standing},
    rows::group_name,
};

/// Places of topics, asked in one round.
#[derive(Debug, Default)]
pub(super) struct Sight {
    pub(super) ends: BTreeMap<TopicOf, Offsets>,
    /// Up to where workers have read what they read, by what they write.
    worked: BTreeMap<TopicOf, Offsets>,
    /// Up to where rows are with a quorum.
    written: BTreeMap<TopicOf, Offsets>,
}

impl Sight {
    /// Changes that are not with a quorum yet.
    fn kept_lag_rows(&self) -> u64 {
        let behind = self.written.iter().flat_map(|(of, written)| {
            let ends = self.ends.get(of).into_iter().flat_map(Offsets::iter);
            ends.map(|(id, partition, end)| end.0.saturating_sub(written.next(id, partition).0))
        });
        behind.fold(0, u64::saturating_add)
    }
}

impl Leading {
    /// Sees everything. First how far readers are, then where topics end: so whatever a reader has
    /// made of what it has read is below the end.
    pub(super) fn look(&mut self, elapsed: Duration) -> Result<(), ControlError> {
        self.look_at_spark(elapsed);
        let sight = self.places()?;
        self.kept_lag_rows = sight.kept_lag_rows();
        self.claim(&sight);
        let queries: Vec<Query> = self.queries.keys().copied().collect();
        let at = self.parts.clock.now();
        for query in queries {
            let Some(mut known) = self.queries.remove(&query) else {
                continue;
            };
            self.judge(query, &mut known, (&sight, elapsed));
            known.progress.at = at;
            known.progress.doing = self.doing(query, &known);
            known.progress.failures = known.backoff.failures;
            let problem = known.problem.as_ref().map(Fault::problem);
            known.progress.problem = problem.map(Standing::from);
            self.queries.insert(query, known);
        }
        Ok(())
    }

    /// What Spark runs. If it does not say, nothing is known of any query, and none is touched.
    fn look_at_spark(&mut self, elapsed: Duration) {
        let engine = &self.parts.engine;
        let active = match engine.active() {
            Ok(active) => active,
            Err(fault) => {
                if self.spark.is_ok() {
                    tracing::warn!(error = chain(fault.as_ref()), "Spark does not answer");
                }
                self.spark = Err(ControlError::Spark { fault });
                return;
            }
        };
        if self.spark.is_err() {
            tracing::info!("Spark answers again");
            self.spark = Ok(());
        }
        for query in active.keys().chain(self.needs.queries.keys()) {
            self.queries.entry(*query).or_default();
        }
        for (query, known) in &mut self.queries {
            match (active.get(query), known.run.take()) {
                (Some(run), _) => {
                    known.backoff.look(elapsed);
                    let batch = engine.last_batch(run);
                    known.run = Some(run.clone());
                    if known.plan.is_none() {
                        known.plan = self.needs.queries.get(query).map(Need::plan);
                    }
                    match batch {
                        Ok(Some(batch)) => known.take(&batch),
                        Ok(None) => {}
                        Err(fault) => known.problem = Some(ControlError::Spark { fault }),
                    }
                }
                (None, Some(run)) if self.needs.queries.contains_key(query) => {
                    known.ended(*query, engine.failure(&run), elapsed);
                }
                (None, _) => {}
            }
        }
    }

    fn places(&self) -> Result<Sight, ControlError> {
        let kafka = &self.parts.config.kafka;
        let mut sight = Sight::default();
        for (output, input) in self.worked() {
            let Some(topic) = self.known.get(&input) else {
                continue;
            };
            let group = worker_name(&kafka.topic_prefix, output.0);
            let mut read = self.places.committed(&group, &vec![(input.0, topic)])?;
            sight.worked.insert(output, read.pop().unwrap_or_default());
        }
        let changes = self.topics_of(|part, is_relation| part == Part::Rows && is_relation);
        let asked: Vec<(StreamId, &Topic)> =
            changes.iter().map(|(of, topic)| (of.0, *topic)).collect();
        let written = self.places.committed(&group_name(kafka), &asked)?;
        let keys = changes.iter().map(|(of, _)| *of);
        sight.written = keys.zip(written).collect();
        let all: Vec<(TopicOf, &Topic)> = self.known.iter().map(|(of, t)| (*of, t)).collect();
        let asked: Vec<(StreamId, &Topic)> = all.iter().map(|(of, topic)| (of.0, *topic)).collect();
        let ends = self.places.ends(&asked)?;
        sight.ends = all.iter().map(|(of, _)| *of).zip(ends).collect();
        Ok(sight)
    }

    fn topics_of(&self, is_asked: impl Fn(Part, bool) -> bool) -> Vec<(TopicOf, &Topic)> {
        let known = self.known.iter().filter(|((id, part), _)| {
            let object = self.needs.objects.get(id);
            is_asked(
                *part,
                object.is_some_and(|object| object.relation.is_some()),
            )
        });
        known.map(|(of, topic)| (*of, topic)).collect()
    }

    /// What workers write, and what they make it of; each after all that it is made of.
    fn worked(&self) -> Vec<(TopicOf, TopicOf)> {
        let objects = self.needs.objects.iter();
        let worked = objects.flat_map(|(id, object)| {
            object
                .workers
                .iter()
                .map(|(part, input)| ((*id, *part), *input))
        });
        worked.collect()
    }

    /// What each stage stands for, from streams to views.
    fn claim(&mut self, sight: &Sight) {
        for (output, input) in self.worked() {
            let read = sight.worked.get(&output).cloned().unwrap_or_default();
            let mut claims = self.workers.remove(&output).unwrap_or_default();
            self.reach(&mut claims, (&[input], &read), sight);
            self.workers.insert(output, claims);
        }
        // In the order of ids each comes after all that it reads.
        let queries: Vec<Query> = self.needs.queries.keys().copied().collect();
        for query in queries {
            let Some(inputs) = self.need(query).map(Need::inputs) else {
                continue;
            };
            let Some(mut known) = self.queries.remove(&query) else {
                continue;
            };
            let read = known.progress.input.clone();
            self.reach(&mut known.claims, (&inputs, &read), sight);
            known.progress.reached = known.claims.reached.clone();
            self.queries.insert(query, known);
        }
    }

    fn judge(&self, query: Query, known: &mut Known, (sight, elapsed): (&Sight, Duration)) {
        let Some(need) = self.need(query) else {
            return;
        };
        // Of topics that are not made yet nothing is known, and nothing has caught up with them.
        known.is_caught_up = false;
        let mut end = Offsets::default();
        for input in need.inputs() {
            match sight.ends.get(&input) {
                Some(one) => end.join(one),
                None => return,
            }
        }
        known.progress.ends = end.clone();
        let mut written = None;
        if let Some(changes) = need.changes() {
            let Some(end) = sight.ends.get(&changes) else {
                return;
            };
            known.progress.changes = end.clone();
            written = Some(sight.written.get(&changes).cloned().unwrap_or_default());
        }
        let changes = written.as_ref().map(|_| known.progress.changes.clone());
        let within = CAUGHT_UP_WITHIN.max(need.every().saturating_mul(2));
        known.ends.note((elapsed, within), end);
        known
            .ends
            .read(&known.progress.input, &changes.unwrap_or_default());
        let is_caught_up = known.ends.are_kept(&written.unwrap_or_default());
        known.is_caught_up = is_caught_up && known.run.is_some();
        // Where nothing comes in, Spark has no batch to tell of.
        if known.is_caught_up && known.progress.doing == Doing::Starting {
            known.progress.doing = Doing::Running;
        }
    }
}

/// The group of the workers that write a topic of an object.
fn worker_name(prefix: &str, id: StreamId) -> String {
    format!("{prefix}-worker-{id}")
}

impl Known {
    /// Takes what Spark says of a batch. One that is older than what is known says nothing: it is
    /// of a run that goes on from the checkpoint.
    fn take(&mut self, batch: &Batch) {
        self.progress.doing = Doing::Running;
        self.problem = None;
        self.progress.batch = batch.number;
        self.progress.rows_in_per_second = rate(batch.rows_in_per_second);
        self.progress.rows_taken_per_second = rate(batch.rows_taken_per_second);
        self.progress.state_rows = batch.state_rows;
        self.progress.watermark = self.progress.watermark.max(batch.watermark);
        for ((topic, partition), next) in &batch.next {
            if let Some(id) = id_of(topic) {
                let (partition, next) = (PartitionId(*partition), Offset(*next));
                self.progress.input.reach(id, partition, next);
            }
        }
    }

    /// It does not run any more, and nobody stopped it.
    fn ended(
        &mut self,
        query: Query,
        failure: Result<Option<super::super::EngineFault>, super::super::EngineFault>,
        elapsed: Duration,
    ) {
        self.backoff.fail(elapsed);
        let problem = match failure {
            Ok(Some(fault)) => ControlError::Failed { query, fault },
            // Spark was started again, and knows of nothing.
            Ok(None) | Err(_) => ControlError::Vanished { query },
        };
        tracing::warn!(
            error = chain(&problem),
            failures = self.backoff.failures,
            "started again after a pause"
        );
        self.problem = Some(problem);
        self.progress.doing = Doing::Failed;
    }

    pub(super) fn started(&mut self, run: Run, elapsed: Duration) {
        self.run = Some(run);
        self.backoff.start(elapsed);
        self.progress.doing = Doing::Starting;
        self.progress.generation = self.progress.generation.max(1);
    }
}

/// The object of a topic, by its name: `PREFIX-ID-NAME…`.
fn id_of(topic: &str) -> Option<StreamId> {
    // Names of objects have no hyphen, and neither have suffixes more than one.
    let parts: Vec<&str> = topic.split('-').collect();
    let ids = parts.iter().rev().find_map(|part| part.parse::<u32>().ok());
    ids.map(StreamId)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are rounded, and never negative"
)]
fn rate(rows: f64) -> u64 {
    rows.max(0.0).round() as u64
}
