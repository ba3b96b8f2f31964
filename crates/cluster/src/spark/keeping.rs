//! What Spark does with the files that queries leave: only it has to reach the folder that they are
//! in, whatever that is.

use std::{collections::BTreeMap, time::Duration};

use arrow::{array::AsArray, datatypes::Int64Type};
use mainstem_kernel::types::{OFFSET_COLUMN, PARTITION_COLUMN};

use super::{Spark, SparkError, deed::unread, record::quoted, spec::expire};

/// What Spark says of a path where nothing is.
const NOT_THERE: &str = "PATH_NOT_FOUND";

impl Spark {
    /// Whether a query has begun to write down in this folder what it does.
    ///
    /// # Errors
    /// As Spark says, by name.
    pub async fn has_checkpoint(&self, folder: &str) -> Result<bool, SparkError> {
        // Written before anything else, with the id of the query.
        let file = quoted(&format!("{folder}/metadata"));
        let sql = format!("SELECT value FROM text.{file} LIMIT 1");
        match self.run(&sql).await {
            Ok(()) => Ok(true),
            Err(SparkError::Refused { source, .. }) if source.to_string().contains(NOT_THERE) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Up to where a history is written, by partition of its topic. Reads two columns of all of it.
    ///
    /// # Errors
    /// As Spark says, by name; `Late`.
    pub async fn written(
        &self,
        path: &str,
        time_max: Duration,
    ) -> Result<BTreeMap<u16, u64>, SparkError> {
        let sql = format!(
            "SELECT CAST(`{PARTITION_COLUMN}` AS BIGINT), max(`{OFFSET_COLUMN}`) + 1 \
             FROM delta.{} GROUP BY `{PARTITION_COLUMN}`",
            quoted(path)
        );
        let mut answer = self.ask(&sql, time_max).await?;
        let mut written = BTreeMap::new();
        while let Some(rows) = answer.next().await? {
            let number = |column: usize| {
                let column = rows.column(column).as_primitive_opt::<Int64Type>();
                column.ok_or_else(|| unread("partitions and offsets"))
            };
            let (partitions, offsets) = (number(0)?, number(1)?);
            for (partition, next) in partitions.iter().zip(offsets) {
                let partition = partition.and_then(|number| u16::try_from(number).ok());
                let next = next.and_then(|number| u64::try_from(number).ok());
                let (Some(partition), Some(next)) = (partition, next) else {
                    return Err(unread("partitions and offsets"));
                };
                written.insert(partition, next);
            }
        }
        Ok(written)
    }

    /// Takes days before this one (`YYYY-MM-DD`) out of a history.
    ///
    /// # Errors
    /// As Spark says, by name; `Late`.
    pub async fn expire(
        &self,
        path: &str,
        day: &str,
        time_max: Duration,
    ) -> Result<(), SparkError> {
        for statement in expire(path, day) {
            self.finish(&statement, time_max).await?;
        }
        Ok(())
    }

    /// Deletes everything that is in a folder; one that is not there is fine. The folder itself stays,
    /// with an empty file of the overwriting.
    ///
    /// # Errors
    /// As Spark says, by name; `Late`.
    pub async fn empty(&self, folder: &str, time_max: Duration) -> Result<(), SparkError> {
        // Spark SQL has no word for it, but whoever overwrites a folder deletes what is in it.
        let sql = format!(
            "INSERT OVERWRITE DIRECTORY {} USING text SELECT '' AS value WHERE false",
            super::record::literal(folder)
        );
        self.finish(&sql, time_max).await
    }

    /// Executes what takes its time.
    async fn finish(&self, sql: &str, time_max: Duration) -> Result<(), SparkError> {
        let mut answer = self.ask(sql, time_max).await?;
        while answer.next().await?.is_some() {}
        Ok(())
    }
}
