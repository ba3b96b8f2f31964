//! `Leading`: what whoever is in control does, round by round.

mod chores;
mod deeds;
mod made;
mod sight;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use mainstem_kernel::{Fault, Seq, StreamId, fault::chain};

use chores::Chores;

use super::{
    ControlError, ControlParts, Need, Needs, QueryFacts, Run, TopicOf,
    backoff::Backoff,
    claims::{Claims, Ends},
    leader::Fence,
    places::Places,
    reconcile::{Facts, reconcile},
};
use crate::{
    cassandra::Rows,
    kafka::{Topic, Topics},
    progress::{Doing, Entry, Leader, Progress, Query, QueryProgress, Standing},
};

/// Progress that has not changed is published this often.
const REPEAT: Duration = Duration::from_secs(5);

/// Whoever is in control.
#[derive(Debug)]
pub(super) struct Leading {
    parts: Arc<ControlParts>,
    fence: Fence,
    topics: Topics,
    places: Places,
    rows: Option<Arc<Rows>>,
    chores: Chores,
    needs: Needs,
    /// Topics that are there.
    known: BTreeMap<TopicOf, Topic>,
    /// Objects of which everything is there.
    made: BTreeSet<StreamId>,
    /// What cannot be made, and when that is tried again.
    unmade: BTreeMap<StreamId, (Backoff, ControlError)>,
    queries: BTreeMap<Query, Known>,
    /// What workers have done, by the topic that they write.
    workers: BTreeMap<TopicOf, Claims>,
    /// Spark, as a whole.
    spark: Result<(), ControlError>,
    round: u64,
    /// Changes that are not with a quorum yet.
    kept_lag_rows: u64,
}

/// What is known of a query.
#[derive(Debug, Default)]
struct Known {
    run: Option<Run>,
    /// What it was started for; of what another leader has started, what is declared now.
    plan: Option<String>,
    backoff: Backoff,
    problem: Option<ControlError>,
    progress: QueryProgress,
    claims: Claims,
    ends: Ends,
    is_caught_up: bool,
    /// As it was published last, and when.
    published: Option<(Duration, QueryProgress)>,
}

impl Leading {
    /// Takes over: fences whoever led before.
    ///
    /// # Errors
    /// When Kafka cannot be reached.
    pub(super) fn open(parts: &Arc<ControlParts>) -> Result<Self, ControlError> {
        let kafka = &parts.config.kafka;
        Ok(Self {
            topics: Topics::new(kafka)?,
            places: Places::new(kafka),
            fence: Fence::take(kafka)?,
            rows: None,
            chores: Chores::default(),
            needs: Needs::default(),
            known: BTreeMap::new(),
            made: BTreeSet::new(),
            unmade: BTreeMap::new(),
            queries: BTreeMap::new(),
            workers: BTreeMap::new(),
            spark: Ok(()),
            round: 0,
            kept_lag_rows: 0,
            parts: Arc::clone(parts),
        })
    }

    /// Goes on from what those before have published.
    pub(super) fn remember(&mut self, before: Progress) {
        self.round = before.leader.map_or(0, |leader| leader.round);
        let queries = before.queries.into_iter().map(|(query, progress)| {
            let known = Known {
                claims: Claims::from(progress.reached.clone()),
                progress,
                ..Known::default()
            };
            (query, known)
        });
        self.queries = queries.collect();
        tracing::info!(node = self.parts.node, round = self.round, "in control");
    }

    /// One look at everything, and what has to be done about it.
    ///
    /// # Errors
    /// `Superseded` when another one is in control: nothing was done then. `Kafka` when it cannot
    /// be reached: nothing was done either.
    pub(super) fn round(&mut self) -> Result<(), ControlError> {
        let definitions = self.parts.catalog.definitions();
        if definitions.seq != self.needs.seq {
            self.needs = Needs::of(&definitions, &self.parts.config.kafka);
            let (objects, known) = (&self.needs.objects, &self.known);
            self.made.retain(|id| {
                let object = objects.get(id);
                object.is_none_or(|object| {
                    let mut parts = object.topics.keys();
                    parts.all(|part| known.contains_key(&(*id, *part)))
                })
            });
            for error in self.needs.refused.values() {
                tracing::error!(error = chain(error), "does not run");
            }
        }
        let elapsed = self.parts.clock.monotonic();
        self.look(elapsed)?;
        self.look_at_chores(elapsed);
        self.publish(elapsed)?;
        let queries = self.facts();
        let actions = reconcile(&Facts {
            definitions: &definitions,
            needs: &self.needs,
            made: &self.made,
            queries: &queries,
            now: self.parts.clock.now(),
            elapsed,
        });
        for action in actions {
            self.act(&action, (&definitions, elapsed))?;
        }
        Ok(())
    }

    fn facts(&self) -> BTreeMap<Query, QueryFacts> {
        let is_mute = self.spark.is_err();
        let facts = self.queries.iter().map(|(query, known)| {
            let facts = QueryFacts {
                is_active: known.run.is_some(),
                is_outdated: self.is_outdated(*query, known),
                is_caught_up: known.is_caught_up && known.run.is_some(),
                has_read: known.progress.input.iter().any(|(_, _, next)| next.0 > 0),
                generation: known.progress.generation,
                swept: known.progress.swept,
                expired: known.progress.expired,
                // Nothing is started while nobody knows what runs.
                not_before: if is_mute {
                    Duration::MAX
                } else {
                    known.backoff.not_before
                },
            };
            (*query, facts)
        });
        let mut facts: BTreeMap<_, _> = facts.collect();
        if is_mute {
            for query in self.needs.queries.keys() {
                let fact = facts.entry(*query).or_default();
                fact.not_before = Duration::MAX;
            }
        }
        facts
    }

    /// Publishes what has changed. That it succeeds says that this node may act.
    fn publish(&mut self, elapsed: Duration) -> Result<(), ControlError> {
        let at = self.parts.clock.now();
        self.round += 1;
        let mut entries = vec![Entry::Leader(Leader {
            at,
            node: self.parts.node.clone(),
            round: self.round,
            definitions: self.made_up_to(),
            kept_lag_rows: self.kept_lag_rows,
            problems: self.problems(),
        })];
        let mut told = Vec::new();
        for (query, known) in &self.queries {
            let progress = &known.progress;
            let is_due = known.published.as_ref().is_none_or(|(when, published)| {
                let same = QueryProgress {
                    at: progress.at,
                    ..published.clone()
                };
                *progress != same || elapsed.saturating_sub(*when) >= REPEAT
            });
            if is_due {
                entries.push(Entry::Query(*query, progress.clone()));
                told.push(*query);
            }
        }
        self.fence.publish(&entries)?;
        for query in told {
            if let Some(known) = self.queries.get_mut(&query) {
                known.published = Some((elapsed, known.progress.clone()));
            }
        }
        Ok(())
    }

    /// Everything that was declared up to there has its topics and tables, or is refused.
    fn made_up_to(&self) -> Seq {
        let mut objects = self.needs.objects.keys();
        match objects.all(|id| self.made.contains(id)) {
            true => self.needs.seq,
            false => Seq::ZERO,
        }
    }

    fn problems(&self) -> Vec<Standing> {
        let refused = self.needs.refused.values();
        let unmade = self.unmade.values().map(|(_, error)| error);
        let all = self.spark.as_ref().err().into_iter();
        let all = all.chain(refused).chain(unmade);
        let all = all.chain(self.chores.problems());
        all.map(|error| Standing::from(error.problem())).collect()
    }

    /// What a query does, for whoever asks.
    fn doing(&self, query: Query, known: &Known) -> Doing {
        match (self.needs.queries.contains_key(&query), &known.run) {
            (false, _) => Doing::Stopped,
            (true, None) if known.problem.is_some() => Doing::Failed,
            (true, None) => Doing::Starting,
            (true, Some(_)) if known.progress.doing == Doing::Running => Doing::Running,
            (true, Some(_)) => Doing::Starting,
        }
    }

    fn is_outdated(&self, query: Query, known: &Known) -> bool {
        let need = self.need(query);
        need.is_some_and(|need| known.plan.as_ref().is_some_and(|plan| *plan != need.plan()))
    }

    fn need(&self, query: Query) -> Option<&Need> {
        self.needs.queries.get(&query)
    }
}
