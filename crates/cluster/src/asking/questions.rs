//! `Asking`: from a text to rows about to come.

use std::{sync::Arc, time::Duration};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use async_trait::async_trait;
use futures::stream;
use mainstem_catalog::{Catalog, Definitions, Object};
use mainstem_kernel::{
    Offsets, Reached, StreamId, TenantId, clock::SharedClock, spawn::SharedSpawn,
};
use mainstem_sql::{
    Answered, Page, Paged, QueryError, Question, Questions, Rows, SqlConfig,
    beyond::{self, Beyond, SparkQuestion, understand},
};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};

use super::{
    answer::{cast, failed},
    moment::Ends,
    under_way::{Turns, UnderWay},
};
use crate::{
    ClusterConfig, ClusterError,
    progress::ProgressView,
    rows::{Frontiers, RowReader},
    spark::{Answer, Spark},
    tables::TableWrites,
};

/// What questions are answered with.
#[derive(Debug)]
pub struct AskingParts {
    /// How the engines are reached.
    pub config: ClusterConfig,
    /// Limits of questions.
    pub limits: SqlConfig,
    /// What can be asked.
    pub catalog: Arc<Catalog>,
    /// Answers questions.
    pub spark: Spark,
    /// How far history and views are.
    pub progress: Arc<ProgressView>,
    /// Whether rows are there that were waited for.
    pub frontiers: Arc<Frontiers>,
    /// Rows by key.
    pub rows: Arc<RowReader>,
    /// Statements that write.
    pub writes: Arc<TableWrites>,
    /// `now()`.
    pub clock: SharedClock,
    /// Gives back what questions held.
    pub spawn: SharedSpawn,
    /// Runs what waits for Kafka.
    pub runtime: Handle,
}

/// Answers questions beyond one machine.
#[derive(Debug)]
pub struct Asking {
    pub(super) parts: AskingParts,
    pub(super) ends: Arc<Ends>,
    turns: Turns,
}

/// How long a question may take, and until when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit(pub(super) Duration, pub(super) Instant);

impl Limit {
    /// What is left of it.
    pub(super) fn left(self) -> Duration {
        self.1.saturating_duration_since(Instant::now())
    }

    const fn late(self) -> QueryError {
        QueryError::Timeout { limit: self.0 }
    }
}

impl Asking {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// When the settings make no client.
    pub fn open(parts: AskingParts) -> Result<Arc<Self>, ClusterError> {
        Ok(Arc::new(Self {
            ends: Arc::new(Ends::new(&parts.config.kafka)?),
            turns: Turns::new(parts.limits.queries_max),
            parts,
        }))
    }

    async fn begun(&self, question: &Question, limit: Limit) -> Result<Answered, QueryError> {
        let defs = self.parts.catalog.definitions();
        let (tenant, now) = (question.tenant, self.parts.clock.now());
        let asked = understand(&question.sql, (&defs, tenant), now).await?;
        let spark_question = match asked {
            Beyond::Known(schema, rows) => return Ok(known(schema, rows, question)),
            Beyond::Write => return self.write(question).await,
            Beyond::Verify(view) => {
                let under_way = self.under_way(tenant)?;
                return self.verify(view, &defs, (under_way, limit)).await;
            }
            Beyond::Explain(explained) => {
                let under_way = self.under_way(tenant)?;
                return self.explain(&explained, &defs, (under_way, limit)).await;
            }
            Beyond::Question(asked) => asked,
        };
        self.wait(question, (&spark_question, &defs), limit).await?;
        let under_way = self.under_way(tenant)?;
        let prepared = self
            .prepare(&spark_question, &defs, (under_way, limit))
            .await?;
        let mut position = prepared.position;
        if let Some(Reached::Offsets(waited)) = &question.wait {
            position.join(waited);
        }
        let answer = self.parts.spark.ask(&prepared.sql, limit.left()).await;
        let answer = answer.map_err(|error| failed(error, limit.0))?;
        Ok(Answered {
            rows: rows((answer, prepared.under_way), &spark_question.schema, limit),
            schema: spark_question.schema,
            position: Reached::Offsets(position),
        })
    }

    async fn write(&self, question: &Question) -> Result<Answered, QueryError> {
        let written = self.parts.writes.write(question).await?;
        written.ok_or_else(|| beyond::refuse("this statement", "It neither asks nor writes."))
    }

    fn under_way(&self, tenant: TenantId) -> Result<UnderWay, QueryError> {
        Ok(UnderWay {
            spark: self.parts.spark.clone(),
            spawn: SharedSpawn::clone(&self.parts.spawn),
            views: Vec::new(),
            _turn: self.turns.take(tenant)?,
        })
    }

    /// Waits until rows of tables and views are there. Those of streams are in their topics, once
    /// workers have taken repetitions out.
    async fn wait(
        &self,
        question: &Question,
        (asked, defs): (&SparkQuestion, &Definitions),
        limit: Limit,
    ) -> Result<(), QueryError> {
        let Some(wait) = &question.wait else {
            return Ok(());
        };
        if let Reached::Offsets(wanted) = wait {
            let streams = asked.reads.iter();
            for def in streams.filter_map(|read| defs.streams.get(&read.object)) {
                self.ends.unique((def, wanted), &self.parts.runtime).await?;
            }
        }
        let keyed = asked.reads.iter().map(|read| read.object);
        let keyed = keyed.filter(|id| !defs.streams.contains_key(id));
        let keyed: Vec<StreamId> = keyed.collect();
        self.parts.frontiers.reach(&keyed, wait, limit.left()).await
    }
}

#[async_trait]
impl Questions for Asking {
    async fn ask(self: Arc<Self>, question: Question) -> Result<Answered, QueryError> {
        let longest = self.parts.limits.query_time_max;
        let time = question
            .time_max
            .map_or(longest, |wanted| wanted.min(longest));
        let limit = Limit(time, Instant::now() + time);
        let begun = Box::pin(self.begun(&question, limit));
        timeout_at(limit.1, begun)
            .await
            .map_err(|_late| limit.late())?
    }

    async fn row_by_key(
        self: Arc<Self>,
        object: (TenantId, Object<'_>),
        values: &[String],
        wait: Option<Reached>,
    ) -> Result<Option<Answered>, QueryError> {
        self.parts.rows.row_by_key(object, values, wait).await
    }

    async fn page(
        self: Arc<Self>,
        object: (TenantId, Object<'_>),
        page: Page,
    ) -> Result<Option<Paged>, QueryError> {
        self.parts.rows.page(object, page).await
    }
}

/// Rows that are there already.
pub(super) fn known(schema: SchemaRef, rows: Vec<RecordBatch>, question: &Question) -> Answered {
    let waited = question.wait.clone();
    Answered {
        schema,
        rows: Box::pin(stream::iter(rows.into_iter().map(Ok))),
        position: waited.unwrap_or_else(|| Reached::Offsets(Offsets::default())),
    }
}

/// Rows of Spark as they come. What the question holds is given back with the last of them.
pub(super) fn rows(begun: (Answer, UnderWay), schema: &SchemaRef, limit: Limit) -> Rows {
    let schema = SchemaRef::clone(schema);
    Box::pin(stream::unfold(Some(begun), move |begun| {
        let schema = SchemaRef::clone(&schema);
        async move {
            let (mut answer, under_way) = begun?;
            match answer.next().await {
                Ok(Some(batch)) => Some((cast(&batch, &schema), Some((answer, under_way)))),
                Ok(None) => None,
                Err(error) => Some((Err(failed(error, limit.0)), None)),
            }
        }
    }))
}
