//! `TableWrites`: statements that write, as doors take them: compiled to find their mistakes, handed
//! to the owner of their tables, answered with what that has decided.
//!
//! It never decides, and keeps nothing but who waits.

mod mail;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use mainstem_catalog::{Catalog, Definitions};
use mainstem_kernel::{Reached, clock::SharedClock, fault::Fault, spawn::SharedSpawn};
use mainstem_log::SharedFault;
use mainstem_sql::{Answered, CompiledWrite, Compiler, QueryError, Question, Reading, WriteText};
use mainstem_table::AppId;
use parking_lot::Mutex;

use super::{
    TablesError, WritesConfig,
    answer::{Answer, Refusal},
    topics::AppTopics,
};
use crate::{ClusterError, kafka::Topics};
use mail::{Mail, Sent};

/// A door waits so much longer than the owner decides: an answer that was decided in time is heard.
const GRACE: Duration = Duration::from_secs(2);

/// What a door for writes needs.
#[derive(Clone)]
pub struct TableWritesParts {
    /// How it works.
    pub config: WritesConfig,
    /// What is declared. Somebody else follows it.
    pub catalog: Arc<Catalog>,
    /// Until when a statement is waited for.
    pub clock: SharedClock,
    /// The thread that reads answers.
    pub spawn: SharedSpawn,
}

impl fmt::Debug for TableWritesParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableWritesParts").finish_non_exhaustive()
    }
}

/// Takes statements that write.
#[derive(Debug)]
pub struct TableWrites {
    parts: TableWritesParts,
    compiler: Compiler,
    names: Topics,
    mail: Arc<Mail>,
    /// Applications whose answers are read.
    apps: Mutex<BTreeMap<AppId, Arc<AppTopics>>>,
}

impl TableWrites {
    /// Opens the door. Its thread is called `answers`.
    ///
    /// # Errors
    /// When a client of Kafka, or a thread, cannot be made.
    pub fn open(parts: TableWritesParts) -> Result<Arc<Self>, TablesError> {
        Ok(Arc::new(Self {
            compiler: Compiler::open().map_err(TablesError::Compiler)?,
            names: Topics::new(&parts.config.kafka)?,
            mail: Mail::open(&parts.config, &parts.spawn)?,
            apps: Mutex::default(),
            parts,
        }))
    }

    /// Writes, and answers as one machine does when it is durable; `None` if the text asks.
    ///
    /// # Errors
    /// What is wrong with the statement; why it was not written; that nobody knows.
    ///
    /// # Cancel safety
    /// A call that is dropped may still be written.
    pub async fn write(
        self: &Arc<Self>,
        question: &Question,
    ) -> Result<Option<Answered>, QueryError> {
        let mut reading = Reading::Quick;
        loop {
            let defs = self.parts.catalog.definitions();
            let text = WriteText {
                tenant: question.tenant,
                sql: &question.sql,
                rights: question.rights,
                now: self.parts.clock.now(),
                reading,
            };
            let Some(write) = self.compiler.compile(&defs, text)? else {
                return Ok(None);
            };
            let answer = self.hand_in(question, (&write, reading), &defs);
            match answer.await? {
                Answer::Written(outcomes, offsets) => {
                    let batch = write.answer(&outcomes)?;
                    return Ok(Some(Answered {
                        schema: batch.schema(),
                        rows: Box::pin(futures::stream::iter([Ok(batch)])),
                        position: Reached::Offsets(offsets),
                    }));
                }
                // Compiled as it is written, it says where the mistake is.
                Answer::Refused(refusal) if refusal.is_unplaced && reading == Reading::Quick => {
                    reading = Reading::Whole;
                }
                Answer::Refused(refusal) => return Err(raised(*refusal)),
            }
        }
    }

    /// Hands a statement to its owner, and waits for its answer.
    async fn hand_in(
        self: &Arc<Self>,
        question: &Question,
        (write, reading): (&CompiledWrite, Reading),
        defs: &Definitions,
    ) -> Result<Answer, QueryError> {
        let app = AppId {
            tenant: question.tenant,
            name: write.app().clone(),
        };
        let topics = self.topics(&app).await.map_err(engine)?;
        let config = &self.parts.config;
        let limit = question.time_max.unwrap_or(config.answer_max);
        let limit = limit.min(config.answer_max);
        let now = u64::try_from(self.parts.clock.now().millis()).unwrap_or(0);
        let span = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let sent = Sent {
            tenant: question.tenant,
            definitions: defs.seq,
            until: now.saturating_add(span),
            reading,
            request: question.request.as_deref(),
            sql: &question.sql,
        };
        let waiting = self.mail.send(&topics.writes.name, &sent)?;
        match tokio::time::timeout(limit + GRACE, waiting.answer()).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(engine(error)),
            Err(_late) => Err(engine(TablesError::Unanswered {
                app: app.name,
                limit,
            })),
        }
    }

    /// The topics of an application, whose answers are read from now on.
    async fn topics(self: &Arc<Self>, app: &AppId) -> Result<Arc<AppTopics>, TablesError> {
        if let Some(topics) = self.apps.lock().get(app) {
            return Ok(Arc::clone(topics));
        }
        let (own, app) = (Arc::clone(self), app.clone());
        let opened = tokio::task::spawn_blocking(move || own.open_topics(&app)).await;
        // A panic in there is told like what cannot be reached.
        opened.unwrap_or_else(|error| {
            Err(TablesError::Cluster(ClusterError::Refused {
                doing: "open topics of",
                topic: "writes".to_owned(),
                source: Box::new(error),
            }))
        })
    }

    fn open_topics(&self, app: &AppId) -> Result<Arc<AppTopics>, TablesError> {
        let topics = Arc::new(AppTopics::of(&self.parts.config.kafka, app));
        self.names.ensure(&topics.writes, None)?;
        self.names.ensure(&topics.answers, None)?;
        let mut apps = self.apps.lock();
        if let Some(topics) = apps.get(app) {
            return Ok(Arc::clone(topics));
        }
        self.mail.listen(&topics.answers.name)?;
        apps.insert(app.clone(), Arc::clone(&topics));
        Ok(topics)
    }

    /// Ends its thread; whoever waits is told.
    pub fn close(&self) {
        self.mail.close();
    }
}

/// An error of ours, for whoever asked.
fn engine(error: impl Fault + Send + Sync + 'static) -> QueryError {
    let fault: SharedFault = Arc::new(error);
    QueryError::Engine(fault)
}

/// The refusal as where it was decided.
fn raised(refusal: Refusal) -> QueryError {
    refusal.error().unwrap_or_else(|reason| {
        tracing::warn!(reason, "a newer node has refused a write");
        engine(TablesError::Record {
            topic: "answers".to_owned(),
            offset: 0,
            reason,
        })
    })
}
