//! Looks for Cassandra and Spark until they answer, and begins what needs them.

use std::{sync::Arc, thread, time::Duration};

use mainstem_cluster::{
    ClusterError,
    asking::{Asking, AskingParts},
    cassandra::{CassandraError, Rows},
    config::Role,
    rows::{RowReader, RowWriter, RowWriterParts},
    spark::{Spark, SparkError},
};
use mainstem_kernel::{Fault, fault::chain};

use crate::{cluster::ClusterParts, errors::NodeError};

/// Name of the thread that looks.
const THREAD: &str = "engines";
/// Between two looks for an engine that was not reached.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Starts the thread that looks.
pub(super) fn start(parts: &Arc<ClusterParts>) -> Result<(), NodeError> {
    let looking = Arc::clone(parts);
    parts.start_thread(THREAD, move || {
        while !looking.health.is_stopping() && !look(&looking) {
            pause(LOOK_EVERY);
        }
    })
}

/// One look for what is missing; whether nothing is.
fn look(parts: &Arc<ClusterParts>) -> bool {
    let has_rows = reach("Cassandra", parts, cassandra) && reach("rows", parts, writer);
    let has_spark = reach("Spark", parts, spark);
    has_rows && has_spark && reach("questions", parts, questions)
}

/// Does one step, and notes what stands against it.
fn reach<F: Fault>(
    name: &'static str,
    parts: &Arc<ClusterParts>,
    step: impl FnOnce(&Arc<ClusterParts>) -> Result<(), F>,
) -> bool {
    let done = step(parts).map_err(|error| {
        tracing::debug!(part = name, error = chain(&error), "not yet");
        error.problem()
    });
    let is_done = done.is_ok();
    parts.roles.note(name, done.err());
    is_done
}

fn cassandra(parts: &Arc<ClusterParts>) -> Result<(), CassandraError> {
    if parts.roles.cassandra.get().is_none() {
        let rows = Rows::open(parts.config.cassandra.clone());
        let rows = parts.runtime.block_on(rows)?;
        drop(parts.roles.cassandra.set(Arc::new(rows)));
    }
    Ok(())
}

fn spark(parts: &Arc<ClusterParts>) -> Result<(), SparkError> {
    if parts.roles.spark.get().is_none() {
        let spark = Spark::open(parts.config.spark.clone(), parts.spawn());
        let spark = parts.runtime.block_on(spark)?;
        drop(parts.roles.spark.set(spark));
    }
    Ok(())
}

/// The role of who writes rows to Cassandra.
fn writer(parts: &Arc<ClusterParts>) -> Result<(), ClusterError> {
    let roles = &parts.roles;
    let Some(rows) = roles.cassandra.get() else {
        return Ok(());
    };
    if !parts.config.roles.has(Role::Rows) || roles.writer.get().is_some() {
        return Ok(());
    }
    let writer = RowWriter::start(RowWriterParts {
        kafka: parts.config.kafka.clone(),
        rows: Arc::clone(rows),
        definitions: parts.catalog.watch(),
        letters: Arc::clone(&parts.intake),
        runtime: parts.runtime.clone(),
        spawn: parts.spawn(),
        metrics: Arc::clone(&parts.metrics),
        instance: parts.instance.clone(),
    })?;
    drop(roles.writer.set(writer));
    roles.has_thread("rows");
    Ok(())
}

/// From here on questions are answered.
fn questions(parts: &Arc<ClusterParts>) -> Result<(), ClusterError> {
    let roles = &parts.roles;
    let (Some(rows), Some(spark), Some(progress), Some(frontiers), Some(writes)) = (
        roles.cassandra.get(),
        roles.spark.get(),
        roles.progress.get(),
        roles.frontiers.get(),
        roles.writes.get(),
    ) else {
        return Ok(());
    };
    let rows = RowReader::new(
        Arc::clone(rows),
        Arc::clone(frontiers),
        parts.catalog.watch(),
        parts.limits.sql.query_time_max,
    );
    let asking = Asking::open(AskingParts {
        config: parts.config.clone(),
        limits: parts.limits.sql.clone(),
        catalog: Arc::clone(&parts.catalog),
        spark: spark.clone(),
        progress: Arc::clone(progress),
        frontiers: Arc::clone(frontiers),
        rows,
        writes: Arc::clone(writes),
        clock: Arc::clone(&parts.clock),
        spawn: parts.spawn(),
        runtime: parts.runtime.clone(),
    })?;
    parts.questions.answer_by(asking);
    Ok(())
}

/// Sleeps on a thread of the node's own.
fn pause(span: Duration) {
    thread::sleep(span);
}
