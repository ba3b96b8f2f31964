use mainstem_kernel::{ByteSize, Fault};

use super::*;
use crate::{ClusterError, kafka::fixture::readings};

fn config() -> KafkaConfig {
    KafkaConfig {
        brokers: vec!["127.0.0.1:9092".to_owned()],
        topic_prefix: "mainstem".to_owned(),
        replicas: 3,
        in_sync_min: 2,
        connect_max: Duration::from_secs(5),
        acknowledge_max: Duration::from_secs(10),
        queue_size_max: ByteSize::mib(64),
        requests_max: 1_000,
        request_keep: Duration::from_secs(60),
    }
}

/// What was made for `wanted`.
fn made(wanted: &Wanted) -> Found {
    let settings = wanted.settings().into_iter();
    Found {
        name: wanted.name.clone(),
        partitions: usize::from(wanted.partitions),
        replicas: usize::from(wanted.replicas),
        settings: settings
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    }
}

/// What is said of a topic after `change`.
fn check(change: impl FnOnce(&mut Found)) -> String {
    let wanted = Wanted::of(&readings(8), &config());
    let mut found = made(&wanted);
    change(&mut found);
    match judge(&found, &wanted) {
        Ok(()) => "fine".to_owned(),
        Err(error) => format!("{}: {error}", error.answer().code.as_str()),
    }
}

fn set(name: &str, value: &str) -> String {
    check(|found| {
        found.settings.insert(name.to_owned(), value.to_owned());
    })
}

#[test]
fn what_is_made_will_do() {
    assert_eq!(check(|_| {}), "fine");
    let definitions = Wanted::definitions(&config());
    assert!(judge(&made(&definitions), &definitions).is_ok());
    assert_eq!(
        Wanted::of(&readings(8), &config()).name,
        "mainstem-16-readings"
    );
}

#[test]
fn what_keeps_more_than_is_wanted_will_do() {
    assert_eq!(set("retention.ms", "-1"), "fine");
    assert_eq!(set("retention.ms", "9999999999"), "fine");
    assert_eq!(set("min.insync.replicas", "3"), "fine");
    assert_eq!(check(|found| found.replicas = 5), "fine");
}

#[test]
fn what_would_lose_rows_or_their_order_is_refused_by_name() {
    assert_eq!(
        check(|found| found.partitions = 12),
        "CLUS-002: topic \"mainstem-16-readings\" has 12 partitions, its stream has 8"
    );
    for (name, value, code) in [
        ("retention.ms", "86400000", "CLUS-003"),
        ("retention.bytes", "1000000", "CLUS-003"),
        ("cleanup.policy", "compact", "CLUS-004"),
        ("min.insync.replicas", "1", "CLUS-004"),
        ("unclean.leader.election.enable", "true", "CLUS-004"),
        ("message.timestamp.type", "CreateTime", "CLUS-004"),
    ] {
        let said = set(name, value);
        assert!(said.starts_with(code) && said.contains(name), "{said}");
    }
    let said = check(|found| found.replicas = 1);
    assert!(said.starts_with("CLUS-004"), "{said}");
    let said = check(|found| found.settings.clear());
    assert!(said.starts_with("CLUS-004"), "{said}");
}

#[test]
fn definitions_are_kept_for_ever() {
    let wanted = Wanted::definitions(&config());
    let mut found = made(&wanted);
    found
        .settings
        .insert("retention.ms".to_owned(), "31536000000".to_owned());
    assert!(matches!(
        judge(&found, &wanted),
        Err(ClusterError::Retention { .. })
    ));
}

#[test]
fn a_topic_is_found_by_its_id_and_what_it_is_for() {
    let same = |topic| is_same(topic, "mainstem-17-per_minute-input", "mainstem-17-");
    assert!(same("mainstem-17-per_minute-input"));
    assert!(same("mainstem-17-as_it_was_called-input"));
    assert!(!same("mainstem-17-per_minute"), "its rows");
    assert!(!same("mainstem-171-per_minute-input"), "of another");
    let rows = |topic| is_same(topic, "mainstem-17-per_minute", "mainstem-17-");
    assert!(rows("mainstem-17-as_it_was_called"));
    assert!(!rows("mainstem-17-per_minute-input"), "not its rows");
}

#[test]
fn a_topic_that_is_compacted_is_not_deleted_from() {
    let progress = Wanted::progress(&config());
    let mut found = made(&progress);
    assert!(judge(&found, &progress).is_ok());
    let delete = "delete".to_owned();
    found.settings.insert("cleanup.policy".to_owned(), delete);
    let error = judge(&found, &progress).unwrap_err();
    assert_eq!(error.answer().code.as_str(), "CLUS-004", "{error}");
}
