//! The same queries in Apache Flink, over the same events, and the ratio of one run.
//!
//! Flink gets every line that our server got, byte for byte and in the order in which it was sent:
//! of all three streams in one source, as Nexmark's own set-up for Flink has it, since our server
//! takes in, decodes and keeps all of them, too. There is one file per core, and one partition.
//!
//! It runs twice. *Alone* it reads files and throws its rows away: neither a log nor a network nor a
//! row that anyone could read is in this figure. *With Kafka* it does what our server does: the
//! events are in a durable log first, and rows that never change are in a topic behind it, where
//! others may read them; the broker's processor time counts, its producer's does not. In our figure
//! are the door, the journal with its syncs, history and all that makes the view's rows a table.
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
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::EVENTS_PER_REQUEST;
use crate::{
    cases::{FIRST, Peers, Setting},
    duckdb::same_rows,
    events::{Events, Maker},
    flink::{Answers, Flink, Rates, Task},
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
    let files = write(&events, setting.rows, parallelism)?;
    report::progress(&format!("running {name} in Flink, alone and with Kafka"))?;
    let task = Task {
        tables: TABLES,
        events: &files,
        name,
        query: told.peer.query,
        question: &told.question,
        appends: told.peer.appends,
    };
    let answers = told.flink.run(&folder, task)?;
    let (answer, expected) = (&answers.answer, &told.rows);
    ensure!(
        same_rows(expected, std::slice::from_ref(answer)),
        "the view says {expected:?}, Flink {answer:?} to \"{}\"",
        told.question
    );
    add(findings, &answers, (setting.rows, told.peer.appends, ours))?;
    if !setting.keep {
        fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

/// Flink's rates, and ours over its.
fn add(
    findings: &mut Findings,
    answers: &Answers,
    (events, appends, ours): (u64, bool, Ours),
) -> Result<()> {
    let alone = answers.alone(events)?;
    let with_log = answers.with_log(events)?;
    for (name, Rates { per_core, rate }) in [("Flink alone", alone), ("Kafka and Flink", with_log)]
    {
        findings.add(format!("{name}, per core"), per_core, Unit::EventsPerSecond);
        findings.add(format!("{name}, rate"), rate, Unit::EventsPerSecond);
    }
    let over = |rates: Rates| ours.per_core / rates.per_core;
    findings.add("ours over Flink alone, per core", over(alone), Unit::Ratio);
    findings
        .add(
            "ours over Kafka and Flink, per core",
            over(with_log),
            Unit::Ratio,
        )
        .goal = ours.goal;
    let rows = if appends {
        "appended to a topic"
    } else {
        "thrown away, since they change"
    };
    findings.note(format!(
        "Flink {} says the same: {}; alone it read files and threw its rows away; with Kafka the events \
         came from a durable log and its rows were {rows}: {}; its state was in the heap, and it was warm",
        answers.version,
        serde_json::to_string(&answers.answer)?,
        answers.shares(events)?
    ));
    Ok(())
}

/// The events of the load, request by request, into one file after the other.
fn write(folder: &Path, events: u64, files: usize) -> Result<Vec<PathBuf>> {
    let path = |place| folder.join(format!("{place}.json"));
    let paths: Vec<PathBuf> = (0..files).map(path).collect();
    let files: Vec<File> = paths.iter().map(File::create).collect::<Result<_, _>>()?;
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
    Ok(paths)
}

#[cfg(test)]
mod tests;
