//! EXPLAIN: our plan, what Spark is asked, what differs from one machine, and Spark's own plan.

use arrow::array::AsArray;
use mainstem_catalog::Definitions;
use mainstem_kernel::Reached;
use mainstem_sql::{Answered, QueryError, beyond::SparkQuestion, plan_lines};

use super::{
    answer::failed,
    questions::{Asking, Limit},
    under_way::UnderWay,
};

impl Asking {
    /// How a question would be answered, in the columns that one machine explains with.
    ///
    /// # Errors
    /// What stands against asking it.
    pub(super) async fn explain(
        &self,
        question: &SparkQuestion,
        defs: &Definitions,
        (under_way, limit): (UnderWay, Limit),
    ) -> Result<Answered, QueryError> {
        let prepared = self.prepare(question, defs, (under_way, limit)).await?;
        let explain = format!("EXPLAIN FORMATTED {}", prepared.sql);
        let answer = self.parts.spark.ask(&explain, limit.0).await;
        let mut answer = answer.map_err(|error| failed(error, limit.0))?;
        let mut plan = String::new();
        while let Some(batch) = answer
            .next()
            .await
            .map_err(|error| failed(error, limit.0))?
        {
            let lines = batch
                .columns()
                .first()
                .and_then(|column| column.as_string_opt::<i32>());
            plan.extend(lines.into_iter().flatten().flatten());
        }
        let mut rows = vec![
            ("logical_plan", question.plan.clone()),
            ("spark_sql", prepared.sql.clone()),
        ];
        rows.extend(
            question
                .notes
                .iter()
                .map(|note| ("differs", note.to_string())),
        );
        rows.push(("spark_plan", plan));
        let rows = rows.iter().map(|(kind, text)| (*kind, text.as_str()));
        let batch = plan_lines(rows).map_err(|error| QueryError::Broken {
            source: Box::new(error),
        })?;
        Ok(Answered {
            schema: batch.schema(),
            rows: Box::pin(futures::stream::iter([Ok(batch)])),
            position: Reached::Offsets(prepared.position),
        })
    }
}
