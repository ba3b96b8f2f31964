//! The views of the shop that the repository brings, over its sample.

use std::time::Duration;

use serde_json::{Value, json};

use super::differences;
use crate::world::World;

#[tokio::test]
async fn the_shop_of_the_repository_verifies() {
    let sql = concat!(
        include_str!("../../../../../apps/retail/streams.sql"),
        include_str!("../../../../../apps/retail/views.sql"),
    );
    let mut world = World::new(sql);
    let rows = sample();
    assert!(rows.len() > 3_000, "{}", rows.len());
    for (number, chunk) in rows.chunks(100).enumerate() {
        world.advance(Duration::from_secs(1));
        world.push("purchases", chunk);
        if number % 7 == 0 {
            world.settle();
        }
        if number == 15 {
            world.finish();
            world.flush("purchases");
        }
    }
    world.settle();
    world.swap();
    world.settle();
    for view in ["revenue_by_country", "revenue_by_hour"] {
        assert!(world.rows(view).len() > 5, "{view}");
        assert_eq!(differences(&world, view).await, [""; 0], "{view}");
    }
}

/// The shop's sample, as a load sends it.
fn sample() -> Vec<Value> {
    let text = include_str!("../../../../../apps/retail/sample.csv");
    let row = |line: &str| {
        let mut cells: Vec<String> = Vec::new();
        let mut is_quoted = false;
        cells.push(String::new());
        for c in line.chars() {
            match c {
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted => cells.push(String::new()),
                c => cells.last_mut().unwrap().push(c),
            }
        }
        let [
            invoice,
            code,
            description,
            quantity,
            date,
            price,
            customer,
            country,
        ] = cells.try_into().unwrap();
        let some = |text: String| (!text.is_empty()).then_some(text);
        json!({
            "invoice_no": invoice, "stock_code": code, "description": some(description),
            "quantity": quantity.parse::<i64>().unwrap(), "invoice_date": format!("{}Z", date.replace(' ', "T")),
            "unit_price": price, "customer_id": some(customer), "country": country,
        })
    };
    text.lines().skip(1).map(row).collect()
}
