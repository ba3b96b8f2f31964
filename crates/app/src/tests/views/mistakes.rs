//! Mistakes of views: each with its place, with and without a node.

use expect_test::expect;

use super::{super::source, INPUTS, VIEWS, first, live, with};
use crate::OneMachine;

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
    assert_eq!(crate::check(&first(), &OneMachine), Ok(()));
    let problems = crate::check(&with("max(celsius)", "max(kelvin)"), &OneMachine).unwrap_err();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    expect![[r#"
        error[SQL-022]: there is no column "kelvin"
          --> a.sql:9:62
        hint: there are: device_id, celsius, at, _extra, _seq, _partition, _offset, window_start, window_end, device_id, model"#]].assert_eq(&texts.join("\n"));
}
