//! Bodies in, rows and dead letters out.

use ::arrow::{
    array::{Array, RecordBatch},
    util::display::{ArrayFormatter, FormatOptions},
};
use bytes::Bytes;
use mainstem_catalog::StreamDef;
use mainstem_kernel::{ByteSize, Code, ColumnType, Timestamp};

use crate::{
    Format,
    fixture::{Random, columns, every_type, spec, stream},
    stages::{Decoded, Stages},
};

/// 2026-11-21T10:00:00Z plus five minutes.
const LATEST: Timestamp = Timestamp(1_795_255_500_000_000);

pub(super) fn decode(stream: &StreamDef, format: Format, body: &[u8]) -> Decoded {
    let mut stages = Stages::new(stream, LATEST);
    stages
        .decode(format, &[Bytes::copy_from_slice(body)], usize::MAX)
        .unwrap()
}

/// Rows as text: the values that are not NULL, as `column=value`.
pub(super) fn show(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default();
    (0..batch.num_rows())
        .map(|row| {
            let schema = batch.schema();
            let cells = schema
                .fields()
                .iter()
                .zip(batch.columns())
                .filter(|(_, array)| array.is_valid(row));
            let cells = cells.map(|(field, array)| {
                let formatter = ArrayFormatter::try_new(array, &options).unwrap();
                format!("{}={}", field.name(), formatter.value(row))
            });
            cells.collect::<Vec<_>>().join(" ")
        })
        .collect()
}

/// One row of JSON becomes this row.
fn good(row: &str, expected: &str) {
    let decoded = decode(&every_type(), Format::Ndjson, row.as_bytes());
    assert_eq!(decoded.rejects, [], "{row}");
    assert_eq!(show(&decoded.batch), [expected], "{row}");
}

/// One row of JSON is refused, for this reason, and so is it in an array.
fn bad(row: &[u8], code: Code, reason: &str) {
    let text = String::from_utf8_lossy(row);
    let array = [b"[{\"id\":\"before\"}, ", row, b" , {\"id\":\"after\"}]"].concat();
    for (format, body, good) in [(Format::Ndjson, row.to_vec(), 0), (Format::Json, array, 2)] {
        let decoded = decode(&every_type(), format, &body);
        let (found, good) = (
            decoded.batch.num_rows(),
            if code == Code::Admit020 {
                found_or(&decoded, good)
            } else {
                good
            },
        );
        assert_eq!((found, decoded.rejected), (good, 1), "{text}");
        assert_eq!(
            decoded.rejects[0].code, code,
            "{text}: {:?}",
            decoded.rejects
        );
        if format == Format::Ndjson {
            assert_eq!(decoded.rejects[0].reason, reason, "{text}");
        }
    }
}

/// After broken JSON the rest of an array cannot always be told from it.
fn found_or(decoded: &Decoded, most: usize) -> usize {
    decoded.batch.num_rows().min(most)
}

#[test]
fn json_values_become_columns() {
    good(r#"{"id":"a"}"#, "id=a");
    good(r#" { "id" : "a" , "flag" : true } "#, "id=a flag=true");
    good(
        r#"{"flag":false,"id":"a","small":-32768}"#,
        "id=a flag=false small=-32768",
    );
    good(
        r#"{"id":"a","int":2147483647,"flag":null}"#,
        "id=a int=2147483647",
    );
    good(r#"{"id":"a","int":1e3}"#, "id=a int=1000");
    good(r#"{"id":"a","int":-7.0}"#, "id=a int=-7");
    good(
        r#"{"id":"a","big":9007199254740993}"#,
        "id=a big=9007199254740993",
    );
    good(
        r#"{"id":"a","big":"-9223372036854775808"}"#,
        "id=a big=-9223372036854775808",
    );
    good(r#"{"id":"a","double":0.1}"#, "id=a double=0.1");
    good(
        r#"{"id":"a","double":1.7976931348623157e308}"#,
        "id=a double=1.7976931348623157e308",
    );
    good(
        r#"{"id":"a","double":123456789012345678901234567890}"#,
        "id=a double=1.2345678901234568e29",
    );
    good(r#"{"id":"a","double":"-Infinity"}"#, "id=a double=-inf");
    good(r#"{"id":"a","real":0.1}"#, "id=a real=0.1");
    good(r#"{"id":"a","price":2.55}"#, "id=a price=2.550");
    good(
        r#"{"id":"a","price":"-999999999.999"}"#,
        "id=a price=-999999999.999",
    );
    good(
        r#"{"id":"a","price":1.2300000000000000000000}"#,
        "id=a price=1.230",
    );
    good(r#"{"id":"a","price":25e-1}"#, "id=a price=2.500");
    good(r#"{"id":"a","bytes":"AAEC/w=="}"#, "id=a bytes=000102ff");
    good(r#"{"id":"a","bytes":"AAEC/w"}"#, "id=a bytes=000102ff");
    good(
        r#"{"id":"a","uuid":"{550E8400E29B41D4A716446655440000}"}"#,
        "id=a uuid=550e8400-e29b-41d4-a716-446655440000",
    );
    good(r#"{"id":"a","day":"2024-02-29"}"#, "id=a day=2024-02-29");
    good(
        r#"{"id":"a","json":{"x":[1, null]}}"#,
        r#"id=a json={"x":[1, null]}"#,
    );
    good(r#"{"id":"a","json":"text"}"#, r#"id=a json="text""#);
    good(r#"{"id":"a","list":[1,null,3]}"#, "id=a list=[1, , 3]");
    good(r#"{"id":"a","list":[]}"#, "id=a list=[]");
    good(
        r#"{"id":"a","point":{"tags":["x","y"],"lat":1.5}}"#,
        "id=a point={lat: 1.5, tags: [x, y]}",
    );
}

#[test]
fn texts_keep_every_character() {
    good(r#"{"id":"\"\\\/\b\f\n\r\t"}"#, "id=\"\\/\u{8}\u{c}\n\r\t");
    good(r#"{"id":"\u00e9\u20ac\ud83d\ude00é€😀"}"#, "id=é€😀é€😀");
    good(r#"{"id":"\u0000"}"#, "id=\0");
    good(r#"{"\u0069d":"a","fl\u0061g":true}"#, "id=a flag=true");
    let long = "0123456789".repeat(100);
    good(
        &format!(r#"{{"id":"{long}\n{long}"}}"#),
        &format!("id={long}\n{long}"),
    );
}

#[test]
fn times_are_read_in_every_usual_form() {
    for (text, expected) in [
        ("2026-11-21T09:26:32Z", "2026-11-21T09:26:32Z"),
        ("2026-11-21t09:26:32.5z", "2026-11-21T09:26:32.500Z"),
        ("2026-11-21 09:26:32.123456", "2026-11-21T09:26:32.123456Z"),
        (
            "2026-11-21 09:26:32.123456789Z",
            "2026-11-21T09:26:32.123456Z",
        ),
        ("2026-11-21T10:26:32+01:00", "2026-11-21T09:26:32Z"),
        ("2026-11-21T03:56:32-0530", "2026-11-21T09:26:32Z"),
        ("2026-11-21 07:26+02", "2026-11-21T05:26:00Z"),
        ("2026-11-20", "2026-11-20T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
    ] {
        good(
            &format!(r#"{{"id":"a","at":"{text}"}}"#),
            &format!("id=a at={expected}"),
        );
    }
}

#[test]
fn undeclared_fields_are_kept() {
    good(
        r#"{"id":"a","fw":"1.2","n":[1,{"x":null}],"flag":true,"e\"":1}"#,
        r#"id=a flag=true _extra={"fw":"1.2","n":[1,{"x":null}],"e\"":1}"#,
    );
    good(
        r#"{"_extra":{"x":1},"id":"a"}"#,
        r#"id=a _extra={"_extra":{"x":1}}"#,
    );
    let two = b"{\"id\":\"a\",\"x\":1}\n{\"id\":\"b\"}\n{\"id\":\"c\",\"y\":2}";
    let decoded = decode(&every_type(), Format::Ndjson, two);
    assert_eq!(
        show(&decoded.batch),
        ["id=a _extra={\"x\":1}", "id=b", "id=c _extra={\"y\":2}"]
    );
}

#[test]
fn wrong_values_are_named() {
    let value = |row: &str, reason: &str| bad(row.as_bytes(), Code::Admit021, reason);
    value(r#"{"id":7}"#, r#"column "id": expected TEXT, found 7"#);
    value(
        r#"{"id":"a","flag":"true"}"#,
        r#"column "flag": expected BOOLEAN, found "true""#,
    );
    value(
        r#"{"id":"a","small":32768}"#,
        r#"column "small": expected SMALLINT, found 32768"#,
    );
    value(
        r#"{"id":"a","int":"7"}"#,
        r#"column "int": expected INTEGER, found "7""#,
    );
    value(
        r#"{"id":"a","int":1.5}"#,
        r#"column "int": expected INTEGER, found 1.5"#,
    );
    value(
        r#"{"id":"a","big":9223372036854775808}"#,
        r#"column "big": expected BIGINT, found 9223372036854775808"#,
    );
    value(
        r#"{"id":"a","big":"x"}"#,
        r#"column "big": expected BIGINT, found "x""#,
    );
    value(
        r#"{"id":"a","double":1e400}"#,
        r#"column "double": expected DOUBLE PRECISION, found 1e400"#,
    );
    value(
        r#"{"id":"a","price":1.2345}"#,
        r#"column "price": expected NUMERIC(12, 3), found 1.2345"#,
    );
    value(
        r#"{"id":"a","price":1e10}"#,
        r#"column "price": expected NUMERIC(12, 3), found 1e10"#,
    );
    value(
        r#"{"id":"a","bytes":"@"}"#,
        r#"column "bytes": expected BYTEA as base64, found @"#,
    );
    value(
        r#"{"id":"a","uuid":"123"}"#,
        r#"column "uuid": expected UUID, found "123""#,
    );
    value(
        r#"{"id":"a","day":"2023-02-29"}"#,
        r#"column "day": expected a day such as 2026-11-21, found "2023-02-29""#,
    );
    value(
        r#"{"id":"a","at":"yesterday"}"#,
        r#"column "at": expected a time such as 2026-11-21T10:26:32Z, found "yesterday""#,
    );
    value(
        r#"{"id":"a","at":1700000000}"#,
        r#"column "at": expected TIMESTAMPTZ, found 1700000000"#,
    );
    value(
        r#"{"id":"a","list":[1,"x"]}"#,
        r#"column "list": column "item": expected INTEGER, found "x""#,
    );
    value(
        r#"{"id":"a","point":{"alt":1}}"#,
        r#"column "point": expected a declared field, found field "alt""#,
    );
}

#[test]
fn rows_that_cannot_be_kept_are_named() {
    bad(
        b"{}",
        Code::Admit022,
        r#"column "id" is NOT NULL and has no value"#,
    );
    bad(
        br#"{"id":null}"#,
        Code::Admit022,
        r#"column "id" is NOT NULL and has no value"#,
    );
    bad(
        br#"{"id":"a","id":"b"}"#,
        Code::Admit028,
        r#"column "id" has more than one value"#,
    );
    bad(
        br#"{"id":"a","at":"2026-11-21T10:05:00.000001Z"}"#,
        Code::Admit023,
        r#"column "at": expected an event time up to 2026-11-21T10:05:00.000000Z, found 2026-11-21T10:05:00.000001Z"#,
    );
    let range = r#"column "at": expected a time in the years 0001 to 9999, found one outside"#;
    bad(
        br#"{"id":"a","at":"0000-01-01T00:00:00Z"}"#,
        Code::Admit024,
        range,
    );
    bad(
        br#"{"id":"a","at":"+12026-01-01T00:00:00Z"}"#,
        Code::Admit024,
        range,
    );
    bad(
        br#"{"id":"a","at":"0001-01-01T00:00:00+01:00"}"#,
        Code::Admit024,
        range,
    );
    bad(
        b"{\"id\":\"\xff\"}",
        Code::Admit025,
        "expected UTF-8, found other bytes",
    );
    let large = format!(r#"{{"id":"{}"}}"#, "x".repeat(40_000));
    let reason = "event has 40009 bytes, the stream takes at most 32768";
    bad(large.as_bytes(), Code::Admit026, reason);
    let deep = format!(r#"{{"id":"a","x":{}{}}}"#, "[".repeat(70), "]".repeat(70));
    bad(
        deep.as_bytes(),
        Code::Admit029,
        "values are nested deeper than 64 levels",
    );
}

#[test]
fn what_is_not_json_is_named() {
    let syntax = |row: &str, reason: &str| {
        let decoded = decode(&every_type(), Format::Ndjson, row.as_bytes());
        assert_eq!(
            (decoded.batch.num_rows(), decoded.rejected),
            (0, 1),
            "{row}"
        );
        assert_eq!(decoded.rejects[0].code, Code::Admit020, "{row}");
        assert_eq!(decoded.rejects[0].reason, reason, "{row}");
    };
    syntax("hello", "expected an object at byte 0, found 'h'");
    syntax(
        r#"{"id":"a""#,
        "expected ',' or '}' at byte 9, found the end",
    );
    syntax(
        r#"{"id":"a",}"#,
        "expected a name in quotes at byte 10, found '}'",
    );
    syntax(
        r#"{"id":"a"} x"#,
        "expected the end of the line at byte 11, found 'x'",
    );
    syntax(
        r#"{"id":"a","x":01}"#,
        "expected a number at byte 16, found '}'",
    );
    syntax(
        r#"{"id":"a","x":NaN}"#,
        "expected a value at byte 14, found 'N'",
    );
    syntax(
        r#"{"id":"\ud800"}"#,
        "expected text, found half a surrogate",
    );
    syntax(r#"{"id":"\x"}"#, "expected an escape at byte 8, found 'x'");
    syntax(
        "{\"id\":\"a\tb\"}",
        "expected the rest of a string at byte 8, found byte 0x09",
    );
}

#[test]
fn good_rows_around_a_wrong_one_are_kept() {
    let body = b"{\"id\":\"a\",\"list\":[1]}\n\n{\"id\":\"b\",\"list\":[2,\"x\"]}\r\n{\"id\":\"c\",\"list\":[3]}\n{\"id\":";
    let decoded = decode(&every_type(), Format::Ndjson, body);
    assert_eq!(show(&decoded.batch), ["id=a list=[1]", "id=c list=[3]"]);
    assert_eq!(
        decoded.rejects.iter().map(|r| r.row).collect::<Vec<_>>(),
        [1, 3]
    );

    let body = br#" [ {"id":"a"}, 7, {"id":"b"} , [], {"id":"c"} ] "#;
    let decoded = decode(&every_type(), Format::Json, body);
    assert_eq!(show(&decoded.batch), ["id=a", "id=b", "id=c"]);
    assert_eq!(
        decoded.rejects.iter().map(|r| r.row).collect::<Vec<_>>(),
        [1, 3]
    );

    let decoded = decode(
        &every_type(),
        Format::Json,
        br#"[{"id":"a"}, {"id": , {"id":"c"}]"#,
    );
    assert_eq!(
        (decoded.batch.num_rows(), decoded.rejected),
        (1, 1),
        "the rest is one dead letter"
    );
}

#[test]
fn documents_are_one_object_or_an_array() {
    for (body, rows) in [
        ("", 0),
        ("  ", 0),
        ("[]", 0),
        (" [ ] ", 0),
        ("{\n \"id\": \"a\"\n}\n", 1),
        ("\u{feff}[{\"id\":\"a\"}]", 1),
    ] {
        let decoded = decode(&every_type(), Format::Json, body.as_bytes());
        assert_eq!(
            (decoded.batch.num_rows(), decoded.rejected),
            (rows, 0),
            "{body:?}"
        );
    }
}

#[test]
fn parts_end_where_they_must() {
    let body: String = (0..10).map(|i| format!("{{\"id\":\"{i}\"}}\n")).collect();
    let whole = decode(&every_type(), Format::Ndjson, body.as_bytes());
    let mut stages = Stages::new(&every_type(), LATEST);
    let parts = stages
        .decode(Format::Ndjson, &[Bytes::from(body)], 3)
        .unwrap();
    assert_eq!(show(&parts.batch), show(&whole.batch));
}

#[test]
fn nested_values_cannot_blow_up() {
    // Each item is three bytes of text and a hundred numbers in memory.
    let fields = (0..100)
        .map(|i| {
            (
                mainstem_kernel::ColumnName::new(&format!("f{i}")).unwrap(),
                ColumnType::Double,
            )
        })
        .collect();
    let list = ColumnType::Array(Box::new(ColumnType::Row(fields)));
    let mut spec = spec("wide", columns(&[("list", list, true)]), &[]);
    spec.event_size_max = ByteSize::mib(1);
    let row = format!("{{\"list\":[{}{{}}]}}\n", "{},".repeat(10_000));
    let body = row.repeat(20);
    let mut rows = super::Rows::new(&stream(spec));
    let mut letters = crate::letters::Letters::default();
    let mut source = super::Source::open(Format::Ndjson, Bytes::from(body), &rows).unwrap();
    let limit = super::PartLimit {
        rows_max: 1000,
        bytes_max: 16 << 20,
    };
    let progress = source.part(&mut rows, &mut letters, limit).unwrap();
    assert_eq!(
        (progress, rows.len()),
        (super::Progress::More, 3),
        "8 MB in memory per row"
    );
}

#[test]
fn csv_rows_become_columns() {
    let body = "\u{feff}ID,Flag,INT,pri ce,At,j_son,list,Note\r\n\
                a,TRUE,7,2.55,2010-12-01 08:26:00,\"{\"\"x\"\":1}\",\"[1,2]\",\"say \"\"hi\"\", you\"\r\n\
                \"b\nc\",,,,,,,\r\n";
    let decoded = decode(&every_type(), Format::Csv, body.as_bytes());
    assert_eq!(decoded.rejects, []);
    assert_eq!(
        show(&decoded.batch),
        [
            r#"id=a flag=true int=7 price=2.550 at=2010-12-01T08:26:00Z json={"x":1} list=[1, 2] _extra={"Note":"say \"hi\", you"}"#,
            "id=b\nc",
        ]
    );
}

#[test]
fn wrong_csv_rows_are_named() {
    let body = b"id,int,at\na,1,\n,2,\nb,x,\nc,3\nd\xff,4,\ne,5,2027-01-01\nf,6,\n";
    let decoded = decode(&every_type(), Format::Csv, body);
    assert_eq!(show(&decoded.batch), ["id=a int=1", "id=f int=6"]);
    let found: Vec<_> = decoded.rejects.iter().map(|r| (r.row, r.code)).collect();
    assert_eq!(
        found,
        [
            (1, Code::Admit022),
            (2, Code::Admit021),
            (3, Code::Admit027),
            (4, Code::Admit025),
            (5, Code::Admit023),
        ]
    );
    assert_eq!(
        decoded.rejects[1].reason,
        r#"column "int": expected INTEGER, found "x""#
    );
    assert_eq!(
        decoded.rejects[2].reason,
        "expected 3 fields as in the header, found 2"
    );
}

#[test]
fn csv_headers_must_fit() {
    for (header, message) in [
        (
            "int,flag",
            r#"the CSV header does not name column "id", which is NOT NULL"#,
        ),
        ("id,ID", r#"the CSV header names column "id" twice"#),
    ] {
        let mut stages = Stages::new(&every_type(), LATEST);
        let body = Bytes::from(format!("{header}\n1,2\n"));
        let error = stages.decode(Format::Csv, &[body], usize::MAX).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let optional = stream(spec("o", columns(&[("x", ColumnType::Text, true)]), &[]));
    let mut stages = Stages::new(&optional, LATEST);
    let body = Bytes::from_static(b"1,2\n3,4\n");
    let error = stages.decode(Format::Csv, &[body], usize::MAX).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the first line of the CSV body names no column of the stream"
    );
}

/// Our numbers agree with the standard library's on texts that are hard to round.
#[test]
fn doubles_are_the_nearest_ones() {
    let mut random = Random(11);
    let mut rows = String::new();
    let mut expected = Vec::new();
    for _ in 0..20_000 {
        let digits: String = (0..=random.below(22))
            .map(|_| char::from(b'0' + u8::try_from(random.below(10)).unwrap()))
            .collect();
        let digits = digits.trim_start_matches('0');
        let point = random.below(digits.len() + 1);
        let (whole, fraction) = digits.split_at(point);
        let text = format!(
            "{}{}.{}e{}",
            if random.below(2) == 0 { "" } else { "-" },
            if whole.is_empty() { "0" } else { whole },
            if fraction.is_empty() { "0" } else { fraction },
            i64::try_from(random.below(600)).unwrap() - 320,
        );
        let value: f64 = text.parse().unwrap();
        if value.is_finite() {
            rows.push_str(&format!("{{\"id\":\"a\",\"double\":{text}}}\n"));
            expected.push(value.to_bits());
        }
    }
    let decoded = decode(&every_type(), Format::Ndjson, rows.as_bytes());
    let array = decoded.batch.column_by_name("double").unwrap();
    let array = ::arrow::array::AsArray::as_primitive::<::arrow::datatypes::Float64Type>(array);
    let found: Vec<u64> = array.values().iter().map(|value| value.to_bits()).collect();
    assert_eq!(found, expected);
}
