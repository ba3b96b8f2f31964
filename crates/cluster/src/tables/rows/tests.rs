use arrow::{array::AsArray, buffer::BooleanBuffer};
use mainstem_kernel::{Column, ColumnName, ColumnType, StreamId, StreamName};
use mainstem_table::RowHasher;

use super::*;

fn column(id: u32, name: &str, ty: ColumnType) -> Column {
    Column {
        id,
        name: ColumnName::new(name).unwrap(),
        ty,
        nullable: id == 3,
    }
}

/// `vouchers (code TEXT, left_over INTEGER NOT NULL)`, then `left_over` is called `stock` and `note`
/// is added.
fn table() -> TableSchema {
    let first = Columns(vec![
        column(1, "code", ColumnType::Text),
        column(2, "left_over", ColumnType::Integer),
    ]);
    let second = Columns(vec![
        column(1, "code", ColumnType::Text),
        column(2, "stock", ColumnType::Integer),
        column(3, "note", ColumnType::Text),
    ]);
    TableSchema {
        id: StreamId(16),
        name: StreamName::new("vouchers").unwrap(),
        columns: second.clone(),
        version: SchemaVersion(2),
        versions: BTreeMap::from([(SchemaVersion(1), first), (SchemaVersion(2), second)]),
        key: vec![ColumnName::new("code").unwrap()],
        ttl: None,
    }
}

fn text(record: &RowRecord) -> (&str, Option<&str>) {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    (text(&record.key), record.value.as_deref().map(text))
}

#[test]
fn rows_survive_the_way_through_a_topic_whatever_their_columns() {
    let codec = RowCodec::new(table(), RowHasher::default()).unwrap();
    let mut read = RowsRead::new(&table());
    let one = SchemaVersion(1);
    let old = br#"{"code":"a","left_over":7}"#;
    read.push((br#"{"code":"a"}"#, Some(old)), one, Seq(5))
        .unwrap();
    read.push((br#"{"code":"b"}"#, None), one, Seq(6)).unwrap();
    let new = br#"{"code":"b","stock":1,"note":"x"}"#;
    let two = SchemaVersion(2);
    read.push((br#"{"code":"b"}"#, Some(new)), two, Seq(7))
        .unwrap();
    assert_eq!(read.len(), 3);
    let changes = read.take(&codec).unwrap();
    assert_eq!(read.len(), 0);
    let all: Vec<_> = changes
        .iter()
        .map(|c| records(&codec, c).unwrap())
        .collect();
    let all: Vec<_> = all.iter().flatten().map(text).collect();
    assert_eq!(
        all,
        [
            (
                r#"{"code":"a"}"#,
                Some(r#"{"code":"a","stock":7,"note":null}"#)
            ),
            (r#"{"code":"b"}"#, None),
            (
                r#"{"code":"b"}"#,
                Some(r#"{"code":"b","stock":1,"note":"x"}"#)
            ),
        ]
    );
    assert_eq!(changes[0].written, [Seq(5), Seq(6)]);
    assert_eq!(changes[0].deleted, BooleanBuffer::from(vec![false, true]));
    let stock = changes[1].rows.column(1);
    assert_eq!(
        stock.as_primitive::<arrow::datatypes::Int32Type>().value(0),
        1
    );
}

#[test]
fn what_is_no_row_of_the_table_is_named() {
    let mut read = RowsRead::new(&table());
    let row: (&[u8], Option<&[u8]>) = (br#"{"code":"a"}"#, Some(br#"{"left_over":7}"#));
    for (version, reason) in [
        (3, "columns 3 are not declared"),
        (1, "column \"code\" is NOT NULL and has no value"),
    ] {
        let error = read.push(row, SchemaVersion(version), Seq(1)).unwrap_err();
        assert_eq!(error, reason);
    }
    assert_eq!(read.len(), 0);
}
