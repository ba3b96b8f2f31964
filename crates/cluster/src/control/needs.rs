//! `Needs`: the topics, tables and queries of what is declared. Pure.
//!
//! What cannot run is refused by name and stops nothing else. It is said here, again, although
//! `plan` has said it: definitions may come from a node of another version.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mainstem_catalog::{Definitions, Object, StreamDef, ViewDef};
use mainstem_kernel::{Seq, StreamId, StreamName};

use super::ControlError;
use crate::{
    kafka::{KafkaConfig, topic::Wanted},
    lower::{Lowered, fit, replan},
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

/// A query that has to run.
#[derive(Clone, Debug)]
pub enum Need {
    /// A version of a view.
    View {
        /// The version.
        def: Arc<ViewDef>,
        /// As Spark runs it.
        lowered: Arc<Lowered>,
        /// The topic that it reads.
        input: TopicOf,
        /// The stream whose topic that is; none if a worker or another view writes it.
        stream: Option<Arc<StreamDef>>,
    },
    /// The history of a stream.
    History {
        /// The stream.
        stream: Arc<StreamDef>,
        /// The topic that it reads.
        input: TopicOf,
    },
}

impl Need {
    /// The topic that it reads.
    #[must_use]
    pub fn input(&self) -> TopicOf {
        match self {
            Self::View { input, .. } | Self::History { input, .. } => *input,
        }
    }

    /// How often its rows are written at most.
    #[must_use]
    pub fn every(&self) -> Duration {
        match self {
            Self::View { lowered, .. } => lowered.every.unwrap_or_default(),
            Self::History { .. } => Duration::ZERO,
        }
    }

    /// The topic that it writes.
    #[must_use]
    pub fn changes(&self) -> Option<TopicOf> {
        match self {
            Self::View { def, .. } => Some((def.id, Part::Rows)),
            Self::History { .. } => None,
        }
    }

    /// What a run of it was started for: another one means that it has to be started anew.
    #[must_use]
    pub fn plan(&self) -> String {
        let columns = |stream: &StreamDef| format!("{:?}", stream.schemas);
        match self {
            Self::View {
                lowered, stream, ..
            } => format!(
                "{}\n{}\n{:?}\n{}",
                lowered.spark_sql,
                lowered.input.ddl(),
                lowered.every,
                stream.as_deref().map(columns).unwrap_or_default()
            ),
            Self::History { stream, .. } => columns(stream),
        }
    }

    /// The objects whose topics it needs.
    pub fn topics(&self) -> impl Iterator<Item = StreamId> {
        let changes = self.changes().map(|(id, _)| id);
        std::iter::once(self.input().0).chain(changes)
    }
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
            Need::View { def, input, .. } => {
                let object = self.objects.get(&def.id);
                let made_of = object.and_then(|object| object.workers.get(&Part::Input));
                let is_read = *input == rows || made_of == Some(&rows);
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
        let source = lowered.input.object;
        let mut input = self.read(source);
        let read = self.objects.get(&source);
        let read = read.and_then(|object| object.topics.get(&input.1));
        let Some(read) = read.cloned() else {
            return Err(ControlError::Input { view, id: source });
        };
        let rows = Wanted::of_view(def, read.partitions, config);
        let mut topics = BTreeMap::from([(Part::Rows, rows)]);
        let mut workers = BTreeMap::new();
        if lowered.worker.is_some() {
            topics.insert(Part::Input, Wanted::of_input(def, &read, config));
            workers.insert(Part::Input, input);
            input = (def.id, Part::Input);
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
            stream: match (input.1, definitions.by_id(input.0)) {
                (Part::Rows | Part::Unique, Some(Object::Stream(stream))) => {
                    Some(Arc::clone(stream))
                }
                _ => None,
            },
            input,
        };
        self.queries.insert(Query::View(def.id), need);
        Ok(())
    }
}
