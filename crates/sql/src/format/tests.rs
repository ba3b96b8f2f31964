//! Every type in every format, and a second reader for what is written.

use std::sync::Arc;

use datafusion::arrow::{
    array::{
        Array as _, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
        Float64Array, Int32Array, Int64Array, ListArray, StringArray, StructArray,
        TimestampMicrosecondArray,
    },
    datatypes::{Int32Type, Schema},
    ipc::reader::StreamReader,
};
use mainstem_kernel::{ColumnType, Position, Seq};

use super::*;

fn batch() -> RecordBatch {
    let numeric = ColumnType::Numeric {
        precision: 12,
        scale: 3,
    };
    let item = ColumnType::Array(Box::new(ColumnType::Integer));
    let fields = [
        ("b", ColumnType::Boolean),
        ("n", ColumnType::BigInt),
        ("f", ColumnType::Double),
        ("d", numeric),
        ("t", ColumnType::Text),
        ("y", ColumnType::Bytea),
        ("day", ColumnType::Date),
        ("at", ColumnType::TimestampTz),
        ("j", ColumnType::Json),
        ("l", item),
    ];
    let schema = Schema::new(
        fields
            .iter()
            .map(|(n, ty)| ty.field(n, true))
            .collect::<Vec<_>>(),
    );
    let row = StructArray::from(vec![(
        Arc::new(Field::new("a \"b\"", DataType::Int32, true)),
        Arc::new(Int32Array::from(vec![Some(1), None, None])) as ArrayRef,
    )]);
    let mut fields = schema.fields().to_vec();
    fields.push(Arc::new(Field::new("r", row.data_type().clone(), true)));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
        Arc::new(Int64Array::from(vec![
            Some(-(1 << 53)),
            Some((1 << 53) + 1),
            None,
        ])),
        Arc::new(Float64Array::from(vec![Some(0.1), Some(f64::NAN), None])),
        Arc::new(
            Decimal128Array::from(vec![Some(-5), Some(1_234_567), None])
                .with_precision_and_scale(12, 3)
                .unwrap(),
        ),
        Arc::new(StringArray::from(vec![
            Some("a \"b\"\n\u{1},ö"),
            Some(""),
            None,
        ])),
        Arc::new(BinaryArray::from(vec![
            Some(b"\x00\xff".as_slice()),
            Some(b""),
            None,
        ])),
        Arc::new(Date32Array::from(vec![Some(-1), Some(20_000), None])),
        Arc::new(
            TimestampMicrosecondArray::from(vec![Some(-1), Some(1_700_000_000_123_456), None])
                .with_timezone("UTC"),
        ),
        Arc::new(StringArray::from(vec![
            Some("{\"a\":\n[1]}"),
            Some("not json"),
            None,
        ])),
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
            Some(vec![Some(1), None]),
            Some(vec![]),
            None,
        ])),
        Arc::new(row),
    ];
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn written(format: ResultFormat, batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = RowWriter::new(format, batches[0].schema());
    let mut out = writer.begin().unwrap().to_vec();
    for batch in batches {
        out.extend(writer.batch(batch).unwrap());
    }
    out.extend(writer.end(&Position::at(Seq(7)).into()).unwrap());
    out
}

fn text(format: ResultFormat) -> String {
    String::from_utf8(written(format, &[batch()])).unwrap()
}

#[test]
fn json_has_columns_rows_and_position() {
    expect_test::expect![[r#"
        {"columns":[{"name":"b","type":"BOOLEAN"},{"name":"n","type":"BIGINT"},{"name":"f","type":"DOUBLE PRECISION"},{"name":"d","type":"NUMERIC(12, 3)"},{"name":"t","type":"TEXT"},{"name":"y","type":"BYTEA"},{"name":"day","type":"DATE"},{"name":"at","type":"TIMESTAMPTZ"},{"name":"j","type":"JSON"},{"name":"l","type":"INTEGER[]"},{"name":"r","type":"ROW(a \"b\" INTEGER)"}],"rows":[[true,-9007199254740992,0.1,"-0.005","a \"b\"\n\u0001,ö","AP8=","1969-12-31","1969-12-31T23:59:59.999999Z",{"a": [1]},[1,null],{"a \"b\"":1}],
        [false,"9007199254740993",null,"1234.567","","","2024-10-04","2023-11-14T22:13:20.123456Z","not json",[],{"a \"b\"":null}],
        [null,null,null,null,null,null,null,null,null,null,{"a \"b\"":null}]],"position":"p1-0000000000000007"}
    "#]]
    .assert_eq(&text(ResultFormat::Json));
    let whole: serde_json::Value = serde_json::from_str(&text(ResultFormat::Json)).unwrap();
    assert_eq!(whole["rows"].as_array().unwrap().len(), 3);
}

#[test]
fn ndjson_has_an_object_per_line() {
    let text = text(ResultFormat::Ndjson);
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["j"]["a"][0], 1);
    assert_eq!(lines[1]["d"], "1234.567");
    assert!(lines[2]["n"].is_null());
}

#[test]
fn csv_tells_null_from_empty() {
    expect_test::expect![[r#"
        b,n,f,d,t,y,day,at,j,l,r
        true,-9007199254740992,0.1,-0.005,"a ""b""
        ,ö",AP8=,1969-12-31,1969-12-31T23:59:59.999999Z,"{""a"": [1]}","[1,null]","{""a \""b\"""":1}"
        false,9007199254740993,NaN,1234.567,"","",2024-10-04,2023-11-14T22:13:20.123456Z,"""not json""",[],"{""a \""b\"""":null}"
        ,,,,,,,,,,"{""a \""b\"""":null}"
    "#]]
    .assert_eq(&text(ResultFormat::Csv));
}

#[test]
fn arrow_reads_back() {
    let bytes = written(ResultFormat::Arrow, &[batch(), batch()]);
    let reader = StreamReader::try_new(bytes.as_slice(), None).unwrap();
    let read: Vec<RecordBatch> = reader.collect::<Result<_, _>>().unwrap();
    assert_eq!(read.len(), 2);
    assert_eq!(
        read[1].column(4).as_string::<i32>(),
        batch().column(4).as_string::<i32>()
    );
}

#[test]
fn no_rows_and_no_columns_are_whole_documents_too() {
    let empty = batch().slice(0, 0);
    let text = String::from_utf8(written(ResultFormat::Json, &[empty.clone(), empty])).unwrap();
    let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(whole["rows"], serde_json::json!([]));
}

#[test]
fn times_agree_with_another_implementation() {
    let mut seed = 0x5EED_u64;
    for _ in 0..10_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // Years 1 to 9999.
        let micros = ((i128::from(seed) * 315_000_000_000_000_000) >> 64) - 62_135_000_000_000_000;
        let micros = i64::try_from(micros).unwrap();
        let mut ours = Vec::new();
        number::time(&mut ours, micros);
        let ours = String::from_utf8(ours).unwrap();
        assert_eq!(
            format!("{ours}Z"),
            mainstem_kernel::Timestamp(micros).to_string()
        );
    }
}

#[test]
fn decimals_keep_every_digit() {
    let check = |value: i128, scale: i8, expected: &str| {
        let mut out = Vec::new();
        number::decimal(&mut out, value, scale);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    };
    check(0, 0, "0");
    check(0, 3, "0.000");
    check(-1, 3, "-0.001");
    check(12_345, 3, "12.345");
    check(123, 3, "0.123");
    check(5, -2, "500");
    check(
        i128::MIN + 1,
        38,
        "-1.70141183460469231731687303715884105727",
    );
}
