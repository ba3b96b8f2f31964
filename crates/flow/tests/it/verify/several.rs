//! VERIFY VIEW of views of several streams names what is wrong.

use serde_json::{Value, json};

use super::{
    count, differences,
    life::{BASE, happen, views},
};
use crate::world::{Random, START, World, at};

#[tokio::test]
async fn a_row_that_nobody_computed_is_named_in_views_of_several_streams() {
    let mut world = World::new(&format!(
        "{BASE}{}
         CREATE STREAM resting (shop TEXT, pieces INTEGER, at TIMESTAMPTZ NOT NULL, WATERMARK FOR at AS at)
           WITH (idle_timeout = '1 minute');
         CREATE MATERIALIZED VIEW rested AS SELECT s.shop, s.at, r.pieces FROM sales s LEFT JOIN resting r
           ON r.shop = s.shop AND r.at BETWEEN s.at AND s.at + INTERVAL '10 seconds';",
        views()
    ));
    let (mut random, mut now) = (Random(9), START);
    happen(&mut world, &mut random, &mut now, 100);
    world.finish();
    world.swap();
    let time = at(START);
    let row = |more: Value| {
        let mut row = json!({"shop": "nowhere", "at": time});
        let more = more.as_object().unwrap().clone();
        row.as_object_mut().unwrap().extend(more);
        row
    };
    let views = [
        ("with_pairs", row(json!({"pieces": 3})), "3"),
        (
            "perhaps_twice",
            row(json!({"seconds": 4, "side": 1})),
            "4|1",
        ),
        ("rested", row(json!({"pieces": 5})), "5"),
        (
            "in_turn_of_both",
            row(json!({"amount": 6, "kind": "sale", "before": 7, "place": 8})),
            "6|sale|7|8",
        ),
    ];
    for (view, row, _) in &views {
        assert!(count(&world, view).await > 20, "{view}");
        assert_eq!(differences(&world, view).await, [""; 0], "{view}");
        world.push(view, std::slice::from_ref(row));
    }
    world.die();
    world.open();
    world.settle();
    for (view, _, rest) in views {
        let found = differences(&world, view).await;
        let rest = match view {
            "rested" | "perhaps_twice" | "in_turn_of_both" => format!("nowhere|{time}|{rest}"),
            _ => format!("nowhere|{rest}|{time}"),
        };
        assert_eq!(found, [format!("{rest}|extra|NULL|1|0|1")], "{view}");
    }
}
