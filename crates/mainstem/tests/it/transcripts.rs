//! A user's first hour: serve, check, plan, apply, load, ask, follow, back up, restore.

use expect_test::expect;

use crate::world::World;

const SHOP: &str = "CREATE STREAM orders (
  id BIGINT NOT NULL,
  item TEXT NOT NULL,
  price NUMERIC(10, 2),
  at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '1 minute'
) PARTITION BY (id);
";

/// A world with the application `shop`, applied on a running server.
fn with_shop() -> (World, crate::world::Server) {
    let world = World::new();
    world.write("shop/orders.sql", SHOP);
    let server = world.serve();
    world.ok(&["apply", &app(&world), "--yes"]);
    (world, server)
}

fn app(world: &World) -> String {
    world.path("shop").display().to_string()
}

#[test]
fn from_an_empty_folder_to_an_answer() {
    let world = World::new();
    world.write("shop/orders.sql", SHOP);
    let rows = "id,item,price,at\n1,cup,4.50,2026-01-01T10:00:00Z\n2,\"big \"\"plate\"\"\",12,2026-01-01T10:00:01Z\n3,fork,,2026-01-01T10:00:02Z\n";
    let file = world.write("orders.csv", rows).display().to_string();
    let server = world.serve();

    assert_eq!(world.ok(&["check", &app(&world)]), "");
    let planned = world.ok(&["plan", &app(&world)]);
    assert!(
        planned.starts_with("application \"shop\"\n└─ + create stream \"orders\""),
        "{planned}"
    );
    assert_eq!(world.ok(&["apply", &app(&world), "--yes"]), planned);
    expect![[r#"
        application "shop": nothing changes
    "#]]
    .assert_eq(&world.ok(&["apply", &app(&world)]));

    let loaded = world.run(&["load", &file, "--stream", "orders"]);
    assert_eq!(loaded.code, 0, "{}", loaded.stderr);
    assert!(
        loaded.stderr.starts_with("loaded 3 rows into \"orders\""),
        "{}",
        loaded.stderr
    );
    let again = world.run(&["load", &file, "--stream", "orders"]);
    expect![[r#"
        3 rows have arrived before
        nothing to do: all 3 rows had arrived in "orders"
    "#]]
    .assert_eq(&again.stderr);

    let question = "SELECT id, item, price, at FROM orders ORDER BY id";
    expect![[r#"
        id  item         price  at
         1  cup           4.50  2026-01-01T10:00:00.000000Z
         2  big "plate"  12.00  2026-01-01T10:00:01.000000Z
         3  fork                2026-01-01T10:00:02.000000Z
    "#]]
    .assert_eq(&world.ok(&["sql", question]));
    expect![[r#"
        id,item,price,at
        1,cup,4.50,2026-01-01T10:00:00.000000Z
        2,"big ""plate""",12.00,2026-01-01T10:00:01.000000Z
        3,fork,,2026-01-01T10:00:02.000000Z
    "#]]
    .assert_eq(&world.ok(&["sql", "--format", "csv", question]));
    expect![[r#"
        {"n":3}
    "#]]
    .assert_eq(&world.ok(&[
        "sql",
        "--format",
        "ndjson",
        "SELECT count(*) AS n FROM orders",
    ]));
    let followed = world.ok(&["tail", "orders", "--from", "earliest", "--limit", "3"]);
    assert_eq!(followed.lines().count(), 3, "{followed}");
    assert!(
        followed.contains("\"item\":\"big \\\"plate\\\"\""),
        "{followed}"
    );

    let (said, code) = server.stop();
    assert_eq!(code, 0, "{said}");
    let _server = world.serve();
    assert_eq!(world.ask("SELECT count(*) FROM orders"), "3");
}

#[test]
fn the_plan_of_a_change_is_shown_and_taken_back() {
    let (world, _server) = with_shop();
    world.write(
        "shop/orders.sql",
        SHOP.replace("price N", "note TEXT,\n  price N"),
    );
    expect![[r#"
        application "shop"
        └─ ~ change stream "orders"
              + column note TEXT
    "#]]
    .assert_eq(&world.ok(&["plan", &app(&world)]));
    let refused = world.fails(&["apply", &app(&world)]);
    expect![[r#"
        error[CLI-008]: nobody agreed to the plan, so nothing was changed
        hint: add --yes to carry it out without being asked
    "#]]
    .assert_eq(&refused);
    world.ok(&["apply", &app(&world), "--yes"]);
    assert_eq!(world.ask("SELECT count(note) FROM orders"), "0");
    world.ok(&["rollback", "shop", "--yes"]);
    let gone = world.fails(&["sql", "SELECT note FROM orders"]);
    assert!(gone.contains("note"), "{gone}");
}

#[test]
fn a_mistake_is_shown_with_its_line_by_check_and_by_apply() {
    let world = World::new();
    world.write("shop/orders.sql", SHOP.replace("TEXT NOT", "TXT NOT"));
    let checked = world.fails(&["check", &app(&world)]);
    assert!(
        checked.contains("--> [ROOT]/shop/orders.sql:3:8"),
        "{checked}"
    );
    assert!(
        checked.contains(" 3 |   item TXT NOT NULL,\n   |        ^"),
        "{checked}"
    );
    let _server = world.serve();
    assert_eq!(world.fails(&["apply", &app(&world), "--yes"]), checked);
}

#[test]
fn a_backup_taken_while_it_runs_restores_to_the_same_answers() {
    let (world, server) = with_shop();
    let rows: String = (0..5_000)
        .map(|i| {
            format!(
                "{{\"id\":{i},\"item\":\"cup\",\"price\":{i},\"at\":\"2026-01-01T10:00:00Z\"}}\n"
            )
        })
        .collect();
    let file = world.write("a.ndjson", rows).display().to_string();
    world.ok(&["load", &file, "--stream", "orders"]);
    let (status, _) = crate::world::post(&server, "/v1/flush", "application/json", "{}");
    assert_eq!(status, 200);
    world.write(
        "b.ndjson",
        "{\"id\":7,\"item\":\"jug\",\"at\":\"2026-01-01T10:00:00Z\"}\n",
    );
    world.ok(&[
        "load",
        &world.path("b.ndjson").display().to_string(),
        "--stream",
        "orders",
    ]);

    let to = world.path("backup").display().to_string();
    world.ok(&["backup", "--to", &to]);
    let again = world.fails(&["backup", "--to", &to]);
    assert!(again.starts_with("error[NODE-011]"), "{again}");
    let question =
        "SELECT item, count(*) AS n, sum(price) AS sum FROM orders GROUP BY 1 ORDER BY 1";
    let expected = world.ok(&["sql", "--format", "csv", question]);
    let (said, code) = server.stop();
    assert_eq!(code, 0, "{said}");

    let refused = world.fails(&["restore", "--from", &to]);
    assert!(refused.starts_with("error[NODE-011]"), "{refused}");
    std::fs::rename(world.data(), world.path("old")).unwrap();
    world.ok(&["restore", "--from", &to]);
    let _server = world.serve();
    assert_eq!(world.ok(&["sql", "--format", "csv", question]), expected);
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let (world, server) = with_shop();
    let to = world.path("backup");
    world.ok(&["backup", "--to", &to.display().to_string()]);
    server.kill();
    std::fs::write(to.join("admin.key"), "another").unwrap();
    std::fs::rename(world.data(), world.path("old")).unwrap();
    let refused = world.fails(&["restore", "--from", &to.display().to_string()]);
    assert!(refused.starts_with("error[NODE-013]"), "{refused}");
    assert!(!world.data().exists());
}
