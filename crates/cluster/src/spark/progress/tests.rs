use std::time::Duration;

use super::{InputOffsets, Progress};

/// As Spark 3.5.7 wrote it, without what is not read.
const TOLD: &str = r#"{
  "id":"69e8a2d9-c0a2-466b-8439-85a42b27c558","runId":"bdb3692f","name":null,
  "timestamp":"2026-11-22T02:10:21.123Z","batchId":7,"batchDuration":25,
  "durationMs":{"triggerExecution":25,"addBatch":20},
  "eventTime":{"max":"2026-11-22T02:09:00.000Z","watermark":"2026-11-22T02:08:30.500Z"},
  "stateOperators":[{"operatorName":"stateStoreSave","numRowsTotal":40,"memoryUsedBytes":4096,
    "numRowsDroppedByWatermark":2,"customMetrics":{"loadedMapCacheHitCount":8}}],
  "sources":[{"description":"KafkaV2[Subscribe[mainstem-16-readings]]",
    "startOffset":"{\"mainstem-16-readings\":{\"1\":3,\"0\":4}}",
    "endOffset":"{\"mainstem-16-readings\":{\"1\":9,\"0\":10}}",
    "latestOffset":"{\"mainstem-16-readings\":{\"1\":9,\"0\":15}}",
    "numInputRows":12,"inputRowsPerSecond":1200.0,"processedRowsPerSecond":480.5,
    "metrics":{"maxOffsetsBehindLatest":"5"}}],
  "sink":{"description":"KafkaSink","numOutputRows":3,"metrics":{}},"observedMetrics":{}}"#;

#[test]
fn a_micro_batch_tells_what_it_has_read() {
    let progress = Progress::parse(TOLD).unwrap();
    let topic = || "mainstem-16-readings".to_owned();
    let zero = progress.inputs.get(&(topic(), 0)).copied();
    let one = progress.inputs.get(&(topic(), 1)).copied();
    let offsets = |start, end, latest| Some(InputOffsets { start, end, latest });
    assert_eq!(zero, offsets(4, 10, 15));
    assert_eq!(one, offsets(3, 9, 9));
    assert_eq!(progress.lag(), 5);
    assert_eq!((progress.batch, progress.input_rows), (7, 12));
    assert!((progress.processed_rows_per_second - 480.5).abs() < 0.1);
    assert_eq!(progress.duration, Duration::from_millis(25));
    assert_eq!((progress.state_rows, progress.dropped_rows), (40, 2));
    assert_eq!(progress.watermark_us, Some(1_795_313_310_500_000));
}

#[test]
fn the_first_micro_batch_has_no_start_no_rate_and_no_watermark() {
    let start = r#""{\"mainstem-16-readings\":{\"1\":3,\"0\":4}}""#;
    assert!(TOLD.contains(start));
    let first = TOLD
        .replace(start, "null")
        .replace(
            r#""inputRowsPerSecond":1200.0"#,
            r#""inputRowsPerSecond":"NaN""#,
        )
        .replace("2026-11-22T02:08:30.500Z", "1970-01-01T00:00:00.000Z");
    let progress = Progress::parse(&first).unwrap();
    let place = ("mainstem-16-readings".to_owned(), 0);
    assert_eq!(
        progress.inputs.get(&place).map(|input| input.start),
        Some(0)
    );
    assert_eq!(progress.watermark_us, None);
    assert!(progress.input_rows_per_second < 0.1);
}

#[test]
fn what_is_no_progress_is_refused_by_name() {
    let error = Progress::parse("{}").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("Spark answered what cannot be read"),
        "{error}"
    );
}
