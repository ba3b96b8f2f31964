//! How long it takes until an event is in a view, and in the feed of all its keys, at half of the
//! load that is asked of such a view, and at half of the load that it can follow.

use std::thread;

use anyhow::{Context, Result};

use super::{AGGREGATE, FIRST, Followed, KEYS, SAME_TOTALS, app, check, follow};
use crate::{
    cases::Setting,
    events::{Events, Keys},
    load::{Load, as_f64},
    probe::{self, Latencies},
    report::{self, Findings, Unit},
    server::Server,
};

const NAME: &str = "latency";
/// Half of what a keyed aggregate has to follow.
const HALF_OF_GOAL: f64 = 500_000.0;

/// What the probes look at.
type Probe = fn(&probe::Probed<'_>) -> Result<Latencies>;

pub(in crate::cases) fn run(setting: &Setting) -> Result<Findings> {
    let title = format!("from sending an event until it is in a view of {KEYS} keys, in its feed");
    let mut findings = Findings::new(NAME, title);
    let server = setting.server_of(NAME, "", &app(AGGREGATE))?;
    let load = Load {
        of: Events::Readings(Keys::Uniform { count: KEYS }),
        ..Load::of_events(setting.rows, FIRST)
    };
    let full = follow(&server, load, "totals")?.rate();
    findings.add("the view follows", full, Unit::EventsPerSecond);
    findings.add("half of it", full / 2.0, Unit::EventsPerSecond);

    let idle = probe::view(&probed(setting, &server, "idle"))?;
    add(&mut findings, "in the view, without load", &idle, None);
    for (place, probe, goal) in [
        ("view", probe::view as Probe, "≤ 50 ms"),
        ("feed", probe::feed, "≤ 150 ms"),
    ] {
        for (load, rate, goal) in [
            ("at 500,000/s", HALF_OF_GOAL, Some(goal)),
            ("at half", full / 2.0, None),
        ] {
            let name = format!("in the {place} {load}");
            let device = name.replace([' ', ',', '/'], "-");
            let (latencies, followed) = at(setting, &server, (rate, &device, probe))?;
            add(&mut findings, &name, &latencies, goal);
            let shares = report::shares_in_words(&followed.outcome.server);
            let cost = followed.cost();
            findings.note(format!("{name}: {cost:.2} CPU s/million, {shares}"));
        }
    }
    check(&mut findings, &server, SAME_TOTALS)?;
    setting.finish(NAME, server, &mut findings)?;
    Ok(findings)
}

fn probed<'a>(setting: &Setting, server: &'a Server, device: &'a str) -> probe::Probed<'a> {
    probe::Probed {
        target: server.target(),
        device,
        warm_up: setting.warm_up(),
        lasts: setting.counted(),
    }
}

/// Probes while events come at this pace.
fn at(
    setting: &Setting,
    server: &Server,
    (per_second, device, probe): (f64, &str, Probe),
) -> Result<(Latencies, Followed)> {
    let lasts = setting.warm_up() + setting.counted();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate for some seconds is a count"
    )]
    let count = (per_second * lasts.as_secs_f64()) as u64;
    let load = Load {
        of: Events::Readings(Keys::Uniform { count: KEYS }),
        per_second: Some(per_second),
        ..Load::of_events(count, FIRST)
    };
    let (followed, latencies) = thread::scope(|scope| {
        let probes = scope.spawn(|| probe(&probed(setting, server, device)));
        let followed = follow(server, load, "totals");
        (followed, probes.join())
    });
    let (followed, latencies) = (followed?, latencies.ok().context("the probes panicked")??);
    let pace = as_f64(followed.outcome.accepted) / followed.outcome.seconds;
    anyhow::ensure!(
        pace >= per_second * 0.95,
        "the load was to be {per_second:.0} events/s, but {pace:.0} came through"
    );
    Ok((latencies, followed))
}

fn add(findings: &mut Findings, name: &str, latencies: &Latencies, goal: Option<&'static str>) {
    for (share, words) in [(0.5, "p50"), (0.99, "p99"), (1.0, "most")] {
        let value = latencies.millis(share);
        let figure = findings.add(format!("{name}, {words}"), value, Unit::Milliseconds);
        figure.goal = goal.filter(|_| words == "p99");
    }
    let count = as_f64(latencies.count());
    findings.add(format!("{name}, probes"), count, Unit::Count);
}
