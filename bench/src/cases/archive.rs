//! A longer load with small history files, so that archiving runs beside it all the time.

use std::time::Duration;

use anyhow::{Context, Result};
use mainstem_kernel::{Clock, clock::SystemClock};

use super::{Setting, add_load};
use crate::{
    load::{self, Amount, Load, Outcome},
    report::{Findings, Unit},
    server::Server,
};

const NAME: &str = "archive";
/// Files close every few seconds.
const SETTINGS: &str = "[history]\nfile_size_max = \"64 MiB\"\n";
const SECONDS_MIN: u64 = 30;

pub(super) fn run(setting: &Setting) -> Result<Findings> {
    let mut findings = Findings::new(
        NAME,
        "as http2000, longer, with history archiving all the time",
    );
    let server = setting.server(NAME, SETTINGS)?;
    let half = Duration::from_secs(setting.seconds.max(SECONDS_MIN) / 2);
    let load = |warm_up| {
        let counted = half;
        Load::new(8, 2_000, Amount::Time { warm_up, counted })
    };
    let first = load::run(load(setting.warm_up()), server.target(), |_| Ok(()))?;
    let lag_at_half = lag(&server)?;
    let mut outcome = load::run(load(Duration::ZERO), server.target(), |_| Ok(()))?;
    let lag_at_end = lag(&server)?;
    outcome.accepted += first.accepted;

    add_load(&mut findings, &outcome);
    if let Some(rate) = findings.figures.first_mut() {
        rate.goal = Some("1,500,000 with archiving keeping up");
    }
    add_lags(&mut findings, &outcome, (lag_at_half, lag_at_end));
    let begin = SystemClock.monotonic();
    server.flush()?;
    let caught_up = SystemClock.monotonic() - begin;
    findings.add(
        "then all archived after",
        caught_up.as_secs_f64(),
        Unit::Seconds,
    );
    let metrics = server.metrics()?;
    let bytes = metrics
        .get("mainstem_history_bytes")
        .copied()
        .unwrap_or(f64::NAN);
    findings.add("history", bytes, Unit::Bytes);
    super::check_count(&mut findings, &server, &outcome)?;
    setting.finish(NAME, server, &mut findings)?;
    Ok(findings)
}

/// Rows that are durable and not yet in history.
fn lag(server: &Server) -> Result<f64> {
    let metrics = server.metrics()?;
    let metric = |name: &str| metrics.get(name).copied().context(name.to_owned());
    Ok(metric("mainstem_admitted_rows_total")? - metric("mainstem_archived_rows_total")?)
}

fn add_lags(findings: &mut Findings, outcome: &Outcome, (at_half, at_end): (f64, f64)) {
    findings.add("not yet archived at half", at_half, Unit::Events);
    findings.add("not yet archived at the end", at_end, Unit::Events);
    findings.add("… that is", at_end / outcome.rate(), Unit::Seconds);
}
