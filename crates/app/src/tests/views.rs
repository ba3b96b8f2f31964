//! Plans of views: what is new, what is rebuilt and from where, what is brought back, and what is
//! defined when they are carried out.

use expect_test::expect;
use mainstem_catalog::{Change, Emit, Stage, ViewDef};
use mainstem_kernel::{StreamId, StreamName};

use super::{NOTHING, TENANT, World, source};

pub(super) const INPUTS: &str = "\
CREATE STREAM readings (
  device_id TEXT NOT NULL, celsius DOUBLE PRECISION, at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
) PARTITION BY (device_id) WITH (retention = '2 years');
CREATE TABLE devices (device_id TEXT PRIMARY KEY, model TEXT);
";

const VIEWS: &str = "\
CREATE MATERIALIZED VIEW totals AS
  SELECT device_id, count(*) AS n FROM readings GROUP BY device_id EMIT ON UPDATE;
CREATE MATERIALIZED VIEW minutes AS
  SELECT window_start, window_end, r.device_id, d.model, max(celsius) AS hottest
  FROM TUMBLE(readings, at, INTERVAL '1 minute') r
  JOIN devices FOR SYSTEM_TIME AS OF PROCTIME() d ON d.device_id = r.device_id
  GROUP BY window_start, window_end, r.device_id, d.model
  EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW hot AS
  SELECT window_end, device_id, hottest FROM minutes WHERE hottest > 80;
";

fn first() -> crate::Source {
    source("shop", &format!("{INPUTS}{VIEWS}"))
}

/// The same, with one piece of text instead of another.
fn with(old: &str, new: &str) -> crate::Source {
    let text = format!("{INPUTS}{VIEWS}");
    assert!(text.contains(old), "{old}");
    source("shop", &text.replace(old, new))
}

/// The application, applied and built.
fn live() -> World {
    let world = World::new();
    world.apply(&first());
    world.swap();
    world
}

/// Name, id and stage of what is running, by name.
fn running(world: &World) -> Vec<(String, u32, Stage)> {
    let definitions = world.definitions();
    let app = source("shop", "").name;
    let mut views: Vec<_> = definitions
        .views_of(TENANT, &app)
        .map(|def| (def.spec.name.to_string(), def.id.0, def.stage))
        .collect();
    views.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    views
}

fn id(world: &World, name: &str) -> StreamId {
    world.definitions().object(TENANT, name).unwrap().id()
}

fn view(world: &World, name: &str) -> std::sync::Arc<ViewDef> {
    std::sync::Arc::clone(world.definitions().view(TENANT, name).unwrap())
}

#[test]
fn a_first_apply_creates_in_order_and_a_second_changes_nothing() {
    let world = World::new();
    expect![[r#"
        application "shop"
        ├─ + create stream "readings"
        │     + column device_id TEXT NOT NULL
        │     + column celsius DOUBLE PRECISION
        │     + column at TIMESTAMPTZ NOT NULL
        │     + watermark at - 10 seconds
        │     + 8 partitions, PARTITION BY (device_id)
        │     + retention 2 years
        │     + durability strict
        │     + event_size_max 32 KiB
        ├─ + create table "devices"
        │     + column device_id TEXT NOT NULL
        │     + column model TEXT
        │     + key (device_id)
        │     + ttl for ever
        ├─ + create view "totals"
        │     + column device_id TEXT
        │     + column n BIGINT NOT NULL
        │     + key (device_id)
        │     + EMIT ON UPDATE
        │     + reads stream "readings"
        │     = keeps groups of (device_id): rows, one row per group, for as long as the view is there
        │     = computed from the beginning of stream "readings" (kept 2 years)
        ├─ + create view "minutes"
        │     + column window_start TIMESTAMPTZ NOT NULL
        │     + column window_end TIMESTAMPTZ NOT NULL
        │     + column device_id TEXT
        │     + column model TEXT
        │     + column hottest DOUBLE PRECISION
        │     + EMIT ON WINDOW CLOSE
        │     + reads stream "readings" and table "devices"
        │     = keeps lookup of table "devices": lookup table, the rows of the table
        │     = keeps groups of (window_start, window_end, device_id, model): panes, windows of 1 minute, each until the watermark (10 seconds behind) passes its end
        │     = computed from the beginning of stream "readings" (kept 2 years) and table "devices"
        └─ + create view "hot"
              + column window_end TIMESTAMPTZ NOT NULL
              + column device_id TEXT
              + column hottest DOUBLE PRECISION
              + rows as they come
              + reads view "minutes"
              = computed from the beginning of view "minutes"
    "#]].assert_eq(&world.apply(&first()));
    let (frames, text) = (world.frames(), world.plan(&first()));
    assert_eq!(text, NOTHING, "while it is built");
    world.apply(&first());
    assert_eq!(world.frames(), frames);
    world.swap();
    assert_eq!(world.plan(&first()), NOTHING, "when it is live");
    let stages: Vec<Stage> = running(&world).iter().map(|view| view.2).collect();
    assert_eq!(stages, [Stage::Live; 3]);
    let hot = view(&world, "hot");
    assert_eq!(hot.spec.reads, [id(&world, "minutes")]);
    let minutes = view(&world, "minutes");
    assert_eq!(
        minutes.spec.reads,
        [id(&world, "readings"), id(&world, "devices")]
    );
    assert!(minutes.late.is_some(), "{minutes:?}");
}

/// A plan that was made before a view was swapped in is still what would be done.
#[test]
fn a_swap_does_not_make_a_plan_stale() {
    let world = World::new();
    world.apply(&first());
    let second = with("hottest > 80", "hottest > 90");
    let plan = world.apps.plan(TENANT, &second).unwrap();
    let swaps = |name: &str| Change::SwapView {
        id: id(&world, name),
    };
    world.change("shop", swaps("totals"));
    world
        .apps
        .apply(TENANT, &second, &plan.fingerprint)
        .unwrap();
}

#[test]
fn a_view_that_changes_is_rebuilt_beside_the_live_one_and_those_over_it_too() {
    let world = live();
    let before = running(&world);
    let second = with(
        "max(celsius) AS hottest",
        "max(celsius) AS hottest, count(*) AS n",
    );
    expect![[r#"
        application "shop"
        ├─ ~ rebuild view "minutes"
        │     + column n BIGINT NOT NULL
        │     = keeps lookup of table "devices": lookup table, the rows of the table
        │     = keeps groups of (window_start, window_end, device_id, model): panes, windows of 1 minute, each until the watermark (10 seconds behind) passes its end
        │     = computed from the beginning of stream "readings" (kept 2 years) and table "devices"
        │     = beside the live version, which answers until then and is kept for 24 hours
        └─ ~ rebuild view "hot"
              ~ reads another version of view "minutes"
              = computed from the beginning of view "minutes"
              = beside the live version, which answers until then and is kept for 24 hours
    "#]].assert_eq(&world.apply(&second));
    assert_eq!(world.plan(&second), NOTHING);
    let names = |world: &World| -> Vec<String> {
        let views = running(world).into_iter();
        views
            .map(|(name, _, stage)| format!("{name} {stage:?}"))
            .collect()
    };
    assert_eq!(
        names(&world),
        [
            "hot Live",
            "hot Building",
            "minutes Live",
            "minutes Building",
            "totals Live"
        ]
    );
    world.swap();
    assert_eq!(names(&world), ["hot Live", "minutes Live", "totals Live"]);
    assert_eq!(view(&world, "hot").spec.reads, [id(&world, "minutes")]);
    assert_eq!(world.plan(&second), NOTHING);

    // Back again: both go on from where they were paused, and are swapped in again.
    expect![[r#"
        application "shop"
        ├─ + restore view "minutes"
        │     - column n BIGINT NOT NULL
        │     = goes on from where it was replaced at 2023-11-14T22:13:20.000000Z, and is swapped in when it has caught up
        │     = the live version answers until then, and is kept for 24 hours
        └─ + restore view "hot"
              ~ reads another version of view "minutes"
              = goes on from where it was replaced at 2023-11-14T22:13:20.000000Z, and is swapped in when it has caught up
              = the live version answers until then, and is kept for 24 hours
    "#]].assert_eq(&world.rollback("shop"));
    world.swap();
    assert_eq!(running(&world), before);
    assert_eq!(world.plan(&first()), NOTHING);
    let after = world.rollback("shop");
    assert!(after.contains("restore view \"minutes\""), "{after}");
    world.swap();
    assert_eq!(world.plan(&second), NOTHING);
}

#[test]
fn a_change_that_is_taken_back_before_it_was_built_leaves_the_live_one() {
    let world = live();
    let before = running(&world);
    world.apply(&with("hottest > 80", "hottest > 90"));
    expect![[r#"
        application "shop"
        └─ ~ change view "hot"
              = the version that was being built is given up, this one stays
    "#]]
    .assert_eq(&world.apply(&first()));
    assert_eq!(running(&world), before);
    world.apply(&with("hottest > 80", "hottest > 90"));
    expect![[r#"
        application "shop"
        └─ ~ rebuild view "hot"
              ~ what it computes
              = computed from the beginning of view "minutes"
              = beside the live version, which answers until then and is kept for 24 hours
    "#]]
    .assert_eq(&world.apply(&with("hottest > 80", "hottest > 95")));
    world.swap();
    expect![[r#"
        application "shop"
        └─ + restore view "hot"
              ~ what it computes
              = goes on from where it was dropped at 2023-11-14T22:13:20.000000Z, and is swapped in when it has caught up
              = the live version answers until then, and is kept for 24 hours
    "#]].assert_eq(&world.rollback("shop"));
}

#[test]
fn text_and_pace_change_in_place() {
    let world = live();
    let before = running(&world);
    let retold = with("count(*) AS n FROM", "count(*) AS n   FROM");
    world.apply(&retold);
    assert!(view(&world, "totals").spec.sql.contains("AS n   FROM"));
    let paced = with(
        "EMIT ON UPDATE",
        "EMIT ON UPDATE EVERY INTERVAL '5 seconds'",
    );
    expect![[r#"
        application "shop"
        └─ ~ change view "totals"
              ~ EMIT ON UPDATE → EMIT ON UPDATE EVERY 5 seconds
    "#]]
    .assert_eq(&world.apply(&paced));
    let every = Some(std::time::Duration::from_secs(5));
    assert_eq!(view(&world, "totals").spec.emit, Emit::OnUpdate { every });
    assert_eq!(running(&world), before);
}

#[test]
fn an_input_that_gets_a_column_leaves_its_views_alone() {
    let world = live();
    let before = running(&world);
    world.apply(&with("model TEXT)", "model TEXT, owner TEXT)"));
    assert_eq!(running(&world), before);
    let definitions = world.definitions();
    assert_eq!(
        definitions.table(TENANT, "devices").unwrap().schemas.len(),
        2
    );
}

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
              = goes on from where it was replaced at 2023-11-14T22:13:20.000000Z, and is swapped in when it has caught up
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
              = goes on from where it was dropped at 2023-11-14T22:13:20.000000Z, and is swapped in when it has caught up
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
fn what_was_changed_by_other_means_is_named_and_undone() {
    let world = live();
    let before = running(&world);
    world.change(
        "shop",
        Change::DropView {
            id: id(&world, "hot"),
        },
    );
    let mut spec = view(&world, "totals").spec.clone();
    spec.sql = "CREATE MATERIALIZED VIEW totals AS …".to_owned();
    let totals = id(&world, "totals");
    world.change("shop", Change::AlterView { id: totals, spec });
    expect![[r#"
        ! drift: view "hot" is gone
        ! drift: view "totals": ~ text
        application "shop"
        └─ + restore view "hot"
              = goes on from where it was dropped at 2023-11-14T22:13:20.000000Z, and is swapped in when it has caught up
    "#]].assert_eq(&world.apply(&first()));
    world.swap();
    assert_eq!(running(&world), before);
    assert_eq!(world.plan(&first()), NOTHING);
}

#[test]
fn mistakes_of_views_have_their_place() {
    let world = live();
    let apart = source(
        "other",
        "CREATE MATERIALIZED VIEW v AS SELECT device_id, count(*) AS n FROM readings GROUP BY device_id EMIT ON UPDATE;",
    );
    expect![[r#"
        error[APP-017]: view "v" reads stream "readings" of application "shop"
          --> a.sql:1:1
        detail: An application is computed by itself, from what it declares.
        hint: declare the view in application "shop""#]]
    .assert_eq(&world.plan(&apart));
    let beside = format!(
        "{INPUTS}{VIEWS}CREATE MATERIALIZED VIEW v AS SELECT code, count(*) AS n FROM minutes_dead_letters GROUP BY code EMIT ON UPDATE;"
    );
    expect![[r#"
        error[APP-017]: view "v" reads stream "minutes_dead_letters", which stands beside a view
          --> a.sql:16:1
        detail: It comes and goes with the versions of its view.
        hint: ask it with `mainstem sql`"#]]
    .assert_eq(&world.plan(&source("shop", &beside)));
    // Only the first of them is wrong.
    let order = format!(
        "{INPUTS}\
CREATE MATERIALIZED VIEW a AS SELECT device_id FROM b;
CREATE MATERIALIZED VIEW c AS SELECT device_id FROM a;
CREATE MATERIALIZED VIEW b AS SELECT device_id FROM readings;
"
    );
    expect![[r#"
        error[SQL-021]: there is no stream, table or view "b"
          --> a.sql:6:53
        detail: View "b" is declared at a.sql:8:1; a view sees those before it.
        hint: declare "b" before this view"#]]
    .assert_eq(&world.plan(&source("shop", &order)));
    let late = format!("{INPUTS}{VIEWS}CREATE STREAM minutes_late (x TEXT);");
    expect![[r#"
        error[APP-019]: view "minutes" cannot have late rows beside stream "minutes_late"
          --> a.sql:16:1
        detail: Rows that come too late for view "minutes" are kept in a stream of that name.
        hint: give one of them another name"#]]
    .assert_eq(&world.plan(&source("shop", &late)));
    let long = "v".repeat(51);
    let long =
        format!("{INPUTS}CREATE MATERIALIZED VIEW {long} AS SELECT device_id FROM readings;");
    expect![[r#"
        error[APP-009]: name "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv" is too long for a view
          --> a.sql:6:1
        detail: Its dead letters would not get one: name "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv_dead_letters" has 64 bytes, the limit is 63.
        hint: choose a name of at most 50 bytes"#]].assert_eq(&world.plan(&source("shop", &long)));
    let column = with("max(celsius)", "max(kelvin)");
    expect![[r#"
        error[SQL-022]: there is no column "kelvin"
          --> a.sql:9:62
        hint: there are: device_id, celsius, at, _extra, _seq, _partition, _offset, window_start, window_end, device_id, model"#]].assert_eq(&world.plan(&column));
}

#[test]
fn check_plans_views_without_a_node() {
    assert_eq!(crate::check(&first()), Ok(()));
    let problems = crate::check(&with("max(celsius)", "max(kelvin)")).unwrap_err();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    expect![[r#"
        error[SQL-022]: there is no column "kelvin"
          --> a.sql:9:62
        hint: there are: device_id, celsius, at, _extra, _seq, _partition, _offset, window_start, window_end, device_id, model"#]].assert_eq(&texts.join("\n"));
}

/// A rollback to a revision whose view was forgotten meanwhile computes it again.
#[test]
fn what_was_forgotten_is_computed_again() {
    let world = live();
    let before = id(&world, "hot");
    world.apply(&with("hottest > 80", "hottest > 90"));
    world.swap();
    world.change("shop", Change::ForgetView { id: before });
    expect![[r#"
        application "shop"
        ├─ + create view "hot"
        │     + column window_end TIMESTAMPTZ NOT NULL
        │     + column device_id TEXT
        │     + column hottest DOUBLE PRECISION
        │     + rows as they come
        │     + reads view "minutes"
        │     = computed from the beginning of view "minutes"
        └─ - drop view "hot" (loses data)
              = what it has computed is kept for seven days; until then it can be brought back
              - stream "hot_dead_letters"
    "#]]
    .assert_eq(&world.rollback("shop"));
    world.swap();
    assert_ne!(id(&world, "hot"), before);
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
