//! What is refused beyond one machine, when it is planned.

use std::{collections::BTreeMap, sync::Arc};

use mainstem_app::{AppError, Apps, OneMachine, Source, Terms};
use mainstem_catalog::Catalog;
use mainstem_kernel::{AppName, TenantId, Timestamp, clock::ManualClock};
use mainstem_log::{MemoryLog, SharedLog};

use super::BeyondOneMachine;

const STREAM: &str = "CREATE STREAM orders (
  id TEXT NOT NULL, country TEXT, paid_at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR paid_at AS paid_at - INTERVAL '1 hour'
) DEDUPLICATE BY (id) WITHIN '1 hour' WITH (retention = '1 day');
";

/// What is planned, or what stands against it.
fn plan(terms: impl Terms + 'static, views: &str) -> String {
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let log: SharedLog = Arc::new(MemoryLog::new(Arc::new(clock)));
    let apps = Apps::open(Catalog::open(log).unwrap(), Arc::new(terms));
    let source = Source {
        name: AppName::new("shop").unwrap(),
        version: None,
        files: BTreeMap::from([
            ("1.sql".to_owned(), STREAM.to_owned()),
            ("2.sql".to_owned(), views.to_owned()),
        ]),
    };
    match apps.plan(TenantId::ONLY, &source) {
        Ok(plan) => plan.text(),
        Err(AppError::Mistakes { problems, .. }) => {
            let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
            texts.join("\n")
        }
        Err(error) => panic!("{error}"),
    }
}

/// What is refused: the beginning of each message, and the line of its view.
fn check(views: &str, expected: &[(&str, u32)]) {
    let found = plan(BeyondOneMachine, views);
    assert_eq!(found.matches("error[").count(), expected.len(), "{found}");
    for (message, line) in expected {
        let place = format!("--> 2.sql:{line}:");
        let told = found.split("error[").find(|told| told.starts_with(message));
        let told = told.unwrap_or_else(|| panic!("{message}: {found}"));
        assert!(told.contains(&place), "{told}");
    }
}

#[test]
fn repetitions_are_taken_out_beyond_one_machine_and_not_on_one() {
    let beyond = plan(BeyondOneMachine, "");
    assert!(
        beyond.contains("+ deduplicate by id within 1 hour"),
        "{beyond}"
    );
    let one = plan(OneMachine, "");
    let message =
        "error[APP-014]: DEDUPLICATE BY of stream \"orders\" is not built on one machine yet";
    assert!(one.starts_with(message), "{one}");
    assert!(one.contains("--> 1.sql:1:"), "{one}");
}

#[test]
fn every_view_that_has_no_lowering_is_named_with_its_place() {
    check(
        "CREATE MATERIALIZED VIEW by_country AS SELECT country, count(*) AS n FROM orders
  GROUP BY country EMIT ON UPDATE;
CREATE MATERIALIZED VIEW fine AS SELECT id, count(*) AS n FROM orders GROUP BY id EMIT ON UPDATE;
CREATE MATERIALIZED VIEW twice AS SELECT n, count(*) AS m FROM fine GROUP BY n EMIT ON UPDATE;
",
        &[
            (
                "CLUS-032]: column \"country\" of the key of view \"by_country\"",
                1,
            ),
            ("CLUS-031]: view \"twice\" reads rows that change", 4),
        ],
    );
}

#[test]
fn a_stream_that_forgets_before_windows_are_final_is_named() {
    check(
        "CREATE MATERIALIZED VIEW by_hour AS SELECT window_start, window_end, count(*) AS n
  FROM TUMBLE(orders, paid_at, INTERVAL '1 hour') GROUP BY window_start, window_end
  EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '2 days';
",
        &[("CLUS-061]: stream \"orders\" keeps rows for 86400 s", 1)],
    );
}
