//! Streaming SQL that keeps rows of each key: what keeps up counts, not what is acknowledged.

use anyhow::Result;

use super::{
    Setting, add_load,
    views::{FIRST, app, check, follow},
};
use crate::{
    events::{Events, Keys},
    load::{Load, as_f64},
    report::{Findings, Unit},
};

const LAST_50: &str = include_str!("../../apps/views_bench/last50.sql");
const TOP_10: &str = include_str!("../../apps/views_bench/top10.sql");
/// Vehicles of both cases.
const KEYS: u64 = 1_000_000;

/// A view, and how its answer is checked.
struct Case {
    name: &'static str,
    title: &'static str,
    /// Its name and what defines it.
    of: &'static str,
    view: &'static str,
    goal: Option<&'static str>,
    /// Two questions whose answers must be the same.
    same: [&'static str; 2],
}

/// Every reading against the last fifty of its vehicle.
pub(super) fn last_50(setting: &Setting) -> Result<Findings> {
    let case = Case {
        name: "last50",
        title: "HTTP NDJSON → journal → mean and deviation of the last 50 of 1,000,000 vehicles",
        of: "odd",
        view: LAST_50,
        goal: Some("220,000, aiming at 500,000, on two cores"),
        same: [
            "SELECT count(*), min(at), max(at) FROM odd WHERE device_id LIKE '%77'",
            "SELECT count(*), min(at), max(at) FROM (SELECT at, celsius, \
             count(*) OVER w AS n, avg(celsius) OVER w AS mean, avg(celsius * celsius) OVER w AS square \
             FROM readings WHERE device_id LIKE '%77' WINDOW w AS (PARTITION BY device_id \
             ORDER BY _seq, _partition, _offset ROWS BETWEEN 50 PRECEDING AND 1 PRECEDING)) q \
             WHERE n > 2 AND (celsius - mean) * (celsius - mean) > 9 * (square - mean * mean) + 0.000001",
        ],
    };
    run(setting, &case)
}

/// The ten fastest readings of each vehicle.
pub(super) fn top_10(setting: &Setting) -> Result<Findings> {
    let case = Case {
        name: "top10",
        title: "HTTP NDJSON → journal → the ten fastest readings of 1,000,000 vehicles",
        of: "fastest",
        view: TOP_10,
        goal: None,
        same: [
            "SELECT count(*), sum(n), min(speed) FROM fastest WHERE device_id LIKE '%77'",
            "SELECT count(*), sum(n), min(speed) FROM (SELECT speed, CAST(row_number() OVER \
             (PARTITION BY device_id ORDER BY speed DESC) AS BIGINT) AS n FROM readings \
             WHERE device_id LIKE '%77') q WHERE n <= 10",
        ],
    };
    run(setting, &case)
}

fn run(setting: &Setting, case: &Case) -> Result<Findings> {
    let mut findings = Findings::new(case.name, case.title.to_owned());
    let server = setting.server_of(case.name, "", &app(case.view))?;
    let load = Load {
        of: Events::Readings(Keys::Uniform { count: KEYS }),
        ..Load::of_events(setting.rows, FIRST)
    };
    let followed = follow(&server, load, case.of)?;
    findings
        .add("kept up with", followed.rate(), Unit::EventsPerSecond)
        .goal = case.goal;
    findings.add("behind at the end", followed.behind, Unit::Seconds);
    add_load(&mut findings, &followed.outcome);
    let status = server.status()?;
    if let Some(view) = status.views.first() {
        let bytes = as_f64(view.state_bytes);
        findings.add("state in memory", bytes, Unit::Bytes);
    }
    check(&mut findings, &server, case.same)?;
    setting.finish(case.name, server, &mut findings)?;
    Ok(findings)
}
