//! `Answer`: rows of a question, as they come.

use std::{collections::VecDeque, fmt, io::Cursor, time::Duration};

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
    ipc::reader::StreamReader,
};
use futures::{Stream, stream};
use mainstem_kernel::spawn::SharedSpawn;
use spark_connect_proto::{ExecutePlanResponse, Plan, execute_plan_response::ResponseType};
use tokio::time::Instant;
use tonic::Streaming;
use uuid::Uuid;

use super::{
    Spark, SparkError,
    client::Client,
    deed::{Deed, late},
    session::operation,
};

/// Rows of a question. Dropped before its end, it stops the question in Spark.
pub struct Answer {
    schema: SchemaRef,
    ready: VecDeque<RecordBatch>,
    answers: Streaming<ExecutePlanResponse>,
    deed: Deed,
    /// When it has to be whole.
    until: Instant,
    time_max: Duration,
    under_way: UnderWay,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Answer");
        shown.field("deed", &self.deed).finish_non_exhaustive()
    }
}

impl Answer {
    /// Begins; comes back once the first piece is there, which has the columns.
    pub(super) async fn begin(
        spark: &Spark,
        (deed, time_max): (Deed, Duration),
        plan: Plan,
    ) -> Result<Self, SparkError> {
        let until = Instant::now() + time_max;
        let under_way = UnderWay {
            client: spark.client.clone(),
            spawn: SharedSpawn::clone(spark.spawn()),
            operation: operation(),
            is_done: false,
        };
        let begun = spark.client.execute((&deed, under_way.operation), plan);
        let Ok(answers) = tokio::time::timeout_at(until, begun).await else {
            return Err(late(&deed, time_max));
        };
        let mut answer = Self {
            schema: SchemaRef::new(Schema::empty()),
            ready: VecDeque::new(),
            answers: answers?,
            deed,
            until,
            time_max,
            under_way,
        };
        while answer.schema.fields().is_empty() && answer.read().await? {}
        Ok(answer)
    }

    /// The columns as Spark types them.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    /// The next rows; none at the end.
    ///
    /// # Errors
    /// As Spark says, by name; `Late` once the time is over.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, SparkError> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// All that comes, as a stream, which ends with the first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<RecordBatch, SparkError>> + Send {
        stream::unfold(Some(self), |answer| async move {
            let mut answer = answer?;
            match answer.next().await {
                Ok(Some(batch)) => Some((Ok(batch), Some(answer))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    /// Takes one piece; false at the end.
    async fn read(&mut self) -> Result<bool, SparkError> {
        let client = self.under_way.client.clone();
        let next = client.next(&self.deed, &mut self.answers);
        let Ok(next) = tokio::time::timeout_at(self.until, next).await else {
            return Err(late(&self.deed, self.time_max));
        };
        let answer = next.inspect_err(|_failed| self.under_way.is_done = true)?;
        let Some(answer) = answer else {
            self.under_way.is_done = true;
            return Ok(false);
        };
        if let Some(ResponseType::ArrowBatch(piece)) = answer.response_type {
            self.take(piece.data)?;
        }
        Ok(true)
    }

    fn take(&mut self, data: impl AsRef<[u8]>) -> Result<(), SparkError> {
        let unread = |error: arrow::error::ArrowError| SparkError::Answer {
            reason: error.to_string(),
        };
        let pieces = StreamReader::try_new(Cursor::new(data), None).map_err(unread)?;
        self.schema = pieces.schema();
        for batch in pieces {
            let batch = batch.map_err(unread)?;
            if batch.num_rows() > 0 {
                self.ready.push_back(batch);
            }
        }
        Ok(())
    }
}

/// An execution; stopped when this is dropped before it is done.
struct UnderWay {
    client: Client,
    spawn: SharedSpawn,
    operation: Uuid,
    is_done: bool,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let (client, operation) = (self.client.clone(), self.operation);
        let stop = async move { client.interrupt(operation).await };
        self.spawn.task("spark-stop", Box::pin(stop));
    }
}
