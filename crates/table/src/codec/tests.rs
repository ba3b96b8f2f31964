use arrow::{
    array::{
        BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int16Array,
        Int32Array, Int64Array, ListArray, StringArray, StructArray, TimestampMicrosecondArray,
        new_empty_array,
    },
    compute::{concat_batches, take_record_batch},
    datatypes::{DataType, Int32Type},
};
use mainstem_kernel::{ColumnName, ColumnType, Columns};

use super::*;

const TABLE: StreamId = StreamId(16);

fn columns(list: &[(u32, &str, ColumnType, bool)]) -> Columns {
    let column = |(id, name, ty, nullable): &(u32, &str, ColumnType, bool)| Column {
        id: *id,
        name: ColumnName::new(name).unwrap(),
        ty: ty.clone(),
        nullable: *nullable,
    };
    Columns(list.iter().map(column).collect())
}

fn schema(columns: Columns, key: &[&str]) -> TableSchema {
    let key = key.iter().map(|name| ColumnName::new(name).unwrap());
    let name = StreamName::new("t").unwrap();
    TableSchema::first(TABLE, name, columns, key.collect())
}

fn codec(columns: Columns, key: &[&str]) -> Arc<RowCodec> {
    RowCodec::new(schema(columns, key), RowHasher::default()).unwrap()
}

fn bytes(codec: &RowCodec, rows: &RecordBatch) -> Vec<(Vec<u8>, Vec<u8>)> {
    let keys = codec.keys(&codec.key_columns(rows)).unwrap();
    let values = codec.values(rows).unwrap();
    let values = (0..rows.num_rows()).map(|row| values.value(row).to_vec());
    keys.iter().map(<[u8]>::to_vec).zip(values).collect()
}

fn decode(codec: &RowCodec, rows: &[(Vec<u8>, Vec<u8>)], version: u32) -> RecordBatch {
    let refs = rows.iter().map(|(key, value)| RowRef {
        key,
        value,
        version: SchemaVersion(version),
    });
    codec.decode(&refs.collect::<Vec<_>>()).unwrap()
}

/// A column of every type.
fn every_type() -> Columns {
    let row = ColumnType::Row(vec![
        (ColumnName::new("x").unwrap(), ColumnType::Integer),
        (ColumnName::new("y").unwrap(), ColumnType::Text),
    ]);
    let types = [
        ("id", ColumnType::BigInt),
        ("b", ColumnType::Boolean),
        ("i2", ColumnType::SmallInt),
        ("i4", ColumnType::Integer),
        ("r", ColumnType::Real),
        ("d", ColumnType::Double),
        (
            "n",
            ColumnType::Numeric {
                precision: 38,
                scale: 2,
            },
        ),
        ("t", ColumnType::Text),
        ("by", ColumnType::Bytea),
        ("u", ColumnType::Uuid),
        ("da", ColumnType::Date),
        ("ts", ColumnType::TimestampTz),
        ("j", ColumnType::Json),
        ("a", ColumnType::Array(Box::new(ColumnType::Integer))),
        ("ro", row),
    ];
    let list: Vec<_> = (1..)
        .zip(types)
        .map(|(id, (name, ty))| (id, name, ty, id > 1))
        .collect();
    columns(&list)
}

/// Rows of every type, one of them of NULLs.
fn everything() -> (Columns, RecordBatch) {
    let columns = every_type();
    let schema = crate::schema::row_schema(&columns);
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1), None, Some(3)]),
        None,
        Some(vec![]),
    ]);
    let DataType::Struct(fields) = schema.field(14).data_type() else {
        panic!("a ROW is a struct")
    };
    let row = StructArray::new(
        fields.clone(),
        vec![
            Arc::new(Int32Array::from(vec![Some(1), None, None])),
            Arc::new(StringArray::from(vec![Some("y"), None, Some("")])),
        ],
        Some(vec![true, false, true].into()),
    );
    let long = "long text ".repeat(10);
    let strings = |first: &str| Arc::new(StringArray::from(vec![Some(first), None, Some(&long)]));
    let item = schema.field(13).data_type().clone();
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1, -2, i64::MAX])),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(Int16Array::from(vec![Some(-7), None, Some(i16::MIN)])),
        Arc::new(Int32Array::from(vec![Some(70_000), None, Some(0)])),
        Arc::new(Float32Array::from(vec![Some(-0.0), None, Some(f32::NAN)])),
        Arc::new(Float64Array::from(vec![Some(1.5), None, Some(-0.0)])),
        Arc::new(
            Decimal128Array::from(vec![
                Some(-12_345),
                None,
                Some(i128::from(i64::MAX) * 1_000),
            ])
            .with_precision_and_scale(38, 2)
            .unwrap(),
        ),
        strings("text"),
        Arc::new(BinaryArray::from(vec![
            Some(&b"\0\xff"[..]),
            None,
            Some(b""),
        ])),
        strings("6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
        Arc::new(Date32Array::from(vec![Some(20_000), None, Some(-1)])),
        Arc::new(
            TimestampMicrosecondArray::from(vec![Some(-1), None, Some(7)]).with_timezone("UTC"),
        ),
        strings("{\"a\": 1}"),
        arrow::compute::cast(&list, &item).unwrap(),
        Arc::new(row),
    ];
    let batch = RecordBatch::try_new(schema, arrays).unwrap();
    (columns, batch)
}

#[test]
fn every_type_comes_back_as_it_was() {
    let (columns, batch) = everything();
    let codec = codec(columns, &["id"]);
    let rows = bytes(&codec, &batch);
    // -0.0 and NaN are compared as bytes, which equality would not tell apart.
    assert_eq!(
        format!("{:?}", decode(&codec, &rows, 1)),
        format!("{batch:?}")
    );
    let reversed: Vec<_> = rows.iter().rev().cloned().collect();
    let expected = take_record_batch(&batch, &Int64Array::from(vec![2, 1, 0])).unwrap();
    assert_eq!(
        format!("{:?}", decode(&codec, &reversed, 1)),
        format!("{expected:?}")
    );
    assert_eq!(decode(&codec, &[], 1).num_rows(), 0);
}

/// If this fails after an update of Arrow, stored rows and redo files would not read: see the
/// module's doc.
#[test]
fn bytes_are_those_of_the_first_version() {
    let columns = columns(&[
        (1, "id", ColumnType::BigInt, false),
        (2, "region", ColumnType::Text, false),
        (3, "score", ColumnType::Double, true),
        (4, "note", ColumnType::Text, true),
    ]);
    let schema = crate::schema::row_schema(&columns);
    let codec = codec(columns, &["region", "id"]);
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1, -1])),
        Arc::new(StringArray::from(vec!["a", "0123456789"])),
        Arc::new(Float64Array::from(vec![Some(1.0), None])),
        Arc::new(StringArray::from(vec![Some(""), None])),
    ];
    let batch = RecordBatch::try_new(schema, arrays).unwrap();
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
    let rows: Vec<(String, String)> = bytes(&codec, &batch)
        .iter()
        .map(|(key, value)| (hex(key), hex(value)))
        .collect();
    let expected = [
        (
            "0261000000000000000101".to_owned() + "8000000000000001",
            "01bff000000000000001".to_owned(),
        ),
        (
            "023031323334353637ff38390000000000000201".to_owned() + "7fffffffffffffff",
            "00000000000000000000".to_owned(),
        ),
    ];
    assert_eq!(rows, expected);
    assert_eq!(
        hex(&stored_header(SchemaVersion(7), Seq(0x0102_0304_0506_0708))),
        "000000070102030405060708"
    );
    assert_eq!(ENCODING, 1);
}

#[test]
fn the_order_of_bytes_is_the_order_of_keys() {
    let columns = columns(&[
        (1, "text", ColumnType::Text, true),
        (2, "number", ColumnType::BigInt, true),
        (3, "value", ColumnType::Integer, true),
    ]);
    let schema = crate::schema::row_schema(&columns);
    let codec = codec(columns, &["text", "number"]);
    // NULL first, as a view's key may hold it.
    let texts = [
        None,
        Some(""),
        Some("\0"),
        Some("a"),
        Some("a\0"),
        Some("aa"),
        Some("ä"),
    ];
    let numbers = [
        None,
        Some(i64::MIN),
        Some(-1),
        Some(0),
        Some(1),
        Some(i64::MAX),
    ];
    let pairs: Vec<_> = texts
        .iter()
        .flat_map(|text| numbers.map(|number| (*text, number)))
        .collect();
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter(pairs.iter().map(|pair| pair.0))),
        Arc::new(Int64Array::from_iter(pairs.iter().map(|pair| pair.1))),
        Arc::new(Int32Array::new_null(pairs.len())),
    ];
    let batch = RecordBatch::try_new(schema, arrays).unwrap();
    let rows = bytes(&codec, &batch);
    assert!(rows.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!(decode(&codec, &rows, 1), batch);
    for (text, column) in texts
        .iter()
        .map(|text| (text, StringArray::from(vec![*text])))
    {
        let prefix = codec.key_prefix(&[Arc::new(column)]).unwrap();
        let own = rows.iter().filter(|(key, _)| key.starts_with(&prefix));
        assert_eq!(own.count(), numbers.len(), "{text:?}");
    }
    assert!(codec.key_prefix(&[]).unwrap().is_empty());
}

#[test]
fn rows_of_older_versions_have_the_newest_columns() {
    let first = columns(&[
        (1, "id", ColumnType::BigInt, false),
        (2, "gone", ColumnType::Text, true),
        (3, "old_name", ColumnType::Text, true),
    ]);
    let second = columns(&[
        (4, "added", ColumnType::Integer, true),
        (3, "new_name", ColumnType::Text, true),
        (1, "key", ColumnType::BigInt, false),
    ]);
    let old = codec(first.clone(), &["id"]);
    let mut table = schema(second.clone(), &["key"]);
    table.version = SchemaVersion(2);
    table.versions = BTreeMap::from([
        (SchemaVersion(1), first.clone()),
        (SchemaVersion(2), second.clone()),
    ]);
    let new = RowCodec::new(table, RowHasher::default()).unwrap();
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let names: ArrayRef = Arc::new(StringArray::from(vec![Some("one"), None]));
    let gone: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
    let before = RecordBatch::try_new(
        crate::schema::row_schema(&first),
        vec![Arc::clone(&ids), gone, Arc::clone(&names)],
    );
    let old_rows = bytes(&old, &before.unwrap());
    let expected = RecordBatch::try_new(
        crate::schema::row_schema(&second),
        vec![Arc::new(Int32Array::new_null(2)), names, ids],
    )
    .unwrap();
    assert_eq!(decode(&new, &old_rows, 1), expected);

    let own = RecordBatch::try_new(
        crate::schema::row_schema(&second),
        vec![
            Arc::new(Int32Array::from(vec![7])),
            Arc::new(StringArray::from(vec!["three"])),
            Arc::new(Int64Array::from(vec![3])),
        ],
    )
    .unwrap();
    let new_rows = bytes(&new, &own);
    let row = |rows: &[(Vec<u8>, Vec<u8>)], at: usize| rows[at].clone();
    let mixed = [
        (row(&old_rows, 1), 1),
        (row(&new_rows, 0), 2),
        (row(&old_rows, 0), 1),
    ];
    let refs = mixed.iter().map(|((key, value), version)| RowRef {
        key,
        value,
        version: SchemaVersion(*version),
    });
    let found = new.decode(&refs.collect::<Vec<_>>()).unwrap();
    let whole = concat_batches(&found.schema(), [&expected, &own]).unwrap();
    let expected = take_record_batch(&whole, &Int64Array::from(vec![1, 2, 0])).unwrap();
    assert_eq!(found, expected);

    let unknown = RowRef {
        key: &old_rows[0].0,
        value: &old_rows[0].1,
        version: SchemaVersion(9),
    };
    assert!(matches!(
        new.decode(&[unknown]),
        Err(TableError::Undeclared { .. })
    ));
}

#[test]
fn a_table_may_have_nothing_but_its_key() {
    let columns = columns(&[(1, "id", ColumnType::BigInt, false)]);
    let batch = RecordBatch::try_new(
        crate::schema::row_schema(&columns),
        vec![Arc::new(Int64Array::from(vec![3, 1, 2]))],
    )
    .unwrap();
    let codec = codec(columns, &["id"]);
    let rows = bytes(&codec, &batch);
    assert!(rows.iter().all(|(_, value)| value.is_empty()));
    assert_eq!(decode(&codec, &rows, 1), batch);
    let keys: Vec<&[u8]> = rows.iter().map(|(key, _)| key.as_slice()).collect();
    assert_eq!(codec.decode_keys(&keys).unwrap(), batch);
}

#[test]
fn what_does_not_fit_is_named() {
    let columns = columns(&[
        (1, "id", ColumnType::Text, false),
        (2, "n", ColumnType::Integer, true),
    ]);
    let codec = codec(columns.clone(), &["id"]);
    let text = |list: Vec<Option<&str>>| -> ArrayRef { Arc::new(StringArray::from(list)) };
    let number = |list: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(list)) };
    let said = |error: TableError| error.to_string();
    assert!(said(codec.keys(&[text(vec![None])]).unwrap_err()).contains("\"id\" holds NULL"));
    assert!(said(codec.keys(&[number(vec![1])]).unwrap_err()).contains("\"id\" is Int64"));
    assert!(said(codec.keys(&[]).unwrap_err()).contains("0 key columns, expected 1"));
    let wrong = RecordBatch::try_from_iter([("id", text(vec![Some("a")])), ("n", number(vec![1]))]);
    assert!(said(codec.values(&wrong.unwrap()).unwrap_err()).contains("\"n\" is Int64"));
    let long = "k".repeat(ROW_KEY_BYTES_MAX);
    let error = codec
        .keys(&[text(vec![Some("a"), Some(&long)])])
        .unwrap_err();
    assert!(matches!(error, TableError::KeyTooLong { .. }), "{error}");
    for key in [&[][..], &["nothing"]] {
        let table = schema(columns.clone(), key);
        assert!(RowCodec::new(table, RowHasher::default()).is_err());
    }
    let empty = codec.keys(&[new_empty_array(&DataType::Utf8)]).unwrap();
    assert!(empty.is_empty());
}
