//! What a question reads, as relations of Spark at one moment.

use std::{collections::BTreeMap, sync::Arc};

use mainstem_catalog::{Definitions, Object, StreamDef};
use mainstem_kernel::{
    Offsets, StreamId,
    types::{EXTRA_COLUMN, OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN},
};
use mainstem_sql::{
    QueryError,
    beyond::{SparkQuestion, SparkRead},
};

use super::{
    answer::failed,
    keyed::Keyed,
    moment::Tail,
    questions::{Asking, Limit},
    quoted,
    stream::{StreamRows, topic_view},
    under_way::UnderWay,
};
use crate::spark::spec::folder_name;

/// A question, ready to be asked.
pub(super) struct Prepared {
    pub(super) sql: String,
    /// How far the streams are that it reads.
    pub(super) position: Offsets,
    pub(super) under_way: UnderWay,
}

impl Asking {
    /// Finds out where all rows are.
    ///
    /// # Errors
    /// What stands against reading them.
    pub(super) async fn prepare(
        &self,
        question: &SparkQuestion,
        defs: &Definitions,
        (mut under_way, limit): (UnderWay, Limit),
    ) -> Result<Prepared, QueryError> {
        let tails = self.tails(question, defs).await?;
        let mut position = Offsets::default();
        let mut relations = Vec::with_capacity(question.reads.len());
        for read in &question.reads {
            let text = match (tails.get(&read.object), defs.by_id(read.object)) {
                (Some(tail), Some(Object::Stream(def))) => {
                    tail.reach(&mut position);
                    self.stream((def, tail), read, (&mut under_way, limit))
                        .await?
                }
                (_, Some(object)) => self.keyed(object, read).await?,
                (_, None) => return Err(super::no_place(&read.relation)),
            };
            relations.push(format!("{} AS ({text})", read.relation));
        }
        let sql = match relations.is_empty() {
            true => question.sql.clone(),
            false => format!("WITH {} {}", relations.join(", "), question.sql),
        };
        Ok(Prepared {
            sql,
            position,
            under_way,
        })
    }

    async fn tails(
        &self,
        question: &SparkQuestion,
        defs: &Definitions,
    ) -> Result<BTreeMap<StreamId, Tail>, QueryError> {
        let streams = question
            .reads
            .iter()
            .filter_map(|read| defs.streams.get(&read.object));
        let streams: Vec<Arc<StreamDef>> = streams.cloned().collect();
        // Before the ends: what was committed then is below them.
        let progress = self.parts.progress.now();
        self.ends
            .tails(streams, progress, &self.parts.runtime)
            .await
    }

    /// A stream.
    pub(super) async fn stream(
        &self,
        (def, tail): (&Arc<StreamDef>, &Tail),
        read: &SparkRead,
        (under_way, limit): (&mut UnderWay, Limit),
    ) -> Result<String, QueryError> {
        let name = format!(
            "mainstem_tail_{}_{}",
            def.id.0,
            uuid::Uuid::new_v4().simple()
        );
        let topic = (
            tail.topic.name.as_str(),
            self.parts.config.kafka.brokers.as_slice(),
        );
        let view = topic_view(&name, topic, &tail.span);
        let history = match tail.has_history() {
            true => Some(self.history(def, tail, limit).await?),
            false => None,
        };
        if let Some(statement) = &view {
            under_way.views.push(name.clone());
            let made = self.parts.spark.run(statement).await;
            made.map_err(|error| failed(error, limit.0))?;
        }
        let rows = StreamRows {
            def,
            history,
            topic: view.map(|_| name),
            span: tail.span.clone(),
        };
        rows.select(&read.columns)
    }

    /// The Delta table of a stream and its columns. Only of a stream whose columns were changed is
    /// it asked which of them it has.
    async fn history(
        &self,
        def: &StreamDef,
        tail: &Tail,
        limit: Limit,
    ) -> Result<(String, Vec<String>), QueryError> {
        let folder = folder_name(&tail.topic.name, def.id);
        let path = format!("{}/{folder}", self.parts.config.history());
        let names: Vec<String> = match def.schemas.len() {
            0 | 1 => {
                let declared = def.spec.columns.0.iter().map(|column| column.name.as_str());
                let system = [EXTRA_COLUMN, SEQ_COLUMN, PARTITION_COLUMN, OFFSET_COLUMN];
                declared.chain(system).map(str::to_owned).collect()
            }
            _ => {
                let sql = format!("SELECT * FROM delta.{} LIMIT 0", quoted(&path));
                let answer = self.parts.spark.ask(&sql, limit.0).await;
                let schema = answer.map_err(|error| failed(error, limit.0))?.schema();
                schema
                    .fields()
                    .iter()
                    .map(|field| field.name().clone())
                    .collect()
            }
        };
        Ok((path, names))
    }

    /// A table, or a view.
    async fn keyed(&self, object: Object<'_>, read: &SparkRead) -> Result<String, QueryError> {
        if matches!(object, Object::Stream(_)) {
            return Err(super::no_place(&read.relation));
        }
        let (relation, table) = self.parts.rows.table(object).await?;
        let closed = relation.open.as_ref().map(|open| {
            let watermark = self
                .parts
                .progress
                .now()
                .view(object.id())
                .and_then(|q| q.watermark);
            (
                open.end.as_str(),
                watermark.map(|_| open.closed_until(watermark)),
            )
        });
        Keyed {
            table: &table,
            spec: &relation.table,
            closed,
        }
        .select(&read.columns)
    }
}
