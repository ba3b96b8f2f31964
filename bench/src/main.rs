//! Measured comparisons: the load generator and the benches that `cargo xtask bench` runs.
//!
//! It measures the release program from outside, as users meet it, and never links its crates
//! beyond `kernel` and `disk`.

mod ask;
mod cases;
mod client;
mod duckdb;
mod events;
mod flink;
mod kafka;
mod load;
mod probe;
mod prove;
mod python;
mod report;
mod script;
mod server;
mod sink;
mod usage;

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};

use crate::{
    cases::{CLUSTER, Case, LEFT_OUT, LOG, Peers, Setting, VIEWS, streaming},
    events::AuctionMaker,
    flink::Flink,
    kafka::Kafka,
    report::Machine,
};

/// Benches, each against the release program.
#[derive(Debug, Parser)]
#[command(name = "mainstem-bench")]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// From the door to the answer: HTTP, journal, history, SQL, memory, restart
    Log(Options),
    /// Through tables and views: lookup join, windows, keyed aggregates
    Views(Options),
    /// Streaming SQL: figures of the last fifty of each key, the first ten, Yahoo's benchmark, Nexmark
    ///
    /// Of Nexmark q0 to q9, q11, q13 and q15 to q20; their SQL is in bench/apps/nexmark. Left out is
    /// q12: it groups by the time at which the query happens to see a bid, and a view gives the
    /// same rows whenever it is computed. With --peers Apache Flink runs the same queries (but q6 and
    /// q13) over the same events, as SQL in bench/peers/flink: alone, and with Apache Kafka before and
    /// behind it.
    Streaming {
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        others: Others,
    },
    /// Print Nexmark's events, one a line beside its stream
    Events(Asked),
    /// The same view on one machine, on a cluster, and in Spark SQL by hand; the engines run
    Cluster(Options),
    /// Beyond one machine: what was acknowledged is there once, whatever dies meanwhile
    Prove(prove::Options),
}

/// What to run, and where.
#[derive(Debug, clap::Args)]
struct Options {
    /// Only these cases. Of log: ceiling, http2000, http100, http1, archive, sql, restart, memory;
    /// of views: window, aggregate, latency, reads, writes, keys, spill, rebuild, restart; of streaming:
    /// last50, top10, pattern, ysb, q0 to q9, q11, q13, q15 to q20
    #[arg(long, value_delimiter = ',', value_name = "CASES")]
    only: Vec<String>,
    /// Counted seconds of a load
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..))]
    seconds: u64,
    /// Rows of the case `sql` (50 million), of the cases of `views` (20 million), of
    /// `streaming` (5 million) and of `cluster` (1 million)
    #[arg(long, value_parser = clap::value_parser!(u64).range(1_000..))]
    rows: Option<u64>,
    /// Minutes of the memory case
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Leave data folders behind
    #[arg(long)]
    keep: bool,
    /// The release program
    #[arg(long, value_name = "FILE", default_value = "target/release/mainstem")]
    mainstem: PathBuf,
    /// Where data folders are made; the default is beside the release folder
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// A Python that has DuckDB, for `cluster` one that has pyspark[connect]; the default is made in
    /// the folder
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Where the engines of `cluster` are
    #[arg(long, value_name = "FILE", default_value = "deploy/local-cluster.toml")]
    config: PathBuf,
    /// The program that tells the processes of these engines
    #[arg(long, value_name = "COMMAND", default_value = "target/debug/xtask")]
    cluster: String,
}

/// Programs of others beside ours.
#[derive(Debug, clap::Args)]
struct Others {
    /// Run Nexmark's queries in Apache Flink, too, alone and with Apache Kafka, and print the ratios
    /// of one run; needs Java 17 and Maven
    #[arg(long)]
    peers: bool,
    /// The Java that runs Flink and Kafka
    #[arg(long, value_name = "FILE", default_value = "java")]
    java: PathBuf,
    /// Where Flink's classes are; `cargo xtask bench` finds them by Maven
    #[arg(long, value_name = "CLASS PATH")]
    flink: Option<String>,
    /// And Kafka's
    #[arg(long, value_name = "CLASS PATH", requires = "flink")]
    kafka: Option<String>,
    /// Why they were not found
    #[arg(
        long,
        value_name = "WORDS",
        default_value = "no class paths were given with --flink and --kafka"
    )]
    flink_missing: String,
}

impl Others {
    fn into_peers(self) -> Peers {
        let java = self.java;
        match (self.flink, self.kafka) {
            _ if !self.peers => Peers::None,
            (Some(flink), Some(kafka)) => Peers::Flink(Flink {
                java: java.clone(),
                class_path: flink,
                kafka: Kafka {
                    java,
                    class_path: kafka,
                },
            }),
            _ => Peers::Missing(self.flink_missing),
        }
    }
}

/// Which events to print.
#[derive(Debug, clap::Args)]
struct Asked {
    /// How many, of all streams together
    #[arg(long, default_value_t = 30_000)]
    rows: usize,
    /// How many in each second of event time
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    per_second: u64,
}

fn main() -> Result<()> {
    match Arguments::parse().bench {
        Bench::Log(options) => run("log", (&LOG, 50_000_000), (options, Peers::None)),
        Bench::Views(options) => run("views", (&VIEWS, 20_000_000), (options, Peers::None)),
        Bench::Streaming { options, others } => {
            if options.only.is_empty() {
                report::progress(LEFT_OUT)?;
            }
            let peers = others.into_peers();
            run("streaming", (&streaming(), 5_000_000), (options, peers))
        }
        Bench::Events(asked) => print(&asked),
        Bench::Cluster(options) => run("cluster", (&CLUSTER, 1_000_000), (options, Peers::None)),
        Bench::Prove(options) => prove::run(&options),
    }
}

fn run(
    bench: &str,
    (cases, rows): (&[Case], u64),
    (options, peers): (Options, Peers),
) -> Result<()> {
    let cases = chosen(cases, &options.only)?;
    let mainstem = std::path::absolute(&options.mainstem)?;
    let folder = options.folder.unwrap_or_else(|| beside(&mainstem));
    let setting = Setting {
        mainstem,
        folder: std::path::absolute(folder)?,
        seconds: options.seconds,
        rows: options.rows.unwrap_or(rows),
        minutes: options.minutes,
        keep: options.keep,
        python: options.python,
        config: options.config,
        cluster: options.cluster,
        peers,
    };
    let machine = Machine::here(&setting.folder);
    report::progress(&format!(
        "{} cores, {}, {}",
        machine.cores, machine.kernel, machine.folder
    ))?;
    let mut all = Vec::new();
    for case in cases {
        report::progress(&format!("running {}", case.name))?;
        let findings = case.run(&setting)?;
        if !options.json {
            report::print_table(&findings)?;
        }
        all.push(findings);
    }
    if options.json {
        report::print_json(bench, &machine, &all)?;
    }
    Ok(())
}

/// `STREAM {…}` for each event, in the order of event time.
fn print(asked: &Asked) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let first = cases::FIRST;
    let mut maker = AuctionMaker::new(first, usize::try_from(asked.per_second)?);
    for _event in 0..asked.rows {
        for body in maker.bodies(1) {
            let stream = body.stream.unwrap_or_default();
            out.write_all(format!("{stream} ").as_bytes())?;
            out.write_all(&body.lines)?;
        }
    }
    Ok(())
}

fn chosen(cases: &[Case], only: &[String]) -> Result<Vec<Case>> {
    let known: Vec<&str> = cases.iter().map(|case| case.name).collect();
    for name in only {
        ensure!(
            known.contains(&name.as_str()),
            "no case \"{name}\"; there are {}",
            known.join(", ")
        );
    }
    let chosen = cases
        .iter()
        .copied()
        .filter(|case| only.is_empty() || only.iter().any(|name| name == case.name));
    Ok(chosen.collect())
}

/// `target/bench` for `target/release/mainstem`: the disk that holds the sources, not a
/// temporary one in memory.
fn beside(mainstem: &Path) -> PathBuf {
    let target = mainstem
        .parent()
        .and_then(Path::parent)
        .unwrap_or(Path::new("."));
    target.join("bench")
}
