//! Rights are taken away while we use them, and given back: each is named as missing, nothing of what was
//! refused is there, and all goes on by itself. Only with one broker, which judges rights;
//! `MAINSTEM_CLUSTER` names the program that takes and gives them (`cargo xtask cluster forbid`).

use std::{collections::BTreeMap, process::Command, thread, time::Duration};

use mainstem_kernel::{Clock as _, Fault as _, Offsets, StreamId, clock::SystemClock};

use super::{append, brokers, draft, readings, rows, told, values, writer};
use crate::{
    ClusterError,
    kafka::{
        Control, Group, GroupSpec, KafkaConfig, NewMessage, Output, Reader, Topics,
        topic::{Wanted, name_of},
        transaction::Failed,
    },
};

/// Rights are known to all parts of a broker after a moment.
const PAUSE: Duration = Duration::from_millis(200);
/// By then it goes on.
const GO_ON_MAX: Duration = Duration::from_secs(20);
/// No refusal takes longer than whoever waits for it has patience.
const REFUSAL_MAX: Duration = Duration::from_secs(12);
const TRANSACTION: Duration = Duration::from_secs(4);

/// The brokers, and who takes their rights away.
struct Rights {
    config: KafkaConfig,
    program: String,
}

impl Rights {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    fn of(test: &str) -> Option<Self> {
        let config = brokers(test)?;
        let program = std::env::var("MAINSTEM_CLUSTER").ok();
        let Some(program) = program.filter(|_| config.brokers.len() == 1) else {
            println!("SKIPPED {test}: one broker judges rights, and MAINSTEM_CLUSTER takes them");
            return None;
        };
        Some(Self { config, program })
    }

    fn ask(&self, words: &[&str]) {
        let mut command = Command::new(&self.program);
        let status = command.arg("cluster").args(words).status().unwrap();
        assert!(status.success(), "{words:?}");
        thread::sleep(PAUSE);
    }

    fn forbid(&self, right: &str) {
        self.ask(&["forbid", &self.config.topic_prefix, right]);
    }

    fn allow(&self) {
        self.ask(&["allow", &self.config.topic_prefix]);
    }
}

impl Drop for Rights {
    fn drop(&mut self) {
        // Also of a test that has failed: the topics stay, and nobody else has their prefix.
        let words = ["cluster", "allow", &self.config.topic_prefix];
        let done = Command::new(&self.program).args(words).status();
        assert!(done.is_ok_and(|status| status.success()) || thread::panicking());
    }
}

/// It is refused for missing rights, before anybody loses patience.
fn refused<T: std::fmt::Debug>(act: impl FnOnce() -> Result<T, ClusterError>) {
    let begin = SystemClock.monotonic();
    let error = act().unwrap_err();
    let took = SystemClock.monotonic().saturating_sub(begin);
    assert_eq!(error.answer().code.as_str(), "CLUS-006", "{error}");
    assert!(took < REFUSAL_MAX, "{took:?} until {error}");
}

/// The same of a member, which a slow machine may put out of its group: it tries again, as workers do.
fn refused_as_member<T: std::fmt::Debug>(act: impl Fn() -> Result<T, ClusterError>) {
    let begin = SystemClock.monotonic();
    loop {
        let error = act().unwrap_err();
        let waited = SystemClock.monotonic().saturating_sub(begin);
        if !matches!(error, ClusterError::Superseded { .. }) || waited > GO_ON_MAX {
            assert_eq!(error.answer().code.as_str(), "CLUS-006", "{error}");
            return;
        }
    }
}

/// It succeeds after a moment.
fn goes_on<T>(mut act: impl FnMut() -> Result<T, ClusterError>) -> T {
    let begin = SystemClock.monotonic();
    loop {
        match act() {
            Ok(done) => return done,
            Err(error) => {
                let waited = SystemClock.monotonic().saturating_sub(begin);
                assert!(waited < GO_ON_MAX, "{error}");
                thread::sleep(PAUSE);
            }
        }
    }
}

#[test]
fn a_door_that_may_not_write_says_so_and_goes_on_when_it_may() {
    let Some(rights) = Rights::of("may-not-write") else {
        return;
    };
    let config = &rights.config;
    let writer = writer(config, readings(4));
    append(&writer, draft(&[("a", 1)], 4, None)).unwrap();
    rights.forbid("topic:write");
    let (code, words) = told(append(&writer, draft(&[("a", 2)], 4, None)));
    assert_eq!(code, "CLUS-006", "{words}");
    assert!(words.contains("write to topic"), "{words}");
    rights.allow();
    goes_on(|| {
        let outcome = append(&writer, draft(&[("a", 3)], 4, None));
        outcome.map_err(|_refused| ClusterError::Fenced {
            topic: "readings".to_owned(),
        })
    });
    let mut found = values(&rows(config, &Offsets::default()));
    found.sort();
    // Of tries that were refused while rights came back nothing is there.
    let expected = [1, 3].map(|n| format!("{{\"device\":\"a\",\"n\":{n}}}"));
    assert_eq!(found, expected);
}

#[test]
fn definitions_are_not_changed_without_rights() {
    let Some(rights) = Rights::of("may-not-control") else {
        return;
    };
    let config = &rights.config;
    // Of all tests this one alone takes something away from all: there is a right on the cluster too.
    rights.forbid("topic:create");
    rights.ask(&["forbid", "*", "cluster:create"]);
    refused(|| Control::open(config));
    rights.allow();
    rights.ask(&["allow", "*"]);
    let control = goes_on(|| Control::open(config));
    rights.forbid("transactional-id:write");
    refused(|| control.take_turn());
    rights.allow();
    let turn = goes_on(|| control.take_turn());
    rights.forbid("topic:write");
    refused(|| turn.append(0, b"one"));
    rights.allow();
    assert_eq!(control.read().unwrap(), []);
    goes_on(|| control.take_turn()?.append(0, b"two"));
    let entries = control.read().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].value, b"two");
    rights.forbid("topic:read");
    refused(|| control.read());
    rights.allow();
    goes_on(|| control.read());
}

fn message<'a>(topic: &'a str, value: &'a [u8]) -> NewMessage<'a> {
    NewMessage {
        topic,
        partition: Some(0),
        key: None,
        value: Some(value),
        headers: &[],
    }
}

/// One transaction of one record.
fn write(output: &mut Output, topic: &str, value: &[u8]) -> Result<(), ClusterError> {
    let mut transaction = output.begin()?;
    transaction.send(&message(topic, value))?;
    Ok(transaction.commit().map(drop)?)
}

#[test]
fn a_transaction_without_rights_is_no_takeover() {
    let Some(rights) = Rights::of("may-not-commit") else {
        return;
    };
    let config = &rights.config;
    let topics = Topics::new(config).unwrap();
    topics.of_stream(&readings(4)).unwrap();
    let topic = name_of(config, StreamId(16), &readings(4).spec.name);
    let name = format!("{}-owner", config.topic_prefix);
    rights.forbid("transactional-id:write");
    refused(|| Output::open(config, &name, TRANSACTION));
    rights.allow();
    let mut output = goes_on(|| Output::open(config, &name, TRANSACTION));
    write(&mut output, &topic, b"{\"n\":1}").unwrap();
    rights.forbid("topic:write");
    refused(|| write(&mut output, &topic, b"{\"n\":2}"));
    rights.allow();
    let mut output = goes_on(|| Output::open(config, &name, TRANSACTION));
    write(&mut output, &topic, b"{\"n\":3}").unwrap();
    rights.forbid("transactional-id:write");
    refused(|| write(&mut output, &topic, b"{\"n\":4}"));
    rights.allow();
    let mut output = goes_on(|| Output::open(config, &name, TRANSACTION));
    // In the middle of it, when some records are there already.
    let mut transaction = output.begin().unwrap();
    transaction.send(&message(&topic, b"{\"n\":5}")).unwrap();
    transaction.written().unwrap();
    rights.forbid("topic:write");
    refused(|| {
        transaction.send(&message(&topic, b"{\"n\":6}"))?;
        transaction.written()
    });
    drop(transaction);
    rights.allow();
    let mut output = goes_on(|| Output::open(config, &name, TRANSACTION));
    write(&mut output, &topic, b"{\"n\":7}").unwrap();
    let found = values(&rows(config, &Offsets::default()));
    assert_eq!(found, ["{\"n\":1}", "{\"n\":3}", "{\"n\":7}"]);
}

#[test]
fn a_member_that_may_not_write_or_read_says_so_and_does_each_record_once() {
    let Some(rights) = Rights::of("may-not-share") else {
        return;
    };
    let config = &rights.config;
    let writer = writer(config, readings(1));
    append(&writer, draft(&[("a", 1)], 1, None)).unwrap();
    let source = name_of(config, StreamId(16), &readings(1).spec.name);
    let copy = format!("{}-17-copy", config.topic_prefix);
    let wanted = Wanted {
        name: copy.clone(),
        ..Wanted::of(&readings(1), config)
    };
    Topics::new(config).unwrap().ensure(&wanted, None).unwrap();
    let attempt = || -> Result<(), ClusterError> {
        let name = format!("{}-member", config.topic_prefix);
        let mut output = Output::open(config, &name, TRANSACTION)?;
        let spec = GroupSpec {
            name: format!("{}-copying", config.topic_prefix),
            topics: vec![source.clone()],
            session_max: Duration::from_secs(3),
        };
        let mut group = Group::join(config, spec, &name)?;
        let begin = SystemClock.monotonic();
        while SystemClock.monotonic().saturating_sub(begin) < GO_ON_MAX {
            let fetched = group.fetch(100, PAUSE)?;
            let Some(last) = fetched.messages.last() else {
                continue;
            };
            let next = BTreeMap::from([(last.place.clone(), last.next())]);
            let mut transaction = output.begin()?;
            for fetched in &fetched.messages {
                let value = fetched.value.as_deref().unwrap_or_default();
                transaction.send(&message(&copy, value))?;
            }
            return match transaction.commit_read(&group, &next) {
                Ok(_) => Ok(()),
                Err(Failed::Aborted(error) | Failed::Broken(error)) => Err(error),
            };
        }
        panic!("nothing came within {GO_ON_MAX:?}");
    };
    rights.forbid("topic:write");
    refused_as_member(attempt);
    rights.allow();
    rights.forbid("group:read");
    refused_as_member(attempt);
    rights.allow();
    goes_on(attempt);
    let place = (StreamId(17), copy.as_str());
    let mut reader = Reader::open(config, place, &Offsets::default()).unwrap();
    let mut found = Vec::new();
    loop {
        let read = reader.read(100, PAUSE).unwrap();
        found.extend(read.rows);
        if read.is_end {
            break;
        }
    }
    assert_eq!(values(&found), ["{\"device\":\"a\",\"n\":1}"]);
}
