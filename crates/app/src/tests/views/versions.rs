//! Versions of views: what changes is rebuilt beside what is live, taken back, brought back, or computed
//! again.

use expect_test::expect;
use mainstem_catalog::Change;

use super::{
    super::{NOTHING, World},
    first, id, live, running, view, with,
};

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
              = was replaced at 2023-11-14T22:13:20.000000Z; computed again from view "minutes", and is swapped in when it has caught up
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
              = was dropped at 2023-11-14T22:13:20.000000Z; computed again from view "minutes", and is swapped in when it has caught up
              = the live version answers until then, and is kept for 24 hours
    "#]].assert_eq(&world.rollback("shop"));
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
              = was dropped at 2023-11-14T22:13:20.000000Z; computed again from view "minutes", and is swapped in when it has caught up
    "#]].assert_eq(&world.apply(&first()));
    world.swap();
    assert_eq!(running(&world), before);
    assert_eq!(world.plan(&first()), NOTHING);
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
