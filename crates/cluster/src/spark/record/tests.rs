use mainstem_catalog::SchemaEntry;
use mainstem_kernel::{ColumnName, ColumnType, SchemaVersion};

use super::{Spelled, literal, needs_headers, rows};
use crate::{kafka::fixture::readings, lower::SparkColumn};

fn column(name: &str, ty: &str) -> SparkColumn {
    SparkColumn {
        name: name.to_owned(),
        ty: ty.to_owned(),
        is_hidden: false,
    }
}

#[test]
fn columns_are_read_under_their_names() {
    let columns = [column("device", "STRING"), column("n", "BIGINT")];
    let stream = readings(2);
    assert!(!needs_headers(&columns, Spelled::Stream(&stream)));
    let text = rows("r", &columns, Spelled::Stream(&stream));
    assert_eq!(
        text,
        "SELECT `row`.`device` AS `device`, `row`.`n` AS `n`, `partition` AS `_partition`, \
         `offset` AS `_offset` FROM (SELECT from_json(CAST(`value` AS STRING), \
         '`device` STRING, `n` BIGINT', map('mode', 'FAILFAST')) AS `row`, \
         `partition`, `offset`, `timestamp` FROM `r`)"
    );
}

#[test]
fn a_renamed_column_is_read_under_the_name_of_then() {
    let mut stream = readings(2);
    for (version, name) in [(2, "n"), (3, "count"), (4, "count"), (5, "amount")] {
        let mut columns = stream.schemas.last().unwrap().columns.clone();
        columns.0[1].name = ColumnName::new(name).unwrap();
        stream.schemas.push(SchemaEntry {
            version: SchemaVersion(version),
            columns,
        });
    }
    let columns = [column("amount", "BIGINT")];
    assert!(needs_headers(&columns, Spelled::Stream(&stream)));
    let text = rows("r", &columns, Spelled::Stream(&stream));
    assert!(
        text.starts_with(
            "SELECT CASE WHEN `version` <= 2 THEN `row`.`n` WHEN `version` <= 4 THEN \
             `row`.`count` ELSE `row`.`amount` END AS `amount`, "
        ),
        "{text}"
    );
    assert!(
        text.contains("'`n` BIGINT, `count` BIGINT, `amount` BIGINT'"),
        "{text}"
    );
    assert!(text.contains("h -> h.`key` = 'mainstem-schema'"), "{text}");
}

#[test]
fn names_with_quotes_stay_names() {
    let text = rows("r", &[column("it's `x`", "STRING")], Spelled::AsNamed);
    assert!(text.contains(r"'`it\'s ``x``` STRING'"), "{text}");
    assert!(text.contains("`row`.`it's ``x```"), "{text}");
    assert_eq!(literal(r"a\b"), r"'a\\b'");
}

#[test]
fn json_is_read_as_it_was_spelled() {
    let mut stream = readings(2);
    stream.schemas.last_mut().unwrap().columns.0[1].ty = ColumnType::Json;
    let columns = [column("n", "STRING")];
    assert!(needs_headers(&columns, Spelled::Stream(&stream)));
    let text = rows("r", &columns, Spelled::Stream(&stream));
    assert!(
        text.starts_with("SELECT coalesce(try_element_at(`json`, 'n'), `row`.`n`) AS `n`, "),
        "{text}"
    );
    let header = "from_json(CAST(try_element_at(filter(`headers`, h -> h.`key` = \
                  'mainstem-json'), 1).`value` AS STRING), 'MAP<STRING, STRING>') AS `json`";
    assert!(text.contains(header), "{text}");
    // What a worker has written has JSON as text.
    assert!(!needs_headers(&columns, Spelled::AsNamed));
}
