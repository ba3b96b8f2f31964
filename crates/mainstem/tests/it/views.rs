//! Tables and views in a real server: they follow events, are shown when they are built, and are
//! what they were after a kill.

use crate::world::{Server, World, post};

const SHOP: &str = "
CREATE STREAM orders (shop TEXT NOT NULL, pieces BIGINT NOT NULL);
CREATE TABLE shops (shop TEXT PRIMARY KEY, town TEXT);
";
const VIEWS: &str = "
CREATE MATERIALIZED VIEW totals AS
SELECT shop, count(*) AS n, sum(pieces) AS pieces FROM orders GROUP BY shop EMIT ON UPDATE;
CREATE MATERIALIZED VIEW towns AS
SELECT s.town, count(*) AS n FROM orders o
JOIN shops FOR SYSTEM_TIME AS OF PROCTIME() s ON s.shop = o.shop
GROUP BY s.town EMIT ON UPDATE;
";
/// Questions until an answer is what it should be: each takes some milliseconds.
const PATIENCE: usize = 3_000;

fn order(server: &Server, shop: &str, pieces: i64) {
    let event = format!("{{\"shop\":\"{shop}\",\"pieces\":{pieces}}}\n");
    let (code, said) = post(
        server,
        "/v1/streams/orders/events",
        "application/x-ndjson",
        &event,
    );
    assert_eq!(code, 200, "{said}");
}

/// Asks until the answer is this.
fn expect(world: &World, question: &str, expected: &str) {
    let mut answer = String::new();
    for _ in 0..PATIENCE {
        let printed = world.run(&["sql", "--format", "csv", question]);
        answer = format!("{}{}", printed.stdout, printed.stderr);
        if printed.stdout.lines().nth(1) == Some(expected) {
            return;
        }
    }
    panic!("{question}: {answer}");
}

#[test]
fn views_follow_events_and_outlive_a_kill() {
    let world = World::new();
    world.write("app/shop.sql", SHOP);
    let folder = world.path("app").display().to_string();
    let server = world.serve();
    world.ok(&["apply", &folder, "--yes"]);
    order(&server, "a", 1);
    world.ok(&[
        "sql",
        "INSERT INTO shops VALUES ('a', 'Ulm'), ('b', 'Bonn')",
    ]);
    for pieces in 0..50 {
        order(&server, if pieces % 5 == 0 { "b" } else { "a" }, pieces);
    }
    // The views come later: what was before is read from the first event on.
    world.write("app/views.sql", VIEWS);
    world.ok(&["apply", &folder, "--yes"]);
    expect(
        &world,
        "SELECT n, pieces FROM totals WHERE shop = 'a'",
        "41,1001",
    );
    expect(&world, "SELECT n FROM towns WHERE town = 'Bonn'", "10");
    // The first order came before its shop was known.
    expect(&world, "SELECT n FROM towns WHERE town = 'Ulm'", "40");
    let mut status = String::new();
    // Steps tell of it right after the definitions do.
    for _ in 0..PATIENCE {
        status = world.ok(&["status"]);
        if status.contains("totals") && status.contains(" live ") {
            break;
        }
    }
    assert!(
        status.contains("totals") && status.contains(" live "),
        "{status}"
    );
    world.ok(&["sql", "UPDATE shops SET town = 'Köln' WHERE shop = 'b'"]);
    order(&server, "b", 7);
    expect(&world, "SELECT n FROM towns WHERE town = 'Köln'", "1");
    server.kill();

    let server = world.serve();
    expect(
        &world,
        "SELECT n, pieces FROM totals WHERE shop = 'a'",
        "41,1001",
    );
    expect(&world, "SELECT n FROM towns WHERE town = 'Köln'", "1");
    order(&server, "b", 7);
    expect(&world, "SELECT n FROM towns WHERE town = 'Köln'", "2");
    expect(&world, "SELECT sum(n) AS n FROM totals", "53");
    let (_, code) = server.stop();
    assert_eq!(code, 0);
}

#[test]
fn what_was_applied_can_be_asked_at_once_and_verifies() {
    let world = World::new();
    world.write("app/shop.sql", SHOP);
    let folder = world.path("app").display().to_string();
    let server = world.serve();
    world.ok(&["apply", &folder, "--yes"]);
    let asked = |question: &str| world.ok(&["sql", "--format", "csv", question]);
    assert_eq!(asked("SELECT count(*) AS n FROM shops"), "n\n0\n");
    for pieces in 0..40 {
        order(&server, if pieces % 4 == 0 { "b" } else { "a" }, pieces);
    }
    world.write("app/views.sql", VIEWS);
    world.ok(&["apply", &folder, "--yes"]);
    let sums = "SELECT sum(n) AS n, sum(pieces) AS pieces FROM totals";
    assert_eq!(asked(sums), "n,pieces\n40,780\n");
    let head = "shop,_difference,_column,_view,_batch,_differing\n";
    assert_eq!(asked("VERIFY VIEW totals"), head);
    // Another version, and back to the one before.
    let more = VIEWS.replace(
        "sum(pieces) AS pieces",
        "sum(pieces) AS pieces, max(pieces) AS most",
    );
    world.write("app/views.sql", &more);
    world.ok(&["apply", &folder, "--yes"]);
    assert_eq!(asked("SELECT max(most) AS most FROM totals"), "most\n39\n");
    order(&server, "b", 100);
    world.ok(&["rollback", "app", "--yes"]);
    assert_eq!(asked(sums), "n,pieces\n41,880\n");
    assert_eq!(asked("VERIFY VIEW totals"), head);
    // Who does not wait is not kept.
    world.write("app/views.sql", &more);
    world.ok(&["apply", &folder, "--yes", "--no-wait"]);
    let (_, code) = server.stop();
    assert_eq!(code, 0);
}
