//! Applications over a log in memory, a store in memory and a disk that is told when to fail.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of this is a test, helpers too"
)]

mod asof;
mod bank;
mod building;
mod chains;
mod changes;
mod crash;
mod failing;
mod idle;
mod joins;
mod lookups;
mod oracle;
mod pairs;
mod passed;
mod random;
mod restart;
mod restoring;
mod settings;
mod steps;
mod trap;
mod turns;
mod unions;
mod verify;
mod world;
mod zero;
