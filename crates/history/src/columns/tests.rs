//! The edges of a table's columns: renames, additions, what does not fit.

use mainstem_kernel::{Column, ColumnName, ColumnType, Columns};

use super::TableColumns;

fn columns(list: &[(u32, &str, ColumnType, bool)]) -> Columns {
    let column = |(id, name, ty, nullable): &(u32, &str, ColumnType, bool)| Column {
        id: *id,
        name: ColumnName::new(name).unwrap(),
        ty: ty.clone(),
        nullable: *nullable,
    };
    Columns(list.iter().map(column).collect())
}

fn place() -> ColumnType {
    let name = |name| ColumnName::new(name).unwrap();
    ColumnType::Row(vec![
        (name("lat"), ColumnType::Double),
        (name("lon"), ColumnType::Double),
    ])
}

#[test]
fn a_rename_keeps_the_physical_name_and_switches_mapping_on() {
    let first = columns(&[
        (1, "celsius", ColumnType::Double, false),
        (2, "at", place(), true),
    ]);
    let table = TableColumns::create(&first).unwrap();
    assert!(
        !table.mapped,
        "every program must read a table that was never changed"
    );
    assert_eq!(
        table.max_field_id(),
        9,
        "two columns, two nested fields, five system columns"
    );

    let second = columns(&[
        (1, "warmth", ColumnType::Double, false),
        (2, "at", place(), true),
        (3, "celsius", ColumnType::Text, false),
    ]);
    let renamed = table.evolve(&second).unwrap();
    assert!(renamed.mapped);
    let physical = renamed.physical_names();
    assert_eq!(&physical[..3], ["celsius", "at", "celsius_10"]);
    assert!(renamed.body()[2].nullable, "old files do not have it");

    let back = columns(&[
        (1, "celsius", ColumnType::Double, true),
        (2, "at", place(), true),
        (3, "other", ColumnType::Text, true),
    ]);
    assert!(
        renamed.evolve(&back).unwrap().mapped,
        "readers must not see it switched off"
    );
}

#[test]
fn reads_what_it_writes() {
    let table = TableColumns::create(&columns(&[
        (
            1,
            "price",
            ColumnType::Numeric {
                precision: 12,
                scale: 3,
            },
            false,
        ),
        (2, "tags", ColumnType::Array(Box::new(place())), true),
        (3, "id", ColumnType::Uuid, true),
    ]));
    let table = table.unwrap();
    assert_eq!(
        TableColumns::from_delta(&table.to_delta(), false),
        Ok(table)
    );
}

#[test]
fn names_what_does_not_fit() {
    let table = TableColumns::create(&columns(&[(1, "a", ColumnType::Text, true)])).unwrap();
    let check = |list: &[(u32, &str, ColumnType, bool)], expected: &str| {
        let reason = table.evolve(&columns(list)).unwrap_err();
        assert!(reason.contains(expected), "{reason}");
    };
    check(
        &[(1, "a", ColumnType::BigInt, true)],
        "TEXT in the table and BIGINT",
    );
    check(
        &[(2, "b", ColumnType::Text, true)],
        "\"a\" is no longer declared",
    );
    check(
        &[
            (1, "a", ColumnType::Text, true),
            (2, "A", ColumnType::Text, true),
        ],
        "but for case",
    );
}
