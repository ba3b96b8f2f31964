//! The same queries in Apache Flink, over the same events, and the ratio of one run.
//!
//! Flink gets every line that our server got, byte for byte and in the order in which it was sent,
//! from files: of all three streams in one source, as Nexmark's own set-up for Flink has it, since
//! our server takes in, decodes and keeps all of them, too. One file per core, each read by one
//! reader in its order. Neither a log nor a network is in Flink's figure; ours has both, the
//! journal with its syncs, history and all that makes the view's rows a table. This favours Flink,
//! and nothing but Flink is measured: no broker beside it on the same cores.
//!
//! Before a query is measured its rows are asked the question that ours were asked; another answer
//! fails the case. Flink ends by closing every window, and a view keeps those open whose time may
//! still have rows: what ours has not closed is left out of Flink's answer.

#![expect(
    clippy::disallowed_methods,
    reason = "another program reads these files"
)]

mod queries;

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::EVENTS_PER_REQUEST;
use crate::{
    cases::{FIRST, Peers, Setting},
    duckdb::same_rows,
    events::{Events, Maker},
    flink::{Answers, Flink, Task},
    load::as_f64,
    report::{self, Findings, Machine, Unit},
    server::Server,
};
use queries::{Closed, PEERS, Peer, WITHOUT};

const TABLES: &str = include_str!("../../../peers/flink/events.sql");

/// What ours has said, for Flink to say the same.
pub(super) struct Told<'a> {
    peer: &'static Peer,
    flink: &'a Flink,
    rows: Vec<Vec<Value>>,
    question: String,
}

/// What ours did.
#[derive(Clone, Copy)]
pub(super) struct Ours {
    pub(super) per_core: f64,
    /// Of the ratio.
    pub(super) goal: Option<&'static str>,
}

/// Asks our server what Flink will be asked, if Flink is to run this query.
pub(super) fn ask<'a>(
    setting: &'a Setting,
    server: &Server,
    findings: &mut Findings,
) -> Result<Option<Told<'a>>> {
    let found = match &setting.peers {
        Peers::None => return Ok(None),
        Peers::Flink(flink) => peer_of(findings.name).map(|peer| (flink, peer)),
        Peers::Missing(why) => Err(why.as_str()),
    };
    let (flink, peer) = match found {
        Ok(found) => found,
        Err(why) => {
            let words = format!("FLINK WAS SKIPPED: {why}");
            report::progress(&words)?;
            findings.note(words);
            return Ok(None);
        }
    };
    let mut question = peer.question.to_owned();
    if let Some(Closed { last, only }) = &peer.closed {
        let last = server.sql(last)?;
        let last = last.first().and_then(|row| row.first()?.as_str());
        let last = last.context("no window has closed: give more --rows")?;
        question = format!("{question} {}", only.replace("{}", &literal(last)));
    }
    Ok(Some(Told {
        peer,
        flink,
        rows: server.sql(peer.question)?,
        question,
    }))
}

/// The peer of a query, or why it has none.
fn peer_of(name: &str) -> Result<&'static Peer, &'static str> {
    let why = WITHOUT.iter().find(|(without, _)| *without == name);
    let why = why.map_or("it has no such query", |(_, why)| *why);
    PEERS.iter().find(|peer| peer.name == name).ok_or(why)
}

/// `2026-01-01T00:00:10Z` as Flink's SQL spells it.
fn literal(time: &str) -> String {
    time.trim_end_matches('Z').replace('T', " ")
}

/// Runs the query in Flink, beside our rate per core. Our server has stopped by then.
pub(super) fn run(
    setting: &Setting,
    told: &Told<'_>,
    (findings, ours): (&mut Findings, Ours),
) -> Result<()> {
    let name = told.peer.name;
    let folder = setting.folder.join(format!("{name}-flink"));
    let events = folder.join("events");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&events)?;
    let parallelism = Machine::here(&folder).cores;
    report::progress(&format!("writing the same events for Flink's {name}"))?;
    write(&events, setting.rows, parallelism)?;
    report::progress(&format!("running {name} in Flink"))?;
    let task = Task {
        tables: &TABLES.replace("{events}", &events.display().to_string()),
        name,
        query: told.peer.query,
        question: &told.question,
        parallelism,
    };
    let answers = told.flink.run(&folder, task)?;
    let (answer, expected) = (&answers.answer, &told.rows);
    ensure!(
        same_rows(expected, std::slice::from_ref(answer)),
        "the view says {expected:?}, Flink {answer:?} to \"{}\"",
        told.question
    );
    add(findings, &answers, (as_f64(setting.rows), ours))?;
    if !setting.keep {
        fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

/// Flink's rates, and ours over its.
fn add(findings: &mut Findings, answers: &Answers, (events, ours): (f64, Ours)) -> Result<()> {
    let best = answers.best()?;
    let theirs = events / best.cpu;
    findings.add("Flink, per core", theirs, Unit::EventsPerSecond);
    findings.add("Flink, rate", events / best.seconds, Unit::EventsPerSecond);
    let ratio = ours.per_core / theirs;
    findings
        .add("ours over Flink, per core", ratio, Unit::Ratio)
        .goal = ours.goal;
    findings.note(format!(
        "Flink {} says the same: {}; it read the same lines from files, kept its state in the heap, \
         threw its rows away and was warm, while in our figure are the door, the journal and the table",
        answers.version,
        serde_json::to_string(&answers.answer)?
    ));
    Ok(())
}

/// The events of the load, request by request, into one file after the other.
fn write(folder: &Path, events: u64, files: usize) -> Result<()> {
    let open = |place| File::create(folder.join(format!("{place}.json")));
    let files: Vec<File> = (0..files).map(open).collect::<Result<_, _>>()?;
    let mut files: Vec<_> = files.into_iter().map(BufWriter::new).collect();
    let mut maker = Maker::new(Events::Auctions, 0, FIRST);
    let mut left = usize::try_from(events)?;
    for place in (0..files.len()).cycle() {
        let events = left.min(EVENTS_PER_REQUEST);
        for body in maker.bodies(events) {
            files[place].write_all(&body.lines)?;
        }
        left -= events;
        if left == 0 {
            break;
        }
    }
    for file in &mut files {
        file.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
