//! What plans show, and what is defined when they are carried out.

use expect_test::expect;
use mainstem_catalog::Change;
use mainstem_kernel::{Column, ColumnName, ColumnType};

use super::{TENANT, World, source};
use crate::Source;

const FIRST: &str = "\
CREATE STREAM orders (id TEXT NOT NULL, total NUMERIC(12, 2) NOT NULL, at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds') PARTITION BY (id) WITH (retention = '2 years');
CREATE STREAM visits (page TEXT) WITH (partitions = 2, durability = 'relaxed');
";

fn columns(world: &World, stream: &str) -> Vec<(u32, String)> {
    let definitions = world.definitions();
    let def = definitions.stream(TENANT, stream).unwrap();
    def.spec
        .columns
        .0
        .iter()
        .map(|column| (column.id, column.name.to_string()))
        .collect()
}

#[test]
fn a_first_apply_creates_and_a_second_changes_nothing() {
    let world = World::new();
    let first = source("shop", FIRST);
    expect![[r#"
        application "shop"
        ├─ + create stream "orders"
        │     + column id TEXT NOT NULL
        │     + column total NUMERIC(12, 2) NOT NULL
        │     + column at TIMESTAMPTZ NOT NULL
        │     + watermark at - 10 seconds
        │     + 8 partitions, PARTITION BY (id)
        │     + retention 2 years
        │     + durability strict
        │     + event_size_max 32 KiB
        └─ + create stream "visits"
              + column page TEXT
              + 2 partitions, no PARTITION BY
              + retention for ever
              + durability relaxed
              + event_size_max 32 KiB
    "#]]
    .assert_eq(&world.apply(&first));
    assert_eq!(
        world.apply(&first),
        "application \"shop\": nothing changes\n"
    );
    let lost = world
        .apps
        .apply(TENANT, &first, "of a plan before the answer was lost")
        .unwrap();
    assert_eq!(
        (lost.plan.steps.len(), lost.revision, world.frames()),
        (0, 1, 1)
    );
}

fn named((id, name): (u32, &str)) -> (u32, String) {
    (id, name.to_owned())
}

/// Everything at once: renames, a new column, NULL, options, a drop, a new stream, a version.
fn second() -> Source {
    let mut second = source(
        "shop",
        "\
CREATE STREAM sales (order_id TEXT NOT NULL, channel TEXT, total NUMERIC(12, 2), at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '1 day') PARTITION BY (order_id)
  WITH (retention = '90 days', event_size_max = '1 MiB');
RENAME orders TO sales;
RENAME sales.id TO order_id;
CREATE STREAM clicks (x INTEGER);
",
    );
    second.version = Some("2.0".to_owned());
    second
}

const RENAMED: [(u32, &str); 4] = [(1, "order_id"), (4, "channel"), (2, "total"), (3, "at")];

#[test]
fn an_apply_evolves_renames_and_drops() {
    let world = World::new();
    world.apply(&source("shop", FIRST));
    expect![[r#"
        application "shop"
        ├─ ~ rename stream "orders" (loses data)
        │     ~ name orders → sales
        │     ~ column id → order_id
        │     + column channel TEXT
        │     ~ column total may be NULL
        │     ~ watermark at - 10 seconds → at - 1 day
        │     ~ event_size_max 32 KiB → 1 MiB
        │     ~ retention 2 years → 90 days (older rows are deleted)
        ├─ + create stream "clicks"
        │     + column x INTEGER
        │     + 8 partitions, no PARTITION BY
        │     + retention for ever
        │     + durability strict
        │     + event_size_max 32 KiB
        ├─ - drop stream "visits" (loses data)
        │     = its rows are kept for seven days; until then it can be brought back
        └─ ~ change application "shop"
              ~ version none → 2.0
              ~ text of file a.sql
    "#]]
    .assert_eq(&world.apply(&second()));
    assert_eq!(
        world.apply(&second()),
        "application \"shop\": nothing changes\n",
        "RENAMEs stay"
    );
    assert_eq!(columns(&world, "sales"), RENAMED.map(named));
}

#[test]
fn a_rollback_takes_an_apply_back() {
    let world = World::new();
    let first = source("shop", FIRST);
    world.apply(&first);
    world.apply(&second());
    expect![[r#"
        application "shop"
        ├─ ~ rename stream "sales"
        │     ~ name sales → orders
        │     ~ column order_id → id
        │     - column channel TEXT (hidden; rows keep their values)
        │     ~ watermark at - 1 day → at - 10 seconds
        │     ~ event_size_max 1 MiB → 32 KiB
        │     ~ retention 90 days → 2 years
        │     = column total still allows NULL: rows may have it
        ├─ + restore stream "visits"
        │     = with its rows; it was dropped at 2023-11-14T22:13:20.000000Z
        ├─ - drop stream "clicks" (loses data)
        │     = its rows are kept for seven days; until then it can be brought back
        └─ ~ change application "shop"
              ~ version 2.0 → none
              ~ text of file a.sql
    "#]]
    .assert_eq(&world.rollback("shop"));
    assert_eq!(
        columns(&world, "orders"),
        [(1, "id"), (2, "total"), (3, "at")].map(named)
    );
    assert!(
        world
            .definitions()
            .stream(TENANT, "visits_dead_letters")
            .is_some()
    );
    // NOT NULL does not come back; that is said, and stands in nobody's way.
    expect![[r#"
        ! drift: stream "orders": ~ column total may be NULL
        application "shop": nothing changes
    "#]]
    .assert_eq(&world.plan(&first));
}

/// And the hidden column has its values again.
#[test]
fn a_rollback_after_a_rollback_leads_back() {
    let world = World::new();
    world.apply(&source("shop", FIRST));
    world.apply(&second());
    world.rollback("shop");
    expect![[r#"
        ! drift: stream "orders": ~ column total may be NULL
        application "shop"
        ├─ ~ rename stream "orders" (loses data)
        │     ~ name orders → sales
        │     ~ column id → order_id
        │     + column channel TEXT
        │     ~ watermark at - 10 seconds → at - 1 day
        │     ~ event_size_max 32 KiB → 1 MiB
        │     ~ retention 2 years → 90 days (older rows are deleted)
        ├─ + restore stream "clicks"
        │     = with its rows; it was dropped at 2023-11-14T22:13:20.000000Z
        ├─ - drop stream "visits" (loses data)
        │     = its rows are kept for seven days; until then it can be brought back
        └─ ~ change application "shop"
              ~ version none → 2.0
              ~ text of file a.sql
    "#]]
    .assert_eq(&world.rollback("shop"));
    assert_eq!(columns(&world, "sales"), RENAMED.map(named));
    assert_eq!(
        world.plan(&second()),
        "application \"shop\": nothing changes\n"
    );
    let app = world
        .definitions()
        .app(TENANT, "shop")
        .unwrap()
        .as_ref()
        .clone();
    assert_eq!((app.revision, app.version.as_deref()), (4, Some("2.0")));
}

#[test]
fn what_was_dropped_by_mistake_comes_back_with_its_rows() {
    let world = World::new();
    world.apply(&source("shop", FIRST));
    let id = |world: &World| {
        world
            .definitions()
            .stream(TENANT, "visits")
            .map(|def| def.id)
    };
    let before = id(&world);
    let without = FIRST.split_once("CREATE STREAM visits").unwrap().0;
    expect![[r#"
        application "shop"
        └─ - drop stream "visits" (loses data)
              = its rows are kept for seven days; until then it can be brought back
    "#]]
    .assert_eq(&world.apply(&source("shop", without)));
    let again = FIRST.replace("page TEXT", "page TEXT, agent TEXT");
    expect![[r#"
        application "shop"
        └─ + restore stream "visits"
              = with its rows; it was dropped at 2023-11-14T22:13:20.000000Z
              + column agent TEXT
    "#]]
    .assert_eq(&world.apply(&source("shop", &again)));
    assert_eq!(id(&world), before);

    // Another stream of that name is a new one.
    world.apply(&source("shop", without));
    let other = FIRST.replace("page TEXT", "page BIGINT");
    world.apply(&source("shop", &other));
    assert_ne!(id(&world), before);
}

#[test]
fn what_was_changed_by_other_means_is_named_and_undone_where_it_can_be() {
    let world = World::new();
    let first = source("shop", FIRST);
    world.apply(&first);
    world.tamper("shop", "orders", |spec| {
        let name = ColumnName::new("secret").unwrap();
        spec.columns.0.push(Column {
            id: 0,
            name,
            ty: ColumnType::Text,
            nullable: true,
        });
        spec.columns.0[1].nullable = true;
        spec.retention = None;
    });
    let visits = world.definitions().stream(TENANT, "visits").unwrap().id;
    world.change("shop", Change::DropStream { id: visits });
    expect![[r#"
        ! drift: stream "orders": ~ column total may be NULL
        ! drift: stream "orders": + column secret TEXT
        ! drift: stream "orders": ~ retention 2 years → for ever
        ! drift: stream "visits" is gone
        application "shop"
        ├─ ~ change stream "orders" (loses data)
        │     ~ retention for ever → 2 years (older rows are deleted)
        └─ + restore stream "visits"
              = with its rows; it was dropped at 2023-11-14T22:13:20.000000Z
    "#]]
    .assert_eq(&world.apply(&first));
    expect![[r#"
        ! drift: stream "orders": ~ column total may be NULL
        ! drift: stream "orders": + column secret TEXT
        application "shop": nothing changes
    "#]]
    .assert_eq(&world.plan(&first));
}

#[test]
fn text_and_version_make_a_revision_too() {
    let world = World::new();
    expect![[r#"
        application "shop"
        └─ + create application "shop"
              + version none
    "#]]
    .assert_eq(&world.apply(&source("shop", "-- nothing yet")));
    world.apply(&source("shop", FIRST));
    let mut words = source("shop", &format!("-- what the shop sends\n{FIRST}"));
    words.version = Some("1.1".to_owned());
    words.files.insert("b.sql".to_owned(), String::new());
    expect![[r#"
        application "shop"
        └─ ~ change application "shop"
              ~ version none → 1.1
              + file b.sql
              ~ text of file a.sql
    "#]]
    .assert_eq(&world.apply(&words));
    let retold = source("shop", &FIRST.replace("page TEXT", "page   TEXT"));
    world.apply(&retold);
    let sql = world
        .definitions()
        .stream(TENANT, "visits")
        .unwrap()
        .spec
        .sql
        .clone();
    assert!(
        sql.contains("page   TEXT"),
        "the statement is kept as written: {sql}"
    );
    assert_eq!(
        world
            .definitions()
            .stream(TENANT, "visits")
            .unwrap()
            .schemas
            .len(),
        1
    );
}

#[test]
fn streams_swap_names_in_one_apply() {
    let world = World::new();
    world.apply(&source(
        "shop",
        "CREATE STREAM a (x TEXT);\nCREATE STREAM b (y TEXT);",
    ));
    let id = |name: &str| world.definitions().stream(TENANT, name).unwrap().id;
    let (a, b) = (id("a"), id("b"));
    world.apply(&source(
        "shop",
        "CREATE STREAM c (x TEXT);\nRENAME a TO c;\nCREATE STREAM b (y TEXT);",
    ));
    world.apply(&source(
        "shop",
        "CREATE STREAM a (y TEXT);\nRENAME b TO a;\nCREATE STREAM c (x TEXT);",
    ));
    world.apply(&source(
        "shop",
        "CREATE STREAM a (y TEXT);\nCREATE STREAM b (x TEXT);\nRENAME c TO b;",
    ));
    assert_eq!((id("a"), id("b")), (b, a));
}
