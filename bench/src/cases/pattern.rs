//! Patterns of rows, MATCH_RECOGNIZE: `A B+ C` within ten minutes of event time for each of many keys, in the
//! order of event time.

use anyhow::Result;

use super::{
    Setting,
    nexmark::add_costs,
    views::{FIRST, app, check, follow},
};
use crate::{
    events::{Events, Keys},
    load::Load,
    report::Findings,
};

const NAME: &str = "pattern";
const TRIPS: &str = include_str!("../../apps/views_bench/trips.sql");
/// Vehicles: one of them sends about every hundred seconds of event time.
const KEYS: u64 = 100_000;

pub(super) fn run(setting: &Setting) -> Result<Findings> {
    let title = format!(
        "HTTP NDJSON → journal → A B+ C within 10 minutes of {KEYS} vehicles, in event time"
    );
    let mut findings = Findings::new(NAME, title);
    let server = setting.server_of(NAME, "", &app(TRIPS))?;
    let load = Load {
        of: Events::InTurn(Keys::Uniform { count: KEYS }),
        ..Load::of_events(setting.rows, FIRST)
    };
    let followed = follow(&server, load, "trips")?;
    add_costs(&mut findings, &server, (&followed, None))?;
    let late = server.sql("SELECT count(*) FROM trips_dead_letters")?;
    findings.note(format!(
        "rows that came after their turn: {}",
        serde_json::to_string(&late)?
    ));
    let asked = "readings MATCH_RECOGNIZE (PARTITION BY device_id ORDER BY at, _seq \
                 MEASURES A.at AS began, C.at AS at, count(B.*) AS legs, max(B.speed) AS fastest \
                 PATTERN (A B+ C) WITHIN INTERVAL '10 minutes' \
                 DEFINE A AS state = 'service', B AS state = 'driving', C AS state = 'parking')";
    let same = [question("trips"), question(asked)];
    check(&mut findings, &server, [&same[0], &same[1]])?;
    setting.finish(NAME, server, &mut findings)?;
    Ok(findings)
}

/// The matches of some vehicles whose turn has come for certain: the watermark is a minute behind, and a slice
/// shorter than another. Of a vehicle with a row that missed its turn the question knows more than the view.
fn question(from: &str) -> String {
    format!(
        "SELECT count(*), CAST(sum(legs) AS BIGINT), min(began), max(at), max(fastest) FROM {from} \
         WHERE device_id LIKE '%7' AND at < (SELECT max(at) - INTERVAL '2 minutes' FROM readings) \
         AND device_id NOT IN (SELECT regexp_substr(payload, 'vehicle-[0-9]+') FROM trips_dead_letters)"
    )
}
