//! A keyed aggregate of more keys than memory has room for: state goes to disk and comes back, and the
//! whole process keeps to what it was given.

use anyhow::{Context, Result};

use super::{AGGREGATE, FIRST, app, follow, keys::check};
use crate::{
    cases::Setting,
    events::{DEVICES_MAX, Events, Keys},
    load::{Load, as_f64},
    report::{self, Findings, Unit},
    usage,
};

const NAME: &str = "spill";
const SETTINGS: &str = "memory = \"512 MiB\"\n";
/// Events of keys that are all there: each finds its state on disk.
const AGAIN: u64 = 1_000_000;

pub(in crate::cases) fn run(setting: &Setting) -> Result<Findings> {
    let keys = DEVICES_MAX;
    let title = format!("a keyed aggregate of {keys} keys with 512 MiB of memory");
    let mut findings = Findings::new(NAME, title);
    let server = setting.server_of(NAME, SETTINGS, &app(AGGREGATE))?;
    let loads = [
        ("first of each", Keys::InOrder { count: keys }, keys),
        ("uniform", Keys::Uniform { count: keys }, AGAIN),
    ];
    for (name, of, events) in loads {
        report::progress(&format!("{events} events, {name}"))?;
        let load = Load {
            of: Events::Readings(of),
            ..Load::of_events(events, FIRST)
        };
        let followed = follow(&server, load, "totals")?;
        findings.add(
            format!("{name}, kept up with"),
            followed.rate(),
            Unit::EventsPerSecond,
        );
        findings.add(
            format!("{name}, cost"),
            followed.cost(),
            Unit::CpuPerMillion,
        );
        let shares = report::shares_in_words(&followed.outcome.server);
        findings.note(format!("{name}: {shares}"));
    }
    check(&server, (keys, keys + AGAIN))?;
    let status = server.status()?;
    let view = status.views.first().context("the status of the view")?;
    findings.add("state in memory", as_f64(view.state_bytes), Unit::Bytes);
    let store = usage::folder_bytes(&server.data().join("store"))?;
    findings.add("store on disk", as_f64(store), Unit::Bytes);
    let most = usage::most_resident_bytes(server.pid())?;
    findings
        .add("most resident memory", as_f64(most), Unit::Bytes)
        .goal = Some("≤ 512 MiB");
    setting.finish(NAME, server, &mut findings)?;
    Ok(findings)
}
