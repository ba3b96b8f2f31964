use arrow::array::{ArrayRef, Int64Array, StringArray, new_null_array};
use arrow::datatypes::DataType;
use mainstem_kernel::{ColumnName, ColumnType, Columns, KeyId, StreamName};

use super::*;
use crate::{codec::RowHasher, schema::TableSchema};

const TABLE: StreamId = StreamId(16);

fn columns() -> Columns {
    let list = [("id", ColumnType::BigInt), ("name", ColumnType::Text)];
    let column = |(id, (name, ty)): (u32, (&str, ColumnType))| Column {
        id,
        name: ColumnName::new(name).unwrap(),
        ty,
        // Declared NOT NULL, and NULL in deletes all the same.
        nullable: false,
    };
    Columns((1..).zip(list).map(column).collect())
}

fn codec() -> Arc<RowCodec> {
    let key = vec![ColumnName::new("id").unwrap()];
    let name = StreamName::new("t").unwrap();
    let schema = TableSchema::first(TABLE, name, columns(), key);
    RowCodec::new(schema, RowHasher::default()).unwrap()
}

/// A frame of after images, and of deletes where there is no name.
fn frame(seq: u64, rows: &[(i64, Option<&str>)]) -> Frame {
    let gone = rows.iter().map(|(_, name)| Some(name.is_none()));
    let columns: [(&str, ArrayRef); 4] = [
        (
            "id",
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))),
        ),
        (
            "name",
            Arc::new(StringArray::from_iter(rows.iter().map(|row| row.1))),
        ),
        (DELETED_COLUMN, Arc::new(BooleanArray::from_iter(gone))),
        ("_extra", new_null_array(&DataType::Utf8, rows.len())),
    ];
    Frame {
        seq: Seq(seq),
        stream: TABLE,
        schema: SchemaVersion(1),
        key: KeyId(0),
        entries: Arc::from([]),
        batch: RecordBatch::try_from_iter_with_nullable(
            columns.map(|(name, column)| (name, column, true)),
        )
        .unwrap(),
    }
}

fn shown(changed: &Changed) -> Vec<(i64, Option<String>, u64)> {
    use arrow::{array::AsArray, datatypes::Int64Type};
    let ids = changed.rows.column(0).as_primitive::<Int64Type>();
    let names = changed.rows.column(1).as_string::<i32>();
    let row = |at: usize| {
        let name = (!changed.deleted.value(at)).then(|| names.value(at).to_owned());
        (ids.value(at), name, changed.written[at].0)
    };
    (0..changed.rows.num_rows()).map(row).collect()
}

#[test]
fn of_each_key_the_last_effect_counts() {
    let codec = codec();
    let frames = [
        frame(10, &[(1, Some("a")), (2, Some("a")), (1, Some("b"))]),
        frame(11, &[]),
        frame(12, &[(2, None), (3, Some("a"))]),
        frame(13, &[(3, Some("b")), (4, None)]),
    ];
    let changed = Changed::from_frames(&codec, &frames).unwrap().unwrap();
    let named = |name: &str| Some(name.to_owned());
    let expected = [
        (1, named("b"), 10),
        (2, None, 12),
        (3, named("b"), 13),
        (4, None, 13),
    ];
    assert_eq!(shown(&changed), expected);
    assert_eq!(changed.layer(&codec).unwrap().len(), 4);
    let one = Changed::from_frames(&codec, &frames[..1]).unwrap().unwrap();
    assert_eq!(shown(&one), [(2, named("a"), 10), (1, named("b"), 10)]);
    assert!(
        Changed::from_frames(&codec, &frames[1..2])
            .unwrap()
            .is_none()
    );
    assert!(Changed::from_frames(&codec, &[]).unwrap().is_none());
}

#[test]
fn what_is_no_frame_of_effects_is_named() {
    let codec = codec();
    let mut frame = frame(1, &[(1, None)]);
    frame.schema = SchemaVersion(2);
    let error = Changed::from_frames(&codec, std::slice::from_ref(&frame)).unwrap_err();
    assert!(matches!(error, TableError::Undeclared { .. }), "{error}");
    frame.schema = SchemaVersion(1);
    let whole = frame.batch.clone();
    frame.batch = whole.project(&[0, 1]).unwrap();
    let error = Changed::from_frames(&codec, std::slice::from_ref(&frame)).unwrap_err();
    assert!(error.to_string().contains("\"_deleted\""), "{error}");
    frame.batch = whole.project(&[0, 2]).unwrap();
    let error = Changed::from_frames(&codec, std::slice::from_ref(&frame)).unwrap_err();
    assert!(error.to_string().contains("\"name\""), "{error}");
}
