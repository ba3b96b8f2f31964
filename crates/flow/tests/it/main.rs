//! Applications over a log in memory, a store in memory and a disk that is told when to fail.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "all of this is a test, helpers too"
)]

mod building;
mod changes;
mod oracle;
mod restart;
mod steps;
mod trap;
mod verify;
mod world;
