//! Events over HTTP through tables and views: what keeps up counts, not what is acknowledged.

pub(super) mod keys;
pub(super) mod latency;
pub(super) mod reads;
pub(super) mod rebuild;
pub(super) mod restart;
pub(super) mod spill;
pub(super) mod writes;

use anyhow::{Context, Result, ensure};
use mainstem_kernel::{Clock, Timestamp, clock::SystemClock};

use super::{Setting, add_load};
use crate::{
    duckdb::same_rows,
    events::{self, DEVICES, Events, Keys},
    load::{self, Load, Moment, Outcome},
    report::{Findings, Unit},
    server::Server,
};

/// Time of the first event.
pub(crate) const FIRST: Timestamp = Timestamp(1_767_225_600_000_000);
/// Rows of one INSERT.
const INSERTED: u64 = 500;
/// Keys of the aggregate, unless a case says otherwise.
const KEYS: u64 = 100_000;

pub(super) const READINGS: &str = include_str!("../../apps/views_bench/readings.sql");
const WINDOW: &str = include_str!("../../apps/views_bench/window.sql");
pub(super) const AGGREGATE: &str = include_str!("../../apps/views_bench/aggregate.sql");

/// A view, and how its answer is checked.
struct Case {
    name: &'static str,
    title: &'static str,
    /// Its name and what defines it.
    of: &'static str,
    view: &'static str,
    keys: Keys,
    goal: &'static str,
    /// Two questions whose answers must be the same.
    same: [&'static str; 2],
}

/// What the window says, and what its events say.
const SAME_WINDOW: [&str; 2] = [
    // A request that had to wait comes late: those rows are in a stream of their own.
    "SELECT (SELECT sum(n) FROM minutes) + (SELECT count(*) FROM minutes_late) AS n",
    "SELECT count(*) AS n FROM readings WHERE at < (SELECT max(window_end) FROM minutes)",
];

/// What the aggregate says, and what its events say.
pub(super) const SAME_TOTALS: [&str; 2] = [
    "SELECT sum(n), count(*), max(odometer) FROM totals",
    "SELECT count(*), count(DISTINCT device_id), max(odometer) FROM readings",
];

pub(super) fn window(setting: &Setting) -> Result<Findings> {
    let case = Case {
        name: "window",
        title: "HTTP NDJSON → journal → lookup join → one-minute window per device",
        of: "minutes",
        view: WINDOW,
        keys: Keys::Uniform { count: DEVICES },
        goal: "1,200,000, aiming at 2,000,000",
        same: SAME_WINDOW,
    };
    run(setting, &case)
}

pub(super) fn aggregate(setting: &Setting) -> Result<Findings> {
    let case = Case {
        name: "aggregate",
        title: "HTTP NDJSON → journal → keyed aggregate, EMIT ON UPDATE, 100,000 keys",
        of: "totals",
        view: AGGREGATE,
        keys: Keys::Uniform { count: KEYS },
        goal: "1,000,000",
        same: SAME_TOTALS,
    };
    run(setting, &case)
}

fn run(setting: &Setting, case: &Case) -> Result<Findings> {
    let mut findings = Findings::new(case.name, case.title.to_owned());
    let server = setting.server_of(case.name, "", &app(case.view))?;
    register(&server)?;
    let load = Load {
        of: Events::Readings(case.keys),
        ..Load::of_events(setting.rows, FIRST)
    };
    let followed = follow(&server, load, case.of)?;
    findings
        .add("kept up with", followed.rate(), Unit::EventsPerSecond)
        .goal = Some(case.goal);
    findings.add("behind at the end", followed.behind, Unit::Seconds);
    add_load(&mut findings, &followed.outcome);
    if case.name == "window" {
        let late = server.sql("SELECT count(*) FROM minutes_late")?;
        findings.note(format!(
            "rows that came too late: {}",
            serde_json::to_string(&late)?
        ));
    }
    check(&mut findings, &server, case.same)?;
    setting.finish(case.name, server, &mut findings)?;
    Ok(findings)
}

/// The application with this view.
pub(super) fn app(view: &str) -> String {
    format!("{READINGS}\n{view}")
}

/// A load that a view has followed to its end.
pub(super) struct Followed {
    /// Rates are what was acknowledged; costs are of all, until the view had followed.
    pub(super) outcome: Outcome,
    /// Seconds from the last acknowledgement until the view had followed.
    pub(super) behind: f64,
}

impl Followed {
    /// Events per second of sending and following.
    pub(super) fn rate(&self) -> f64 {
        load::as_f64(self.outcome.accepted) / (self.outcome.seconds + self.behind)
    }

    /// Events for each second of one of the server's processors.
    pub(super) fn per_core(&self) -> f64 {
        load::as_f64(self.outcome.accepted) / self.outcome.server.cpu
    }

    /// Seconds of the server's processors for a million events.
    fn cost(&self) -> f64 {
        self.outcome.server.cpu / (load::as_f64(self.outcome.accepted) / 1e6)
    }
}

/// Sends a load, and waits until all of it is in a view.
pub(super) fn follow(server: &Server, load: Load, view: &str) -> Result<Followed> {
    let target = server.target();
    let begin = Moment::now(target.pid)?;
    let mut outcome = load::run(load, target, |_| Ok(()))?;
    let acknowledged = outcome.seconds;
    let acknowledgement = SystemClock.monotonic();
    // Positions of one log sort as texts.
    let last = outcome.positions.iter().max().map(String::as_str);
    server.wait_for(view, last.context("a load is acknowledged at a position")?)?;
    let behind = (SystemClock.monotonic() - acknowledgement).as_secs_f64();
    begin.until_now(&mut outcome)?;
    outcome.seconds = acknowledged;
    Ok(Followed { outcome, behind })
}

/// Compares what a view says with what its events say.
pub(super) fn check(findings: &mut Findings, server: &Server, same: [&str; 2]) -> Result<()> {
    let [computed, asked] = [server.sql(same[0])?, server.sql(same[1])?];
    ensure!(
        same_rows(&computed, &asked),
        "the view says {computed:?}, its events {asked:?}"
    );
    findings.note(format!(
        "the view says what its events say: {}",
        serde_json::to_string(&computed)?
    ));
    Ok(())
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
