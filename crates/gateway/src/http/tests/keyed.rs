//! Tables and views at the door: rows by key, writes by SQL, and feeds of changes that survive.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use mainstem_kernel::{Position, TenantId};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::world::{KEY, World};

async fn rows(world: &World, path: &str) -> Value {
    let answer = world
        .send(&format!("GET {path}\naccept: application/x-ndjson"), "")
        .await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    let lines = answer.body.lines();
    lines
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .collect()
}

async fn write(world: &World, sql: &str) -> String {
    let answer = world.sql(sql).await;
    assert_eq!(answer.status, 200, "{sql}: {answer:?}");
    answer.header("mainstem-position").unwrap().to_owned()
}

#[tokio::test]
async fn rows_are_found_by_key_once_they_are_visible() {
    let world = World::open().await;
    let at = write(
        &world,
        "INSERT INTO owners VALUES ('a b', 1, 'x'), ('a b', 2, 'it''s'), ('c', 1, NULL)",
    )
    .await;
    world.shelf.step(Vec::new());
    let found = rows(
        &world,
        &format!("/v1/tables/owners/rows?key=a+b&key=2&wait={at}"),
    )
    .await;
    assert_eq!(
        found,
        json!([{"device": "a b", "slot": 2, "owner": "it's"}])
    );
    let found = rows(&world, "/v1/tables/owners/rows?key=a%20b").await;
    assert_eq!(found.as_array().unwrap().len(), 2);
    let all = rows(&world, "/v1/tables/owners/rows?limit=2").await;
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!(
        rows(&world, "/v1/tables/owners/rows?key=nobody").await,
        json!([])
    );
    let status = async |path: &str| {
        let answer = world.send(&format!("GET {path}"), "").await;
        (answer.status, answer.code())
    };
    let refused = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(
        status("/v1/tables/owners/rows?key=a&key=x").await,
        refused(400, "SQL-042")
    );
    assert_eq!(
        status("/v1/tables/owners/rows?key=a&key=1&key=2").await,
        refused(400, "SQL-008")
    );
    assert_eq!(
        status("/v1/tables/owner/rows").await,
        refused(404, "HTTP-019")
    );
    assert_eq!(
        status("/v1/tables/totals/rows").await,
        refused(404, "HTTP-019")
    );
    assert_eq!(
        status("/v1/views/owners/changes").await,
        refused(404, "HTTP-019")
    );
    assert_eq!(
        status("/v1/tables/owners/rows?limit=0").await,
        refused(400, "HTTP-014")
    );
}

#[tokio::test]
async fn a_write_that_is_refused_says_so_with_its_place() {
    let world = World::open().await;
    write(&world, "INSERT INTO owners VALUES ('a', 1, 'x')").await;
    let again = world.sql("INSERT INTO owners VALUES ('a', 1, 'y')").await;
    assert_eq!((again.status, again.code().as_str()), (400, "SQL-040"));
    let count = world
        .sql("UPDATE owners SET owner = 'z' WHERE device = 'a' RETURNING owner")
        .await;
    assert!(count.body.contains("\"z\""), "{count:?}");
}

/// A feed, read block by block.
struct Feed {
    socket: TcpStream,
    text: String,
}

impl Feed {
    async fn open(world: &World, path: &str, headers: &str) -> Self {
        let mut socket = world.connect().await;
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n{headers}\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut feed = Self {
            socket,
            text: String::new(),
        };
        feed.read_until(|text| text.contains("\n: ")).await;
        feed
    }

    async fn read_until(&mut self, is_enough: impl Fn(&str) -> bool) {
        let mut part = vec![0; 4096];
        while !is_enough(&self.text) {
            let n = self.socket.read(&mut part).await.unwrap();
            assert!(n > 0, "the feed ended: {}", self.text);
            self.text.push_str(&String::from_utf8_lossy(&part[..n]));
        }
    }

    /// The changes so far, each with its id if it has one.
    fn changes(&self) -> Vec<(Value, Option<String>)> {
        let blocks = self
            .text
            .split("\n\n")
            .filter(|block| block.contains("data: "));
        let field = |block: &str, name: &str| {
            let mut lines = block.lines().filter_map(|line| line.strip_prefix(name));
            lines.next().map(str::to_owned)
        };
        blocks
            .map(|block| {
                let data = field(block, "data: ").unwrap();
                (serde_json::from_str(&data).unwrap(), field(block, "id: "))
            })
            .collect()
    }

    async fn values(&mut self, count: usize) -> Vec<Value> {
        self.read_until(|text| text.matches("data: ").count() >= count && text.ends_with("\r\n"))
            .await;
        self.changes().into_iter().map(|(value, _)| value).collect()
    }
}

fn upsert(device: &str, slot: i64, owner: &str) -> Value {
    json!({"op": "upsert", "key": {"device": device, "slot": slot},
           "after": {"device": device, "slot": slot, "owner": owner}})
}

#[tokio::test]
async fn a_feed_gives_net_changes_as_they_are_seen_and_goes_on_where_it_was_cut() {
    let world = World::open().await;
    write(&world, "INSERT INTO owners VALUES ('a', 1, 'first')").await;
    world.shelf.step(Vec::new());
    world.shelf.checkpoint();
    let path = "/v1/tables/owners/changes";
    let mut all = Feed::open(&world, &format!("{path}?from=earliest"), "").await;
    assert_eq!(all.values(1).await, [upsert("a", 1, "first")]);
    let mut new = Feed::open(&world, path, "").await;
    // Several writes before one step: one net change per key, and no checkpoint is needed.
    write(&world, "UPDATE owners SET owner = 'second'").await;
    write(&world, "UPDATE owners SET owner = 'third'").await;
    write(
        &world,
        "INSERT INTO owners VALUES ('b', 1, 'x'), ('c', 1, 'y')",
    )
    .await;
    write(&world, "DELETE FROM owners WHERE device = 'c'").await;
    world.shelf.step(Vec::new());
    let expected = [
        upsert("a", 1, "third"),
        upsert("b", 1, "x"),
        json!({"op": "delete", "key": {"device": "c", "slot": 1}}),
    ];
    let mut found = new.values(3).await;
    found.sort_by_key(|value| value["key"]["device"].to_string());
    assert_eq!(found, expected);
    let ids: Vec<_> = new
        .changes()
        .into_iter()
        .map(|(_, id)| id.is_some())
        .collect();
    assert_eq!(
        ids,
        [false, false, true],
        "the position comes with the last"
    );
    let id = new.changes().pop().unwrap().1.unwrap();
    assert_eq!(all.values(4).await.len(), 4);
    drop((all, new));
    world.shelf.checkpoint();
    for round in 0..2 {
        write(&world, "DELETE FROM owners WHERE device = 'b'").await;
        write(
            &world,
            &format!("INSERT INTO owners VALUES ('b', 1, 'again {round}')"),
        )
        .await;
        world.shelf.step(Vec::new());
        world.shelf.checkpoint();
    }
    let header = format!("last-event-id: {id}\r\n");
    let mut rest = Feed::open(&world, path, &header).await;
    // What it missed comes together.
    assert_eq!(rest.values(1).await, [upsert("b", 1, "again 1")]);
}

#[tokio::test]
async fn a_feed_of_a_view_shows_the_key_and_hides_what_was_not_selected() {
    let world = World::open().await;
    let definitions = world.door.parts.catalog.definitions();
    let view = definitions.view(TenantId::ONLY, "totals").unwrap();
    let mut feed = Feed::open(&world, "/v1/views/totals/changes", "").await;
    let schema = Arc::clone(
        world
            .shelf
            .tables
            .pointer()
            .codec(view.id)
            .unwrap()
            .schema(),
    );
    let rows = RecordBatch::try_new(
        schema,
        vec![
            Arc::new(Int64Array::from(vec![3])),
            Arc::new(StringArray::from(vec!["de"])),
        ],
    );
    let changed = world.shelf.changed(view.id, rows.unwrap(), &[false]);
    world.events("{\"device\":\"a\",\"n\":1}\n").await;
    world.shelf.step(vec![changed]);
    world.shelf.checkpoint();
    let expected = json!({"op": "upsert", "key": {"_key1": "de"}, "after": {"n": 3}});
    assert_eq!(feed.values(1).await, [expected]);
    assert_eq!(rows_of(&world).await, json!([{"n": 3}]));
    // A view that is a stream is followed as one.
    let big = Feed::open(&world, "/v1/views/big/changes", "").await;
    assert!(big.text.contains(": up to "), "{}", big.text);
}

#[tokio::test]
async fn a_paced_feed_tells_of_each_key_once() {
    let world = World::open().await;
    let definitions = world.door.parts.catalog.definitions();
    let id = definitions.view(TenantId::ONLY, "paced").unwrap().id;
    let schema = Arc::clone(world.shelf.tables.pointer().codec(id).unwrap().schema());
    world.shelf.checkpoint();
    let begun = Position::at(world.shelf.tables.frontier());
    for (key, n) in [(1, 1), (1, 2), (2, 1), (1, 3)] {
        let columns: [ArrayRef; 2] = [
            Arc::new(Int64Array::from(vec![key])),
            Arc::new(Int64Array::from(vec![n])),
        ];
        let rows = RecordBatch::try_new(Arc::clone(&schema), columns.to_vec()).unwrap();
        world.events("{\"device\":\"a\",\"n\":1}\n").await;
        let changed = world.shelf.changed(id, rows, &[n == 2]);
        world.shelf.step(vec![changed]);
        world.shelf.checkpoint();
    }
    let path = format!("/v1/views/paced/changes?from={begun}");
    let mut feed = Feed::open(&world, &path, "").await;
    feed.values(2).await;
    let mut told = feed.changes();
    let ids: Vec<_> = told.iter().map(|(_, id)| id.is_some()).collect();
    assert_eq!(ids, [false, true]);
    told.sort_by_key(|(one, _)| one["after"]["id"].as_i64());
    let told: Vec<_> = told
        .into_iter()
        .map(|(one, _)| one["after"].clone())
        .collect();
    assert_eq!(told, [json!({"id": 1, "n": 3}), json!({"id": 2, "n": 1})]);
}

async fn rows_of(world: &World) -> Value {
    rows(world, "/v1/views/totals/rows?key=de").await
}

#[tokio::test]
async fn a_feed_that_comes_too_late_is_told_to_read_again() {
    let world = World::open().await;
    for n in 0..8 {
        write(
            &world,
            &format!("INSERT INTO owners VALUES ('a', {n}, 'x')"),
        )
        .await;
        world.shelf.step(Vec::new());
        world.shelf.checkpoint();
    }
    while world.shelf.apply() {}
    let mut late = Feed::open(
        &world,
        "/v1/tables/owners/changes?from=p1-0000000000000001",
        "",
    )
    .await;
    late.read_until(|text| text.contains("event: problem"))
        .await;
    assert!(late.text.contains("TABLE-013"), "{}", late.text);
}
