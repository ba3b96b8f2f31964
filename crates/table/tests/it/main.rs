//! Rows by key from outside: answers against a model, crashes, writes in a crowd, expiry, feeds.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "all of this is a test, helpers too"
)]

mod applying;
mod crash;
mod expiry;
mod feeds;
mod model;
mod voucher;
mod world;
mod writes;
