//! The promises of `Writer`, `Reader` and `Control`, tried on real brokers.
//!
//! The brokers are those of `MAINSTEM_KAFKA` (`host:port,…`; `cargo xtask cluster up` starts some).
//! With three of them every topic has three replicas. Without the variable each promise says that
//! it was skipped. Every test has topics of its own, which it leaves behind.

#![cfg(feature = "engines")]

mod death;
mod door;
mod rights;
mod share;

use std::{
    collections::BTreeMap,
    sync::{Arc, Barrier, mpsc},
    thread,
    time::Duration,
};

use mainstem_catalog::StreamDef;
use mainstem_kernel::{
    ByteSize, Fault as _, Offset, Offsets, PartitionId, ProducerId, Reached, StreamId,
    clock::SystemClock, key::partition_of,
};
use mainstem_log::{Append, Draft, Earlier, Intake, Refusal, Stamp};
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    config::FromClientConfigAndContext,
};

use super::{
    Control, KafkaConfig, Reader, Row, Writer,
    client::{Words, settings, wait},
    fixture::{draft, readings},
    topic::prefix_of,
};
use crate::ClusterError;

const PATIENCE: Duration = Duration::from_millis(200);

/// The brokers, with a prefix that no other test has; `None` if there are no brokers.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
fn brokers(test: &str) -> Option<KafkaConfig> {
    let Ok(brokers) = std::env::var("MAINSTEM_KAFKA") else {
        println!("SKIPPED {test}: MAINSTEM_KAFKA names no brokers (cargo xtask cluster up)");
        return None;
    };
    let brokers: Vec<String> = brokers.split(',').map(str::to_owned).collect();
    let is_large = brokers.len() >= 3;
    Some(KafkaConfig {
        brokers,
        topic_prefix: format!("test-{test}-{}", uuid::Uuid::new_v4().simple()),
        replicas: if is_large { 3 } else { 1 },
        in_sync_min: if is_large { 2 } else { 1 },
        connect_max: Duration::from_secs(5),
        acknowledge_max: Duration::from_secs(10),
        queue_size_max: ByteSize::mib(64),
        requests_max: 1_000,
        request_keep: Duration::from_secs(3_600),
    })
}

fn writer(config: &KafkaConfig, stream: StreamDef) -> Writer {
    let stream = Arc::new(stream);
    let find = move |id: StreamId| (id == stream.id).then(|| Arc::clone(&stream));
    Writer::open(config, Arc::new(find), Arc::new(SystemClock)).unwrap()
}

fn append(writer: &Writer, draft: Draft) -> Result<Offsets, Refusal> {
    let (tx, rx) = mpsc::sync_channel(1);
    let frames = vec![draft];
    let done = move |outcome| tx.send(outcome).unwrap();
    writer.append(Append { frames }, Box::new(done));
    match rx.recv().unwrap()? {
        Reached::Offsets(offsets) => Ok(offsets),
        Reached::Seq(_) => panic!("there are no seqs at scale"),
    }
}

/// The code of what was refused, and its words.
fn told(outcome: Result<Offsets, Refusal>) -> (&'static str, String) {
    match outcome {
        Err(Refusal::Fault(fault)) => (fault.answer().code.as_str(), fault.to_string()),
        other => panic!("expected a fault: {other:?}"),
    }
}

fn repeated(outcome: Result<Offsets, Refusal>) -> Vec<Earlier> {
    match outcome {
        Err(Refusal::Repeated(list)) => list,
        other => panic!("expected a repetition: {other:?}"),
    }
}

/// All rows behind `from`.
fn rows(config: &KafkaConfig, from: &Offsets) -> Vec<Row> {
    rows_of(config, StreamId(16), from)
}

fn rows_of(config: &KafkaConfig, stream: StreamId, from: &Offsets) -> Vec<Row> {
    let admin = AdminClient::from_config_and_context(&settings(config), Words).unwrap();
    let metadata = admin
        .inner()
        .fetch_metadata(None, config.connect_max)
        .unwrap();
    let mut names = metadata.topics().iter().map(|topic| topic.name());
    let prefix = prefix_of(config, stream);
    let topic = names.find(|name| name.starts_with(&prefix)).unwrap();
    let mut reader = Reader::open(config, (stream, topic), from).unwrap();
    let mut rows = Vec::new();
    loop {
        let read = reader.read(1_000, PATIENCE).unwrap();
        rows.extend(read.rows);
        if read.is_end {
            return rows;
        }
    }
}

fn values(rows: &[Row]) -> Vec<String> {
    let text = |row: &Row| String::from_utf8(row.value.clone()).unwrap();
    rows.iter().map(text).collect()
}

/// How often each value is there.
fn counts(rows: &[Row]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for value in values(rows) {
        *counts.entry(value).or_default() += 1;
    }
    counts
}

fn request(producer: u64, check: u32) -> Option<Stamp> {
    Some(Stamp::Request {
        producer: ProducerId(producer),
        check,
        rejected: 1,
    })
}

#[test]
fn what_was_acknowledged_is_read_back() {
    let Some(config) = brokers("read-back") else {
        return;
    };
    let writer = writer(&config, readings(4));
    let sent = [("foobar", 1), ("21", 2), ("foobar", 3), ("abc", 4)];
    let written = append(&writer, draft(&sent, 4, request(7, 1))).unwrap();
    let found = rows(&config, &Offsets::default());
    assert_eq!(found.len(), 4);
    for row in &found {
        let key = row.key.as_deref().unwrap();
        assert_eq!(row.partition.0, partition_of(key, 4));
        assert!(row.at.millis() > 1_600_000_000_000, "the broker's time");
        let next = written.next(StreamId(16), row.partition);
        assert!(row.offset < next, "the answer covers every row");
        assert!(row.sender.is_some_and(|(who, _)| who == ProducerId(7)));
    }
    let of_foobar: Vec<String> = found
        .iter()
        .filter(|row| row.key.as_deref() == Some(b"foobar"))
        .map(|row| String::from_utf8(row.value.clone()).unwrap())
        .collect();
    let expected = [
        "{\"device\":\"foobar\",\"n\":1}",
        "{\"device\":\"foobar\",\"n\":3}",
    ];
    assert_eq!(of_foobar, expected);
}

#[test]
fn reading_goes_on_where_an_answer_was() {
    let Some(config) = brokers("go-on") else {
        return;
    };
    let writer = writer(&config, readings(4));
    let first = append(&writer, draft(&[("a", 1), ("b", 2), ("c", 3)], 4, None)).unwrap();
    assert_eq!(rows(&config, &first).len(), 0);
    append(&writer, draft(&[("a", 4)], 4, None)).unwrap();
    // As a client has it: text.
    let token: Offsets = first.to_string().parse().unwrap();
    let found = values(&rows(&config, &token));
    assert_eq!(found, ["{\"device\":\"a\",\"n\":4}"]);
    let mut beyond = Offsets::default();
    beyond.reach(StreamId(16), PartitionId(0), Offset(1_000));
    let topic = format!("{}-16-readings", config.topic_prefix);
    let gone = Reader::open(&config, (StreamId(16), &topic), &beyond).unwrap_err();
    assert_eq!(gone.answer().code.as_str(), "CLUS-010", "{gone}");
}

#[test]
fn senders_at_once_lose_nothing() {
    let Some(config) = brokers("senders") else {
        return;
    };
    let writer = writer(&config, readings(8));
    thread::scope(|scope| {
        for sender in 0..8_i64 {
            let writer = &writer;
            scope.spawn(move || {
                let device = format!("device-{sender}");
                for turn in 0..20 {
                    let first = turn * 50;
                    let sent: Vec<(&str, i64)> =
                        (first..first + 50).map(|n| (device.as_str(), n)).collect();
                    append(writer, draft(&sent, 8, None)).unwrap();
                }
            });
        }
    });
    let found = rows(&config, &Offsets::default());
    let counts = counts(&found);
    assert_eq!(counts.len(), 8 * 20 * 50);
    assert!(counts.values().all(|count| *count == 1), "none comes twice");
    let mut last: BTreeMap<&[u8], i64> = BTreeMap::new();
    for row in &found {
        let json: serde_json::Value = serde_json::from_slice(&row.value).unwrap();
        let n = json["n"].as_i64().unwrap();
        let key = row.key.as_deref().unwrap();
        let before = last.insert(key, n).unwrap_or(-1);
        assert_eq!(n, before + 1, "each sender's rows keep their order");
    }
}

#[test]
fn a_request_that_comes_again_is_written_once() {
    let Some(config) = brokers("again") else {
        return;
    };
    let writer = writer(&config, readings(4));
    let sent = [("a", 1), ("b", 2), ("c", 3)];
    let first = append(&writer, draft(&sent, 4, request(7, 1))).unwrap();
    let again = repeated(append(&writer, draft(&sent, 4, request(7, 1))));
    assert!(!again.is_empty());
    for earlier in again {
        assert_eq!(earlier.reached, Reached::Offsets(first.clone()));
        assert_eq!((earlier.rows, earlier.rejected), (3, 1));
    }
    let other = append(&writer, draft(&[("a", 9)], 4, request(7, 2)));
    assert!(matches!(other, Err(Refusal::Conflict)), "{other:?}");
    assert_eq!(rows(&config, &Offsets::default()).len(), 3);
}

#[test]
fn a_request_that_comes_twice_at_once_is_written_once() {
    let Some(config) = brokers("at-once") else {
        return;
    };
    let writer = writer(&config, readings(4));
    let barrier = Barrier::new(8);
    let kept: Vec<bool> = thread::scope(|scope| {
        let start = || {
            scope.spawn(|| {
                barrier.wait();
                let sent = draft(&[("a", 1), ("b", 2)], 4, request(7, 1));
                match append(&writer, sent) {
                    Ok(_) => true,
                    refused => repeated(refused).is_empty(),
                }
            })
        };
        let senders: Vec<_> = (0..8).map(|_| start()).collect();
        let kept = |sender: thread::ScopedJoinHandle<'_, bool>| sender.join().unwrap();
        senders.into_iter().map(kept).collect()
    });
    assert_eq!(kept.iter().filter(|kept| **kept).count(), 1);
    assert_eq!(rows(&config, &Offsets::default()).len(), 2);
}

#[test]
fn a_topic_that_others_made_is_judged_before_anything_is_written() {
    let Some(config) = brokers("judged") else {
        return;
    };
    let topic = format!("{}-16-readings", config.topic_prefix);
    let admin = AdminClient::from_config_and_context(&settings(&config), Words).unwrap();
    let new = NewTopic::new(&topic, 12, TopicReplication::Fixed(1));
    let made = wait(admin.create_topics([&new], &AdminOptions::new())).unwrap();
    made[0].as_ref().unwrap();
    let writer = writer(&config, readings(4));
    let (code, words) = told(append(&writer, draft(&[("a", 1)], 4, None)));
    assert_eq!(code, "CLUS-002", "{words}");
    assert_eq!(rows(&config, &Offsets::default()).len(), 0);
}

#[test]
fn a_stream_that_was_renamed_keeps_its_topic() {
    let Some(config) = brokers("renamed") else {
        return;
    };
    append(&writer(&config, readings(4)), draft(&[("a", 1)], 4, None)).unwrap();
    let mut renamed = readings(4);
    renamed.spec.name = mainstem_kernel::StreamName::new("measurements").unwrap();
    append(&writer(&config, renamed), draft(&[("a", 2)], 4, None)).unwrap();
    assert_eq!(rows(&config, &Offsets::default()).len(), 2);
}

#[test]
fn a_row_that_kafka_does_not_take_is_named() {
    let Some(config) = brokers("large") else {
        return;
    };
    let writer = writer(&config, readings(1));
    // Text that does not compress, from a seed.
    let mut state = 7_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        format!("{state:016x}")
    };
    let device: String = (0..300_000).map(next).collect();
    let (code, words) = told(append(&writer, draft(&[(&device, 1)], 1, None)));
    assert_eq!(code, "CLUS-011", "{words}");
    append(&writer, draft(&[("a", 2)], 1, None)).unwrap();
    assert_eq!(rows(&config, &Offsets::default()).len(), 1);
}

#[test]
fn a_broker_that_does_not_answer_is_named() {
    let Some(config) = brokers("nobody") else {
        return;
    };
    let config = KafkaConfig {
        brokers: vec!["127.0.0.1:1".to_owned()],
        connect_max: Duration::from_millis(500),
        ..config
    };
    let writer = writer(&config, readings(4));
    let (code, words) = told(append(&writer, draft(&[("a", 1)], 4, None)));
    assert_eq!(code, "CLUS-001", "{words}");
    assert!(words.contains("127.0.0.1:1"), "{words}");
    assert!(Control::open(&config).is_err());
}

#[test]
fn definitions_never_fork() {
    let Some(config) = brokers("fork") else {
        return;
    };
    let code = |outcome: Result<(), ClusterError>| match outcome {
        Ok(()) => "kept",
        Err(error) => error.answer().code.as_str(),
    };
    let (one, other) = (
        Control::open(&config).unwrap(),
        Control::open(&config).unwrap(),
    );
    assert_eq!(one.read().unwrap(), []);
    let turn = one.take_turn().unwrap();
    // The other one takes over while the first is held up.
    let taken = other.take_turn().unwrap();
    assert_eq!(code(turn.append(0, b"first")), "CLUS-007");
    assert_eq!(code(taken.append(0, b"second")), "kept");
    // Who has not read what the other one has appended, plans again.
    assert_eq!(
        code(one.take_turn().unwrap().append(0, b"third")),
        "CLUS-008"
    );
    let entries = one.read().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].number, entries[0].value.as_slice()),
        (0, &b"second"[..])
    );
    assert_eq!(code(one.take_turn().unwrap().append(1, b"fourth")), "kept");
    let numbers: Vec<u64> = other.read().unwrap().iter().map(|e| e.number).collect();
    assert_eq!(numbers, [0, 1]);
}
