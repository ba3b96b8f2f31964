//! What names a plan: the fingerprint follows what is computed, not what it is called.

use std::sync::Arc;

use mainstem_catalog::Change;
use mainstem_kernel::{ColumnName, StreamName};

use super::bed::{Bed, text};
use crate::{show_view, view_text};

fn print(bed: &Bed, rest: &str) -> String {
    bed.view(rest).fingerprint
}

#[test]
fn equal_plans_have_one_name_and_others_another() {
    let bed = Bed::new();
    let base = "v AS SELECT country, sum(quantity) AS n FROM purchases WHERE quantity > 0 GROUP BY country EMIT ON UPDATE";
    let name = print(&bed, base);
    assert_eq!(name.len(), 32);
    for same in [
        "other AS SELECT country, sum(quantity) AS n FROM purchases WHERE quantity > 0 GROUP BY country EMIT ON UPDATE",
        "v AS select p.country AS land, SUM(p.quantity) AS pieces from purchases AS p where p.quantity > 0 group by 1 EMIT ON UPDATE",
        "v AS SELECT country, sum(quantity) AS n FROM purchases WHERE quantity > 0 GROUP BY country EMIT ON UPDATE EVERY INTERVAL '1 second'",
        "v AS SELECT country, sum(quantity) AS n FROM (SELECT * FROM purchases WHERE quantity > 0) p GROUP BY country EMIT ON UPDATE",
    ] {
        assert_eq!(print(&bed, same), name, "{same}");
    }
    for other in [
        "v AS SELECT country, sum(quantity) AS n FROM purchases WHERE quantity > 1 GROUP BY country EMIT ON UPDATE",
        "v AS SELECT country, sum(quantity) AS n FROM purchases GROUP BY country EMIT ON UPDATE",
        "v AS SELECT country, min(quantity) AS n FROM purchases WHERE quantity > 0 GROUP BY country EMIT ON UPDATE",
        "v AS SELECT customer_id, sum(quantity) AS n FROM purchases WHERE quantity > 0 GROUP BY customer_id EMIT ON UPDATE",
        "v AS SELECT sum(quantity) AS n, country FROM purchases WHERE quantity > 0 GROUP BY country EMIT ON UPDATE",
        "v AS SELECT country, sum(quantity) FILTER (WHERE quantity > 0) AS n FROM purchases WHERE quantity > 0 GROUP BY country EMIT ON UPDATE",
        "v AS SELECT sum(quantity) AS n FROM purchases WHERE quantity > 0 GROUP BY country EMIT ON UPDATE",
    ] {
        assert_ne!(print(&bed, other), name, "{other}");
    }
    let distinct = |most: u32| {
        print(
            &bed,
            &format!(
                "v WITH (distinct_max = {most}) AS SELECT country, count(DISTINCT stock_code) AS n FROM purchases GROUP BY country EMIT ON UPDATE"
            ),
        )
    };
    assert_ne!(distinct(10), distinct(11));
    let window = |more: &str, emit: &str| {
        print(
            &bed,
            &format!(
                "v AS SELECT window_start, count(*) AS n FROM TUMBLE(trips, ended_at, INTERVAL '1 day'{more}) GROUP BY window_start, window_end EMIT ON WINDOW CLOSE{emit}"
            ),
        )
    };
    let plain = window("", "");
    assert_ne!(plain, window(", TIME ZONE 'Europe/Berlin'", ""));
    assert_ne!(plain, window(", INTERVAL '1 hour'", ""));
    assert_ne!(plain, window("", " WITH CORRECTIONS FOR INTERVAL '1 day'"));
}

#[test]
fn renaming_what_is_read_computes_the_same() {
    let mut bed = Bed::new();
    let old = print(
        &bed,
        "v AS SELECT country, sum(quantity) AS n FROM purchases GROUP BY country EMIT ON UPDATE",
    );
    let lookup = "v AS SELECT r.speed_kmh, v.model FROM readings r JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v ON v.vehicle_id = r.vehicle_id";
    let looked_up = print(&bed, lookup);
    let streams = bed.defs.streams.values().cloned().collect::<Vec<_>>();
    let def = streams
        .iter()
        .find(|def| def.spec.name.as_str() == "purchases")
        .unwrap();
    let mut spec = def.spec.clone();
    spec.name = StreamName::new("sales").unwrap();
    for column in &mut spec.columns.0 {
        if column.name.as_str() == "country" {
            column.name = ColumnName::new("land").unwrap();
        }
    }
    bed.change(Change::AlterStream { id: def.id, spec });
    let table = Arc::clone(bed.defs.tables.values().next().unwrap());
    let mut spec = table.spec.clone();
    spec.columns.0[1].name = ColumnName::new("kind").unwrap();
    bed.change(Change::AlterTable { id: table.id, spec });
    assert_eq!(
        print(
            &bed,
            "v AS SELECT land, sum(quantity) AS n FROM sales GROUP BY land EMIT ON UPDATE"
        ),
        old
    );
    assert_eq!(
        print(&bed, &lookup.replace("v.model", "v.kind AS model")),
        looked_up
    );
}

#[test]
fn statements_are_shown_and_read_back() {
    let bed = Bed::new();
    for rest in super::accepted::SHIPPED {
        let read = text(rest).unwrap();
        let shown = show_view(&read);
        let again = view_text(&shown).unwrap();
        assert_eq!(
            (&again.name, again.distinct_max, again.emit, &again.query),
            (&read.name, read.distinct_max, read.emit, &read.query),
            "{shown}"
        );
        assert_eq!(show_view(&again), shown);
        if let (Ok(first), Ok(second)) = (bed.planned(&read), bed.planned(&again)) {
            assert_eq!(first.fingerprint, second.fingerprint);
            assert_eq!(first.spec(&read).columns, second.spec(&again).columns);
        }
    }
    let odd =
        text("\"Select\" AS SELECT country -- a comment\n FROM purchases -- another").unwrap();
    expect_test::expect![[r#"
        CREATE MATERIALIZED VIEW "Select" AS
        SELECT country -- a comment
         FROM purchases"#]]
    .assert_eq(&show_view(&odd));
    assert!(view_text("CREATE STREAM a (x TEXT)").is_err());
    assert!(view_text("").is_err());
}
