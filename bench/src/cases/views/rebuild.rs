//! Views of events that are all in history: how fast they are built.

use anyhow::{Context, Result, ensure};
use mainstem_kernel::{Clock, clock::SystemClock};

use super::{AGGREGATE, FIRST, READINGS, SAME_TOTALS, SAME_WINDOW, WINDOW, app, check, register};
use crate::{
    cases::Setting,
    load::{self, Load, Moment, Outcome, as_f64},
    report::{Findings, Unit},
    server::Server,
};

const NAME: &str = "rebuild";

pub(in crate::cases) fn run(setting: &Setting) -> Result<Findings> {
    let title = format!("views built from {} rows of history", setting.rows);
    let mut findings = Findings::new(NAME, title);
    let server = setting.server_of(NAME, "", READINGS)?;
    register(&server)?;
    load::run(
        Load::of_events(setting.rows, FIRST),
        server.target(),
        |_| Ok(()),
    )?;
    server.flush()?;
    let archived = server.metrics()?;
    let archived = archived.get("mainstem_archived_rows_total");
    let archived = archived.copied().context("mainstem_archived_rows_total")?;
    ensure!(
        archived >= as_f64(setting.rows),
        "only {archived} rows are archived after a flush"
    );
    let aggregate = app(AGGREGATE);
    let both = format!("{aggregate}\n{WINDOW}");
    build(&mut findings, &server, ("aggregate", &aggregate))?;
    check(&mut findings, &server, SAME_TOTALS)?;
    build(&mut findings, &server, ("window", &both))?;
    check(&mut findings, &server, SAME_WINDOW)?;
    setting.finish(NAME, server, &mut findings)?;
    Ok(findings)
}

/// Adds a view and waits until it is live.
fn build(findings: &mut Findings, server: &Server, (name, app): (&str, &str)) -> Result<()> {
    let mut outcome = Outcome::default();
    let begin = Moment::now(server.pid())?;
    let asked = SystemClock.monotonic();
    server.change(app)?;
    server.wait_until_live()?;
    let seconds = (SystemClock.monotonic() - asked).as_secs_f64();
    begin.until_now(&mut outcome)?;

    let rows = as_f64(server.count(&[])?);
    findings
        .add(name, rows / seconds, Unit::EventsPerSecond)
        .goal = Some("1,500,000");
    let cost = outcome.server.cpu / (rows / 1e6);
    findings.add(format!("{name}, server"), cost, Unit::CpuPerMillion);
    findings.share(&outcome.server);
    Ok(())
}
