use mainstem_kernel::ProducerId;

use super::*;
use crate::kafka::fixture::{draft, readings};

/// Records as text: entry, partition, key, value, sender.
fn lines(draft: &Draft, stream: &StreamDef) -> Vec<String> {
    let mut lines = Vec::new();
    let each = |entry, record: Record<'_>| {
        let key = record.key.map(String::from_utf8_lossy);
        let value = String::from_utf8_lossy(record.value);
        let sender = record.sender.map(|(producer, row)| (producer.0, row));
        let (place, key) = (record.partition.0, key.unwrap_or_default());
        lines.push(format!("{entry} {place} {key} {value} {sender:?}"));
    };
    records(draft, stream, each).unwrap();
    lines
}

#[test]
fn a_row_becomes_its_json_under_its_key() {
    let rows = [("foobar", 1), ("21", -2), ("foobar", 3)];
    let found = lines(&draft(&rows, 8, None), &readings(8));
    let expected = [
        "0 4 21 {\"device\":\"21\",\"n\":-2} None",
        "1 6 foobar {\"device\":\"foobar\",\"n\":1} None",
        "1 6 foobar {\"device\":\"foobar\",\"n\":3} None",
    ];
    assert_eq!(found, expected);
}

#[test]
fn rows_are_numbered_per_sender_and_partition() {
    let stamp = Stamp::Load {
        producer: ProducerId(7),
        first: 100,
        span: 3,
        rejected: 0,
    };
    let rows = [("foobar", 1), ("21", -2), ("foobar", 3)];
    let found = lines(&draft(&rows, 8, Some(stamp)), &readings(8));
    let senders: Vec<&str> = found
        .iter()
        .filter_map(|line| line.split_once('}').map(|(_, rest)| rest.trim()))
        .collect();
    assert_eq!(
        senders,
        ["Some((7, 100))", "Some((7, 100))", "Some((7, 101))"]
    );
}

#[test]
fn rows_that_no_entry_names_are_refused() {
    let mut short = draft(&[("a", 1), ("b", 2)], 1, None);
    short.entries[0].rows = 1;
    assert!(records(&short, &readings(1), |_, _| {}).is_err());
    let mut newer = draft(&[("a", 1)], 1, None);
    newer.schema = SchemaVersion(9);
    assert!(records(&newer, &readings(1), |_, _| {}).is_err());
}
