use std::{collections::BTreeMap, time::Duration};

use mainstem_kernel::{ByteSize, StreamId};

use super::{HistoryQuery, QueryParts, QuerySpec, Sink, expire, folder_name};
use crate::{
    config::SparkConfig,
    kafka::{KafkaConfig, fixture::readings},
};

pub(super) fn kafka() -> KafkaConfig {
    KafkaConfig {
        brokers: vec!["a:1".to_owned(), "b:2".to_owned()],
        topic_prefix: "shop".to_owned(),
        replicas: 1,
        in_sync_min: 1,
        connect_max: Duration::from_secs(1),
        acknowledge_max: Duration::from_secs(1),
        queue_size_max: ByteSize::mib(1),
        requests_max: 1,
        request_keep: Duration::from_secs(1),
    }
}

pub(super) fn spark() -> SparkConfig {
    SparkConfig {
        address: "sc://s".to_owned(),
        session: "shop".to_owned(),
        connect_max: Duration::from_secs(1),
        command_max: Duration::from_secs(1),
        state_partitions: 2,
        trigger_rows_max: 1_000,
    }
}

fn history_parts<'a>(kafka: &'a KafkaConfig, spark: &'a SparkConfig) -> QueryParts<'a> {
    QueryParts {
        name: "history-16".to_owned(),
        checkpoint: "/c".to_owned(),
        kafka,
        spark,
    }
}

#[test]
fn history_is_laid_out_as_on_one_machine_and_skips_nothing() {
    let (kafka, spark, stream) = (kafka(), spark(), readings(2));
    let spec = QuerySpec::history(&HistoryQuery {
        parts: history_parts(&kafka, &spark),
        topic: "shop-16-readings".to_owned(),
        stream: &stream,
        folder: "/h".to_owned(),
        from: None,
    });
    let option = |key: &str| spec.sources[0].options.get(key).map(String::as_str);
    assert_eq!(option("kafka.bootstrap.servers"), Some("a:1,b:2"));
    assert_eq!(option("failOnDataLoss"), Some("true"));
    assert_eq!(option("kafka.isolation.level"), Some("read_committed"));
    assert_eq!(option("startingOffsets"), Some("earliest"));
    // JSON that Spark would spell otherwise is in a header.
    assert_eq!(option("includeHeaders"), Some("true"));
    assert!(
        spec.before[0].starts_with(
            "CREATE TABLE IF NOT EXISTS delta.`/h/readings-16` (`device` STRING NOT NULL, \
             `n` BIGINT, `_extra` STRING, `_seq` BIGINT NOT NULL, `_partition` INT NOT NULL, \
             `_offset` BIGINT NOT NULL, `_day` DATE NOT NULL) USING delta PARTITIONED BY (`_day`)"
        ),
        "{}",
        spec.before[0]
    );
    let Sink::Delta { path, .. } = &spec.sink else {
        panic!("history goes to a table");
    };
    assert_eq!(path, "/h/readings-16");
}

#[test]
fn a_history_that_is_written_in_part_begins_behind_that() {
    let (kafka, spark, stream) = (kafka(), spark(), readings(2));
    let from = BTreeMap::from([(0, Some(7)), (1, None)]);
    let spec = QuerySpec::history(&HistoryQuery {
        parts: history_parts(&kafka, &spark),
        topic: "shop-16-readings".to_owned(),
        stream: &stream,
        folder: "/h".to_owned(),
        from: Some(&from),
    });
    assert_eq!(
        spec.sources[0].options["startingOffsets"],
        r#"{"shop-16-readings":{"0":7,"1":-2}}"#
    );
}

#[test]
fn a_folder_keeps_the_name_that_its_topic_was_made_with() {
    assert_eq!(folder_name("p-16-readings", StreamId(16)), "readings-16");
    assert_eq!(
        folder_name("a-b-16-readings-unique", StreamId(16)),
        "readings-16"
    );
}

#[test]
fn days_are_forgotten_by_name() {
    let [delete, vacuum] = expire("/h/a-1", "2026-11-01");
    assert_eq!(
        delete,
        "DELETE FROM delta.`/h/a-1` WHERE `_day` < DATE '2026-11-01'"
    );
    assert_eq!(vacuum, "VACUUM delta.`/h/a-1`");
}
