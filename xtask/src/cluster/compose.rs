//! `deploy/compose.yaml` against what is started here: the same versions, packages and settings.

use std::fs;

use super::{
    form::{Form, Kind},
    kafka, packages, spark,
};
use crate::shell;

const LARGE: Form = Form {
    brokers: 3,
    cassandras: 3,
};

/// Settings of a broker that belong to its place, or to a machine that does other things too.
const OF_THE_PLACE: [&str; 13] = [
    "node.id",
    "controller.quorum.voters",
    "listeners",
    "advertised.listeners",
    "listener.security.protocol.map",
    "inter.broker.listener.name",
    "log.dirs",
    "offsets.topic.num.partitions",
    "transaction.state.log.num.partitions",
    "share.coordinator.state.topic.num.partitions",
    "num.network.threads",
    "num.io.threads",
    "log.cleaner.dedupe.buffer.size",
];

fn compose() -> String {
    fs::read_to_string(shell::root().join("deploy/compose.yaml")).unwrap()
}

/// The version of an artifact, as it is fetched here.
fn version(kind: Kind, artifact: &str) -> &'static str {
    let mut all = packages::artifacts(kind).iter();
    all.find(|(_, name, _)| *name == artifact).unwrap().2
}

#[test]
fn containers_run_the_versions_that_are_tried_here() {
    let text = compose();
    let mut images: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("image: "))
        .collect();
    images.dedup();
    let kafka = version(Kind::Kafka, "kafka_2.13");
    let cassandra = version(Kind::Cassandra, "cassandra-all");
    let spark = version(Kind::Spark, "spark-connect_2.12");
    let expected = [
        format!("apache/kafka:{kafka}"),
        format!("cassandra:{cassandra}"),
        format!("spark:{spark}-scala2.12-java17-ubuntu"),
        "mainstem".to_owned(),
    ];
    assert_eq!(images, expected);
    let artifacts = packages::artifacts(Kind::Spark)
        .iter()
        .map(|(group, artifact, version)| format!("{group}:{artifact}:{version}"));
    let wanted = format!("--packages={}\n", artifacts.collect::<Vec<_>>().join(","));
    assert!(text.contains(&wanted), "{wanted}");
}

#[test]
fn brokers_in_containers_keep_the_same_promises() {
    let text = compose();
    let engine = LARGE.of_kind(Kind::Kafka).next().unwrap();
    let settings = kafka::properties(&engine, LARGE, std::path::Path::new("/x"));
    let settings = settings.lines().filter(|line| !line.starts_with('#'));
    let mut compared = 0;
    for (name, value) in settings.filter_map(|line| line.split_once('=')) {
        if OF_THE_PLACE.contains(&name) {
            continue;
        }
        let name = name.to_uppercase().replace('.', "_");
        let line = format!("  KAFKA_{name}: ");
        let found = text.lines().find_map(|found| found.strip_prefix(&line));
        assert_eq!(
            found.map(|found| found.trim_matches('"')),
            Some(value),
            "{name}"
        );
        compared += 1;
    }
    assert!(compared > 15, "only {compared} settings were compared");
}

#[test]
fn spark_in_a_container_is_set_as_the_one_that_is_tried_here() {
    let text = compose();
    let mut compared = 0;
    for (name, value) in spark::ANYWHERE
        .lines()
        .filter_map(|line| line.split_once(' '))
    {
        let line = format!("      - --conf={name}={value}\n");
        assert!(text.contains(&line), "{line}");
        compared += 1;
    }
    assert!(compared > 5, "only {compared} settings were compared");
}

#[test]
fn what_builds_the_image_has_all_that_the_feature_needs() {
    let path = shell::root().join("deploy/Dockerfile");
    let text = fs::read_to_string(path).unwrap();
    // Messages of Spark Connect refer to those that come with protoc, in a package of their own.
    for package in ["make", "protobuf-compiler", "libprotobuf-dev"] {
        assert!(text.contains(&format!(" {package}")), "{package}");
    }
    assert!(text.contains("--package=mainstem --features=cluster"));
    let pinned = fs::read_to_string(shell::root().join("rust-toolchain.toml")).unwrap();
    let version = text
        .split("FROM rust:")
        .nth(1)
        .and_then(|rest| rest.split('-').next());
    let channel = format!("channel = \"{}", version.unwrap());
    assert!(pinned.contains(&channel), "{channel} is not in {pinned}");
}

#[test]
fn nodes_in_containers_know_every_engine_by_its_name() {
    let path = shell::root().join("deploy/compose.toml");
    let settings = fs::read_to_string(path).unwrap();
    let text = compose();
    for word in settings.split(['"', ':']).filter(|word| word.contains('-')) {
        let Some((kind, _)) = word.split_once('-') else {
            continue;
        };
        if ["kafka", "cassandra"].contains(&kind) {
            let service = format!("\n  {word}:\n");
            assert!(text.contains(&service), "no service is called {word}");
        }
    }
    let (replicas, in_sync) = kafka::replication(LARGE);
    assert!(settings.contains(&format!("kafka_replicas = {replicas}\n")));
    assert!(settings.contains(&format!("kafka_in_sync_min = {in_sync}\n")));
}

/// What a service of compose.yaml says behind a word.
fn said<'a>(text: &'a str, service: &str, word: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("\n  {service}:\n"))?;
    let service = rest.lines().take_while(|line| line.starts_with("    "));
    let mut found = service.filter_map(|line| line.split_once(word));
    let (_, value) = found.next()?;
    Some(value.trim_matches(|c: char| !c.is_ascii_alphanumeric()))
}

#[test]
fn a_node_of_cassandra_comes_back_while_any_other_is_away() {
    let text = compose();
    let nodes = ["cassandra-1", "cassandra-2", "cassandra-3"];
    let address = |node: &str| said(&text, node, "ipv4_address: ").unwrap();
    let [first, second, third] = nodes.map(address);
    // A name would have no address while its container is away, and who is in its own list joins
    // without asking the others for rows.
    for (node, wanted) in [
        ("cassandra-1", first.to_owned()),
        ("cassandra-2", format!("{first},{third}")),
        ("cassandra-3", format!("{first},{second}")),
    ] {
        let seeds = said(&text, node, "CASSANDRA_SEEDS: ");
        assert_eq!(seeds, Some(wanted.as_str()), "{node}");
    }
}
