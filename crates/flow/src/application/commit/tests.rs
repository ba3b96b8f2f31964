use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::{
    array::{ArrayRef, Int64Array, RecordBatch},
    datatypes::{DataType, Field, Schema},
};
use mainstem_kernel::{ProducerId, SchemaVersion, Timestamp, clock::ManualClock};
use mainstem_log::MemoryLog;

use super::*;

const STREAM: StreamId = StreamId(7);
const PRODUCER: ProducerId = ProducerId(9);

/// So many rows that they do not fit into one append.
const ROWS: i64 = 1_300_000;

fn outgoing(first: i64) -> Outgoing {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + ROWS));
    let field = Field::new("n", DataType::Int64, false);
    let schema = Arc::new(Schema::new(vec![field]));
    Outgoing {
        stream: STREAM,
        schema: SchemaVersion(1),
        producer: PRODUCER,
        first: u64::try_from(first).unwrap(),
        rows: RecordBatch::try_new(schema, vec![column]).unwrap(),
        body: Bytes::new(),
    }
}

#[test]
fn the_first_rows_of_a_sender_are_all_numbered_however_many_appends_they_take() {
    let log = MemoryLog::new(Arc::new(ManualClock::at(Timestamp(0))));
    let known = |log: &MemoryLog| i64::try_from(log.next_row(STREAM, PRODUCER).unwrap()).unwrap();
    append(&log, &outgoing(0)).unwrap();
    assert_eq!(known(&log), ROWS);
    // As after a crash: nothing is appended twice, and what follows fits.
    let before = log.frontier();
    append(&log, &outgoing(0)).unwrap();
    assert_eq!((known(&log), log.frontier()), (ROWS, before));
    append(&log, &outgoing(ROWS)).unwrap();
    assert_eq!(known(&log), 2 * ROWS);
}
