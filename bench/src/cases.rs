//! The cases of `bench log`, `views`, `streaming` and `cluster`, each on a server and a folder of its own.
//!
//! A case fails when an answer is wrong, never because of a time.

mod archive;
mod ceiling;
mod http;
mod memory;
mod nexmark;
mod pattern;
mod restart;
mod scale;
mod sql;
mod streaming;
mod views;
mod ysb;

pub(crate) use nexmark::LEFT_OUT;
pub(crate) use views::FIRST;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use mainstem_disk::{Disk, RealDisk};

use crate::{
    flink::Flink,
    load::Outcome,
    report::{Findings, Unit},
    server::{Engine, Server},
};

/// What all cases are told.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The release program.
    pub(crate) mainstem: PathBuf,
    /// Where folders are made.
    pub(crate) folder: PathBuf,
    /// Counted time of a load.
    pub(crate) seconds: u64,
    /// Rows of the cases that say so.
    pub(crate) rows: u64,
    /// Length of the memory case.
    pub(crate) minutes: u64,
    /// Leave folders behind.
    pub(crate) keep: bool,
    /// Python with the packages of others, if not the one that is made here.
    pub(crate) python: Option<PathBuf>,
    /// Settings that name the engines of a cluster.
    pub(crate) config: PathBuf,
    /// The program that tells their processes.
    pub(crate) cluster: String,
    /// Programs of others that run the same.
    pub(crate) peers: Peers,
}

/// Whether the queries of `streaming` run in Flink, too.
#[derive(Clone, Debug)]
pub(crate) enum Peers {
    None,
    Flink(Flink),
    /// It was asked for and is not here; why.
    Missing(String),
}

/// A case by its name.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    run: fn(&Setting) -> Result<Findings>,
}

/// The application that the cases of `log` fill.
const APP: &str = include_str!("../apps/fleet_bench/readings.sql");

/// The cases of `views`.
pub(crate) const VIEWS: [Case; 9] = [
    Case {
        name: "window",
        run: views::window,
    },
    Case {
        name: "aggregate",
        run: views::aggregate,
    },
    Case {
        name: "latency",
        run: views::latency::run,
    },
    Case {
        name: "reads",
        run: views::reads::run,
    },
    Case {
        name: "writes",
        run: views::writes::run,
    },
    Case {
        name: "keys",
        run: views::keys::run,
    },
    Case {
        name: "spill",
        run: views::spill::run,
    },
    Case {
        name: "rebuild",
        run: views::rebuild::run,
    },
    Case {
        name: "restart",
        run: views::restart::run,
    },
];

/// The cases of `streaming`.
pub(crate) fn streaming() -> Vec<Case> {
    let mut cases = KEYED.to_vec();
    cases.extend(nexmark::CASES);
    cases
}

/// The cases of `streaming` beside Nexmark.
const KEYED: [Case; 4] = [
    Case {
        name: "last50",
        run: streaming::last_50,
    },
    Case {
        name: "top10",
        run: streaming::top_10,
    },
    Case {
        name: "pattern",
        run: pattern::run,
    },
    Case {
        name: "ysb",
        run: ysb::run,
    },
];

/// The cases of `cluster`.
pub(crate) const CLUSTER: [Case; 1] = [Case {
    name: "totals",
    run: scale::run,
}];

/// The cases of `log`, in the order in which they run.
pub(crate) const LOG: [Case; 8] = [
    Case {
        name: "ceiling",
        run: ceiling::run,
    },
    Case {
        name: "http2000",
        run: http::of_2000,
    },
    Case {
        name: "http100",
        run: http::of_100,
    },
    Case {
        name: "http1",
        run: http::of_1,
    },
    Case {
        name: "archive",
        run: archive::run,
    },
    Case {
        name: "sql",
        run: sql::run,
    },
    Case {
        name: "restart",
        run: restart::run,
    },
    Case {
        name: "memory",
        run: memory::run,
    },
];

impl Case {
    pub(crate) fn run(self, setting: &Setting) -> Result<Findings> {
        (self.run)(setting).with_context(|| format!("case {}", self.name))
    }
}

impl Setting {
    /// Time before counting starts.
    fn warm_up(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn counted(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// A server on an empty folder.
    fn server(&self, case: &str, settings: &str) -> Result<Server> {
        self.server_of(case, settings, APP)
    }

    /// The same with another application.
    fn server_of(&self, case: &str, settings: &str, app: &str) -> Result<Server> {
        self.server_on(Engine::OneMachine, case, (settings, app))
    }

    /// The same on other engines.
    fn server_on(
        &self,
        engine: Engine,
        case: &str,
        (settings, app): (&str, &str),
    ) -> Result<Server> {
        let folder = self.folder.join(case);
        if RealDisk.stat(&folder)?.is_some() {
            RealDisk.remove_dirs(&folder)?;
        }
        RealDisk.create_dirs(&folder)?;
        let server = Server::start((&self.mainstem, engine), &folder, (settings, app))?;
        server.wait_until_live()?;
        Ok(server)
    }

    /// Ends a server and removes what it left.
    fn finish(&self, case: &str, server: Server, findings: &mut Findings) -> Result<()> {
        findings.add("stopped after", server.stop()?.as_secs_f64(), Unit::Seconds);
        if !self.keep {
            RealDisk.remove_dirs(&self.folder.join(case))?;
        }
        Ok(())
    }
}

/// Rate, processor time and latencies of a load.
fn add_load(findings: &mut Findings, outcome: &Outcome) {
    let million = crate::load::as_f64(outcome.counted) / 1e6;
    findings.add("rate", outcome.rate(), Unit::EventsPerSecond);
    findings.add(
        "latency p50",
        outcome.latency_millis(0.50),
        Unit::Milliseconds,
    );
    findings.add(
        "latency p99",
        outcome.latency_millis(0.99),
        Unit::Milliseconds,
    );
    findings.add("server", outcome.server.cpu / million, Unit::CpuPerMillion);
    findings.add(
        "generator",
        outcome.generator.cpu / million,
        Unit::CpuPerMillion,
    );
    if outcome.throttled > 0 {
        let throttled = crate::load::as_f64(outcome.throttled);
        findings.add("requests answered with 429", throttled, Unit::Count);
    }
    findings.share(&outcome.server);
}

/// Rate, processor time and latencies of answers, with goals for rate and p99.
fn add_answers(
    findings: &mut Findings,
    outcome: &Outcome,
    (rate, p99): (&'static str, Option<&'static str>),
) {
    let thousand = crate::load::as_f64(outcome.counted) / 1e3;
    findings
        .add("rate", outcome.rate(), Unit::AnswersPerSecond)
        .goal = Some(rate);
    for (share, words) in [(0.5, "latency p50"), (0.99, "latency p99")] {
        let value = outcome.latency_millis(share);
        let figure = findings.add(words, value, Unit::Milliseconds);
        figure.goal = p99.filter(|_| words == "latency p99");
    }
    for (side, spent) in [("server", &outcome.server), ("client", &outcome.generator)] {
        let micros = spent.cpu * 1e3 / thousand;
        findings.add(side, micros, Unit::CpuMicros);
    }
    findings.share(&outcome.server);
}

/// Asks the server whether it has what it acknowledged.
fn check_count(findings: &mut Findings, server: &Server, outcome: &Outcome) -> Result<()> {
    let found = server.count(&outcome.positions)?;
    let accepted = outcome.accepted;
    anyhow::ensure!(
        found == accepted,
        "acknowledged {accepted} events, but SQL counts {found}"
    );
    findings.note(format!(
        "every acknowledged event is there: SQL counts {found}"
    ));
    Ok(())
}
