//! Build and checks: one tool instead of a Makefile and scripts; it knows nothing of the product's
//! inside.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a command line"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a build tool reads files and the clock itself"
)]

mod bench;
mod cluster;
mod codegen;
mod layers;
mod python;
mod shell;
mod sizes;
mod steps;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask VERB

  test              everything that must pass: fmt, tidy, clippy, tests, licences, then the
                    proofs that need other programs (Python with DuckDB and delta-rs)
  ci                the same, as a build server runs it: what is skipped elsewhere fails here
  tidy              the house rules: layers, lengths, module docs, links, error pages, words
  codegen           write the generated pages of docs/reference (the tests check them)
  bench log [...]   measure the way from the door to the answer (--help for its options)
  bench streaming [--peers] [...]
                    measure streaming SQL: rows of each key, patterns, Yahoo's benchmark, Nexmark's
                    queries; with --peers Apache Flink runs Nexmark's, too (Java 17, Maven), beside the ratio
                    of one run
  bench views [...] measure tables and views: rates, latencies, reads, writes, rebuilds, restarts
  bench cluster [...] the same view on one machine, on the engines of `cluster up`, and by hand in Spark SQL
  cluster up [--brokers 1|3] [--cassandras 1|3] | test | prove | status | down [--purge]
                    Kafka, Cassandra and Spark on this machine, from their published packages
                    (deploy/README.md)
  sim [SECTION] [--seed N] [--rounds N] [--stride N] [--transfers N]
                    seeded simulation: of the log and history under power cuts (log), of random
                    views against plain SQL (views), of power cuts and failures at every call of
                    checkpoints, rebuilds and swaps (crashes), of ten million transfers whose sum
                    is zero at every output (zero-sum); without SECTION all of them
  crash [--kills N] [--clients N]
                    kill -9 a real node N times (100) and compare with what it acknowledged, and
                    while N clients (10,000) redeem a hundred vouchers
  fuzz [--rounds N] mutate every parser's input N times (1,000,000)
  sizes [--cold]    crates in the build and, with --cold, the time of a cold release build
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (verb, rest) = match args.split_first() {
        Some((verb, rest)) => (verb.as_str(), rest),
        None => ("help", args.as_slice()),
    };
    let result = match verb {
        "test" => steps::test(steps::Place::Laptop),
        "ci" => steps::test(steps::Place::Server),
        "tidy" => tidy::run(),
        "codegen" => codegen::run(),
        "bench" => bench::run(rest),
        "cluster" => cluster::run(rest),
        "sim" => steps::sim(rest),
        "crash" => steps::crash(rest),
        "fuzz" => steps::fuzz(rest),
        "sizes" => sizes::run(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        other => {
            eprintln!("error: there is no verb \"{other}\"\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
