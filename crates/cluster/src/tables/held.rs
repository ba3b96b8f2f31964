//! `Held`: the writes of one application, while this node owns them: batches of statements become
//! transactions of Kafka, one after the other.
//!
//! It never answers what is not committed, and keeps nothing in memory that was not.

mod sending;

use std::{collections::BTreeMap, time::Duration};

use mainstem_kernel::{Offset, Seq, fault::chain};
use mainstem_table::Changed;

use super::{
    TablesError,
    answer::Answer,
    batch::{Batch, Fate, Item},
    owner::Owner,
    requests::Remembered,
    state::State,
    statement::SEQ_HEADER,
    topics::AppTopics,
};
use crate::{
    ClusterError,
    kafka::{Ends, Failed, Group, Message, NewMessage, Output, Place},
};
use sending::{bytes, remember, send_answer, send_rows, written};

/// Statements of one transaction.
const BATCH_MAX: usize = 1_000;
/// Rows of one table that go in one transaction when their time is over.
const EXPIRED_MAX: usize = 10_000;
/// Answers that are forgotten in one transaction.
const FORGOTTEN_MAX: usize = 10_000;
/// What a dead owner has left open, the broker ends after as long.
const TRANSACTION_MAX: Duration = Duration::from_secs(10);

/// The writes of one application, while this node owns them.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) state: State,
    output: Output,
    answers: String,
    requests: String,
    /// So many of the next statements are decided one by one: one of them is too large.
    alone: usize,
    /// When rows were looked through last, by the monotonic clock.
    looked: Duration,
}

/// What a transaction has to say of requests.
type Requested = Vec<(Vec<u8>, Remembered)>;

/// Why statements are not decided yet: nothing of them is there.
enum Undone {
    /// They can be decided again at once.
    Again(ClusterError),
    /// Another owner has to, or this one from the start.
    Over(TablesError),
}

impl From<TablesError> for Undone {
    fn from(error: TablesError) -> Self {
        match error {
            TablesError::Cluster(error @ ClusterError::TooLarge { .. }) => Self::Again(error),
            error => Self::Over(error),
        }
    }
}

impl From<ClusterError> for Undone {
    fn from(error: ClusterError) -> Self {
        TablesError::from(error).into()
    }
}

impl From<Failed> for Undone {
    fn from(failed: Failed) -> Self {
        match failed {
            // Somebody has to mend it first, and sees it among what stands against the writes.
            Failed::Aborted(error @ ClusterError::Refused { .. }) => Self::Over(error.into()),
            Failed::Aborted(error) => Self::Again(error),
            Failed::Broken(error) => Self::Over(error.into()),
        }
    }
}

impl Held {
    /// Takes the writes over. From here on no earlier owner can commit; then everything that is
    /// committed is read.
    pub(super) fn open(owner: &Owner, topics: &AppTopics) -> Result<Self, TablesError> {
        let config = &owner.parts.config;
        let output = Output::open(&config.kafka, &topics.writes.name, TRANSACTION_MAX)?;
        let defs = owner.parts.catalog.definitions();
        let rows = (owner.parts.rows)(&owner.app);
        Ok(Self {
            state: State::open((config, &owner.app), defs, rows)?,
            output,
            answers: topics.answers.name.clone(),
            requests: topics.requests.name.clone(),
            alone: 0,
            looked: owner.parts.clock.monotonic(),
        })
    }

    /// Decides and answers statements, all of them, in as many transactions as they need.
    pub(super) fn serve(
        &mut self,
        owner: &Owner,
        group: &mut Group,
        mut messages: Vec<Message>,
    ) -> Result<(), TablesError> {
        let mut refusal: Option<ClusterError> = None;
        while !messages.is_empty() {
            let most = if self.alone > 0 { 1 } else { BATCH_MAX };
            let count = messages.len().min(most);
            let first = messages.get(..count).unwrap_or_default();
            match self.attempt(owner, group, (first, refusal.take())) {
                Ok(done) => {
                    messages.drain(..done.min(messages.len()));
                    self.alone = self.alone.saturating_sub(done);
                }
                Err(Undone::Again(error @ ClusterError::TooLarge { .. })) if count == 1 => {
                    refusal = Some(error);
                }
                Err(Undone::Again(ClusterError::TooLarge { .. })) => self.alone = count,
                Err(Undone::Again(error)) => {
                    let error = chain(&error);
                    tracing::warn!(app = %owner.app.name, error, "writes are decided again");
                    group.give_back(messages);
                    return Ok(());
                }
                Err(Undone::Over(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Decides the first of these statements, as many as fit, and commits what comes of them; how
    /// many those were.
    fn attempt(
        &mut self,
        owner: &Owner,
        group: &Group,
        (messages, refusal): (&[Message], Option<ClusterError>),
    ) -> Result<usize, Undone> {
        self.state.follow(owner.parts.catalog.definitions())?;
        let mut batch = match refusal {
            None => Batch::read(owner, &mut self.state, messages)?,
            Some(error) => Batch::refused(messages, &error),
        };
        let now = owner.parts.clock.now();
        let at = self.state.last.next(now);
        let changed = batch.decide(&self.state, (now, at))?;
        let done = batch.items.len();
        let Some(last) = done.checked_sub(1).and_then(|last| messages.get(last)) else {
            return Ok(0);
        };
        let next = BTreeMap::from([(last.place.clone(), last.next())]);
        let (ends, requested) = self.write((&batch.items, &changed), at, (group, &next))?;
        self.state.reach(&ends);
        self.state.advance(changed)?;
        for (key, remembered) in requested {
            self.state.last = self.state.last.max(remembered.at);
            self.state.requests.remember(key, remembered);
        }
        owner.count(done);
        Ok(done)
    }

    /// One transaction: rows, answers, remembered answers, and the offset behind the statements.
    fn write(
        &mut self,
        (items, changed): (&[Item], &[Changed]),
        at: Seq,
        (group, next): (&Group, &BTreeMap<Place, Offset>),
    ) -> Result<(Ends, Requested), Undone> {
        let mut transaction = self.output.begin()?;
        send_rows(&mut transaction, &self.state, (changed, at))?;
        // Answers say where the rows are, so these come first.
        let ends = transaction.written()?;
        let mut requested = Vec::new();
        for item in items {
            let Some(statement) = &item.statement else {
                continue;
            };
            let answer = match &item.fate {
                Fate::Open => continue,
                Fate::Answered(answer) => answer.clone(),
                Fate::Refused(refusal) => bytes(&Answer::Refused(refusal.clone()))?,
                Fate::Written(outcomes) => {
                    let answer = written(&self.state, item, (outcomes, &ends))?;
                    requested.extend(remember(statement, at, &answer));
                    answer
                }
            };
            send_answer(&mut transaction, &self.answers, (statement, &answer))?;
        }
        let when = at.0.to_string();
        for (key, remembered) in &requested {
            transaction.send(&NewMessage {
                topic: &self.requests,
                partition: Some(0),
                key: Some(key),
                value: Some(&remembered.write()),
                headers: &[(SEQ_HEADER, when.as_bytes())],
            })?;
        }
        let ends = transaction.commit_read(group, next)?;
        Ok((ends, requested))
    }

    /// Lets rows go that have outlived their time, and forgets answers of yesterday.
    pub(super) fn look(&mut self, owner: &Owner) -> Result<(), TablesError> {
        let clock = &owner.parts.clock;
        let config = &owner.parts.config;
        if clock.monotonic().saturating_sub(self.looked) < config.expire_interval {
            return Ok(());
        }
        self.looked = clock.monotonic();
        let at = self.state.last.next(clock.now());
        let expired = self.state.tables.expire(at, EXPIRED_MAX)?;
        let expired = expired.into_iter().map(|expired| expired.into_changed(at));
        let changed: Vec<Changed> = expired.filter(|gone| gone.rows.num_rows() > 0).collect();
        let kept = u64::try_from(config.kafka.request_keep.as_millis()).unwrap_or(u64::MAX);
        let end = Seq::from_millis(at.millis().saturating_sub(kept));
        let most = (config.kafka.requests_max, FORGOTTEN_MAX);
        let forgotten = self.state.requests.due(end, most.0, most.1);
        if changed.is_empty() && forgotten.is_empty() {
            return Ok(());
        }
        let mut transaction = self.output.begin()?;
        send_rows(&mut transaction, &self.state, (&changed, at))?;
        for key in &forgotten {
            transaction.send(&NewMessage {
                topic: &self.requests,
                partition: Some(0),
                key: Some(key),
                value: None,
                headers: &[],
            })?;
        }
        match transaction.commit() {
            Ok(ends) => self.state.reach(&ends),
            // Looked at again the next time.
            Err(Failed::Aborted(error)) => {
                tracing::warn!(app = %owner.app.name, error = chain(&error), "rows go later");
                return Ok(());
            }
            Err(Failed::Broken(error)) => return Err(error.into()),
        }
        self.state.advance(changed)?;
        for key in &forgotten {
            self.state.requests.forget(key);
        }
        Ok(())
    }
}
