//! A crash with a full GiB of journal that is not in history, and the time to open doors.

use anyhow::{Context, Result, ensure};
use mainstem_kernel::{Clock, clock::SystemClock};

use super::Setting;
use crate::{
    load::{self, Load, as_f64},
    report::{Findings, Unit},
    server::Server,
};

const NAME: &str = "restart";
pub(super) const JOURNAL_BYTES: f64 = (1_u64 << 30) as f64;
/// Events between two looks at the journal.
pub(super) const ROUND: u64 = 4_000_000;
pub(super) const ROUNDS_MAX: u32 = 100;

pub(super) fn run(setting: &Setting) -> Result<Findings> {
    let mut findings = Findings::new(NAME, "kill -9 with 1 GiB of live journal, then start");
    let mut server = setting.server(NAME, "")?;
    findings.add(
        "start on an empty folder",
        server.ready_after.as_secs_f64(),
        Unit::Seconds,
    );
    let accepted = fill(&server)?;
    let live = live_bytes(&server)?;

    server.crash_and_restart()?;

    findings.add("live journal", live, Unit::Bytes);
    let seconds = server.ready_after.as_secs_f64();
    findings
        .add("start to open doors", seconds, Unit::Seconds)
        .goal = Some("≤ 5 s");
    findings.add(
        "per GiB of journal",
        seconds / (live / JOURNAL_BYTES),
        Unit::Seconds,
    );
    let begin = SystemClock.monotonic();
    let found = server.count(&[])?;
    let took = SystemClock.monotonic() - begin;
    ensure!(
        found == accepted,
        "acknowledged {accepted} events, but after the crash SQL counts {found}"
    );
    findings.add(
        "events after the crash, none lost, none twice",
        as_f64(found),
        Unit::Events,
    );
    findings.add("first count of them", took.as_secs_f64(), Unit::Seconds);
    setting.finish(NAME, server, &mut findings)?;
    Ok(findings)
}

/// Sends until the journal holds a GiB that is not in history; returns the events.
fn fill(server: &Server) -> Result<u64> {
    let mut accepted = 0;
    for _round in 0..ROUNDS_MAX {
        if live_bytes(server)? >= JOURNAL_BYTES {
            return Ok(accepted);
        }
        let load = Load::of_events(ROUND, SystemClock.now());
        accepted += load::run(load, server.target(), |_| Ok(()))?.accepted;
    }
    anyhow::bail!("archiving kept the journal below 1 GiB for {accepted} events")
}

pub(super) fn live_bytes(server: &Server) -> Result<f64> {
    let metrics = server.metrics()?;
    metrics
        .get("mainstem_journal_live_bytes")
        .copied()
        .context("mainstem_journal_live_bytes")
}
