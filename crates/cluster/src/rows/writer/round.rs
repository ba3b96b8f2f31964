//! One round of a row writer: fetch, write, set aside, commit.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use futures::future::join_all;
use mainstem_kernel::{Offset, fault::chain};

use super::{ASIDE, PATIENCE, Writing, letters::Letter};
use crate::{
    cassandra::{CassandraError, RowTable, Rows, Target},
    kafka::{Group, Message, Place},
    rows::{
        Relation, RowsError,
        decode::{Change, Part, decode},
    },
};

/// Records that are read at once.
const RECORDS_MAX: usize = 10_000;

/// Records of one relation.
struct Share {
    relation: Arc<Relation>,
    messages: Vec<Message>,
}

/// What became of a share that is written.
#[derive(Default)]
struct Written {
    rows: u64,
    letters: Vec<Letter>,
}

impl Writing {
    /// Fetches records, writes their rows, and commits what is written.
    ///
    /// # Errors
    /// `Kafka` when this member is of no use any more; others when rows have to wait: then their
    /// records come with the next fetch again.
    pub(super) fn write_next(&mut self, group: &mut Group) -> Result<(), RowsError> {
        let fetched = group.fetch(RECORDS_MAX, PATIENCE)?;
        if fetched.messages.is_empty() {
            return Ok(());
        }
        let shares = self.share(fetched.messages);
        let Some(results) = self.write_all(&shares) else {
            // It is to stop: the next owner writes them.
            return Ok(());
        };
        let (mut next, mut back, mut first) = (BTreeMap::new(), Vec::new(), None);
        for (share, result) in shares.into_iter().zip(results) {
            let settled = result.and_then(|written| self.set_aside(&share, written));
            match settled {
                Ok(()) => reach(&mut next, &share.messages),
                Err(error) => {
                    self.judge(&share.relation, &error);
                    back.extend(share.messages);
                    first = first.or(Some(error));
                }
            }
        }
        group.give_back(back);
        self.commit(group, &next);
        match first {
            Some(error) => Err(error),
            None => {
                self.writer.status.lock().problem = None;
                Ok(())
            }
        }
    }

    /// Records by relation. What was fetched of one that is not followed any more is left out, and
    /// not committed.
    fn share(&self, messages: Vec<Message>) -> Vec<Share> {
        let mut shares: HashMap<Arc<str>, Share> = HashMap::new();
        for message in messages {
            let topic = &message.place.topic;
            if !shares.contains_key(topic) {
                let id = self.subscribed.get(&**topic);
                let Some(relation) = id.and_then(|id| self.followed.relations.get(id)) else {
                    continue;
                };
                let share = Share {
                    relation: Arc::clone(relation),
                    messages: Vec::new(),
                };
                shares.insert(Arc::clone(topic), share);
            }
            if let Some(share) = shares.get_mut(&*message.place.topic) {
                share.messages.push(message);
            }
        }
        shares.into_values().collect()
    }

    /// Writes all of them at once; none if it is to stop.
    fn write_all(&mut self, shares: &[Share]) -> Option<Vec<Result<Written, RowsError>>> {
        let rows = Arc::clone(&self.parts.rows);
        let (targets, stop) = (&self.targets, &mut self.stop);
        let writes = shares.iter().map(|share| {
            let known = targets.get(&share.relation.id).cloned();
            write(&rows, share, known)
        });
        let all = async {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => None,
                all = join_all(writes) => Some(all),
            }
        };
        let all = self.parts.runtime.block_on(all)?;
        let mut results = Vec::with_capacity(all.len());
        for (share, (target, result)) in shares.iter().zip(all) {
            if let Some(target) = target {
                self.targets.insert(share.relation.id, target);
            }
            results.push(result);
        }
        Some(results)
    }

    /// Keeps what could not be kept where it can be found, then the share is done.
    fn set_aside(&self, share: &Share, written: Written) -> Result<(), RowsError> {
        let (written_rows, letters) = (written.rows, written.letters.len());
        if letters > 0 {
            self.keep(&share.relation, written.letters)?;
        }
        let mut status = self.writer.status.lock();
        status.records = status.records.saturating_add(count(share.messages.len()));
        status.rows = status.rows.saturating_add(written.rows);
        status.letters = status.letters.saturating_add(count(letters));
        self.parts.metrics.kept_rows.inc_by(written_rows);
        self.parts.metrics.kept_letters.inc_by(count(letters));
        Ok(())
    }

    /// A relation that waits for somebody keeps no other waiting.
    fn judge(&mut self, relation: &Relation, error: &RowsError) {
        // Its table may be another by now.
        self.targets.remove(&relation.id);
        if !error.passes() {
            let until = self.now() + ASIDE;
            self.aside.insert(relation.id, until);
            tracing::warn!(error = chain(error), "rows are set aside");
        }
    }

    /// Who has the partition now writes again what is not committed.
    fn commit(&self, group: &Group, next: &BTreeMap<Place, Offset>) {
        if next.is_empty() {
            return;
        }
        if let Err(error) = group.commit(next) {
            tracing::debug!(error = chain(&error), "a partition has moved");
        }
    }
}

/// The offsets behind records.
fn reach(next: &mut BTreeMap<Place, Offset>, messages: &[Message]) {
    for message in messages {
        let place = next.entry(message.place.clone()).or_insert(Offset(0));
        *place = (*place).max(message.next());
    }
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

type Met = (Option<Target>, Result<Written, RowsError>);

/// Writes the rows of a share. A table that is met the first time is made if it is not there.
async fn write(rows: &Rows, share: &Share, known: Option<Target>) -> Met {
    let relation = &share.relation;
    let lost = |source: CassandraError| RowsError::Cassandra {
        label: relation.label(),
        source,
    };
    let target = match known {
        Some(target) => target,
        None => {
            let made = match RowTable::of(&relation.table, rows.keyspace()) {
                Ok(table) => rows.create(table).await,
                Err(error) => Err(error),
            };
            match made {
                Ok(target) => target,
                Err(error) => return (None, Err(lost(error))),
            }
        }
    };
    let written = write_to(rows, &target, share).await;
    (Some(target), written)
}

async fn write_to(rows: &Rows, target: &Target, share: &Share) -> Result<Written, RowsError> {
    let relation = &share.relation;
    let changes: Vec<Change<'_>> = share.messages.iter().map(change).collect();
    let decoded = decode(relation, &changes).map_err(|error| RowsError::Broken {
        label: relation.label(),
        reason: error.to_string(),
    })?;
    let mut written = Written::default();
    let letter = |record: usize, reason: String| {
        let message = share.messages.get(record)?;
        Some(Letter::of(message, reason))
    };
    let refused = decoded.refused.into_iter();
    let refused = refused.filter_map(|(record, reason)| letter(record, reason));
    written.letters.extend(refused);
    for Part {
        rows: part,
        records,
    } in &decoded.parts
    {
        let misfits = rows.write(target, part).await;
        let misfits = misfits.map_err(|source| RowsError::Cassandra {
            label: relation.label(),
            source,
        })?;
        written.rows = written
            .rows
            .saturating_add(count(records.len() - misfits.len()));
        let misfits = misfits.into_iter();
        let letters = misfits.filter_map(|one| letter(*records.get(one.row)?, one.reason));
        written.letters.extend(letters);
    }
    Ok(written)
}

fn change(message: &Message) -> Change<'_> {
    Change {
        offset: message.offset.0,
        key: message.key.as_deref(),
        value: message.value.as_deref(),
    }
}
