use datafusion::arrow::array::{Date32Array, TimestampMicrosecondArray};

use super::*;

fn columns() -> Vec<ArrayRef> {
    vec![
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(Int16Array::from(vec![Some(-3), None, Some(9)])),
        Arc::new(Date32Array::from(vec![Some(-3), None, Some(20_000)])),
        Arc::new(
            TimestampMicrosecondArray::from(vec![Some(-3), None, Some(9)]).with_timezone("UTC"),
        ),
        Arc::new(Float32Array::from(vec![
            Some(1.5),
            None,
            Some(f32::INFINITY),
        ])),
        Arc::new(Float64Array::from(vec![Some(1.5), None, Some(-0.25)])),
        Arc::new(
            Decimal128Array::from(vec![Some(-7), None, Some(1 << 100)])
                .with_precision_and_scale(38, 2)
                .unwrap(),
        ),
        Arc::new(StringArray::from(vec![Some("ä"), None, Some("")])),
        Arc::new(BinaryArray::from(vec![
            Some(b"\0".as_slice()),
            None,
            Some(b""),
        ])),
    ]
}

#[test]
fn keys_are_read_back_as_they_were_put() {
    let columns = columns();
    let types: Vec<DataType> = columns
        .iter()
        .map(|column| column.data_type().clone())
        .collect();
    let viewed = KeyColumn::all(&columns).unwrap();
    let keys = KeyBytes::of_rows(&viewed, &[2, 0, 1]);
    let read = read_keys(&types, (0..3).map(|at| keys.get(at))).unwrap();
    for (column, read) in columns.iter().zip(&read) {
        let again = datafusion::arrow::array::UInt32Array::from(vec![2, 0, 1]);
        let expected = datafusion::arrow::compute::take(column, &again, None).unwrap();
        assert_eq!(&expected, read);
    }
}

#[test]
fn a_row_is_recognised_by_its_bytes_and_by_no_others() {
    let columns = columns();
    let viewed = KeyColumn::all(&columns).unwrap();
    let keys = KeyBytes::of_rows(&viewed, &[0, 1, 2]);
    for row in 0..3 {
        for at in 0..3 {
            let mut rest = keys.get(at);
            let is_it =
                viewed.iter().all(|column| column.begins(row, &mut rest)) && rest.is_empty();
            assert_eq!(is_it, row == at);
            assert_eq!(viewed.iter().all(|column| column.same(row, at)), row == at);
        }
    }
}

#[test]
fn damaged_keys_are_refused() {
    let columns = columns();
    let types: Vec<DataType> = columns
        .iter()
        .map(|column| column.data_type().clone())
        .collect();
    let keys = KeyBytes::of_rows(&KeyColumn::all(&columns).unwrap(), &[0]);
    let whole = keys.get(0);
    for length in 0..whole.len() {
        assert!(
            read_keys(&types, std::iter::once(&whole[..length])).is_err(),
            "{length}"
        );
    }
    let longer = [whole, &[0]].concat();
    assert!(read_keys(&types, std::iter::once(longer.as_slice())).is_err());
}
