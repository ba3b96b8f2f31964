//! Plans of tables, and what is defined when they are carried out.

use expect_test::expect;
use mainstem_catalog::{Change, TableSpec};
use mainstem_kernel::{Column, ColumnName, ColumnType};

use super::{TENANT, World, source};

const FIRST: &str = "\
CREATE TABLE owners (region TEXT, id BIGINT, name TEXT NOT NULL, PRIMARY KEY (region, id))
  WITH (ttl = '90 days');
CREATE TABLE prices (sku TEXT PRIMARY KEY, price NUMERIC(12, 2));
";

const SECOND: &str = "\
CREATE TABLE people (region TEXT, person_id BIGINT, mail TEXT, name TEXT, PRIMARY KEY (region, person_id))
  WITH (ttl = '30 days');
RENAME owners TO people;
RENAME people.id TO person_id;
";

fn tamper(world: &World, table: &str, edit: impl FnOnce(&mut TableSpec)) {
    let definitions = world.definitions();
    let def = definitions.table(TENANT, table).unwrap();
    let mut spec = def.spec.clone();
    edit(&mut spec);
    world.change("shop", Change::AlterTable { id: def.id, spec });
}

#[test]
fn a_first_apply_creates_and_a_second_changes_nothing() {
    let world = World::new();
    let first = source("shop", FIRST);
    expect![[r#"
        application "shop"
        ├─ + create table "owners"
        │     + column region TEXT NOT NULL
        │     + column id BIGINT NOT NULL
        │     + column name TEXT NOT NULL
        │     + key (region, id)
        │     + ttl 90 days
        └─ + create table "prices"
              + column sku TEXT NOT NULL
              + column price NUMERIC(12, 2)
              + key (sku)
              + ttl for ever
    "#]]
    .assert_eq(&world.apply(&first));
    assert_eq!(
        world.apply(&first),
        "application \"shop\": nothing changes\n"
    );
    assert_eq!(world.frames(), 1);
}

#[test]
fn a_table_evolves_is_renamed_and_dropped_and_a_rollback_takes_it_back() {
    let world = World::new();
    let first = source("shop", FIRST);
    world.apply(&first);
    let id = world.definitions().table(TENANT, "owners").unwrap().id;
    let second = source("shop", SECOND);
    expect![[r#"
        application "shop"
        ├─ ~ rename table "owners" (loses data)
        │     ~ name owners → people
        │     ~ column id → person_id
        │     + column mail TEXT
        │     ~ column name may be NULL
        │     ~ ttl 90 days → 30 days (older rows expire)
        └─ - drop table "prices" (loses data)
              = its rows are kept for seven days; until then it can be brought back
    "#]]
    .assert_eq(&world.apply(&second));
    assert_eq!(
        world.apply(&second),
        "application \"shop\": nothing changes\n",
        "RENAMEs stay"
    );
    let definitions = world.definitions();
    let people = definitions.table(TENANT, "people").unwrap();
    assert_eq!((people.id, people.spec.key_ids()), (id, vec![1, 2]));

    expect![[r#"
        application "shop"
        ├─ ~ rename table "people"
        │     ~ name people → owners
        │     ~ column person_id → id
        │     - column mail TEXT (hidden; rows keep their values)
        │     ~ ttl 30 days → 90 days
        │     = column name still allows NULL: rows may have it
        └─ + restore table "prices"
              = with its rows; it was dropped at 2023-11-14T22:13:20.000000Z
    "#]]
    .assert_eq(&world.rollback("shop"));
    let definitions = world.definitions();
    assert_eq!(definitions.table(TENANT, "owners").unwrap().id, id);
    assert!(definitions.table(TENANT, "prices").is_some());
    expect![[r#"
        ! drift: table "owners": ~ column name may be NULL
        application "shop": nothing changes
    "#]]
    .assert_eq(&world.plan(&first));
    expect![[r#"
        ! drift: table "owners": ~ column name may be NULL
        application "shop"
        ├─ ~ rename table "owners" (loses data)
        │     ~ name owners → people
        │     ~ column id → person_id
        │     + column mail TEXT
        │     ~ ttl 90 days → 30 days (older rows expire)
        └─ - drop table "prices" (loses data)
              = its rows are kept for seven days; until then it can be brought back
    "#]]
    .assert_eq(&world.rollback("shop"));
    assert_eq!(
        world.plan(&second),
        "application \"shop\": nothing changes\n"
    );
}

#[test]
fn a_table_that_was_dropped_by_mistake_comes_back_with_its_rows() {
    let world = World::new();
    world.apply(&source("shop", FIRST));
    let id = |world: &World| {
        let definitions = world.definitions();
        definitions.table(TENANT, "prices").map(|def| def.id)
    };
    let before = id(&world);
    let without = FIRST.split_once("CREATE TABLE prices").unwrap().0;
    world.apply(&source("shop", without));
    assert_eq!(id(&world), None);
    let again = FIRST.replace("NUMERIC(12, 2)", "NUMERIC(12, 2), since DATE");
    expect![[r#"
        application "shop"
        └─ + restore table "prices"
              = with its rows; it was dropped at 2023-11-14T22:13:20.000000Z
              + column since DATE
    "#]]
    .assert_eq(&world.apply(&source("shop", &again)));
    assert_eq!(id(&world), before);

    // Another key is another table.
    world.apply(&source("shop", without));
    let other = FIRST.replace("sku TEXT PRIMARY KEY", "sku TEXT, ean TEXT PRIMARY KEY");
    world.apply(&source("shop", &other));
    assert_ne!(id(&world), before);
}

#[test]
fn a_name_can_become_another_kind() {
    let world = World::new();
    world.apply(&source("shop", FIRST));
    let other = "CREATE STREAM owners (id BIGINT);";
    expect![[r#"
        application "shop"
        ├─ + create stream "owners"
        │     + column id BIGINT
        │     + 8 partitions, no PARTITION BY
        │     + retention for ever
        │     + durability strict
        │     + event_size_max 32 KiB
        ├─ - drop table "owners" (loses data)
        │     = its rows are kept for seven days; until then it can be brought back
        └─ - drop table "prices" (loses data)
              = its rows are kept for seven days; until then it can be brought back
    "#]]
    .assert_eq(&world.apply(&source("shop", other)));
    let definitions = world.definitions();
    assert!(definitions.stream(TENANT, "owners").is_some());
    expect![[r#"
        application "shop"
        ├─ + restore table "owners"
        │     = with its rows; it was dropped at 2023-11-14T22:13:20.000000Z
        ├─ + restore table "prices"
        │     = with its rows; it was dropped at 2023-11-14T22:13:20.000000Z
        └─ - drop stream "owners" (loses data)
              = its rows are kept for seven days; until then it can be brought back
    "#]]
    .assert_eq(&world.rollback("shop"));
    assert!(world.definitions().table(TENANT, "owners").is_some());
}

#[test]
fn what_was_changed_by_other_means_is_named() {
    let world = World::new();
    let first = source("shop", FIRST);
    world.apply(&first);
    tamper(&world, "owners", |spec| {
        spec.ttl = None;
        spec.columns.0[2].nullable = true;
        spec.columns.0.push(Column {
            id: 0,
            name: ColumnName::new("secret").unwrap(),
            ty: ColumnType::Text,
            nullable: true,
        });
    });
    let prices = world.definitions().table(TENANT, "prices").unwrap().id;
    world.change("shop", Change::DropTable { id: prices });
    expect![[r#"
        ! drift: table "owners": ~ column name may be NULL
        ! drift: table "owners": + column secret TEXT
        ! drift: table "owners": ~ ttl 90 days → for ever
        ! drift: table "prices" is gone
        application "shop"
        ├─ ~ change table "owners" (loses data)
        │     ~ ttl for ever → 90 days (older rows expire)
        └─ + restore table "prices"
              = with its rows; it was dropped at 2023-11-14T22:13:20.000000Z
    "#]]
    .assert_eq(&world.apply(&first));
    expect![[r#"
        ! drift: table "owners": ~ column name may be NULL
        ! drift: table "owners": + column secret TEXT
        application "shop": nothing changes
    "#]]
    .assert_eq(&world.plan(&first));
}

#[test]
fn what_a_table_cannot_become_is_refused_by_name() {
    let world = World::new();
    world.apply(&source("shop", FIRST));
    let before = world.definitions();
    let second = "\
CREATE TABLE owners (region TEXT, id BIGINT, name TEXT NOT NULL, PRIMARY KEY (id, region));
CREATE TABLE prices (sku BIGINT PRIMARY KEY, amount NUMERIC(12, 2), unit TEXT NOT NULL);
";
    expect![[r#"
        error[APP-016]: the key of table "owners" cannot change
          --> a.sql:1:1
        detail: It is (region, id), and rows that are written are found by it.
        hint: keep it, or declare a new table
        error[APP-003]: column "sku" of table "prices" cannot become BIGINT
          --> a.sql:2:1
        detail: It is TEXT, and rows that are written keep their type.
        hint: add a column of another name: sku_2 BIGINT
        error[APP-004]: new column "unit" of table "prices" must allow NULL
          --> a.sql:2:1
        detail: Rows that were written before do not have it.
        hint: leave NOT NULL out: unit TEXT
        error[APP-005]: column "price" of table "prices" is no longer declared
          --> a.sql:2:1
        detail: A table keeps its columns, because rows keep them.
        hint: if it is "amount" now, write RENAME prices.price TO amount"#]]
    .assert_eq(&world.plan(&source("shop", second)));
    let kinds = "CREATE STREAM people (x TEXT);\nRENAME owners TO people;\n";
    expect![[r#"
        error[APP-018]: table "owners" cannot become stream "people"
          --> a.sql:2:1
        detail: RENAME keeps what it is: a table.
        hint: take the RENAME out: "owners" is dropped then, and "people" is new"#]]
    .assert_eq(&world.plan(&source("shop", kinds)));
    let case = "CREATE TABLE t (a TEXT PRIMARY KEY, \"B\" TEXT, b TEXT);";
    expect![[r#"
        error[APP-010]: columns "B" and "b" of table "t" differ only by case
          --> a.sql:1:1
        detail: Most programs that read the files of history do not tell them apart.
        hint: give one of them another name"#]]
    .assert_eq(&world.plan(&source("shop", case)));
    let theirs = source("other", "CREATE TABLE prices (x TEXT PRIMARY KEY);");
    expect![[r#"
        error[APP-002]: name "prices" belongs to application "shop"
          --> a.sql:1:1
        detail: Names are unique across all applications of a tenant.
        hint: choose another name, or drop it there first"#]]
    .assert_eq(&world.plan(&theirs));
    assert_eq!(world.definitions(), before);
}
