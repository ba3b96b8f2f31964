//! Entries sort as their rows do, and give them back.

use datafusion::arrow::{
    array::{
        Array, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
        Int16Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
    },
    datatypes::Field,
};
use mainstem_sql::view::{Node, Order};

use super::*;

/// A row of every type that a column of a view has, one that is NULL, and one of other values.
fn columns() -> Vec<ArrayRef> {
    let decimals = Decimal128Array::from(vec![Some(-12_345), None, Some(7)]);
    let times = TimestampMicrosecondArray::from(vec![Some(1_774_600_000_000_000), None, Some(-1)]);
    vec![
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(Int16Array::from(vec![Some(-2), None, Some(3)])),
        Arc::new(Int32Array::from(vec![Some(70_000), None, Some(-1)])),
        Arc::new(Int64Array::from(vec![Some(1 << 40), None, Some(-9)])),
        Arc::new(Float32Array::from(vec![Some(1.5), None, Some(-0.0)])),
        Arc::new(Float64Array::from(vec![Some(-2.25), None, Some(f64::NAN)])),
        Arc::new(decimals.with_precision_and_scale(12, 3).unwrap()),
        Arc::new(StringArray::from(vec![Some("Ålesund"), None, Some("")])),
        Arc::new(BinaryArray::from(vec![
            Some(&b"\0\xff"[..]),
            None,
            Some(b""),
        ])),
        Arc::new(Date32Array::from(vec![Some(20_000), None, Some(-1)])),
        Arc::new(times.with_timezone("UTC")),
    ]
}

fn rank(columns: &[ArrayRef], descending: bool) -> (Rank, Schema) {
    let fields = columns.iter().enumerate();
    let fields = fields.map(|(at, c)| Field::new(format!("c{at}"), c.data_type().clone(), true));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let order = |at: usize| Order {
        expr: Arc::new(Column::new("", at)) as Expr,
        descending,
        nulls_first: descending,
    };
    let rank = Rank {
        input: Box::new(Node::Source {
            input: 0,
            columns: Vec::new(),
            schema: Arc::new(Schema::empty()),
        }),
        partition: Vec::new(),
        window: None,
        order: vec![order(7), order(3)],
        limit: 3,
        unique: Vec::new(),
        identity: Vec::new(),
        schema: Arc::new(Schema::empty()),
    };
    (rank, schema)
}

fn ranked(columns: &[ArrayRef], descending: bool) -> (Ranked, Vec<ArrayRef>) {
    let (rank, schema) = rank(columns, descending);
    let parts = Parts::of(&rank, &schema).unwrap();
    let place = |expr: &Expr| expr.downcast_ref::<Column>().unwrap().index();
    let evaluated = parts
        .exprs
        .iter()
        .map(|expr| Arc::clone(&columns[place(expr)]));
    let evaluated = evaluated.collect();
    let ranked = Ranked::new(&rank, (parts, &schema), (0, false)).unwrap();
    (ranked, evaluated)
}

fn entries(ranked: &Ranked, evaluated: &[ArrayRef]) -> Vec<Vec<u8>> {
    let entries = ranked.entries(evaluated).unwrap();
    let entries = entries.as_any().downcast_ref::<BinaryArray>().unwrap();
    entries
        .iter()
        .map(|entry| entry.unwrap().to_vec())
        .collect()
}

#[test]
fn entries_give_their_rows_back() {
    let columns = columns();
    for descending in [false, true] {
        let (ranked, evaluated) = ranked(&columns, descending);
        let entries = entries(&ranked, &evaluated);
        let entries: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
        let rows = ranked.rows(&entries, vec![1, 2, 3]).unwrap();
        assert_eq!(rows.len(), columns.len() + 1);
        for (row, column) in rows.iter().zip(&columns) {
            assert_eq!(row.to_data(), column.to_data());
        }
    }
}

#[test]
fn entries_sort_as_their_order_says() {
    // "" < "Ålesund" < NULL, and the other way round.
    let columns = columns();
    let (ascending, evaluated) = ranked(&columns, false);
    let ascending = entries(&ascending, &evaluated);
    assert!(ascending[2] < ascending[0] && ascending[0] < ascending[1]);
    let (descending, evaluated) = ranked(&columns, true);
    let descending = entries(&descending, &evaluated);
    assert!(descending[1] < descending[0] && descending[0] < descending[2]);
}
