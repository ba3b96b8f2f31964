//! Rows by key, page by page, at positions, and windows that are open.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::TryStreamExt as _;
use mainstem_kernel::{Fault as _, Offset, Offsets, PartitionId, Reached, TenantId, Timestamp};
use mainstem_sql::{After, Answered, Page, QueryError};

use super::{
    bed::{Bed, DEADLINE, object, place, until},
    devices, position, sum, sums_at,
    writing::frontiers,
};
use crate::{
    kafka::Output,
    progress::{Entry, Query, QueryProgress},
    rows::RowReader,
};

const MINUTE: i64 = 60_000_000;

async fn rows(answered: Answered) -> Vec<String> {
    let batches: Vec<_> = answered.rows.try_collect().await.unwrap();
    let mut rows = Vec::new();
    for batch in batches {
        let each = |_, json: &[u8]| rows.push(String::from_utf8(json.to_vec()).unwrap());
        mainstem_sql::objects(&batch, each).unwrap();
    }
    rows
}

fn reader(bed: &Bed) -> Arc<RowReader> {
    let (rows, defs) = (Arc::clone(&bed.rows), bed.definitions.subscribe());
    RowReader::new(rows, frontiers(bed), defs, DEADLINE)
}

fn page(key: &[&str], after: Option<After>, limit: usize) -> Page {
    Page {
        key: key.iter().map(|&value| value.to_owned()).collect(),
        after,
        limit,
        wait: None,
    }
}

/// What whoever is in control has published.
fn publish(bed: &Bed, progress: &[QueryProgress]) {
    let name = format!("{}-leader", bed.kafka.topic_prefix);
    let mut output = Output::open(&bed.kafka, &name, Duration::from_secs(10)).unwrap();
    let topic = crate::kafka::topic::progress_name(&bed.kafka);
    let mut transaction = output.begin().unwrap();
    for progress in progress {
        let id = progress.changes.iter().next().unwrap().0;
        let (key, value) = Entry::Query(Query::View(id), progress.clone())
            .encode()
            .unwrap();
        let value = value.unwrap();
        let message = crate::kafka::NewMessage {
            topic: &topic,
            partition: Some(0),
            key: Some(key.as_bytes()),
            value: Some(value.as_bytes()),
            headers: &[],
        };
        transaction.send(&message).unwrap();
    }
    transaction.commit().unwrap();
}

/// The stream's place up to which a view has it.
fn readings(bed: &Bed, next: u64) -> Offsets {
    let mut offsets = Offsets::default();
    offsets.reach(bed.id("readings"), PartitionId(0), Offset(next));
    offsets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_is_read_at_the_position_of_what_was_sent() {
    let Some(place) = place("position") else {
        return;
    };
    let bed = Bed::make(&place).await;
    let devices = devices(10);
    let reader = reader(&bed);
    let writer = bed.writer();
    let defs = bed.live();
    let sums = object(&defs, "sums");
    let read = |device: &str, wait: Option<u64>| {
        let wait = wait.map(|next| Reached::Offsets(readings(&bed, next)));
        let values = [device.to_owned()];
        let reader = &reader;
        async move {
            reader
                .row_by_key((TenantId::ONLY, sums), &values, wait)
                .await
        }
    };
    assert!(
        rows(read("device-0", None).await.unwrap().unwrap())
            .await
            .is_empty()
    );

    // Spark has committed the first ten rows; its changes are on their way.
    let records: Vec<_> = devices.iter().map(|device| sum(device, 1)).collect();
    let sent = bed_send(&place, "sums", &records).await;
    let progress = QueryProgress {
        reached: readings(&bed, 10),
        changes: position(&bed, "sums", sent),
        ..QueryProgress::default()
    };
    publish(&bed, &[progress]);
    let expected = sums_at(&devices, 1);
    for device in &devices {
        let found = rows(read(device, Some(10)).await.unwrap().unwrap()).await;
        assert_eq!(found.first(), expected.get(device), "{device}");
    }
    writer.stop();
    writer.ended().await;
    bed.leave().await;
}

/// Sends by another output, so that the bed can be read from meanwhile.
async fn bed_send(
    place: &super::bed::Place,
    name: &str,
    records: &[(String, Option<String>)],
) -> Vec<(u16, u64)> {
    let mut bed = Bed::enter(place).await;
    bed.send(name, records).into_iter().collect()
}

fn minute(end: i64, device: &str) -> (String, Option<String>) {
    let time = |minutes: i64| format!("2026-01-01T00:{minutes:02}:00.000000Z");
    let (start, end) = (time(end - 1), time(end));
    let value = format!(
        r#"{{"window_start":"{start}","window_end":"{end}","device":"{device}","n":7,
            "_version":1,"_live":true}}"#
    );
    (format!(r#"["{start}","{end}","{device}"]"#), Some(value))
}

/// 2026-01-01T00:00:00Z.
const NEW_YEAR: i64 = 1_767_225_600_000_000;

#[expect(clippy::too_many_lines, reason = "one story, from rows to pages")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_show_each_row_once_and_no_window_that_is_open() {
    let Some(place) = place("pages") else {
        return;
    };
    let mut bed = Bed::make(&place).await;
    let devices = devices(30);
    let windows = devices
        .iter()
        .flat_map(|device| (1..=4).map(move |end| minute(end, device)));
    let sent = bed.send("minutes", &windows.collect::<Vec<_>>());
    let changes = position(&bed, "minutes", sent);
    let writer = bed.writer();
    let frontiers = frontiers(&bed);
    until("all is written", async || {
        let there = frontiers.written(bed.id("minutes"), &changes).await;
        there.is_ok_and(|there| there.covers(&changes))
    })
    .await;
    let reader = reader(&bed);
    let defs = bed.live();
    let minutes = (TenantId::ONLY, object(&defs, "minutes"));

    // Nothing is known of the watermark: no window is closed.
    let none = reader
        .page(minutes, page(&[], None, 100))
        .await
        .unwrap()
        .unwrap();
    assert!(rows(none.answered).await.is_empty());

    // Spark's is behind by the hour of corrections: three of four minutes are closed.
    let progress = QueryProgress {
        watermark: Some(Timestamp(NEW_YEAR + (3 - 60) * MINUTE)),
        changes,
        ..QueryProgress::default()
    };
    publish(&bed, &[progress]);
    let key = ["2026-01-01T00:02:00Z", "2026-01-01T00:03:00Z", "device-7"].map(str::to_owned);
    until("the watermark is known", async || {
        let row = reader
            .row_by_key(minutes, &key, None)
            .await
            .unwrap()
            .unwrap();
        rows(row).await.len() == 1
    })
    .await;
    let (mut found, mut pages, mut after) = (BTreeSet::new(), 0, None);
    loop {
        let paged = reader
            .page(minutes, page(&[], after, 7))
            .await
            .unwrap()
            .unwrap();
        for row in rows(paged.answered).await {
            assert!(found.insert(row.clone()), "twice: {row}");
        }
        pages += 1;
        match paged.next {
            // As it comes back from a client.
            Some(next) => after = Some(next.to_string().parse().unwrap()),
            None => break,
        }
    }
    assert_eq!(found.len(), 90, "{pages} pages");
    assert!(!found.iter().any(|row| row.contains("00:04:00")));

    // A part of the key, and what went on from another question.
    let start = ["2026-01-01T00:01:00Z"];
    let paged = reader
        .page(minutes, page(&start, None, 20))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(rows(paged.answered).await.len(), 20);
    let other = page(&[], paged.next, 20);
    let refused: QueryError = reader.page(minutes, other).await.unwrap_err();
    assert_eq!(refused.answer().code.as_str(), "SQL-048");
    writer.stop();
    writer.ended().await;
    bed.leave().await;
}
