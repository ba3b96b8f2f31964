//! Members of a group share partitions, die, and are held up: what they make of each record is
//! there once.

use std::{collections::BTreeMap, time::Duration};

use mainstem_kernel::{Clock as _, Offset, Offsets, StreamId, clock::SystemClock};

use super::{append, brokers, draft, readings, values, writer};
use crate::{
    ClusterError,
    kafka::{
        Fetched, Group, GroupSpec, KafkaConfig, Message, NewMessage, Output, Place, Topics,
        fixture::Process, topic::Wanted, transaction::Failed,
    },
};

const PARTITIONS: u16 = 4;
const SESSION: Duration = Duration::from_secs(3);
const TRANSACTION: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_millis(100);
const DEADLINE: Duration = Duration::from_secs(60);
/// The test that such a process runs: it copies.
const MEMBER: &str = "kafka::contract::share::member_process";
/// Tells a process of this test what it is.
const CHILD: &str = "MAINSTEM_TEST_MEMBER";

/// Copies the stream's topic to another.
struct Member {
    config: KafkaConfig,
    name: String,
    group: Group,
    output: Output,
    copied: usize,
}

fn source(config: &KafkaConfig) -> String {
    format!("{}-16-readings", config.topic_prefix)
}

/// The stream that the copy is.
const COPY: StreamId = StreamId(17);

fn copy(config: &KafkaConfig) -> String {
    format!("{}-{}-copy", config.topic_prefix, COPY.0)
}

fn topics(config: &KafkaConfig) {
    let topics = Topics::new(config).unwrap();
    topics.of_stream(&readings(PARTITIONS)).unwrap();
    let wanted = Wanted {
        name: copy(config),
        ..Wanted::of(&readings(PARTITIONS), config)
    };
    topics.ensure(&wanted, None).unwrap();
}

impl Member {
    fn join(config: &KafkaConfig, name: &str) -> Self {
        let spec = GroupSpec {
            name: format!("{}-copying", config.topic_prefix),
            topics: vec![source(config)],
            session_max: SESSION,
        };
        let name = format!("{}-{name}", config.topic_prefix);
        Self {
            group: Group::join(config, spec, &name).unwrap(),
            output: Output::open(config, &name, TRANSACTION).unwrap(),
            config: config.clone(),
            name,
            copied: 0,
        }
    }

    /// Copies what there is. Whether it was committed; true if there was nothing.
    fn turn(&mut self, messages_max: usize) -> Result<bool, ClusterError> {
        let fetched = self.group.fetch(messages_max, PATIENCE)?;
        self.write(fetched)
    }

    fn write(&mut self, fetched: Fetched) -> Result<bool, ClusterError> {
        let mut next: BTreeMap<Place, Offset> = BTreeMap::new();
        if fetched.messages.is_empty() {
            return Ok(true);
        }
        let topic = copy(&self.config);
        let mut transaction = self.output.begin()?;
        for message in &fetched.messages {
            transaction.send(&record(&topic, message))?;
            next.insert(message.place.clone(), message.next());
        }
        match transaction.commit_read(&self.group, &next) {
            Ok(ends) => {
                assert!(!ends.is_empty(), "what was written ends somewhere");
                self.copied += fetched.messages.len();
                Ok(true)
            }
            Err(Failed::Aborted(error)) => {
                println!("{} aborted: {error}", self.name);
                self.group.give_back(fetched.messages);
                Ok(false)
            }
            Err(Failed::Broken(error)) => Err(error),
        }
    }

    fn owned(&self) -> usize {
        self.group.owned().len()
    }
}

fn record<'a>(topic: &'a str, message: &'a Message) -> NewMessage<'a> {
    NewMessage {
        topic,
        partition: Some(message.place.partition.0),
        key: message.key.as_deref(),
        value: message.value.as_deref(),
        headers: &[],
    }
}

fn send(config: &KafkaConfig, from: i64, to: i64) {
    let writer = writer(config, readings(PARTITIONS));
    let devices: Vec<String> = (0..16).map(|device| format!("device-{device}")).collect();
    let row = |n: i64| (devices[usize::try_from(n % 16).unwrap()].as_str(), n);
    let rows: Vec<(&str, i64)> = (from..to).map(row).collect();
    append(&writer, draft(&rows, PARTITIONS, None)).unwrap();
}

/// Each row of the source is in the copy, once, in its partition's order.
fn assert_copied(config: &KafkaConfig) {
    let sent = super::rows(config, &Offsets::default());
    let mut found = Vec::new();
    // What a dead member left open hides what comes behind it, until the broker ends it.
    until("all is visible", || {
        found = super::rows_of(config, COPY, &Offsets::default());
        found.len() >= sent.len()
    });
    for partition in 0..PARTITIONS {
        let of = |rows: &[crate::kafka::Row]| {
            let own = rows.iter().filter(|row| row.partition.0 == partition);
            values(&own.cloned().collect::<Vec<_>>())
        };
        assert_eq!(of(&found), of(&sent), "partition {partition}");
    }
    assert!(!sent.is_empty());
}

/// Goes on until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = SystemClock.monotonic();
    while !is_so() {
        let waited = SystemClock.monotonic().saturating_sub(start);
        assert!(waited < DEADLINE, "not within {DEADLINE:?}: {what}");
    }
}

#[test]
fn members_share_partitions_and_copy_each_row_once() {
    let Some(config) = brokers("share") else {
        return;
    };
    topics(&config);
    send(&config, 0, 1_000);
    let mut one = Member::join(&config, "one");
    until("one has all partitions", || {
        one.turn(50).unwrap();
        one.owned() == usize::from(PARTITIONS)
    });
    let mut other = Member::join(&config, "other");
    until("they share", || {
        one.turn(50).unwrap();
        other.turn(50).unwrap();
        one.owned() == 2 && other.owned() == 2
    });
    send(&config, 1_000, 2_000);
    until("both have copied all", || {
        one.turn(50).unwrap();
        other.turn(50).unwrap();
        one.copied + other.copied == 2_000
    });
    assert!(other.copied > 0, "the second one works, too");
    drop(other);
    send(&config, 2_000, 2_100);
    until("one has the other's part", || {
        one.turn(50).unwrap();
        one.owned() == usize::from(PARTITIONS)
    });
    until("all is copied", || {
        one.turn(50).unwrap();
        one.group.owned().values().map(|next| next.0).sum::<u64>() == 2_100
    });
    assert_copied(&config);
}

#[test]
fn what_is_dropped_before_its_commit_is_not_there() {
    let Some(config) = brokers("dropped") else {
        return;
    };
    topics(&config);
    send(&config, 0, 100);
    let mut member = Member::join(&config, "one");
    let topic = copy(&config);
    let mut fetched = Fetched::default();
    until("there are rows", || {
        fetched = member.group.fetch(1_000, PATIENCE).unwrap();
        !fetched.messages.is_empty()
    });
    let mut transaction = member.output.begin().unwrap();
    for message in &fetched.messages {
        transaction.send(&record(&topic, message)).unwrap();
    }
    drop(transaction);
    member.group.give_back(fetched.messages);
    until("all is copied", || {
        member.turn(1_000).unwrap();
        member.copied == 100
    });
    assert_copied(&config);
}

#[test]
fn a_name_that_is_opened_again_fences_who_had_it() {
    let Some(config) = brokers("fenced") else {
        return;
    };
    topics(&config);
    let topic = copy(&config);
    let name = format!("{}-owner", config.topic_prefix);
    let write = |output: &mut Output, value: &str| -> Result<_, ClusterError> {
        let mut transaction = output.begin()?;
        transaction.send(&NewMessage {
            topic: &topic,
            partition: Some(1),
            key: None,
            value: Some(value.as_bytes()),
            headers: &[],
        })?;
        Ok(transaction.commit()?)
    };
    let mut old = Output::open(&config, &name, TRANSACTION).unwrap();
    let ends = write(&mut old, "1").unwrap();
    let place = Place::new(&topic, 1);
    assert_eq!(ends, BTreeMap::from([(place, Offset(1))]));
    // One more is left open.
    let mut left = old.begin().unwrap();
    left.send(&NewMessage {
        topic: &topic,
        partition: Some(1),
        key: None,
        value: Some(b"open"),
        headers: &[],
    })
    .unwrap();
    let mut new = Output::open(&config, &name, TRANSACTION).unwrap();
    write(&mut new, "2").unwrap();
    let refused = left.commit().unwrap_err();
    assert!(
        matches!(refused, Failed::Broken(ClusterError::Superseded { .. })),
        "{refused:?}"
    );
    write(&mut old, "3").unwrap_err();
    write(&mut new, "4").unwrap();
    let found = super::rows_of(&config, COPY, &Offsets::default());
    assert_eq!(values(&found), ["1", "2", "4"]);
}

/// What the processes of `a_member_that_…` run: copies until it is killed.
#[test]
#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
fn member_process() {
    let Ok(prefix) = std::env::var(CHILD) else {
        return;
    };
    let Some(config) = brokers("member") else {
        return;
    };
    let config = KafkaConfig {
        topic_prefix: prefix,
        ..config
    };
    for number in 0.. {
        let mut member = Member::join(&config, &format!("child-{number}"));
        loop {
            if let Err(error) = member.turn(10) {
                println!("child begins anew: {error}");
                break;
            }
        }
    }
}

/// A process copies alone; something happens to it on the way; another goes on.
fn taken_over(test: &str, happens: impl Fn(&Process), after: impl Fn(&Process, &mut Member)) {
    let Some(config) = brokers(test) else {
        return;
    };
    topics(&config);
    send(&config, 0, 4_000);
    let process = Process::start(MEMBER, (CHILD, &config.topic_prefix));
    until("some is copied", || {
        super::rows_of(&config, COPY, &Offsets::default()).len() > 500
    });
    happens(&process);
    let start = SystemClock.monotonic();
    let mut member = Member::join(&config, "heir");
    until("the partitions have moved", || {
        member.turn(50).unwrap();
        member.owned() == usize::from(PARTITIONS)
    });
    let moved = SystemClock.monotonic().saturating_sub(start);
    println!("{test}: partitions moved within {moved:?}");
    after(&process, &mut member);
    drop(process);
    send(&config, 4_000, 4_100);
    until("all is copied", || {
        member.turn(50).unwrap();
        let next = member.group.owned().values().map(|next| next.0);
        next.sum::<u64>() == 4_100 && member.owned() == usize::from(PARTITIONS)
    });
    assert!(member.copied > 0);
    assert_copied(&config);
}

#[test]
fn a_member_that_is_killed_loses_nothing_and_repeats_nothing() {
    taken_over("killed", |process| process.signal("-9"), |_, _| {});
}

#[test]
fn a_member_that_was_held_up_is_refused_what_it_had_begun() {
    taken_over(
        "zombie",
        |process| process.signal("-STOP"),
        |process, member| {
            process.signal("-CONT");
            // It comes back, is refused, begins anew, and shares again.
            until("both work", || {
                member.turn(50).unwrap();
                member.owned() == usize::from(PARTITIONS) / 2
            });
        },
    );
}
