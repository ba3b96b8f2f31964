//! Rows of a table page by page, as a client reads them.

use serde_json::Value;

use super::world::World;

async fn page(world: &World, parameters: &str) -> (Value, String, Option<String>) {
    let path = format!("GET /v1/tables/owners/rows?{parameters}");
    let answer = world.send(&path, "").await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    let body = answer.json();
    let next = answer.header("mainstem-next").map(str::to_owned);
    assert_eq!(body["next"].as_str(), next.as_deref(), "{path}");
    let position = answer.header("mainstem-position").unwrap().to_owned();
    assert_eq!(body["position"], position, "{path}");
    (body["rows"].clone(), position, next)
}

#[tokio::test]
async fn pages_go_on_by_next_and_each_says_its_position() {
    let world = World::open().await;
    let values: Vec<String> = (0..25)
        .map(|n| format!("('d{}', {n}, 'x')", n % 2))
        .collect();
    let sql = format!("INSERT INTO owners VALUES {}", values.join(", "));
    assert_eq!(world.sql(&sql).await.status, 200);
    world.shelf.step(Vec::new());
    let (mut found, mut after, mut positions) = (Vec::new(), String::new(), Vec::new());
    loop {
        let (rows, position, next) = page(&world, &format!("limit=7{after}")).await;
        found.extend(rows.as_array().unwrap().clone());
        positions.push(position);
        let Some(next) = next else { break };
        after = format!("&after={next}");
        // Each page is at its own moment.
        let sql = format!("INSERT INTO owners VALUES ('e', {}, 'y')", found.len());
        assert_eq!(world.sql(&sql).await.status, 200);
        world.shelf.step(Vec::new());
    }
    assert_eq!(found.len(), 25 + 3);
    let slots: Vec<i64> = found.iter().map(|row| row[1].as_i64().unwrap()).collect();
    let mut expected: Vec<i64> = (0..25).filter(|n| n % 2 == 0).collect();
    expected.extend((0..25).filter(|n| n % 2 == 1));
    assert_eq!(slots[..25], expected);
    positions.dedup();
    assert_eq!(positions.len(), 4);
    // Of one device, in a format without room for it: the header says it.
    let path = "GET /v1/tables/owners/rows?key=d1&limit=5\naccept: text/csv";
    let csv = world.send(path, "").await;
    assert!(
        csv.header("mainstem-next")
            .is_some_and(|next| next.starts_with("k1-")),
        "{csv:?}"
    );
    let refused = async |parameters: &str| {
        let answer = world
            .send(&format!("GET /v1/tables/owners/rows?{parameters}"), "")
            .await;
        (answer.status, answer.code())
    };
    assert_eq!(refused("after=nowhere").await, (400, "HTTP-014".to_owned()));
    let other = csv.header("mainstem-next").unwrap();
    let other = refused(&format!("key=d0&after={other}")).await;
    assert_eq!(other, (400, "SQL-048".to_owned()));
    // Rows of a view that is a stream have no key.
    let big = world
        .send("GET /v1/views/big/rows?after=k1-AAAAAAA", "")
        .await;
    assert_eq!(
        (big.status, big.code().as_str()),
        (400, "HTTP-014"),
        "{big:?}"
    );
    assert_eq!(
        world
            .send("GET /v1/views/big/rows?limit=3", "")
            .await
            .status,
        200
    );
}
