//! A crash with a full GiB of journal and ten million keys, and the time to open doors.

use anyhow::{Context, Result, ensure};
use mainstem_kernel::{Clock, clock::SystemClock};

use super::{AGGREGATE, FIRST, app, follow};
use crate::{
    cases::{
        Setting,
        restart::{JOURNAL_BYTES, ROUND, ROUNDS_MAX, live_bytes},
    },
    events::{Events, Keys, device},
    load::{self, Load, as_f64},
    report::{Findings, Unit},
    server::Server,
};

const NAME: &str = "restart";
const KEYS: u64 = 10_000_000;
const TOTALS: &str = "SELECT CAST(sum(n) AS BIGINT), count(*) FROM totals";

pub(in crate::cases) fn run(setting: &Setting) -> Result<Findings> {
    let keys = KEYS.min(setting.rows);
    let title = format!("kill -9 with 1 GiB of live journal and a view of {keys} keys, then start");
    let mut findings = Findings::new(NAME, title);
    let mut server = setting.server_of(NAME, "", &app(AGGREGATE))?;
    let accepted = fill(&server, keys)?;
    findings.add("live journal", live_bytes(&server)?, Unit::Bytes);

    server.crash_and_restart()?;

    let seconds = server.ready_after.as_secs_f64();
    findings
        .add("start to open doors", seconds, Unit::Seconds)
        .goal = Some("≤ 5 s");
    let begin = SystemClock.monotonic();
    let one = format!("SELECT n FROM totals WHERE device_id = '{}'", device(7));
    ensure!(!server.sql(&one)?.is_empty(), "a key of the view is gone");
    let took = (SystemClock.monotonic() - begin).as_secs_f64();
    findings.add("first answer by key", took * 1e3, Unit::Milliseconds);
    caught_up(&server, &mut findings, (accepted, keys))?;
    setting.finish(NAME, server, &mut findings)?;
    Ok(findings)
}

/// Sends each key once and waits for the view; then more, without waiting, until the journal holds
/// a GiB. Returns the events.
fn fill(server: &Server, keys: u64) -> Result<u64> {
    let load = |events| Load {
        of: Events::Readings(Keys::InOrder { count: keys }),
        ..Load::of_events(events, FIRST)
    };
    let mut accepted = follow(server, load(keys), "totals")?.outcome.accepted;
    for _round in 0..ROUNDS_MAX {
        if live_bytes(server)? >= JOURNAL_BYTES {
            return Ok(accepted);
        }
        accepted += load::run(load(ROUND), server.target(), |_| Ok(()))?.accepted;
    }
    anyhow::bail!("archiving kept the journal below 1 GiB for {accepted} events")
}

/// Waits until the view has every event again: none lost, none twice.
fn caught_up(server: &Server, findings: &mut Findings, (events, keys): (u64, u64)) -> Result<()> {
    let begin = SystemClock.monotonic();
    let newest = server.status()?.position.context("the newest position")?;
    server.wait_for("totals", &newest)?;
    let rows = server.sql(TOTALS)?;
    let took = (SystemClock.monotonic() - begin).as_secs_f64();
    findings.add("until the view has all", took, Unit::Seconds);
    let expected = [[serde_json::json!(events), serde_json::json!(keys)]];
    ensure!(
        rows == expected,
        "the view says {rows:?}, but there were {events} events of {keys} keys"
    );
    let (events, keys) = (as_f64(events), as_f64(keys));
    findings.add(
        "events after the crash, none lost, none twice",
        events,
        Unit::Events,
    );
    findings.add("keys", keys, Unit::Count);
    Ok(())
}
