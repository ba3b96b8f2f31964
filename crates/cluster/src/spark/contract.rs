//! The promises of `Spark`, tried on a real one.
//!
//! It is that of `MAINSTEM_SPARK` (`sc://host:port`; `cargo xtask cluster up` starts one), with the
//! brokers of `MAINSTEM_KAFKA`. Without the variables each promise says that it was skipped. Every
//! test has a session and topics of its own, stops its queries and removes its topics.

#![cfg(feature = "engines")]

mod bed;
mod history;
mod questions;
mod streams;
mod together;
mod views;
