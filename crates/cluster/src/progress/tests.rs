use mainstem_kernel::{Offset, PartitionId};

use super::*;

fn places(places: &[(u32, u16, u64)]) -> Offsets {
    let mut offsets = Offsets::default();
    for (stream, partition, next) in places {
        offsets.reach(StreamId(*stream), PartitionId(*partition), Offset(*next));
    }
    offsets
}

fn entries() -> Vec<Entry> {
    let running = QueryProgress {
        at: Timestamp(7),
        doing: Doing::Running,
        generation: 1,
        input: places(&[(16, 0, 40), (16, 1, 2)]),
        ends: places(&[(16, 0, 42), (16, 1, 9)]),
        reached: places(&[(16, 0, 40), (16, 1, 2)]),
        changes: places(&[(17, 0, 5)]),
        watermark: Some(Timestamp(3)),
        batch: 12,
        rows_in_per_second: 100,
        rows_taken_per_second: 2_000,
        state_rows: 9,
        failures: 0,
        swept: 1,
        expired: Some(20_000),
        problem: None,
    };
    let failed = QueryProgress {
        doing: Doing::Failed,
        failures: 3,
        problem: Some(Standing {
            code: "CLUS-060".to_owned(),
            message: "it stopped".to_owned(),
            hint: None,
        }),
        ..QueryProgress::default()
    };
    let leader = Leader {
        at: Timestamp(8),
        node: "one".to_owned(),
        round: 3,
        definitions: Seq(99),
        kept_lag_rows: 4,
        problems: Vec::new(),
    };
    vec![
        Entry::Leader(leader),
        Entry::Query(Query::View(StreamId(17)), running),
        Entry::Query(Query::History(StreamId(16)), failed),
        Entry::Forgotten(Query::View(StreamId(15))),
    ]
}

#[test]
fn what_is_written_reads_as_it_was() {
    for entry in entries() {
        let (key, value) = entry.encode().unwrap();
        let value = value.unwrap_or_default();
        let read = Entry::decode(key.as_bytes(), value.as_bytes()).unwrap();
        assert_eq!(read, entry, "{key} {value}");
    }
}

#[test]
fn a_newer_format_and_what_others_wrote_are_refused_by_name() {
    let told = |key: &str, value: &str| match Entry::decode(key.as_bytes(), value.as_bytes()) {
        Ok(entry) => format!("{entry:?}"),
        Err(error) => error.to_string(),
    };
    assert_eq!(
        told("view-17", r#"{"format":2,"new":1}"#),
        "format 2 of a newer program"
    );
    assert_eq!(told("view-+17", r#"{"format":1}"#), "key \"view-+17\"");
    assert_eq!(told("orders", ""), "key \"orders\"");
    assert_eq!(told("view-17", "17"), "a value that is not progress");
}

#[test]
fn the_last_word_on_each_query_counts() {
    let mut progress = Progress::default();
    let all = entries();
    for entry in all.iter().cloned() {
        progress.fold(entry);
    }
    assert_eq!(progress.leader.as_ref().map(|leader| leader.round), Some(3));
    assert_eq!(
        progress.view(StreamId(17)).map(QueryProgress::lag_rows),
        Some(9)
    );
    assert!(progress.view(StreamId(15)).is_none());
    progress.fold(Entry::Forgotten(Query::View(StreamId(17))));
    assert!(progress.view(StreamId(17)).is_none());
    let history = progress.history(StreamId(16)).unwrap();
    assert_eq!((history.doing, history.failures), (Doing::Failed, 3));
}
