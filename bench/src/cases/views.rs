//! Events over HTTP through tables and views: what keeps up counts, not what is acknowledged.

use anyhow::{Result, ensure};
use mainstem_kernel::{Clock, Timestamp, clock::SystemClock};

use super::{Setting, add_load};
use crate::{
    events::{self, DEVICES},
    load::{self, Amount, Load, as_f64},
    report::{Findings, Unit},
    server::Server,
};

/// Time of the first event.
const FIRST: Timestamp = Timestamp(1_767_225_600_000_000);
/// Rows of one INSERT.
const INSERTED: u64 = 500;

const READINGS: &str = include_str!("../../apps/views_bench/readings.sql");
const WINDOW: &str = include_str!("../../apps/views_bench/window.sql");
const AGGREGATE: &str = include_str!("../../apps/views_bench/aggregate.sql");

/// A view, and how its answer is checked.
struct Case {
    name: &'static str,
    title: &'static str,
    view: &'static str,
    goal: &'static str,
    /// Two questions whose answers must be the same.
    same: [&'static str; 2],
}

pub(super) fn window(setting: &Setting) -> Result<Findings> {
    let case = Case {
        name: "window",
        title: "HTTP NDJSON → journal → lookup join → one-minute window per device",
        view: WINDOW,
        goal: "1,200,000, aiming at 2,000,000",
        same: [
            // A request that had to wait comes late: those rows are in a stream of their own.
            "SELECT (SELECT sum(n) FROM minutes) + (SELECT count(*) FROM minutes_late) AS n",
            "SELECT count(*) AS n FROM readings WHERE at < (SELECT max(window_end) FROM minutes)",
        ],
    };
    run(setting, &case)
}

pub(super) fn aggregate(setting: &Setting) -> Result<Findings> {
    let case = Case {
        name: "aggregate",
        title: "HTTP NDJSON → journal → keyed aggregate, EMIT ON UPDATE, 10,000 keys",
        view: AGGREGATE,
        goal: "1,000,000",
        same: [
            "SELECT sum(n), count(*), max(odometer) FROM totals",
            "SELECT count(*), count(DISTINCT device_id), max(odometer) FROM readings",
        ],
    };
    run(setting, &case)
}

fn run(setting: &Setting, case: &Case) -> Result<Findings> {
    let mut findings = Findings::new(case.name, case.title.to_owned());
    let app = format!("{READINGS}\n{}", case.view);
    let server = setting.server_of(case.name, "", &app)?;
    register(&server)?;
    let load = Load {
        connections: 8,
        events_per_request: 2_000,
        amount: Amount::Events {
            count: setting.rows,
            first: FIRST,
        },
    };
    let outcome = load::run(load, server.target(), |_| Ok(()))?;
    let begin = SystemClock.monotonic();
    for position in &outcome.positions {
        server.sql_at(case.same[0], Some(position))?;
    }
    let behind = (SystemClock.monotonic() - begin).as_secs_f64();

    let kept_up = as_f64(outcome.accepted) / (outcome.seconds + behind);
    findings
        .add("kept up with", kept_up, Unit::EventsPerSecond)
        .goal = Some(case.goal);
    findings.add("behind at the end", behind, Unit::Seconds);
    add_load(&mut findings, &outcome);
    if case.name == "window" {
        let late = server.sql("SELECT count(*) FROM minutes_late")?;
        findings.note(format!(
            "rows that came too late: {}",
            serde_json::to_string(&late)?
        ));
    }
    let [computed, asked] = [server.sql(case.same[0])?, server.sql(case.same[1])?];
    ensure!(
        computed == asked,
        "the view says {computed:?}, its events {asked:?}"
    );
    findings.note(format!(
        "the view says what its events say: {}",
        serde_json::to_string(&computed)?
    ));
    setting.finish(case.name, server, &mut findings)?;
    Ok(findings)
}

/// Writes all devices into their table.
fn register(server: &Server) -> Result<()> {
    for first in (0..DEVICES).step_by(usize::try_from(INSERTED)?) {
        let ids = first..DEVICES.min(first + INSERTED);
        let values: Vec<String> = ids
            .map(|id| format!("('{}', 'model-{}')", events::device(id), id % 7))
            .collect();
        server.sql(&format!("INSERT INTO devices VALUES {}", values.join(", ")))?;
    }
    Ok(())
}
