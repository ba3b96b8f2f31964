//! `Requests`: statements that came with an Idempotency-Key and were written, with their answers.
//! Whoever sends one again gets its first answer. Pure.
//!
//! # Format
//!
//! A record of `P-APP-requests`: key = tenant, `/` and the Idempotency-Key; value = a check
//! of the text (murmur2 of Kafka, 8 hexadecimal digits, and its length), `\n`, the answer as `answer`
//! writes it; header `mainstem-seq` says when. No value once it is forgotten.

use std::collections::{BTreeMap, HashMap};

use mainstem_kernel::{Seq, TenantId, key::murmur2};

/// An answer that is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) at: Seq,
    check: String,
    pub(super) answer: Vec<u8>,
}

/// What is known of a statement's key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known<'a> {
    /// It is new.
    No,
    /// The same statement was answered so.
    Answered(&'a [u8]),
    /// It belongs to another statement.
    OtherText,
}

/// Statements that were written under a key.
#[derive(Debug, Default)]
pub(super) struct Requests {
    all: HashMap<Vec<u8>, Remembered>,
    /// By when they were written.
    by_age: BTreeMap<(Seq, Vec<u8>), ()>,
}

/// The key of a record.
pub(super) fn key_of(tenant: TenantId, request: &str) -> Vec<u8> {
    format!("{}/{request}", tenant.0).into_bytes()
}

fn check_of(sql: &str) -> String {
    format!("{:08x}-{}", murmur2(sql.as_bytes()), sql.len())
}

impl Remembered {
    pub(super) fn new(at: Seq, sql: &str, answer: Vec<u8>) -> Self {
        Self {
            at,
            check: check_of(sql),
            answer,
        }
    }

    /// As a record has it.
    pub(super) fn write(&self) -> Vec<u8> {
        [self.check.as_bytes(), b"\n", &self.answer].concat()
    }

    /// From a record.
    pub(super) fn read(at: Seq, value: &[u8]) -> Option<Self> {
        let end = value.iter().position(|byte| *byte == b'\n')?;
        let (check, answer) = value.split_at(end);
        Some(Self {
            at,
            check: std::str::from_utf8(check).ok()?.to_owned(),
            answer: answer.get(1..)?.to_vec(),
        })
    }
}

impl Requests {
    /// What is known of a key.
    pub(super) fn known(&self, key: &[u8], sql: &str) -> Known<'_> {
        match self.all.get(key) {
            None => Known::No,
            Some(known) if known.check == check_of(sql) => Known::Answered(&known.answer),
            Some(_) => Known::OtherText,
        }
    }

    pub(super) fn remember(&mut self, key: Vec<u8>, remembered: Remembered) {
        self.by_age.insert((remembered.at, key.clone()), ());
        if let Some(before) = self.all.insert(key.clone(), remembered) {
            let is_other = self.all.get(&key).is_some_and(|now| now.at != before.at);
            if is_other {
                self.by_age.remove(&(before.at, key));
            }
        }
    }

    pub(super) fn forget(&mut self, key: &[u8]) {
        if let Some(before) = self.all.remove(key) {
            self.by_age.remove(&(before.at, key.to_vec()));
        }
    }

    /// The oldest that were written before `end`, and the oldest of more than `kept_max`.
    pub(super) fn due(&self, end: Seq, kept_max: usize, most: usize) -> Vec<Vec<u8>> {
        let surplus = self.all.len().saturating_sub(kept_max);
        let oldest = self.by_age.keys().take(most).enumerate();
        let due = oldest.take_while(|(number, (at, _))| *at < end || *number < surplus);
        due.map(|(_, (_, key))| key.clone()).collect()
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Vec<u8> {
        key_of(TenantId::ONLY, name)
    }

    #[test]
    fn a_repetition_gets_the_first_answer_and_another_text_none() {
        let mut requests = Requests::default();
        assert_eq!(requests.known(&key("a"), "DELETE FROM t"), Known::No);
        let first = Remembered::new(Seq(5), "DELETE FROM t", b"answer".to_vec());
        let first = Remembered::read(Seq(5), &first.write()).unwrap();
        requests.remember(key("a"), first);
        assert_eq!(
            requests.known(&key("a"), "DELETE FROM t"),
            Known::Answered(b"answer")
        );
        assert_eq!(requests.known(&key("a"), "DELETE FROM s"), Known::OtherText);
        assert_eq!(requests.known(&key("b"), "DELETE FROM t"), Known::No);
    }

    #[test]
    fn the_old_and_the_surplus_go() {
        let mut requests = Requests::default();
        for at in 1..=5 {
            let name = format!("k{at}");
            requests.remember(key(&name), Remembered::new(Seq(at), "x", Vec::new()));
        }
        requests.remember(key("k1"), Remembered::new(Seq(9), "x", Vec::new()));
        assert_eq!(requests.due(Seq(4), 9, 9), [key("k2"), key("k3")]);
        assert_eq!(requests.due(Seq(4), 9, 1), [key("k2")]);
        assert_eq!(
            requests.due(Seq(0), 2, 9),
            [key("k2"), key("k3"), key("k4")]
        );
        requests.forget(&key("k2"));
        assert_eq!(requests.due(Seq(4), 9, 9), [key("k3")]);
        assert_eq!(requests.len(), 4);
    }
}
