//! Folding: what holds after each kind of change, and what each refusal says.

mod random;
mod tables;
mod views;

use std::error::Error;

use expect_test::expect;
use mainstem_kernel::{
    AppName, Column, ColumnName, ColumnType, SchemaVersion, TenantId, Timestamp,
};

use super::*;
use crate::{
    definition::{StreamDef, StreamSpec},
    definitions::KEPT_AFTER_DROP,
    samples::{alter, column, create, orders, revision, set, spec},
};

const DAY: u64 = 86_400_000;

fn at(day: u64) -> Seq {
    Seq::from_millis(day * DAY)
}

/// Folds sets on days 1, 2, 3, …
fn folded(sets: &[Vec<Change>]) -> Definitions {
    let mut definitions = Definitions::default();
    for (day, changes) in (1..).zip(sets) {
        definitions = fold(definitions, &set(changes.clone()), at(day)).unwrap();
    }
    definitions
}

fn refused(definitions: &Definitions, changes: Vec<Change>) -> String {
    match fold(definitions.clone(), &set(changes), at(100)) {
        Err(error) => error
            .source()
            .map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
        Ok(_) => panic!("expected a refusal"),
    }
}

fn def<'a>(definitions: &'a Definitions, name: &str) -> &'a Arc<StreamDef> {
    definitions.stream(TenantId::ONLY, name).unwrap()
}

#[test]
fn a_stream_comes_with_its_dead_letters_and_they_change_with_it() {
    let mut spec = orders();
    spec.retention = Some(KEPT_AFTER_DROP);
    let created = folded(&[vec![revision(1), create(spec)]]);
    let stream = def(&created, "orders");
    assert_eq!(
        (stream.id, stream.dead_letters),
        (StreamId(16), Some(StreamId(17)))
    );
    assert_eq!(
        stream
            .spec
            .columns
            .0
            .iter()
            .map(|c| c.id)
            .collect::<Vec<_>>(),
        [1, 2]
    );
    let letters = def(&created, "orders_dead_letters");
    assert_eq!((letters.dead_letters, letters.spec.partitions), (None, 1));
    assert_eq!(letters.spec.retention, Some(KEPT_AFTER_DROP));

    let mut renamed = stream.spec.clone();
    renamed.name = StreamName::new("sales").unwrap();
    renamed.retention = None;
    let altered = fold(created, &set(vec![alter(16, renamed)]), at(2)).unwrap();
    assert!(altered.stream(TenantId::ONLY, "orders").is_none());
    assert!(
        altered
            .stream(TenantId::ONLY, "orders_dead_letters")
            .is_none()
    );
    assert_eq!(def(&altered, "sales_dead_letters").id, StreamId(17));
    assert_eq!(def(&altered, "sales_dead_letters").spec.retention, None);
    assert_eq!(
        def(&altered, "sales").schema_version(),
        SchemaVersion(1),
        "same columns"
    );
}

#[test]
fn a_dropped_stream_comes_back_or_is_forgotten_after_seven_days() {
    let made = folded(&[vec![revision(1)], vec![create(orders())]]);
    let gone = set(vec![Change::DropStream { id: StreamId(16) }]);
    let dropped = fold(made, &gone, at(3)).unwrap();
    assert!(dropped.names.is_empty());
    assert_eq!(
        dropped.due(Timestamp::from_millis(9 * 86_400_000)).count(),
        0,
        "six days"
    );
    let due: Vec<_> = dropped
        .due(Timestamp::from_millis(10 * 86_400_000))
        .map(Object::id)
        .collect();
    assert_eq!(due, [StreamId(16), StreamId(17)], "seven days");
    let name = StreamName::new("orders").unwrap();
    let app = AppName::new("shop").unwrap();
    assert_eq!(
        dropped.dropped(TenantId::ONLY, &app, &name).unwrap().id,
        StreamId(16)
    );

    let back = set(vec![Change::RestoreStream { id: StreamId(16) }]);
    let restored = fold(dropped.clone(), &back, at(4)).unwrap();
    assert_eq!(restored.names.len(), 2);
    assert_eq!(def(&restored, "orders").dropped, None);

    let forget = |id| set(vec![Change::ForgetStream { id: StreamId(id) }]);
    let half = fold(dropped, &forget(17), at(11)).unwrap();
    assert_eq!(
        half.dropped(TenantId::ONLY, &app, &name),
        None,
        "its letters are gone"
    );
    let forgotten = fold(half, &forget(16), at(11)).unwrap();
    assert!(forgotten.streams.is_empty());
    let again = fold(forgotten, &set(vec![create(orders())]), at(12)).unwrap();
    assert_eq!(
        def(&again, "orders").id,
        StreamId(18),
        "ids are never reused"
    );
}

#[test]
fn names_are_compared_when_all_is_done_so_two_streams_can_swap_theirs() {
    let (a, b) = (
        spec("a", &[("x", ColumnType::Text)]),
        spec("b", &[("y", ColumnType::Text)]),
    );
    let made = folded(&[vec![revision(1), create(a), create(b)]]);
    let named = |old: &str, new: &str| StreamSpec {
        name: StreamName::new(new).unwrap(),
        ..def(&made, old).spec.clone()
    };
    let swap = vec![alter(16, named("a", "b")), alter(18, named("b", "a"))];
    let swapped = fold(made.clone(), &set(swap), at(2)).unwrap();
    assert_eq!(
        (def(&swapped, "b").id, def(&swapped, "a").id),
        (StreamId(16), StreamId(18))
    );
    assert_eq!(def(&swapped, "b_dead_letters").id, StreamId(17));
    assert_eq!(swapped.names.len(), 4);
    let clash = refused(&made, vec![alter(16, named("a", "b"))]);
    assert_eq!(clash, r#"name "b" is taken by application "shop""#);
}

#[test]
fn columns_keep_their_ids_through_everything() {
    let made = folded(&[vec![revision(1), create(orders())]]);
    let ids = |definitions: &Definitions| -> Vec<(u32, String)> {
        let columns = &def(definitions, "orders").spec.columns.0;
        columns.iter().map(|c| (c.id, c.name.to_string())).collect()
    };
    let named = |id, name: &str| (id, name.to_owned());

    // A new column, a rename (of the partition's column too), dropped NOT NULL: one version more.
    let mut next = def(&made, "orders").spec.clone();
    next.columns.0[0].name = ColumnName::new("order_id").unwrap();
    next.columns.0[0].nullable = true;
    next.partition_by = vec![ColumnName::new("order_id").unwrap()];
    next.columns.0.insert(1, column("note", ColumnType::Text));
    let second = fold(made, &set(vec![alter(16, next.clone())]), at(2)).unwrap();
    assert_eq!(
        ids(&second),
        [named(1, "order_id"), named(3, "note"), named(2, "total")]
    );
    assert_eq!(def(&second, "orders").schema_version(), SchemaVersion(2));

    // Hidden, and another column under its name: the hidden one keeps its id and a name.
    let mut next = def(&second, "orders").spec.clone();
    next.columns.0[1] = column("NOTE", ColumnType::BigInt);
    let third = fold(second, &set(vec![alter(16, next)]), at(3)).unwrap();
    assert_eq!(
        ids(&third),
        [named(1, "order_id"), named(4, "NOTE"), named(2, "total")]
    );
    let kept = def(&third, "orders").kept_columns();
    assert_eq!(
        kept.0.last().map(|c| (c.id, c.name.to_string())),
        Some(named(3, "note_3"))
    );

    // Back again under its id.
    let mut next = def(&third, "orders").spec.clone();
    next.columns.0[1].name = ColumnName::new("number").unwrap();
    next.columns.0.push(Column {
        id: 3,
        ..column("note", ColumnType::Text)
    });
    let fourth = fold(third, &set(vec![alter(16, next)]), at(4)).unwrap();
    assert_eq!(ids(&fourth).last(), Some(&named(3, "note")));
    assert_eq!(def(&fourth, "orders").hidden(), Vec::<&Column>::new());
}

/// Stream `orders` of `shop`, and `theirs` of another application.
fn two_apps() -> Definitions {
    let made = folded(&[vec![revision(1), create(orders())]]);
    let foreign = ChangeSet {
        app: AppName::new("other").unwrap(),
        ..set(vec![create(spec("theirs", &[("x", ColumnType::Text)]))])
    };
    fold(made, &foreign, at(2)).unwrap()
}

fn all_refused(made: &Definitions, cases: Vec<Vec<Change>>) -> String {
    let answers: Vec<String> = cases.into_iter().map(|case| refused(made, case)).collect();
    answers.join("\n")
}

#[test]
fn a_new_stream_that_does_not_fit_is_refused_by_name() {
    let text = ColumnType::Text;
    let one = |name: &str| spec(name, &[("x", text.clone())]);
    let by = StreamSpec {
        partition_by: vec![ColumnName::new("y").unwrap()],
        ..one("a")
    };
    let new = [
        one("theirs"),
        one("_a"),
        one("a_dead_letters"),
        one(&"a".repeat(51)),
        spec("a", &[]),
        spec("a", &[("x", text.clone()), ("X", text.clone())]),
        spec("a", &[("_x", text.clone())]),
        by,
    ];
    let cases = new.into_iter().map(|spec| vec![create(spec)]).collect();
    expect![[r#"
        name "theirs" is taken by application "other"
        name "_a" is reserved
        name "a_dead_letters" is reserved
        stream "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" cannot have dead letters: name "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_dead_letters" has 64 bytes, the limit is 63
        stream "a" has no columns
        stream "a" has two columns "X"
        name "_x" is reserved
        stream "a" has no column "y" that fits PARTITION BY"#]].assert_eq(&all_refused(&two_apps(), cases));
}

#[test]
fn a_change_that_is_not_allowed_is_refused_by_name() {
    let made = two_apps();
    let change = |edit: &dyn Fn(&mut StreamSpec)| {
        let mut spec = def(&made, "orders").spec.clone();
        edit(&mut spec);
        vec![alter(16, spec)]
    };
    let text = |name: &str, id| Column {
        id,
        ..column(name, ColumnType::Text)
    };
    let cases = vec![
        change(&|spec| spec.columns.0[1].ty = ColumnType::Integer),
        change(&|spec| spec.columns.0[1].nullable = false),
        change(&|spec| spec.columns.0.push(text("new!", 0))),
        change(&|spec| spec.columns.0.push(text("new", 9))),
        change(&|spec| spec.columns.0.push(text("new", 1))),
        change(&|spec| drop(spec.columns.0.remove(0))),
        change(&|spec| spec.partitions = 4),
        change(&|spec| spec.partition_by = vec![]),
    ];
    expect![[r#"
        column "total" of stream "orders" is BIGINT and cannot become INTEGER
        column "total" of stream "orders" must allow NULL
        column "new" of stream "orders" must allow NULL
        stream "orders" never had a column 9, or names it twice
        stream "orders" never had a column 1, or names it twice
        column "id" of stream "orders" is NOT NULL and cannot be left out
        the partitions of stream "orders" cannot change
        the partitions of stream "orders" cannot change"#]]
    .assert_eq(&all_refused(&made, cases));
}

#[test]
fn what_is_not_there_or_not_in_that_state_is_refused_by_name() {
    let made = two_apps();
    let gone = |id| Change::DropStream { id: StreamId(id) };
    let cases = vec![
        vec![alter(17, def(&made, "orders_dead_letters").spec.clone())],
        vec![gone(18)],
        vec![gone(99)],
        vec![Change::RestoreStream { id: StreamId(16) }],
        vec![Change::ForgetStream { id: StreamId(16) }],
        vec![gone(16), gone(16)],
        vec![revision(3)],
        vec![Change::DropApp],
    ];
    expect![[r#"
        "orders_dead_letters" changes only with what it stands beside
        stream "theirs" belongs to application "other"
        there is no stream 99
        stream "orders" was not dropped
        stream "orders" was not dropped
        stream "orders" was dropped
        expected revision 2 of application "shop", found 3
        application "shop" still has stream "orders""#]]
    .assert_eq(&all_refused(&made, cases));
}

#[test]
fn the_last_revisions_are_kept_with_their_streams() {
    let mut definitions = Definitions::default();
    for n in 1..=20 {
        let changes = vec![
            create(spec(&format!("s{n}"), &[("x", ColumnType::Text)])),
            revision(n),
        ];
        definitions = fold(definitions, &set(changes), at(n.into())).unwrap();
    }
    let app = AppName::new("shop").unwrap();
    let kept = &definitions.revisions[&(TenantId::ONLY, app.clone())];
    let shape: Vec<_> = kept
        .iter()
        .map(|kept| (kept.app.revision, kept.streams.len()))
        .collect();
    assert_eq!(
        shape,
        (10..=20).map(|n| (n, n as usize)).collect::<Vec<_>>()
    );
    let before = definitions.revision_before(TenantId::ONLY, &app).unwrap();
    assert_eq!((before.app.revision, before.streams.len()), (19, 19));

    let drops = definitions.streams_of(TenantId::ONLY, &app);
    let mut changes: Vec<_> = drops.map(|def| Change::DropStream { id: def.id }).collect();
    changes.push(Change::DropApp);
    let gone = fold(definitions.clone(), &set(changes), at(30)).unwrap();
    assert!(gone.apps.is_empty() && gone.revisions.is_empty() && gone.names.is_empty());
}
