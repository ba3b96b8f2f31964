//! Names of views and of what they read: renames take along what hangs on them, and nothing goes that
//! is still read.

use expect_test::expect;
use mainstem_kernel::StreamName;

use super::{
    super::{NOTHING, TENANT, source},
    INPUTS, VIEWS, first, live, running, with,
};

#[test]
fn a_rename_takes_the_view_its_readers_and_its_dead_letters_along() {
    let world = live();
    let before: Vec<u32> = running(&world).iter().map(|view| view.1).collect();
    let text = format!("{INPUTS}{VIEWS}")
        .replace("VIEW minutes", "VIEW peaks")
        .replace("FROM minutes", "FROM peaks");
    let renamed = source("shop", &format!("{text}RENAME minutes TO peaks;\n"));
    expect![[r#"
        application "shop"
        └─ ~ rename view "minutes"
              ~ name minutes → peaks
    "#]]
    .assert_eq(&world.apply(&renamed));
    assert_eq!(world.plan(&renamed), NOTHING, "RENAMEs stay");
    let mut after: Vec<u32> = running(&world).iter().map(|view| view.1).collect();
    after.sort_unstable();
    let mut before = before;
    before.sort_unstable();
    assert_eq!(after, before, "nothing is rebuilt");
    let definitions = world.definitions();
    assert!(definitions.stream(TENANT, "peaks_late").is_some());
    assert!(definitions.stream(TENANT, "minutes_dead_letters").is_none());

    // Renamed and changed at once: another version, of the same view.
    let twice = text
        .replace("peaks", "tops")
        .replace("max(celsius)", "min(celsius)");
    let twice = source("shop", &format!("{twice}RENAME peaks TO tops;\n"));
    expect![[r#"
        application "shop"
        ├─ ~ rebuild view "peaks"
        │     ~ name peaks → tops
        │     ~ what it computes
        │     = keeps lookup of table "devices": lookup table, the rows of the table
        │     = keeps groups of (window_start, window_end, device_id, model): panes, windows of 1 minute, each until the watermark (10 seconds behind) passes its end
        │     = computed from the beginning of stream "readings" (kept 2 years) and table "devices"
        │     = beside the live version, which answers until then and is kept for 24 hours
        └─ ~ rebuild view "hot"
              ~ reads another version of view "tops"
              = computed from the beginning of view "tops"
              = beside the live version, which answers until then and is kept for 24 hours
    "#]].assert_eq(&world.apply(&twice));
    world.swap();
    expect![[r#"
        application "shop"
        ├─ + restore view "tops"
        │     ~ name tops → peaks
        │     ~ what it computes
        │     = goes on from where it was replaced at 2023-11-14T22:13:20.000000Z, and is swapped in when it has caught up
        │     = the live version answers until then, and is kept for 24 hours
        └─ + restore view "hot"
              ~ reads another version of view "peaks"
              = was replaced at 2023-11-14T22:13:20.000000Z; computed again from view "peaks", and is swapped in when it has caught up
              = the live version answers until then, and is kept for 24 hours
    "#]].assert_eq(&world.rollback("shop"));
    world.swap();
    let mut after: Vec<u32> = running(&world).iter().map(|view| view.1).collect();
    after.sort_unstable();
    assert_eq!(after, before);
    assert_eq!(world.plan(&renamed), NOTHING);
}

#[test]
fn what_goes_goes_with_its_readers_and_comes_back_with_them() {
    let world = live();
    let before = running(&world);
    let gone = source("shop", INPUTS.split_once("CREATE TABLE").unwrap().0);
    expect![[r#"
        application "shop"
        ├─ - drop view "hot" (loses data)
        │     = what it has computed is kept for seven days; until then it can be brought back
        │     - stream "hot_dead_letters"
        ├─ - drop view "minutes" (loses data)
        │     = what it has computed is kept for seven days; until then it can be brought back
        │     - stream "minutes_dead_letters"
        │     - stream "minutes_late"
        ├─ - drop view "totals" (loses data)
        │     = what it has computed is kept for seven days; until then it can be brought back
        │     - stream "totals_dead_letters"
        └─ - drop table "devices" (loses data)
              = its rows are kept for seven days; until then it can be brought back
    "#]]
    .assert_eq(&world.apply(&gone));
    assert_eq!(running(&world), []);
    expect![[r#"
        application "shop"
        ├─ + restore table "devices"
        │     = with its rows; it was dropped at 2023-11-14T22:13:20.000000Z
        ├─ + restore view "totals"
        │     = goes on from where it was dropped at 2023-11-14T22:13:20.000000Z, and is swapped in when it has caught up
        ├─ + restore view "minutes"
        │     = goes on from where it was dropped at 2023-11-14T22:13:20.000000Z, and is swapped in when it has caught up
        └─ + restore view "hot"
              = was dropped at 2023-11-14T22:13:20.000000Z; computed again from view "minutes", and is swapped in when it has caught up
    "#]].assert_eq(&world.apply(&first()));
    world.swap();
    assert_eq!(running(&world), before);
}

#[test]
fn what_a_view_reads_cannot_go_without_it() {
    let world = live();
    let before = world.definitions();
    let stream = INPUTS.split_once("CREATE TABLE").unwrap().1;
    let no_stream = source("shop", &format!("CREATE TABLE{stream}{VIEWS}"));
    expect![[r#"
        error[APP-015]: view "totals" reads stream "readings", which is no longer declared
          --> a.sql:3:40
        detail: Without the stream the view cannot be computed.
        hint: declare "readings" again, or take the view out as well
        error[APP-015]: view "minutes" reads stream "readings", which is no longer declared
          --> a.sql:6:15
        detail: Without the stream the view cannot be computed.
        hint: declare "readings" again, or take the view out as well
        error[VIEW-001]: a lookup from anything but a stream is not built yet in views
          --> a.sql:7:8
        detail: The row of a table is taken as of the arrival of an event.
        hint: join in the view that reads the stream, directly after FROM"#]]
    .assert_eq(&world.plan(&no_stream));
    let no_table = INPUTS.split_once("CREATE TABLE").unwrap().0;
    expect![[r#"
        error[APP-015]: view "minutes" reads table "devices", which is no longer declared
          --> a.sql:10:8
        detail: Without the table the view cannot be computed.
        hint: declare "devices" again, or take the view out as well"#]]
    .assert_eq(&world.plan(&source("shop", &format!("{no_table}{VIEWS}"))));
    let (before_it, rest) = VIEWS
        .split_once("CREATE MATERIALIZED VIEW minutes")
        .unwrap();
    let hot = rest.split_once("CREATE MATERIALIZED VIEW hot").unwrap().1;
    let no_view = format!("{INPUTS}{before_it}CREATE MATERIALIZED VIEW hot{hot}");
    expect![[r#"
        error[APP-015]: view "hot" reads view "minutes", which is no longer declared
          --> a.sql:9:46
        detail: Without the view the view cannot be computed.
        hint: declare "minutes" again, or take the view out as well"#]]
    .assert_eq(&world.plan(&source("shop", &no_view)));
    // A view that changes so that it does not read it any more is another matter.
    let without = no_view
        .replace("FROM minutes WHERE hottest > 80", "FROM readings")
        .replace(
            "SELECT window_end, device_id, hottest",
            "SELECT device_id, celsius",
        );
    expect![[r#"
        application "shop"
        ├─ ~ rebuild view "hot"
        │     + column celsius DOUBLE PRECISION
        │     - column window_end TIMESTAMPTZ NOT NULL
        │     - column hottest DOUBLE PRECISION
        │     ~ reads view "minutes" → stream "readings"
        │     = computed from the beginning of stream "readings" (kept 2 years)
        │     = beside the live version, which answers until then and is kept for 24 hours
        └─ - drop view "minutes" (loses data)
              = what it has computed is kept for seven days; until then it can be brought back
              - stream "minutes_dead_letters"
              - stream "minutes_late"
    "#]]
    .assert_eq(&world.plan(&source("shop", &without)));
    assert_eq!(world.definitions(), before);
}

#[test]
fn a_name_can_become_another_kind() {
    let world = live();
    let table = with(
        "CREATE MATERIALIZED VIEW hot AS
  SELECT window_end, device_id, hottest FROM minutes WHERE hottest > 80;",
        "CREATE TABLE hot (device_id TEXT PRIMARY KEY);",
    );
    world.apply(&table);
    assert!(world.definitions().table(TENANT, "hot").is_some());
    world.rollback("shop");
    world.swap();
    assert_eq!(world.plan(&first()), NOTHING);
}

#[test]
fn names_of_streams_beside_views_are_no_objects_of_the_application() {
    let world = live();
    let late = StreamName::new("minutes_late").unwrap();
    let definitions = world.definitions();
    assert!(definitions.stream(TENANT, late.as_str()).is_some());
    assert_eq!(world.plan(&first()), NOTHING);
}
