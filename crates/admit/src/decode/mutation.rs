//! Bodies that were damaged at random, by seed: nothing panics, every row is somewhere, and a
//! small body does not become a large one.

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray, StringViewArray},
    ipc::writer::StreamWriter,
};
use bytes::Bytes;
use mainstem_kernel::{Code, Timestamp};
use serde_json::value::RawValue;

use crate::{
    Format,
    fixture::{Random, every_type},
    stages::{Decoded, Stages},
};

/// Pieces that mean something to one of the parsers.
const PIECES: [&[u8]; 36] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\r\n",
    b"null",
    b"true",
    b"-",
    b"0",
    b"1e999",
    b"1e-999",
    b"99999999999999999999999999999999999999999",
    b".5",
    b"\\u0000",
    b"\\ud83d",
    b"\\ude00",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    b"\0",
    b"\"id\":",
    b"\"list\":[",
    b"{\"id\":\"a\"}",
    b"2026-11-21",
    b"9999-12-31T23:59:59.999999+23:59",
    b"id,",
    b"\"\"",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x00\x00\x00\x00\x00\x00\x00\x80",
    b"[[[[[[[[[[[[",
];

/// Damages a body in a few places.
fn damage(body: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(body.len() + 1);
        let end = (at + random.below(24)).min(body.len());
        let piece = PIECES[random.below(PIECES.len())];
        match random.below(6) {
            0 => body.truncate(at),
            1 => drop(body.splice(at..at, piece.iter().copied())),
            2 => drop(body.splice(at..end, piece.iter().copied())),
            3 => drop(body.drain(at..end)),
            4 => {
                let again = body[at..end].to_vec();
                drop(body.splice(at..at, again));
            }
            _ => {
                if let Some(byte) = body.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
}

const ROW: &str = "{\"id\":\"a\\u00e9\",\"flag\":true,\"small\":1,\"int\":-7,\"big\":\"12\",\
    \"real\":1.5,\"double\":2e3,\"price\":\"2.55\",\"bytes\":\"AAEC\",\
    \"uuid\":\"550e8400-e29b-41d4-a716-446655440000\",\"day\":\"2026-11-21\",\
    \"at\":\"2026-11-21T10:26:32.5Z\",\"json\":{\"x\":[1,2]},\"list\":[1,null,3],\
    \"point\":{\"lat\":1.5,\"tags\":[\"x\",\"y\"]},\"more\":{\"y\":\"z\"}}";

fn decoded(format: Format, body: &[u8], rows_max: usize) -> Option<Decoded> {
    let mut stages = Stages::new(&every_type(), Timestamp(i64::MAX));
    let decoded = stages
        .decode(format, &[Bytes::copy_from_slice(body)], rows_max)
        .ok()?;
    let size = decoded.batch.get_array_memory_size();
    // Every column has a value of at most 16 bytes for each row of two bytes; texts do not grow.
    assert!(
        size < 8_192 + 300 * body.len(),
        "{size} bytes from {}",
        body.len()
    );
    Some(decoded)
}

#[test]
fn damaged_lines_are_kept_row_by_row() {
    for seed in 0..4_000 {
        let mut random = Random(seed);
        let mut body = format!("{ROW}\n").repeat(1 + random.below(4)).into_bytes();
        damage(&mut body, &mut random);
        let lines = body
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(&body)
            .split(|b| *b == b'\n');
        let is_blank = |line: &&[u8]| line.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r'));
        let rows = lines.filter(|line| !is_blank(line)).count();
        let found = decoded(Format::Ndjson, &body, 1 + random.below(3)).unwrap();
        assert_eq!(found.batch.num_rows() + found.rejected, rows, "seed {seed}");
    }
}

/// What serde_json takes for JSON we take, and what it does not we do not. Half a surrogate is
/// grammatical but no text: that we refuse.
#[test]
fn json_is_what_others_take_for_json() {
    let mut kept = 0;
    for seed in 0..6_000 {
        let mut random = Random(seed);
        let mut value = br#"{"x":[1,-0.5e+3,"\u00e9\n",true,null,{"y":[]}], "z": "w"}"#.to_vec();
        damage(&mut value, &mut random);
        value.retain(|byte| *byte != b'\n');
        let row = [b"{\"id\":\"a\",\"json\":", &value[..], b"}"].concat();
        let found = decoded(Format::Ndjson, &row, 9).unwrap();
        let is_json = serde_json::from_slice::<&RawValue>(&row).is_ok();
        let is_refused_on_purpose = found.rejects.iter().any(|reject| {
            reject.reason.contains("surrogate")
                || matches!(
                    reject.code,
                    Code::Admit021 | Code::Admit028 | Code::Admit029
                )
        });
        if !is_refused_on_purpose {
            let shown = String::from_utf8_lossy(&value);
            let is_kept = found.batch.num_rows() == 1;
            assert_eq!(is_kept, is_json, "seed {seed}: {shown} {:?}", found.rejects);
            kept += usize::from(is_kept);
        }
    }
    assert!(kept > 100, "{kept}");
}

#[test]
fn damaged_documents_keep_their_good_rows() {
    for seed in 0..4_000 {
        let mut random = Random(seed);
        let count = 1 + random.below(4);
        let mut body = format!("[{}]", vec![ROW; count].join(",\n")).into_bytes();
        damage(&mut body, &mut random);
        let whole = decoded(Format::Json, &body, usize::MAX).unwrap();
        let parts = decoded(Format::Json, &body, 1).unwrap();
        assert_eq!(
            parts.batch.num_rows(),
            whole.batch.num_rows(),
            "seed {seed}"
        );
        assert_eq!(parts.rejected, whole.rejected, "seed {seed}");
        if let Ok(values) = serde_json::from_slice::<Vec<serde_json::Value>>(&body) {
            assert_eq!(
                whole.batch.num_rows() + whole.rejected,
                values.len(),
                "seed {seed}"
            );
        }
    }
}

#[test]
fn damaged_csv_is_kept_row_by_row() {
    let good = "id,int,at,list,note\na,1,2026-01-01,\"[1,2]\",\"x,\"\"y\"\"\"\nb,,,,\nc,7,,,z\n";
    for seed in 0..4_000 {
        let mut random = Random(seed);
        let mut body = good.as_bytes().to_vec();
        damage(&mut body, &mut random);
        let Some(found) = decoded(Format::Csv, &body, 1 + random.below(3)) else {
            continue;
        };
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(&body[..]);
        let rows = reader.byte_records().count();
        assert_eq!(found.batch.num_rows() + found.rejected, rows, "seed {seed}");
    }
}

#[test]
fn damaged_arrow_streams_are_refused_or_kept() {
    let ids = StringArray::from_iter_values((0..50).map(|i| format!("id-{i}")));
    let views =
        StringViewArray::from_iter_values((0..50).map(|i| format!("a longer text, number {i}")));
    let batch = RecordBatch::try_from_iter([
        ("id", std::sync::Arc::new(ids) as ArrayRef),
        (
            "big",
            std::sync::Arc::new(Int64Array::from_iter_values(0..50)),
        ),
        ("note", std::sync::Arc::new(views)),
    ])
    .unwrap();
    let mut body = Vec::new();
    let mut writer = StreamWriter::try_new(&mut body, batch.schema_ref()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    let hook = std::panic::take_hook();
    // Panics of Arrow's reader are expected, and caught.
    std::panic::set_hook(Box::new(|_| {}));
    let mut kept = 0;
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for seed in 0..4_000 {
            let mut random = Random(seed);
            let mut body = body.clone();
            damage(&mut body, &mut random);
            kept += usize::from(decoded(Format::Arrow, &body, 7).is_some());
        }
    }));
    std::panic::set_hook(hook);
    assert!(outcome.is_ok(), "a panic came through");
    assert!(kept > 100, "{kept}");
}
