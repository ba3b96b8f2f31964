//! Views of several streams: through real topics they give the rows that their question gives in batch,
//! over a stop and a start too.

use super::{
    super::ViewInput,
    bed::{Bed, files},
    views::{Flow, at, declared, lowered, stream},
};
use crate::{kafka::topic::Cleanup, spark::record::Spelled};

const SQL: &str = "
CREATE STREAM orders (
  order_id TEXT NOT NULL, at TIMESTAMPTZ NOT NULL, WATERMARK FOR at AS at - INTERVAL '10 seconds'
);
CREATE STREAM payments (
  order_id TEXT, paid TIMESTAMPTZ NOT NULL, WATERMARK FOR paid AS paid - INTERVAL '1 minute'
);
CREATE MATERIALIZED VIEW everything AS
SELECT order_id, at FROM orders UNION ALL SELECT order_id, paid FROM payments;
CREATE MATERIALIZED VIEW paid_orders AS
SELECT o.order_id, o.at, p.paid FROM orders o
LEFT JOIN payments p ON p.order_id = o.order_id AND p.paid BETWEEN o.at AND o.at + INTERVAL '5 minutes';
CREATE MATERIALIZED VIEW again AS
SELECT a.order_id, a.at, b.at AS next FROM orders a
JOIN orders b ON b.order_id = a.order_id AND b.at > a.at AND b.at <= a.at + INTERVAL '1 hour';
";

/// Rows of both streams: some have no pair, some have several.
fn part(number: u64) -> (Vec<String>, Vec<String>) {
    let orders = (0..100).map(|row| {
        let (id, at) = ((number * 100 + row) % 170, at(number * 900 + row * 9));
        format!("{{\"order_id\":\"o{id}\",\"at\":\"{at}\"}}")
    });
    let payments = (0..100).map(|row| {
        let paid = at(number * 900 + row * 9 + row % 4);
        let id = match row % 9 {
            0 => "null".to_owned(),
            some => format!("\"o{}\"", (number * 100 + row - some % 3) % 170),
        };
        format!("{{\"order_id\":{id},\"paid\":\"{paid}\"}}")
    });
    (orders.collect(), payments.collect())
}

/// A row of each stream a day later, which ends what waits.
fn end() -> (Vec<String>, Vec<String>) {
    let at = at(86_400);
    (
        vec![format!("{{\"order_id\":\"end\",\"at\":\"{at}\"}}")],
        vec![format!("{{\"order_id\":\"end\",\"paid\":\"{at}\"}}")],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn views_of_several_streams_give_the_rows_of_their_batch() {
    let Some(bed) = Bed::open("together").await else {
        return;
    };
    let (defs, views) = declared(&files(&[("a.sql", SQL)]));
    let parts: Vec<_> = (0..3).map(part).chain([end()]).collect();
    for (name, read, rows) in [
        ("everything", ["orders", "payments"], 600),
        ("paid_orders", ["orders", "payments"], 300),
        ("again", ["orders", "orders"], 1),
    ] {
        // What is read twice is one topic.
        let from = read.map(|stream_name| ViewInput {
            topic: bed.topic(&format!("{name}-{stream_name}"), Cleanup::Delete(None)),
            spelled: Spelled::Stream(stream(&defs, stream_name)),
        });
        let parts = parts.iter().cloned();
        let parts = parts.map(|(orders, payments)| match read[0] == read[1] {
            true => vec![orders],
            false => vec![orders, payments],
        });
        let flow = Flow {
            bed: &bed,
            name,
            lowered: lowered(&defs, &views, name),
            from: from.to_vec(),
            to: bed.topic(&format!("{name}-to"), Cleanup::Compact),
        };
        flow.run(&parts.collect::<Vec<_>>()).await;
        let found = flow.compare("\"end").await;
        assert!(found >= rows, "{name} has {found} rows");
    }
    bed.clear();
}
