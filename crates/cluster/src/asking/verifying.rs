//! VERIFY VIEW: waits until the view has what its stream has by now, and compares.
//!
//! Views that look tables up or read other views are not verified here: what they read is not the
//! rows of a stream.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use mainstem_catalog::{Definitions, Emit, Object, StreamDef, ViewDef};
use mainstem_kernel::{
    Column, Fault, Reached, StreamId, Timestamp,
    types::{OFFSET_COLUMN, PARTITION_COLUMN},
};
use mainstem_sql::{
    Answered, PlannedView, QueryError,
    beyond::{self, SparkRead},
    spark::{Bound, bounds},
};

use super::{
    answer::failed,
    keyed::Keyed,
    moment::Tail,
    questions::{Asking, Limit, rows},
    under_way::UnderWay,
    verify::Comparison,
};
use crate::{
    cassandra::RowTable,
    lower::{LIVE_COLUMN, VERSION_COLUMN, lower, replan},
    rows::Relation,
};

fn fault(error: impl Fault + Send + Sync + 'static) -> QueryError {
    QueryError::Engine(Arc::new(error))
}

impl Asking {
    /// Begins to compare a view's rows with those that it should have.
    ///
    /// # Errors
    /// When the view cannot be verified; `Position` when its rows do not come so far in time.
    pub(super) async fn verify(
        &self,
        id: StreamId,
        defs: &Definitions,
        (mut under_way, limit): (UnderWay, Limit),
    ) -> Result<Answered, QueryError> {
        let unverified = |why| beyond::refuse("VERIFY VIEW of this view", why);
        let def = defs
            .views
            .get(&id)
            .ok_or_else(|| unverified("It is gone."))?;
        let plan = replan(def, defs).map_err(fault)?;
        let lowered = lower(&def.spec.name, (&plan, defs), "input").map_err(fault)?;
        if lowered.worker.is_some() {
            return Err(unverified(
                "It looks up rows of a table, as they were when events came.",
            ));
        }
        if !lowered.beside.is_empty() {
            return Err(unverified("It puts rows of several streams together."));
        }
        let stream = defs.streams.get(&lowered.input.object);
        let stream = stream.ok_or_else(|| unverified("It reads another view."))?;
        let tail = self.tail_of(stream).await?;
        let position = Reached::Offsets(tail.stands_for.clone());
        let views = [id];
        let there = self.parts.frontiers.reach(&views, &position, limit.left());
        there.await?;

        let names = lowered
            .input
            .columns
            .iter()
            .map(|column| column.name.clone());
        let system = [PARTITION_COLUMN, OFFSET_COLUMN].map(str::to_owned);
        let read = SparkRead {
            relation: "input".to_owned(),
            object: stream.id,
            columns: names.chain(system).collect(),
        };
        let input = self
            .stream((stream, &tail), &read, (&mut under_way, limit))
            .await?;
        let view = self.parts.rows.table(Object::View(def)).await?;
        let relation = Arc::clone(&view.0);
        let columns = &def.spec.columns.0;
        let key: Vec<&Column> = match def.spec.emit.is_stream() {
            true => Vec::new(),
            false => columns
                .iter()
                .filter(|c| def.spec.key.contains(&c.name))
                .collect(),
        };
        let comparison = Comparison {
            columns,
            view: shown(def, (&view.0, &view.1))?,
            batch: &lowered.spark_sql,
            has_live: lowered
                .columns
                .iter()
                .any(|column| column.name == LIVE_COLUMN),
            input,
            closed: self.closed(def, &plan, &relation),
            key,
        };
        let schema = schema(&comparison);
        let answer = self.parts.spark.ask(&comparison.sql(), limit.left()).await;
        let answer = answer.map_err(|error| failed(error, limit.0))?;
        Ok(Answered {
            rows: rows((answer, under_way), &schema, limit),
            schema,
            position,
        })
    }

    /// What of a stream is not history yet.
    async fn tail_of(&self, stream: &Arc<StreamDef>) -> Result<Tail, QueryError> {
        let progress = self.parts.progress.now();
        let streams = vec![Arc::clone(stream)];
        let tails = self.ends.tails(streams, progress, &self.parts.runtime);
        let tail = tails.await?.into_values().next();
        tail.ok_or_else(|| super::no_place(stream.spec.name.as_str()))
    }

    /// Up to when windows are closed, if the view has rows of closed ones alone.
    fn closed(
        &self,
        def: &ViewDef,
        plan: &PlannedView,
        relation: &Relation,
    ) -> Option<(String, Timestamp)> {
        let progress = self.parts.progress.now();
        let watermark = progress.view(def.id).and_then(|query| query.watermark);
        if let Some(open) = &relation.open {
            return Some((open.end.to_string(), open.closed_until(watermark)));
        }
        if !matches!(def.spec.emit, Emit::OnWindowClose { .. }) {
            return None;
        }
        let bounds = bounds(&plan.plan);
        let mut columns = plan.columns.0.iter().zip(bounds);
        let (end, _) = columns.find(|(_, bound)| *bound == Some(Bound::End))?;
        Some((
            end.name.to_string(),
            watermark.unwrap_or(Timestamp(i64::MIN)),
        ))
    }
}

/// All rows that are in Cassandra.
fn shown(def: &ViewDef, (relation, table): (&Relation, &RowTable)) -> Result<String, QueryError> {
    let names = def
        .spec
        .columns
        .0
        .iter()
        .map(|column| column.name.to_string());
    let names: Vec<String> = names.chain([VERSION_COLUMN.to_owned()]).collect();
    let keyed = Keyed {
        table,
        spec: &relation.table,
        closed: None,
    };
    keyed.select(&names)
}

/// The columns of the answer.
fn schema(comparison: &Comparison<'_>) -> SchemaRef {
    let own: Vec<&Column> = match comparison.key.is_empty() {
        true => comparison.columns.iter().collect(),
        false => comparison.key.clone(),
    };
    let own = own
        .into_iter()
        .map(|column| column.ty.field(column.name.as_str(), true));
    let texts = ["_difference", "_column", "_view", "_batch"];
    let texts = texts.map(|name| Field::new(name, DataType::Utf8, name != "_difference"));
    let count = Field::new("_differing", DataType::Int64, false);
    Arc::new(Schema::new(
        own.chain(texts).chain([count]).collect::<Vec<_>>(),
    ))
}
