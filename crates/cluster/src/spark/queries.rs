//! Streaming queries: started, watched, stopped.

use spark_connect_proto::{
    Read, Relation, StreamingQueryCommand, StreamingQueryInstanceId, StreamingQueryManagerCommand,
    WriteStreamOperationStart,
    command::CommandType,
    execute_plan_response::ResponseType,
    read::{DataSource, ReadType},
    relation::RelType,
    streaming_query_command::Command as QueryCommand,
    streaming_query_command_result::ResultType as QueryResult,
    streaming_query_manager_command::Command as ManagerCommand,
    streaming_query_manager_command_result::ResultType as ManagerResult,
    write_stream_operation_start::{SinkDestination, Trigger},
};

use super::{
    Progress, QuerySpec, Spark, SparkError,
    deed::{Deed, unread},
    record::quoted,
    session::{command, relation, sql_relation, watermarked},
    spec::{Sink, Source},
};

/// Longest reason that is passed on, in characters.
const REASON_CHARS: usize = 600;

/// Which query, and which run of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryId {
    /// Stays as long as its checkpoint does.
    pub id: String,
    /// Another one each time it is started.
    pub run: String,
}

/// A query that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// As it was started with.
    pub name: String,
    /// Which one.
    pub id: QueryId,
}

impl From<StreamingQueryInstanceId> for QueryId {
    fn from(id: StreamingQueryInstanceId) -> Self {
        Self {
            id: id.id,
            run: id.run_id,
        }
    }
}

impl Spark {
    /// Starts a query, from its checkpoint if it has one. Comes back when it is planned; what goes
    /// wrong later is told by `exception`.
    ///
    /// # Errors
    /// As Spark says, by name: also when a query of this name runs.
    pub async fn start(&self, spec: &QuerySpec) -> Result<QueryId, SparkError> {
        self.settle().await?;
        let deed = Deed::new("start", &spec.name);
        for statement in &spec.before {
            self.run(statement).await?;
        }
        for source in &spec.sources {
            self.name(&source.name, read(source)).await?;
        }
        for stage in &spec.stages {
            let mut made = sql_relation(&stage.sql);
            if let Some((column, delay)) = &stage.watermark {
                made = watermarked(made, column, *delay);
            }
            self.name(&stage.name, made).await?;
        }
        let plan = command(CommandType::WriteStreamOperationStart(start(spec)));
        let pick = |answer| match answer {
            ResponseType::WriteStreamOperationStartResult(started) => started.query_id,
            _ => None,
        };
        let started = self.client.command((&deed, plan), pick).await;
        // What is running does not need the names; the next start makes them anew.
        let stages = spec.stages.iter().map(|stage| &stage.name);
        for name in stages.chain(spec.sources.iter().map(|source| &source.name)) {
            let drop = format!("DROP VIEW IF EXISTS {}", quoted(name));
            if let Err(error) = self.run(&drop).await {
                tracing::debug!(query = spec.name, %error, "name of a relation stays");
            }
        }
        started?
            .map(QueryId::from)
            .ok_or_else(|| unread("the id of a query"))
    }

    /// All queries of our session that run.
    ///
    /// # Errors
    /// As Spark says, by name.
    pub async fn queries(&self) -> Result<Vec<Running>, SparkError> {
        let active = StreamingQueryManagerCommand {
            command: Some(ManagerCommand::Active(true)),
        };
        let plan = command(CommandType::StreamingQueryManagerCommand(active));
        let pick = |answer| match answer {
            ResponseType::StreamingQueryManagerCommandResult(result) => result.result_type,
            _ => None,
        };
        let deed = Deed::new("list", "queries");
        let result = self.client.command((&deed, plan), pick).await?;
        let Some(ManagerResult::Active(active)) = result else {
            return Err(unread("a list of queries"));
        };
        let running = active.active_queries.into_iter().filter_map(|query| {
            Some(Running {
                name: query.name.unwrap_or_default(),
                id: query.id?.into(),
            })
        });
        Ok(running.collect())
    }

    /// Stops a query; its checkpoint stays. One that does not run is fine.
    ///
    /// # Errors
    /// As Spark says, by name.
    pub async fn stop(&self, id: &QueryId) -> Result<(), SparkError> {
        match self.of(("stop", id), QueryCommand::Stop(true)).await {
            Ok(_) | Err(SparkError::Gone { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// How far a query is: its last micro-batch that is committed. None before the first of this
    /// run.
    ///
    /// # Errors
    /// `Gone` when Spark does not know it; as Spark says, by name.
    pub async fn progress(&self, id: &QueryId) -> Result<Option<Progress>, SparkError> {
        let result = self.of(("watch", id), QueryCommand::LastProgress(true));
        let Some(QueryResult::RecentProgress(recent)) = result.await? else {
            return Ok(None);
        };
        let last = recent.recent_progress_json.last();
        last.map(|text| Progress::parse(text)).transpose()
    }

    /// Why a query has stopped by itself, if it has.
    ///
    /// # Errors
    /// `Gone` when Spark does not know it any more; as Spark says, by name.
    pub async fn exception(&self, id: &QueryId) -> Result<Option<SparkError>, SparkError> {
        let result = self.of(("watch", id), QueryCommand::Exception(true));
        let Some(QueryResult::Exception(exception)) = result.await? else {
            return Ok(None);
        };
        Ok(exception.exception_message.map(|words| SparkError::Failed {
            name: id.id.clone(),
            source: reason(&words).into(),
        }))
    }

    /// Takes everything that is there now; for tests.
    ///
    /// # Errors
    /// As Spark says, by name; when the query stops by itself.
    pub async fn drain(&self, id: &QueryId) -> Result<(), SparkError> {
        let all = QueryCommand::ProcessAllAvailable(true);
        self.of(("drain", id), all).await.map(drop)
    }

    async fn of(
        &self,
        (doing, id): (&'static str, &QueryId),
        asked: QueryCommand,
    ) -> Result<Option<QueryResult>, SparkError> {
        let asked = StreamingQueryCommand {
            query_id: Some(StreamingQueryInstanceId {
                id: id.id.clone(),
                run_id: id.run.clone(),
            }),
            command: Some(asked),
        };
        let plan = command(CommandType::StreamingQueryCommand(asked));
        let pick = |answer| match answer {
            ResponseType::StreamingQueryCommandResult(result) => result.result_type,
            _ => None,
        };
        let deed = Deed::new(doing, &id.id);
        self.client.command((&deed, plan), pick).await
    }
}

/// Why a query has stopped, out of what Spark says of it: without the plan that follows, in one line.
fn reason(words: &str) -> String {
    let words = words.split("=== Streaming Query ===").next();
    let words: Vec<&str> = words.unwrap_or_default().split_whitespace().collect();
    let words = words.join(" ");
    match words.char_indices().nth(REASON_CHARS) {
        None => words,
        Some((end, _)) => format!("{}…", words.get(..end).unwrap_or(&words)),
    }
}

fn read(source: &Source) -> Relation {
    let source = DataSource {
        format: Some("kafka".to_owned()),
        options: source.options.clone().into_iter().collect(),
        ..Default::default()
    };
    relation(RelType::Read(Read {
        is_streaming: true,
        read_type: Some(ReadType::DataSource(source)),
    }))
}

fn start(spec: &QuerySpec) -> WriteStreamOperationStart {
    let stages = spec.stages.iter().map(|stage| &stage.name);
    let last = spec.sources.iter().map(|source| &source.name).chain(stages);
    let last = last.last().map_or("", String::as_str);
    let mut start = WriteStreamOperationStart {
        input: Some(sql_relation(&format!("SELECT * FROM {}", quoted(last)))),
        output_mode: spec.output_mode.as_str().to_owned(),
        query_name: spec.name.clone(),
        // 0: the next micro-batch as soon as there is something.
        trigger: Some(Trigger::ProcessingTimeInterval(format!(
            "{} milliseconds",
            spec.every.unwrap_or_default().as_millis()
        ))),
        ..Default::default()
    };
    let checkpoint = ("checkpointLocation".to_owned(), spec.checkpoint.clone());
    start.options.insert(checkpoint.0, checkpoint.1);
    match &spec.sink {
        Sink::Topic { options } => {
            "kafka".clone_into(&mut start.format);
            start.options.extend(options.clone());
            // Spark keeps producers by their settings, also one that can never write again, because rights
            // were taken away for a moment. A query that is started again gets another one.
            let client = format!("{}-{}", spec.name, uuid::Uuid::new_v4().simple());
            start.options.insert("kafka.client.id".to_owned(), client);
        }
        Sink::Delta {
            path,
            partition_by,
            options,
        } => {
            "delta".clone_into(&mut start.format);
            start.options.extend(options.clone());
            start.partitioning_column_names.clone_from(partition_by);
            start.sink_destination = Some(SinkDestination::Path(path.clone()));
        }
    }
    start
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_query_that_is_started_again_writes_with_another_producer() {
        let spec = QuerySpec {
            name: "view-19".to_owned(),
            before: Vec::new(),
            sources: Vec::new(),
            stages: Vec::new(),
            sink: Sink::Topic {
                options: BTreeMap::from([("topic".to_owned(), "changes".to_owned())]),
            },
            output_mode: crate::lower::OutputMode::Append,
            every: None,
            checkpoint: "/c".to_owned(),
        };
        let client = || {
            let options = start(&spec).options;
            assert_eq!(options["topic"], "changes");
            options["kafka.client.id"].clone()
        };
        let (first, second) = (client(), client());
        assert!(first.starts_with("view-19-"), "{first}");
        assert_ne!(first, second);
    }

    #[test]
    fn a_reason_is_one_line_without_the_plan() {
        let words = "[STREAM_FAILED] Query [id = a] terminated:\n\tJob aborted\n\
                     === Streaming Query ===\nIdentifier: view-19 [id = a]\nCurrent State: ACTIVE";
        assert_eq!(
            reason(words),
            "[STREAM_FAILED] Query [id = a] terminated: Job aborted"
        );
        let long = reason(&"ä ".repeat(10_000));
        assert_eq!(long.chars().count(), REASON_CHARS + 1);
    }
}
