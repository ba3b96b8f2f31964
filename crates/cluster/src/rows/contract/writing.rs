//! Writers that share, die, are held up, wait for Cassandra, and meet what they cannot keep.

use std::{
    collections::HashMap,
    process::{Child, Command},
    sync::Arc,
    time::Duration,
};

use mainstem_kernel::{Offset, Offsets, PartitionId};

use super::{
    bed::{Bed, Place, place, threads, until},
    devices, position,
    proxy::Proxy,
    sum, sums_at,
};
use crate::{
    cassandra::RowTable,
    kafka::{Fetched, Group, GroupSpec, Reader},
    progress::ProgressView,
    rows::{
        FrontierParts, Frontiers, RowWriter,
        decode::{Change, decode},
        group_name,
    },
};

/// Tells a process of this test where its bed is.
const CHILD: &str = "MAINSTEM_TEST_ROW_WRITER";
const ROUNDS: u64 = 24;
/// A writer of another process is killed after as many rounds.
const LIFE: u64 = 6;

pub(super) fn frontiers(bed: &Bed) -> Arc<Frontiers> {
    Frontiers::open(FrontierParts {
        kafka: bed.kafka.clone(),
        progress: ProgressView::open(&bed.kafka, &threads()).unwrap(),
        definitions: bed.definitions.subscribe(),
        runtime: tokio::runtime::Handle::current(),
    })
    .unwrap()
}

async fn stop(writer: &RowWriter) {
    writer.stop();
    writer.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_are_killed_and_no_older_row_lies_over_a_newer_one() {
    let Some(place) = place("killed writers") else {
        return;
    };
    let mut bed = Bed::make(&place).await;
    let devices = devices(100);
    let mut children = vec![child(&place), child(&place)];
    for round in 1..=ROUNDS {
        let mut records: Vec<_> = devices.iter().map(|device| sum(device, round)).collect();
        // Spark has started again, and sends what it has sent before.
        if let Some(earlier @ 1..) = round.checked_sub(3) {
            records.extend(devices.iter().map(|device| sum(device, earlier)));
        }
        bed.send("sums", &records);
        tokio::time::sleep(Duration::from_millis(250)).await;
        if round.is_multiple_of(LIFE) {
            kill(children.remove(0));
            children.push(child(&place));
        }
    }
    let expected = sums_at(&devices, ROUNDS);
    assert!(!expected.is_empty() && expected.len() < devices.len());
    until("all rows are the newest", async || {
        bed.there("sums", &devices).await == expected
    })
    .await;
    children.into_iter().for_each(kill);
    bed.leave().await;
}

/// Not a promise: what another process does for the one above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
async fn another_process_writes_until_it_is_killed() {
    let Ok(name) = std::env::var(CHILD) else {
        return;
    };
    let engines = place("another process").unwrap();
    let bed = Bed::enter(&Place { name, ..engines }).await;
    let _writer = bed.writer();
    std::future::pending::<()>().await;
}

fn child(place: &Place) -> Child {
    let test = "rows::contract::writing::another_process_writes_until_it_is_killed";
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, &place.name)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

fn kill(mut child: Child) {
    // SIGKILL: nothing is put in order.
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_dies_before_its_commit_and_one_that_was_held_up_does_no_harm() {
    let Some(place) = place("held up") else {
        return;
    };
    let mut bed = Bed::make(&place).await;
    let devices = devices(40);
    let at = |version| {
        devices
            .iter()
            .map(|device| sum(device, version))
            .collect::<Vec<_>>()
    };
    let ends = bed.send("sums", &at(5));
    let relation = bed.relation("sums");
    let table = RowTable::of(&relation.table, bed.rows.keyspace()).unwrap();
    let target = bed.rows.create(table).await.unwrap();
    // It writes, and never commits.
    let read = read(&bed, "first", devices.len());
    let changes: Vec<_> = read
        .messages
        .iter()
        .map(|message| Change {
            offset: message.offset.0,
            key: message.key.as_deref(),
            value: message.value.as_deref(),
        })
        .collect();
    let held_up = decode(&relation, &changes).unwrap();
    assert_eq!(held_up.refused, []);
    for part in &held_up.parts {
        bed.rows.write(&target, &part.rows).await.unwrap();
    }
    assert_eq!(bed.there("sums", &devices).await, sums_at(&devices, 5));
    // So its records are written again by whoever comes next, with what came since.
    let more = bed.send("sums", &at(6));
    assert!(more.values().sum::<u64>() > ends.values().sum::<u64>());
    let writer = bed.writer();
    let frontiers = frontiers(&bed);
    let wanted = position(&bed, "sums", more);
    until("the group is behind all", async || {
        let there = frontiers.written(bed.id("sums"), &wanted).await;
        there.is_ok_and(|there| there.covers(&wanted))
    })
    .await;
    assert_eq!(bed.there("sums", &devices).await, sums_at(&devices, 6));
    assert_eq!(writer.status().records, 2 * 40);
    // And now the first one goes on.
    for part in &held_up.parts {
        bed.rows.write(&target, &part.rows).await.unwrap();
    }
    assert_eq!(bed.there("sums", &devices).await, sums_at(&devices, 6));
    stop(&writer).await;
    bed.leave().await;
}

/// So many records of `sums`, by a member of the group of row writers that commits nothing.
fn read(bed: &Bed, instance: &str, count: usize) -> Fetched {
    let spec = GroupSpec {
        name: group_name(&bed.kafka),
        topics: vec![format!(
            "{}-{}-sums",
            bed.kafka.topic_prefix,
            bed.id("sums").0
        )],
        session_max: Duration::from_secs(6),
    };
    let instance = format!("{}-{instance}", bed.kafka.topic_prefix);
    let mut group = Group::join(&bed.kafka, spec, &instance).unwrap();
    let mut all = Fetched::default();
    for _ in 0..600 {
        let fetched = group.fetch(count, Duration::from_millis(100)).unwrap();
        all.messages.extend(fetched.messages);
        if all.messages.len() >= count {
            return all;
        }
    }
    panic!("only {} of {count} records", all.messages.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_wait_while_cassandra_is_away_and_nothing_is_lost() {
    let Some(place) = place("away") else {
        return;
    };
    if place.cassandra.len() > 1 {
        println!("SKIPPED: the way to one of several nodes is no way to all");
        return;
    }
    let mut bed = Bed::make(&place).await;
    let proxy = Proxy::to(&place.cassandra[0]);
    let through = Place {
        cassandra: vec![proxy.address.to_string()],
        ..place.clone()
    };
    let behind = Bed::enter(&through).await;
    let devices = devices(50);
    let at = |version| {
        devices
            .iter()
            .map(|device| sum(device, version))
            .collect::<Vec<_>>()
    };
    let writer = behind.writer();
    bed.send("sums", &at(1));
    until("the first rows are there", async || {
        bed.there("sums", &devices).await == sums_at(&devices, 1)
    })
    .await;

    proxy.cut();
    let frontiers = frontiers(&bed);
    let sent = bed.send("sums", &at(2));
    let wanted = position(&bed, "sums", sent);
    until("the writer says what it waits for", async || {
        writer.status().problem.is_some()
    })
    .await;
    println!("{}", writer.status().problem.unwrap());
    bed.send("sums", &at(3));
    let there = frontiers.written(bed.id("sums"), &wanted).await.unwrap();
    assert!(
        !there.covers(&wanted),
        "what is not written is not committed"
    );
    assert_eq!(bed.there("sums", &devices).await, sums_at(&devices, 1));

    proxy.mend();
    until("the writer goes on by itself", async || {
        bed.there("sums", &devices).await == sums_at(&devices, 3)
    })
    .await;
    until("it is well", async || writer.status().problem.is_none()).await;
    stop(&writer).await;
    bed.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_kept_is_set_aside_by_name_and_the_rest_is_kept() {
    let Some(place) = place("misfits") else {
        return;
    };
    let mut bed = Bed::make(&place).await;
    let good = devices(3);
    let empty = (r#"[""]"#.to_owned(), sum("", 1).1);
    let long = sum(&"k".repeat(0x1_0000), 1);
    let others = [
        (r#"["x"]"#.to_owned(), Some("no row".to_owned())),
        (
            r#"["y"]"#.to_owned(),
            Some(r#"{"device":"y","n":"much"}"#.to_owned()),
        ),
        empty,
        long,
    ];
    let mut records: Vec<_> = others.to_vec();
    records.extend(good.iter().map(|device| sum(device, 1)));
    let sent = bed.send("sums", &records);
    let wanted = position(&bed, "sums", sent);
    let writer = bed.writer();
    let frontiers = frontiers(&bed);
    until("the group is behind all", async || {
        let there = frontiers.written(bed.id("sums"), &wanted).await;
        there.is_ok_and(|there| there.covers(&wanted))
    })
    .await;
    assert_eq!(bed.there("sums", &good).await, sums_at(&good, 1));
    let status = writer.status();
    assert_eq!(
        (status.records, status.letters, status.problem),
        (7, 4, None)
    );

    let letters = bed.relation("sums").letters.unwrap();
    let topic = format!("{}-{}-sums_dead_letters", bed.kafka.topic_prefix, letters.0);
    let mut reader = Reader::open(&bed.kafka, (letters, &topic), &Offsets::default()).unwrap();
    let read = reader.read(100, Duration::from_secs(10)).unwrap();
    let mut reasons: Vec<String> = read
        .rows
        .iter()
        .map(|row| {
            let row: HashMap<String, serde_json::Value> =
                serde_json::from_slice(&row.value).unwrap();
            assert_eq!(row["code"], "CLUS-071");
            row["reason"].as_str().unwrap().to_owned()
        })
        .collect();
    reasons.sort();
    let expected = [
        "column \"n\": expected BIGINT, found \"much\"",
        "expected an object at byte 0, found 'n'",
        "the key has 65539 bytes, the limit is 65535",
        "the key is empty",
    ];
    assert_eq!(reasons, expected);
    stop(&writer).await;
    bed.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_tables_come_and_go_with_their_records() {
    let Some(place) = place("tables") else {
        return;
    };
    let mut bed = Bed::make(&place).await;
    let devices = devices(5);
    let key = |device: &String| format!(r#"{{"device":"{device}"}}"#);
    let named = |device: &String, name: &str| {
        let row = format!(r#"{{"device":"{device}","name":"{name}"}}"#);
        (key(device), Some(row))
    };
    let writer = bed.writer();
    let first: Vec<_> = devices
        .iter()
        .map(|device| named(device, "first"))
        .collect();
    bed.send("owners", &first);
    let second = [named(&devices[0], "second"), (key(&devices[1]), None)];
    let ends = bed.send("owners", &second);
    let frontiers = frontiers(&bed);
    let wait = mainstem_kernel::Reached::Offsets(position(&bed, "owners", ends));
    let owners = [bed.id("owners")];
    let reached = frontiers.reach(&owners, &wait, super::bed::DEADLINE);
    reached.await.unwrap();
    let there = bed.there("owners", &devices).await;
    assert_eq!(there.len(), 4, "{there:?}");
    assert_eq!(
        there[&devices[0]],
        r#"{"device":"device-0","name":"second"}"#
    );
    assert!(!there.contains_key(&devices[1]));
    // A position that nobody has given is not reached.
    let mut beyond = Offsets::default();
    beyond.reach(bed.id("owners"), PartitionId(0), Offset(1 << 40));
    let wait = mainstem_kernel::Reached::Offsets(beyond);
    let late = frontiers.reach(&owners, &wait, Duration::from_millis(300));
    let late = late.await.unwrap_err().to_string();
    assert!(late.contains("was not reached within"), "{late}");
    stop(&writer).await;
    bed.leave().await;
}
