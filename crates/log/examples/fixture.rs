//! Writes the journal that `tests/fixtures/v1` keeps, so that old data is known to open.
//!
//! `cargo run -p mainstem-log --example fixture -- FOLDER` writes it to an empty folder; the last
//! file is a spare one and holds nothing. A released version's fixture is never written again: a
//! new format gets a folder of its own.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use arrow::{
    array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray},
    error::ArrowError,
};
use mainstem_disk::RealDisk;
use mainstem_kernel::{
    ByteSize, Epoch, PartitionId, ProducerId, SchemaVersion, Spawn, StreamId, Timestamp,
    clock::ManualClock,
    metrics::Metrics,
    spawn::{TaskBody, ThreadBody},
};
use mainstem_log::{
    Append, Draft, DraftEntry, JournalLog, JournalParts, LogConfig, Stamp, append_and_wait,
};

#[derive(Debug)]
struct Threads;

impl Spawn for Threads {
    #[expect(
        clippy::disallowed_methods,
        reason = "a program of its own has no supervisor"
    )]
    fn thread(&self, _name: &str, body: ThreadBody) -> io::Result<()> {
        drop(std::thread::spawn(body));
        Ok(())
    }

    fn task(&self, _name: &str, body: TaskBody) {
        drop(body);
    }
}

/// Rows `first..first + rows` of a number and a text.
fn draft(stream: u32, first: i64, entries: Vec<DraftEntry>) -> Result<Draft, ArrowError> {
    let rows: u32 = entries.iter().map(|entry| entry.rows).sum();
    let numbers = first..first.saturating_add(i64::from(rows));
    let texts = numbers
        .clone()
        .map(|n| (n % 3 != 0).then(|| format!("row {n}")));
    let columns: [(&str, ArrayRef); 2] = [
        ("n", Arc::new(Int64Array::from_iter_values(numbers.clone()))),
        (
            "text",
            Arc::new(StringArray::from_iter(texts)) as Arc<dyn Array>,
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns)?;
    Draft::encode(StreamId(stream), SchemaVersion(3), entries, batch)
}

const fn entry(partition: u16, rows: u32, stamp: Option<Stamp>) -> DraftEntry {
    DraftEntry {
        partition: PartitionId(partition),
        rows,
        stamp,
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).ok_or("expected a folder")?;
    let parts = JournalParts {
        disk: Arc::new(RealDisk),
        folder: PathBuf::from(folder),
        clock: Arc::new(ManualClock::at(Timestamp::from_millis(1_767_225_600_000))),
        spawn: Arc::new(Threads),
        metrics: Metrics::new(),
    };
    let config = LogConfig {
        journal_file_size: ByteSize::kib(32),
        journal_size_max: ByteSize::kib(128),
        group_size_max: ByteSize::kib(8),
        queue_max: 1,
        tail_bytes_max: ByteSize(0),
        producers_max: 10,
        request_keep: Duration::from_secs(86_400),
        clock_behind_max: Duration::from_secs(300),
        accept_damage: false,
    };
    let log = JournalLog::open(parts, config)?;
    let request = Stamp::Request {
        producer: ProducerId(11),
        check: 12,
        rejected: 13,
    };
    let load = Stamp::Load {
        producer: ProducerId(21),
        first: 0,
        span: 50,
        rejected: 0,
    };
    let run = Stamp::Producer {
        producer: ProducerId(31),
        epoch: Epoch(2),
        first_sequence: 7,
    };
    let stamped = vec![
        entry(0, 4, Some(request)),
        entry(1, 50, Some(load)),
        entry(2, 3, Some(run)),
    ];
    let frames = vec![
        draft(16, 0, stamped)?,
        draft(17, 1_000, vec![entry(0, 500, None)])?,
    ];
    append_and_wait(&*log, Append { frames })?;
    for n in 0..6 {
        let frames = vec![draft(
            16,
            57_i64.saturating_add(n),
            vec![entry(3, 1, None)],
        )?];
        append_and_wait(&*log, Append { frames })?;
    }
    log.close(Duration::from_secs(60));
    Ok(())
}
