//! How fast bodies of frames are encoded, beside Arrow's own writer, in one run.
//!
//! `cargo run --release -p mainstem-log --example body_rate`

#![expect(clippy::print_stdout, reason = "it prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a measurement that fails has no result")]

use std::{hint::black_box, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    ipc::{
        CompressionType, MetadataVersion,
        writer::{IpcWriteOptions, StreamWriter},
    },
};
use mainstem_kernel::{Clock, clock::SystemClock};
use mainstem_log::frame::encode_body;

/// Rows that are encoded for each figure.
const ROWS: usize = 4_000_000;
/// How often the two take turns.
const TURNS: usize = 3;

fn main() {
    println!("rows per body   Arrow's writer        ours   ratio");
    for rows in [200, 2_000, 20_000, 200_000] {
        let batch = bids(rows);
        let times = ROWS / rows;
        let (mut theirs, mut ours) = (0.0, 0.0);
        for _ in 0..TURNS {
            theirs += seconds(|| (0..times).for_each(|_| _ = black_box(by_arrow(&batch))));
            ours += seconds(|| {
                (0..times).for_each(|_| _ = black_box(encode_body(&batch).unwrap().len()));
            });
        }
        let rate = |seconds: f64| 1e-6 * (ROWS * TURNS) as f64 / seconds;
        let (slow, fast) = (rate(theirs), rate(ours));
        let ratio = fast / slow;
        println!("{rows:>13} {slow:>12.1} M/s {fast:>9.1} M/s   {ratio:.2}");
    }
}

fn seconds(work: impl FnOnce()) -> f64 {
    let begun = SystemClock.monotonic();
    work();
    (SystemClock.monotonic() - begun).as_secs_f64()
}

/// Rows of Nexmark's bids, more or less.
fn bids(rows: usize) -> RecordBatch {
    let ids = || (0..rows as u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11);
    let int = |most: u64| -> ArrayRef {
        let values = ids().map(|n| i64::try_from(n % most).unwrap());
        Arc::new(Int64Array::from_iter_values(values))
    };
    let text = |words: &[&str]| -> ArrayRef {
        let texts = ids().zip(words.iter().cycle());
        let texts = texts.map(|(n, word)| format!("{word}{}", n % 10_000));
        Arc::new(StringArray::from_iter_values(texts))
    };
    let times = (0..rows as i64).map(|n| 1_700_000_000_000_000 + n * 100);
    let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(times));
    RecordBatch::try_from_iter([
        ("auction", int(1_000)),
        ("bidder", int(10_000)),
        ("price", int(100_000_000)),
        ("channel", text(&["Apple", "Google", "Baidu", "channel-"])),
        (
            "url",
            text(&["https://www.nexmark.com/item.htm?query=1&channel_id="]),
        ),
        ("date_time", times),
    ])
    .unwrap()
}

fn by_arrow(batch: &RecordBatch) -> usize {
    let options = IpcWriteOptions::try_new(16, false, MetadataVersion::V5).unwrap();
    let options = options.try_with_compression(Some(CompressionType::LZ4_FRAME));
    let room = Vec::with_capacity(batch.get_array_memory_size());
    let schema = batch.schema_ref();
    let mut writer = StreamWriter::try_new_with_options(room, schema, options.unwrap()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    let mut body = writer.into_inner().unwrap();
    body.shrink_to_fit();
    body.len()
}
