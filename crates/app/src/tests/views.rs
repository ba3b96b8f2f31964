//! Plans of views: what is new, what is rebuilt and from where, what is brought back, and what is
//! defined when they are carried out.

mod mistakes;
mod names;
mod versions;

use expect_test::expect;
use mainstem_catalog::{Change, Emit, Stage, ViewDef};
use mainstem_kernel::StreamId;

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
