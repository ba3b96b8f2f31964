//! `load`: a file of rows into a stream, resuming where an earlier run stopped.
//!
//! Rows are numbered under the hash of the file's content, and the server remembers the next
//! number with the rows themselves: what arrived is skipped, and what is sent twice is known.
//! One request is under way at a time, because numbers must come in order; the next one is read
//! and cut meanwhile.

mod batch;
mod rows;
mod send;
mod source;
mod summary;

use std::path::Path;

use mainstem_kernel::{Clock, clock::SystemClock};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::{
    args::{Load, RowFormat, Target},
    client::{Server, path_part},
    errors::CliError,
    failure::Outcome,
};

pub(super) use batch::Batch;
use batch::Batches;
pub(super) use send::Sender;
use source::Source;
use summary::Summary;

/// Batches that are read ahead of the one that is being sent.
const BATCHES_AHEAD: usize = 2;

/// Answer of `GET /v1/streams/{s}/producers/{name}`.
#[derive(Debug, Deserialize)]
struct NextRow {
    next_row: u64,
}

/// Loads a file.
pub(crate) async fn load(target: &Target, options: &Load) -> Outcome {
    let server = Server::find(target)?;
    let is_stdin = options.file == Path::new("-");
    let format = match options.format {
        Some(format) => format,
        None => format_by_name(&options.file)?,
    };
    let file = options.file.clone();
    let source = match is_stdin {
        true => Source::stdin(),
        false => blocking(move || Source::open(&file)).await?,
    }?;
    let producer = source.producer.clone();
    let skip = match is_stdin {
        true => 0,
        false => ask_next_row(&server, &options.stream, &producer).await?,
    };
    let mut summary = Summary::new(&options.stream, skip, source.total, SystemClock.monotonic());
    let read = source.read_bytes();
    let mut batches = read_ahead(Batches::new(source, format, options.file.clone(), skip));
    let sender = Sender::new(server, &options.stream, &producer, format);
    while let Some(batch) = batches.recv().await {
        let batch = batch?;
        let waits = |why: &str| summary.wait(why);
        let ack = sender.send(&batch, waits).await?;
        summary.add(&batch, ack, read.get(), SystemClock.monotonic());
    }
    summary.finish(SystemClock.monotonic());
    Ok(())
}

/// The row to go on from: 0 unless an earlier run of the same file was interrupted.
async fn ask_next_row(server: &Server, stream: &str, producer: &str) -> Outcome<u64> {
    let path = format!(
        "/v1/streams/{}/producers/{}",
        path_part(stream),
        path_part(producer)
    );
    let answer: NextRow = server.get(&path).await?;
    Ok(answer.next_row)
}

/// Reads and cuts the file on a thread of its own, a little ahead.
fn read_ahead(mut batches: Batches) -> mpsc::Receiver<Result<Batch, CliError>> {
    let (tx, rx) = mpsc::channel(BATCHES_AHEAD);
    let work = move || {
        while let Some(batch) = batches.next_batch().transpose() {
            let is_over = batch.is_err();
            // A closed channel means that sending has failed: nobody needs the rest.
            if tx.blocking_send(batch).is_err() || is_over {
                return;
            }
        }
    };
    drop(tokio::task::spawn_blocking(work));
    rx
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CliError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|source| CliError::System {
        source: source.into(),
    })
}

/// The format by the file's name, compression aside.
fn format_by_name(path: &Path) -> Result<RowFormat, CliError> {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().to_ascii_lowercase());
    let name = name.unwrap_or_default();
    let plain = name
        .strip_suffix(".gz")
        .or_else(|| name.strip_suffix(".zst"))
        .unwrap_or(&name);
    match plain.rsplit_once('.').map(|(_, ending)| ending) {
        Some("csv") => Ok(RowFormat::Csv),
        Some("ndjson" | "jsonl") => Ok(RowFormat::Ndjson),
        Some("json") => Ok(RowFormat::Json),
        _ => Err(CliError::RowFormat {
            path: path.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_format() {
        let check = |name: &str, expected: Option<RowFormat>| {
            assert_eq!(format_by_name(Path::new(name)).ok(), expected, "{name}");
        };
        check("online-retail.csv.gz", Some(RowFormat::Csv));
        check("/data/EVENTS.NDJSON.ZST", Some(RowFormat::Ndjson));
        check("a.jsonl", Some(RowFormat::Ndjson));
        check("a.json", Some(RowFormat::Json));
        check("a.csv.bz2", None);
        check("-", None);
    }
}
