//! Rows and answers as records of a transaction. It never begins one and never commits it.

use mainstem_kernel::Seq;
use mainstem_table::{Changed, Outcome};

use super::super::{
    TablesError,
    answer::Answer,
    batch::Item,
    requests::{Remembered, key_of},
    rows::records,
    state::State,
    statement::{SEQ_HEADER, STATEMENT_HEADER, Statement},
};
use crate::{
    ClusterError,
    kafka::{Ends, NewMessage, SCHEMA_HEADER, Transaction},
};

/// Adds changed rows to a transaction.
pub(super) fn send_rows(
    transaction: &mut Transaction<'_>,
    state: &State,
    (changed, at): (&[Changed], Seq),
) -> Result<(), TablesError> {
    let pointer = state.tables.pointer();
    let when = at.0.to_string();
    for changed in changed {
        let codec = pointer.codec(changed.table)?;
        let version = codec.table().version.0.to_string();
        let topic = state.topic(changed.table);
        let misfit = |reason: String| TablesError::Record {
            topic: codec.table().name.to_string(),
            offset: 0,
            reason,
        };
        let topic = topic.ok_or_else(|| misfit("it has no topic".to_owned()))?;
        let mut headers = vec![(SEQ_HEADER, when.as_bytes())];
        if version != "1" {
            headers.push((SCHEMA_HEADER, version.as_bytes()));
        }
        for record in records(codec, changed).map_err(misfit)? {
            transaction.send(&NewMessage {
                topic,
                partition: None,
                key: Some(&record.key),
                value: record.value.as_deref(),
                headers: &headers,
            })?;
        }
    }
    Ok(())
}

pub(super) fn send_answer(
    transaction: &mut Transaction<'_>,
    topic: &str,
    (statement, answer): (&Statement, &[u8]),
) -> Result<(), ClusterError> {
    let id = statement.id.text();
    transaction.send(&NewMessage {
        topic,
        partition: Some(statement.answers),
        key: None,
        value: Some(answer),
        headers: &[(STATEMENT_HEADER, id.as_bytes())],
    })
}

/// The answer of a statement that was written.
pub(super) fn written(
    state: &State,
    item: &Item,
    (outcomes, ends): (&[Outcome], &Ends),
) -> Result<Vec<u8>, TablesError> {
    let position = state.reached(&item.tables, ends);
    bytes(&Answer::Written(outcomes.to_vec(), position))
}

pub(super) fn bytes(answer: &Answer) -> Result<Vec<u8>, TablesError> {
    answer.write().map_err(|error| TablesError::Record {
        topic: "answers".to_owned(),
        offset: 0,
        reason: error.to_string(),
    })
}

/// What is remembered of a statement that came with a key.
pub(super) fn remember(
    statement: &Statement,
    at: Seq,
    answer: &[u8],
) -> Option<(Vec<u8>, Remembered)> {
    let request = statement.request.as_deref()?;
    let key = key_of(statement.tenant, request);
    Some((key, Remembered::new(at, &statement.sql, answer.to_vec())))
}
