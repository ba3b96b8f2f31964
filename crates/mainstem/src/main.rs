//! The mainstem command: reads what was typed, does it, and prints what came of it.
//!
//! It holds no part of the platform: `node` does.

mod allocator;
mod args;
mod client;
mod command;
mod demo;
mod errors;
mod failure;
mod flowtest;
mod folder;
mod screen;
mod sse;
mod table;

use std::{future::Future, process::ExitCode};

use clap::Parser;
use tokio::runtime::Builder;

use crate::{
    args::{Cli, Command},
    errors::CliError,
    failure::Outcome,
};

fn main() -> ExitCode {
    allocator::set_up();
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.problems.is_empty() => ExitCode::SUCCESS,
        Err(failure) => {
            screen::note(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Outcome {
    let target = &cli.target;
    match &cli.command {
        Command::Serve(options) => command::serve::serve(target, options),
        Command::Demo(options) => demo::demo(target, options),
        Command::Check(options) => command::check::check(options),
        Command::Test(options) => command::test::test(options),
        Command::ExplainError(options) => command::explain::explain(options),
        Command::Plan(options) => wait(command::app::plan(target, options)),
        Command::Apply(options) => wait(command::app::apply(target, options)),
        Command::Rollback(options) => wait(command::app::rollback(target, options)),
        Command::Load(options) => wait(command::load::load(target, options)),
        Command::Sql(options) => wait(command::sql::sql(target, options)),
        Command::Explain(options) => wait(command::picture::explain(target, options)),
        Command::Tail(options) => wait(command::tail::tail(target, options)),
        Command::Status(options) => wait(command::status::status(target, options)),
        Command::Move(options) => wait(command::relocate::relocate(target, options)),
        Command::Backup(options) => wait(command::copy::backup(target, options)),
        Command::Restore(options) => wait(command::copy::restore(target, options)),
    }
}

/// Runs a command that waits for a server. What still reads in the background, such as standard
/// input, does not hold up the end.
fn wait(work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| CliError::System { source })?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_background();
    outcome
}
