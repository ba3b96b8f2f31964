use arrow::array::AsArray;
use mainstem_catalog::StreamDef;
use mainstem_kernel::{ColumnType, types::EXTRA_COLUMN};

use super::*;
use crate::fixture::{columns, every_type, spec, stream};

/// A stream of dead letters.
fn letters() -> StreamDef {
    stream(spec(
        "every_dead_letters",
        columns(&[
            ("row_number", ColumnType::BigInt, true),
            ("code", ColumnType::Text, false),
            ("reason", ColumnType::Text, false),
            ("payload", ColumnType::Text, true),
            ("payload_bytes", ColumnType::Bytea, true),
        ]),
        &[],
    ))
}

fn push(records: &mut Records, number: u64, value: Option<&[u8]>) -> bool {
    records.push(&ForeignRecord {
        place: format_args!("partition 3, offset {number}"),
        number,
        value,
    })
}

#[test]
fn each_record_becomes_a_row_or_a_dead_letter_that_names_its_place() {
    let mut records = Records::new(&every_type());
    records.begin(Timestamp(1_000_000), 1_000);
    assert!(push(&mut records, 7, Some(br#" {"id":"a","other":[1]} "#)));
    for (number, value) in [
        (8, None),
        (9, Some(&b"\xff\xfe"[..])),
        (10, Some(b"[]")),
        (11, Some(br#"{"id":"b","int":"x"}"#)),
        (12, Some(br#"{"id":"c","at":"1970-01-01T00:00:02Z"}"#)),
        (13, Some(br#"{"id":"d"}{"id":"e"}"#)),
    ] {
        assert!(!push(&mut records, number, value), "{number}");
    }
    assert!(push(&mut records, 14, Some(br#"{"id":"f"}"#)));
    let admitted = records.finish(&letters()).unwrap();
    let ids = admitted.rows.column(0).as_string::<i32>();
    assert_eq!(ids.iter().flatten().collect::<Vec<_>>(), ["a", "f"]);
    let extra = admitted.rows.column_by_name(EXTRA_COLUMN).unwrap();
    assert_eq!(extra.as_string::<i32>().value(0), r#"{"other":[1]}"#);
    let refused = admitted.letters.unwrap();
    let texts = |name: &str| {
        let column = refused.column_by_name(name).unwrap().as_string::<i32>();
        column.iter().flatten().collect::<Vec<_>>().join("\n")
    };
    let codes = ["020", "025", "020", "021", "023", "020"].map(|code| format!("ADMIT-{code}"));
    assert_eq!(texts("code"), codes.join("\n"));
    let reasons = texts("reason");
    let first = "partition 3, offset 8: expected a JSON object, found a record without a value";
    assert_eq!(reasons.lines().next(), Some(first));
    assert!(
        reasons.contains("partition 3, offset 11: column \"int\": expected"),
        "{reasons}"
    );
    assert!(records.finish(&letters()).unwrap().letters.is_none());
}

#[test]
fn of_a_long_one_the_beginning_is_kept_and_no_half_a_character() {
    let mut records = Records::new(&every_type());
    let long = format!("x{}", "ä".repeat(LETTER_SIZE_MAX.as_usize()));
    assert!(!push(&mut records, 1, Some(long.as_bytes())));
    let refused = records.finish(&letters()).unwrap().letters.unwrap();
    let kept = refused
        .column_by_name("payload")
        .unwrap()
        .as_string::<i32>();
    assert_eq!(kept.value(0).len(), LETTER_SIZE_MAX.as_usize() - 1);
    let reasons = refused.column_by_name("reason").unwrap().as_string::<i32>();
    assert!(
        reasons
            .value(0)
            .ends_with("131071 of its 262145 bytes are kept here"),
        "{}",
        reasons.value(0)
    );
}
