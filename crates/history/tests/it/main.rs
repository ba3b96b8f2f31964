//! History over the twin disk and the log in memory: what is read must be what was appended.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::clone_on_ref_ptr,
    reason = "a test that cannot go on has failed"
)]

mod crash;
mod readers;
mod tables;
mod world;
