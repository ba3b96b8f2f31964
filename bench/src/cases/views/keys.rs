//! What one event costs a keyed aggregate as its keys become more, and what each key keeps. With
//! the most keys, state is larger than its share of memory.
//!
//! A load costs what the server does until it rests again: history, checkpoints and merging of the
//! store's files too, none of which is left to the next load.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mainstem_kernel::{Clock, clock::SystemClock};

use super::{AGGREGATE, FIRST, Followed, app, follow};
use crate::{
    cases::Setting,
    events::{Events, Keys},
    load::{Load, as_f64},
    report::{self, Findings, Unit},
    server::Server,
    usage::{self, Usage},
};

const NAME: &str = "keys";
/// Less than half of a machine with 16 GiB, so that the budget is what bounds.
const SETTINGS: &str = "memory = \"4 GiB\"\n";
const COUNTS: [u64; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
/// After this long no further load of a number of keys is begun.
const COUNT_MAX: Duration = Duration::from_secs(300);
/// How long the server may take to come to rest.
const REST_MAX: Duration = Duration::from_secs(120);

pub(in crate::cases) fn run(setting: &Setting) -> Result<Findings> {
    let events = setting.rows / 4;
    let title =
        format!("a keyed aggregate of many keys, {events} events each, with 4 GiB of memory");
    let mut findings = Findings::new(NAME, title);
    for count in COUNTS.into_iter().filter(|count| *count <= events * 2) {
        of_count(setting, &mut findings, (count, events))?;
    }
    Ok(findings)
}

/// Each key once, then events of keys chosen evenly, then skewed.
fn of_count(setting: &Setting, findings: &mut Findings, (count, events): (u64, u64)) -> Result<()> {
    let server = setting.server_of(NAME, SETTINGS, &app(AGGREGATE))?;
    let begin = SystemClock.monotonic();
    let named = |name: &str| format!("10^{} keys, {name}", count.ilog10());
    let loads = [
        ("first of each", Keys::InOrder { count }, count),
        ("uniform", Keys::Uniform { count }, events),
        ("Zipf 1.1", Keys::Zipf { count }, events),
    ];
    let mut sent = 0;
    let pid = server.pid();
    for (name, keys, events) in loads {
        let taken = SystemClock.monotonic() - begin;
        if taken > COUNT_MAX {
            findings.note(named(&format!(
                "{name}: left out after {} s",
                taken.as_secs()
            )));
            continue;
        }
        report::progress(&named(name))?;
        let before = Usage::of(pid)?;
        let mut followed = send(&server, (keys, events))?;
        usage::wait_for_rest(pid, REST_MAX)?;
        followed.outcome.server = Usage::of(pid)?.since(&before);
        sent += events;
        add(findings, &named, (name, &followed));
    }
    check(&server, (count, sent))?;
    let status = server.status()?;
    let view = status.views.first().context("the status of the view")?;
    let per_key = as_f64(view.state_bytes) / as_f64(count);
    findings.add(named("state in memory per key"), per_key, Unit::Bytes);
    let store = usage::folder_bytes(&server.data().join("store"))?;
    let per_key = as_f64(store) / as_f64(count);
    findings.add(named("store on disk per key"), per_key, Unit::Bytes);
    let most = usage::most_resident_bytes(server.pid())?;
    findings
        .add(named("most resident memory"), as_f64(most), Unit::Bytes)
        .goal = Some("≤ 4 GiB, the budget");
    let budget = status.memory_budget_bytes;
    findings.add(
        named("… over the budget"),
        as_f64(most) / as_f64(budget),
        Unit::Ratio,
    );
    setting.finish(NAME, server, findings)
}

/// What a load cost; one of a moment says nothing.
fn add(
    findings: &mut Findings,
    named: &impl Fn(&str) -> String,
    (name, followed): (&str, &Followed),
) {
    if followed.outcome.accepted < 500_000 {
        return;
    }
    findings.add(named(name), followed.cost(), Unit::CpuPerMillion);
    let rate = followed.rate();
    findings.add(named("… kept up with"), rate, Unit::EventsPerSecond);
    let shares = report::shares_in_words(&followed.outcome.server);
    findings.note(named(&format!("{name}: {shares}")));
}

fn send(server: &Server, (keys, count): (Keys, u64)) -> Result<Followed> {
    let load = Load {
        of: Events::Readings(keys),
        ..Load::of_events(count, FIRST)
    };
    follow(server, load, "totals")
}

/// Asks the view alone: a million distinct keys of a stream are more than a query may hold.
pub(super) fn check(server: &Server, (keys, events): (u64, u64)) -> Result<()> {
    let rows = server.sql("SELECT CAST(sum(n) AS BIGINT), count(*) FROM totals")?;
    let expected = [[serde_json::json!(events), serde_json::json!(keys)]];
    ensure!(
        rows == expected,
        "the view says {rows:?}, but there were {events} events of {keys} keys"
    );
    Ok(())
}
