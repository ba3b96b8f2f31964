//! Whole commands against a real server process, as a user types them.
//!
//! Nothing here sleeps: waiting is for a line of a process, its end, or an answer.

#![expect(
    clippy::disallowed_methods,
    reason = "these tests stand outside of the program, where processes, files and variables are"
)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "all of this is a test, helpers too"
)]

mod crash;
mod explain;
mod flowtest;
mod load;
mod operators;
mod refusals;
mod retail;
mod settings;
mod transcripts;
mod views;
mod world;
