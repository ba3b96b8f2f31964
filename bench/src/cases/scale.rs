//! The same view on one machine, on a cluster, and in Spark SQL by hand, all on the engines that run
//! now. How fast Spark works is compared over the same topic, from the end of the first batch to the
//! end of the last: what is done once for a query does not count for either.

mod by_hand;

use std::{collections::BTreeMap, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use mainstem_disk::{Disk, RealDisk};
use mainstem_kernel::{Clock, clock::SystemClock};

use super::{
    Setting,
    views::{self, AGGREGATE, FIRST, READINGS, SAME_TOTALS},
};
use crate::{
    events::{self, Events, Keys},
    load::{self, Load, as_f64},
    probe::{self, Latencies, Probed},
    prove::{engines::Engines, machines},
    report::{self, Findings, Unit},
    server::{Engine, Server},
    usage::Spent,
};

const NAME: &str = "totals";
const AGAIN: &str = include_str!("../../apps/views_bench/again.sql");
const BY_HAND: &str = include_str!("../../apps/views_bench/by_hand.sql");
/// Keys of the view.
const KEYS: u64 = 10_000;
/// Batches of a query that builds the view from all that is there.
const BATCHES: u64 = 8;
/// How often a node is asked how far it is.
const LOOK: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(900);
/// A node that does everything.
const ROLES: [&str; 4] = ["doors", "workers", "rows", "control"];
/// A node that leaves Spark's rows in their topic, where a query by hand leaves its own.
const WITHOUT_ROWS: [&str; 3] = ["doors", "workers", "control"];

pub(super) fn run(setting: &Setting) -> Result<Findings> {
    let title = format!("HTTP NDJSON → keyed aggregate, EMIT ON UPDATE, {KEYS} keys → its rows");
    let mut findings = Findings::new(NAME, title);
    report::progress("on one machine")?;
    let embedded = on_one_machine(setting, &mut findings)?;
    report::progress("on the cluster")?;
    let now = SystemClock.now().millis();
    let prefix = format!("bench{now}");
    let cluster = Cluster::new(setting, (&prefix, &ROLES))?;
    let app = format!("{READINGS}\n{AGGREGATE}");
    let server = setting.server_on(Engine::Cluster, "many", (&cluster.settings, &app))?;
    let rate = cluster.follow(setting, &server, &mut findings)?;
    findings.add("cluster over one machine", rate / embedded, Unit::Ratio);
    let probed = probed(setting, &server);
    add_latencies(&mut findings, "cluster", &probe::view(&probed)?);
    views::check(&mut findings, &server, SAME_TOTALS)?;
    setting.finish("many", server, &mut findings)?;
    let cluster = Cluster::new(setting, (&prefix, &WITHOUT_ROWS))?;
    let server = setting.server_on(Engine::Cluster, "again", (&cluster.settings, &app))?;
    beside_by_hand(setting, (&cluster, &server), &mut findings)?;
    setting.finish("again", server, &mut findings)?;
    Ok(findings)
}

/// What our query builds from all that is there, and what one by hand does.
fn beside_by_hand(
    setting: &Setting,
    (cluster, server): (&Cluster, &Server),
    findings: &mut Findings,
) -> Result<()> {
    // By hand it needs a topic to write to; brokers make none by themselves.
    let app = format!("{READINGS}\n{AGGREGATE}\n{BY_HAND}");
    server.declare(&app)?;
    server.write("by_hand", "{}\n")?;
    let rows = server.count(&[])?;
    report::progress("by hand, for Spark to be warm")?;
    by_hand::run(setting, cluster, ("warm", rows))?;
    report::progress("the view once more, from all that is there")?;
    server.declare(&format!("{app}\n{AGAIN}"))?;
    let ours = ours(server, rows)?;
    findings.add("built by ours", ours, Unit::EventsPerSecond);
    report::progress("and in Spark SQL by hand")?;
    let theirs = by_hand::run(setting, cluster, ("counted", rows))?;
    findings.add("built by hand", theirs, Unit::EventsPerSecond);
    findings
        .add("ours over by hand", ours / theirs, Unit::Ratio)
        .goal = Some("≥ 0.9");
    findings.note("both write their rows to a topic");
    Ok(())
}

fn load_of(setting: &Setting) -> Load {
    Load {
        of: Events::Readings(Keys::Uniform { count: KEYS }),
        ..Load::of_events(setting.rows, FIRST)
    }
}

/// The rate that the view follows.
fn on_one_machine(setting: &Setting, findings: &mut Findings) -> Result<f64> {
    let server = setting.server_of("one", "", &format!("{READINGS}\n{AGGREGATE}"))?;
    let begin = SystemClock.monotonic();
    let outcome = load::run(load_of(setting), server.target(), |_| Ok(()))?;
    wait_for_rows(&server, &outcome.positions)?;
    let seconds = (SystemClock.monotonic() - begin).as_secs_f64();
    let rate = as_f64(outcome.accepted) / seconds;
    findings.add("one machine, end to end", rate, Unit::EventsPerSecond);
    add_latencies(
        findings,
        "one machine",
        &probe::view(&probed(setting, &server))?,
    );
    views::check(findings, &server, SAME_TOTALS)?;
    server.stop()?;
    if !setting.keep {
        RealDisk.remove_dirs(&setting.folder.join("one"))?;
    }
    Ok(rate)
}

/// Until a reader of a row sees everything.
fn wait_for_rows(server: &Server, positions: &[String]) -> Result<()> {
    let path = format!("/v1/views/{NAME}/rows?key={}", events::device(0));
    for position in positions.iter().filter(|position| !position.is_empty()) {
        server.wait_for_row(&path, position)?;
    }
    Ok(())
}

fn probed<'a>(setting: &Setting, server: &'a Server) -> Probed<'a> {
    Probed {
        target: server.target(),
        device: "probe",
        warm_up: setting.warm_up(),
        lasts: setting.counted(),
    }
}

fn add_latencies(findings: &mut Findings, name: &str, latencies: &Latencies) {
    for (share, words) in [(0.5, "p50"), (0.99, "p99")] {
        let name = format!("{name}, event → row, {words}");
        findings.add(name, latencies.millis(share), Unit::Milliseconds);
    }
}

/// Engines, and where everything of this bench is in them.
struct Cluster {
    engines: Engines,
    /// Of the node.
    settings: String,
    /// Most rows of one batch of a query.
    per_batch: u64,
}

impl Cluster {
    fn new(setting: &Setting, (prefix, roles): (&str, &[&str])) -> Result<Self> {
        let file = &setting.config;
        let base = RealDisk
            .read(file)
            .with_context(|| format!("reading {}: run `cargo xtask cluster up`", file.display()))?;
        let base = String::from_utf8(base)?;
        let per_batch = setting.rows.div_ceil(BATCHES);
        let settings = machines::settings(&base, prefix, roles)?;
        Ok(Self {
            engines: Engines::new(&setting.cluster)?,
            settings: format!("{settings}trigger_rows_max = {per_batch}\n"),
            per_batch,
        })
    }

    /// Sends a load and waits until it is in the view's rows; the rate of both.
    fn follow(&self, setting: &Setting, server: &Server, findings: &mut Findings) -> Result<f64> {
        let before = self.used(server)?;
        let begin = SystemClock.monotonic();
        let outcome = load::run(load_of(setting), server.target(), |_| Ok(()))?;
        let acknowledged = SystemClock.monotonic() - begin;
        wait_for_view(server, outcome.accepted)?;
        let computed = SystemClock.monotonic() - begin;
        wait_for_rows(server, &outcome.positions)?;
        let there = SystemClock.monotonic() - begin;
        let rows = as_f64(outcome.accepted);
        for (name, span) in [
            ("cluster, acknowledged", acknowledged),
            ("cluster, computed by Spark", computed),
            ("cluster, end to end", there),
        ] {
            findings.add(name, rows / span.as_secs_f64(), Unit::EventsPerSecond);
        }
        let after = self.used(server)?;
        let spent = after.iter().map(|(name, used)| {
            let earlier = before.get(name).copied().unwrap_or_default();
            (name.clone(), used - earlier)
        });
        let threads: BTreeMap<String, f64> = spent.collect();
        let cpu: f64 = threads.values().sum();
        findings.add(
            "cluster, all processes",
            cpu / (rows / 1e6),
            Unit::CpuPerMillion,
        );
        let shares = report::shares_in_words(&Spent { cpu, threads });
        findings.note(format!("processor time on the cluster: {shares}"));
        Ok(rows / there.as_secs_f64())
    }

    /// Processor seconds of everything, up to now.
    fn used(&self, server: &Server) -> Result<BTreeMap<String, f64>> {
        let mut used = self.engines.used()?;
        let own = crate::usage::Usage::of(server.pid())?.cpu;
        used.insert("mainstem".to_owned(), own);
        Ok(used)
    }
}

/// Until Spark has committed so many rows.
fn wait_for_view(server: &Server, rows: u64) -> Result<()> {
    let begin = SystemClock.monotonic();
    loop {
        let computed = computed(server, NAME)?;
        if computed >= rows {
            return Ok(());
        }
        let waited = SystemClock.monotonic() - begin;
        ensure!(waited < PATIENCE, "Spark has {computed} of {rows} rows");
        thread::sleep(LOOK);
    }
}

/// Rows that a view has computed.
fn computed(server: &Server, name: &str) -> Result<u64> {
    let views = server.status()?.views;
    let view = views.iter().find(|view| view.name == name);
    Ok(view.map_or(0, |view| view.rows))
}

/// Watches the view being built once more; its rate.
fn ours(server: &Server, rows: u64) -> Result<f64> {
    let begin = SystemClock.monotonic();
    let mut ends: Vec<(f64, u64)> = Vec::new();
    loop {
        let computed = computed(server, "again")?;
        let at = SystemClock.monotonic() - begin;
        if computed > ends.last().map_or(0, |(_, rows)| *rows) {
            ends.push((at.as_secs_f64(), computed));
        }
        if computed >= rows {
            return rate(&ends);
        }
        ensure!(at < PATIENCE, "Spark has built {computed} of {rows} rows");
        thread::sleep(LOOK);
    }
}

/// Events per second between the ends of the first and the last batch, each with all rows up to it.
fn rate(ends: &[(f64, u64)]) -> Result<f64> {
    let (Some((first, before)), Some((last, all))) = (ends.first(), ends.last()) else {
        anyhow::bail!("there were no batches");
    };
    ensure!(last > first, "everything was one batch: give more --rows");
    Ok(as_f64(all - before) / (last - first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_leaves_the_first_batch_out() {
        let ends = [(3.0, 100), (4.0, 300), (5.0, 500)];
        assert!((rate(&ends).unwrap() - 200.0).abs() < 1e-9);
        assert!(rate(&ends[..1]).is_err());
        assert!(rate(&[]).is_err());
    }
}
