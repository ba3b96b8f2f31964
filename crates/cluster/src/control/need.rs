//! `Need`: one query that has to run, what it reads and what it writes. Pure.

use std::{sync::Arc, time::Duration};

use mainstem_catalog::{StreamDef, ViewDef};
use mainstem_kernel::StreamId;

use super::needs::{Part, TopicOf};
use crate::lower::{Lowered, SparkInput};

/// A query that has to run.
#[derive(Clone, Debug)]
pub enum Need {
    /// A version of a view.
    View {
        /// The version.
        def: Arc<ViewDef>,
        /// As Spark runs it.
        lowered: Arc<Lowered>,
        /// What it reads, as `Lowered::inputs` has it.
        inputs: Vec<Read>,
    },
    /// The history of a stream.
    History {
        /// The stream.
        stream: Arc<StreamDef>,
        /// The topic that it reads.
        input: TopicOf,
    },
}

/// A topic that a view reads.
#[derive(Clone, Debug)]
pub struct Read {
    /// Which one.
    pub topic: TopicOf,
    /// The stream whose topic that is; none if a worker or another view writes it.
    pub stream: Option<Arc<StreamDef>>,
}

impl Need {
    /// The topics that it reads; one that it reads twice is there twice.
    #[must_use]
    pub fn inputs(&self) -> Vec<TopicOf> {
        match self {
            Self::View { inputs, .. } => inputs.iter().map(|read| read.topic).collect(),
            Self::History { input, .. } => vec![*input],
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
                lowered, inputs, ..
            } => {
                let ddl: Vec<String> = lowered.inputs().map(SparkInput::ddl).collect();
                let streams = inputs.iter().filter_map(|read| read.stream.as_deref());
                let streams: Vec<String> = streams.map(columns).collect();
                let (sql, every) = (&lowered.spark_sql, lowered.every);
                let (ddl, streams) = (ddl.join("\n"), streams.join("\n"));
                format!("{sql}\n{ddl}\n{every:?}\n{streams}")
            }
            Self::History { stream, .. } => columns(stream),
        }
    }

    /// The objects whose topics it needs.
    pub fn topics(&self) -> impl Iterator<Item = StreamId> {
        let changes = self.changes().map(|(id, _)| id);
        self.inputs().into_iter().map(|(id, _)| id).chain(changes)
    }
}
