//! Tables: what they may become, and that their changes read like any stream's.

use std::time::Duration;

use expect_test::expect;
use mainstem_kernel::Columns;

use super::*;
use crate::{
    DELETED_COLUMN, TableDef, TableSpec,
    samples::{names, owners},
};

const OWNERS: StreamId = StreamId(16);

fn made() -> Definitions {
    folded(&[vec![revision(1), Change::CreateTable(owners())]])
}

fn table(definitions: &Definitions) -> &Arc<TableDef> {
    definitions.table(TenantId::ONLY, "owners").unwrap()
}

fn altered(definitions: &Definitions, edit: impl FnOnce(&mut TableSpec)) -> Vec<Change> {
    let mut spec = definitions.tables[&OWNERS].spec.clone();
    edit(&mut spec);
    vec![Change::AlterTable { id: OWNERS, spec }]
}

fn next(definitions: &Definitions, edit: impl FnOnce(&mut TableSpec)) -> Definitions {
    let changes = altered(definitions, edit);
    fold(definitions.clone(), &set(changes), at(2)).unwrap()
}

fn shown(columns: &Columns) -> Vec<(u32, String, bool)> {
    let columns = columns.0.iter();
    columns
        .map(|column| (column.id, column.name.to_string(), column.nullable))
        .collect()
}

fn shows(id: u32, name: &str, nullable: bool) -> (u32, String, bool) {
    (id, name.to_owned(), nullable)
}

#[test]
fn a_table_evolves_and_keeps_its_key() {
    let second = next(&made(), |spec| {
        spec.columns.0[0].name = ColumnName::new("owner_id").unwrap();
        spec.key = names(&["owner_id"]);
        spec.columns.0.push(column("mail", ColumnType::Text));
        spec.ttl = Some(Duration::from_secs(60));
    });
    let def = table(&second);
    assert_eq!((def.id, def.schema_version()), (OWNERS, SchemaVersion(2)));
    assert_eq!(
        shown(&def.spec.columns),
        [
            shows(1, "owner_id", false),
            shows(2, "name", true),
            shows(3, "mail", true)
        ]
    );
    assert_eq!(def.spec.key_ids(), [1]);
    let same = next(&second, |spec| spec.ttl = None);
    assert_eq!(
        table(&same).schema_version(),
        SchemaVersion(2),
        "same columns"
    );
}

#[test]
fn changes_of_a_table_are_a_stream_with_deletes_whatever_version_wrote_them() {
    let second = next(&made(), |spec| {
        let required = column("city", ColumnType::Text);
        spec.columns.0.insert(0, required);
        spec.columns.0[1].name = ColumnName::new("owner_id").unwrap();
        spec.key = names(&["owner_id"]);
    });
    let stream = table(&second).change_stream();
    assert_eq!(stream.spec.columns, table(&second).change_columns());
    assert_eq!(
        (stream.id, stream.spec.partitions, stream.dead_letters),
        (OWNERS, 1, None)
    );
    let deleted = u32::MAX;
    let first = stream.columns_of(SchemaVersion(1)).unwrap();
    assert_eq!(
        shown(first),
        [
            shows(1, "id", false),
            shows(2, "name", true),
            shows(deleted, DELETED_COLUMN, false)
        ]
    );
    assert_eq!(
        shown(&stream.spec.columns),
        [
            shows(3, "city", true),
            shows(1, "owner_id", false),
            shows(2, "name", true),
            shows(deleted, DELETED_COLUMN, false),
        ]
    );
    let old = arrow::array::RecordBatch::new_empty(first.body_schema());
    let read = stream.evolve(&old, SchemaVersion(1)).unwrap();
    assert_eq!(read.schema(), stream.spec.columns.body_schema());
}

/// A column that must not be NULL is NULL in a delete, so changes allow it.
#[test]
fn columns_beside_the_key_may_be_null_in_changes() {
    let mut spec = owners();
    spec.columns.0[1] = column("name!", ColumnType::Text);
    let made = folded(&[vec![revision(1), Change::CreateTable(spec)]]);
    assert_eq!(
        shown(&table(&made).spec.columns)[1],
        shows(2, "name", false)
    );
    assert_eq!(
        shown(&table(&made).change_columns())[1],
        shows(2, "name", true)
    );
}

#[test]
fn a_dropped_table_comes_back_or_is_forgotten_after_seven_days() {
    let gone = vec![Change::DropTable { id: OWNERS }];
    let dropped = fold(made(), &set(gone), at(3)).unwrap();
    assert!(dropped.names.is_empty());
    let app = AppName::new("shop").unwrap();
    let name = StreamName::new("owners").unwrap();
    let found = dropped.dropped_table(TenantId::ONLY, &app, &name);
    assert_eq!(found.map(|def| def.id), Some(OWNERS));
    let due = |day: i64| -> Vec<Change> {
        let now = Timestamp::from_millis(day * 86_400_000);
        dropped.due(now).map(Object::forget).collect()
    };
    assert_eq!(due(9), []);
    assert_eq!(due(10), [Change::ForgetTable { id: OWNERS }]);

    let back = vec![Change::RestoreTable { id: OWNERS }];
    let restored = fold(dropped.clone(), &set(back), at(4)).unwrap();
    assert_eq!(table(&restored).dropped, None);
    let forgotten = fold(dropped.clone(), &set(due(10)), at(11)).unwrap();
    assert!(forgotten.tables.is_empty());
    assert_eq!(forgotten.declared, dropped.declared, "nobody asked for it");
    let again = fold(forgotten, &set(vec![Change::CreateTable(owners())]), at(12)).unwrap();
    assert_eq!(table(&again).id, StreamId(17), "ids are never reused");
}

#[test]
fn names_are_unique_across_kinds() {
    let made = made();
    let stream = |name: &str| create(spec(name, &[("x", ColumnType::Text)]));
    expect![[r#"name "owners" is taken by application "shop""#]]
        .assert_eq(&refused(&made, vec![stream("owners")]));
    let swap = vec![
        altered(&made, |spec| spec.name = StreamName::new("b").unwrap()).remove(0),
        stream("owners"),
    ];
    let swapped = fold(made, &set(swap), at(2)).unwrap();
    assert_eq!(swapped.table(TenantId::ONLY, "b").unwrap().id, OWNERS);
    assert_eq!(def(&swapped, "owners").id, StreamId(17));
    assert!(swapped.table(TenantId::ONLY, "owners").is_none());
}

#[test]
fn a_table_that_does_not_fit_is_refused_by_name() {
    let made = made();
    let with = |edit: &dyn Fn(&mut TableSpec)| {
        let mut spec = TableSpec {
            name: StreamName::new("t").unwrap(),
            ..owners()
        };
        edit(&mut spec);
        vec![Change::CreateTable(spec)]
    };
    let cases = vec![
        with(&|spec| spec.key = vec![]),
        with(&|spec| spec.key = names(&["name"])),
        with(&|spec| spec.key = names(&["id", "id"])),
        with(&|spec| {
            let nowhere = ColumnName::new("nowhere").unwrap();
            spec.defaults.insert(nowhere, "1".to_owned());
        }),
        with(&|spec| spec.columns.0[0].ty = ColumnType::Double),
        with(&|spec| spec.columns.0[1].name = ColumnName::new("_deleted").unwrap()),
        altered(&made, |spec| spec.columns.0[0].nullable = true),
        altered(&made, |spec| spec.columns.0[1].nullable = false),
        altered(&made, |spec| spec.columns.0[1].ty = ColumnType::Json),
        altered(&made, |spec| {
            spec.columns.0.push(Column {
                id: 0,
                ..column("x!", ColumnType::Text)
            });
        }),
        vec![Change::RestoreTable { id: OWNERS }],
        vec![Change::DropStream { id: OWNERS }],
        vec![Change::DropApp],
    ];
    expect![[r#"
        table "t" has no key
        table "t" has no column "name" that fits PRIMARY KEY
        table "t" has no column "id" that fits PRIMARY KEY
        table "t" has no column "nowhere" that fits DEFAULT
        table "t" has no column "id" that fits PRIMARY KEY
        name "_deleted" is reserved
        table "owners" has no column "id" that fits PRIMARY KEY
        column "name" of table "owners" must allow NULL
        column "name" of table "owners" is TEXT and cannot become JSON
        column "x" of table "owners" must allow NULL
        table "owners" was not dropped
        there is no stream 16
        application "shop" still has table "owners""#]]
    .assert_eq(&all_refused(&made, cases));

    // Two keys: the key's columns and their order.
    let mut spec = owners();
    spec.columns.0[1] = column("name!", ColumnType::Text);
    let made = folded(&[vec![revision(1), Change::CreateTable(spec)]]);
    let cases = vec![
        altered(&made, |spec| spec.key = names(&["name"])),
        altered(&made, |spec| spec.key = names(&["id", "name"])),
    ];
    expect![[r#"
        the key of table "owners" cannot change
        the key of table "owners" cannot change"#]]
    .assert_eq(&all_refused(&made, cases));
}
