//! `SparkQueries`: Spark as control asks it, reached when it is first needed, and again when it
//! was gone.

use std::{collections::BTreeMap, fmt, time::Duration};

use mainstem_kernel::{Timestamp, spawn::SharedSpawn};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::{Batch, EngineFault, HistoryOf, Need, QueryEngine, QueryTopics, Read, Run};
use crate::{
    ClusterConfig,
    progress::Query,
    spark::{
        HistoryQuery, Progress, QueryId, QueryParts, QuerySpec, Spark, SparkError, ViewInput,
        ViewQuery, record::Spelled, spec::folder_name,
    },
};

/// How long Spark may work on the files of a history.
const HISTORY_MAX: Duration = Duration::from_secs(3_600);

/// Spark as control asks it.
pub struct SparkQueries {
    config: ClusterConfig,
    spawn: SharedSpawn,
    runtime: Handle,
    spark: Mutex<Option<Spark>>,
}

impl fmt::Debug for SparkQueries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SparkQueries").finish_non_exhaustive()
    }
}

impl SparkQueries {
    /// Connects to nobody yet.
    #[must_use]
    pub fn new(config: &ClusterConfig, spawn: SharedSpawn, runtime: Handle) -> Self {
        Self {
            config: config.clone(),
            spawn,
            runtime,
            spark: Mutex::new(None),
        }
    }

    fn spark(&self) -> Result<Spark, EngineFault> {
        let mut known = self.spark.lock();
        if let Some(spark) = &*known {
            return Ok(spark.clone());
        }
        let opened = Spark::open(self.config.spark.clone(), SharedSpawn::clone(&self.spawn));
        let spark = self.runtime.block_on(opened).map_err(fault)?;
        Ok(known.insert(spark).clone())
    }

    /// Where a history is.
    fn history(&self, history: &HistoryOf) -> String {
        let name = folder_name(&history.topic, history.stream);
        format!("{}/{name}", self.config.history())
    }

    fn spec(&self, query: Query, need: &Need, topics: &QueryTopics) -> QuerySpec {
        let name = query.to_string();
        let config = &self.config;
        let parts = QueryParts {
            checkpoint: config.checkpoint(&checkpoint(&name, topics.generation)),
            name,
            kafka: &config.kafka,
            spark: &config.spark,
        };
        match need {
            Need::History { stream, .. } => QuerySpec::history(&HistoryQuery {
                parts,
                topic: topics.inputs.first().cloned().unwrap_or_default(),
                stream,
                folder: config.history(),
                from: topics.from.as_ref(),
            }),
            Need::View {
                lowered, inputs, ..
            } => QuerySpec::view(&ViewQuery {
                parts,
                lowered,
                inputs: topics.inputs.iter().zip(inputs).map(input).collect(),
                change_topic: topics.changes.clone().unwrap_or_default(),
                generation: topics.generation,
            }),
        }
    }
}

fn input<'a>((topic, read): (&String, &'a Read)) -> ViewInput<'a> {
    let stream = read.stream.as_deref();
    ViewInput {
        topic: topic.clone(),
        spelled: stream.map_or(Spelled::AsNamed, Spelled::Stream),
    }
}

/// Where a query keeps how far it is: one that is begun anew begins with nothing.
fn checkpoint(name: &str, generation: u16) -> String {
    match generation {
        0 | 1 => name.to_owned(),
        again => format!("{name}-{again}"),
    }
}

impl QueryEngine for SparkQueries {
    fn active(&self) -> Result<BTreeMap<Query, Run>, EngineFault> {
        let spark = self.spark()?;
        let running = self.runtime.block_on(spark.queries()).map_err(fault)?;
        let ours = running.into_iter().filter_map(|running| {
            let query = running.name.parse().ok()?;
            let QueryId { id, run } = running.id;
            Some((query, Run { id, run }))
        });
        Ok(ours.collect())
    }

    fn last_batch(&self, run: &Run) -> Result<Option<Batch>, EngineFault> {
        let spark = self.spark()?;
        let told = self.runtime.block_on(spark.progress(&id(run)));
        Ok(told.map_err(fault)?.map(batch))
    }

    fn failure(&self, run: &Run) -> Result<Option<EngineFault>, EngineFault> {
        let spark = self.spark()?;
        match self.runtime.block_on(spark.exception(&id(run))) {
            Ok(failure) => Ok(failure.map(fault)),
            Err(SparkError::Gone { .. }) => Ok(None),
            Err(error) => Err(fault(error)),
        }
    }

    fn start(&self, query: Query, need: &Need, topics: &QueryTopics) -> Result<Run, EngineFault> {
        let spark = self.spark()?;
        let spec = self.spec(query, need, topics);
        let QueryId { id, run } = self.runtime.block_on(spark.start(&spec)).map_err(fault)?;
        Ok(Run { id, run })
    }

    fn stop(&self, run: &Run) -> Result<(), EngineFault> {
        let spark = self.spark()?;
        self.runtime.block_on(spark.stop(&id(run))).map_err(fault)
    }

    fn has_checkpoint(&self, query: Query, generation: u16) -> Result<bool, EngineFault> {
        let spark = self.spark()?;
        let checkpoint = checkpoint(&query.to_string(), generation);
        let path = self.config.checkpoint(&checkpoint);
        let there = spark.has_checkpoint(&path);
        self.runtime.block_on(there).map_err(fault)
    }

    fn written(&self, history: &HistoryOf) -> Result<BTreeMap<u16, u64>, EngineFault> {
        let spark = self.spark()?;
        let path = self.history(history);
        let written = spark.written(&path, HISTORY_MAX);
        self.runtime.block_on(written).map_err(fault)
    }

    fn expire(&self, history: &HistoryOf, day: &str) -> Result<(), EngineFault> {
        let spark = self.spark()?;
        let path = self.history(history);
        let done = spark.expire(&path, day, HISTORY_MAX);
        self.runtime.block_on(done).map_err(fault)
    }

    fn forget(&self, history: &HistoryOf, generation: u16) -> Result<(), EngineFault> {
        let spark = self.spark()?;
        let id = history.stream;
        let mut folders = vec![self.history(history)];
        for query in [Query::View(id), Query::History(id)] {
            let all = 1..=generation.max(1);
            let all = all.map(|again| checkpoint(&query.to_string(), again));
            folders.extend(all.map(|name| self.config.checkpoint(&name)));
        }
        for folder in folders {
            let emptied = spark.empty(&folder, HISTORY_MAX);
            self.runtime.block_on(emptied).map_err(fault)?;
        }
        Ok(())
    }
}

fn fault(error: SparkError) -> EngineFault {
    Box::new(error)
}

fn id(run: &Run) -> QueryId {
    QueryId {
        id: run.id.clone(),
        run: run.run.clone(),
    }
}

fn batch(progress: Progress) -> Batch {
    let next = progress.inputs.into_iter();
    Batch {
        number: progress.batch,
        next: next.map(|(place, input)| (place, input.end)).collect(),
        rows_in_per_second: progress.input_rows_per_second,
        rows_taken_per_second: progress.processed_rows_per_second,
        state_rows: progress.state_rows,
        watermark: progress.watermark_us.map(Timestamp),
    }
}
