//! `Needs`: the topics, tables and queries of what is declared. Pure.
//!
//! What cannot run is refused by name and stops nothing else. It is said here, again, although
//! `plan` has said it: definitions may come from a node of another version.

use std::{collections::BTreeMap, sync::Arc};

use mainstem_catalog::{Definitions, Object, StreamDef, ViewDef};
use mainstem_kernel::{Seq, StreamId, StreamName};

use super::{
    ControlError,
    need::{Need, Read},
};
use crate::{
    kafka::{KafkaConfig, topic::Wanted},
    lower::{fit, replan},
    progress::Query,
    rows::Relation,
};

/// The relation in Spark's session that is the input of a version of a view.
pub(super) fn relation(view: StreamId) -> String {
    format!("mainstem_input_{view}")
}

/// What the name of a topic ends with that a worker leaves of a stream with DEDUPLICATE BY.
const UNIQUE_SUFFIX: &str = "-unique";

/// Which topic of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Its rows.
    Rows,
    /// Its rows, each once: what a worker leaves of a stream with DEDUPLICATE BY.
    Unique,
    /// What a worker makes for it.
    Input,
}

/// A topic, by the object it belongs to.
pub type TopicOf = (StreamId, Part);

/// What everything that is declared needs.
#[derive(Debug, Default)]
pub struct Needs {
    /// As of which change.
    pub seq: Seq,
    /// Topics and tables, by object.
    pub objects: BTreeMap<StreamId, ObjectNeeds>,
    /// Queries that have to run.
    pub queries: BTreeMap<Query, Need>,
    /// What cannot run.
    pub refused: BTreeMap<StreamId, ControlError>,
}

/// What is made for an object.
#[derive(Clone, Debug, Default)]
pub struct ObjectNeeds {
    /// Its topics.
    pub topics: BTreeMap<Part, Wanted>,
    /// Those of them that workers write, and what they make them of.
    pub workers: BTreeMap<Part, TopicOf>,
    /// Its table in Cassandra.
    pub relation: Option<Arc<Relation>>,
}

impl Needs {
    /// What these definitions need. Plans every view: not for every round.
    #[must_use]
    pub fn of(definitions: &Definitions, config: &KafkaConfig) -> Self {
        let mut needs = Self {
            seq: definitions.seq,
            ..Self::default()
        };
        for def in definitions.streams.values() {
            if def.dropped.is_none() {
                needs.stream(def, config);
            }
        }
        for def in definitions
            .tables
            .values()
            .filter(|def| def.dropped.is_none())
        {
            let needed = ObjectNeeds {
                topics: BTreeMap::from([(Part::Rows, Wanted::of_table(def, config))]),
                relation: Some(Relation::of_table(def)),
                ..ObjectNeeds::default()
            };
            needs.objects.insert(def.id, needed);
        }
        // In the order of ids each comes after all that it reads.
        for def in definitions.views.values().filter(|def| def.is_running()) {
            if let Err(error) = needs.view(def, (definitions, config)) {
                needs.refused.insert(def.id, error);
            }
        }
        needs
    }

    /// A view that reads the rows of this query from their topic.
    #[must_use]
    pub fn reader(&self, query: Query) -> Option<StreamName> {
        let Query::View(view) = query else {
            return None;
        };
        let rows = (view, Part::Rows);
        self.queries.values().find_map(|need| match need {
            Need::View { def, .. } => {
                let object = self.objects.get(&def.id);
                let made_of = object.and_then(|object| object.workers.get(&Part::Input));
                let is_read = need.inputs().contains(&rows) || made_of == Some(&rows);
                is_read.then(|| def.spec.name.clone())
            }
            Need::History { .. } => None,
        })
    }

    fn stream(&mut self, def: &Arc<StreamDef>, config: &KafkaConfig) {
        let mut needed = ObjectNeeds {
            topics: BTreeMap::from([(Part::Rows, Wanted::of(def, config))]),
            ..ObjectNeeds::default()
        };
        if def.spec.deduplicate.is_some() {
            let rows = Wanted::of(def, config);
            let unique = Wanted {
                name: format!("{}{UNIQUE_SUFFIX}", rows.name),
                ..rows
            };
            needed.topics.insert(Part::Unique, unique);
            needed.workers.insert(Part::Unique, (def.id, Part::Rows));
        }
        self.objects.insert(def.id, needed);
        // Dead letters and late rows are few: their topic is all of them.
        if def.dead_letters.is_some() {
            let stream = Arc::clone(def);
            let input = self.read(def.id);
            self.queries
                .insert(Query::History(def.id), Need::History { stream, input });
        }
    }

    /// The topic of an object's rows, each once.
    fn read(&self, id: StreamId) -> TopicOf {
        let object = self.objects.get(&id);
        let is_unique = object.is_some_and(|object| object.topics.contains_key(&Part::Unique));
        (id, if is_unique { Part::Unique } else { Part::Rows })
    }

    fn view(
        &mut self,
        def: &Arc<ViewDef>,
        (definitions, config): (&Definitions, &KafkaConfig),
    ) -> Result<(), ControlError> {
        let view = def.spec.name.clone();
        let refused = |source| ControlError::Refused {
            view: view.clone(),
            source: Box::new(source),
        };
        let plan = replan(def, definitions).map_err(refused)?;
        let lowered = fit(&view, (&plan, definitions), &relation(def.id)).map_err(refused)?;
        let relation = Relation::of_view(def, definitions).map_err(refused)?;
        let reads: Vec<(TopicOf, Wanted)> = lowered
            .inputs()
            .map(|input| self.topic(&view, input.object))
            .collect::<Result<_, _>>()?;
        let partitions = reads.iter().map(|(_, read)| read.partitions).max();
        let rows = Wanted::of_view(def, partitions.unwrap_or(1), config);
        let mut topics = BTreeMap::from([(Part::Rows, rows)]);
        let mut workers = BTreeMap::new();
        let mut inputs: Vec<Read> = reads
            .iter()
            .map(|(topic, _)| Read {
                topic: *topic,
                stream: stream_of(topic.0, definitions),
            })
            .collect();
        // A worker reads one topic, and makes one.
        if let (Some(_), [(input, read)]) = (&lowered.worker, reads.as_slice()) {
            topics.insert(Part::Input, Wanted::of_input(def, read, config));
            workers.insert(Part::Input, *input);
            inputs = vec![Read {
                topic: (def.id, Part::Input),
                stream: None,
            }];
        }
        let needed = ObjectNeeds {
            topics,
            workers,
            relation: Some(relation),
        };
        self.objects.insert(def.id, needed);
        let need = Need::View {
            def: Arc::clone(def),
            lowered: Arc::new(lowered),
            inputs,
        };
        self.queries.insert(Query::View(def.id), need);
        Ok(())
    }

    /// The topic of what a view reads.
    fn topic(
        &self,
        view: &StreamName,
        source: StreamId,
    ) -> Result<(TopicOf, Wanted), ControlError> {
        let input = self.read(source);
        let read = self.objects.get(&source);
        let read = read.and_then(|object| object.topics.get(&input.1));
        let missing = || ControlError::Input {
            view: view.clone(),
            id: source,
        };
        Ok((input, read.cloned().ok_or_else(missing)?))
    }
}

/// The stream, if it is one.
fn stream_of(id: StreamId, definitions: &Definitions) -> Option<Arc<StreamDef>> {
    match definitions.by_id(id) {
        Some(Object::Stream(stream)) => Some(Arc::clone(stream)),
        _ => None,
    }
}
