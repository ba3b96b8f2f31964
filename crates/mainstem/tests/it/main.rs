//! Whole commands against a real server process, as a user types them.
//!
//! Nothing here sleeps: waiting is for a line of a process, its end, or an answer.

#![expect(
    clippy::disallowed_methods,
    reason = "these tests stand outside of the program, where processes, files and variables are"
)]

mod crash;
mod load;
mod refusals;
mod retail;
mod transcripts;
mod world;
