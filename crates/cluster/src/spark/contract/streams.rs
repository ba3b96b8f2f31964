//! Streaming queries: seen by every node, stopped, taken up again, failing by name.

use std::time::Duration;

use mainstem_kernel::Fault as _;
use tokio::time::{Instant, sleep};

use super::{
    super::{
        QueryId, QuerySpec, SparkError,
        spec::{Sink, Source, Stage},
    },
    bed::Bed,
};
use crate::{kafka::topic::Cleanup, lower::OutputMode};

/// Counts texts.
fn counts(bed: &Bed, from: &str, to: &str) -> QuerySpec {
    let parts = bed.parts("counts");
    let servers = bed.kafka.brokers.join(",");
    QuerySpec {
        name: parts.name,
        before: Vec::new(),
        sources: vec![Source {
            name: "counts_records".to_owned(),
            options: [
                ("kafka.bootstrap.servers".to_owned(), servers.clone()),
                ("subscribe".to_owned(), from.to_owned()),
                ("startingOffsets".to_owned(), "earliest".to_owned()),
                (
                    "kafka.isolation.level".to_owned(),
                    "read_committed".to_owned(),
                ),
            ]
            .into(),
        }],
        stages: vec![Stage {
            name: "counts_rows".to_owned(),
            sql: "SELECT value AS key, CAST(sum(1 div (length(value) - 1)) AS STRING) AS value \
                  FROM counts_records GROUP BY value"
                .to_owned(),
            watermark: None,
        }],
        sink: Sink::Topic {
            options: [
                ("kafka.bootstrap.servers".to_owned(), servers),
                ("topic".to_owned(), to.to_owned()),
            ]
            .into(),
        },
        output_mode: OutputMode::Update,
        every: None,
        checkpoint: parts.checkpoint,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_seen_by_all_stopped_and_taken_up_where_it_was() {
    let Some(bed) = Bed::open("query").await else {
        return;
    };
    let from = bed.topic("from", Cleanup::Delete(None));
    let to = bed.topic("to", Cleanup::Compact);
    let spec = counts(&bed, &from, &to);
    let text = |text: &str| text.to_owned();
    bed.write(&from, &[text("aa"), text("aa"), text("bb")]);
    let first = bed.spark.start(&spec).await.unwrap();
    bed.spark.drain(&first).await.unwrap();
    let running = bed.spark.queries().await.unwrap();
    assert_eq!(running.len(), 1);
    assert_eq!(
        (running[0].name.as_str(), &running[0].id),
        ("counts", &first)
    );
    let progress = bed.spark.progress(&first).await.unwrap().unwrap();
    let read: u64 = progress
        .inputs
        .values()
        .map(|input| input.end - input.start)
        .sum();
    // Three rows, and the end of the transaction in both partitions at most.
    assert!((3..=5).contains(&read), "{progress:?}");
    assert_eq!((progress.lag(), progress.state_rows), (0, 2));
    // A second one of the name is refused, and the first goes on.
    let error = bed.spark.start(&spec).await.unwrap_err();
    assert_eq!(error.answer().code.as_str(), "CLUS-054");
    bed.spark.stop(&first).await.unwrap();
    bed.spark.stop(&first).await.unwrap();
    assert!(bed.spark.queries().await.unwrap().is_empty());
    // What a transaction gave up is not counted; what was counted before is.
    bed.give_up(&from, &[text("aa"), text("cc")]);
    bed.write(&from, &[text("aa")]);
    let second = bed.spark.start(&spec).await.unwrap();
    assert_eq!(second.id, first.id);
    assert_ne!(second.run, first.run);
    bed.spark.drain(&second).await.unwrap();
    bed.relation("to", &to).await;
    let last = "SELECT concat(CAST(key AS STRING), ' ', max_by(CAST(value AS STRING), \
                struct(`partition`, `offset`))) FROM to GROUP BY key";
    assert_eq!(bed.texts(last).await, ["aa 3", "bb 1"]);
    bed.spark.stop(&second).await.unwrap();
    bed.clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_fails_says_why_and_one_that_is_not_there_is_named() {
    let Some(bed) = Bed::open("fails").await else {
        return;
    };
    let from = bed.topic("from", Cleanup::Delete(None));
    let to = bed.topic("to", Cleanup::Compact);
    let id = bed.spark.start(&counts(&bed, &from, &to)).await.unwrap();
    assert!(bed.spark.exception(&id).await.unwrap().is_none());
    // Its length less one is 0, which is divided by.
    bed.write(&from, &["a".to_owned()]);
    let until = Instant::now() + Duration::from_secs(60);
    let failed = loop {
        if let Some(failed) = bed.spark.exception(&id).await.unwrap() {
            break failed;
        }
        assert!(Instant::now() < until, "it does not fail");
        sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(failed.answer().code.as_str(), "CLUS-056");
    let SparkError::Failed { source, .. } = &failed else {
        panic!("{failed}");
    };
    assert!(source.to_string().contains("DIVIDE_BY_ZERO"), "{source}");
    assert!(bed.spark.queries().await.unwrap().is_empty());
    let nobody = QueryId {
        id: uuid::Uuid::new_v4().to_string(),
        run: uuid::Uuid::new_v4().to_string(),
    };
    let error = bed.spark.progress(&nobody).await.unwrap_err();
    assert_eq!(error.answer().code.as_str(), "CLUS-057", "{error:?}");
    bed.spark.stop(&nobody).await.unwrap();
    bed.clear();
}
