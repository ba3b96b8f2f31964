//! `Batch`: statements that are decided together: what is known of each before, which are to be
//! decided, and what became of them. It never writes to Kafka.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use mainstem_kernel::{Fault, Seq, StreamId, Timestamp};
use mainstem_sql::{CompiledWrite, Rights, WriteText};
use mainstem_table::{Changed, Outcome, Transaction, WriteError};

use super::{
    TablesError,
    answer::Refusal,
    owner::Owner,
    requests::{Known, key_of},
    state::State,
    statement::Statement,
};
use crate::kafka::Message;

/// How long definitions are waited for that the door knows already, and how often they are looked at.
const DEFINITIONS_MAX: Duration = Duration::from_secs(3);
const DEFINITIONS_PAUSE: Duration = Duration::from_millis(20);

/// Statements that are decided together.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    jobs: VecDeque<Job>,
}

/// A statement, and what becomes of it.
#[derive(Debug)]
pub(super) struct Item {
    /// None if the record is no statement: it is left out.
    pub(super) statement: Option<Statement>,
    /// The tables that it writes to.
    pub(super) tables: Vec<StreamId>,
    pub(super) fate: Fate,
}

/// What becomes of a statement.
#[derive(Debug)]
pub(super) enum Fate {
    /// It is to be decided.
    Open,
    /// It was answered before.
    Answered(Vec<u8>),
    Refused(Box<Refusal>),
    Written(Vec<Outcome>),
}

/// A statement that is to be decided.
#[derive(Debug)]
struct Job {
    /// Its number in the batch.
    item: usize,
    write: CompiledWrite,
}

impl AsRef<Transaction> for Job {
    fn as_ref(&self) -> &Transaction {
        self.write.transaction()
    }
}

impl Item {
    /// With what is known of it before it is decided.
    fn known(statement: Option<Statement>, fate: Fate) -> Self {
        Self {
            statement,
            tables: Vec::new(),
            fate,
        }
    }
}

impl Batch {
    /// Reads statements. It ends before an Idempotency-Key that is in the batch already: its answer
    /// is known once the batch is committed.
    pub(super) fn read(
        owner: &Owner,
        state: &mut State,
        messages: &[Message],
    ) -> Result<Self, TablesError> {
        let mut batch = Self {
            items: Vec::with_capacity(messages.len()),
            jobs: VecDeque::with_capacity(messages.len()),
        };
        for message in messages {
            let read = Statement::read(|name| message.header(name), message.value.as_deref());
            let statement = match read {
                Ok(statement) => statement,
                Err(reason) => {
                    let (topic, offset) = (&message.place.topic, message.offset.0);
                    tracing::warn!(%topic, offset, reason, "left out what is no statement");
                    batch.items.push(Item::known(None, Fate::Open));
                    continue;
                }
            };
            if batch.has_request(&statement) {
                break;
            }
            batch.judge(owner, state, statement)?;
        }
        Ok(batch)
    }

    /// Statements that are refused before they are looked at.
    pub(super) fn refused(messages: &[Message], error: &dyn Fault) -> Self {
        let items = messages.iter().map(|message| {
            let read = Statement::read(|name| message.header(name), message.value.as_deref());
            Item::known(read.ok(), Fate::Refused(Box::new(Refusal::of(error))))
        });
        Self {
            items: items.collect(),
            jobs: VecDeque::new(),
        }
    }

    fn has_request(&self, statement: &Statement) -> bool {
        let own = (statement.tenant, statement.request.as_deref());
        let others = self.items.iter().filter_map(|item| item.statement.as_ref());
        let mut others = others.map(|other| (other.tenant, other.request.as_deref()));
        own.1.is_some() && others.any(|other| other == own)
    }

    /// Finds out what is known of a statement.
    fn judge(
        &mut self,
        owner: &Owner,
        state: &mut State,
        statement: Statement,
    ) -> Result<(), TablesError> {
        let fate = match early_fate(owner, state, &statement)? {
            Some(fate) => fate,
            None => match compiled(owner, state, &statement) {
                Err(refusal) => Fate::Refused(refusal),
                Ok(write) => {
                    let item = self.items.len();
                    self.items.push(Item {
                        tables: write.tables(),
                        ..Item::known(Some(statement), Fate::Open)
                    });
                    self.jobs.push_back(Job { item, write });
                    return Ok(());
                }
            },
        };
        self.items.push(Item::known(Some(statement), fate));
        Ok(())
    }

    /// Decides what is to be decided, as much as fits into a transaction; gives what changes. What
    /// does not fit is not in the batch any more.
    pub(super) fn decide(
        &mut self,
        state: &State,
        (now, at): (Timestamp, Seq),
    ) -> Result<Vec<Changed>, TablesError> {
        let rows = state.tables.pointer().as_ref().clone();
        let mut batch = state.decider.decide(rows, now, &mut self.jobs);
        let changed = batch.changed(at)?;
        for (job, decided) in batch.decided.drain(..) {
            if let Some(item) = self.items.get_mut(job.item) {
                item.fate = fate(&job.write, decided);
            }
        }
        if let Some(first) = self.jobs.front() {
            self.items.truncate(first.item);
        }
        Ok(changed)
    }
}

/// What is known of a statement without reading it.
fn early_fate(
    owner: &Owner,
    state: &mut State,
    statement: &Statement,
) -> Result<Option<Fate>, TablesError> {
    let refused = |error: &TablesError| Some(Fate::Refused(Box::new(Refusal::of(error))));
    if let Some(request) = &statement.request {
        let key = key_of(statement.tenant, request);
        match state.requests.known(&key, &statement.sql) {
            Known::No => {}
            Known::Answered(answer) => return Ok(Some(Fate::Answered(answer.to_vec()))),
            Known::OtherText => return Ok(refused(&TablesError::OtherText)),
        }
    }
    let now = u64::try_from(owner.parts.clock.now().millis()).unwrap_or(0);
    if now > statement.until {
        let late = Duration::from_millis(now - statement.until);
        return Ok(refused(&TablesError::TooLate { late }));
    }
    let size = state.tables.overlay_size();
    let limit = owner.parts.config.rows_size_max;
    if size > limit {
        let app = owner.app.name.clone();
        return Ok(refused(&TablesError::Full { app, size, limit }));
    }
    let known = wait_for_definitions(owner, state, statement.definitions)?;
    if known < statement.definitions {
        let needed = statement.definitions;
        return Ok(refused(&TablesError::Undefined { known, needed }));
    }
    Ok(None)
}

/// Waits for definitions that the door has read already; how far they are known then.
fn wait_for_definitions(owner: &Owner, state: &mut State, needed: Seq) -> Result<Seq, TablesError> {
    let mut waited = Duration::ZERO;
    while state.defs.seq < needed && waited < DEFINITIONS_MAX && !owner.is_stopped() {
        thread::sleep(DEFINITIONS_PAUSE);
        waited += DEFINITIONS_PAUSE;
        state.follow(owner.parts.catalog.definitions())?;
    }
    Ok(state.defs.seq)
}

fn compiled(
    owner: &Owner,
    state: &State,
    statement: &Statement,
) -> Result<CompiledWrite, Box<Refusal>> {
    let text = WriteText {
        tenant: statement.tenant,
        sql: &statement.sql,
        rights: Rights::Write,
        now: owner.parts.clock.now(),
        reading: statement.reading,
    };
    let broken = |reason: &str| {
        let error = TablesError::Record {
            topic: owner.app.name.to_string(),
            offset: 0,
            reason: reason.to_owned(),
        };
        Box::new(Refusal::of(&error))
    };
    // What a text does to itself must not harm others.
    let compile = AssertUnwindSafe(|| owner.compiler.compile(&state.defs, text));
    match catch_unwind(compile) {
        Ok(Ok(Some(write))) if *write.app() == owner.app.name => Ok(write),
        Ok(Ok(Some(_))) => Err(broken("its tables have moved to another application")),
        Ok(Ok(None)) => Err(broken("it asks")),
        Ok(Err(error)) => Err(Box::new(Refusal::of(&error))),
        Err(_panic) => Err(broken("the statement panicked")),
    }
}

/// What became of a statement that was decided.
fn fate(write: &CompiledWrite, decided: Result<Vec<Outcome>, WriteError>) -> Fate {
    match decided {
        Ok(outcomes) => Fate::Written(outcomes),
        Err(error) => {
            let is_refusal = matches!(error, WriteError::Refused(_));
            let mut refusal = Refusal::of(&error);
            refusal.is_unplaced = is_refusal && !write.is_placed();
            Fate::Refused(Box::new(refusal))
        }
    }
}
