//! What has to be done, by the definitions; and how it is begun.

use std::{collections::BTreeMap, sync::Arc};

use arrow::datatypes::Schema;
use mainstem_catalog::{Definitions, Object, StreamDef, TableDef, ViewDef};
use mainstem_flow::Apart;
use mainstem_kernel::{StreamId, StreamName, clock::SharedClock};

use super::{
    WorkerError, WorkersConfig,
    copies::Copies,
    foreign::{ForeignTopic, ForeignTopics, ForeignWork},
    foreign_group_of, group_of,
    letters::Letters,
    lookup::LookupWork,
    member::Work,
    source::SourceRows,
    unique::{UniqueTopics, UniqueWork},
};
use crate::{
    kafka::{
        KafkaConfig, Topics,
        topic::{Wanted, input_name_of, is_same, name_of, prefix_of, unique_name_of},
    },
    lower::{Lowered, lower, replan},
};

/// The name that a view's input has while it is planned.
const INPUT: &str = "input";

/// Which work for an object it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Duty {
    /// Records of others become rows of the stream.
    Foreign,
    /// Everything else that is made of a stream's rows.
    Rows,
}

impl Duty {
    /// What its threads are called.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Rows => "worker",
        }
    }

    /// The consumer group.
    pub(super) fn group(self, config: &KafkaConfig, object: StreamId) -> String {
        match self {
            Self::Foreign => foreign_group_of(config, object),
            Self::Rows => group_of(config, object),
        }
    }
}

/// What work is begun with.
pub(super) struct Bench {
    pub(super) config: WorkersConfig,
    pub(super) definitions: Arc<Definitions>,
    pub(super) clock: SharedClock,
}

/// Work of one consumer group. Equal ones need not begin again.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Task {
    /// Records of a topic that others write.
    Foreign {
        stream: Arc<StreamDef>,
        /// Dead letters.
        letters: Arc<StreamDef>,
    },
    /// Rows that are new.
    Unique(Arc<StreamDef>),
    /// Filters and lookups of a version of a view.
    Lookup {
        view: Arc<ViewDef>,
        /// The rows that it reads.
        source: Arc<StreamDef>,
        /// Dead letters.
        letters: Option<Arc<StreamDef>>,
        tables: Vec<Arc<TableDef>>,
    },
}

impl Task {
    /// The stream or view that it is done for.
    pub(super) fn name(&self) -> &StreamName {
        match self {
            Self::Foreign { stream, .. } | Self::Unique(stream) => &stream.spec.name,
            Self::Lookup { view, .. } => &view.spec.name,
        }
    }
}

/// All that has to be done.
pub(super) fn tasks(definitions: &Definitions) -> BTreeMap<(StreamId, Duty), Task> {
    let mut tasks = BTreeMap::new();
    let streams = definitions.streams.values();
    for stream in streams.filter(|stream| stream.dropped.is_none()) {
        if stream.spec.deduplicate.is_some() {
            tasks.insert((stream.id, Duty::Rows), Task::Unique(Arc::clone(stream)));
        }
        let letters = stream
            .dead_letters
            .filter(|_| stream.spec.foreign.is_some());
        if let Some(letters) = letters.and_then(|id| definitions.streams.get(&id)) {
            let task = Task::Foreign {
                stream: Arc::clone(stream),
                letters: Arc::clone(letters),
            };
            tasks.insert((stream.id, Duty::Foreign), task);
        }
    }
    for view in definitions.views.values().filter(|view| view.is_running()) {
        // What is refused, control tells of.
        if let Ok(Some(task)) = lookup(view, definitions) {
            tasks.insert((view.id, Duty::Rows), task);
        }
    }
    tasks
}

/// The work of a view, if it has any.
fn lookup(view: &Arc<ViewDef>, definitions: &Definitions) -> Result<Option<Task>, WorkerError> {
    let (_, lowered) = lowered(view, definitions)?;
    if lowered.worker.is_none() {
        return Ok(None);
    }
    let source = source(lowered.input.object, definitions);
    let reads = view.spec.reads.iter();
    let tables = reads.filter_map(|id| definitions.tables.get(id)).cloned();
    let tables = tables.collect();
    Ok(source.map(|source| Task::Lookup {
        view: Arc::clone(view),
        source,
        letters: definitions.streams.get(&view.letters).cloned(),
        tables,
    }))
}

fn lowered(
    view: &ViewDef,
    definitions: &Definitions,
) -> Result<(mainstem_sql::PlannedView, Lowered), WorkerError> {
    let plan = replan(view, definitions)?;
    let lowered = lower(&view.spec.name, (&plan, definitions), INPUT)?;
    Ok((plan, lowered))
}

fn source(id: StreamId, definitions: &Definitions) -> Option<Arc<StreamDef>> {
    match definitions.by_id(id)? {
        Object::Stream(stream) => Some(Arc::clone(stream)),
        Object::View(view) => view.stream().map(Arc::new),
        Object::Table(_) => None,
    }
}

/// Names of topics as they were made.
struct Names<'a> {
    config: &'a KafkaConfig,
    names: Vec<String>,
}

impl Names<'_> {
    fn find(&self, object: StreamId, wanted: &str) -> Result<String, WorkerError> {
        let prefix = prefix_of(self.config, object);
        let found = self
            .names
            .iter()
            .find(|name| is_same(name, wanted, &prefix));
        found.cloned().ok_or(WorkerError::Topic { object })
    }
}

/// Begins work; gives it with the topic that it reads.
pub(super) fn begin(task: &Task, bench: &Bench) -> Result<(Box<dyn Work>, String), WorkerError> {
    let Bench {
        config,
        definitions,
        ..
    } = bench;
    let kafka = &config.kafka;
    let names = Names {
        config: kafka,
        names: Topics::new(kafka)?.names()?,
    };
    match task {
        Task::Foreign { stream, letters } => foreign((stream, letters), &names, bench),
        Task::Unique(stream) => unique(stream, &names, config),
        Task::Lookup {
            view,
            source,
            letters,
            tables,
        } => {
            let (plan, lowered) = lowered(view, definitions)?;
            let Some(node) = &lowered.worker else {
                return Err(WorkerError::Topic { object: view.id });
            };
            let apart = Apart::compile(view.id, node, &plan.inputs);
            let apart = apart.map_err(|error| defect(view.id, error))?;
            let rows = SourceRows::new(source, apart.columns(), apart.source_schema());
            let rows = rows.map_err(|column| defect(view.id, NoColumn(column)))?;
            let mut copied = Vec::with_capacity(tables.len());
            for def in tables.iter().filter(|def| apart.tables().contains(&def.id)) {
                let wanted = name_of(kafka, def.id, &def.spec.name);
                copied.push((Arc::clone(def), names.find(def.id, &wanted)?));
            }
            let letters = match letters {
                Some(stream) => Some(Letters {
                    topic: names.find(stream.id, &name_of(kafka, stream.id, &stream.spec.name))?,
                    stream: Arc::clone(stream),
                }),
                None => None,
            };
            let input = input_name_of(kafka, view.id, &view.spec.name);
            let columns = lowered.input.columns.iter();
            let work = LookupWork {
                view: view.id,
                input: names.find(view.id, &input)?,
                copies: Copies::open(config, &view.spec.name, &copied)?,
                reached: BTreeMap::new(),
                names: columns.map(|column| column.name.clone()).collect(),
                source: rows,
                letters,
                apart,
            };
            let read = match source.spec.deduplicate {
                Some(_) => unique_name_of(kafka, source.id, &source.spec.name),
                None => name_of(kafka, source.id, &source.spec.name),
            };
            Ok((Box::new(work), names.find(source.id, &read)?))
        }
    }
}

fn foreign(
    (stream, letters): (&Arc<StreamDef>, &Arc<StreamDef>),
    names: &Names<'_>,
    bench: &Bench,
) -> Result<(Box<dyn Work>, String), WorkerError> {
    let kafka = &bench.config.kafka;
    let topic = |stream: &StreamDef| {
        let wanted = name_of(kafka, stream.id, &stream.spec.name);
        names.find(stream.id, &wanted)
    };
    let topics = ForeignTopics {
        rows: topic(stream)?,
        letters: Letters {
            topic: topic(letters)?,
            stream: Arc::clone(letters),
        },
    };
    let mut source = ForeignTopic::open(kafka, stream)?;
    source.judge()?;
    let name = source.name().to_owned();
    Ok((
        Box::new(ForeignWork::new(bench, stream, (topics, source))),
        name,
    ))
}

fn unique(
    stream: &Arc<StreamDef>,
    names: &Names<'_>,
    config: &WorkersConfig,
) -> Result<(Box<dyn Work>, String), WorkerError> {
    let kafka = &config.kafka;
    let Some(deduplicate) = &stream.spec.deduplicate else {
        return Err(WorkerError::Topic { object: stream.id });
    };
    let columns = &stream.spec.columns;
    let column = columns.get(deduplicate.column.as_str());
    let field = column.map(|column| column.ty.field(column.name.as_str(), true));
    let schema = Arc::new(Schema::new(field.into_iter().collect::<Vec<_>>()));
    let read = [deduplicate.column.to_string()];
    let source = SourceRows::new(stream, &read, &schema);
    let source = source.map_err(|column| defect(stream.id, NoColumn(column)))?;
    let (id, name) = (stream.id, &stream.spec.name);
    let topics = UniqueTopics {
        unique: names.find(id, &unique_name_of(kafka, id, name))?,
        changelog: Topics::new(kafka)?
            .ensure(&Wanted::of_seen(stream, kafka), Some(&prefix_of(kafka, id)))?
            .name,
    };
    let within = i64::try_from(deduplicate.within.as_millis()).unwrap_or(i64::MAX);
    let work = UniqueWork::new(config, (stream, within), source, topics);
    Ok((Box::new(work), names.find(id, &name_of(kafka, id, name))?))
}

fn defect(object: StreamId, error: impl std::error::Error + Send + Sync + 'static) -> WorkerError {
    WorkerError::Plan {
        object,
        source: Box::new(error),
    }
}

/// A column that is read and not declared.
#[derive(Debug, thiserror::Error)]
#[error("there is no column \"{0}\"")]
struct NoColumn(String);
