//! Forgets everything of a prefix: queries, topics, tables. For what was only tried.
//!
//! It never asks whether somebody uses it: whoever calls it has made the prefix up.

use std::time::Duration;

use mainstem_kernel::spawn::SharedSpawn;
use tokio::runtime::Handle;

use crate::{ClusterConfig, cassandra::Rows, control::ControlError, kafka::Topics, spark::Spark};

/// A query that was stopped may write its last batch still.
const PAUSE: Duration = Duration::from_millis(500);

/// Stops the queries of a prefix, then deletes its topics and its keyspace. Blocks.
///
/// # Errors
/// What is left behind, by the engine that has it; those after it were not asked.
pub fn forget(
    config: &ClusterConfig,
    spawn: SharedSpawn,
    runtime: &Handle,
) -> Result<(), ControlError> {
    let spark = |error| ControlError::Spark {
        fault: Box::new(error),
    };
    runtime.block_on(async {
        let session = Spark::open(config.spark.clone(), spawn)
            .await
            .map_err(spark)?;
        for query in session.queries().await.map_err(spark)? {
            session.stop(&query.id).await.map_err(spark)?;
        }
        tokio::time::sleep(PAUSE).await;
        Ok::<_, ControlError>(())
    })?;
    Topics::new(&config.kafka)?.forget(&format!("{}-", config.kafka.topic_prefix))?;
    runtime.block_on(async {
        let rows = Rows::open(config.cassandra.clone()).await?;
        rows.forget_keyspace().await
    })?;
    Ok(())
}
