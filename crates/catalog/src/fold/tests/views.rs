//! Versions of views: built beside the live one, swapped in, kept, brought back.

use std::collections::BTreeSet;

use expect_test::expect;

use super::*;
use crate::{
    definition::{Emit, ViewSpec},
    samples::{ON_CLOSE, ON_UPDATE, counts, drop_view, owners, swap, version, view},
};

const HOUR: i64 = 3_600_000;

fn restore(id: u32) -> Change {
    Change::RestoreView { id: StreamId(id) }
}

fn after(definitions: &Definitions, day: u64, changes: Vec<Change>) -> Definitions {
    fold(definitions.clone(), &set(changes), at(day)).unwrap()
}

fn ids<'a>(defs: impl IntoIterator<Item = &'a StreamId>) -> Vec<u32> {
    defs.into_iter().map(|id| id.0).collect()
}

fn due(definitions: &Definitions, day: u64, hours: i64) -> Vec<u32> {
    let millis = i64::try_from(day * DAY).unwrap() + hours * HOUR;
    let due = definitions.due(Timestamp::from_millis(millis));
    due.map(|object| object.id().0).collect()
}

/// Stream 16, and a live view 18 over it with dead letters 19.
fn live() -> Definitions {
    let made = folded(&[vec![
        revision(1),
        create(orders()),
        view(counts("v", ON_UPDATE, &[16])),
    ]]);
    after(&made, 2, vec![swap(18)])
}

/// Another version, 20, beside it.
fn beside() -> Definitions {
    let mut other = counts("v", ON_UPDATE, &[16]);
    other.fingerprint = "2".to_owned();
    after(&live(), 3, vec![view(other), revision(2)])
}

#[test]
fn a_view_is_built_beside_the_live_one_and_swapped_in() {
    let live = live();
    assert_eq!(version(&live, 18).stage, Stage::Live);
    assert_eq!(live.declared, at(1), "nobody asked for a swap");
    let built = beside();
    assert_eq!(
        built.view(TenantId::ONLY, "v").unwrap().id,
        StreamId(18),
        "readers see the old one"
    );
    assert_eq!(
        version(&built, 20).letters,
        StreamId(19),
        "versions share their dead letters"
    );
    assert_eq!(
        built.live_beside(version(&built, 20)).map(|def| def.id),
        Some(StreamId(18))
    );

    let swapped = after(&built, 4, vec![swap(20)]);
    assert_eq!(swapped.view(TenantId::ONLY, "v").unwrap().id, StreamId(20));
    assert_eq!(version(&swapped, 18).stage, Stage::Replaced { at: at(4) });
    assert!(!version(&swapped, 18).is_running());
    assert_eq!(due(&swapped, 4, 23), [0; 0]);
    assert_eq!(due(&swapped, 4, 24), [18]);

    // A rollback: the older one catches up and takes its place again.
    let back = after(&swapped, 4, vec![restore(18)]);
    assert_eq!(version(&back, 18).stage, Stage::Building);
    assert_eq!(back.view(TenantId::ONLY, "v").unwrap().id, StreamId(20));
    assert_eq!(due(&back, 9, 0), [0; 0]);
    let back = after(&back, 5, vec![swap(18)]);
    assert_eq!(back.view(TenantId::ONLY, "v").unwrap().id, StreamId(18));
    assert_eq!(version(&back, 20).stage, Stage::Replaced { at: at(5) });
    let forgotten = after(&back, 6, vec![Change::ForgetView { id: StreamId(20) }]);
    assert!(!forgotten.views.contains_key(&StreamId(20)));
    assert_eq!(forgotten.names, back.names);
}

#[test]
fn a_version_that_was_dropped_before_it_was_built_is_forgotten_at_once() {
    let dropped = after(&beside(), 4, vec![drop_view(20)]);
    assert_eq!(due(&dropped, 4, 0), [20]);
    assert_eq!(dropped.view(TenantId::ONLY, "v").unwrap().id, StreamId(18));
    assert_eq!(
        def(&dropped, "v_dead_letters").dropped,
        None,
        "the live one needs them"
    );
    let other = after(&dropped, 5, vec![view(counts("v", ON_UPDATE, &[16]))]);
    assert_eq!(version(&other, 21).letters, StreamId(19));
}

#[test]
fn a_dropped_view_comes_back_with_its_dead_letters() {
    let gone = after(&live(), 3, vec![drop_view(18)]);
    assert!(gone.object(TenantId::ONLY, "v").is_none());
    assert!(gone.object(TenantId::ONLY, "v_dead_letters").is_none());
    assert_eq!(
        (due(&gone, 9, 23), due(&gone, 10, 0)),
        (vec![], vec![19, 18])
    );
    let back = after(&gone, 4, vec![restore(18)]);
    assert_eq!(
        version(&back, 18).stage,
        Stage::Building,
        "it has to catch up"
    );
    assert_eq!(
        back.view(TenantId::ONLY, "v").unwrap().id,
        StreamId(18),
        "nothing else has its name"
    );
    assert_eq!(def(&back, "v_dead_letters").id, StreamId(19));

    // Another one of its name meanwhile shares them, so both can be there.
    let other = after(&gone, 4, vec![view(counts("v", ON_UPDATE, &[16]))]);
    let other = after(&other, 5, vec![swap(20)]);
    let both = after(&other, 6, vec![restore(18)]);
    assert_eq!(both.view(TenantId::ONLY, "v").unwrap().id, StreamId(20));
    let without = after(&gone, 10, vec![Change::ForgetStream { id: StreamId(19) }]);
    assert_eq!(
        refused(&without, vec![restore(18)]),
        "there is no stream 19"
    );
}

#[test]
fn late_rows_have_a_stream_while_a_version_needs_it() {
    let mut made = folded(&[vec![
        revision(1),
        create(orders()),
        view(counts("v", ON_CLOSE, &[16])),
    ]]);
    made = after(&made, 2, vec![swap(18)]);
    let late = def(&made, "v_late");
    assert_eq!((late.id, late.dead_letters), (StreamId(20), None));
    let stream = version(&made, 18).stream().unwrap();
    assert_eq!((stream.id, stream.spec.columns.0.len()), (StreamId(18), 2));

    // A version without: its late rows go with the older one, and come back with it.
    let with = Emit::OnWindowClose {
        corrections: Some(KEPT_AFTER_DROP),
    };
    made = after(&made, 3, vec![view(counts("v", with, &[16]))]);
    assert_eq!(
        (version(&made, 21).late, version(&made, 21).stream()),
        (None, None)
    );
    assert_eq!(def(&made, "v_late").id, StreamId(20));
    made = after(&made, 4, vec![swap(21)]);
    assert!(made.stream(TenantId::ONLY, "v_late").is_none());
    made = after(&made, 4, vec![restore(18)]);
    assert_eq!(def(&made, "v_late").id, StreamId(20));

    let mut spec = version(&made, 18).spec.clone();
    spec.name = StreamName::new("w").unwrap();
    let alter = |id: u32, spec: &ViewSpec| Change::AlterView {
        id: StreamId(id),
        spec: spec.clone(),
    };
    assert_eq!(
        refused(&made, vec![alter(18, &spec)]),
        r#"versions of view "v" would have different names"#
    );
    let mut other = version(&made, 21).spec.clone();
    other.name = spec.name.clone();
    made = after(&made, 5, vec![alter(18, &spec), alter(21, &other)]);
    let names: Vec<&str> = made.names.keys().map(|(_, name)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "orders",
            "orders_dead_letters",
            "w",
            "w_dead_letters",
            "w_late"
        ]
    );
}

#[test]
fn a_renamed_view_takes_its_dead_letters_with_it() {
    let swapped = after(&beside(), 4, vec![swap(20)]);
    let mut spec = version(&swapped, 20).spec.clone();
    spec.name = StreamName::new("w").unwrap();
    let rename = Change::AlterView {
        id: StreamId(20),
        spec,
    };
    let both = vec![rename, view(counts("v", ON_UPDATE, &[16]))];
    let made = after(&swapped, 4, both);
    assert_eq!(def(&made, "w_dead_letters").id, StreamId(19));
    assert_eq!(
        (version(&made, 21).letters, def(&made, "v_dead_letters").id),
        (StreamId(22), StreamId(22)),
        "the older version of w was called v"
    );
}

#[test]
fn a_view_changes_in_place_only_in_what_it_does_not_compute() {
    let live = live();
    let alter = |edit: &dyn Fn(&mut ViewSpec)| {
        let mut spec = version(&live, 18).spec.clone();
        edit(&mut spec);
        vec![Change::AlterView {
            id: StreamId(18),
            spec,
        }]
    };
    let every = Emit::OnUpdate {
        every: Some(KEPT_AFTER_DROP),
    };
    let changed = after(
        &live,
        3,
        alter(&|spec| {
            spec.emit = every;
            spec.sql = "CREATE MATERIALIZED VIEW v AS -- …".to_owned();
        }),
    );
    assert_eq!(version(&changed, 18).spec.emit, every);
    let cases = vec![
        alter(&|spec| spec.fingerprint = "2".to_owned()),
        alter(&|spec| spec.reads.push(StreamId(17))),
        alter(&|spec| spec.emit = ON_CLOSE),
        alter(&|spec| spec.columns.0[1].nullable = true),
    ];
    expect![[r#"
        what view "v" computes cannot change in place
        what view "v" computes cannot change in place
        what view "v" computes cannot change in place
        what view "v" computes cannot change in place"#]]
    .assert_eq(&all_refused(&live, cases));
}

#[test]
fn what_a_view_reads_stays_while_it_is_computed() {
    let table = vec![Change::CreateTable(owners())];
    let made = after(&live(), 3, table);
    let made = after(&made, 3, vec![view(counts("w", ON_UPDATE, &[18, 20]))]);
    let gone = |id| Change::DropStream { id: StreamId(id) };
    let cases = vec![
        vec![gone(16)],
        vec![Change::DropTable { id: StreamId(20) }],
        vec![drop_view(18)],
        vec![swap(21), drop_view(18)],
        vec![drop_view(18), drop_view(21), gone(16), restore(21)],
        vec![view(counts("x", ON_UPDATE, &[99]))],
        vec![view(counts("x", ON_UPDATE, &[19]))],
        vec![view(counts("x", ON_UPDATE, &[]))],
    ];
    expect![[r#"
        view "v" reads stream "orders", which is dropped
        view "w" reads table "owners", which is dropped
        view "w" reads view "v", which is dropped
        view "w" reads view "v", which is dropped
        view "w" reads view "v", which is dropped
        there is no stream 99
        view "x" reads stream "v_dead_letters", which stands beside a view
        view "x" has no inputs"#]]
    .assert_eq(&all_refused(&made, cases));
    let all = vec![
        drop_view(21),
        drop_view(18),
        gone(16),
        Change::DropTable { id: StreamId(20) },
    ];
    assert!(after(&made, 4, all).names.is_empty());

    // A live view goes on, without news, while another version of it is built.
    let other = vec![
        view(ViewSpec {
            fingerprint: "2".to_owned(),
            ..counts("w", ON_UPDATE, &[16])
        }),
        drop_view(18),
    ];
    let made = after(&after(&made, 4, vec![swap(21)]), 4, other);
    assert!(!due(&made, 11, 0).contains(&18), "it is still read");
    let made = after(&made, 5, vec![swap(23)]);
    assert!(due(&made, 11, 0).contains(&18));
}

#[test]
fn views_that_depend_on_each_other_are_swapped_together() {
    // v, and w over it; then both again.
    let made = after(&live(), 3, vec![view(counts("w", ON_UPDATE, &[18]))]);
    assert_eq!(version(&made, 20).letters, StreamId(21));
    let made = after(&made, 3, vec![swap(20)]);
    let second = |name: &str, reads: &[u32]| ViewSpec {
        fingerprint: "2".to_owned(),
        ..counts(name, ON_UPDATE, reads)
    };
    let made = after(
        &made,
        4,
        vec![view(second("v", &[16])), view(second("w", &[22]))],
    );
    let swappable = |ready: &[u32]| {
        let ready: BTreeSet<StreamId> = ready.iter().map(|id| StreamId(*id)).collect();
        ids(&made.swappable(&ready))
    };
    assert_eq!(swappable(&[22]), [0; 0], "the live w reads the live v");
    assert_eq!(swappable(&[23]), [0; 0], "v is not built yet");
    assert_eq!(swappable(&[22, 23, 18, 99]), [22, 23]);
    let cases = vec![vec![swap(22)], vec![swap(23)], vec![swap(18)]];
    expect![[r#"
        view "w" reads view "v", which is replaced
        view "w" reads view "v", which is not built yet
        view "v" is not being built"#]]
    .assert_eq(&all_refused(&made, cases));
    let made = after(&made, 5, vec![swap(22), swap(23)]);
    assert_eq!(ids(made.readers(StreamId(22)).map(|def| &def.id)), [23]);
    assert_eq!(
        refused(&made, vec![restore(20)]),
        r#"view "w" reads view "v", which is replaced"#
    );
    let back = after(&made, 5, vec![restore(20), restore(18)]);
    assert_eq!(
        ids(&back.swappable(&BTreeSet::from([StreamId(18), StreamId(20)]))),
        [18, 20]
    );
}

#[test]
fn a_revision_remembers_what_was_wanted() {
    let built = beside();
    let app = AppName::new("shop").unwrap();
    let kept = &built.revisions[&(TenantId::ONLY, app)];
    let views = |n: usize| ids(kept[n].views.iter().map(|def| &def.id));
    assert_eq!((views(0), views(1)), (vec![18], vec![20]));
    assert_eq!(
        ids(built
            .views_of(TenantId::ONLY, &kept[0].app.name)
            .map(|def| &def.id)),
        [18, 20]
    );
}

#[test]
fn a_view_that_does_not_fit_is_refused_by_name() {
    let live = live();
    let new = |edit: &dyn Fn(&mut ViewSpec)| {
        let mut spec = counts("x", ON_UPDATE, &[16]);
        edit(&mut spec);
        vec![view(spec)]
    };
    let hide = |spec: &mut ViewSpec| {
        spec.columns.0[0].name = ColumnName::new("_key1").unwrap();
        spec.key = vec![spec.columns.0[0].name.clone()];
    };
    let cases = vec![
        new(&|spec| spec.key = vec![]),
        new(&|spec| spec.emit = Emit::Append),
        new(&|spec| spec.hidden = vec![ColumnName::new("y").unwrap()]),
        new(&hide),
        new(&|spec| spec.name = StreamName::new("orders").unwrap()),
        new(&|spec| spec.name = StreamName::new(&"x".repeat(51)).unwrap()),
        vec![
            view(counts("v", ON_UPDATE, &[16])),
            view(counts("v", ON_UPDATE, &[16])),
        ],
        vec![drop_view(16)],
        vec![Change::ForgetView { id: StreamId(18) }],
        vec![drop_view(18), drop_view(18)],
        vec![Change::DropStream { id: StreamId(19) }],
    ];
    expect![[r#"
        view "x" has no key
        view "x" has no column "id" that fits a stream, which has no key
        view "x" has no column "y" that fits a hidden column
        name "_key1" is reserved
        name "orders" is taken by application "shop"
        view "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" cannot have dead letters: name "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_dead_letters" has 64 bytes, the limit is 63
        name "v" is taken by application "shop"
        there is no view 16
        view "v" was not dropped
        view "v" was dropped
        "v_dead_letters" changes only with what it stands beside"#]]
    .assert_eq(&all_refused(&live, cases));
    let mut hidden = counts("x", ON_UPDATE, &[16]);
    hide(&mut hidden);
    hidden.hidden = hidden.key.clone();
    assert_eq!(
        version(&after(&live, 3, vec![view(hidden)]), 20)
            .spec
            .hidden
            .len(),
        1
    );

    let foreign = ChangeSet {
        app: AppName::new("other").unwrap(),
        ..set(vec![view(counts("theirs", ON_UPDATE, &[16]))])
    };
    let error = fold(live, &foreign, at(9)).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"stream "orders" belongs to application "shop""#
    );
}
