use arrow::array::{ArrayRef, Int64Array};
use mainstem_kernel::{Offset, PartitionId, StreamId};

use super::*;
use crate::tables::TablesError;

fn offsets() -> Offsets {
    let mut offsets = Offsets::default();
    offsets.reach(StreamId(16), PartitionId(3), Offset(7));
    offsets
}

#[test]
fn outcomes_survive_the_way_back() {
    let rows: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let rows = RecordBatch::try_from_iter([("n", rows)]).unwrap();
    let plain = |rows| Outcome {
        rows,
        returning: None,
    };
    let returning = Outcome {
        rows: 2,
        returning: Some(rows.clone()),
    };
    let none = Outcome {
        rows: 0,
        returning: Some(rows.slice(0, 0)),
    };
    for outcomes in [
        vec![plain(3), plain(0)],
        vec![plain(1), returning],
        vec![none],
    ] {
        let answer = Answer::Written(outcomes, offsets());
        assert_eq!(Answer::read(&answer.write().unwrap()), Ok(answer));
    }
}

#[test]
fn an_error_reads_as_where_it_was_raised() {
    let raised = TablesError::TooLate {
        late: Duration::from_secs(2),
    };
    let answer = Answer::Refused(Box::new(Refusal::of(&raised)));
    let Answer::Refused(refusal) = Answer::read(&answer.write().unwrap()).unwrap() else {
        panic!("it was a refusal");
    };
    let error = refusal.error().unwrap();
    assert_eq!(error.answer(), raised.answer());
    assert_eq!(error.problem(), raised.problem());
}

#[test]
fn what_others_write_is_named() {
    for (bytes, reason) in [
        (&b"{}"[..], "expected a line"),
        (
            b"{\"format\":2,\"position\":\"p2-\"}\n",
            "expected format 1, found 2",
        ),
    ] {
        assert_eq!(Answer::read(bytes).unwrap_err(), reason);
    }
    assert!(Answer::read(b"nonsense\n").is_err());
}
