//! NDJSON over HTTP, acknowledged after the sync, in requests of three sizes.

use anyhow::Result;

use super::{Setting, add_load, check_count};
use crate::{
    load::{self, Amount, Load},
    report::Findings,
};

/// A size of requests.
struct Shape {
    name: &'static str,
    connections: usize,
    events_per_request: usize,
    /// Goals for rate and p99.
    goals: (&'static str, Option<&'static str>),
}

pub(super) fn of_2000(setting: &Setting) -> Result<Findings> {
    run(
        setting,
        &Shape {
            name: "http2000",
            connections: 8,
            events_per_request: 2_000,
            goals: ("2,500,000, aiming at 4,000,000", None),
        },
    )
}

pub(super) fn of_100(setting: &Setting) -> Result<Findings> {
    run(
        setting,
        &Shape {
            name: "http100",
            connections: 8,
            events_per_request: 100,
            goals: ("1,000,000", None),
        },
    )
}

pub(super) fn of_1(setting: &Setting) -> Result<Findings> {
    run(
        setting,
        &Shape {
            name: "http1",
            connections: 64,
            events_per_request: 1,
            goals: ("50,000", Some("≤ 10 ms")),
        },
    )
}

fn run(setting: &Setting, shape: &Shape) -> Result<Findings> {
    let title = format!(
        "NDJSON of 132-byte events, {} per request, {} connections",
        shape.events_per_request, shape.connections
    );
    let mut findings = Findings::new(shape.name, title);
    let server = setting.server(shape.name, "")?;
    let amount = Amount::Time {
        warm_up: setting.warm_up(),
        counted: setting.counted(),
    };
    let load = Load::new(shape.connections, shape.events_per_request, amount);
    let outcome = load::run(load, server.target(), |_| Ok(()))?;
    add_load(&mut findings, &outcome);
    for figure in &mut findings.figures {
        match figure.name.as_str() {
            "rate" => figure.goal = Some(shape.goals.0),
            "latency p99" => figure.goal = shape.goals.1,
            _ => {}
        }
    }
    check_count(&mut findings, &server, &outcome)?;
    setting.finish(shape.name, server, &mut findings)?;
    Ok(findings)
}
