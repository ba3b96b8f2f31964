//! `explain`: plans as trees and as pictures, of a folder and of a server.

use crate::world::{World, repository};

const SHOP: &str = "
CREATE STREAM orders (shop TEXT NOT NULL, pieces BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds');
CREATE TABLE shops (shop TEXT PRIMARY KEY, town TEXT);
CREATE MATERIALIZED VIEW hours AS
SELECT window_start, window_end, s.town, count(*) AS n, sum(pieces * 2) AS twice
FROM TUMBLE(orders, at, INTERVAL '1 hour') o
JOIN shops FOR SYSTEM_TIME AS OF PROCTIME() s ON s.shop = o.shop
WHERE o.shop <> 'a' AND s.town IS NOT NULL
GROUP BY window_start, window_end, s.town EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW towns AS
SELECT town, sum(n) AS n FROM hours GROUP BY town EMIT ON UPDATE;
";

#[test]
fn a_view_is_a_tree_of_operators_with_what_each_keeps() {
    let world = World::new();
    world.write("shop/shop.sql", SHOP);
    let folder = world.path("shop").display().to_string();
    let tree = world.ok(&["explain", "hours", "--folder", &folder]);
    assert!(
        tree.starts_with("view hours\n│  EMIT ON WINDOW CLOSE\n"),
        "{tree}"
    );
    for part in [
        "event time: window_start, at most 1 hour behind that of what it reads\n",
        "project: window_start, window_end, town, n = count(*)",
        "aggregate by window_start, window_end, town: count(*)",
        "keeps panes: windows of 1 hour, each until the watermark",
        "lookup of table shops by shop",
        "keeps lookup table: the rows of the table\n",
        "windows of 1 hour over at\n",
        "filter: ",
        "└─ stream orders: shop, pieces, at\n",
    ] {
        assert!(tree.contains(part), "{part}: {tree}");
    }
    let all = world.ok(&["explain", "--folder", &folder]);
    assert!(
        all.starts_with(&tree) && all.contains("\n\nview towns\n"),
        "{all}"
    );
    let said = world.fails(&["explain", "hour", "--folder", &folder]);
    assert!(
        said.contains("error[CLI-027]: application \"shop\" has no view \"hour\""),
        "{said}"
    );
    assert!(said.contains("its views are hours, towns"), "{said}");
}

#[test]
fn how_far_windows_over_windows_are_behind_adds_up() {
    let world = World::new();
    let folder = repository().join("crates/mainstem/tests/operators/chains");
    let folder = folder.display().to_string();
    for (view, own, all) in [
        (
            "minutes",
            ", at most 1 minute behind that of what it reads",
            "10 seconds",
        ),
        ("busy", "", ""),
        (
            "hours",
            ", at most 1 hour behind that of what it reads",
            "70 seconds",
        ),
        (
            "days",
            ", at most 1 day behind that of what it reads",
            "3670 seconds",
        ),
    ] {
        let tree = world.ok(&["explain", view, "--folder", &folder]);
        let time = if view == "busy" {
            "minute"
        } else {
            view.trim_end_matches('s')
        };
        assert!(
            tree.contains(&format!("event time: {time}{own}\n")),
            "{tree}"
        );
        let windows = format!("until the watermark ({all} behind) passes its end");
        let words = tree.split_whitespace().filter(|word| *word != "│");
        let words = words.collect::<Vec<_>>().join(" ");
        assert!(all.is_empty() || words.contains(&windows), "{tree}");
    }
}

#[test]
fn a_view_that_is_looked_up_is_named_and_drawn() {
    let world = World::new();
    let folder = repository().join("crates/mainstem/tests/operators/asof");
    let folder = folder.display().to_string();
    let tree = world.ok(&["explain", "orders_with_all", "--folder", &folder]);
    for part in [
        "lookup of view spending by customer_id, as of each row: count(",
        "lookup of view regulars by customer_id, as of each row",
        "lookup of view ordered by customer_id, as of each row",
        "one row per key that a view or a row here has had",
        "lookup of table customers by customer_id",
        "union all, in the order of the log",
    ] {
        assert!(tree.contains(part), "{part}: {tree}");
    }
    let tree = world.ok(&["explain", "orders_with_spending", "--folder", &folder]);
    assert!(tree.contains("│  event time: at\n"), "{tree}");
}

#[test]
fn what_moves_event_time_is_said_of_each_stream() {
    let world = World::new();
    let folder = repository().join("crates/mainstem/tests/operators/resting");
    let folder = folder.display().to_string();
    let moved = |name: &str| {
        format!(
            "│  event time of {name} goes on with its rows, and on one machine by itself after 30 seconds \
             without\n│    any (idle_timeout)\n"
        )
    };
    // Over a view of two streams, which passes their rows on and waits for nothing.
    let tree = world.ok(&["explain", "lively", "--folder", &folder]);
    let both = moved("readings") + &moved("badges");
    assert!(tree.contains(&both), "{tree}");
    let tree = world.ok(&["explain", "signs", "--folder", &folder]);
    assert!(!tree.contains("goes on"), "{tree}");
    world.write("shop/shop.sql", SHOP);
    let folder = world.path("shop").display().to_string();
    let tree = world.ok(&["explain", "hours", "--folder", &folder]);
    let alone = "│  event time of orders goes on with its rows alone: it has no idle_timeout\n";
    assert!(tree.contains(alone), "{tree}");
    let tree = world.ok(&["explain", "towns", "--folder", &folder]);
    assert!(!tree.contains("goes on"), "{tree}");
}

#[test]
fn a_server_says_the_same_as_the_folder_and_draws_it() {
    let world = World::new();
    world.write("shop/shop.sql", SHOP);
    let folder = world.path("shop").display().to_string();
    let server = world.serve();
    world.ok(&["apply", &folder, "--yes"]);
    let tree = world.ok(&["explain", "hours", "--folder", &folder]);
    assert_eq!(world.ok(&["explain", "hours"]), tree);
    // A line per row in every format.
    let csv = world.ok(&["sql", "--format", "csv", "EXPLAIN VIEW towns"]);
    assert!(csv.starts_with("plan\nview towns\n"), "{csv}");
    let csv = world.ok(&["sql", "--format", "csv", "EXPLAIN SELECT shop FROM orders"]);
    assert!(csv.lines().count() > 2 && !csv.contains("\\n"), "{csv}");
    let question = world.ok(&["explain", "SELECT count(*) FROM orders WHERE pieces > 3"]);
    assert!(question.starts_with("logical plan:\n  "), "{question}");
    assert!(question.contains("\n\nphysical plan:\n  "), "{question}");

    let file = world.path("hours.svg");
    let name = file.display().to_string();
    assert_eq!(world.ok(&["explain", "hours", "--svg", "-o", &name]), "");
    let drawn = std::fs::read_to_string(&file).unwrap();
    assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"));
    for part in ["hours", "orders", "shops", "towns", "rows/s", "live"] {
        assert!(drawn.contains(part), "{part}: {drawn}");
    }
    // Nothing has flowed, and that is known of each line.
    let lines = drawn.matches("class=\"line rows\"").count();
    assert!(lines > 5, "{drawn}");
    assert_eq!(drawn.matches(">0/s<").count(), lines, "{drawn}");
    let drawn = world.ok(&["explain", "shop", "--svg"]);
    assert!(drawn.contains("application shop"), "{drawn}");
    let without = world.ok(&["explain", "--folder", &folder, "--svg"]);
    assert!(without.contains("application shop") && !without.contains("rows/s"));
    for svg in [&[][..], &["--svg"]] {
        let said = world.fails(&[&["explain", "nothing"], svg].concat());
        assert!(said.contains("\"nothing\""), "{said}");
    }
    drop(server);
}
