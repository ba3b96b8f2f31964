//! What is refused, and in which words: all mistakes at once, each with place, detail and hint.

use expect_test::expect;
use mainstem_kernel::Fault;

use super::{TENANT, World, said, source};
use crate::{AppError, OneMachine, check};

fn checked(sql: &str) -> String {
    let problems = check(&source("shop", sql), &OneMachine).expect_err("expected mistakes");
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn check_finds_what_cannot_be_kept() {
    let sql = "CREATE STREAM a_name_of_a_stream_that_is_longer_than_fifty_one_bytes (x TEXT);\n\
               CREATE STREAM b (\"At\" DATE, at DATE, \"AT\" DATE);";
    expect![[r#"
        error[APP-009]: name "a_name_of_a_stream_that_is_longer_than_fifty_one_bytes" is too long for a stream
          --> a.sql:1:1
        detail: Its dead letters would not get one: name "a_name_of_a_stream_that_is_longer_than_fifty_one_bytes_dead_letters" has 67 bytes, the limit is 63.
        hint: choose a name of at most 50 bytes
        error[APP-010]: columns "At" and "at" of stream "b" differ only by case
          --> a.sql:2:1
        detail: Most programs that read the files of history do not tell them apart.
        hint: give one of them another name
        error[APP-010]: columns "at" and "AT" of stream "b" differ only by case
          --> a.sql:2:1
        detail: Most programs that read the files of history do not tell them apart.
        hint: give one of them another name"#]]
    .assert_eq(&checked(sql));
    expect![[r#"
        error[SQL-003]: there is no type "txt"
          --> a.sql:1:20
        hint: did you mean TEXT?"#]]
    .assert_eq(&checked("CREATE STREAM a (x TXT);"));
}

#[test]
fn one_machine_refuses_rows_that_others_write_to_kafka() {
    let said = checked("CREATE FOREIGN STREAM p (id TEXT) FROM TOPIC 'billing.p' FORMAT JSON;");
    assert!(said.contains("error[APP-021]"), "{said}");
    assert!(
        said.contains("topic \"billing.p\"") && said.contains("hint: "),
        "{said}"
    );
}

const FIRST: &str = "\
CREATE STREAM orders (id TEXT NOT NULL, total NUMERIC(12, 2), note TEXT, paid BOOLEAN)
  PARTITION BY (id);
CREATE STREAM visits (at TIMESTAMPTZ NOT NULL, page TEXT);
CREATE STREAM clicks (at TIMESTAMPTZ NOT NULL, x INTEGER);
";

#[test]
fn a_plan_names_every_evolution_that_is_not_allowed() {
    let world = World::new();
    world.apply(&source("shop", FIRST));
    let before = world.definitions();
    let second = "\
-- everything wrong at once
CREATE STREAM orders (id BIGINT NOT NULL, total NUMERIC(12, 2) NOT NULL, remark TEXT, extra TEXT NOT NULL)
  PARTITION BY (total) WITH (partitions = 4);
CREATE STREAM visits (at TIMESTAMPTZ NOT NULL, page TEXT, url TEXT);
RENAME visits.page TO url;
CREATE STREAM new_clicks (at TIMESTAMPTZ NOT NULL, x INTEGER);
";
    let second = second.replace("page TEXT, url TEXT", "url TEXT");
    expect![[r#"
        error[APP-003]: column "id" of stream "orders" cannot become BIGINT
          --> a.sql:2:1
        detail: It is TEXT, and rows that are written keep their type.
        hint: add a column of another name: id_2 BIGINT
        error[APP-008]: column "total" of stream "orders" cannot become NOT NULL
          --> a.sql:2:1
        detail: It allows NULL, and rows that are written may have it.
        hint: leave NOT NULL out
        error[APP-004]: new column "extra" of stream "orders" must allow NULL
          --> a.sql:2:1
        detail: Rows that were written before do not have it.
        hint: leave NOT NULL out: extra TEXT
        error[APP-005]: column "note" of stream "orders" is no longer declared
          --> a.sql:2:1
        detail: A stream keeps its columns, because rows keep them.
        hint: if it is "remark" now, write RENAME orders.note TO remark
        error[APP-005]: column "paid" of stream "orders" is no longer declared
          --> a.sql:2:1
        detail: A stream keeps its columns, because rows keep them.
        hint: declare it again: paid BOOLEAN
        error[APP-006]: the partitions of stream "orders" cannot change
          --> a.sql:2:1
        detail: It has 8 partitions and PARTITION BY (id).
        hint: keep them, or declare a new stream"#]]
    .assert_eq(&world.plan(&source("shop", &second)));
    assert_eq!(world.definitions(), before);
}

#[test]
fn a_rename_to_what_exists_is_refused() {
    let world = World::new();
    world.apply(&source("shop", FIRST));
    let second = "\
CREATE STREAM orders (id TEXT NOT NULL, total NUMERIC(12, 2), note TEXT, paid BOOLEAN)
  PARTITION BY (id);
CREATE STREAM clicks (at TIMESTAMPTZ NOT NULL, x INTEGER);
RENAME visits TO clicks;
RENAME orders.paid TO note;
";
    let second = second.replace("note TEXT, paid BOOLEAN", "note TEXT");
    expect![[r#"
        error[APP-005]: column "paid" of stream "orders" is no longer declared
          --> a.sql:1:1
        detail: A stream keeps its columns, because rows keep them.
        hint: declare it again: paid BOOLEAN
        error[APP-007]: "clicks" exists, so "visits" cannot become it
          --> a.sql:4:1
        detail: Both streams are defined, so neither can be the other.
        hint: take the RENAME out, or let one of them go first
        error[APP-007]: "note" exists, so "paid" cannot become it
          --> a.sql:5:1
        detail: Both columns are defined, so neither can be the other.
        hint: take the RENAME out, or let one of them go first"#]]
    .assert_eq(&world.plan(&source("shop", &second)));
    let third = "CREATE STREAM a (x INTEGER);\nRENAME visits TO a;\nRENAME clicks TO a;";
    expect![[r#"
        error[APP-005]: column "at" of stream "a" is no longer declared
          --> a.sql:1:1
        detail: A stream keeps its columns, because rows keep them.
        hint: declare it again: at TIMESTAMPTZ NOT NULL
        error[APP-007]: two are to become "a"
          --> a.sql:3:1
        hint: take all but one of the RENAMEs out"#]]
    .assert_eq(&world.plan(&source("shop", third)));
}

#[test]
fn the_name_of_another_application_is_refused() {
    let world = World::new();
    world.apply(&source("shop", FIRST));
    let other = "CREATE STREAM own (x TEXT);\nCREATE STREAM orders (x TEXT);\n";
    expect![[r#"
        error[APP-002]: name "orders" belongs to application "shop"
          --> a.sql:2:1
        detail: Names are unique across all applications of a tenant.
        hint: choose another name, or drop it there first"#]]
    .assert_eq(&world.plan(&source("other", other)));
}

#[test]
fn a_plan_that_is_not_what_would_be_done_now_is_refused() {
    let world = World::new();
    let (first, other) = (
        source("shop", FIRST),
        source("other", "CREATE STREAM o (x TEXT);"),
    );
    let plan = world.apps.plan(TENANT, &first).unwrap();
    world.apply(&other);
    let stale = world
        .apps
        .apply(TENANT, &first, &plan.fingerprint)
        .unwrap_err();
    assert!(matches!(stale, AppError::Stale { .. }), "{stale}");
    expect![[r#"
        error[APP-011]: the plan of application "shop" is not what would be done now
        hint: plan again, look at it, and apply that"#]]
    .assert_eq(&said(&stale));
    let changed = source("shop", &FIRST.replace("page TEXT", "page TEXT, more TEXT"));
    let plan = world.apps.plan(TENANT, &first).unwrap();
    let stale = world
        .apps
        .apply(TENANT, &changed, &plan.fingerprint)
        .unwrap_err();
    assert!(matches!(stale, AppError::Stale { .. }), "{stale}");
    assert_eq!(world.frames(), 1);
}

#[test]
fn a_rollback_needs_an_application_and_a_revision() {
    let world = World::new();
    let unknown = world.apps.plan_rollback(TENANT, "shop").unwrap_err();
    expect![[r#"
        error[APP-012]: there is no application "shop"
        hint: `mainstem status` lists the applications"#]]
    .assert_eq(&said(&unknown));
    world.apply(&source("shop", FIRST));
    let first = world.apps.plan_rollback(TENANT, "shop").unwrap_err();
    expect![[r#"
        error[APP-013]: application "shop" has no revision before 1
        hint: to remove its objects, apply it with their statements taken out"#]]
    .assert_eq(&said(&first));
    assert_eq!(first.answer().code.as_str(), "APP-013");
}

#[test]
fn an_error_of_mistakes_counts_and_lists_them() {
    let world = World::new();
    let error = world
        .apps
        .plan(TENANT, &source("shop", "CREATE STREAM a (x TXT);"))
        .unwrap_err();
    expect![[r#"
        error[APP-001]: application "shop" has a mistake
        detail: error[SQL-003]: there is no type "txt"
          --> a.sql:1:20
        hint: did you mean TEXT?
        hint: correct them, and run `mainstem check`"#]]
    .assert_eq(&error.problem().to_string());
}

#[test]
fn a_view_over_a_column_that_is_dropped_is_named_with_its_place() {
    let world = World::new();
    let stream = "CREATE STREAM sales (shop TEXT NOT NULL, pieces INTEGER, note TEXT);";
    let totals = "CREATE MATERIALIZED VIEW totals AS
SELECT shop, count(*) AS n, sum(pieces) AS pieces FROM sales GROUP BY shop EMIT ON UPDATE;";
    let above = "CREATE MATERIALIZED VIEW big AS
SELECT shop, n FROM totals WHERE pieces > 10 EMIT ON UPDATE;
CREATE MATERIALIZED VIEW notes AS
SELECT shop, note FROM sales WHERE note IS NOT NULL;";
    world.apply(&source("shop", &format!("{stream}\n{totals}\n{above}")));
    let before = world.definitions();
    let without = totals.replace(", sum(pieces) AS pieces", "");
    expect![[r#"
        error[SQL-022]: there is no column "pieces"
          --> a.sql:5:34
        hint: there are: shop, n"#]]
    .assert_eq(&world.plan(&source("shop", &format!("{stream}\n{without}\n{above}"))));
    let without = stream.replace(", note TEXT", "");
    expect![[r#"
        error[APP-005]: column "note" of stream "sales" is no longer declared
          --> a.sql:1:1
        detail: A stream keeps its columns, because rows keep them.
        hint: declare it again: note TEXT"#]]
    .assert_eq(&world.plan(&source("shop", &format!("{without}\n{totals}\n{above}"))));
    assert_eq!(world.definitions(), before);
}
